//! Recurrent layers, unrolled: the steps of a sequence follow each other in the program.
//!
//! The part of the gates that depends on the input alone is one product for the whole sequence; each step adds one product
//! of the state.

use super::Inputs;
use super::emit::Lowerer;
use super::index::{concat, slice_axis};
use super::shape::transpose;
use crate::op::{Cell, Direction, Recurrent};
use crate::{Activation, Binary, DType, Data, Error, Kernel, Result, Tensor, Unary, ValueId};

/// Longest sequence.
const MAX_STEPS: usize = 2048;
/// Nodes that a step counts as against the bound on unrolled loops.
const STEP_COST: usize = 16;

/// Inputs: x, weights, recurrent weights, optional bias, sequence lengths, initial state, and for LSTM initial cell state
/// and peepholes. Gives all states, the last ones, and for LSTM the last cell states.
pub fn recurrent(lo: &mut Lowerer, inputs: &Inputs<'_>, p: &Recurrent, whole: bool) -> Result<Vec<ValueId>> {
    let mut x = inputs.need(0)?;
    if p.batch_first {
        x = transpose(lo, x, Some(&[1, 0, 2]))?;
    }
    let &[steps, batch, width] = lo.shape(x) else {
        return Err(Error::malformed(format!("a sequence of shape {:?}", lo.shape(x))));
    };
    let gates = match p.cell {
        Cell::Rnn => 1,
        Cell::Gru { .. } => 3,
        Cell::Lstm { .. } => 4,
    };
    let &[directions, rows, hidden] = lo.shape(inputs.need(2)?) else {
        return Err(Error::malformed(format!("recurrent weights of shape {:?}", lo.shape(inputs.need(2)?))));
    };
    let expected = if p.direction == Direction::Bidirectional { 2 } else { 1 };
    let fits = directions == expected
        && hidden.checked_mul(gates) == Some(rows)
        && lo.shape(inputs.need(1)?) == [directions, rows, width]
        && p.hidden_size.is_none_or(|h| h == hidden);
    if !fits || steps == 0 {
        let (w, r) = (lo.shape(inputs.need(1)?), lo.shape(inputs.need(2)?));
        return Err(Error::malformed(format!("weights {w:?} and {r:?} for a sequence {:?}", [steps, batch, width])));
    }
    if steps > MAX_STEPS {
        return Err(Error::limit(format!("a sequence of {steps} steps; at most {MAX_STEPS}")));
    }
    let alive = lengths(lo, inputs.get(4), batch)?;
    let (mut all, mut last, mut cells) = (Vec::new(), Vec::new(), Vec::new());
    for d in 0..directions {
        let layer = Layer::new(lo, inputs, p, d, [batch, gates, hidden])?;
        let backwards = p.direction == Direction::Reverse || d == 1;
        let run = layer.run(lo, x, backwards, alive)?;
        all.push(run.states);
        last.push(lo.reshape(run.last, &[1, batch, hidden])?);
        cells.push(lo.reshape(run.cell, &[1, batch, hidden])?);
    }
    let (mut last, mut cells) = (concat(lo, &last, 0)?, concat(lo, &cells, 0)?);
    if p.batch_first {
        last = transpose(lo, last, Some(&[1, 0, 2]))?;
        cells = transpose(lo, cells, Some(&[1, 0, 2]))?;
    }
    let mut y = last;
    if whole {
        let mut sequences = Vec::with_capacity(directions);
        for states in &all {
            sequences.push(concat(lo, states, 0)?);
        }
        y = concat(lo, &sequences, 1)?;
        if p.batch_first {
            y = transpose(lo, y, Some(&[2, 0, 1, 3]))?;
        }
    }
    Ok(if matches!(p.cell, Cell::Lstm { .. }) { vec![y, last, cells] } else { vec![y, last] })
}

