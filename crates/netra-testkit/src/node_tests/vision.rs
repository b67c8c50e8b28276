//! The operators that imaging networks use, by reason. Defined here once; the bars of the tests count their cases.
//!
//! Left out: text, sequences and optionals, audio and signals, training and losses, random numbers, classical learning,
//! picture decoding, state and positions of language models, bit twiddling, and the trigonometry that no network has.

/// Operators of imaging networks: why they are here, and their names, parted by spaces.
pub const VISION: &[(&str, &str)] = &[
    ("linear layers and recurrences", "Conv ConvTranspose DeformConv Gemm MatMul Einsum Col2Im LSTM GRU"),
    ("pooling", "AveragePool MaxPool LpPool GlobalAveragePool GlobalMaxPool MaxUnpool"),
    (
        "normalisation",
        "BatchNormalization InstanceNormalization GroupNormalization LayerNormalization RMSNormalization LRN \
         LpNormalization MeanVarianceNormalization",
    ),
    ("attention and class scores", "Attention Softmax LogSoftmax Hardmax"),
    (
        "resampling, regions and boxes",
        "Resize Upsample GridSample AffineGrid RoiAlign DepthToSpace SpaceToDepth NonMaxSuppression CenterCropPad",
    ),
    (
        "activations",
        "Relu LeakyRelu PRelu Elu Selu Celu ThresholdedRelu Sigmoid HardSigmoid HardSwish Swish Mish Gelu \
         Softplus Softsign Tanh Erf Shrink Clip",
    ),
    (
        "arithmetic",
        "Add Sub Mul Div Pow Mod Min Max Mean Sum Abs Neg Exp Log Sqrt Reciprocal Floor Ceil Round Sign Sin Cos",
    ),
    ("comparison, logic and choice", "Equal Greater GreaterOrEqual Less LessOrEqual And Or Xor Not Where IsNaN IsInf"),
    (
        "reduction and order",
        "ReduceL1 ReduceL2 ReduceLogSum ReduceLogSumExp ReduceMax ReduceMean ReduceMin ReduceProd ReduceSum \
         ReduceSumSquare ArgMax ArgMin CumSum TopK",
    ),
    (
        "movement of elements",
        "Concat Split Slice Gather GatherElements GatherND ScatterElements ScatterND Transpose Reshape Flatten \
         Squeeze Unsqueeze Expand Tile Pad Trilu OneHot NonZero EyeLike",
    ),
    (
        "shapes, constants and types, as exporters write them",
        "Shape Size Constant ConstantOfShape Range Identity Dropout Cast CastLike",
    ),
    ("control flow around detection heads", "If Loop"),
    (
        "quantised networks",
        "QuantizeLinear DequantizeLinear DynamicQuantizeLinear QLinearConv QLinearMatMul ConvInteger \
         MatMulInteger",
    ),
];

/// Whether imaging networks use an operator.
pub fn is_vision(op: &str) -> bool {
    VISION.iter().any(|(_, ops)| ops.split(' ').any(|name| name == op))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_operator_is_listed_once() {
        let all: Vec<_> = VISION.iter().flat_map(|(_, ops)| ops.split(' ')).collect();
        let unique: std::collections::HashSet<_> = all.iter().collect();
        assert_eq!(unique.len(), all.len());
        assert!(is_vision("Conv") && !is_vision("StringSplit") && !is_vision(""));
    }
}
