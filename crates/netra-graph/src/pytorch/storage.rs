//! Storages, the views that tensors are of them, and their elements in our types.

use half::{bf16, f16};

use super::Budget;
use crate::tensor::element_count;
use crate::{DType, Data, Error, Result, Tensor};

/// Most axes of a tensor: what PyTorch allows.
const MAX_AXES: usize = 64;

/// Element type of a storage or tensor.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Element {
    F64,
    F32,
    F16,
    Bf16,
    I64,
    I32,
    I16,
    I8,
    U64,
    U32,
    U16,
    U8,
    Bool,
    /// A type that is refused when a tensor of it is wanted: its name, and the bytes of an element.
    Other(&'static str, usize),
}

impl Element {
    /// By the name of a storage class (`FloatStorage`). An untyped storage holds bytes.
    pub fn of_storage(class: &str) -> Option<Self> {
        Some(match class {
            "DoubleStorage" => Self::F64,
            "FloatStorage" => Self::F32,
            "HalfStorage" => Self::F16,
            "BFloat16Storage" => Self::Bf16,
            "LongStorage" => Self::I64,
            "IntStorage" => Self::I32,
            "ShortStorage" => Self::I16,
            "CharStorage" => Self::I8,
            "ByteStorage" | "UntypedStorage" => Self::U8,
            "BoolStorage" => Self::Bool,
            "ComplexFloatStorage" => Self::Other("complex64", 8),
            "ComplexDoubleStorage" => Self::Other("complex128", 16),
            "QInt8Storage" => Self::Other("qint8", 1),
            "QUInt8Storage" => Self::Other("quint8", 1),
            "QUInt4x2Storage" => Self::Other("quint4x2", 1),
            "QUInt2x4Storage" => Self::Other("quint2x4", 1),
            "QInt32Storage" => Self::Other("qint32", 4),
            _ => return None,
        })
    }

    /// By the name of a dtype (`float32`).
    pub fn of_dtype(name: &str) -> Option<Self> {
        Some(match name {
            "float64" | "double" => Self::F64,
            "float32" | "float" => Self::F32,
            "float16" | "half" => Self::F16,
            "bfloat16" => Self::Bf16,
            "int64" | "long" => Self::I64,
            "int32" | "int" => Self::I32,
            "int16" | "short" => Self::I16,
            "int8" => Self::I8,
            "uint64" => Self::U64,
            "uint32" => Self::U32,
            "uint16" => Self::U16,
            "uint8" => Self::U8,
            "bool" => Self::Bool,
            _ => return None,
        })
    }

    /// Bytes of one element in the file.
    pub fn size(self) -> usize {
        match self {
            Self::F64 | Self::I64 | Self::U64 => 8,
            Self::F32 | Self::I32 | Self::U32 => 4,
            Self::F16 | Self::Bf16 | Self::I16 | Self::U16 => 2,
            Self::I8 | Self::U8 | Self::Bool => 1,
            Self::Other(_, size) => size,
        }
    }

    /// The type that it becomes.
    fn ours(self) -> Result<DType> {
        Ok(match self {
            Self::F64 => DType::F64,
            Self::F32 | Self::F16 | Self::Bf16 => DType::F32,
            Self::I64 => DType::I64,
            Self::I32 => DType::I32,
            Self::I16 => DType::I16,
            Self::I8 => DType::I8,
            Self::U64 => DType::U64,
            Self::U32 => DType::U32,
            Self::U16 => DType::U16,
            Self::U8 => DType::U8,
            Self::Bool => DType::Bool,
            Self::Other(name, _) => return Err(Error::unsupported(format!("element type torch.{name}"))),
        })
    }
}

/// A reference to bytes elsewhere in the file.
#[derive(Clone, Copy, Debug)]
pub struct Storage<'a> {
    /// The name under which the container has the bytes.
    pub key: &'a str,
    /// Type of its elements.
    pub element: Element,
    /// First byte, not 0 where it is part of a larger storage.
    start: usize,
    /// Bytes that it claims to have.
    bytes: usize,
}

impl<'a> Storage<'a> {
    /// All of the storage `key`, which claims so many elements.
    pub fn new(key: &'a str, element: Element, elements: i64) -> Result<Self> {
        Ok(Self { key, element, start: 0, bytes: bytes_of(elements, element)? })
    }

    /// A part of it, in elements.
    pub fn part(self, first: i64, elements: i64) -> Result<Self> {
        let (start, bytes) = (bytes_of(first, self.element)?, bytes_of(elements, self.element)?);
        if start.checked_add(bytes).is_none_or(|end| end > self.bytes) {
            return Err(Error::malformed(format!("a part that reaches out of storage '{}'", self.key)));
        }
        Ok(Self { start, bytes, ..self })
    }
}

fn bytes_of(elements: i64, element: Element) -> Result<usize> {
    let bytes = usize::try_from(elements).ok().and_then(|n| n.checked_mul(element.size()));
    bytes.ok_or_else(|| Error::malformed(format!("a storage of {elements} elements")))
}

/// A tensor as the pickle describes it: sizes and strides in elements over a storage, and the place of the first one.
#[derive(Debug)]
pub struct View<'a> {
    /// The bytes it looks at.
    pub storage: Storage<'a>,
    element: Element,
    offset: usize,
    shape: Vec<usize>,
    strides: Vec<usize>,
}

