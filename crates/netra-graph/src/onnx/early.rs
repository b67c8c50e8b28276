//! Operator sets 1 to 6: what operator set 7 took over unchanged.

/// Operators with the operator set whose definition held until operator set 7 (`onnx.defs` lists them). What is not here
/// came with operator set 7 or changed with it: broadcasting by attribute, batch normalisation over outputs it no longer has.
const UNCHANGED: &[(i64, &str)] = &[
    (
        1,
        "ArgMax ArgMin Constant Conv ConvTranspose DepthToSpace Flatten Gather GlobalAveragePool GlobalMaxPool Hardmax \
         Identity If LRN LogSoftmax Loop LpNormalization MatMul MaxPool Not ReduceL1 ReduceL2 ReduceLogSum \
         ReduceLogSumExp ReduceMax ReduceMean ReduceMin ReduceProd ReduceSum ReduceSumSquare Shape Size Slice Softmax \
         Softplus Softsign SpaceToDepth Squeeze TopK Transpose Unsqueeze",
    ),
    (2, "GlobalLpPool LpPool Pad Split"),
    (4, "Concat"),
    (5, "Reshape"),
    (
        6,
        "Abs Cast Ceil Clip Elu Exp Floor HardSigmoid InstanceNormalization LeakyRelu Log Max Mean Min Neg Reciprocal \
         Relu Selu Sigmoid Sqrt Sum Tanh Tile",
    ),
];

/// Whether an operator of `opset` means what it means in operator set 7.
pub fn unchanged(op_type: &str, opset: i64) -> bool {
    UNCHANGED.iter().any(|(since, ops)| *since <= opset && ops.split(' ').any(|op| op == op_type))
}
