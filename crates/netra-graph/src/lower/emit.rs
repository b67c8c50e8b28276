//! The program under construction: emitting kernels, folding what is constant, and the helpers that all families use.

use crate::program::trim;
use crate::tensor::element_count;
use crate::{Binary, DType, Data, Error, Kernel, ProgramBuilder, Reduction, Result, Tensor, Unary, ValueId, eval};

/// Folding makes at most this many bytes beyond three times those of the graph's own constants.
const MAX_FOLDED_BYTES: usize = 16 << 20;
/// Multiplications (or moved elements) that folding may spend beyond three for each byte of the graph's own constants; the
/// evaluator is slow.
const MAX_FOLDED_WORK: usize = 1 << 26;
/// Folding that costs no more than this is always done: shape arithmetic must not depend on a budget.
const SMALL_WORK: usize = 4096;
/// Nodes lowered, loops unrolled.
const MAX_NODES: usize = 200_000;
/// No real tensor has more axes.
const MAX_RANK: usize = 16;

/// A program under construction.
pub struct Lowerer {
    pub program: ProgramBuilder,
    node: String,
    nodes_left: usize,
    bytes_left: usize,
    work_left: usize,
}

/// Checks that a shape can be a tensor's: few axes, and bytes that fit in memory's address space.
pub fn check_size(shape: &[usize]) -> Result<()> {
    if shape.len() > MAX_RANK {
        return Err(Error::limit(format!("a tensor with {} axes", shape.len())));
    }
    let bytes = element_count(shape).and_then(|n| n.checked_mul(8));
    if bytes.is_none_or(|b| isize::try_from(b).is_err()) {
        return Err(Error::limit(format!("a tensor of shape {shape:?}")));
    }
    Ok(())
}

/// An axis counted from either end; `rank` itself is valid only where the operator says so.
pub fn axis(axis: i64, rank: usize) -> Result<usize> {
    let resolved = if axis < 0 { axis.checked_add(rank as i64) } else { Some(axis) };
    resolved
        .and_then(|a| usize::try_from(a).ok())
        .filter(|&a| a < rank)
        .ok_or_else(|| Error::malformed(format!("axis {axis} of a tensor with {rank} axes")))
}

/// Axes counted from either end, ascending and without repeats.
pub fn axes(list: &[i64], rank: usize) -> Result<Vec<usize>> {
    if list.len() > rank {
        return Err(Error::malformed(format!("{} axes of a tensor with {rank}", list.len())));
    }
    let mut axes = list.iter().map(|&a| axis(a, rank)).collect::<Result<Vec<_>>>()?;
    axes.sort_unstable();
    match axes.windows(2).find(|w| w[0] == w[1]) {
        Some(w) => Err(Error::malformed(format!("axis {} is named twice", w[0]))),
        None => Ok(axes),
    }
}

/// NumPy broadcasting of two shapes.
pub fn broadcast(a: &[usize], b: &[usize]) -> Result<Vec<usize>> {
    let rank = a.len().max(b.len());
    let size = |s: &[usize], i: usize| (i + s.len()).checked_sub(rank).map_or(1, |j| s[j]);
    (0..rank)
        .map(|i| match (size(a, i), size(b, i)) {
            (x, y) if x == y => Ok(x),
            (1, y) => Ok(y),
            (x, 1) => Ok(x),
            _ => Err(Error::malformed(format!("shapes {a:?} and {b:?} do not broadcast"))),
        })
        .collect()
}

impl Lowerer {
    /// For a graph with `weight_bytes` of constants.
    pub fn new(weight_bytes: usize) -> Self {
        Self {
            program: ProgramBuilder::new(),
            node: String::new(),
            nodes_left: MAX_NODES,
            // Weights of 8 bits unfold to float32.
            bytes_left: MAX_FOLDED_BYTES.saturating_add(weight_bytes.saturating_mul(3)),
            work_left: MAX_FOLDED_WORK.saturating_add(weight_bytes.saturating_mul(3)),
        }
    }

