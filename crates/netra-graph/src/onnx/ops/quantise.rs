//! Quantisation.

use rten_onnx::onnx::DataType;

use super::NodeReader;
use super::spatial::window;
use crate::{DType, Error, Op, Result};

pub fn read(node: &mut NodeReader<'_, '_, '_>) -> Result<Option<Op>> {
    Ok(Some(match node.op_type {
        "QuantizeLinear" => {
            node.arity(2, 3)?;
            // Both concern types narrower than 8 bits, and float16.
            node.attributes.ignore(&["saturate", "precision"]);
            Op::QuantizeLinear {
                axis: node.attributes.int_or("axis", 1)?,
                block_size: block_size(node)?,
                output_dtype: output_dtype(node)?,
            }
        }
        "DequantizeLinear" => {
            node.arity(2, 3)?;
            match output_dtype(node)? {
                None | Some(DType::F32) => {}
                Some(other) => return node.refuse("output_dtype", other),
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

fn output_dtype(node: &NodeReader<'_, '_, '_>) -> Result<Option<DType>> {
    match node.attributes.int_or("output_dtype", 0)? {
        0 => Ok(None),
        other => {
            let code = i32::try_from(other).map_err(|_| Error::malformed(format!("output_dtype {other}")))?;
            super::tensor::dtype(DataType(code)).map(Some)
        }
    }
}
