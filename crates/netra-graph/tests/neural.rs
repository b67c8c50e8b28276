//! Neural-network operators where ONNX's node tests are silent: what the program holds, sums beyond float32, and bounds.
#![allow(clippy::unwrap_used, dead_code)]

mod writer;

use netra_graph::{DType, Data, ErrorKind, Kernel, Program, Tensor, eval, onnx};
use writer::{Graph, Message, floats, int_attribute, node, tensor, text_attribute};

fn program(graph: &Graph, opset: i64, shape: &[usize]) -> netra_graph::Result<Program> {
    let graph = onnx::read_bytes(&graph.model(opset), &onnx::ReadOptions::default())?;
    graph.specialise(&[shape.to_vec()])
}

fn run(program: &Program, x: &Tensor) -> Tensor {
    eval::run(program, &[x.view()]).unwrap().remove(0)
}

fn bytes(name: &str, dims: &[i64], values: &[i8]) -> Message {
    let raw: Vec<u8> = values.iter().map(|&v| v as u8).collect();
    tensor(name, dims, 3, &raw)
}

/// One node from `x` to `y`.
fn one(op: &str, dims: &[i64], inputs: &[&str], attributes: &[Message], constants: &[Message]) -> Graph {
    let inputs = [&["x"], inputs].concat();
    Graph::simple(dims, &[node(op, &inputs, &["y"], attributes)], constants)
}

#[test]
fn quantised_weights_run_as_floats() {
    let weights: Vec<i8> = (0..24).map(|i| i - 12).collect();
    let graph = Graph::simple(
        &[2, 6],
        &[
            node("DequantizeLinear", &["w", "scale", "zero"], &["f"], &[int_attribute("axis", 1)]),
            node("MatMul", &["x", "f"], &["y"], &[]),
        ],
        &[
            bytes("w", &[6, 4], &weights),
            floats("scale", &[4], &[1.0, 0.5, 0.25, 2.0]),
            bytes("zero", &[4], &[0, 1, -1, 2]),
        ],
    );
    let program = program(&graph, 21, &[2, 6]).unwrap();
    let kernels: Vec<&str> = program.steps.iter().map(|s| s.kernel.name()).collect();
    assert_eq!(kernels, ["MatMul"], "the weights were unfolded while lowering");
    let x = Tensor::from_f32([2, 6], (0..12).map(|i| i as f32).collect()).unwrap();
    let mut want = vec![0.0f32; 8];
    for (at, want) in want.iter_mut().enumerate() {
        let (row, column) = (at / 4, at % 4);
        let (scale, zero) = ([1.0, 0.5, 0.25, 2.0][column], [0.0, 1.0, -1.0, 2.0][column]);
        *want = (0..6).map(|k| (row * 6 + k) as f32 * (f32::from(weights[k * 4 + column]) - zero) * scale).sum();
    }
    assert_eq!(run(&program, &x).as_f32().unwrap(), want);
}

#[test]
fn integer_sums_are_exact_beyond_float32() {
    // 1000 products of 127 and -127, and one of 1: float32 has no place for the odd sum.
    let depth = 1001usize;
    let mut weights = vec![-127i8; depth];
    weights[depth - 1] = 1;
    let graph = Graph::simple(
        &[1, depth as i64],
        &[node("Cast", &["x"], &["q"], &[int_attribute("to", 3)]), node("MatMulInteger", &["q", "w"], &["y"], &[])],
        &[bytes("w", &[depth as i64, 1], &weights)],
    );
    let program = program(&graph, 21, &[1, depth]).unwrap();
    assert!(program.steps.iter().all(|s| program.value(s.output).dtype != DType::F64));
    let mut x = vec![127.0f32; depth];
    x[depth - 1] = 1.0;
    let y = run(&program, &Tensor::from_f32([1, depth], x).unwrap());
    assert_eq!(*y.data(), Data::I32(vec![-127 * 127 * 1000 + 1]));
}