    /// Names the node that following steps come from.
    pub fn enter(&mut self, node: &str) {
        node.clone_into(&mut self.node);
    }

    /// Counts `nodes` more against the bound that keeps unrolled loops finite.
    pub fn spend(&mut self, nodes: usize) -> Result<()> {
        let left = self.nodes_left.checked_sub(nodes);
        self.nodes_left = left.ok_or_else(|| Error::limit("too many nodes, loops unrolled"))?;
        Ok(())
    }

    pub fn shape(&self, id: ValueId) -> &[usize] {
        &self.program.value(id).shape
    }

    pub fn dtype(&self, id: ValueId) -> DType {
        self.program.value(id).dtype
    }

    pub fn constant_of(&self, id: ValueId) -> Option<&Tensor> {
        self.program.value(id).constant.as_deref()
    }

    /// The integers of a parameter that is an input.
    pub fn ints(&self, id: ValueId, what: &str) -> Result<Vec<i64>> {
        let value = self.program.value(id);
        if value.shape.len() > 1 {
            return Err(Error::malformed(format!("{what} has shape {:?}", value.shape)));
        }
        let tensor = value.constant.as_ref().ok_or_else(|| not_constant(what))?;
        tensor.to_i64s().ok_or_else(|| Error::malformed(format!("{what} is {}", value.dtype)))
    }

    /// The single element of a float parameter that is an input, when it is a constant.
    pub fn scalar_f32(&self, id: ValueId) -> Option<f32> {
        match self.constant_of(id)?.as_f32()? {
            &[value] => Some(value),
            _ => None,
        }
    }

    pub fn constant(&mut self, tensor: Tensor) -> ValueId {
        let name = format!("{}:constant", self.node);
        self.program.constant(&name, tensor)
    }

    /// A float32 scalar.
    pub fn scalar(&mut self, value: f32) -> Result<ValueId> {
        Ok(self.constant(Tensor::from_f32([], vec![value])?))
    }

    /// Reduces axes, which stay with size 1.
    pub fn reduce(&mut self, reduction: Reduction, x: ValueId, axes: &[usize]) -> Result<ValueId> {
        let mut shape = self.shape(x).to_vec();
        for (axis, size) in shape.iter_mut().enumerate() {
            if axes.contains(&axis) {
                *size = 1;
            }
        }
        self.emit(Kernel::Reduce { reduction, axes: axes.to_vec() }, &[x], self.dtype(x), &shape)
    }

    /// Adds a step, or a constant when all inputs are constants and the result is small enough.
    ///
    /// What has no elements is a constant whatever it is made from: backends never see an empty tensor inside a program.
    pub fn emit(&mut self, kernel: Kernel, inputs: &[ValueId], dtype: DType, shape: &[usize]) -> Result<ValueId> {
        let inputs: Vec<_> = inputs.iter().copied().map(Some).collect();
        self.emit_optional(kernel, &inputs, dtype, shape)
    }

    /// As [`Self::emit`], with optional inputs.
    pub fn emit_optional(
        &mut self,
        kernel: Kernel,
        inputs: &[Option<ValueId>],
        dtype: DType,
        shape: &[usize],
    ) -> Result<ValueId> {
        check_size(shape)?;
        self.settled(inputs.iter().flatten())?;
        if let Some(tensor) = self.fold(&kernel, inputs, dtype, shape)? {
            return Ok(self.constant(tensor));
        }
        if shape.contains(&0) {
            return Ok(self.constant(empty(dtype, shape)?));
        }
        if let Some(&id) = inputs.iter().flatten().find(|id| self.shape(**id).contains(&0)) {
            return Err(Error::unsupported(format!("{} of an empty tensor {:?}", kernel.name(), self.shape(id))));
        }
        if let Some(dtype) = inputs.first().copied().flatten().map(|id| self.dtype(id))
            && !eval::defines(&kernel, dtype)
        {
            return Err(Error::unsupported(format!("{} of {dtype}", kernel.name())));
        }
        let node = self.node.clone();
        Ok(self.program.step(&node, kernel, inputs, dtype, shape))
    }

