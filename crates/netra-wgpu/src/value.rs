//! Tensors on the adapter, cut along the channel axis into parts that it can bind.

use std::ops::Range;

use netra_graph::DType;

use crate::gpu::Buffer;
use crate::kernels::number::Width;

/// How elements lie on the adapter: always 4 bytes. Integers and booleans are 32-bit integers there, since WGSL has
/// no narrower storage and 64-bit integers are optional.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Repr {
    Float,
    Int,
}

impl Repr {
    /// The representation of an element type; `None` for float64, which WGSL lacks.
    pub(crate) fn of(dtype: DType) -> Option<Self> {
        match dtype {
            DType::F32 => Some(Repr::Float),
            dtype if dtype.is_integer() || dtype == DType::Bool => Some(Repr::Int),
            _ => None,
        }
    }
}

/// What the 32 bits of an element stand for: arithmetic wraps to it. 32- and 64-bit integers both take all bits.
pub(crate) fn width(dtype: DType) -> Width {
    match dtype {
        DType::Bool => Width::Bool,
        DType::I8 => Width::I8,
        DType::U8 => Width::U8,
        DType::I16 => Width::I16,
        DType::U16 => Width::U16,
        _ => Width::Full,
    }
}

/// A run of channels (axis 1) of a [`Value`], contiguous as `[N, channels, rest...]`.
#[derive(Clone)]
pub(crate) struct Part {
    /// First channel.
    pub(crate) start: usize,
    /// Number of channels.
    pub(crate) channels: usize,
    /// The elements.
    pub(crate) buffer: Buffer,
}

/// A tensor on the adapter. Every value of one shape is cut in the same way, see [`split`].
#[derive(Clone)]
pub(crate) struct Value {
    pub(crate) shape: Vec<usize>,
    pub(crate) parts: Vec<Part>,
}

impl Value {
    /// A value in one piece.
    pub(crate) fn whole(shape: &[usize], buffer: Buffer) -> Self {
        let channels = shape.get(1).copied().unwrap_or(1);
        Self { shape: shape.to_vec(), parts: vec![Part { start: 0, channels, buffer }] }
    }

    /// The same elements under a shape that has the channels where they were, or has them in one piece.
    pub(crate) fn under(self, shape: &[usize]) -> Self {
        match self.single() {
            Some(buffer) => Self::whole(shape, buffer.clone()),
            None => Self { shape: shape.to_vec(), parts: self.parts },
        }
    }

    /// The buffer of a value in one piece.
    pub(crate) fn single(&self) -> Option<&Buffer> {
        match self.parts.as_slice() {
            [part] => Some(&part.buffer),
            _ => None,
        }
    }
}

/// Number of elements. Programs have checked sizes.
pub(crate) fn count(shape: &[usize]) -> usize {
    shape.iter().product()
}

/// Row-major strides.
pub(crate) fn strides(shape: &[usize]) -> Vec<usize> {
    let mut out = vec![1; shape.len()];
    for i in (1..shape.len()).rev() {
        out[i - 1] = out[i] * shape[i].max(1);
    }
    out
}

/// `shape` with `channels` channels.
pub(crate) fn with_channels(shape: &[usize], channels: usize) -> Vec<usize> {
    let mut shape = shape.to_vec();
    if let Some(c) = shape.get_mut(1) {
        *c = channels;
    }
    shape
}

/// The channel ranges into which a tensor of this shape is cut: one when it fits in `limit` bytes, else runs as long
/// as fit, a multiple of 4 channels where possible (the convolution's tile). `None` when a single channel is too big.
pub(crate) fn split(shape: &[usize], limit: usize) -> Option<Vec<Range<usize>>> {
    let channels = shape.get(1).copied().unwrap_or(1);
    let bytes = count(shape).checked_mul(4)?;
    if bytes <= limit {
        return Some(vec![Range { start: 0, end: channels }]);
    }
    if shape.len() < 2 {
        return None;
    }
    let fit = limit / (bytes / channels);
    let run = if fit >= 4 { fit / 4 * 4 } else { fit };
    if run == 0 {
        return None;
    }
    Some((0..channels).step_by(run).map(|start| start..(start + run).min(channels)).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn small_tensors_stay_whole() {
        assert_eq!(split(&[2, 3, 4], 96), Some(vec![Range { start: 0, end: 3 }]));
        assert_eq!(split(&[], 4), Some(vec![Range { start: 0, end: 1 }]));
        assert_eq!(split(&[5], 16), None);
    }

    #[test]
    fn large_tensors_are_cut_in_fours() {
        // 21 channels of 16 bytes, room for six: runs of four.
        let parts = split(&[1, 21, 4], 96).unwrap();
        assert_eq!(parts.len(), 6);
        assert_eq!(parts[5], 20..21);
        // Room for three.
        assert_eq!(split(&[1, 4, 4], 48), Some(vec![0..3, 3..4]));
        assert_eq!(split(&[1, 4, 4], 15), None);
    }
}
