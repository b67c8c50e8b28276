//! The arithmetic that one step may use.

use netra_graph::{CompileOptions, Precision, Range};

/// A program's precision, with what is known of one step's input.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Arithmetic {
    /// Float32 in the order of the definition.
    Exact,
    /// Float32 with algorithms that multiply less.
    Fast,
    /// As [`Fast`](Self::Fast), or products of bfloat16 where that is faster.
    Bf16,
    /// As [`Fast`](Self::Fast), or products of bytes where that is faster: inputs lie in this range.
    Int8(Range),
}

impl Arithmetic {
    /// That of a step whose input has this name: bytes need to know its range.
    pub fn of(options: &CompileOptions<'_>, input: &str) -> Self {
        match options.precision {
            Precision::Exact => Self::Exact,
            Precision::Bf16 => Self::Bf16,
            Precision::Int8 => options.ranges.and_then(|r| r.get(input)).map_or(Self::Fast, Self::Int8),
            _ => Self::Fast,
        }
    }

    /// The mode that this is: that of the program, unless it is bytes and nothing is known of the input.
    pub fn precision(self) -> Precision {
        match self {
            Self::Exact => Precision::Exact,
            Self::Fast => Precision::Fast,
            Self::Bf16 => Precision::Bf16,
            Self::Int8(_) => Precision::Int8,
        }
    }

    /// The same without narrow numbers.
    pub fn float32(self) -> Self {
        if self == Self::Exact { Self::Exact } else { Self::Fast }
    }
}
