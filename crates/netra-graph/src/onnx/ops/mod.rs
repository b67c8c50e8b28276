//! One node to one [`Op`]: attributes read, older operator sets brought to the newest form.

mod attention;
mod elementwise;
mod layer;
mod position;
mod quantise;
mod recurrent;
mod sample;
mod select;
mod shape;
mod spatial;

use rten_onnx::onnx::DataType;

use super::attributes::Attributes;
use super::graph::Reader;
use super::source::TensorData;
use super::tensor;
use crate::{Data, Error, Narrow, Op, Result, Tensor, ValueId};

/// A node while it is read.
pub struct NodeReader<'r, 'e, 'a> {
    pub name: &'r str,
    pub op_type: &'r str,
    pub attributes: Attributes<'a>,
    pub inputs: &'r mut Vec<Option<ValueId>>,
    pub reader: &'r mut Reader<'e>,
}

impl NodeReader<'_, '_, '_> {
    /// Whether the file's operator set is `version` or newer.
    fn since(&self, version: i64) -> bool {
        self.reader.opset >= version
    }

    /// Checks the number of inputs; the first `least` must be there.
    fn arity(&self, least: usize, most: usize) -> Result<()> {
        let n = self.inputs.len();
        if n > most || self.inputs.iter().take_while(|i| i.is_some()).count() < least {
            return Err(Error::malformed(format!("{n} inputs, not {least} to {most}")));
        }
        Ok(())
    }

    /// Turns what older operator sets pass as an attribute into input `index`.
    fn parameter(&mut self, index: usize, what: &str, value: Tensor) -> Result<()> {
        if self.inputs.len() > index {
            return Err(Error::malformed(format!("input {index} of operator set {}", self.reader.opset)));
        }
        self.inputs.resize(index, None);
        let id = self.reader.parameter(self.name, what, value);
        self.inputs.push(Some(id));
        Ok(())
    }

    /// As [`Self::parameter`], for an optional list of integers.
    fn ints_parameter(&mut self, index: usize, attribute: &str) -> Result<()> {
        match self.attributes.ints(attribute)? {
            Some(list) => self.parameter(index, attribute, Tensor::from_i64s(list)),
            None => Ok(()),
        }
    }

    /// The attribute has a value that Netra does not do.
    fn refuse<T>(&self, attribute: &str, value: impl std::fmt::Display) -> Result<T> {
        Err(Error::unsupported(format!("{} with {attribute} = {value}", self.op_type)))
    }

    /// The narrow element type of an input, where it is known to have one.
    fn narrow(&self, input: usize) -> Option<Narrow> {
        self.reader.narrow(self.inputs.get(input).copied().flatten()?)
    }

    fn required<T>(&self, attribute: &str, value: Option<T>) -> Result<T> {
        value.ok_or_else(|| Error::malformed(format!("attribute '{attribute}' is missing")))
    }
}

/// An attribute that names an element type.
fn data_type(attribute: &str, value: i64) -> Result<DataType> {
    let value = i32::try_from(value).map_err(|_| Error::malformed(format!("attribute '{attribute}' is {value}")))?;
    Ok(DataType(value))
}

/// Reads a node's operator. `Unsupported` names operators, attributes and values that are not known.
pub fn read(node: &mut NodeReader<'_, '_, '_>) -> Result<Op> {
    let families = [
        spatial::read,
        layer::read,
        elementwise::read,
        shape::read,
        select::read,
        position::read,
        attention::read,
        sample::read,
        quantise::read,
        recurrent::read,
    ];
    for family in families {
        if let Some(op) = family(node)? {
            return Ok(op);
        }
    }
    Err(Error::unsupported(format!("operator {}", node.op_type)))
}

/// The narrow element type of an operator's results, given those of its inputs: of casts their own, of operators that only
/// move elements that of what they move.
pub fn narrow_result(op: &Op, input: impl Fn(usize) -> Option<Narrow>) -> Option<Narrow> {
    match op {
        Op::Cast { narrow, .. } | Op::CastLike { narrow, .. } | Op::QuantizeLinear { narrow, .. } => *narrow,
        Op::Identity | Op::Reshape { .. } | Op::Flatten { .. } | Op::Squeeze | Op::Unsqueeze | Op::Transpose { .. } => {
            input(0)
        }
        Op::Concat { .. } | Op::Split { .. } | Op::Slice | Op::Gather { .. } | Op::Expand | Op::Tile => input(0),
        Op::GatherElements { .. } | Op::GatherNd { .. } | Op::DepthToSpace { .. } | Op::SpaceToDepth { .. } => input(0),
        Op::Pad { .. } | Op::ScatterElements { .. } | Op::ScatterNd { .. } => input(0),
        Op::Where => input(1),
        _ => None,
    }
}

/// The tensor of a Constant node.
pub fn constant(attributes: &Attributes<'_>, data: &mut dyn TensorData) -> Result<Tensor> {
    if let Some(proto) = attributes.tensor("value")? {
        return tensor::read(proto, data);
    }
    if let Some(v) = attributes.float("value_float")? {
        return Tensor::from_f32([], vec![v]);
    }
    if let Some(v) = attributes.int("value_int")? {
        return Tensor::new([], Data::I64(vec![v]));
    }
    if let Some(v) = attributes.floats("value_floats")? {
        return Tensor::from_f32([v.len()], v.to_vec());
    }
    if let Some(v) = attributes.ints("value_ints")? {
        return Ok(Tensor::from_i64s(v));
    }
    Err(Error::unsupported("a Constant that is neither a tensor nor numbers"))
}
