//! Names of enum variants, written once.

/// Makes a function that gives a value its name by an exhaustive match, and the list of all those names, so that a test
/// can go over variants without a second list that may fall behind. Rows after `via` hand over to another such function
/// and are not in the list.
macro_rules! named {
    (
        const $list:ident;
        fn $function:ident($value:ident: $type:ty);
        $(via { $($other:pat => $call:expr,)+ })?
        names {
            $($pattern:pat => $name:literal,)+
        }
    ) => {
        const $list: &[&str] = &[$($name),+];

        fn $function($value: $type) -> &'static str {
            match $value {
                $($pattern => $name,)+
                $($($other => $call,)+)?
            }
        }
    };
}

use crate::{Activation, Binary, Cell, Kernel, Op, Recurrent, Reduction, Taper, Unary, Variadic};

impl Op {
    /// The ONNX operator's name.
    pub fn name(&self) -> &'static str {
        op_name(self)
    }

    /// The names of all operators, each once, in order.
    pub fn names() -> Vec<&'static str> {
        let mut names = [OPS, UNARIES, BINARIES, REDUCTIONS].concat();
        names.sort_unstable();
        names.dedup();
        names
    }
}

impl Kernel {
    /// The name under which the kernel is reported: the ONNX operator's where there is one.
    pub fn name(&self) -> &'static str {
        kernel_name(self)
    }

    /// The names of all kernels.
    pub fn names() -> &'static [&'static str] {
        KERNELS
    }
}

impl Unary {
    /// The ONNX names of all functions.
    pub fn names() -> &'static [&'static str] {
        UNARIES
    }
}

impl Binary {
    /// The ONNX names of all functions.
    pub fn names() -> &'static [&'static str] {
        BINARIES
    }
}

impl Reduction {
    /// The ONNX operator's name.
    pub fn name(self) -> &'static str {
        reduction_name(self)
    }

    /// The ONNX names of all reductions.
    pub fn names() -> &'static [&'static str] {
        REDUCTIONS
    }
}

