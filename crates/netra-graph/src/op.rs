//! The closed list of ONNX operators that Netra reads, each with its attributes.
//!
//! An [`Op`] is in the form of the newest operator set: what used to be an attribute (the axes of Squeeze, the bounds of
//! Clip, the scales of Upsample) is an input, whichever version the file states. Axes may be negative, as in the file.

use std::sync::Arc;

use crate::{Activation, Binary, Coordinates, DType, Graph, Reduction, ResizeMode, Tensor, Unary, ValueId};

/// ONNX `auto_pad`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum AutoPad {
    /// Padding is what `pads` says.
    #[default]
    NotSet,
    /// Output size is input size over stride, rounded up; an odd element goes to the end.
    SameUpper,
    /// As above; an odd element goes to the beginning.
    SameLower,
    /// No padding.
    Valid,
}

/// The attributes that convolution and pooling share; `None` is the attribute left out.
#[derive(Clone, Debug, Default, PartialEq)]
#[allow(missing_docs)] // The ONNX attributes of the same names.
pub struct Window {
    pub kernel_shape: Option<Vec<usize>>,
    pub strides: Option<Vec<usize>>,
    /// All beginnings, then all ends.
    pub pads: Option<Vec<usize>>,
    pub dilations: Option<Vec<usize>>,
    pub auto_pad: AutoPad,
}

/// Element-wise operators of any number of inputs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs)] // Named as the ONNX operators.
pub enum Variadic {
    Sum,
    Mean,
    Max,
    Min,
}

/// ONNX Pad's `mode`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs)] // The ONNX values of the same names.
pub enum PadFill {
    Constant,
    Reflect,
    Edge,
}

/// How Resize takes the sizes that it is given.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[allow(missing_docs)] // The ONNX values of `keep_aspect_ratio_policy`.
pub enum AspectRatio {
    #[default]
    Stretch,
    NotLarger,
    NotSmaller,
}

/// The rarer attributes of Resize.
#[derive(Clone, Debug, Default, PartialEq)]
#[allow(missing_docs)] // The ONNX attributes of the same names.
pub struct ResizeOptions {
    pub antialias: bool,
    pub exclude_outside: bool,
    pub keep_aspect_ratio: AspectRatio,
    pub extrapolation_value: f32,
}

/// A graph inside a node, and what it takes from the graph around it.
#[derive(Clone, Debug)]
pub struct Subgraph {
    /// Its inputs are its formal inputs, then one for each capture.
    pub graph: Arc<Graph>,
    /// Values of the graph around it.
    pub captures: Vec<ValueId>,
}

/// An ONNX operator with its attributes.
#[derive(Clone, Debug)]
#[non_exhaustive]
#[allow(missing_docs)] // Variants and fields are the ONNX operators and attributes of the same names.
pub enum Op {
    Conv {
        window: Window,
        group: usize,
    },
    ConvTranspose {
        window: Window,
        group: usize,
        output_padding: Option<Vec<usize>>,
        output_shape: Option<Vec<usize>>,
    },
    MaxPool {
        window: Window,
        ceil_mode: bool,
    },
    AveragePool {
        window: Window,
        ceil_mode: bool,
        count_include_pad: bool,
    },
    GlobalAveragePool,
    GlobalMaxPool,
    BatchNormalization {
        epsilon: f32,
    },
    InstanceNormalization {
        epsilon: f32,
    },
    GroupNormalization {
        num_groups: usize,
        epsilon: f32,
        /// Scale and bias have one entry a group (operator set 18), not one a channel.
        per_group: bool,
    },
    LayerNormalization {
        axis: i64,
        epsilon: f32,
    },
    Gemm {
        alpha: f32,
        beta: f32,
        trans_a: bool,
        trans_b: bool,
    },
    MatMul,
    /// Of one or two operands.
    Einsum {
        equation: String,
    },
    /// Softmax and LogSoftmax.
    Softmax {
        axis: i64,
        log: bool,
        /// Before operator set 13: over `axis` and all axes after it together.
        flatten: bool,
    },
    /// Every element-wise operator of one argument without parameters of its own lowering.
    Unary(Unary),
    Binary(Binary),
    Variadic(Variadic),
    Celu {
        alpha: f32,
    },
    ThresholdedRelu {
        alpha: f32,
    },
    Swish {
        alpha: f32,
    },
    /// Inputs: x, optional minimum, optional maximum.
    Clip,
    Where,
    /// The Reduce operators. Inputs: x, optional axes.
    Reduce {
        reduction: Reduction,
        /// Followed by the logarithm (ReduceLogSum).
        log: bool,
        keepdims: bool,
        noop_with_empty_axes: bool,
    },
    /// ArgMax and ArgMin.
    ArgMax {
        axis: i64,
        keepdims: bool,
        select_last_index: bool,
        smallest: bool,
    },
    /// Inputs: x, axis.
    CumSum {
        exclusive: bool,
        reverse: bool,
    },
    Concat {
        axis: i64,
    },
    /// Inputs: x, optional sizes.
    Split {
        axis: i64,
        num_outputs: Option<usize>,
    },
    /// Inputs: x, starts, ends, optional axes, optional steps.
    Slice,
    Gather {
        axis: i64,
    },
    /// Only with indices that are constant once the shapes are known.
    ScatterNd,
    Transpose {
        perm: Option<Vec<usize>>,
    },
    Reshape {
        allowzero: bool,
    },
    Flatten {
        axis: i64,
    },
    /// Inputs: x, optional axes.
    Squeeze,
    /// Inputs: x, axes.
    Unsqueeze,
    Expand,
    Tile,
    /// Inputs: x, pads, optional value, optional axes.
    Pad {
        mode: PadFill,
    },
    /// Inputs: x, optional roi, optional scales, optional sizes.
    Resize {
        mode: ResizeMode,
        coordinates: Coordinates,
        axes: Option<Vec<i64>>,
        /// Upsample and Resize of operator set 10: nearest rounds down when enlarging and up when reducing.
        legacy: bool,
        options: ResizeOptions,
    },
    DepthToSpace {
        blocksize: usize,
        /// Mode CRD instead of DCR.
        crd: bool,
    },
    SpaceToDepth {
        blocksize: usize,
    },
    Cast {
        to: DType,
    },
    CastLike,
    Shape {
        start: i64,
        end: Option<i64>,
    },
    Size,
    /// The value has one element.
    ConstantOfShape {
        value: Arc<Tensor>,
    },
    Range,
    Identity,
    /// Inference only: the input itself.
    Dropout,
    /// Only with a condition that is constant once the shapes are known.
    If {
        then_branch: Subgraph,
        else_branch: Subgraph,
    },
    /// Only with a trip count and conditions that are constant once the shapes are known.
    Loop {
        body: Subgraph,
    },
}

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
            Op::CumSum { .. } => "CumSum",
            Op::Concat { .. } => "Concat",
            Op::Split { .. } => "Split",
            Op::Slice => "Slice",
            Op::Gather { .. } => "Gather",
            Op::ScatterNd => "ScatterND",
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
            Op::CastLike => "CastLike",
            Op::Shape { .. } => "Shape",
            Op::Size => "Size",
            Op::ConstantOfShape { .. } => "ConstantOfShape",
            Op::Range => "Range",
            Op::Identity => "Identity",
            Op::Dropout => "Dropout",
            Op::If { .. } => "If",
            Op::Loop { .. } => "Loop",
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
