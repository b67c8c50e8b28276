//! What can run: every rule that a kernel of this backend relies on is checked here, before anything runs.

use netra_graph::{Conv, DType, Kernel, Program, Step, StepValue};

use super::{elementwise, indexing, matmul, reduce, resize, scatters_apart, selection, shapes, unary};
use crate::kernels::activation::Act;
use crate::value::{Repr, count, split};

/// Highest rank of a tensor.
const MAX_RANK: usize = 8;

struct Context<'a> {
    inputs: Vec<Option<&'a StepValue>>,
    output: &'a StepValue,
    limit: usize,
}

impl<'a> Context<'a> {
    fn input(&self, i: usize) -> Result<&'a StepValue, String> {
        self.inputs.get(i).copied().flatten().ok_or_else(|| format!("input {i} is missing"))
    }

    fn parts(&self, value: &StepValue) -> usize {
        split(&value.shape, self.limit).map_or(0, |p| p.len())
    }

    fn whole(&self, value: &StepValue) -> Result<(), String> {
        match self.parts(value) {
            1 => Ok(()),
            _ => Err(format!(
                "'{}' {:?} is larger than the {} bytes that the adapter binds, and this kernel needs it in one piece",
                value.name, value.shape, self.limit
            )),
        }
    }

    fn all_whole(&self) -> Result<(), String> {
        self.inputs.iter().flatten().copied().chain([self.output]).try_for_each(|v| self.whole(v))
    }

    fn in_parts(&self) -> bool {
        self.inputs.iter().flatten().copied().chain([self.output]).any(|v| self.parts(v) != 1)
    }
}

fn known(activation: Option<netra_graph::Activation>) -> Result<(), String> {
    Act::of_optional(activation).map(|_| ()).ok_or_else(|| format!("activation {activation:?} is not known"))
}

