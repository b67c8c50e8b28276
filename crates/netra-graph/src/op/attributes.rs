//! Attributes that operators share or that have many.

use std::sync::Arc;

use crate::{Graph, Rounding, Unary, ValueId};

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

/// The windows that are sums of cosines.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs)] // Named as the ONNX operators.
pub enum Taper {
    Blackman,
    Hamming,
    Hann,
}

/// A graph inside a node, and what it takes from the graph around it.
#[derive(Clone, Debug)]
pub struct Subgraph {
    /// Its inputs are its formal inputs, then one for each capture.
    pub graph: Arc<Graph>,
    /// Values of the graph around it.
    pub captures: Vec<ValueId>,
}
