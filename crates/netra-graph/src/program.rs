//! A network with every shape known: what backends compile.

use std::sync::Arc;

use crate::{DType, Data, Error, Kernel, Result, Tensor, ValueId};

/// A value of a [`Program`]: its element type and shape are known.
#[derive(Clone, Debug)]
pub struct StepValue {
    /// Name in the file, or one derived from the node.
    pub name: String,
    /// Element type.
    pub dtype: DType,
    /// Sizes, outermost first.
    pub shape: Vec<usize>,
    /// The tensor, when the value is a constant.
    pub constant: Option<Arc<Tensor>>,
}

impl StepValue {
    /// Number of elements.
    pub fn elements(&self) -> usize {
        self.shape.iter().product()
    }

    /// Bytes of the elements.
    pub fn bytes(&self) -> usize {
        self.elements() * self.dtype.size()
    }
}

/// One kernel applied to values, all of which earlier steps, inputs or constants define.
#[derive(Clone, Debug)]
pub struct Step {
    /// Name of the node it came from.
    pub node: String,
    /// What to do.
    pub kernel: Kernel,
    /// Inputs in the kernel's order; optional inputs in the middle are `None`.
    pub inputs: Vec<Option<ValueId>>,
    /// The one output.
    pub output: ValueId,
}

/// A straight list of steps with known shapes. Made by [`Graph::specialise`](crate::Graph::specialise), or by hand with
/// [`ProgramBuilder`]. Sizes have been checked: element counts and byte counts fit in `usize`.
#[derive(Clone, Debug)]
pub struct Program {
    /// Values, indexed by [`ValueId`].
    pub values: Vec<StepValue>,
    /// Steps in order.
    pub steps: Vec<Step>,
    /// Inputs, in the graph's order.
    pub inputs: Vec<ValueId>,
    /// Outputs, in the graph's order. An output may also be an input or a constant.
    pub outputs: Vec<ValueId>,
}

impl Program {
    /// The value behind an id of this program.
    pub fn value(&self, id: ValueId) -> &StepValue {
        &self.values[id.index()]
    }

    /// Bytes of the constants that steps or outputs use.
    pub fn weight_bytes(&self) -> usize {
        let mut used = vec![false; self.values.len()];
        for id in self.steps.iter().flat_map(|s| s.inputs.iter().flatten()).chain(&self.outputs) {
            used[id.index()] = true;
        }
        self.values.iter().zip(used).filter(|(v, used)| *used && v.constant.is_some()).map(|(v, _)| v.bytes()).sum()
    }

    /// For each value, the index of the last step that reads it; outputs live to the end (`steps.len()`).
    /// Values that nothing reads have `None`.
    pub fn last_uses(&self) -> Vec<Option<usize>> {
        let mut last = vec![None; self.values.len()];
        for (i, step) in self.steps.iter().enumerate() {
            for id in step.inputs.iter().flatten() {
                last[id.index()] = Some(i);
            }
        }
        for id in &self.outputs {
            last[id.index()] = Some(self.steps.len());
        }
        last
    }

    /// Cuts padding off outputs whose size depends on data: those that [`Kernel::NonMaxSuppression`] and
    /// [`Kernel::NonZero`] make end before the first row, or column, of -1. Backends hand results back through this.
    pub fn trim(&self, mut outputs: Vec<Tensor>) -> Result<Vec<Tensor>> {
        for step in &self.steps {
            let Some(axis) = padded_axis(&step.kernel) else { continue };
            for (id, output) in self.outputs.iter().zip(&mut outputs) {
                if *id == step.output {
                    *output = trim(output.clone(), axis)?;
                }
            }
        }
        Ok(outputs)
    }