#[test]
fn what_would_not_end_is_refused() {
    let refused = |graph: &Graph, opset, shape: &[usize]| program(graph, opset, shape).unwrap_err().kind();
    // A sequence longer than can be unrolled.
    let layer = |steps| {
        let constants = [floats("w", &[1, 1, 1], &[1.0]), floats("r", &[1, 1, 1], &[1.0])];
        one("RNN", &[steps, 1, 1], &["w", "r"], &[int_attribute("hidden_size", 1)], &constants)
    };
    assert_eq!(refused(&layer(100_000), 14, &[100_000, 1, 1]), ErrorKind::Limit);
    assert!(program(&layer(3), 14, &[3, 1, 1]).is_ok());
    // An outer product of a vector with itself, as an intermediate result that is summed at once.
    let equation = [text_attribute("equation", "ab,cd,ac,bd->")];
    let outer = one("Einsum", &[400, 400], &["x", "x", "x"], &equation, &[]);
    assert_eq!(refused(&outer, 12, &[400, 400]), ErrorKind::Limit);
    assert_eq!(refused(&one("Det", &[9, 9], &[], &[], &[]), 22, &[9, 9]), ErrorKind::Unsupported);
    assert_eq!(refused(&one("MaxRoiPool", &[1, 1, 4, 4], &["x"], &[], &[]), 22, &[1, 1, 4, 4]), ErrorKind::Unsupported);
}

#[test]
fn grouped_queries_never_copy_keys() {
    // Four query heads to one key head.
    let graph = Graph::simple(
        &[1, 4, 3, 8],
        &[
            node("Slice", &["x", "from", "to", "axis"], &["k"], &[]),
            node("Attention", &["x", "k", "k"], &["y"], &[int_attribute("is_causal", 1)]),
        ],
        &[writer::integers("from", &[0]), writer::integers("to", &[1]), writer::integers("axis", &[1])],
    );
    let program = program(&graph, 23, &[1, 4, 3, 8]).unwrap();
    assert!(program.steps.iter().all(|s| !matches!(s.kernel, Kernel::Expand)));
    let x = Tensor::from_f32([1, 4, 3, 8], (0..96).map(|i| (i % 11) as f32 / 11.0).collect()).unwrap();
    let y = run(&program, &x);
    // The first row of each head sees the first key alone: its value.
    let (x, y) = (x.as_f32().unwrap(), y.as_f32().unwrap());
    for head in 0..4 {
        let row = &y[head * 24..][..8];
        assert!(row.iter().zip(&x[..8]).all(|(a, b)| (a - b).abs() < 1e-6), "{row:?}");
    }
}

#[test]
fn regions_of_images_that_are_not_there_are_refused() {
    let graph = one(
        "RoiAlign",
        &[1, 1, 4, 4],
        &["rois", "batch"],
        &[],
        &[floats("rois", &[1, 4], &[0.0, 0.0, 3.0, 3.0]), writer::integers("batch", &[5])],
    );
    let program = program(&graph, 16, &[1, 1, 4, 4]).unwrap();
    let x = Tensor::from_f32([1, 1, 4, 4], vec![1.0; 16]).unwrap();
    assert_eq!(eval::run(&program, &[x.view()]).unwrap_err().kind(), ErrorKind::Malformed);
}

#[test]
fn global_norms_of_any_order() {
    let x = Tensor::from_f32([1, 2, 2, 2], vec![3.0, -4.0, 0.0, 0.0, 1.0, -2.0, 2.0, 0.0]).unwrap();
    // 3-4-5, 1-2-2-3, and the cube root of 91 and of 17.
    for (p, want) in [(1, [7.0, 5.0]), (2, [5.0, 3.0]), (3, [91f32.cbrt(), 17f32.cbrt()])] {
        let graph = one("GlobalLpPool", &[1, 2, 2, 2], &[], &[int_attribute("p", p)], &[]);
        let y = run(&program(&graph, 22, &[1, 2, 2, 2]).unwrap(), &x);
        assert_eq!(y.shape(), [1, 2, 1, 1]);
        assert!(y.as_f32().unwrap().iter().zip(want).all(|(a, b)| (a - b).abs() < 1e-5), "order {p}: {y:?}");
    }
}
