//! Operators that compare positions, select bits, or test values.

use super::NodeReader;
use crate::onnx::tensor;
use crate::{Binary, Error, Op, Result, Taper, Unary};

pub fn read(node: &mut NodeReader<'_, '_, '_>) -> Result<Option<Op>> {
    if let Some(unary) = unary(node)? {
        node.arity(1, 1)?;
        return Ok(Some(Op::Unary(unary)));
    }
    if let Some(binary) = binary(node)? {
        node.arity(2, 2)?;
        return Ok(Some(Op::Binary(binary)));
    }
    Ok(Some(match node.op_type {
        "Trilu" => {
            node.arity(1, 2)?;
            Op::Trilu { upper: node.attributes.flag("upper", true)? }
        }
        "OneHot" => {
            node.arity(3, 3)?;
            Op::OneHot { axis: node.attributes.int_or("axis", -1)? }
        }
        "EyeLike" => {
            node.arity(1, 1)?;
            let dtype = match node.attributes.int("dtype")? {
                Some(to) => Some(tensor::dtype(super::data_type("dtype", to)?)?),
                None => None,
            };
            Op::EyeLike { dtype, k: node.attributes.int_or("k", 0)? }
        }
        "BlackmanWindow" | "HammingWindow" | "HannWindow" => {
            node.arity(1, 1)?;
            let taper = match node.op_type {
                "BlackmanWindow" => Taper::Blackman,
                "HammingWindow" => Taper::Hamming,
                _ => Taper::Hann,
            };
            let to = super::data_type("output_datatype", node.attributes.int_or("output_datatype", 1)?)?;
            Op::CosineWindow { taper, periodic: node.attributes.flag("periodic", true)?, dtype: tensor::dtype(to)? }
        }
        "Hardmax" => {
            node.arity(1, 1)?;
            let flatten = !node.since(13);
            Op::Hardmax { axis: node.attributes.int_or("axis", if flatten { 1 } else { -1 })?, flatten }
        }
        "Shrink" => {
            node.arity(1, 1)?;
            Op::Shrink { bias: node.attributes.float_or("bias", 0.0)?, lambd: node.attributes.float_or("lambd", 0.5)? }
        }
        "BitCast" => {
            node.arity(1, 1)?;
            let to = node.required("to", node.attributes.int("to")?)?;
            let to = super::data_type("to", to)?;
            let kept = tensor::dtype(to)?;
            if tensor::narrow(to).is_some() || node.narrow(0).is_some() || tensor::is_half(to) {
                return Err(Error::unsupported(format!("the bits of element type {to}, which is held in a wider one")));
            }
            Op::BitCast { to: kept }
        }
        "CenterCropPad" => {
            node.arity(2, 2)?;
            Op::CenterCropPad { axes: node.attributes.ints("axes")?.map(<[i64]>::to_vec) }
        }
        _ => return Ok(None),
    }))
}

fn unary(node: &NodeReader<'_, '_, '_>) -> Result<Option<Unary>> {
    let a = &node.attributes;
    Ok(Some(match node.op_type {
        "Tan" => Unary::Tan,
        "Asin" => Unary::Asin,
        "Acos" => Unary::Acos,
        "Atan" => Unary::Atan,
        "Sinh" => Unary::Sinh,
        "Cosh" => Unary::Cosh,
        "Asinh" => Unary::Asinh,
        "Acosh" => Unary::Acosh,
        "Atanh" => Unary::Atanh,
        "IsInf" => {
            Unary::IsInf { negative: a.flag("detect_negative", true)?, positive: a.flag("detect_positive", true)? }
        }
        "BitwiseNot" => Unary::BitwiseNot,
        _ => return Ok(None),
    }))
}

fn binary(node: &NodeReader<'_, '_, '_>) -> Result<Option<Binary>> {
    Ok(Some(match node.op_type {
        "BitwiseAnd" => Binary::BitwiseAnd,
        "BitwiseOr" => Binary::BitwiseOr,
        "BitwiseXor" => Binary::BitwiseXor,
        "BitShift" => match node.attributes.string_or("direction", "")? {
            "LEFT" => Binary::ShiftLeft,
            "RIGHT" => Binary::ShiftRight,
            other => return Err(Error::malformed(format!("attribute 'direction' is '{other}'"))),
        },
        _ => return Ok(None),
    }))
}
