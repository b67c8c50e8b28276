//! A walk over the protobuf encoding before anything is decoded: every length lies inside its parent, packed lists end
//! where they should, nesting and the number of messages are bounded. The decoder allocates what a length says, so this
//! stands before it.

use crate::{Error, Result};

/// Messages of the ONNX schema that the decoder visits.
#[derive(Clone, Copy)]
enum Message {
    Model,
    Graph,
    Node,
    Attribute,
    Tensor,
    ValueInfo,
    Type,
    TensorType,
    Sequence,
    Shape,
    /// Only scalar and string fields.
    Leaf,
}

/// What a length-delimited field holds.
enum Field {
    Message(Message),
    Varints,
    Fixed(usize),
    Bytes,
}

/// Nested graphs cost three levels each.
const MAX_DEPTH: usize = 48;

fn field(message: Message, number: u64) -> Field {
    use Message::*;
    match (message, number) {
        (Model, 7) => Field::Message(Graph),
        (Model, 8 | 14) => Field::Message(Leaf),
        (Graph, 1) => Field::Message(Node),
        (Graph, 5) => Field::Message(Tensor),
        (Graph, 11..=13) => Field::Message(ValueInfo),
        (Node, 5) => Field::Message(Attribute),
        (Attribute, 5) => Field::Message(Tensor),
        (Attribute, 6) => Field::Message(Graph),
        (Tensor, 4) => Field::Fixed(4),
        (Tensor, 10) => Field::Fixed(8),
        (Tensor, 5 | 7) => Field::Varints,
        (Tensor, 13) => Field::Message(Leaf),
        (ValueInfo, 2) => Field::Message(Type),
        (Type, 1) => Field::Message(TensorType),
        (Type, 4) => Field::Message(Sequence),
        (TensorType, 2) => Field::Message(Shape),
        (Sequence, 1) => Field::Message(Type),
        (Shape, 1) => Field::Message(Leaf),
        _ => Field::Bytes,
    }
}

/// Checks a whole model. `Malformed` or `Limit` on the first thing that does not hold.
pub fn check(bytes: &[u8], max_messages: usize) -> Result<()> {
    let mut left = max_messages;
    walk(bytes, Message::Model, MAX_DEPTH, &mut left)
}

fn walk(mut bytes: &[u8], message: Message, depth: usize, left: &mut usize) -> Result<()> {
    let depth = depth.checked_sub(1).ok_or_else(|| Error::limit("ONNX messages nested too deeply"))?;
    while !bytes.is_empty() {
        let key = varint(&mut bytes)?;
        match key & 7 {
            0 => {
                varint(&mut bytes)?;
            }
            1 => {
                take(&mut bytes, 8)?;
            }
            5 => {
                take(&mut bytes, 4)?;
            }
            2 => {
                let length = varint(&mut bytes)?;
                let body = take(&mut bytes, length)?;
                // Strings count as well: an empty one costs two bytes here and a `String` there.
                *left = left.checked_sub(1).ok_or_else(|| Error::limit("too many messages in an ONNX file"))?;
                match field(message, key >> 3) {
                    Field::Message(inner) => walk(body, inner, depth, left)?,
                    Field::Varints => all_varints(body)?,
                    Field::Fixed(size) if body.len() % size != 0 => return Err(truncated()),
                    Field::Fixed(_) | Field::Bytes => {}
                }
            }
            _ => return Err(Error::malformed("no ONNX model: unknown wire type")),
        }
    }
    Ok(())
}

fn truncated() -> Error {
    Error::malformed("no ONNX model: a length reaches past its end")
}

fn take<'a>(bytes: &mut &'a [u8], length: u64) -> Result<&'a [u8]> {
    let length = usize::try_from(length).map_err(|_| truncated())?;
    let (head, tail) = bytes.split_at_checked(length).ok_or_else(truncated)?;
    *bytes = tail;
    Ok(head)
}

fn varint(bytes: &mut &[u8]) -> Result<u64> {
    let mut value = 0;
    for (i, &byte) in bytes.iter().enumerate().take(10) {
        value |= u64::from(byte & 0x7f) << (7 * i as u32);
        if byte & 0x80 == 0 {
            if i == 9 && byte > 1 {
                break;
            }
            *bytes = &bytes[i + 1..];
            return Ok(value);
        }
    }
    Err(Error::malformed("no ONNX model: a number does not end"))
}

fn all_varints(mut bytes: &[u8]) -> Result<()> {
    while !bytes.is_empty() {
        varint(&mut bytes)?;
    }
    Ok(())
}
