//! Functions and parameters of kernels.

use crate::NarrowFloat;

/// An element-wise function fused behind a kernel that produces float32.
#[derive(Clone, Copy, Debug, PartialEq)]
#[non_exhaustive]
pub enum Activation {
    /// `max(x, 0)`.
    Relu,
    /// `x >= 0 ? x : alpha x`.
    LeakyRelu(f32),
    /// `x >= 0 ? x : alpha (exp x - 1)`.
    Elu(f32),
    /// `1 / (1 + exp -x)`.
    Sigmoid,
    /// `x / (1 + exp -x)`, also called Swish.
    Silu,
    /// `x max(0, min(1, x / 6 + 1/2))`.
    HardSwish,
    /// `max(min, min(max, x))`.
    Clip(f32, f32),
}

/// Convolution (cross-correlation, as in ONNX). Inputs: `x [N, C, ...]`, `weight [M, C / groups, kernel...]`,
/// optional `bias [M]`, optional `residual` of the output's shape, added before the activation.
#[derive(Clone, Debug, PartialEq)]
#[allow(missing_docs)] // The ONNX attributes of the same names.
pub struct Conv {
    pub strides: Vec<usize>,
    /// Zero padding before and after each spatial axis.
    pub pads: Vec<(usize, usize)>,
    pub dilations: Vec<usize>,
    pub groups: usize,
    pub activation: Option<Activation>,
}

/// A convolution of `activation(factor x + shift)`, with one factor and shift an image and channel, where `x` is read: what a
/// normalisation and its activation become that convolutions alone read. The padding is zeros of the function, not of `x`.
/// Inputs: the four of [`Conv`], some of which may be missing, then `affine [2, N, C]`, factors and shifts, or `[1, N, C]`,
/// factors alone.
#[derive(Clone, Debug, PartialEq)]
pub struct NormalizedConv {
    /// The convolution.
    pub conv: Conv,
    /// Applied to what is read.
    pub activation: Option<Activation>,
}

/// A convolution of what a transposed convolution makes, which a backend need never have whole. Inputs: the four of [`Conv`],
/// with that of the transposed convolution in the place of `x`, then the weight of the transposed convolution and its bias, if
/// any.
#[derive(Clone, Debug, PartialEq)]
pub struct UpsampledConv {
    /// The transposed convolution.
    pub up: ConvTranspose,
    /// Shape of what it makes.
    pub shape: Vec<usize>,
    /// The convolution of that.
    pub conv: Conv,
}

/// Scaled dot-product attention, `softmax(scale q k^T + biases) v`, for each of many sequences (every head of every image
/// or window is one). Inputs: `q`, `k`, `v`, and a tensor for each of `biases`. The operands are read, and the result is
/// written, where they lie: the transpositions that take heads apart and join them again are places, not steps.
#[derive(Clone, Debug, PartialEq)]
pub struct DotProductAttention {
    /// Rows of `q` and of the result.
    pub queries: usize,
    /// Rows of `k` and `v`.
    pub keys: usize,
    /// Columns of `q` and `k`.
    pub width: usize,
    /// Columns of `v` and of the result.
    pub value_width: usize,
    /// Factor of the products.
    pub scale: f32,
    /// `queries` rows of `width`.
    pub q: StridedRows,
    /// `keys` rows of `width`.
    pub k: StridedRows,
    /// `keys` rows of `value_width`.
    pub v: StridedRows,
    /// `queries` rows of `value_width`. Every element of the output is written once.
    pub out: StridedRows,
    /// What is added to the scores, `queries` rows of `keys` each: position biases and masks.
    pub biases: Vec<StridedRows>,
}

impl DotProductAttention {
    /// Whether all rows lie within tensors of so many elements: `q`, `k`, `v`, the biases and the result.
    pub fn fits(&self, elements: &[usize]) -> bool {
        let (keys, scores) = ((self.keys, self.width), (self.queries, self.keys));
        let mut rows =
            vec![(&self.q, (self.queries, self.width)), (&self.k, keys), (&self.v, (self.keys, self.value_width))];
        rows.extend(self.biases.iter().map(|bias| (bias, scores)));
        rows.push((&self.out, (self.queries, self.value_width)));
        let sequences = self.q.starts.len();
        rows.len() == elements.len()
            && rows.iter().zip(elements).all(|((rows, size), &n)| rows.fits(sequences, *size, n))
    }
}

/// Where the matrices of a sequence lie in a tensor: element (i, j) of matrix `s` is `starts[s] + i row + j column`.
#[derive(Clone, Debug, PartialEq)]
pub struct StridedRows {
    /// First element of each sequence's matrix.
    pub starts: Vec<usize>,
    /// Elements between neighbouring rows; 0 for one row that all share.
    pub row: usize,
    /// Elements between neighbours in a row; 0 for one column that all share.
    pub column: usize,
}

