//! `TensorProto` to [`Tensor`]: every element type, raw or typed, inside the file or beside it.

use std::borrow::Cow;

use half::{bf16, f16};
use rten_onnx::onnx::{DataLocation, DataType, TensorProto};

use super::external::Source;
use crate::lower::check_size;
use crate::{DType, Data, Error, Result, Tensor};

/// The element type in which values of an ONNX type are kept: half precision as float32, all others as themselves.
pub fn dtype(data_type: DataType) -> Result<DType> {
    Ok(match data_type {
        DataType::FLOAT | DataType::FLOAT16 | DataType::BFLOAT16 => DType::F32,
        DataType::DOUBLE => DType::F64,
        DataType::INT8 => DType::I8,
        DataType::UINT8 => DType::U8,
        DataType::INT16 => DType::I16,
        DataType::UINT16 => DType::U16,
        DataType::INT32 => DType::I32,
        DataType::UINT32 => DType::U32,
        DataType::INT64 => DType::I64,
        DataType::UINT64 => DType::U64,
        DataType::BOOL => DType::Bool,
        other => return Err(Error::unsupported(format!("element type {other}"))),
    })
}

/// Reads a tensor. `Malformed` when its data do not fill its shape.
pub fn read(proto: &TensorProto, external: &mut Source) -> Result<Tensor> {
    let shape = proto
        .dims
        .iter()
        .map(|&d| usize::try_from(d).map_err(|_| Error::malformed(format!("dimension {d}"))))
        .collect::<Result<Vec<_>>>()?;
    let data_type = proto.data_type.unwrap_or(DataType(0));
    let kept = dtype(data_type)?;
    check_size(&shape)?;
    let elements = shape.iter().product();
    let raw: Option<Cow<'_, [u8]>> = match &proto.data_location {
        Some(l) if *l == DataLocation::EXTERNAL => {
            Some(Cow::Owned(external.read(&proto.external_data, elements * width(data_type))?))
        }
        // The cell is ours alone; taking its buffer frees it once the tensor is made.
        _ => proto.raw_data.as_ref().map(|cell| Cow::Owned(cell.take())),
    };
    let data = match raw {
        Some(raw) => from_raw(data_type, &raw, elements)?,
        None => from_typed(data_type, proto, elements)?,
    };
    debug_assert_eq!(data.dtype(), kept);
    Tensor::new(shape, data)
}

/// Bytes of one element in the file.
fn width(data_type: DataType) -> usize {
    match data_type {
        DataType::DOUBLE | DataType::INT64 | DataType::UINT64 => 8,
        DataType::FLOAT | DataType::INT32 | DataType::UINT32 => 4,
        DataType::FLOAT16 | DataType::BFLOAT16 | DataType::INT16 | DataType::UINT16 => 2,
        _ => 1,
    }
}

fn from_raw(data_type: DataType, raw: &[u8], elements: usize) -> Result<Data> {
    fn each<const N: usize, T>(raw: &[u8], f: impl Fn([u8; N]) -> T) -> Vec<T> {
        raw.as_chunks::<N>().0.iter().map(|&b| f(b)).collect()
    }
    if elements.checked_mul(width(data_type)) != Some(raw.len()) {
        return Err(Error::malformed(format!("{} bytes of data for {elements} elements of {data_type}", raw.len())));
    }
    Ok(match data_type {
        DataType::FLOAT => Data::F32(each(raw, f32::from_le_bytes)),
        DataType::FLOAT16 => Data::F32(each(raw, |b| f16::from_le_bytes(b).to_f32())),
        DataType::BFLOAT16 => Data::F32(each(raw, |b| bf16::from_le_bytes(b).to_f32())),
        DataType::DOUBLE => Data::F64(each(raw, f64::from_le_bytes)),
        DataType::INT8 => Data::I8(each(raw, i8::from_le_bytes)),
        DataType::UINT8 => Data::U8(raw.to_vec()),
        DataType::INT16 => Data::I16(each(raw, i16::from_le_bytes)),
        DataType::UINT16 => Data::U16(each(raw, u16::from_le_bytes)),
        DataType::INT32 => Data::I32(each(raw, i32::from_le_bytes)),
        DataType::UINT32 => Data::U32(each(raw, u32::from_le_bytes)),
        DataType::INT64 => Data::I64(each(raw, i64::from_le_bytes)),
        DataType::UINT64 => Data::U64(each(raw, u64::from_le_bytes)),
        DataType::BOOL => Data::Bool(raw.iter().map(|&b| b != 0).collect()),
        other => return Err(Error::unsupported(format!("element type {other}"))),
    })
}

/// The typed fields: all types narrower than 32 bits lie in `int32_data`.
fn from_typed(data_type: DataType, proto: &TensorProto, elements: usize) -> Result<Data> {
    fn narrow<T>(list: &[i32], f: impl Fn(i32) -> Option<T>) -> Result<Vec<T>> {
        list.iter().map(|&v| f(v).ok_or_else(|| Error::malformed(format!("{v} is out of range")))).collect()
    }
    let ints = proto.int32_data.as_slice();
    let half = |v: i32| u16::try_from(v).ok();
    let data = match data_type {
        DataType::FLOAT => Data::F32(proto.float_data.clone()),
        DataType::DOUBLE => Data::F64(proto.double_data.clone()),
        DataType::INT64 => Data::I64(proto.int64_data.clone()),
        DataType::INT32 => Data::I32(ints.to_vec()),
        DataType::INT16 => Data::I16(narrow(ints, |v| v.try_into().ok())?),
        DataType::UINT16 => Data::U16(narrow(ints, half)?),
        DataType::INT8 => Data::I8(narrow(ints, |v| v.try_into().ok())?),
        DataType::UINT8 => Data::U8(narrow(ints, |v| v.try_into().ok())?),
        DataType::BOOL => Data::Bool(ints.iter().map(|&v| v != 0).collect()),
        DataType::FLOAT16 => Data::F32(narrow(ints, |v| half(v).map(|b| f16::from_bits(b).to_f32()))?),
        DataType::BFLOAT16 => Data::F32(narrow(ints, |v| half(v).map(|b| bf16::from_bits(b).to_f32()))?),
        other if elements > 0 => return Err(Error::unsupported(format!("element type {other} outside raw data"))),
        _ => Data::I64(Vec::new()),
    };
    if data.len() != elements {
        return Err(Error::malformed(format!("{} values for {elements} elements of {data_type}", data.len())));
    }
    Ok(data)
}
