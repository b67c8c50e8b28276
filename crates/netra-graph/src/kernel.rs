//! What a backend implements: operators with every parameter resolved.
//!
//! Shapes are not repeated here: the [`Program`](crate::Program) knows the shape of every value, and a kernel's output
//! shape is part of its meaning (`Reshape`, `Expand`, `Slice`, `Resize`). Spatial parameters list one entry a spatial
//! axis (1 to 3), outermost first; tensors of the spatial kernels are `N, C, spatial...`.

mod parameters;

use crate::DType;

pub use parameters::{
    Activation, Binary, Combine, Conv, ConvTranspose, Coordinates, DotProductAttention, GridMode, GridPadding,
    GridSample, Nearest, NonMaxSuppression, NormalizedConv, PadMode, Pool, Reduction, Resize, ResizeMode, RoiAlign,
    StridedRows, Unary, UpsampledConv,
};

/// One operation of a [`Program`](crate::Program).
///
/// Element types: a kernel takes and gives float32 unless it says otherwise. `Reshape`, `Transpose`, `Concat`, `Slice`,
/// `Pad`, `Expand`, `Gather` and `Where` move elements of any type; `Binary` and `Reduce` also work on integers.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum Kernel {
    /// See [`Conv`].
    Conv(Conv),
    /// See [`ConvTranspose`].
    ConvTranspose(ConvTranspose),
    /// See [`NormalizedConv`]. No graph lowers to it: a backend that has it asks for
    /// [`fuse_normalization`](crate::fuse_normalization).
    NormalizedConv(Box<NormalizedConv>),
    /// See [`UpsampledConv`]. No graph lowers to it: a backend that has it asks for
    /// [`fuse_upsampling`](crate::fuse_upsampling).
    UpsampledConv(Box<UpsampledConv>),
    /// Largest element of each window; padding is minus infinity.
    MaxPool(Pool),
    /// Mean of each window, over the padded elements as well when `count_include_pad`.
    AveragePool {
        /// The window.
        pool: Pool,
        /// Whether padding counts as zeros in the mean.
        count_include_pad: bool,
    },
    /// `alpha a b (+ bias)` with NumPy broadcasting over leading axes; both operands have rank 2 or more.
    /// Inputs: `a [..., m, k]` (`[..., k, m]` when `trans_a`), `b [..., k, n]` (`[..., n, k]` when `trans_b`),
    /// optional `bias`, broadcast to the output.
    MatMul {
        /// `a` is transposed in its last two axes.
        trans_a: bool,
        /// `b` is transposed in its last two axes.
        trans_b: bool,
        /// Factor of the product.
        alpha: f32,
    },
    /// Inputs `x [N, C, ...]`, `scale [C]`, `bias [C]`: each instance and channel to mean 0 and variance 1 (biased
    /// variance plus `epsilon`), then scaled and shifted.
    InstanceNormalization {
        /// Added to the variance.
        epsilon: f32,
        /// Applied last.
        activation: Option<Activation>,
    },
    /// As instance normalisation, over `groups` runs of neighbouring channels; `scale` and `bias` are `[C]`.
    GroupNormalization {
        /// Number of groups; divides C.
        groups: usize,
        /// Added to the variance.
        epsilon: f32,
        /// Applied last.
        activation: Option<Activation>,
    },
    /// Inputs as group normalisation; output `[2, N, C]`: the factors, then the shifts, with which `factor x + shift` is group
    /// normalisation. No graph lowers to it either.
    GroupAffine {
        /// Number of groups; divides C.
        groups: usize,
        /// Added to the variance.
        epsilon: f32,
    },
    /// Inputs `x`, `scale`, optional `bias` (both broadcast to the normalised axes): normalises over `axis` and all
    /// axes after it.
    LayerNormalization {
        /// First normalised axis.
        axis: usize,
        /// Added to the variance.
        epsilon: f32,
    },
    /// Exponentials along `axis` divided by their sum, or the logarithm of that.
    Softmax {
        /// The axis.
        axis: usize,
        /// LogSoftmax.
        log: bool,
    },
    /// See [`DotProductAttention`]. No graph lowers to it: a backend that has it asks for
    /// [`fuse_attention`](crate::fuse_attention).
    Attention(Box<DotProductAttention>),
    /// See [`Unary`].
    Unary(Unary),
    /// See [`Binary`].
    Binary(Binary),
    /// Inputs `condition` (boolean), `a`, `b`, all broadcast.
    Where,
    /// Reduces `axes` (sorted); whether the axes stay with size 1 shows in the output's shape.
    Reduce {
        /// How elements combine.
        reduction: Reduction,
        /// Axes, ascending.
        axes: Vec<usize>,
    },
    /// Index (int64) of the largest (or smallest) element along `axis`; the axis' presence shows in the output's shape.
    ArgMax {
        /// The axis.
        axis: usize,
        /// Smallest instead of largest.
        smallest: bool,
        /// The last of equal elements instead of the first.
        select_last: bool,
    },
    /// The same elements under the output's shape.
    Reshape,
    /// Output axis `i` is input axis `perm[i]`.
    Transpose {
        /// The permutation.
        perm: Vec<usize>,
    },
    /// Inputs joined along `axis`.
    Concat {
        /// The axis.
        axis: usize,
    },
    /// Output element `i` along each axis is input element `start + i step`; steps may be negative.
    Slice {
        /// First index along each axis.
        starts: Vec<usize>,
        /// Step along each axis, not 0.
        steps: Vec<isize>,
    },
    /// Padding before and after each axis (all axes of the tensor).
    Pad {
        /// Elements added before and after each axis; negative ones were turned into a slice.
        pads: Vec<(usize, usize)>,
        /// What fills them.
        mode: PadMode,
    },
    /// See [`Resize`].
    Resize(Resize),
    /// Inputs `x`, `indices` (int64, negative counts from the end): output shape is `x` with `axis` replaced by the
    /// shape of `indices`.
    Gather {
        /// The axis.
        axis: usize,
    },
    /// Inputs `x`, `indices` (int64 of x's rank, negative counts from the end): each output element is the element of `x`
    /// at its own index, with `axis` replaced by what `indices` says.
    GatherElements {
        /// The axis.
        axis: usize,
    },
    /// Inputs `x`, `indices [..., depth]` (int64): the sub-arrays of `x` at the index tuples; the first `batch_dims` axes of
    /// both go together.
    GatherNd {
        /// Leading axes in common.
        batch_dims: usize,
    },
    /// Inputs `x`, `indices` (int64 of x's rank), `updates` of the same shape: `x` with each update combined in at its own
    /// index, `axis` replaced.
    ScatterElements {
        /// The axis.
        axis: usize,
        /// How updates combine.
        combine: Combine,
    },
    /// Inputs `x`, `indices [..., depth]` (int64), `updates`: `x` with sub-arrays combined in at the index tuples.
    ScatterNd {
        /// How updates combine.
        combine: Combine,
    },
    /// Indices (int64) of the largest (or smallest) elements along `axis`, best first, equal ones in order; how many
    /// shows in the output's shape.
    TopK {
        /// The axis.
        axis: usize,
        /// Largest instead of smallest.
        largest: bool,
    },
    /// Running sum or product along `axis`.
    Cumulative {
        /// The axis.
        axis: usize,
        /// A product instead of a sum.
        product: bool,
        /// Element `i` of the result leaves element `i` out.
        exclusive: bool,
        /// From the end.
        reverse: bool,
    },
    /// Where [`Kernel::MaxPool`] found each element (int64): its offset in the whole input, row-major, or with the spatial
    /// axes in column-major order.
    MaxPoolIndices {
        /// The window.
        pool: Pool,
        /// ONNX `storage_order` 1.
        column_major: bool,
    },
    /// See [`GridSample`].
    GridSample(GridSample),
    /// See [`RoiAlign`].
    RoiAlign(RoiAlign),
    /// See [`NonMaxSuppression`].
    NonMaxSuppression(NonMaxSuppression),
    /// `[rank, elements]` int64: the index of each element that is not zero, in row-major order; columns beyond them are
    /// -1.
    NonZero,
    /// The same bits as another element type of the same width; those of booleans are 0 and 1.
    BitCast {
        /// Target type.
        to: DType,
    },
    /// NumPy broadcasting to the output's shape.
    Expand,
    /// Conversion of element type, as ONNX Cast: floats to integers truncate, to booleans compare with 0.
    Cast {
        /// Target type.
        to: DType,
    },
}
