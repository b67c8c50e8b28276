//! What passes share: who makes a value, how often it is read, and replacing a step.

use std::sync::Arc;

use crate::{DType, Kernel, Program, Step, StepValue, Tensor, ValueId};

/// A program while one pass goes over it.
pub struct Editor<'p> {
    program: &'p mut Program,
    /// Step that makes each value.
    producer: Vec<Option<usize>>,
    /// Reads of each value by steps and outputs.
    uses: Vec<usize>,
    dead: Vec<bool>,
    fired: usize,
}

impl<'p> Editor<'p> {
    pub fn new(program: &'p mut Program) -> Self {
        let mut producer = vec![None; program.values.len()];
        let mut uses = vec![0; program.values.len()];
        for (i, step) in program.steps.iter().enumerate() {
            producer[step.output.index()] = Some(i);
            for id in step.inputs.iter().flatten() {
                uses[id.index()] += 1;
            }
        }
        for id in &program.outputs {
            uses[id.index()] += 1;
        }
        let dead = vec![false; program.steps.len()];
        Self { program, producer, uses, dead, fired: 0 }
    }

    /// Number of steps, dead ones included.
    pub fn len(&self) -> usize {
        self.program.steps.len()
    }

    /// A step, unless it has been replaced.
    pub fn step(&self, at: usize) -> Option<&Step> {
        if self.dead[at] { None } else { Some(&self.program.steps[at]) }
    }

    /// The step that makes a value.
    pub fn producer(&self, id: ValueId) -> Option<&Step> {
        self.producer_index(id).and_then(|at| self.step(at))
    }

    /// Index of the step that makes a value.
    pub fn producer_index(&self, id: ValueId) -> Option<usize> {
        self.producer[id.index()].filter(|&at| !self.dead[at])
    }

    /// The step that makes a value which only one step reads.
    pub fn sole_producer(&self, id: ValueId) -> Option<&Step> {
        if self.uses[id.index()] == 1 { self.producer(id) } else { None }
    }

    pub fn shape(&self, id: ValueId) -> &[usize] {
        &self.program.value(id).shape
    }

    pub fn dtype(&self, id: ValueId) -> DType {
        self.program.value(id).dtype
    }

    pub fn constant(&self, id: ValueId) -> Option<&Tensor> {
        self.program.value(id).constant.as_deref()
    }

    /// A float32 constant.
    pub fn floats(&self, id: ValueId) -> Option<&[f32]> {
        self.constant(id)?.as_f32()
    }

    /// A float32 constant of one element.
    pub fn scalar(&self, id: ValueId) -> Option<f32> {
        match self.floats(id)? {
            &[value] => Some(value),
            _ => None,
        }
    }

    pub fn add_constant(&mut self, name: String, tensor: Tensor) -> ValueId {
        let id = ValueId(self.program.values.len() as u32);
        let (dtype, shape) = (tensor.dtype(), tensor.shape().to_vec());
        self.program.values.push(StepValue { name, dtype, shape, constant: Some(Arc::new(tensor)) });
        self.producer.push(None);
        self.uses.push(0);
        id
    }

    /// Puts another kernel in the place of step `at`; steps that nothing reads any more go.
    pub fn replace(&mut self, at: usize, kernel: Kernel, inputs: Vec<Option<ValueId>>) {
        for id in inputs.iter().flatten() {
            self.uses[id.index()] += 1;
        }
        let step = &mut self.program.steps[at];
        step.kernel = kernel;
        let mut dropped: Vec<ValueId> = std::mem::replace(&mut step.inputs, inputs).into_iter().flatten().collect();
        while let Some(id) = dropped.pop() {
            self.uses[id.index()] -= 1;
            if self.uses[id.index()] == 0
                && let Some(at) = self.producer[id.index()]
                && !std::mem::replace(&mut self.dead[at], true)
            {
                dropped.extend(self.program.steps[at].inputs.iter().flatten());
            }
        }
        self.fired += 1;
    }

    /// Removes dead steps and tells how many replacements there were.
    pub fn finish(self) -> usize {
        let mut dead = self.dead.iter();
        self.program.steps.retain(|_| !dead.next().copied().unwrap_or(false));
        self.fired
    }
}

/// Input `i` of a step.
pub fn input(step: &Step, i: usize) -> Option<ValueId> {
    step.inputs.get(i).copied().flatten()
}

/// Both inputs of a step of two, in both orders.
pub fn either_order(step: &Step) -> Vec<(ValueId, ValueId)> {
    match (input(step, 0), input(step, 1)) {
        (Some(a), Some(b)) => vec![(a, b), (b, a)],
        _ => Vec::new(),
    }
}

/// Whether a float32 is `want` up to the rounding of exporters.
pub fn near(value: f32, want: f32) -> bool {
    (value - want).abs() <= 1e-5 * want.abs()
}

/// The values of a constant that has one entry a channel (axis 1 of `shape`) or one at all, one entry a channel.
/// `None` when broadcasting it to `shape` would do anything else.
pub fn per_channel(constant: &Tensor, shape: &[usize]) -> Option<Vec<f32>> {
    let values = constant.as_f32()?;
    let sizes = constant.shape();
    let channels = *shape.get(1)?;
    let missing = shape.len().checked_sub(sizes.len())?;
    match *values {
        [value] => return Some(vec![value; channels]),
        _ if values.len() != channels => return None,
        _ => {}
    }
    let at_channel = |(i, &n): (usize, &usize)| n == if i + missing == 1 { channels } else { 1 };
    sizes.iter().enumerate().all(at_channel).then(|| values.to_vec())
}