    /// Whether folding may make `bytes` more at a cost of `work`; if so, they are spent.
    pub fn fits_budget(&mut self, bytes: usize, work: usize) -> bool {
        let small = work <= SMALL_WORK;
        if !small && (bytes > self.bytes_left || work > self.work_left) {
            return false;
        }
        if !small {
            self.bytes_left -= bytes;
            self.work_left -= work;
        }
        true
    }

    fn fold(
        &mut self,
        kernel: &Kernel,
        inputs: &[Option<ValueId>],
        dtype: DType,
        shape: &[usize],
    ) -> Result<Option<Tensor>> {
        let mut constants = Vec::with_capacity(inputs.len());
        for id in inputs {
            match id.map(|id| self.program.value(id).constant.clone()) {
                Some(None) => return Ok(None),
                constant => constants.push(constant.flatten()),
            }
        }
        let operands: Vec<Option<&Tensor>> = constants.iter().map(Option::as_deref).collect();
        let bytes = shape.iter().product::<usize>() * dtype.size();
        let work = work(kernel, &operands, shape);
        if !self.fits_budget(bytes, work) {
            return Ok(None);
        }
        let tensor = eval::step(kernel, &operands, dtype, shape)?;
        if tensor.dtype() != dtype || tensor.shape() != shape {
            return Err(Error::unsupported(format!("{} of {}", kernel.name(), tensor.dtype())));
        }
        Ok(Some(tensor))
    }

    /// The same elements under another shape; the value itself when the shape is the same.
    pub fn reshape(&mut self, x: ValueId, shape: &[usize]) -> Result<ValueId> {
        if self.shape(x) == shape {
            return Ok(x);
        }
        check_size(shape)?;
        if element_count(shape) != element_count(self.shape(x)) {
            return Err(Error::malformed(format!("shape {:?} does not become {shape:?}", self.shape(x))));
        }
        self.emit(Kernel::Reshape, &[x], self.dtype(x), shape)
    }

    /// NumPy broadcasting to `shape`; the value itself when it has it.
    pub fn expand(&mut self, x: ValueId, shape: &[usize]) -> Result<ValueId> {
        if self.shape(x) == shape { Ok(x) } else { self.emit(Kernel::Expand, &[x], self.dtype(x), shape) }
    }

    /// An element-wise function that keeps type and shape.
    pub fn unary(&mut self, op: Unary, x: ValueId) -> Result<ValueId> {
        let shape = self.shape(x).to_vec();
        self.emit(Kernel::Unary(op), &[x], self.dtype(x), &shape)
    }

    /// An element-wise function of two values of one type.
    pub fn binary(&mut self, op: Binary, a: ValueId, b: ValueId) -> Result<ValueId> {
        let (left, right) = (self.dtype(a), self.dtype(b));
        if left != right {
            return Err(Error::malformed(format!("operands are {left} and {right}")));
        }
        let shape = broadcast(self.shape(a), self.shape(b))?;
        let compares =
            matches!(op, Binary::Equal | Binary::Less | Binary::LessOrEqual | Binary::Greater | Binary::GreaterOrEqual);
        self.emit(Kernel::Binary(op), &[a, b], if compares { DType::Bool } else { left }, &shape)
    }

    pub fn cast(&mut self, x: ValueId, to: DType) -> Result<ValueId> {
        if self.dtype(x) == to {
            return Ok(x);
        }
        let shape = self.shape(x).to_vec();
        self.emit(Kernel::Cast { to }, &[x], to, &shape)
    }

    /// A scalar of an element type, to which the number is converted.
    pub fn number(&mut self, value: f64, dtype: DType) -> Result<ValueId> {
        let value = self.constant(Tensor::new([], Data::F64(vec![value]))?);
        self.cast(value, dtype)
    }

