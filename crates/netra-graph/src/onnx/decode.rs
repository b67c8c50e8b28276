//! The decoder's view of a [`Skeleton`]: raw data are told by where they are.

use rten_onnx::onnx::ModelProto;
use rten_onnx::protobuf::varint::read_varint;
use rten_onnx::protobuf::{DecodeMessage, ErrorKind, OwnedValues, ProtobufError, ReadValue};

use super::wire::{Hole, Skeleton};
use crate::{Error, Result};

/// Decodes a model. In place of its raw data a tensor has what [`hole`] understands.
pub fn model(skeleton: &Skeleton) -> Result<ModelProto> {
    let reader = Reader { skeleton, at: 0, hole: 0, left_out: 0 };
    ModelProto::decode(reader).map_err(|e| Error::malformed("no ONNX model").with_source(e))
}

/// What stands in place of raw data.
fn marker(hole: Hole) -> Vec<u8> {
    [hole.at.to_le_bytes(), hole.length.to_le_bytes()].concat()
}

/// Where the raw data are that `marker` stands for; `None` when there are none.
pub fn hole(marker: &[u8]) -> Option<Hole> {
    let (at, length) = (marker.first_chunk()?, marker.last_chunk()?);
    Some(Hole { at: u64::from_le_bytes(*at), length: u64::from_le_bytes(*length) })
}

struct Reader<'a> {
    skeleton: &'a Skeleton,
    /// Offset in the skeleton's bytes.
    at: usize,
    /// The next hole.
    hole: usize,
    /// Bytes of the holes before.
    left_out: u64,
}

impl Reader<'_> {
    /// Steps over `length` bytes of the model, whatever they are made of.
    fn step(&mut self, mut length: u64) -> std::result::Result<(), ProtobufError> {
        loop {
            let before = self.skeleton.holes.get(self.hole).map_or(u64::MAX, |hole| hole.at - self.position());
            if length <= before {
                break;
            }
            let hole = self.skeleton.holes[self.hole];
            if length < before + hole.length {
                return Err(ProtobufError::new(ErrorKind::LengthMismatch));
            }
            self.at += before as usize;
            self.left_out += hole.length;
            self.hole += 1;
            length -= before + hole.length;
        }
        let at = usize::try_from(length).ok().and_then(|length| self.at.checked_add(length));
        self.at = at.filter(|&at| at <= self.skeleton.bytes.len()).ok_or(ProtobufError::new(ErrorKind::Eof))?;
        Ok(())
    }

    fn fixed<const N: usize>(&mut self) -> std::result::Result<[u8; N], ProtobufError> {
        let bytes = self.skeleton.bytes[self.at..].first_chunk().ok_or(ProtobufError::new(ErrorKind::Eof))?;
        self.step(N as u64)?;
        Ok(*bytes)
    }
}

impl ReadValue for Reader<'_> {
    type Types = OwnedValues;

    fn read_i32(&mut self) -> std::result::Result<i32, ProtobufError> {
        self.fixed().map(i32::from_le_bytes)
    }

    fn read_i64(&mut self) -> std::result::Result<i64, ProtobufError> {
        self.fixed().map(i64::from_le_bytes)
    }

    fn read_varint(&mut self) -> std::result::Result<u64, ProtobufError> {
        let mut rest = &self.skeleton.bytes[self.at..];
        let before = rest.len();
        let value = read_varint(&mut rest)?;
        self.step((before - rest.len()) as u64)?;
        Ok(value)
    }

    fn read_bytes(&mut self, len: usize) -> std::result::Result<Vec<u8>, ProtobufError> {
        let next = self.skeleton.holes.get(self.hole).copied();
        if let Some(hole) = next.filter(|hole| hole.at == self.position() && hole.length == len as u64) {
            self.step(hole.length)?;
            return Ok(marker(hole));
        }
        let from = self.at;
        self.step(len as u64)?;
        // Shorter when raw data lie among the bytes, which the walk over the wire would have told.
        let bytes = &self.skeleton.bytes[from..self.at];
        if bytes.len() == len { Ok(bytes.to_vec()) } else { Err(ProtobufError::new(ErrorKind::LengthMismatch)) }
    }

    fn read_string(&mut self, len: usize) -> std::result::Result<String, ProtobufError> {
        String::from_utf8(self.read_bytes(len)?).map_err(|_| ProtobufError::new(ErrorKind::InvalidUtf8))
    }

    fn skip(&mut self, len: usize) -> std::result::Result<(), ProtobufError> {
        self.step(len as u64)
    }

    fn position(&self) -> u64 {
        self.at as u64 + self.left_out
    }
}
