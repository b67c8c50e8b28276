//! The bits of elements.

use crate::{DType, Data, Error, Result, Tensor};

/// All element types here are little-endian in their meaning: only types of one width convert.
pub fn bit_cast(x: &Tensor, to: DType) -> Result<Tensor> {
    let bits: Vec<u64> = match x.data() {
        Data::F32(v) => v.iter().map(|&x| x.to_bits().into()).collect(),
        Data::F64(v) => v.iter().map(|&x| x.to_bits()).collect(),
        Data::I8(v) => v.iter().map(|&x| (x as u8).into()).collect(),
        Data::U8(v) => v.iter().map(|&x| x.into()).collect(),
        Data::I16(v) => v.iter().map(|&x| (x as u16).into()).collect(),
        Data::U16(v) => v.iter().map(|&x| x.into()).collect(),
        Data::I32(v) => v.iter().map(|&x| (x as u32).into()).collect(),
        Data::U32(v) => v.iter().map(|&x| x.into()).collect(),
        Data::I64(v) => v.iter().map(|&x| x as u64).collect(),
        Data::U64(v) => v.clone(),
        Data::Bool(v) => v.iter().map(|&x| x.into()).collect(),
    };
    if x.dtype().size() != to.size() {
        return Err(Error::malformed(format!("the bits of {} as {to}", x.dtype())));
    }
    let bits = bits.into_iter();
    let data = match to {
        DType::F32 => Data::F32(bits.map(|b| f32::from_bits(b as u32)).collect()),
        DType::F64 => Data::F64(bits.map(f64::from_bits).collect()),
        DType::I8 => Data::I8(bits.map(|b| b as i8).collect()),
        DType::U8 => Data::U8(bits.map(|b| b as u8).collect()),
        DType::I16 => Data::I16(bits.map(|b| b as i16).collect()),
        DType::U16 => Data::U16(bits.map(|b| b as u16).collect()),
        DType::I32 => Data::I32(bits.map(|b| b as i32).collect()),
        DType::U32 => Data::U32(bits.map(|b| b as u32).collect()),
        DType::I64 => Data::I64(bits.map(|b| b as i64).collect()),
        DType::U64 => Data::U64(bits.collect()),
        DType::Bool => Data::Bool(bits.map(|b| b != 0).collect()),
    };
    Tensor::new(x.shape(), data)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn there_and_back() {
        let x = Tensor::from_f32([3], vec![1.0, -0.0, f32::INFINITY]).unwrap();
        let bits = bit_cast(&x, DType::I32).unwrap();
        assert_eq!(bits.data(), &Data::I32(vec![0x3f80_0000, i32::MIN, 0x7f80_0000]));
        assert_eq!(bit_cast(&bits, DType::F32).unwrap(), x);
        assert!(bit_cast(&x, DType::F64).is_err());
    }
}