named! {
    const OPS;
    fn op_name(op: &Op);
    via {
        Op::Unary(unary) => unary_name(*unary),
        Op::Binary(binary) => binary_name(*binary),
        Op::Reduce { reduction, .. } => reduction_name(*reduction),
    }
    names {
        Op::Conv { .. } => "Conv",
        Op::ConvTranspose { .. } => "ConvTranspose",
        Op::MaxPool { .. } => "MaxPool",
        Op::AveragePool { .. } => "AveragePool",
        Op::GlobalAveragePool => "GlobalAveragePool",
        Op::GlobalMaxPool => "GlobalMaxPool",
        Op::BatchNormalization { .. } => "BatchNormalization",
        Op::InstanceNormalization { .. } => "InstanceNormalization",
        Op::GroupNormalization { .. } => "GroupNormalization",
        Op::LayerNormalization { .. } => "LayerNormalization",
        Op::RmsNormalization { .. } => "RMSNormalization",
        Op::BatchNormalizationTraining { .. } => "BatchNormalization",
        Op::LpNormalization { .. } => "LpNormalization",
        Op::MeanVarianceNormalization { .. } => "MeanVarianceNormalization",
        Op::Lrn { .. } => "LRN",
        Op::LpPool { .. } => "LpPool",
        Op::GlobalLpPool { .. } => "GlobalLpPool",
        Op::MaxUnpool { .. } => "MaxUnpool",
        Op::GridSample(_) => "GridSample",
        Op::AffineGrid { .. } => "AffineGrid",
        Op::Col2Im { .. } => "Col2Im",
        Op::DeformConv { .. } => "DeformConv",
        Op::RoiAlign { .. } => "RoiAlign",
        Op::Det => "Det",
        Op::Attention(_) => "Attention",
        Op::RotaryEmbedding { .. } => "RotaryEmbedding",
        Op::SwiGlu { .. } => "SwiGLU",
        Op::Recurrent(Recurrent { cell: Cell::Rnn, .. }) => "RNN",
        Op::Recurrent(Recurrent { cell: Cell::Gru { .. }, .. }) => "GRU",
        Op::Recurrent(Recurrent { cell: Cell::Lstm { .. }, .. }) => "LSTM",
        Op::QuantizeLinear { .. } => "QuantizeLinear",
        Op::DequantizeLinear { .. } => "DequantizeLinear",
        Op::DynamicQuantizeLinear => "DynamicQuantizeLinear",
        Op::QLinearConv { .. } => "QLinearConv",
        Op::ConvInteger { .. } => "ConvInteger",
        Op::QLinearMatMul => "QLinearMatMul",
        Op::MatMulInteger => "MatMulInteger",
        Op::Gemm { .. } => "Gemm",
        Op::MatMul => "MatMul",
        Op::Einsum { .. } => "Einsum",
        Op::Softmax { log: false, .. } => "Softmax",
        Op::Softmax { log: true, .. } => "LogSoftmax",
        Op::Variadic(Variadic::Sum) => "Sum",
        Op::Variadic(Variadic::Mean) => "Mean",
        Op::Variadic(Variadic::Max) => "Max",
        Op::Variadic(Variadic::Min) => "Min",
        Op::Celu { .. } => "Celu",
        Op::ThresholdedRelu { .. } => "ThresholdedRelu",
        Op::Swish { .. } => "Swish",
        Op::Clip => "Clip",
        Op::Where => "Where",
        Op::Reduce { reduction: Reduction::Sum, log: true, .. } => "ReduceLogSum",
        Op::ArgMax { smallest: false, .. } => "ArgMax",
        Op::ArgMax { smallest: true, .. } => "ArgMin",
        Op::Cumulative { product: false, .. } => "CumSum",
        Op::Cumulative { product: true, .. } => "CumProd",
        Op::Concat { .. } => "Concat",
        Op::Split { .. } => "Split",
        Op::Slice => "Slice",
        Op::Gather { .. } => "Gather",
        Op::GatherElements { .. } => "GatherElements",
        Op::GatherNd { .. } => "GatherND",
        Op::ScatterElements { .. } => "ScatterElements",
        Op::ScatterNd { .. } => "ScatterND",
        Op::TensorScatter { .. } => "TensorScatter",
        Op::TopK { .. } => "TopK",
        Op::NonMaxSuppression { .. } => "NonMaxSuppression",
        Op::NonZero => "NonZero",
        Op::Compress { .. } => "Compress",
        Op::Unique { .. } => "Unique",
        Op::Trilu { .. } => "Trilu",
        Op::OneHot { .. } => "OneHot",
        Op::EyeLike { .. } => "EyeLike",
        Op::Hardmax { .. } => "Hardmax",
        Op::Shrink { .. } => "Shrink",
        Op::CenterCropPad { .. } => "CenterCropPad",
        Op::ReverseSequence { .. } => "ReverseSequence",
        Op::Transpose { .. } => "Transpose",
        Op::Reshape { .. } => "Reshape",
        Op::Flatten { .. } => "Flatten",
        Op::Squeeze => "Squeeze",
        Op::Unsqueeze => "Unsqueeze",
        Op::Expand => "Expand",
        Op::Tile => "Tile",
        Op::Pad { .. } => "Pad",
        Op::Resize { .. } => "Resize",
        Op::DepthToSpace { .. } => "DepthToSpace",
        Op::SpaceToDepth { .. } => "SpaceToDepth",
        Op::Cast { .. } => "Cast",
        Op::CastLike { .. } => "CastLike",
        Op::BitCast { .. } => "BitCast",
        Op::Shape { .. } => "Shape",
        Op::Size => "Size",
        Op::ConstantOfShape { .. } => "ConstantOfShape",
        Op::Range => "Range",
        Op::CosineWindow { taper: Taper::Blackman, .. } => "BlackmanWindow",
        Op::CosineWindow { taper: Taper::Hamming, .. } => "HammingWindow",
        Op::CosineWindow { taper: Taper::Hann, .. } => "HannWindow",
        Op::Identity => "Identity",
        Op::Dropout { .. } => "Dropout",
        Op::If { .. } => "If",
        Op::Loop { .. } => "Loop",
        Op::Scan { .. } => "Scan",
    }
}

named! {
    const UNARIES;
    fn unary_name(unary: Unary);
    names {
        Unary::Activation(Activation::Relu) => "Relu",
        Unary::Activation(Activation::LeakyRelu(_)) => "LeakyRelu",
        Unary::Activation(Activation::Elu(_)) => "Elu",
        Unary::Activation(Activation::Sigmoid) => "Sigmoid",
        Unary::Activation(Activation::Silu) => "Swish",
        Unary::Activation(Activation::HardSwish) => "HardSwish",
        Unary::Activation(Activation::Clip(..)) => "Clip",
        Unary::Abs => "Abs",
        Unary::Neg => "Neg",
        Unary::Exp => "Exp",
        Unary::Log => "Log",
        Unary::Sqrt => "Sqrt",
        Unary::Reciprocal => "Reciprocal",
        Unary::Floor => "Floor",
        Unary::Ceil => "Ceil",
        Unary::Round => "Round",
        Unary::Sign => "Sign",
        Unary::Erf => "Erf",
        Unary::Tanh => "Tanh",
        Unary::Sin => "Sin",
        Unary::Cos => "Cos",
        Unary::Tan => "Tan",
        Unary::Asin => "Asin",
        Unary::Acos => "Acos",
        Unary::Atan => "Atan",
        Unary::Sinh => "Sinh",
        Unary::Cosh => "Cosh",
        Unary::Asinh => "Asinh",
        Unary::Acosh => "Acosh",
        Unary::Atanh => "Atanh",
        Unary::IsInf { .. } => "IsInf",
        Unary::BitwiseNot => "BitwiseNot",
        Unary::Narrow(_) => "Cast",
        Unary::Softplus => "Softplus",
        Unary::Softsign => "Softsign",
        Unary::HardSigmoid(..) => "HardSigmoid",
        Unary::Selu(..) => "Selu",
        Unary::Mish => "Mish",
        Unary::Gelu | Unary::GeluTanh => "Gelu",
        Unary::Not => "Not",
        Unary::IsNaN => "IsNaN",
    }
}

