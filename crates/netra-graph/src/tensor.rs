//! Tensors on the host: a shape and row-major data of one element type.

use crate::{Error, Result};

/// Element type of a tensor.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum DType {
    /// IEEE 754 binary32.
    F32,
    /// IEEE 754 binary64.
    F64,
    /// Signed 8 bits.
    I8,
    /// Unsigned 8 bits.
    U8,
    /// Signed 16 bits.
    I16,
    /// Unsigned 16 bits.
    U16,
    /// Signed 32 bits.
    I32,
    /// Unsigned 32 bits.
    U32,
    /// Signed 64 bits.
    I64,
    /// Unsigned 64 bits.
    U64,
    /// Truth value, one byte each.
    Bool,
}

impl DType {
    /// Bytes of one element.
    pub fn size(self) -> usize {
        match self {
            DType::F64 | DType::I64 | DType::U64 => 8,
            DType::F32 | DType::I32 | DType::U32 => 4,
            DType::I16 | DType::U16 => 2,
            DType::I8 | DType::U8 | DType::Bool => 1,
        }
    }

    /// Whether the type is a floating-point one.
    pub fn is_float(self) -> bool {
        matches!(self, DType::F32 | DType::F64)
    }

    /// Whether the type is an integer one, of either sign; truth values are not.
    pub fn is_integer(self) -> bool {
        !self.is_float() && self != DType::Bool
    }
}

impl std::fmt::Display for DType {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            DType::F32 => "float32",
            DType::F64 => "float64",
            DType::I8 => "int8",
            DType::U8 => "uint8",
            DType::I16 => "int16",
            DType::U16 => "uint16",
            DType::I32 => "int32",
            DType::U32 => "uint32",
            DType::I64 => "int64",
            DType::U64 => "uint64",
            DType::Bool => "bool",
        })
    }
}

/// Row-major elements of a [`Tensor`].
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
#[allow(missing_docs)] // One variant a `DType`, of the same name.
pub enum Data {
    F32(Vec<f32>),
    F64(Vec<f64>),
    I8(Vec<i8>),
    U8(Vec<u8>),
    I16(Vec<i16>),
    U16(Vec<u16>),
    I32(Vec<i32>),
    U32(Vec<u32>),
    I64(Vec<i64>),
    U64(Vec<u64>),
    Bool(Vec<bool>),
}

