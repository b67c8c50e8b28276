//! Recurrent layers.

use super::NodeReader;
use crate::op::{Cell, Direction, Recurrent};
use crate::{Activation, Error, Op, Result, Unary};

pub fn read(node: &mut NodeReader<'_, '_, '_>) -> Result<Option<Op>> {
    let (cell, inputs, defaults): (_, _, &[&str]) = match node.op_type {
        "RNN" => (Cell::Rnn, 6, &["Tanh"]),
        "GRU" => {
            let linear_before_reset = node.attributes.int_or("linear_before_reset", 0)? != 0;
            (Cell::Gru { linear_before_reset }, 6, &["Sigmoid", "Tanh"])
        }
        "LSTM" => {
            let input_forget = node.attributes.flag("input_forget", false)?;
            (Cell::Lstm { input_forget }, 8, &["Sigmoid", "Tanh", "Tanh"])
        }
        _ => return Ok(None),
    };
    node.arity(3, inputs)?;
    let a = &node.attributes;
    let direction = match a.string_or("direction", "forward")? {
        "forward" => Direction::Forward,
        "reverse" => Direction::Reverse,
        "bidirectional" => Direction::Bidirectional,
        other => return node.refuse("direction", other),
    };
    let directions = if direction == Direction::Bidirectional { 2 } else { 1 };
    let clip = a.float("clip")?.filter(|&c| c != 0.0);
    if clip.is_some_and(|c| c.is_nan() || c < 0.0) {
        return node.refuse("clip", clip.unwrap_or_default());
    }
    let hidden_size = match a.int("hidden_size")? {
        Some(_) => Some(a.size_or("hidden_size", 0, 1)?),
        None => None,
    };
    Ok(Some(Op::Recurrent(Recurrent {
        cell,
        direction,
        hidden_size,
        activations: activations(node, defaults, directions)?,
        clip,
        batch_first: a.flag("layout", false)?,
    })))
}

/// The functions of all directions; parameters are handed out in order to those that take one.
fn activations(node: &NodeReader<'_, '_, '_>, defaults: &[&str], directions: usize) -> Result<Vec<Unary>> {
    let a = &node.attributes;
    let mut names = a.strings("activations")?;
    let wanted = defaults.len() * directions;
    if names.is_empty() {
        names = defaults.repeat(directions);
    }
    // The default of RNN lists two.
    if names.len() > wanted && defaults.len() == 1 {
        names.truncate(wanted);
    }
    if names.len() != wanted {
        return Err(Error::malformed(format!("{} activations, not {wanted}", names.len())));
    }
    let mut alphas = a.floats("activation_alpha")?.unwrap_or_default().iter().copied();
    let mut betas = a.floats("activation_beta")?.unwrap_or_default().iter().copied();
    let mut functions = Vec::with_capacity(names.len());
    for name in names {
        functions.push(match name.to_ascii_lowercase().as_str() {
            "relu" => Unary::Activation(Activation::Relu),
            "tanh" => Unary::Tanh,
            "sigmoid" => Unary::Activation(Activation::Sigmoid),
            "leakyrelu" => Unary::Activation(Activation::LeakyRelu(alphas.next().unwrap_or(0.01))),
            "hardsigmoid" => Unary::HardSigmoid(alphas.next().unwrap_or(0.2), betas.next().unwrap_or(0.5)),
            "elu" => Unary::Activation(Activation::Elu(alphas.next().unwrap_or(1.0))),
            "softsign" => Unary::Softsign,
            "softplus" => Unary::Softplus,
            other => return node.refuse("activations", other),
        });
    }
    Ok(functions)
}
