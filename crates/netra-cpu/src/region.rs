//! The memory of a run as typed slices: parts of its buffers, by offset.

use netra_graph::{DType, DataView, Error, Result};

/// Row-major elements that a kernel writes.
#[derive(Debug)]
pub enum DataMut<'a> {
    F32(&'a mut [f32]),
    F64(&'a mut [f64]),
    I8(&'a mut [i8]),
    U8(&'a mut [u8]),
    I16(&'a mut [i16]),
    U16(&'a mut [u16]),
    I32(&'a mut [i32]),
    U32(&'a mut [u32]),
    I64(&'a mut [i64]),
    U64(&'a mut [u64]),
    Bool(&'a mut [bool]),
}

impl DataMut<'_> {
    /// Element type.
    pub fn dtype(&self) -> DType {
        match self {
            Self::F32(_) => DType::F32,
            Self::F64(_) => DType::F64,
            Self::I8(_) => DType::I8,
            Self::U8(_) => DType::U8,
            Self::I16(_) => DType::I16,
            Self::U16(_) => DType::U16,
            Self::I32(_) => DType::I32,
            Self::U32(_) => DType::U32,
            Self::I64(_) => DType::I64,
            Self::U64(_) => DType::U64,
            Self::Bool(_) => DType::Bool,
        }
    }
}

/// `$elements` as the variant of `$data` for an element type; it is written out for each, so that each has its own type.
macro_rules! of_type {
    ($data:ident, $dtype:expr, $elements:expr) => {
        Ok(match $dtype {
            DType::F32 => $data::F32($elements),
            DType::F64 => $data::F64($elements),
            DType::I8 => $data::I8($elements),
            DType::U8 => $data::U8($elements),
            DType::I16 => $data::I16($elements),
            DType::U16 => $data::U16($elements),
            DType::I32 => $data::I32($elements),
            DType::U32 => $data::U32($elements),
            DType::I64 => $data::I64($elements),
            DType::U64 => $data::U64($elements),
            DType::Bool => $data::Bool($elements),
            other => return Err(Error::unsupported(format!("{other} on the cpu backend"))),
        })
    };
}
pub(crate) use of_type;

/// Bytes of one buffer of a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Span {
    /// Which buffer.
    pub buffer: usize,
    /// First byte.
    pub start: usize,
    /// Number of bytes.
    pub bytes: usize,
}

impl Span {
    /// Whether two spans share a byte.
    pub fn meets(self, other: Span) -> bool {
        let inside = |a: Span, b: Span| a.start <= b.start && b.start < a.start + a.bytes && b.bytes > 0;
        self.buffer == other.buffer && (inside(self, other) || inside(other, self))
    }
}

/// One buffer of a run by its address. Whoever made it keeps the buffer alive, and untouched, for as long.
#[derive(Clone, Copy, Debug)]
pub struct Region {
    /// The first byte.
    pub start: *mut u8,
    /// The size in bytes; all of them are initialised.
    pub bytes: usize,
}

impl Region {
    /// The address of `n` elements of `dtype` from byte `at` on. Fails when they do not lie inside or are not aligned.
    fn address(self, at: usize, dtype: DType, n: usize) -> Result<*mut u8> {
        let end = n.checked_mul(dtype.size()).and_then(|bytes| bytes.checked_add(at));
        let start = self.start.wrapping_add(at);
        if end.is_none_or(|end| end > self.bytes) || !start.addr().is_multiple_of(dtype.size()) {
            return Err(Error::malformed("a value that does not fit its buffer"));
        }
        Ok(start)
    }

    /// `n` elements of `dtype` from byte `at` on.
    ///
    /// # Safety
    /// The buffer outlives `'a`, nothing writes these bytes for as long, and they hold values of `dtype`.
    pub unsafe fn view<'a>(self, at: usize, dtype: DType, n: usize) -> Result<DataView<'a>> {
        let p = self.address(at, dtype, n)?.cast_const();
        // SAFETY: inside the buffer and aligned (`address`), of this type and not written, as the caller promises.
        of_type!(DataView, dtype, unsafe { std::slice::from_raw_parts(p.cast(), n) })
    }

    /// As [`view`](Self::view), to be written.
    ///
    /// # Safety
    /// The buffer outlives `'a`, nothing else reads or writes these bytes for as long, and they hold values of `dtype`
    /// (any bytes do, unless it is the type of truth values).
    pub unsafe fn view_mut<'a>(self, at: usize, dtype: DType, n: usize) -> Result<DataMut<'a>> {
        let p = self.address(at, dtype, n)?;
        // SAFETY: inside the buffer and aligned (`address`), of this type and ours alone, as the caller promises.
        of_type!(DataMut, dtype, unsafe { std::slice::from_raw_parts_mut(p.cast(), n) })
    }

    /// Makes `bytes` bytes from `at` on zero.
    ///
    /// # Safety
    /// The buffer is alive and nothing else reads or writes these bytes meanwhile.
    pub unsafe fn clear(self, at: usize, bytes: usize) -> Result<()> {
        let p = self.address(at, DType::U8, bytes)?;
        // SAFETY: inside the buffer (`address`), and ours alone.
        unsafe { p.write_bytes(0, bytes) };
        Ok(())
    }
}
