//! Which element types each kernel is defined for.

use crate::{Binary, DType, Kernel, Reduction, Unary};

/// Whether the reference evaluator defines `kernel` for a first input of element type `dtype`: what a program may hold.
/// Backends may do less, and say so.
pub fn defines(kernel: &Kernel, dtype: DType) -> bool {
    let number = dtype != DType::Bool;
    match kernel {
        Kernel::GatherElements { .. }
        | Kernel::GatherNd { .. }
        | Kernel::ScatterElements { .. }
        | Kernel::ScatterNd { .. }
        | Kernel::NonZero
        | Kernel::BitCast { .. }
        | Kernel::Reshape
        | Kernel::Transpose { .. }
        | Kernel::Concat { .. }
        | Kernel::Slice { .. }
        | Kernel::Pad { .. }
        | Kernel::Expand
        | Kernel::Gather { .. }
        | Kernel::Cast { .. } => true,
        Kernel::Where | Kernel::Unary(Unary::Not) => dtype == DType::Bool,
        Kernel::Unary(Unary::Abs | Unary::Neg | Unary::Sign) => number,
        Kernel::Binary(Binary::And | Binary::Or | Binary::Xor) => dtype == DType::Bool,
        Kernel::Binary(Binary::Equal) => true,
        Kernel::Unary(Unary::BitwiseNot)
        | Kernel::Binary(Binary::BitwiseAnd | Binary::BitwiseOr | Binary::BitwiseXor)
        | Kernel::Binary(Binary::ShiftLeft | Binary::ShiftRight) => dtype.is_integer(),
        Kernel::Binary(Binary::PRelu) => dtype.is_float(),
        Kernel::Binary(_) | Kernel::ArgMax { .. } | Kernel::TopK { .. } | Kernel::Cumulative { .. } => number,
        Kernel::Reduce { reduction: Reduction::Max | Reduction::Min, .. } => true,
        Kernel::Reduce { .. } => number,
        _ => dtype.is_float(),
    }
}