/// Why a step cannot run on an adapter that binds `limit` bytes; `Ok` when it can.
pub(crate) fn check(program: &Program, step: &Step, limit: usize) -> Result<(), String> {
    let inputs = step.inputs.iter().map(|id| id.map(|id| program.value(id))).collect();
    let c = Context { inputs, output: program.value(step.output), limit };
    for value in c.inputs.iter().flatten().copied().chain([c.output]) {
        representable(value, limit)?;
    }
    shapes::check(step, &c.inputs, c.output)?;
    match &step.kernel {
        Kernel::Conv(p) => conv(&c, p),
        Kernel::ConvTranspose(p) => {
            known(p.activation)?;
            c.whole(c.input(1)?)
        }
        Kernel::NormalizedConv(p) => {
            known(p.activation)?;
            c.whole(c.input(4)?)?;
            conv(&c, &p.conv)?;
            match c.input(1)?.constant {
                Some(_) if p.conv.groups == 1 => Ok(()),
                _ => Err("a normalised convolution of groups, or of weights that a run computes".into()),
            }
        }
        Kernel::GroupAffine { groups, .. } => {
            c.whole(c.output)?;
            if c.input(0)?.shape.get(1) == Some(groups) { Ok(()) } else { c.all_whole() }
        }
        Kernel::MaxPool(_) | Kernel::AveragePool { .. } => Ok(()),
        Kernel::MatMul { .. } if c.output.shape.len() >= matmul::CUT_RANK => broadcast(&c),
        Kernel::MatMul { .. } => c.all_whole(),
        Kernel::InstanceNormalization { activation, .. } => known(*activation),
        Kernel::GroupNormalization { groups, activation, .. } => {
            known(*activation)?;
            if c.input(0)?.shape.get(1) == Some(groups) { Ok(()) } else { c.all_whole() }
        }
        Kernel::LayerNormalization { axis, .. } => {
            if *axis >= 2 {
                Ok(())
            } else {
                c.all_whole()
            }
        }
        Kernel::Softmax { .. } => Ok(()),
        Kernel::Unary(op) => unary::check_unary(*op, c.input(0)?.dtype),
        Kernel::Binary(op) => {
            elementwise::check_binary(*op, c.input(0)?.dtype)?;
            broadcast(&c)
        }
        Kernel::Where | Kernel::Expand => broadcast(&c),
        Kernel::Reduce { reduction, axes } => {
            reduce::check_reduce(*reduction, c.input(0)?.dtype)?;
            // Without the batch axis the kept axes stay in place, so that parts stay parts.
            if axes.contains(&0) || drops_channels(&c, axes) { c.all_whole() } else { Ok(()) }
        }
        Kernel::ArgMax { axis, .. } => {
            if *axis == 0 {
                c.all_whole()
            } else {
                c.whole(c.output)
            }
        }
        Kernel::Reshape | Kernel::Concat { .. } => Ok(()),
        Kernel::Transpose { perm } => {
            if perm.get(1) == Some(&1) {
                Ok(())
            } else {
                c.all_whole()
            }
        }
        Kernel::Slice { steps, .. } => {
            if steps.get(1) == Some(&1) {
                Ok(())
            } else {
                c.all_whole()
            }
        }
        Kernel::Pad { pads, .. } => {
            if pads.get(1) == Some(&(0, 0)) {
                Ok(())
            } else {
                c.all_whole()
            }
        }
        Kernel::Resize(p) => resize::check(p, &c.input(0)?.shape, &c.output.shape, c.in_parts()),
        Kernel::Gather { axis } => {
            c.whole(c.input(1)?)?;
            if *axis >= 2 { Ok(()) } else { c.all_whole() }
        }
        Kernel::GatherElements { .. } | Kernel::GatherNd { .. } | Kernel::Cumulative { .. } => c.all_whole(),
        Kernel::ScatterElements { axis, combine } => {
            let serial = c.input(1)?.shape.get(*axis).copied().unwrap_or(0);
            indexing::check_scatter(*combine, c.output.dtype, serial)?;
            c.all_whole()
        }
        Kernel::ScatterNd { combine } => {
            let serial = if scatters_apart(program, step) {
                1
            } else {
                c.input(1)?.shape.split_last().map_or(1, |(_, outer)| count(outer))
            };
            indexing::check_scatter(*combine, c.output.dtype, serial)?;
            c.all_whole()
        }
        Kernel::TopK { axis, .. } => {
            selection::check_top_k(&c.input(0)?.shape, *axis)?;
            c.all_whole()
        }
        Kernel::MaxPoolIndices { .. } | Kernel::GridSample(_) | Kernel::RoiAlign(_) => c.all_whole(),
        // Both element types have been found representable.
        Kernel::Cast { .. } => Ok(()),
        Kernel::BitCast { .. } => match c.input(0)?.dtype {
            from @ (DType::U32 | DType::U64 | DType::I64) => Err(format!("the bits of {from}, of which 31 are kept")),
            _ => Ok(()),
        },
        Kernel::NonMaxSuppression(_) => {
            Err("each box waits for those before it, which graphics adapters are slow at".into())
        }
        other => Err(format!("the wgpu backend has no {}", other.name())),
    }
}

/// Why a value cannot be kept on an adapter that binds `limit` bytes.
fn representable(value: &StepValue, limit: usize) -> Result<(), String> {
    if Repr::of(value.dtype).is_none() {
        return Err(format!("'{}' is {}, which graphics adapters lack", value.name, value.dtype));
    }
    if value.shape.len() > MAX_RANK {
        return Err(format!("'{}' has rank {}, more than {MAX_RANK}", value.name, value.shape.len()));
    }
    if split(&value.shape, limit).is_none() {
        return Err(format!(
            "'{}' {:?}: one channel is larger than the {limit} bytes that the adapter binds",
            value.name, value.shape
        ));
    }
    Ok(())
}

fn conv(c: &Context<'_>, p: &Conv) -> Result<(), String> {
    known(p.activation)?;
    let weight = c.input(1)?;
    if p.groups != 1 || weight.constant.is_none() { c.whole(weight) } else { Ok(()) }
}

/// Broadcasting to a tensor in parts: operands of a lower rank must be in one piece.
fn broadcast(c: &Context<'_>) -> Result<(), String> {
    let rank = c.output.shape.len();
    c.inputs.iter().flatten().filter(|v| v.shape.len() < rank).try_for_each(|v| c.whole(v))
}

/// Whether the reduction leaves another axis in the channels' place.
fn drops_channels(c: &Context<'_>, axes: &[usize]) -> bool {
    let kept = c.inputs.iter().flatten().next().is_some_and(|x| x.shape.len() == c.output.shape.len());
    !kept && axes.contains(&1) && c.parts(c.output) != 1
}
