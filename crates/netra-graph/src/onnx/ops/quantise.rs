//! Quantisation.

use super::spatial::window;
use super::{NodeReader, tensor};
use crate::{DType, Narrow, Op, Result};

pub fn read(node: &mut NodeReader<'_, '_, '_>) -> Result<Option<Op>> {
    Ok(Some(match node.op_type {
        "QuantizeLinear" => {
            node.arity(2, 3)?;
            // Float32 or better.
            node.attributes.ignore(&["precision"]);
            let (output_dtype, named) = output_dtype(node)?;
            Op::QuantizeLinear {
                axis: node.attributes.int_or("axis", 1)?,
                block_size: block_size(node)?,
                output_dtype,
                narrow: node.narrow(2).or(named),
                saturate: node.attributes.flag("saturate", true)?,
            }
        }
        "DequantizeLinear" => {
            node.arity(2, 3)?;
            match output_dtype(node)? {
                (None | Some(DType::F32), None) => {}
                (_, _) => return node.refuse("output_dtype", node.attributes.int_or("output_dtype", 0)?),
            }
            Op::DequantizeLinear { axis: node.attributes.int_or("axis", 1)?, block_size: block_size(node)? }
        }
        "DynamicQuantizeLinear" => {
            node.arity(1, 1)?;
            Op::DynamicQuantizeLinear
        }
        "QLinearConv" => {
            node.arity(8, 9)?;
            Op::QLinearConv { window: window(node)?, group: node.attributes.size_or("group", 1, 1)? }
        }
        "ConvInteger" => {
            node.arity(2, 4)?;
            Op::ConvInteger { window: window(node)?, group: node.attributes.size_or("group", 1, 1)? }
        }
        "QLinearMatMul" => {
            node.arity(8, 8)?;
            Op::QLinearMatMul
        }
        "MatMulInteger" => {
            node.arity(2, 4)?;
            Op::MatMulInteger
        }
        _ => return Ok(None),
    }))
}

fn block_size(node: &NodeReader<'_, '_, '_>) -> Result<Option<usize>> {
    Ok(Some(node.attributes.size_or("block_size", 0, 0)?).filter(|&b| b > 0))
}

/// The element type that holds the result, and the narrower one that it has.
fn output_dtype(node: &NodeReader<'_, '_, '_>) -> Result<(Option<DType>, Option<Narrow>)> {
    match node.attributes.int_or("output_dtype", 0)? {
        0 => Ok((None, None)),
        other => {
            let named = super::data_type("output_dtype", other)?;
            Ok((Some(tensor::dtype(named)?), tensor::narrow(named)))
        }
    }
}