    /// Checks that `inputs` have the element types and shapes of this program's inputs.
    pub fn check_inputs(&self, inputs: &[crate::TensorView<'_>]) -> Result<()> {
        if inputs.len() != self.inputs.len() {
            return Err(Error::invalid(format!("{} inputs given, {} expected", inputs.len(), self.inputs.len())));
        }
        for (given, &id) in inputs.iter().zip(&self.inputs) {
            let want = self.value(id);
            if given.shape() != want.shape || given.dtype() != want.dtype {
                return Err(Error::invalid(format!(
                    "{} {:?} given, {} {:?} expected",
                    given.dtype(),
                    given.shape(),
                    want.dtype,
                    want.shape
                ))
                .at(format!("input '{}'", want.name)));
            }
        }
        Ok(())
    }
}

/// The axis along which a kernel's result ends with padding of -1.
fn padded_axis(kernel: &Kernel) -> Option<usize> {
    match kernel {
        Kernel::NonMaxSuppression(_) => Some(0),
        Kernel::NonZero => Some(1),
        _ => None,
    }
}

/// A matrix (int64) without the rows (axis 0) or columns (axis 1) from the first that begins with -1.
pub(crate) fn trim(tensor: Tensor, axis: usize) -> Result<Tensor> {
    let (&[rows, columns], Data::I64(values)) = (tensor.shape(), tensor.data()) else {
        return Err(Error::malformed(format!("{} {:?} with padding", tensor.dtype(), tensor.shape())));
    };
    if axis == 0 {
        let kept = values.chunks_exact(columns.max(1)).take_while(|row| row.first() != Some(&-1)).count();
        return Tensor::new([kept, columns], Data::I64(values[..kept * columns].to_vec()));
    }
    let kept = values.iter().take(columns).take_while(|&&first| first != -1).count();
    let row = |r: usize| values[r * columns..][..kept].iter().copied();
    Tensor::new([rows, kept], Data::I64((0..rows).flat_map(row).collect()))
}

/// Builds a [`Program`] step by step. Shapes are the caller's word: lowering computes them, tests state them.
#[derive(Debug, Default)]
pub struct ProgramBuilder {
    values: Vec<StepValue>,
    steps: Vec<Step>,
    inputs: Vec<ValueId>,
    /// Values whose size depends on data, and the axis that it shows in.
    ragged: Vec<(ValueId, usize)>,
}

impl ProgramBuilder {
    /// An empty program.
    pub fn new() -> Self {
        Self::default()
    }

    fn push(&mut self, value: StepValue) -> ValueId {
        self.values.push(value);
        ValueId(self.values.len() as u32 - 1)
    }

    /// Adds an input.
    pub fn input(&mut self, name: &str, dtype: DType, shape: &[usize]) -> ValueId {
        let id = self.push(StepValue { name: name.into(), dtype, shape: shape.into(), constant: None });
        self.inputs.push(id);
        id
    }

    /// Adds a constant.
    pub fn constant(&mut self, name: &str, tensor: impl Into<Arc<Tensor>>) -> ValueId {
        let tensor = tensor.into();
        self.push(StepValue {
            name: name.into(),
            dtype: tensor.dtype(),
            shape: tensor.shape().to_vec(),
            constant: Some(tensor),
        })
    }

    /// Adds a step and gives the id of its output.
    pub fn step(
        &mut self,
        node: &str,
        kernel: Kernel,
        inputs: &[Option<ValueId>],
        dtype: DType,
        shape: &[usize],
    ) -> ValueId {
        let output = self.push(StepValue { name: node.into(), dtype, shape: shape.into(), constant: None });
        self.ragged.extend(padded_axis(&kernel).map(|axis| (output, axis)));
        self.steps.push(Step { node: node.into(), kernel, inputs: inputs.to_vec(), output });
        output
    }

    /// The value behind an id.
    pub fn value(&self, id: ValueId) -> &StepValue {
        &self.values[id.index()]
    }

    /// Number of values so far: the index that the next one gets.
    pub fn value_count(&self) -> usize {
        self.values.len()
    }

    /// The axis along which a value ends with padding of -1, when its size depends on data.
    pub(crate) fn padded_axis(&self, id: ValueId) -> Option<usize> {
        // Such kernels are rare, and so are those who ask.
        self.ragged.iter().find(|(ragged, _)| *ragged == id).map(|&(_, axis)| axis)
    }

    /// Gives a value the name it has in the file.
    pub fn rename(&mut self, id: ValueId, name: &str) {
        self.values[id.index()].name = name.into();
    }

    /// The finished program.
    pub fn finish(self, outputs: Vec<ValueId>) -> Program {
        Program { values: self.values, steps: self.steps, inputs: self.inputs, outputs }
    }
}
