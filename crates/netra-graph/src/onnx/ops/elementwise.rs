//! Element-wise operators, comparisons, conversions.

use super::{NodeReader, tensor};
use crate::op::Variadic;
use crate::{Activation, Binary, Casting, Op, Result, Rounding, Tensor, Unary};

pub fn read(node: &mut NodeReader<'_, '_, '_>) -> Result<Option<Op>> {
    if let Some(unary) = unary(node)? {
        node.arity(1, 1)?;
        return Ok(Some(Op::Unary(unary)));
    }
    if let Some(binary) = binary(node)? {
        node.arity(2, 2)?;
        return Ok(Some(Op::Binary(binary)));
    }
    let variadic = match node.op_type {
        "Sum" => Some(Variadic::Sum),
        "Mean" => Some(Variadic::Mean),
        "Max" => Some(Variadic::Max),
        "Min" => Some(Variadic::Min),
        _ => None,
    };
    if let Some(variadic) = variadic {
        node.arity(node.inputs.len().max(1), usize::MAX)?;
        return Ok(Some(Op::Variadic(variadic)));
    }
    Ok(Some(match node.op_type {
        "Celu" => {
            node.arity(1, 1)?;
            Op::Celu { alpha: node.attributes.float_or("alpha", 1.0)? }
        }
        "ThresholdedRelu" => {
            node.arity(1, 1)?;
            Op::ThresholdedRelu { alpha: node.attributes.float_or("alpha", 1.0)? }
        }
        "Swish" => {
            node.arity(1, 1)?;
            Op::Swish { alpha: node.attributes.float_or("alpha", 1.0)? }
        }
        "Clip" => clip(node)?,
        "Where" => {
            node.arity(3, 3)?;
            Op::Where
        }
        "Cast" => {
            node.arity(1, 1)?;
            let to = node.required("to", node.attributes.int("to")?)?;
            let to = super::data_type("to", to)?;
            Op::Cast { to: tensor::dtype(to)?, narrow: tensor::narrow(to), how: casting(node)? }
        }
        "CastLike" => {
            node.arity(2, 2)?;
            Op::CastLike { narrow: node.narrow(1), how: casting(node)? }
        }
        "Identity" => {
            node.arity(1, 1)?;
            Op::Identity
        }
        _ => return Ok(None),
    }))
}

fn casting(node: &NodeReader<'_, '_, '_>) -> Result<Casting> {
    let rounding = match node.attributes.string_or("round_mode", "up")? {
        "nearest" => Rounding::Nearest,
        "up" => Rounding::Up,
        "down" => Rounding::Down,
        other => return node.refuse("round_mode", other),
    };
    Ok(Casting { saturate: node.attributes.flag("saturate", true)?, rounding })
}

fn unary(node: &NodeReader<'_, '_, '_>) -> Result<Option<Unary>> {
    let a = &node.attributes;
    Ok(Some(match node.op_type {
        "Relu" => Unary::Activation(Activation::Relu),
        "LeakyRelu" => Unary::Activation(Activation::LeakyRelu(a.float_or("alpha", 0.01)?)),
        "Elu" => Unary::Activation(Activation::Elu(a.float_or("alpha", 1.0)?)),
        "Sigmoid" => Unary::Activation(Activation::Sigmoid),
        "HardSwish" => Unary::Activation(Activation::HardSwish),
        "Abs" => Unary::Abs,
        "Neg" => Unary::Neg,
        "Exp" => Unary::Exp,
        "Log" => Unary::Log,
        "Sqrt" => Unary::Sqrt,
        "Reciprocal" => Unary::Reciprocal,
        "Floor" => Unary::Floor,
        "Ceil" => Unary::Ceil,
        "Round" => Unary::Round,
        "Sign" => Unary::Sign,
        "Erf" => Unary::Erf,
        "Tanh" => Unary::Tanh,
        "Sin" => Unary::Sin,
        "Cos" => Unary::Cos,
        "Softplus" => Unary::Softplus,
        "Softsign" => Unary::Softsign,
        "HardSigmoid" => Unary::HardSigmoid(a.float_or("alpha", 0.2)?, a.float_or("beta", 0.5)?),
        // The defaults of operator set 6, to float32's precision.
        "Selu" => Unary::Selu(a.float_or("alpha", 1.673_263_2)?, a.float_or("gamma", 1.050_701)?),
        "Mish" => Unary::Mish,
        "Gelu" => match a.string_or("approximate", "none")? {
            "none" => Unary::Gelu,
            "tanh" => Unary::GeluTanh,
            other => return node.refuse("approximate", other),
        },
        "Not" => Unary::Not,
        "IsNaN" => Unary::IsNaN,
        _ => return Ok(None),
    }))
}

fn binary(node: &NodeReader<'_, '_, '_>) -> Result<Option<Binary>> {
    Ok(Some(match node.op_type {
        "Add" => Binary::Add,
        "Sub" => Binary::Sub,
        "Mul" => Binary::Mul,
        "Div" => Binary::Div,
        "Pow" => Binary::Pow,
        "PRelu" => Binary::PRelu,
        "Mod" if node.attributes.flag("fmod", false)? => Binary::Fmod,
        "Mod" => Binary::Mod,
        "Equal" => Binary::Equal,
        "Less" => Binary::Less,
        "LessOrEqual" => Binary::LessOrEqual,
        "Greater" => Binary::Greater,
        "GreaterOrEqual" => Binary::GreaterOrEqual,
        "And" => Binary::And,
        "Or" => Binary::Or,
        "Xor" => Binary::Xor,
        _ => return Ok(None),
    }))
}

fn clip(node: &mut NodeReader<'_, '_, '_>) -> Result<Op> {
    if node.since(11) {
        node.arity(1, 3)?;
        return Ok(Op::Clip);
    }
    node.arity(1, 1)?;
    if let Some(min) = node.attributes.float("min")? {
        node.parameter(1, "min", Tensor::from_f32([], vec![min])?)?;
    }
    if let Some(max) = node.attributes.float("max")? {
        node.parameter(2, "max", Tensor::from_f32([], vec![max])?)?;
    }
    Ok(Op::Clip)
}