impl StridedRows {
    /// Whether `rows` by `columns` matrices for `sequences` lie within `elements`.
    pub fn fits(&self, sequences: usize, (rows, columns): (usize, usize), elements: usize) -> bool {
        let last = |n: usize, step: usize| n.checked_sub(1)?.checked_mul(step);
        let span = last(rows, self.row).zip(last(columns, self.column)).and_then(|(a, b)| a.checked_add(b));
        let inside = |span: usize| self.starts.iter().all(|s| s.checked_add(span).is_some_and(|end| end < elements));
        self.starts.len() == sequences && span.is_some_and(inside)
    }
}

/// Transposed convolution. Inputs: `x [N, C, ...]`, `weight [C, M / groups, kernel...]`, optional `bias [M]`.
#[derive(Clone, Debug, PartialEq)]
#[allow(missing_docs)] // The ONNX attributes of the same names.
pub struct ConvTranspose {
    pub strides: Vec<usize>,
    /// Cropping before and after each spatial axis. The output padding is taken off `after`, which may so be negative:
    /// output size is exactly `stride (size - 1) + dilation (kernel - 1) + 1 - before - after`.
    pub pads: Vec<(usize, isize)>,
    pub dilations: Vec<usize>,
    pub groups: usize,
    pub activation: Option<Activation>,
}

/// A pooling window. Windows that reach past the padded input (ceil mode) see nothing there.
#[derive(Clone, Debug, PartialEq)]
#[allow(missing_docs)] // The ONNX attributes of the same names.
pub struct Pool {
    pub kernel: Vec<usize>,
    pub strides: Vec<usize>,
    pub pads: Vec<(usize, usize)>,
    pub dilations: Vec<usize>,
}

/// Element-wise functions of one argument. Float kernels take and give float32 unless said otherwise.
#[derive(Clone, Copy, Debug, PartialEq)]
#[non_exhaustive]
#[allow(missing_docs)] // Named and defined as the ONNX operators.
pub enum Unary {
    Activation(Activation),
    Abs,
    Neg,
    Exp,
    Log,
    Sqrt,
    Reciprocal,
    Floor,
    Ceil,
    /// Half to even.
    Round,
    Sign,
    Erf,
    Tanh,
    Sin,
    Cos,
    Tan,
    Asin,
    Acos,
    Atan,
    Sinh,
    Cosh,
    Asinh,
    Acosh,
    Atanh,
    Softplus,
    Softsign,
    /// `alpha`, `beta`: `max(0, min(1, alpha x + beta))`.
    HardSigmoid(f32, f32),
    /// `alpha`, `gamma`.
    Selu(f32, f32),
    /// `x tanh(softplus x)`.
    Mish,
    /// Exact: `x/2 (1 + erf(x / sqrt 2))`.
    Gelu,
    /// The tanh approximation.
    GeluTanh,
    /// Boolean input and output.
    Not,
    /// Float input, boolean output.
    IsNaN,
    /// Float input, boolean output.
    IsInf {
        /// Whether minus infinity counts.
        negative: bool,
        /// Whether plus infinity counts.
        positive: bool,
    },
    /// Integer input and output: every bit inverted.
    BitwiseNot,
    /// The nearest value of a format narrower than float32 ([`NarrowFloat::round`]).
    Narrow(NarrowFloat),
}

/// Element-wise functions of two arguments with NumPy broadcasting. Both inputs have one element type.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
#[allow(missing_docs)] // Named and defined as the ONNX operators.
pub enum Binary {
    Add,
    Sub,
    Mul,
    Div,
    Pow,
    Min,
    Max,
    /// `a >= 0 ? a : a b`.
    PRelu,
    /// Sign of the divisor (Python).
    Mod,
    /// Sign of the dividend (C fmod).
    Fmod,
    /// The comparisons give booleans.
    Equal,
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
    /// The three logical ones take and give booleans.
    And,
    Or,
    Xor,
    /// The bitwise ones take integers.
    BitwiseAnd,
    BitwiseOr,
    BitwiseXor,
    /// The shifts take integers. To the right the sign is kept; a shift by the width or more, or by less than nothing, leaves
    /// copies of the sign (right) or 0 (left).
    ShiftLeft,
    ShiftRight,
}

/// How [`Kernel::Reduce`](crate::Kernel::Reduce) combines elements.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
#[allow(missing_docs)] // Named and defined as the ONNX operators.
pub enum Reduction {
    Sum,
    Mean,
    Max,
    Min,
    Prod,
    SumSquare,
    L1,
    L2,
    LogSumExp,
}

/// What padding fills in.
#[derive(Clone, Copy, Debug, PartialEq)]
#[non_exhaustive]
pub enum PadMode {
    /// A value (converted to the tensor's element type).
    Constant(f32),
    /// Mirror without repeating the edge.
    Reflect,
    /// Repeat the edge.
    Edge,
    /// Go on from the other side.
    Wrap,
}

