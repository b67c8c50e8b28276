//! The closed list of ONNX operators that Netra reads, each with its attributes.
//!
//! An [`Op`] is in the form of the newest operator set: what used to be an attribute (the axes of Squeeze, the bounds of
//! Clip, the scales of Upsample) is an input, whichever version the file states. Axes may be negative, as in the file.

use std::sync::Arc;

use crate::names::named;
use crate::{
    Activation, Binary, Combine, Coordinates, DType, Graph, GridSample, Narrow, Reduction, ResizeMode, RoiAlign,
    Rounding, Tensor, Unary, ValueId,
};

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
    Wrap,
}

/// How ONNX Cast makes 8-bit floats.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Casting {
    /// What is beyond the range becomes its end instead of infinite or NaN.
    pub saturate: bool,
    /// Of casts to `E8M0`.
    pub rounding: Rounding,
}

/// Which way each input and output of a Scan is taken.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ScanLines {
    /// How many inputs are scanned; they come last.
    pub inputs: usize,
    /// Axis of each of them; empty means 0.
    pub input_axes: Vec<i64>,
    /// Which of them are scanned from the end; empty means none.
    pub input_backward: Vec<bool>,
    /// Axis of each scanned output; empty means 0.
    pub output_axes: Vec<i64>,
    /// Which of them are filled from the end; empty means none.
    pub output_backward: Vec<bool>,
    /// Operator set 8: every value has a batch axis first, and the scanned axes come after it.
    pub batched: bool,
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

/// The attributes of Attention; `None` is the attribute left out.
#[derive(Clone, Debug, PartialEq)]
#[allow(missing_docs)] // The ONNX attributes of the same names.
pub struct Attention {
    pub is_causal: bool,
    pub scale: Option<f32>,
    /// 0 is none.
    pub softcap: f32,
    /// With inputs of three axes.
    pub q_num_heads: Option<usize>,
    pub kv_num_heads: Option<usize>,
    /// Which scores are the fourth output.
    pub qk_matmul_output: ScoreOutput,
    /// Most positions that are seen before and after a query's own.
    pub left_window_size: Option<usize>,
    pub right_window_size: Option<usize>,
}

/// ONNX `qk_matmul_output_mode`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ScoreOutput {
    /// The products.
    Raw,
    /// After the soft cap.
    Capped,
    /// After the mask.
    Masked,
    /// After softmax.
    Weights,
}

/// The kinds of recurrent layers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs)] // Named as the ONNX operators; fields as their attributes.
pub enum Cell {
    Rnn,
    Gru { linear_before_reset: bool },
    Lstm { input_forget: bool },
}

/// The order in which a recurrent layer goes through a sequence.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs)] // The ONNX values of `direction`.
pub enum Direction {
    Forward,
    Reverse,
    Bidirectional,
}

