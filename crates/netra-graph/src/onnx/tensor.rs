//! `TensorProto` to [`Tensor`]: every element type, raw or typed, inside the file or beside it.

use std::io::Read;

use half::{bf16, f16};
use rten_onnx::onnx::{DataLocation, DataType, TensorProto};

use super::decode;
use super::source::TensorData;
use super::wire::unreadable;
use crate::lower::check_size;
use crate::{DType, Data, Error, FloatFormat, Narrow, Result, Tensor};

/// Too new for the reader of the wire format to name.
const UINT2: DataType = DataType(25);
const INT2: DataType = DataType(26);

/// The element type in which values of an ONNX type are kept: half precision as float32, narrow types in the next wider
/// one, all others as themselves.
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
        other => match narrow(other) {
            Some(Narrow::Float(_)) => DType::F32,
            Some(Narrow::Integer { signed: true, .. }) => DType::I8,
            Some(Narrow::Integer { signed: false, .. }) => DType::U8,
            None => return Err(Error::unsupported(format!("element type {other}"))),
        },
    })
}

/// The type of the values, where it is narrower than the one that they are kept in; half precision is computed as float32.
pub fn narrow(data_type: DataType) -> Option<Narrow> {
    Some(match data_type {
        DataType::FLOAT8E4M3FN => Narrow::Float(FloatFormat::E4M3Fn),
        DataType::FLOAT8E4M3FNUZ => Narrow::Float(FloatFormat::E4M3FnUz),
        DataType::FLOAT8E5M2 => Narrow::Float(FloatFormat::E5M2),
        DataType::FLOAT8E5M2FNUZ => Narrow::Float(FloatFormat::E5M2FnUz),
        DataType::FLOAT4E2M1 => Narrow::Float(FloatFormat::E2M1),
        DataType::FLOAT8E8M0 => Narrow::Float(FloatFormat::E8M0),
        DataType::UINT4 => Narrow::Integer { bits: 4, signed: false },
        DataType::INT4 => Narrow::Integer { bits: 4, signed: true },
        UINT2 => Narrow::Integer { bits: 2, signed: false },
        INT2 => Narrow::Integer { bits: 2, signed: true },
        _ => return None,
    })
}

/// Whether values of a type are kept as float32 and computed as such.
pub fn is_half(data_type: DataType) -> bool {
    matches!(data_type, DataType::FLOAT16 | DataType::BFLOAT16)
}

/// Reads a tensor. `Malformed` when its data do not fill its shape.
pub fn read(proto: &TensorProto, from: &mut dyn TensorData) -> Result<Tensor> {
    let shape = proto
        .dims
        .iter()
        .map(|&d| usize::try_from(d).map_err(|_| Error::malformed(format!("dimension {d}"))))
        .collect::<Result<Vec<_>>>()?;
    let data_type = proto.data_type.unwrap_or(DataType(0));
    let kept = dtype(data_type)?;
    check_size(&shape)?;
    let elements = shape.iter().product();
    let data = match (&proto.data_location, &proto.raw_data) {
        (Some(l), _) if *l == DataLocation::EXTERNAL => {
            let needed = bytes(data_type, elements);
            from_raw(data_type, &mut from.external(&proto.external_data, needed)?, elements)?
        }
        (_, Some(marker)) => {
            let hole = decode::hole(&marker.borrow());
            fills(hole.map_or(0, |hole| hole.length), data_type, elements)?;
            match hole {
                Some(hole) => from_raw(data_type, from.raw(hole)?, elements)?,
                None => from_raw(data_type, &mut std::io::empty(), elements)?,
            }
        }
        (_, None) => from_typed(data_type, proto, elements)?,
    };
    debug_assert_eq!(data.dtype(), kept);
    Tensor::new(shape, data)
}

/// Bytes that `elements` take in the file; those of 4 and 2 bits are packed.
fn bytes(data_type: DataType, elements: usize) -> usize {
    match data_type {
        DataType::DOUBLE | DataType::INT64 | DataType::UINT64 => elements.saturating_mul(8),
        DataType::FLOAT | DataType::INT32 | DataType::UINT32 => elements.saturating_mul(4),
        DataType::FLOAT16 | DataType::BFLOAT16 | DataType::INT16 | DataType::UINT16 => elements.saturating_mul(2),
        _ => elements.div_ceil(narrow(data_type).map_or(1, per_byte)),
    }
}

/// Fails (`Malformed`) when `there` are not the bytes that `elements` take.
fn fills(there: u64, data_type: DataType, elements: usize) -> Result<()> {
    if there == bytes(data_type, elements) as u64 {
        return Ok(());
    }
    Err(Error::malformed(format!("{there} bytes of data for {elements} elements of {data_type}")))
}

/// Elements in one byte.
fn per_byte(narrow: Narrow) -> usize {
    match narrow {
        Narrow::Float(FloatFormat::E2M1) => 2,
        Narrow::Float(_) => 1,
        Narrow::Integer { bits, .. } => 8 / bits as usize,
    }
}