named! {
    const BINARIES;
    fn binary_name(binary: Binary);
    names {
        Binary::Add => "Add",
        Binary::Sub => "Sub",
        Binary::Mul => "Mul",
        Binary::Div => "Div",
        Binary::Pow => "Pow",
        Binary::Min => "Min",
        Binary::Max => "Max",
        Binary::PRelu => "PRelu",
        Binary::Mod | Binary::Fmod => "Mod",
        Binary::Equal => "Equal",
        Binary::Less => "Less",
        Binary::LessOrEqual => "LessOrEqual",
        Binary::Greater => "Greater",
        Binary::GreaterOrEqual => "GreaterOrEqual",
        Binary::And => "And",
        Binary::Or => "Or",
        Binary::Xor => "Xor",
        Binary::BitwiseAnd => "BitwiseAnd",
        Binary::BitwiseOr => "BitwiseOr",
        Binary::BitwiseXor => "BitwiseXor",
        Binary::ShiftLeft | Binary::ShiftRight => "BitShift",
    }
}

named! {
    const REDUCTIONS;
    fn reduction_name(reduction: Reduction);
    names {
        Reduction::Sum => "ReduceSum",
        Reduction::Mean => "ReduceMean",
        Reduction::Max => "ReduceMax",
        Reduction::Min => "ReduceMin",
        Reduction::Prod => "ReduceProd",
        Reduction::SumSquare => "ReduceSumSquare",
        Reduction::L1 => "ReduceL1",
        Reduction::L2 => "ReduceL2",
        Reduction::LogSumExp => "ReduceLogSumExp",
    }
}

named! {
    const KERNELS;
    fn kernel_name(kernel: &Kernel);
    names {
        Kernel::Conv(_) => "Conv",
        Kernel::ConvTranspose(_) => "ConvTranspose",
        Kernel::NormalizedConv(_) => "NormalizedConv",
        Kernel::UpsampledConv(_) => "UpsampledConv",
        Kernel::MaxPool(_) => "MaxPool",
        Kernel::AveragePool { .. } => "AveragePool",
        Kernel::MatMul { .. } => "MatMul",
        Kernel::InstanceNormalization { .. } => "InstanceNormalization",
        Kernel::GroupNormalization { .. } => "GroupNormalization",
        Kernel::GroupAffine { .. } => "GroupAffine",
        Kernel::LayerNormalization { .. } => "LayerNormalization",
        Kernel::Softmax { .. } => "Softmax",
        Kernel::Attention(_) => "Attention",
        Kernel::Unary(_) => "Unary",
        Kernel::Binary(_) => "Binary",
        Kernel::Where => "Where",
        Kernel::Reduce { .. } => "Reduce",
        Kernel::ArgMax { .. } => "ArgMax",
        Kernel::Reshape => "Reshape",
        Kernel::Transpose { .. } => "Transpose",
        Kernel::Concat { .. } => "Concat",
        Kernel::Slice { .. } => "Slice",
        Kernel::Pad { .. } => "Pad",
        Kernel::Resize(_) => "Resize",
        Kernel::Gather { .. } => "Gather",
        Kernel::GatherElements { .. } => "GatherElements",
        Kernel::GatherNd { .. } => "GatherND",
        Kernel::ScatterElements { .. } => "ScatterElements",
        Kernel::ScatterNd { .. } => "ScatterND",
        Kernel::TopK { .. } => "TopK",
        Kernel::Cumulative { product: false, .. } => "CumSum",
        Kernel::Cumulative { product: true, .. } => "CumProd",
        Kernel::MaxPoolIndices { .. } => "MaxPool (indices)",
        Kernel::GridSample(_) => "GridSample",
        Kernel::RoiAlign(_) => "RoiAlign",
        Kernel::NonMaxSuppression(_) => "NonMaxSuppression",
        Kernel::NonZero => "NonZero",
        Kernel::BitCast { .. } => "BitCast",
        Kernel::Expand => "Expand",
        Kernel::Cast { .. } => "Cast",
    }
}