impl<'a> View<'a> {
    /// A view. Fails when sizes and strides do not match, or when it reaches out of what the storage claims to have.
    pub fn new(
        storage: Storage<'a>,
        element: Element,
        offset: usize,
        shape: Vec<usize>,
        strides: Vec<usize>,
    ) -> Result<Self> {
        if shape.len() > MAX_AXES {
            return Err(Error::limit(format!("a tensor of {} axes", shape.len())));
        }
        if shape.len() != strides.len() {
            return Err(Error::malformed(format!("a tensor of sizes {shape:?} and strides {strides:?}")));
        }
        let view = Self { storage, element, offset, shape, strides };
        let out = || {
            let (shape, strides) = (&view.shape, &view.strides);
            Error::malformed(format!(
                "sizes {shape:?} and strides {strides:?} from element {offset} reach out of the {} bytes of storage '{}'",
                storage.bytes, storage.key
            ))
        };
        let last =
            view.shape.iter().zip(&view.strides).try_fold(offset, |last, (&size, &stride)| {
                last.checked_add(size.saturating_sub(1).checked_mul(stride)?)
            });
        let end = last.and_then(|last| last.checked_add(1)?.checked_mul(element.size()));
        let empty = view.shape.contains(&0);
        if !empty && end.is_none_or(|end| end > storage.bytes) {
            return Err(out());
        }
        Ok(view)
    }

    /// Number of axes.
    pub fn rank(&self) -> usize {
        self.shape.len()
    }

    /// The tensor, row-major, over the bytes that the container has for the storage.
    pub fn decode(&self, raw: &[u8], budget: &mut Budget) -> Result<Tensor> {
        let storage = self.storage;
        let raw = raw.get(storage.start..).and_then(|raw| raw.get(..storage.bytes)).ok_or_else(|| {
            Error::malformed(format!("storage '{}' claims more than the {} bytes it has", storage.key, raw.len()))
        })?;
        let bytes = element_count(&self.shape).and_then(|n| n.checked_mul(self.element.ours().map_or(1, DType::size)));
        budget.take(bytes.ok_or_else(|| Error::limit(format!("a tensor of shape {:?}", self.shape)))?)?;
        let data = match self.element {
            Element::F64 => Data::F64(self.elements(raw, f64::from_le_bytes)),
            Element::F32 => Data::F32(self.elements(raw, f32::from_le_bytes)),
            Element::F16 => Data::F32(self.elements(raw, |b| f16::from_le_bytes(b).to_f32())),
            Element::Bf16 => Data::F32(self.elements(raw, |b| bf16::from_le_bytes(b).to_f32())),
            Element::I64 => Data::I64(self.elements(raw, i64::from_le_bytes)),
            Element::I32 => Data::I32(self.elements(raw, i32::from_le_bytes)),
            Element::I16 => Data::I16(self.elements(raw, i16::from_le_bytes)),
            Element::I8 => Data::I8(self.elements(raw, i8::from_le_bytes)),
            Element::U64 => Data::U64(self.elements(raw, u64::from_le_bytes)),
            Element::U32 => Data::U32(self.elements(raw, u32::from_le_bytes)),
            Element::U16 => Data::U16(self.elements(raw, u16::from_le_bytes)),
            Element::U8 => Data::U8(self.elements(raw, |[b]| b)),
            Element::Bool => Data::Bool(self.elements(raw, |[b]| b != 0)),
            Element::Other(..) => {
                return Err(self.element.ours().err().unwrap_or_else(|| Error::unsupported("a tensor")));
            }
        };
        Tensor::new(self.shape.clone(), data)
    }

    /// The elements in the order of the axes. [`View::new`] has shown that all lie in `raw`.
    fn elements<const N: usize, T>(&self, raw: &[u8], convert: impl Fn([u8; N]) -> T) -> Vec<T> {
        let count = element_count(&self.shape).unwrap_or(0);
        let stored = raw.as_chunks::<N>().0.get(self.offset..).unwrap_or_default();
        let mut out = Vec::with_capacity(count);
        if self.is_contiguous() {
            out.extend(stored.iter().take(count).map(|&bytes| convert(bytes)));
            return out;
        }
        let (run, step) = match (self.shape.last(), self.strides.last()) {
            (Some(&size), Some(&stride)) => (size, stride),
            _ => (1, 1),
        };
        let outer = self.shape.len().saturating_sub(1);
        let mut index = vec![0usize; outer];
        let mut start = 0usize;
        while out.len() < count {
            out.extend((0..run).filter_map(|i| stored.get(start + i * step)).map(|&bytes| convert(bytes)));
            for ((at, &size), &stride) in index.iter_mut().zip(&self.shape).zip(&self.strides).rev() {
                *at += 1;
                start += stride;
                if *at < size {
                    break;
                }
                start -= *at * stride;
                *at = 0;
            }
        }
        out
    }

    /// Whether the elements lie one after the other. Strides of axes of size 1 do not matter.
    fn is_contiguous(&self) -> bool {
        let mut expected = 1usize;
        self.shape.iter().zip(&self.strides).rev().all(|(&size, &stride)| {
            let fits = size == 1 || stride == expected;
            expected = expected.saturating_mul(size);
            fits
        })
    }
}