/// The lengths of the sequences as a column (int64).
fn lengths(lo: &mut Lowerer, given: Option<ValueId>, batch: usize) -> Result<Option<ValueId>> {
    let Some(given) = given else { return Ok(None) };
    if lo.shape(given) != [batch] {
        return Err(Error::malformed(format!("lengths of shape {:?} for {batch} sequences", lo.shape(given))));
    }
    let column = lo.reshape(given, &[batch, 1])?;
    lo.cast(column, DType::I64).map(Some)
}

/// One direction of a layer.
struct Layer<'p> {
    p: &'p Recurrent,
    functions: &'p [Unary],
    /// `[gates hidden, width]`.
    weight: ValueId,
    /// `[gates hidden, hidden]`.
    recurrent: ValueId,
    /// Of the products with the input, `[gates hidden]`; for all but GRU both biases.
    bias: Option<ValueId>,
    /// Of the products with the state, where that makes a difference.
    recurrent_bias: Option<ValueId>,
    /// `[3 hidden]`.
    peepholes: Option<ValueId>,
    state: ValueId,
    cell: ValueId,
    batch: usize,
    gates: usize,
    hidden: usize,
}

/// What a direction gives: a state `[1, 1, batch, hidden]` for each step in order, and the last of all `[batch, hidden]`.
struct Run {
    states: Vec<ValueId>,
    last: ValueId,
    cell: ValueId,
}

impl<'p> Layer<'p> {
    fn new(lo: &mut Lowerer, inputs: &Inputs<'_>, p: &'p Recurrent, d: usize, sizes: [usize; 3]) -> Result<Self> {
        let [batch, gates, hidden] = sizes;
        let dtype = lo.dtype(inputs.need(0)?);
        let part = |lo: &mut Lowerer, id: ValueId, axis: usize, shape: &[usize]| {
            let id = slice_axis(lo, id, axis, d, 1)?;
            lo.reshape(id, shape)
        };
        let given = |i: usize, shape: &[usize]| match inputs.get(i) {
            Some(id) if lo.shape(id).iter().product::<usize>() != shape.iter().product::<usize>() => {
                Err(Error::malformed(format!("input {i} of shape {:?}, not {shape:?}", lo.shape(id))))
            }
            other => Ok(other),
        };
        let directions = if p.direction == Direction::Bidirectional { 2 } else { 1 };
        let (bias, initial) = (given(3, &[directions, 2, gates, hidden])?, given(5, &[directions, batch, hidden])?);
        let (initial_cell, peepholes) = match p.cell {
            Cell::Lstm { .. } => (given(6, &[directions, batch, hidden])?, given(7, &[directions, 3, hidden])?),
            _ => (None, None),
        };
        let width = lo.shape(inputs.need(1)?)[2];
        let weight = part(lo, inputs.need(1)?, 0, &[gates * hidden, width])?;
        let recurrent = part(lo, inputs.need(2)?, 0, &[gates * hidden, hidden])?;
        let axis = usize::from(p.batch_first);
        let start = |lo: &mut Lowerer, id: Option<ValueId>| match id {
            Some(id) => part(lo, id, axis, &[batch, hidden]),
            None => {
                let zero = lo.number(0.0, dtype)?;
                lo.emit(Kernel::Expand, &[zero], dtype, &[batch, hidden])
            }
        };
        let (state, cell) = (start(lo, initial)?, start(lo, initial_cell)?);
        let (mut first, mut second) = (None, None);
        if let Some(bias) = bias {
            let bias = part(lo, bias, 0, &[2 * gates * hidden])?;
            let own = slice_axis(lo, bias, 0, 0, gates * hidden)?;
            let other = slice_axis(lo, bias, 0, gates * hidden, gates * hidden)?;
            if p.cell == (Cell::Gru { linear_before_reset: true }) {
                (first, second) = (Some(own), Some(other));
            } else {
                first = Some(lo.binary(Binary::Add, own, other)?);
            }
        }
        let peepholes = peepholes.map(|id| part(lo, id, 0, &[3 * hidden])).transpose()?;
        let count = p.activations.len() / directions;
        let functions = &p.activations[d * count..(d + 1) * count];
        let (bias, recurrent_bias) = (first, second);
        Ok(Self { p, functions, weight, recurrent, bias, recurrent_bias, peepholes, state, cell, batch, gates, hidden })
    }

