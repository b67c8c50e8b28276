//! Operators that select, place and order elements by index, score or condition.

use super::NodeReader;
use crate::{Combine, Op, Result, Tensor};

pub fn read(node: &mut NodeReader<'_, '_, '_>) -> Result<Option<Op>> {
    Ok(Some(match node.op_type {
        "GatherElements" => {
            node.arity(2, 2)?;
            Op::GatherElements { axis: node.attributes.int_or("axis", 0)? }
        }
        "GatherND" => {
            node.arity(2, 2)?;
            Op::GatherNd { batch_dims: node.attributes.size_or("batch_dims", 0, 0)? }
        }
        "ScatterElements" => {
            node.arity(3, 3)?;
            Op::ScatterElements { axis: node.attributes.int_or("axis", 0)?, combine: combine(node)? }
        }
        "Scatter" if !node.since(11) => {
            node.arity(3, 3)?;
            Op::ScatterElements { axis: node.attributes.int_or("axis", 0)?, combine: Combine::None }
        }
        "ScatterND" => {
            node.arity(3, 3)?;
            Op::ScatterNd { combine: combine(node)? }
        }
        "TensorScatter" => {
            node.arity(2, 3)?;
            let circular = match node.attributes.string_or("mode", "linear")? {
                "linear" => false,
                "circular" => true,
                other => return node.refuse("mode", other),
            };
            Op::TensorScatter { axis: node.attributes.int_or("axis", -2)?, circular }
        }
        "TopK" => top_k(node)?,
        "CumSum" | "CumProd" => {
            node.arity(2, 2)?;
            Op::Cumulative {
                product: node.op_type == "CumProd",
                exclusive: node.attributes.flag("exclusive", false)?,
                reverse: node.attributes.flag("reverse", false)?,
            }
        }
        "NonMaxSuppression" => {
            node.arity(2, 5)?;
            Op::NonMaxSuppression { center_point_box: node.attributes.flag("center_point_box", false)? }
        }
        "NonZero" => {
            node.arity(1, 1)?;
            Op::NonZero
        }
        "Compress" => {
            node.arity(2, 2)?;
            Op::Compress { axis: node.attributes.int("axis")? }
        }
        "Unique" => {
            node.arity(1, 1)?;
            Op::Unique { axis: node.attributes.int("axis")?, sorted: node.attributes.flag("sorted", true)? }
        }
        "ReverseSequence" => {
            node.arity(2, 2)?;
            Op::ReverseSequence {
                batch_axis: node.attributes.size_or("batch_axis", 1, 0)?,
                time_axis: node.attributes.size_or("time_axis", 0, 0)?,
            }
        }
        _ => return Ok(None),
    }))
}

fn combine(node: &NodeReader<'_, '_, '_>) -> Result<Combine> {
    Ok(match node.attributes.string_or("reduction", "none")? {
        "none" => Combine::None,
        "add" => Combine::Add,
        "mul" => Combine::Mul,
        "max" => Combine::Max,
        "min" => Combine::Min,
        other => return node.refuse("reduction", other),
    })
}

fn top_k(node: &mut NodeReader<'_, '_, '_>) -> Result<Op> {
    if !node.since(10) {
        let k = node.required("k", node.attributes.int("k")?)?;
        node.parameter(1, "k", Tensor::from_i64s(&[k]))?;
    }
    node.arity(2, 2)?;
    // Sorted is one of the orders that unsorted allows.
    node.attributes.ignore(&["sorted"]);
    Ok(Op::TopK { axis: node.attributes.int_or("axis", -1)?, largest: node.attributes.flag("largest", true)? })
}
