//! Which steps this crate has kernels for; the reference evaluator runs the others.

use netra_graph::{Activation, Binary, Conv, ConvTranspose, DType, Kernel, PadMode, Program, Reduction, Step, Unary};

use crate::{binary, elementwise, reduce, simd};

/// Whether a step runs on a kernel of this crate.
pub fn native(program: &Program, step: &Step) -> bool {
    let types: Vec<DType> = step.inputs.iter().flatten().map(|&id| program.value(id).dtype).collect();
    let out = program.value(step.output).dtype;
    let Some(&first) = types.first() else { return false };
    let floats = || types.iter().chain([&out]).all(|&t| t == DType::F32);
    let known = |activation: Option<Activation>| activation.is_none_or(simd::map::knows);
    let spatial = || {
        let rank = step.inputs.first().copied().flatten().map_or(0, |id| program.value(id).shape.len());
        (3..=5).contains(&rank)
    };
    let stored =
        || types.iter().chain([&out]).all(|&t| narrow(t) || matches!(t, DType::F32 | DType::F64 | DType::Bool));
    match &step.kernel {
        Kernel::Conv(Conv { activation, .. }) | Kernel::ConvTranspose(ConvTranspose { activation, .. }) => {
            spatial() && known(*activation) && floats()
        }
        Kernel::NormalizedConv(p) => spatial() && known(p.activation) && known(p.conv.activation) && floats(),
        Kernel::UpsampledConv(p) => spatial() && known(p.up.activation) && known(p.conv.activation) && floats(),
        Kernel::MaxPool(_) | Kernel::AveragePool { .. } => spatial() && floats(),
        Kernel::InstanceNormalization { activation, .. } | Kernel::GroupNormalization { activation, .. } => {
            known(*activation) && floats()
        }
        Kernel::MatMul { .. }
        | Kernel::Attention(_)
        | Kernel::GroupAffine { .. }
        | Kernel::LayerNormalization { .. }
        | Kernel::Softmax { .. }
        | Kernel::Resize(_) => floats(),
        Kernel::Unary(op) => match op {
            Unary::Not => first == DType::Bool,
            Unary::Abs | Unary::Neg | Unary::Sign if narrow(first) => true,
            Unary::IsNaN => first == DType::F32,
            op => elementwise::knows(*op) && floats(),
        },
        Kernel::Binary(op) => {
            use Binary::*;
            let fits = match op {
                Equal => first == DType::F32 || first == DType::Bool || narrow(first),
                Less | LessOrEqual | Greater | GreaterOrEqual => first == DType::F32 || narrow(first),
                And | Or | Xor => first == DType::Bool,
                Add | Sub | Mul | Div | Pow | Min | Max | Mod | Fmod => first == DType::F32 || narrow(first),
                op => first == DType::F32 && binary::knows(*op),
            };
            fits && types.iter().all(|&t| t == first)
        }
        Kernel::Reduce { reduction, .. } => {
            use Reduction::*;
            (first == DType::F32 && reduce::knows(*reduction))
                || (narrow(first) && matches!(reduction, Sum | Mean | Max | Min | Prod))
        }
        Kernel::ArgMax { .. } => first == DType::F32 || narrow(first),
        Kernel::Pad { mode, .. } => stored() && matches!(mode, PadMode::Constant(_) | PadMode::Reflect | PadMode::Edge),
        Kernel::Gather { .. } => stored() && matches!(types.get(1), Some(DType::I64 | DType::I32)),
        Kernel::Where
        | Kernel::Concat { .. }
        | Kernel::Transpose { .. }
        | Kernel::Slice { .. }
        | Kernel::Expand
        | Kernel::Cast { .. } => stored(),
        Kernel::Reshape => true,
        _ => false,
    }
}

/// The integer types that kernels here compute with.
fn narrow(dtype: DType) -> bool {
    matches!(dtype, DType::I8 | DType::U8 | DType::I32 | DType::I64)
}