    fn run(&self, lo: &mut Lowerer, x: ValueId, backwards: bool, alive: Option<ValueId>) -> Result<Run> {
        let (steps, dtype) = (lo.shape(x)[0], lo.dtype(x));
        let width = lo.shape(x)[2];
        let flat = lo.reshape(x, &[steps * self.batch, width])?;
        let mut gates = product(lo, flat, self.weight, self.gates * self.hidden)?;
        if let Some(bias) = self.bias {
            gates = lo.binary(Binary::Add, gates, bias)?;
        }
        let zero = lo.number(0.0, dtype)?;
        let (mut state, mut cell) = (self.state, self.cell);
        let mut states = vec![state; steps];
        for i in 0..steps {
            lo.spend(STEP_COST)?;
            let t = if backwards { steps - 1 - i } else { i };
            let gate = slice_axis(lo, gates, 0, t * self.batch, self.batch)?;
            let (mut next, mut next_cell) = self.step(lo, gate, state, cell)?;
            let mut shown = next;
            if let Some(mask) = self.mask(lo, alive, t)? {
                // A sequence that is over, or (backwards) has not begun, keeps its state and shows 0.
                let shape = [self.batch, self.hidden];
                shown = lo.emit(Kernel::Where, &[mask, next, zero], dtype, &shape)?;
                next = lo.emit(Kernel::Where, &[mask, next, state], dtype, &shape)?;
                next_cell = lo.emit(Kernel::Where, &[mask, next_cell, cell], dtype, &shape)?;
            }
            (state, cell) = (next, next_cell);
            states[t] = lo.reshape(shown, &[1, 1, self.batch, self.hidden])?;
        }
        Ok(Run { states, last: state, cell })
    }

    /// Which sequences reach step `t`; `None` when all do.
    fn mask(&self, lo: &mut Lowerer, alive: Option<ValueId>, t: usize) -> Result<Option<ValueId>> {
        let Some(lengths) = alive else { return Ok(None) };
        let t = lo.constant(Tensor::new([], Data::I64(vec![t as i64]))?);
        let mask = lo.binary(Binary::Less, t, lengths)?;
        let all = matches!(lo.constant_of(mask).map(Tensor::data), Some(Data::Bool(v)) if !v.contains(&false));
        Ok(Some(mask).filter(|_| !all))
    }

    /// The next state and cell state from the gates' share of the input, `[batch, gates hidden]`.
    fn step(&self, lo: &mut Lowerer, gate: ValueId, state: ValueId, cell: ValueId) -> Result<(ValueId, ValueId)> {
        match self.p.cell {
            Cell::Rnn => {
                let pushed = product(lo, state, self.recurrent, self.hidden)?;
                let sum = lo.binary(Binary::Add, gate, pushed)?;
                Ok((self.apply(lo, 0, sum)?, cell))
            }
            Cell::Gru { linear_before_reset } => Ok((self.gru(lo, gate, state, linear_before_reset)?, cell)),
            Cell::Lstm { input_forget } => self.lstm(lo, gate, state, cell, input_forget),
        }
    }