/// Borrowed row-major elements.
#[derive(Clone, Copy, Debug, PartialEq)]
#[non_exhaustive]
#[allow(missing_docs)] // One variant a `DType`, of the same name.
pub enum DataView<'a> {
    F32(&'a [f32]),
    F64(&'a [f64]),
    I8(&'a [i8]),
    U8(&'a [u8]),
    I16(&'a [i16]),
    U16(&'a [u16]),
    I32(&'a [i32]),
    U32(&'a [u32]),
    I64(&'a [i64]),
    U64(&'a [u64]),
    Bool(&'a [bool]),
}

impl Data {
    /// Element type.
    pub fn dtype(&self) -> DType {
        self.view().dtype()
    }

    /// Number of elements.
    pub fn len(&self) -> usize {
        self.view().len()
    }

    /// Whether there are no elements.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The same elements, borrowed.
    pub fn view(&self) -> DataView<'_> {
        match self {
            Data::F32(v) => DataView::F32(v),
            Data::F64(v) => DataView::F64(v),
            Data::I8(v) => DataView::I8(v),
            Data::U8(v) => DataView::U8(v),
            Data::I16(v) => DataView::I16(v),
            Data::U16(v) => DataView::U16(v),
            Data::I32(v) => DataView::I32(v),
            Data::U32(v) => DataView::U32(v),
            Data::I64(v) => DataView::I64(v),
            Data::U64(v) => DataView::U64(v),
            Data::Bool(v) => DataView::Bool(v),
        }
    }
}

impl DataView<'_> {
    /// Element type.
    pub fn dtype(&self) -> DType {
        match self {
            DataView::F32(_) => DType::F32,
            DataView::F64(_) => DType::F64,
            DataView::I8(_) => DType::I8,
            DataView::U8(_) => DType::U8,
            DataView::I16(_) => DType::I16,
            DataView::U16(_) => DType::U16,
            DataView::I32(_) => DType::I32,
            DataView::U32(_) => DType::U32,
            DataView::I64(_) => DType::I64,
            DataView::U64(_) => DType::U64,
            DataView::Bool(_) => DType::Bool,
        }
    }

    /// Number of elements.
    pub fn len(&self) -> usize {
        match self {
            DataView::F32(v) => v.len(),
            DataView::F64(v) => v.len(),
            DataView::I8(v) => v.len(),
            DataView::U8(v) => v.len(),
            DataView::I16(v) => v.len(),
            DataView::U16(v) => v.len(),
            DataView::I32(v) => v.len(),
            DataView::U32(v) => v.len(),
            DataView::I64(v) => v.len(),
            DataView::U64(v) => v.len(),
            DataView::Bool(v) => v.len(),
        }
    }

    /// Whether there are no elements.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// An owned copy.
    pub fn to_data(&self) -> Data {
        match *self {
            DataView::F32(v) => Data::F32(v.to_vec()),
            DataView::F64(v) => Data::F64(v.to_vec()),
            DataView::I8(v) => Data::I8(v.to_vec()),
            DataView::U8(v) => Data::U8(v.to_vec()),
            DataView::I16(v) => Data::I16(v.to_vec()),
            DataView::U16(v) => Data::U16(v.to_vec()),
            DataView::I32(v) => Data::I32(v.to_vec()),
            DataView::U32(v) => Data::U32(v.to_vec()),
            DataView::I64(v) => Data::I64(v.to_vec()),
            DataView::U64(v) => Data::U64(v.to_vec()),
            DataView::Bool(v) => Data::Bool(v.to_vec()),
        }
    }
}

/// Number of elements of a shape, or `None` when it overflows.
pub(crate) fn element_count(shape: &[usize]) -> Option<usize> {
    shape.iter().try_fold(1usize, |n, &d| n.checked_mul(d))
}

/// An owned tensor. A scalar has the empty shape.
#[derive(Clone, Debug, PartialEq)]
pub struct Tensor {
    shape: Vec<usize>,
    data: Data,
}

impl Tensor {
    /// A tensor. Fails when the number of elements is not the product of the shape.
    pub fn new(shape: impl Into<Vec<usize>>, data: Data) -> Result<Self> {
        let shape = shape.into();
        check(&shape, data.len())?;
        Ok(Self { shape, data })
    }

    /// A float32 tensor.
    pub fn from_f32(shape: impl Into<Vec<usize>>, data: Vec<f32>) -> Result<Self> {
        Self::new(shape, Data::F32(data))
    }

    /// An int64 tensor of rank 1: the form in which ONNX passes axes, sizes and the like.
    pub fn from_i64s(values: &[i64]) -> Self {
        Self { shape: vec![values.len()], data: Data::I64(values.to_vec()) }
    }

    /// Sizes, outermost first.
    pub fn shape(&self) -> &[usize] {
        &self.shape
    }

    /// Element type.
    pub fn dtype(&self) -> DType {
        self.data.dtype()
    }

    /// The elements, row-major.
    pub fn data(&self) -> &Data {
        &self.data
    }

    /// Takes the elements out.
    pub fn into_data(self) -> Data {
        self.data
    }

    /// Bytes of the elements.
    pub fn bytes(&self) -> usize {
        self.data.len() * self.dtype().size()
    }

    /// A borrowed view.
    pub fn view(&self) -> TensorView<'_> {
        TensorView { shape: &self.shape, data: self.data.view() }
    }

    /// The elements when they are float32.
    pub fn as_f32(&self) -> Option<&[f32]> {
        match &self.data {
            Data::F32(v) => Some(v),
            _ => None,
        }
    }

    /// The elements as 64-bit integers when they are of an integer type and fit.
    pub fn to_i64s(&self) -> Option<Vec<i64>> {
        Some(match &self.data {
            Data::I64(v) => v.clone(),
            Data::I32(v) => v.iter().map(|&x| x.into()).collect(),
            Data::I16(v) => v.iter().map(|&x| x.into()).collect(),
            Data::U16(v) => v.iter().map(|&x| x.into()).collect(),
            Data::U32(v) => v.iter().map(|&x| x.into()).collect(),
            Data::U64(v) => return v.iter().map(|&x| x.try_into().ok()).collect(),
            Data::I8(v) => v.iter().map(|&x| x.into()).collect(),
            Data::U8(v) => v.iter().map(|&x| x.into()).collect(),
            _ => return None,
        })
    }

    /// The same elements under another shape of the same size.
    pub fn reshaped(self, shape: impl Into<Vec<usize>>) -> Result<Self> {
        Self::new(shape, self.data)
    }
}

/// A borrowed tensor.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct TensorView<'a> {
    shape: &'a [usize],
    data: DataView<'a>,
}

impl<'a> TensorView<'a> {
    /// A view. Fails when the number of elements is not the product of the shape.
    pub fn new(shape: &'a [usize], data: DataView<'a>) -> Result<Self> {
        check(shape, data.len())?;
        Ok(Self { shape, data })
    }

    /// Sizes, outermost first.
    pub fn shape(&self) -> &'a [usize] {
        self.shape
    }

    /// Element type.
    pub fn dtype(&self) -> DType {
        self.data.dtype()
    }

    /// The elements, row-major.
    pub fn data(&self) -> DataView<'a> {
        self.data
    }

    /// The elements when they are float32.
    pub fn as_f32(&self) -> Option<&'a [f32]> {
        match self.data {
            DataView::F32(v) => Some(v),
            _ => None,
        }
    }

    /// An owned copy.
    pub fn to_tensor(&self) -> Tensor {
        Tensor { shape: self.shape.to_vec(), data: self.data.to_data() }
    }
}

fn check(shape: &[usize], elements: usize) -> Result<()> {
    if element_count(shape) != Some(elements) {
        return Err(Error::invalid(format!("{elements} elements do not fill shape {shape:?}")));
    }
    Ok(())
}
