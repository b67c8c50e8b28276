//! Conversion of element types, also to those that are held in a wider one.

use super::emit::Lowerer;
use crate::op::Casting;
use crate::{Binary, DType, Error, Kernel, Narrow, NarrowFloat, Result, Rounding, Unary, ValueId};

/// `to`, then `narrow` within it.
pub fn cast(lo: &mut Lowerer, x: ValueId, to: DType, narrow: Option<Narrow>, how: Casting) -> Result<ValueId> {
    match narrow {
        None => lo.cast(x, to),
        Some(Narrow::Float(format)) => {
            let rounding = match format {
                crate::FloatFormat::E8M0 => how.rounding,
                _ => Rounding::Nearest,
            };
            let narrow = Unary::Narrow(NarrowFloat { format, saturate: how.saturate, rounding });
            // Rounded once: float64 before it becomes float32.
            let x = if lo.dtype(x).is_float() { x } else { lo.cast(x, DType::F32)? };
            let x = lo.unary(narrow, x)?;
            lo.cast(x, to)
        }
        Some(Narrow::Integer { bits, signed }) => {
            let x = lo.cast(x, to)?;
            let mask = lo.number(f64::from((1u32 << bits) - 1), to)?;
            let low = lo.binary(Binary::BitwiseAnd, x, mask)?;
            if !signed {
                return Ok(low);
            }
            // The sign bit means its negative.
            let sign = lo.number(f64::from(1u32 << (bits - 1)), to)?;
            let flipped = lo.binary(Binary::BitwiseXor, low, sign)?;
            lo.binary(Binary::Sub, flipped, sign)
        }
    }
}

/// The same bits as another element type of the same width.
pub fn bit_cast(lo: &mut Lowerer, x: ValueId, to: DType) -> Result<ValueId> {
    let from = lo.dtype(x);
    if from.size() != to.size() {
        return Err(Error::malformed(format!("the bits of {from} as {to}")));
    }
    if from == to {
        return Ok(x);
    }
    let shape = lo.shape(x).to_vec();
    lo.emit(Kernel::BitCast { to }, &[x], to, &shape)
}