/// Interpolation of [`Resize`].
#[derive(Clone, Copy, Debug, PartialEq)]
#[non_exhaustive]
pub enum ResizeMode {
    /// Nearest neighbour with its rounding rule.
    Nearest(Nearest),
    /// Linear along each resized axis.
    Linear,
    /// Cubic along each resized axis, with the coefficient `a`.
    Cubic {
        /// `cubic_coeff_a`.
        a: f32,
    },
}

/// Rounding of a source coordinate to an index.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs)] // The ONNX values of `nearest_mode`.
pub enum Nearest {
    RoundPreferFloor,
    RoundPreferCeil,
    Floor,
    Ceil,
}

/// ONNX `coordinate_transformation_mode`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
#[allow(missing_docs)] // The ONNX values of the same names.
pub enum Coordinates {
    HalfPixel,
    HalfPixelSymmetric,
    PytorchHalfPixel,
    AlignCorners,
    Asymmetric,
    TfCropAndResize,
}

/// Resampling of any axes (those whose scale is not 1). [`Resize::tables`] is its meaning.
#[derive(Clone, Debug, PartialEq)]
pub struct Resize {
    /// Interpolation.
    pub mode: ResizeMode,
    /// How an output index becomes a source coordinate.
    pub coordinates: Coordinates,
    /// Output size over input size for each axis of the tensor, as the node states it (not always the ratio of
    /// the integer sizes).
    pub scales: Vec<f32>,
    /// Whether linear and cubic filters widen where the tensor shrinks.
    pub antialias: bool,
    /// Whether taps outside the input count for nothing instead of for the edge.
    pub exclude_outside: bool,
    /// For `TfCropAndResize`, the part of each axis that is seen: start and end, 0 and 1 being the centres of the outermost
    /// elements. What lies outside the input becomes 0. Empty otherwise.
    pub crop: Vec<(f32, f32)>,
}

impl Resize {
    /// A plain resampling, without antialiasing or crop.
    pub fn new(mode: ResizeMode, coordinates: Coordinates, scales: Vec<f32>) -> Self {
        Self { mode, coordinates, scales, antialias: false, exclude_outside: false, crop: Vec::new() }
    }
}

/// How scattered updates combine with what is there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs)] // The ONNX values of `reduction`.
pub enum Combine {
    /// The update replaces; of equal indices the last counts.
    None,
    Add,
    Mul,
    Max,
    Min,
}

/// Interpolation of [`GridSample`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs)] // The ONNX values of `mode`.
pub enum GridMode {
    Linear,
    /// Half to even.
    Nearest,
    /// With the coefficient -0.75.
    Cubic,
}

/// What [`GridSample`] reads outside its input.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs)] // The ONNX values of `padding_mode`.
pub enum GridPadding {
    Zeros,
    Border,
    Reflection,
}

/// Sampling at given places. Inputs: `x [N, C, spatial...]`, `grid [N, out..., rank]` with coordinates in -1 to 1,
/// innermost axis first; output `[N, C, out...]`. Padding concerns the elements that the interpolation reads, not the
/// coordinate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct GridSample {
    /// Interpolation.
    pub mode: GridMode,
    /// What is outside.
    pub padding: GridPadding,
    /// Whether -1 and 1 are the centres of the outermost elements instead of their outer edges.
    pub align_corners: bool,
}

/// Pooling of regions. Inputs: `x [N, C, H, W]`, `rois [R, 4]` (x1, y1, x2, y2), `batch_indices [R]` (int64);
/// output `[R, C, height, width]`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct RoiAlign {
    /// The largest of all weighted neighbours of a bin's samples (each sample has four) instead of the mean of the samples.
    pub max: bool,
    /// Samples along each axis of a bin; 0 chooses by the region's size.
    pub sampling_ratio: usize,
    /// Factor from the regions' coordinates to the input's.
    pub spatial_scale: f32,
    /// Regions are shifted by half a pixel (`coordinate_transformation_mode` half_pixel).
    pub half_pixel: bool,
}

/// Selection of boxes. Inputs: `boxes [N, B, 4]`, `scores [N, classes, B]`. The output is `[rows, 3]` int64 (batch,
/// class, box), best first in each class; rows beyond the selected ones are -1.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct NonMaxSuppression {
    /// Boxes are (centre x, centre y, width, height) instead of two corners (y, x).
    pub center_point_box: bool,
    /// Most boxes of one class in one batch.
    pub max_boxes: usize,
    /// Boxes that overlap more (intersection over union) are dropped.
    pub iou_threshold: f32,
    /// Boxes that score no more are dropped.
    pub score_threshold: Option<f32>,
}