    /// The numbers 0 to `n` (int64) along one of `rank` axes, the others of size 1.
    pub fn positions(&mut self, rank: usize, axis: usize, n: usize) -> Result<ValueId> {
        let mut shape = vec![1; rank];
        shape[axis] = n;
        self.charge(n.saturating_mul(DType::I64.size()))?;
        Ok(self.constant(Tensor::new(shape, Data::I64((0..n as i64).collect()))?))
    }

    /// Counts bytes that a lowering makes against those that folding may make.
    pub fn charge(&mut self, bytes: usize) -> Result<()> {
        if bytes > SMALL_WORK {
            let left = self.bytes_left.checked_sub(bytes);
            self.bytes_left = left.ok_or_else(|| Error::limit("the constants that lowering would make"))?;
        }
        Ok(())
    }

    /// A result that ends where its padding of -1 begins along `axis`: cut there when it is a constant, else the program's
    /// outputs are ([`Program::trim`](crate::Program::trim)).
    pub fn trimmed(&mut self, x: ValueId, axis: usize) -> Result<ValueId> {
        match self.constant_of(x) {
            Some(tensor) => {
                let tensor = trim(tensor.clone(), axis)?;
                Ok(self.constant(tensor))
            }
            None => Ok(x),
        }
    }

    /// Refuses values whose size depends on data: they are for outputs only.
    pub fn settled<'i>(&self, ids: impl Iterator<Item = &'i ValueId>) -> Result<()> {
        for &id in ids {
            if self.program.padded_axis(id).is_some() {
                return Err(Error::unsupported("a result whose size depends on data, used inside the network"));
            }
        }
        Ok(())
    }

    /// A value that may carry a graph output's name: itself, or a copy when it already carries another one.
    pub fn output(&mut self, x: ValueId, taken: bool) -> Result<ValueId> {
        let value = self.program.value(x);
        if let Some(constant) = value.constant.clone() {
            return Ok(self.program.constant("", constant));
        }
        if !taken {
            return Ok(x);
        }
        let (dtype, shape) = (value.dtype, value.shape.clone());
        self.emit(Kernel::Reshape, &[x], dtype, &shape)
    }
}

/// A tensor without elements.
pub fn empty(dtype: DType, shape: &[usize]) -> Result<Tensor> {
    Tensor::from_f32([0], Vec::new())
        .and_then(|t| eval::step(&Kernel::Cast { to: dtype }, &[Some(&t)], dtype, &[0]))?
        .reshaped(shape)
}

/// The error for a parameter that only becomes known while the network runs.
pub fn not_constant(what: &str) -> Error {
    Error::unsupported(format!("{what} is not constant"))
}

/// Multiplications, or moved elements, of one kernel.
fn work(kernel: &Kernel, operands: &[Option<&Tensor>], shape: &[usize]) -> usize {
    let elements = |s: &[usize]| element_count(s).unwrap_or(usize::MAX);
    let input = |i: usize| operands.get(i).copied().flatten().map_or(&[][..], Tensor::shape);
    let out = elements(shape);
    match kernel {
        Kernel::Conv(_) => out.saturating_mul(elements(input(1).get(1..).unwrap_or_default())),
        Kernel::ConvTranspose(_) => elements(input(0)).saturating_mul(elements(input(1).get(1..).unwrap_or_default())),
        Kernel::MatMul { trans_a, .. } => {
            let back = if *trans_a { 2 } else { 1 };
            let inner = input(0).len().checked_sub(back).map_or(1, |i| input(0)[i]);
            out.saturating_mul(inner)
        }
        // Each score is compared with every box that was kept.
        Kernel::NonMaxSuppression(p) => elements(input(1)).saturating_mul(p.max_boxes.max(1)),
        Kernel::MaxPool(p) | Kernel::AveragePool { pool: p, .. } => out.saturating_mul(elements(&p.kernel)),
        _ => operands.iter().flatten().map(|t| elements(t.shape())).fold(out, usize::max),
    }
}
