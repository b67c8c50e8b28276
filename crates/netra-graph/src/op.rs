//! The closed list of ONNX operators that Netra reads, each with its attributes.
//!
//! An [`Op`] is in the form of the newest operator set: what used to be an attribute (the axes of Squeeze, the bounds of
//! Clip, the scales of Upsample) is an input, whichever version the file states. Axes may be negative, as in the file.

mod attributes;

use std::sync::Arc;

use crate::{
    Binary, Combine, Coordinates, DType, GridSample, Narrow, Reduction, ResizeMode, RoiAlign, Rounding, Tensor, Unary,
};

pub use attributes::{
    AspectRatio, Attention, AutoPad, Casting, Cell, Direction, PadFill, Recurrent, ResizeOptions, ScanLines,
    ScoreOutput, Subgraph, Taper, Variadic, Window,
};

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
        /// What the result is held in, when that is wider than its type.
        narrow: Option<Narrow>,
        /// Of 8-bit floats: what is beyond the range becomes its end.
        saturate: bool,
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
    /// BlackmanWindow, HammingWindow and HannWindow. Only with a constant size.
    CosineWindow {
        taper: Taper,
        /// One element more would be the first again.
        periodic: bool,
        dtype: DType,
    },
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
}
