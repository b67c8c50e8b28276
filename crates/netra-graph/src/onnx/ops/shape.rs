//! Operators that move or count elements, and reductions.

use std::sync::Arc;

use super::NodeReader;
use crate::onnx::tensor;
use crate::op::PadFill;
use crate::{Error, Op, Reduction, Result, Tensor};

pub fn read(node: &mut NodeReader<'_, '_, '_>) -> Result<Option<Op>> {
    if let Some(op) = reduce(node)? {
        return Ok(Some(op));
    }
    Ok(Some(match node.op_type {
        "ArgMax" | "ArgMin" => {
            node.arity(1, 1)?;
            Op::ArgMax {
                axis: node.attributes.int_or("axis", 0)?,
                keepdims: node.attributes.flag("keepdims", true)?,
                select_last_index: node.attributes.flag("select_last_index", false)?,
                smallest: node.op_type == "ArgMin",
            }
        }
        "Concat" => {
            node.arity(node.inputs.len().max(1), usize::MAX)?;
            Op::Concat { axis: node.required("axis", node.attributes.int("axis")?)? }
        }
        "Split" => split(node)?,
        "Slice" => slice(node)?,
        "Gather" => {
            node.arity(2, 2)?;
            Op::Gather { axis: node.attributes.int_or("axis", 0)? }
        }
        "Transpose" => {
            node.arity(1, 1)?;
            Op::Transpose { perm: node.attributes.sizes("perm", 0)? }
        }
        "Reshape" => {
            node.arity(2, 2)?;
            Op::Reshape { allowzero: node.attributes.flag("allowzero", false)? }
        }
        "Flatten" => {
            node.arity(1, 1)?;
            Op::Flatten { axis: node.attributes.int_or("axis", 1)? }
        }
        "Squeeze" => {
            axes_parameter(node, 13)?;
            node.arity(1, 2)?;
            Op::Squeeze
        }
        "Unsqueeze" => {
            axes_parameter(node, 13)?;
            node.arity(2, 2)?;
            Op::Unsqueeze
        }
        "Expand" => {
            node.arity(2, 2)?;
            Op::Expand
        }
        "Tile" => {
            node.arity(2, 2)?;
            Op::Tile
        }
        "Pad" => pad(node)?,
        "Shape" => {
            node.arity(1, 1)?;
            Op::Shape { start: node.attributes.int_or("start", 0)?, end: node.attributes.int("end")? }
        }
        "Size" => {
            node.arity(1, 1)?;
            Op::Size
        }
        "ConstantOfShape" => {
            node.arity(1, 1)?;
            let value = match node.attributes.tensor("value")? {
                Some(proto) => tensor::read(proto, node.reader.data)?,
                None => Tensor::from_f32([1], vec![0.0])?,
            };
            if value.data().len() != 1 {
                return Err(Error::malformed("the value of ConstantOfShape has one element"));
            }
            Op::ConstantOfShape { value: Arc::new(value) }
        }
        "Range" => {
            node.arity(3, 3)?;
            // The precision of half-precision ranges, which are float32 here.
            node.attributes.ignore(&["stash_type"]);
            Op::Range
        }
        _ => return Ok(None),
    }))
}

/// Before operator set `version` the axes are an attribute.
fn axes_parameter(node: &mut NodeReader<'_, '_, '_>, version: i64) -> Result<()> {
    if node.since(version) { Ok(()) } else { node.ints_parameter(1, "axes") }
}

fn reduce(node: &mut NodeReader<'_, '_, '_>) -> Result<Option<Op>> {
    let (reduction, log) = match node.op_type {
        "ReduceSum" => (Reduction::Sum, false),
        "ReduceMean" => (Reduction::Mean, false),
        "ReduceMax" => (Reduction::Max, false),
        "ReduceMin" => (Reduction::Min, false),
        "ReduceProd" => (Reduction::Prod, false),
        "ReduceSumSquare" => (Reduction::SumSquare, false),
        "ReduceL1" => (Reduction::L1, false),
        "ReduceL2" => (Reduction::L2, false),
        "ReduceLogSum" => (Reduction::Sum, true),
        "ReduceLogSumExp" => (Reduction::LogSumExp, false),
        _ => return Ok(None),
    };
    axes_parameter(node, if node.op_type == "ReduceSum" { 13 } else { 18 })?;
    node.arity(1, 2)?;
    let keepdims = node.attributes.flag("keepdims", true)?;
    let noop_with_empty_axes = node.attributes.flag("noop_with_empty_axes", false)?;
    Ok(Some(Op::Reduce { reduction, log, keepdims, noop_with_empty_axes }))
}

fn split(node: &mut NodeReader<'_, '_, '_>) -> Result<Op> {
    if !node.since(13) {
        node.ints_parameter(1, "split")?;
    }
    node.arity(1, 2)?;
    let num_outputs = match node.attributes.int("num_outputs")? {
        Some(_) => Some(node.attributes.size_or("num_outputs", 0, 1)?),
        None => None,
    };
    Ok(Op::Split { axis: node.attributes.int_or("axis", 0)?, num_outputs })
}

fn slice(node: &mut NodeReader<'_, '_, '_>) -> Result<Op> {
    if !node.since(10) {
        for (i, attribute) in ["starts", "ends", "axes"].into_iter().enumerate() {
            node.ints_parameter(i + 1, attribute)?;
        }
    }
    node.arity(3, 5)?;
    Ok(Op::Slice)
}

fn pad(node: &mut NodeReader<'_, '_, '_>) -> Result<Op> {
    let mode = match node.attributes.string_or("mode", "constant")? {
        "constant" => PadFill::Constant,
        "reflect" => PadFill::Reflect,
        "edge" => PadFill::Edge,
        "wrap" => PadFill::Wrap,
        other => return node.refuse("mode", other),
    };
    if !node.since(11) {
        node.ints_parameter(1, "pads")?;
        let value = node.attributes.float_or("value", 0.0)?;
        node.parameter(2, "value", Tensor::from_f32([], vec![value])?)?;
    }
    node.arity(2, 4)?;
    Ok(Op::Pad { mode })
}