    fn gru(&self, lo: &mut Lowerer, gate: ValueId, state: ValueId, linear_before_reset: bool) -> Result<ValueId> {
        let hidden = self.hidden;
        let own = slice_axis(lo, gate, 1, 2 * hidden, hidden)?;
        let (update, candidate);
        if linear_before_reset {
            let mut pushed = product(lo, state, self.recurrent, 3 * hidden)?;
            if let Some(bias) = self.recurrent_bias {
                pushed = lo.binary(Binary::Add, pushed, bias)?;
            }
            let sum = lo.binary(Binary::Add, gate, pushed)?;
            let reset = self.gate(lo, 0, sum, 1)?;
            update = self.gate(lo, 0, sum, 0)?;
            let linear = slice_axis(lo, pushed, 1, 2 * hidden, hidden)?;
            let kept = lo.binary(Binary::Mul, reset, linear)?;
            candidate = lo.binary(Binary::Add, own, kept)?;
        } else {
            let first = slice_axis(lo, self.recurrent, 0, 0, 2 * hidden)?;
            let pushed = product(lo, state, first, 2 * hidden)?;
            let gate = slice_axis(lo, gate, 1, 0, 2 * hidden)?;
            let sum = lo.binary(Binary::Add, gate, pushed)?;
            let reset = self.gate(lo, 0, sum, 1)?;
            update = self.gate(lo, 0, sum, 0)?;
            let kept = lo.binary(Binary::Mul, reset, state)?;
            let second = slice_axis(lo, self.recurrent, 0, 2 * hidden, hidden)?;
            let linear = product(lo, kept, second, hidden)?;
            candidate = lo.binary(Binary::Add, own, linear)?;
        }
        let candidate = self.apply(lo, 1, candidate)?;
        // (1 - z) h + z H.
        let difference = lo.binary(Binary::Sub, state, candidate)?;
        let share = lo.binary(Binary::Mul, update, difference)?;
        lo.binary(Binary::Add, candidate, share)
    }

    fn lstm(
        &self,
        lo: &mut Lowerer,
        gate: ValueId,
        state: ValueId,
        cell: ValueId,
        input_forget: bool,
    ) -> Result<(ValueId, ValueId)> {
        let hidden = self.hidden;
        let pushed = product(lo, state, self.recurrent, 4 * hidden)?;
        let sum = lo.binary(Binary::Add, gate, pushed)?;
        // Peepholes are stored for the input, output and forget gate, as are the gates before the candidate.
        let looking = |lo: &mut Lowerer, which: usize, cell: ValueId| {
            let linear = slice_axis(lo, sum, 1, which * hidden, hidden)?;
            let Some(peepholes) = self.peepholes else { return self.apply(lo, 0, linear) };
            let hole = slice_axis(lo, peepholes, 0, which * hidden, hidden)?;
            let seen = lo.binary(Binary::Mul, cell, hole)?;
            let linear = lo.binary(Binary::Add, linear, seen)?;
            self.apply(lo, 0, linear)
        };
        let input = looking(lo, 0, cell)?;
        let forget = if input_forget {
            let one = lo.number(1.0, lo.dtype(input))?;
            lo.binary(Binary::Sub, one, input)?
        } else {
            looking(lo, 2, cell)?
        };
        let candidate = self.gate(lo, 1, sum, 3)?;
        let kept = lo.binary(Binary::Mul, forget, cell)?;
        let added = lo.binary(Binary::Mul, input, candidate)?;
        let cell = lo.binary(Binary::Add, kept, added)?;
        let output = looking(lo, 1, cell)?;
        let shown = lo.unary(self.functions[2], cell)?;
        Ok((lo.binary(Binary::Mul, output, shown)?, cell))
    }

    /// Function `f` of gate `which` of `sum`.
    fn gate(&self, lo: &mut Lowerer, f: usize, sum: ValueId, which: usize) -> Result<ValueId> {
        let linear = slice_axis(lo, sum, 1, which * self.hidden, self.hidden)?;
        self.apply(lo, f, linear)
    }

    fn apply(&self, lo: &mut Lowerer, f: usize, mut x: ValueId) -> Result<ValueId> {
        if let Some(clip) = self.p.clip {
            x = lo.unary(Unary::Activation(Activation::Clip(-clip, clip)), x)?;
        }
        lo.unary(self.functions[f], x)
    }
}

/// `x [m, k]` times the transpose of `weight [n, k]`.
fn product(lo: &mut Lowerer, x: ValueId, weight: ValueId, n: usize) -> Result<ValueId> {
    let m = lo.shape(x)[0];
    let kernel = Kernel::MatMul { trans_a: false, trans_b: true, alpha: 1.0 };
    lo.emit(kernel, &[x, weight], lo.dtype(x), &[m, n])
}