/// Narrow elements, those that share a byte from its lowest bits up.
fn from_packed(narrow: Narrow, packed: &[u8], elements: usize) -> Data {
    let parts = per_byte(narrow);
    let bits = 8 / parts;
    let codes = (0..elements).map(|i| packed[i / parts] >> (i % parts * bits) & (0xff >> (8 - bits)));
    match narrow {
        Narrow::Float(format) => Data::F32(codes.map(|code| format.decode(code)).collect()),
        Narrow::Integer { signed: false, .. } => Data::U8(codes.collect()),
        // The code's sign bit goes to the byte's, and back with copies of it.
        Narrow::Integer { .. } => Data::I8(codes.map(|code| (code << (8 - bits)) as i8 >> (8 - bits)).collect()),
    }
}

/// `elements` values of `N` bytes each, which `from` is known to hold: from file to tensor in one copy.
fn each<const N: usize, T>(from: &mut dyn Read, elements: usize, value: impl Fn([u8; N]) -> T) -> Result<Vec<T>> {
    let mut chunk = [0; 1 << 15];
    let mut values = Vec::with_capacity(elements);
    while values.len() < elements {
        let chunk = &mut chunk[..N * (elements - values.len()).min((1 << 15) / N)];
        from.read_exact(chunk).map_err(unreadable)?;
        values.extend(chunk.as_chunks::<N>().0.iter().map(|&b| value(b)));
    }
    Ok(values)
}

/// Reads as many bytes as `elements` take, which `from` is known to hold.
fn from_raw(data_type: DataType, from: &mut dyn Read, elements: usize) -> Result<Data> {
    let n = elements;
    Ok(match data_type {
        DataType::FLOAT => Data::F32(each(from, n, f32::from_le_bytes)?),
        DataType::FLOAT16 => Data::F32(each(from, n, |b| f16::from_le_bytes(b).to_f32())?),
        DataType::BFLOAT16 => Data::F32(each(from, n, |b| bf16::from_le_bytes(b).to_f32())?),
        DataType::DOUBLE => Data::F64(each(from, n, f64::from_le_bytes)?),
        DataType::INT8 => Data::I8(each(from, n, i8::from_le_bytes)?),
        DataType::UINT8 => Data::U8(each(from, n, u8::from_le_bytes)?),
        DataType::INT16 => Data::I16(each(from, n, i16::from_le_bytes)?),
        DataType::UINT16 => Data::U16(each(from, n, u16::from_le_bytes)?),
        DataType::INT32 => Data::I32(each(from, n, i32::from_le_bytes)?),
        DataType::UINT32 => Data::U32(each(from, n, u32::from_le_bytes)?),
        DataType::INT64 => Data::I64(each(from, n, i64::from_le_bytes)?),
        DataType::UINT64 => Data::U64(each(from, n, u64::from_le_bytes)?),
        DataType::BOOL => Data::Bool(each(from, n, |[b]| b != 0)?),
        other => match narrow(other) {
            Some(narrow) => from_packed(narrow, &each(from, bytes(other, n), u8::from_le_bytes)?, n),
            None => return Err(Error::unsupported(format!("element type {other}"))),
        },
    })
}

/// The typed fields: all types narrower than 32 bits lie in `int32_data`.
fn from_typed(data_type: DataType, proto: &TensorProto, elements: usize) -> Result<Data> {
    fn within<T>(list: &[i32], f: impl Fn(i32) -> Option<T>) -> Result<Vec<T>> {
        list.iter().map(|&v| f(v).ok_or_else(|| Error::malformed(format!("{v} is out of range")))).collect()
    }
    let ints = proto.int32_data.as_slice();
    let half = |v: i32| u16::try_from(v).ok();
    let data = match data_type {
        DataType::FLOAT => Data::F32(proto.float_data.clone()),
        DataType::DOUBLE => Data::F64(proto.double_data.clone()),
        DataType::INT64 => Data::I64(proto.int64_data.clone()),
        DataType::INT32 => Data::I32(ints.to_vec()),
        DataType::INT16 => Data::I16(within(ints, |v| v.try_into().ok())?),
        DataType::UINT16 => Data::U16(within(ints, half)?),
        DataType::INT8 => Data::I8(within(ints, |v| v.try_into().ok())?),
        DataType::UINT8 => Data::U8(within(ints, |v| v.try_into().ok())?),
        DataType::BOOL => Data::Bool(ints.iter().map(|&v| v != 0).collect()),
        DataType::FLOAT16 => Data::F32(within(ints, |v| half(v).map(|b| f16::from_bits(b).to_f32()))?),
        DataType::BFLOAT16 => Data::F32(within(ints, |v| half(v).map(|b| bf16::from_bits(b).to_f32()))?),
        other if let Some(narrow) = narrow(other) => {
            let packed: Vec<u8> = within(ints, |v| v.try_into().ok())?;
            fills(packed.len() as u64, other, elements)?;
            return Ok(from_packed(narrow, &packed, elements));
        }
        DataType::UINT32 if elements == 0 => Data::U32(Vec::new()),
        DataType::UINT64 if elements == 0 => Data::U64(Vec::new()),
        other => return Err(Error::unsupported(format!("element type {other} outside raw data"))),
    };
    if data.len() != elements {
        return Err(Error::malformed(format!("{} values for {elements} elements of {data_type}", data.len())));
    }
    Ok(data)
}