/// A recurrent layer.
#[derive(Clone, Debug, PartialEq)]
pub struct Recurrent {
    /// RNN, GRU or LSTM.
    pub cell: Cell,
    /// One or both orders.
    pub direction: Direction,
    /// As the attribute states it; the weights say it too.
    pub hidden_size: Option<usize>,
    /// The functions f, g, h of the operator's definition (as many as it has), for each direction.
    pub activations: Vec<Unary>,
    /// What goes into those functions stays within this.
    pub clip: Option<f32>,
    /// `layout` 1: the batch is the first axis.
    pub batch_first: bool,
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
        /// `storage_order` of the indices.
        column_major: bool,
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
    RmsNormalization {
        axis: i64,
        epsilon: f32,
    },
    /// BatchNormalization with `training_mode`: by the statistics of its own input.
    BatchNormalizationTraining {
        epsilon: f32,
        momentum: f32,
    },
    LpNormalization {
        axis: i64,
        p: u32,
    },
    MeanVarianceNormalization {
        axes: Vec<i64>,
    },
    Lrn {
        alpha: f32,
        beta: f32,
        bias: f32,
        size: usize,
    },
    LpPool {
        window: Window,
        ceil_mode: bool,
        p: u32,
    },
    GlobalLpPool {
        p: u32,
    },
    /// Inputs: x, indices, optional output shape.
    MaxUnpool {
        window: Window,
    },
    GridSample(GridSample),
    /// Inputs: matrices, size.
    AffineGrid {
        align_corners: bool,
    },
    /// Inputs: columns, image shape, block shape.
    Col2Im {
        window: Window,
    },
    /// Inputs: x, weight, offset, optional bias, optional mask.
    DeformConv {
        window: Window,
        group: usize,
        offset_group: usize,
    },
    /// Inputs: x, regions, batch indices.
    RoiAlign {
        align: RoiAlign,
        output_height: usize,
        output_width: usize,
    },
    Det,
    /// Inputs: q, k, v, optional mask, past key, past value, lengths.
    Attention(Attention),
    /// Inputs: x, cosines, sines, optional positions.
    RotaryEmbedding {
        interleaved: bool,
        num_heads: Option<usize>,
        /// Rotated part of each head; all when left out.
        rotary_embedding_dim: Option<usize>,
    },
    SwiGlu {
        alpha: f32,
    },
    /// RNN, GRU and LSTM. Inputs: x, weights, recurrent weights, optional bias, lengths, initial state, and for LSTM
    /// initial cell state and peepholes.
    Recurrent(Recurrent),
    /// Inputs: x, scale, optional zero point.
    QuantizeLinear {
        axis: i64,
        /// Neighbours along the axis that share a scale.
        block_size: Option<usize>,
        output_dtype: Option<DType>,
    },
    /// Inputs: x, scale, optional zero point.
    DequantizeLinear {
        axis: i64,
        block_size: Option<usize>,
    },
    DynamicQuantizeLinear,
    /// Inputs: x, its scale, its zero point, the same of the weights and of the result, optional bias.
    QLinearConv {
        window: Window,
        group: usize,
    },
    /// Inputs: x, weights, optional zero points of both.
    ConvInteger {
        window: Window,
        group: usize,
    },
    /// Inputs: a, its scale, its zero point, the same of b and of the result.
    QLinearMatMul,
    /// Inputs: a, b, optional zero points of both.
    MatMulInteger,
    Gemm {
        alpha: f32,
        beta: f32,
        trans_a: bool,
        trans_b: bool,
    },
    MatMul,
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
    /// CumSum and CumProd. Inputs: x, axis.
    Cumulative {
        product: bool,
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
    /// Inputs: x, indices.
    GatherElements {
        axis: i64,
    },
    /// Inputs: x, indices.
    GatherNd {
        batch_dims: usize,
    },
    /// ScatterElements, and Scatter of older operator sets. Inputs: x, indices, updates.
    ScatterElements {
        axis: i64,
        combine: Combine,
    },
    /// Inputs: x, indices, updates.
    ScatterNd {
        combine: Combine,
    },
    /// Inputs: cache, update, optional first position of each batch.
    TensorScatter {
        axis: i64,
        circular: bool,
    },
    /// Inputs: x, k. Outputs: values, indices.
    TopK {
        axis: i64,
        largest: bool,
    },
    /// Inputs: boxes, scores, optional most boxes of a class, thresholds of overlap and of score.
    NonMaxSuppression {
        center_point_box: bool,
    },
    NonZero,
    /// Only with a constant condition. Inputs: x, condition.
    Compress {
        axis: Option<i64>,
    },
    /// Only of constants.
    Unique {
        axis: Option<i64>,
        sorted: bool,
    },
    /// Inputs: x, optional diagonal.
    Trilu {
        upper: bool,
    },
    /// Inputs: indices, depth, the values off and on.
    OneHot {
        axis: i64,
    },
    EyeLike {
        dtype: Option<DType>,
        k: i64,
    },
    Hardmax {
        axis: i64,
        /// Before operator set 13: over `axis` and all axes after it together.
        flatten: bool,
    },
    Shrink {
        bias: f32,
        lambd: f32,
    },
    /// Inputs: x, sizes.
    CenterCropPad {
        axes: Option<Vec<i64>>,
    },
    /// Inputs: x, lengths.
    ReverseSequence {
        batch_axis: usize,
        time_axis: usize,
    },
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
        /// Mode CRD instead of DCR.
        crd: bool,
    },
    Cast {
        /// The type that holds the result.
        to: DType,
        /// The type of the result's values, where it is narrower.
        narrow: Option<Narrow>,
        how: Casting,
    },
    CastLike {
        /// That of the second input, where it is narrower than the type that holds it.
        narrow: Option<Narrow>,
        how: Casting,
    },
    /// Between types of one width.
    BitCast {
        to: DType,
    },
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
    /// Inference only: the input itself, and a mask of ones.
    Dropout {
        /// The mask is boolean (from operator set 10).
        bool_mask: bool,
    },
    /// Only with a condition that is constant once the shapes are known.
    If {
        then_branch: Subgraph,
        else_branch: Subgraph,
    },
    /// Only with a trip count and conditions that are constant once the shapes are known.
    Loop {
        body: Subgraph,
    },
    /// Unrolled; the lengths are known once the shapes are.
    Scan {
        body: Subgraph,
        lines: ScanLines,
    },
}

impl Op {
    /// A Cast to a type that holds itself.
    pub fn cast(to: DType) -> Self {
        Op::Cast { to, narrow: None, how: Casting { saturate: true, rounding: Rounding::Up } }
    }

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
    fn op_name(op: &Op) {
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
            Op::Identity => "Identity",
            Op::Dropout { .. } => "Dropout",
            Op::If { .. } => "If",
            Op::Loop { .. } => "Loop",
            Op::Scan { .. } => "Scan",
    } else {
            Op::Unary(unary) => unary_name(*unary),
            Op::Binary(binary) => binary_name(*binary),
            Op::Reduce { reduction, .. } => reduction_name(*reduction),
    }
}

named! {
    const UNARIES;
    fn unary_name(unary: Unary) {
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
    fn binary_name(binary: Binary) {
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
    fn reduction_name(reduction: Reduction) {
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
