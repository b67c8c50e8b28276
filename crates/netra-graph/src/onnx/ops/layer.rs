//! Normalisation, matrix products, softmax, dropout, control flow.

use super::NodeReader;
use crate::{Error, Op, Result, ScanLines};

pub fn read(node: &mut NodeReader<'_, '_, '_>) -> Result<Option<Op>> {
    let epsilon = |node: &NodeReader<'_, '_, '_>| node.attributes.float_or("epsilon", 1e-5);
    Ok(Some(match node.op_type {
        "BatchNormalization" => {
            node.arity(5, 5)?;
            let momentum = node.attributes.float_or("momentum", 0.9)?;
            if node.attributes.flag("training_mode", false)? {
                return Ok(Some(Op::BatchNormalizationTraining { epsilon: epsilon(node)?, momentum }));
            }
            if !node.attributes.flag("spatial", true)? {
                return node.refuse("spatial", 0);
            }
            Op::BatchNormalization { epsilon: epsilon(node)? }
        }
        "InstanceNormalization" => {
            node.arity(3, 3)?;
            Op::InstanceNormalization { epsilon: epsilon(node)? }
        }
        "GroupNormalization" if node.since(18) => {
            node.arity(3, 3)?;
            float32_stash(node)?;
            Op::GroupNormalization {
                num_groups: node.attributes.size_or("num_groups", 0, 1)?,
                epsilon: epsilon(node)?,
                per_group: !node.since(21),
            }
        }
        "LayerNormalization" if node.since(17) => {
            node.arity(2, 3)?;
            float32_stash(node)?;
            Op::LayerNormalization { axis: node.attributes.int_or("axis", -1)?, epsilon: epsilon(node)? }
        }
        "RMSNormalization" => {
            node.arity(2, 2)?;
            float32_stash(node)?;
            Op::RmsNormalization { axis: node.attributes.int_or("axis", -1)?, epsilon: epsilon(node)? }
        }
        "LpNormalization" => {
            node.arity(1, 1)?;
            let p = match node.attributes.int_or("p", 2)? {
                1 => 1,
                2 => 2,
                other => return node.refuse("p", other),
            };
            Op::LpNormalization { axis: node.attributes.int_or("axis", -1)?, p }
        }
        "MeanVarianceNormalization" => {
            node.arity(1, 1)?;
            Op::MeanVarianceNormalization { axes: node.attributes.ints("axes")?.unwrap_or(&[0, 2, 3]).to_vec() }
        }
        "LRN" => {
            node.arity(1, 1)?;
            Op::Lrn {
                alpha: node.attributes.float_or("alpha", 1e-4)?,
                beta: node.attributes.float_or("beta", 0.75)?,
                bias: node.attributes.float_or("bias", 1.0)?,
                size: node.attributes.size_or("size", 0, 1)?,
            }
        }
        "Gemm" => {
            node.arity(2, 3)?;
            Op::Gemm {
                alpha: node.attributes.float_or("alpha", 1.0)?,
                beta: node.attributes.float_or("beta", 1.0)?,
                trans_a: node.attributes.int_or("transA", 0)? != 0,
                trans_b: node.attributes.int_or("transB", 0)? != 0,
            }
        }
        "MatMul" => {
            node.arity(2, 2)?;
            Op::MatMul
        }
        "Einsum" => {
            node.arity(node.inputs.len().max(1), usize::MAX)?;
            Op::Einsum { equation: node.attributes.string_or("equation", "")?.to_owned() }
        }
        "Softmax" | "LogSoftmax" => {
            node.arity(1, 1)?;
            let flatten = !node.since(13);
            let axis = node.attributes.int_or("axis", if flatten { 1 } else { -1 })?;
            Op::Softmax { axis, log: node.op_type == "LogSoftmax", flatten }
        }
        "Dropout" => {
            node.arity(1, 3)?;
            node.attributes.ignore(&["ratio", "seed"]);
            Op::Dropout { bool_mask: node.since(10) }
        }
        "If" => {
            node.arity(1, 1)?;
            Op::If {
                then_branch: node.reader.subgraph(node.attributes.graph("then_branch")?)?,
                else_branch: node.reader.subgraph(node.attributes.graph("else_branch")?)?,
            }
        }
        "Loop" => {
            if node.inputs.len() < 2 {
                return Err(Error::malformed("a Loop has two inputs or more"));
            }
            Op::Loop { body: node.reader.subgraph(node.attributes.graph("body")?)? }
        }
        "Scan" => scan(node)?,
        _ => return Ok(None),
    }))
}

fn scan(node: &mut NodeReader<'_, '_, '_>) -> Result<Op> {
    let body = node.reader.subgraph(node.attributes.graph("body")?)?;
    let a = &node.attributes;
    let axes = |name: &str| Ok::<_, Error>(a.ints(name)?.unwrap_or_default().to_vec());
    let backward = |name: &str| {
        axes(name)?
            .into_iter()
            .map(|d| match d {
                0 => Ok(false),
                1 => Ok(true),
                other => Err(Error::malformed(format!("attribute '{name}' holds {other}"))),
            })
            .collect::<Result<Vec<_>>>()
    };
    let inputs = a.size_or("num_scan_inputs", 0, 1)?;
    if !node.since(9) {
        // The first input holds lengths, if any.
        let input_backward = backward("directions")?;
        return Ok(Op::Scan { body, lines: ScanLines { inputs, input_backward, batched: true, ..Default::default() } });
    }
    let lines = ScanLines {
        inputs,
        input_axes: axes("scan_input_axes")?,
        input_backward: backward("scan_input_directions")?,
        output_axes: axes("scan_output_axes")?,
        output_backward: backward("scan_output_directions")?,
        batched: false,
    };
    Ok(Op::Scan { body, lines })
}

/// `stash_type` names the precision inside; Netra's is float32 or better.
fn float32_stash(node: &NodeReader<'_, '_, '_>) -> Result<()> {
    match node.attributes.int_or("stash_type", 1)? {
        1 => Ok(()),
        other => node.refuse("stash_type", other),
    }
}
