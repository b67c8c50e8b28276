//! safetensors files: named tensors, no code. The crate of the same name checks header and offsets.

use std::path::Path;

use half::{bf16, f16};
use safetensors::{Dtype, SafeTensors, tensor::TensorView};

use crate::weights::{MAX_BYTES, read_file};
use crate::{Data, Error, Result, Tensor};

/// Most bytes of the header: some 20,000 tensors. What it is parsed to takes up to 25 times as much.
const MAX_HEADER: u64 = 2 << 20;

/// Reads all tensors of a file, in the order of their names. float16 and bfloat16 become float32,
/// other types stay what they are. Errors: `Io`, `Limit`, `Malformed`, `Unsupported` element types by name.
pub fn read(path: &Path) -> Result<Vec<(String, Tensor)>> {
    let bytes = read_file(path, MAX_BYTES)?;
    read_bytes(&bytes).map_err(|e| e.at(path.display()))
}

/// As [`read`], from memory.
pub fn read_bytes(bytes: &[u8]) -> Result<Vec<(String, Tensor)>> {
    let header = bytes.first_chunk().map(|length| u64::from_le_bytes(*length));
    if let Some(header) = header.filter(|&header| header > MAX_HEADER && header <= bytes.len() as u64) {
        return Err(Error::limit(format!("a safetensors header of {header} bytes")));
    }
    let file = SafeTensors::deserialize(bytes).map_err(|e| Error::malformed("no safetensors file").with_source(e))?;
    let mut tensors = Vec::with_capacity(file.len());
    for (name, view) in file.iter() {
        let tensor = tensor(&view).map_err(|e| e.at(format!("tensor '{name}'")))?;
        tensors.push((name.to_owned(), tensor));
    }
    tensors.sort_by(|a, b| a.0.cmp(&b.0));
    Ok(tensors)
}

fn tensor(view: &TensorView<'_>) -> Result<Tensor> {
    fn each<const N: usize, T>(raw: &[u8], f: impl Fn([u8; N]) -> T) -> Vec<T> {
        raw.as_chunks::<N>().0.iter().map(|&b| f(b)).collect()
    }
    let raw = view.data();
    let data = match view.dtype() {
        Dtype::F32 => Data::F32(each(raw, f32::from_le_bytes)),
        Dtype::F16 => Data::F32(each(raw, |b| f16::from_le_bytes(b).to_f32())),
        Dtype::BF16 => Data::F32(each(raw, |b| bf16::from_le_bytes(b).to_f32())),
        Dtype::F64 => Data::F64(each(raw, f64::from_le_bytes)),
        Dtype::I8 => Data::I8(each(raw, i8::from_le_bytes)),
        Dtype::U8 => Data::U8(raw.to_vec()),
        Dtype::I16 => Data::I16(each(raw, i16::from_le_bytes)),
        Dtype::U16 => Data::U16(each(raw, u16::from_le_bytes)),
        Dtype::I32 => Data::I32(each(raw, i32::from_le_bytes)),
        Dtype::U32 => Data::U32(each(raw, u32::from_le_bytes)),
        Dtype::I64 => Data::I64(each(raw, i64::from_le_bytes)),
        Dtype::U64 => Data::U64(each(raw, u64::from_le_bytes)),
        Dtype::BOOL => Data::Bool(raw.iter().map(|&b| b != 0).collect()),
        other => return Err(Error::unsupported(format!("element type {other:?}"))),
    };
    Tensor::new(view.shape(), data)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ErrorKind;

    fn file(header: &str, data: &[u8]) -> Vec<u8> {
        [&(header.len() as u64).to_le_bytes(), header.as_bytes(), data].concat()
    }

    #[test]
    fn element_types_become_ours() {
        let header = r#"{"b":{"dtype":"F16","shape":[2],"data_offsets":[0,4]},"a":{"dtype":"I16","shape":[1],"data_offsets":[4,6]}}"#;
        let tensors = read_bytes(&file(header, &[0x00, 0x3c, 0x00, 0xc0, 0xfe, 0xff])).unwrap();
        assert_eq!(tensors[0], ("a".into(), Tensor::new([1], Data::I16(vec![-2])).unwrap()));
        assert_eq!(tensors[1], ("b".into(), Tensor::from_f32([2], vec![1.0, -2.0]).unwrap()));
    }

    #[test]
    fn bad_files_are_malformed() {
        let header = r#"{"a":{"dtype":"F32","shape":[4611686018427387904,4],"data_offsets":[0,4]}}"#;
        let huge_header = u64::MAX.to_le_bytes();
        for bytes in [&[][..], &[1, 2, 3], &huge_header, &file(header, &[0; 4]), &file("{}{", &[])] {
            assert_eq!(read_bytes(bytes).unwrap_err().kind(), ErrorKind::Malformed);
        }
    }
}
