//! A walk over the protobuf encoding before anything is decoded: every length lies inside its parent, packed lists end
//! where they should, nesting and the number of messages are bounded. The decoder allocates what a length says, so this
//! stands before it.
//!
//! The walk keeps all but the raw data of tensors, which stay where they are until their tensor is made: weights are read
//! once, straight to where they are used.

use std::io::{self, BufRead, Read, Seek, SeekFrom};

use crate::{Error, ErrorKind, Result};

/// Where an ONNX model is read from.
pub trait Input: BufRead + Seek {}

impl<T: BufRead + Seek> Input for T {}

/// A model without the raw data of its tensors.
pub struct Skeleton {
    /// All other bytes, in order.
    pub bytes: Vec<u8>,
    /// What was left out, in order.
    pub holes: Vec<Hole>,
}

/// Raw data of a tensor.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Hole {
    /// Offset in the model.
    pub at: u64,
    /// Bytes, at least one.
    pub length: u64,
}

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
    /// Raw data of a tensor.
    Raw,
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
        (Tensor, 9) => Field::Raw,
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

/// Checks a whole model of at most `max_bytes`, which `input` holds from its start on. `Malformed` or `Limit` on the first
/// thing that does not hold.
pub fn walk(input: &mut dyn Input, max_bytes: u64, max_messages: usize) -> Result<Skeleton> {
    let size = input.seek(SeekFrom::End(0)).map_err(unreadable)?;
    if size > max_bytes {
        return Err(Error::limit(format!("an ONNX file of more than {max_bytes} bytes")));
    }
    input.rewind().map_err(unreadable)?;
    let skeleton = Skeleton { bytes: Vec::new(), holes: Vec::new() };
    let mut walk = Walk { input, at: 0, skeleton, left: max_messages };
    walk.message(size, Message::Model, MAX_DEPTH)?;
    Ok(walk.skeleton)
}

struct Walk<'a> {
    input: &'a mut dyn Input,
    /// Offset in the model.
    at: u64,
    skeleton: Skeleton,
    /// Messages that may still come.
    left: usize,
}

impl Walk<'_> {
    fn message(&mut self, end: u64, message: Message, depth: usize) -> Result<()> {
        let depth = depth.checked_sub(1).ok_or_else(|| Error::limit("ONNX messages nested too deeply"))?;
        while self.at < end {
            let key = self.varint(end)?;
            match key & 7 {
                0 => {
                    self.varint(end)?;
                }
                1 => self.copy(8, end)?,
                5 => self.copy(4, end)?,
                2 => {
                    let length = self.varint(end)?;
                    let inner_end = self.at.checked_add(length).filter(|&e| e <= end).ok_or_else(truncated)?;
                    // Strings count as well: an empty one costs two bytes here and a `String` there.
                    self.left =
                        self.left.checked_sub(1).ok_or_else(|| Error::limit("too many messages in an ONNX file"))?;
                    let from = self.skeleton.bytes.len();
                    match field(message, key >> 3) {
                        Field::Message(inner) => self.message(inner_end, inner, depth)?,
                        Field::Varints => {
                            self.copy(length, end)?;
                            all_varints(&self.skeleton.bytes[from..])?;
                        }
                        Field::Fixed(size) if length % size as u64 != 0 => return Err(truncated()),
                        Field::Raw => self.leave_out(length)?,
                        Field::Fixed(_) | Field::Bytes => self.copy(length, end)?,
                    }
                }
                _ => return Err(Error::malformed("no ONNX model: unknown wire type")),
            }
        }
        Ok(())
    }

    fn copy(&mut self, length: u64, end: u64) -> Result<()> {
        if length > end - self.at {
            return Err(truncated());
        }
        let copied = Read::take(&mut *self.input, length).read_to_end(&mut self.skeleton.bytes).map_err(unreadable)?;
        self.at += length;
        if copied as u64 == length { Ok(()) } else { Err(truncated()) }
    }

    fn leave_out(&mut self, length: u64) -> Result<()> {
        if length > 0 {
            self.skeleton.holes.push(Hole { at: self.at, length });
            self.input.seek_relative(i64::try_from(length).map_err(|_| truncated())?).map_err(unreadable)?;
            self.at += length;
        }
        Ok(())
    }

    fn varint(&mut self, end: u64) -> Result<u64> {
        let from = self.skeleton.bytes.len();
        let most = (end - self.at).min(10);
        for _ in 0..most {
            self.copy(1, end)?;
            if self.skeleton.bytes.last().is_some_and(|byte| byte & 0x80 == 0) {
                break;
            }
        }
        varint(&mut &self.skeleton.bytes[from..])
    }
}

/// A failed read of the model; the caller adds its path.
pub fn unreadable(source: io::Error) -> Error {
    Error::new(ErrorKind::Io, source.to_string()).with_source(source)
}

fn truncated() -> Error {
    Error::malformed("no ONNX model: a length reaches past its end")
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
