//! Class activation maps: which ends of a classifier have them, and that they are what is summed to the scores.
#![allow(clippy::unwrap_used)]

mod writer;

use netra_graph::arch::{self, Architecture};
use netra_graph::{ClassActivation, ErrorKind, Graph, Tensor, eval, onnx};
use serde_json::json;
use writer::{Message, float_attribute, floats, int_attribute, integers, ints_attribute, node};

const WEIGHTS: [f32; 12] = [0.5, -1.0, 2.0, 0.25, 1.5, 0.0, -0.75, 1.0, -2.0, 0.5, 0.125, 3.0];
const BIAS: [f32; 3] = [0.1, -0.4, 7.0];

/// A convolution to 4 features of the same size, and the nodes after it, which make `y` of `f`.
fn network(end: &[Message]) -> Graph {
    let conv = [ints_attribute("pads", &[1, 1, 1, 1]), ints_attribute("kernel_shape", &[3, 3])];
    let kernel: Vec<f32> = (0..36).map(|i| ((i * 5) % 13) as f32 / 13.0 - 0.4).collect();
    let mut nodes = vec![node("Conv", &["x", "k"], &["c"], &conv), node("Relu", &["c"], &["f"], &[])];
    nodes.extend_from_slice(end);
    let transposed: Vec<f32> = (0..12).map(|i| WEIGHTS[(i % 3) * 4 + i / 3]).collect();
    let constants = [
        floats("k", &[4, 1, 3, 3], &kernel),
        floats("w", &[3, 4], &WEIGHTS),
        floats("wt", &[4, 3], &transposed),
        floats("w11", &[3, 4, 1, 1], &WEIGHTS),
        floats("w3", &[2, 3], &WEIGHTS[..6]),
        floats("b", &[3], &BIAS),
        floats("half", &[1], &[0.5]),
        integers("space", &[-1, -2]),
        integers("one", &[1]),
        integers("order", &[2, 1, 0]),
    ];
    let graph = writer::Graph::simple(&[1, 1, 5, 7], &nodes, &constants);
    onnx::read_bytes(&graph.model(18), &onnx::ReadOptions::default()).unwrap()
}

/// The features and the scores of one run.
fn values(graph: &Graph, end: &ClassActivation) -> (Tensor, Tensor) {
    let mut graph = graph.clone();
    graph.outputs = vec![end.features, end.scores];
    let program = graph.specialise(&[vec![1, 1, 5, 7]]).unwrap();
    let x = Tensor::from_f32([1, 1, 5, 7], (0..35).map(|i| ((i * 11) % 17) as f32 / 4.0 - 2.0).collect()).unwrap();
    let mut outputs = eval::run(&program, &[x.view()]).unwrap();
    let scores = outputs.pop().unwrap();
    (outputs.pop().unwrap(), scores)
}

fn pool() -> Message {
    node("GlobalAveragePool", &["f"], &["p"], &[])
}

fn gemm(to: &str) -> Message {
    node("Gemm", &["v", "w", "b"], &[to], &[int_attribute("transB", 1)])
}

fn flatten() -> Message {
    node("Flatten", &["p"], &["v"], &[])
}

#[test]
fn maps_are_the_weighted_features_however_the_network_is_written() {
    let mean = node("ReduceMean", &["f", "space"], &["v"], &[int_attribute("keepdims", 0)]);
    let window = [ints_attribute("kernel_shape", &[5, 7])];
    let ends: [(&str, Vec<Message>); 6] = [
        ("Gemm", vec![pool(), flatten(), gemm("s"), node("Sigmoid", &["s"], &["y"], &[])]),
        (
            "MatMul",
            vec![
                mean,
                node("MatMul", &["v", "wt"], &["m"], &[]),
                node("Add", &["m", "b"], &["s"], &[]),
                node("Softmax", &["s"], &["y"], &[]),
            ],
        ),
        ("Conv", vec![pool(), node("Conv", &["p", "w11", "b"], &["s"], &[]), node("Flatten", &["s"], &["y"], &[])]),
        ("window", vec![node("AveragePool", &["f"], &["p"], &window), flatten(), gemm("y")]),
        (
            // As torchxrayvision puts its operating points at one half.
            "piecewise",
            vec![
                pool(),
                flatten(),
                gemm("s"),
                node("Sigmoid", &["s"], &["q"], &[]),
                node("Less", &["q", "half"], &["below"], &[]),
                node("Mul", &["q", "half"], &["scaled"], &[]),
                node("Where", &["below", "scaled", "q"], &["y"], &[]),
            ],
        ),
        (
            "alpha and beta",
            vec![
                pool(),
                flatten(),
                node(
                    "Gemm",
                    &["v", "w", "b"],
                    &["y"],
                    &[int_attribute("transB", 1), float_attribute("alpha", 2.0), float_attribute("beta", -1.0)],
                ),
            ],
        ),
    ];
    for (name, end) in ends {
        let graph = network(&end);
        let found = graph.class_activation(graph.outputs[0]).unwrap_or_else(|| panic!("{name}: nothing found"));
        let (features, scores) = values(&graph, &found);
        let alpha = if name == "alpha and beta" { 2.0 } else { 1.0 };
        for class in 0..3 {
            let map = found.map(features.view(), scores.view(), class, 1e-5).unwrap();
            assert_eq!(map.shape(), [5, 7], "{name}");
            let f = features.as_f32().unwrap();
            for (place, &value) in map.as_f32().unwrap().iter().enumerate() {
                let want: f32 = (0..4).map(|k| alpha * WEIGHTS[class * 4 + k] * f[k * 35 + place]).sum();
                assert!((value - want).abs() <= 1e-5 * want.abs().max(1.0), "{name}: {value} {want}");
            }
        }
    }
}

#[test]
fn without_a_linear_layer_channels_are_the_maps() {
    let graph = network(&[pool(), flatten(), node("Sigmoid", &["v"], &["y"], &[])]);
    let found = graph.class_activation(graph.outputs[0]).unwrap();
    let (features, scores) = values(&graph, &found);
    let map = found.map(features.view(), scores.view(), 2, 1e-5).unwrap();
    assert_eq!(map.as_f32().unwrap(), &features.as_f32().unwrap()[70..105]);
}

#[test]
fn other_ends_have_none() {
    let two = node("Gemm", &["r", "w3"], &["y"], &[int_attribute("transB", 1)]);
    let ends = [
        ("a hidden layer", vec![pool(), flatten(), gemm("s"), node("Relu", &["s"], &["r"], &[]), two]),
        ("a maximum", vec![node("GlobalMaxPool", &["f"], &["p"], &[]), flatten(), gemm("y")]),
        (
            "classes in another order",
            vec![pool(), flatten(), gemm("s"), node("Gather", &["s", "order"], &["y"], &[int_attribute("axis", 1)])],
        ),
        ("two heads", vec![pool(), flatten(), gemm("s"), gemm("t"), node("Add", &["s", "t"], &["y"], &[])]),
        ("one axis alone", vec![node("ReduceMean", &["f", "one"], &["v"], &[]), node("Relu", &["v"], &["y"], &[])]),
        ("no pooling", vec![node("Relu", &["f"], &["y"], &[])]),
    ];
    for (name, end) in ends {
        let graph = network(&end);
        assert!(graph.class_activation(graph.outputs[0]).is_none(), "{name}");
    }
}

/// A window that does not hold all places looks like a global one until the sizes are known.
#[test]
fn maps_that_do_not_add_up_are_refused() {
    let window = [ints_attribute("kernel_shape", &[2, 2]), ints_attribute("strides", &[9, 9])];
    let graph = network(&[node("AveragePool", &["f"], &["p"], &window), flatten(), gemm("y")]);
    let found = graph.class_activation(graph.outputs[0]).unwrap();
    let (features, scores) = values(&graph, &found);
    let error = found.map(features.view(), scores.view(), 0, 1e-3).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unsupported, "{error}");
    let error = found.map(features.view(), scores.view(), 3, 1e-3).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidInput, "{error}");
}

#[test]
fn the_published_classifiers_have_maps() {
    for table in [
        json!({"name": "DenseNet121", "spatial_dims": 2, "in_channels": 1, "out_channels": 3}),
        json!({"name": "DenseNet121", "spatial_dims": 3, "in_channels": 1, "out_channels": 3}),
        json!({"name": "ResNet", "block": "basic", "layers": [1, 1, 1, 1], "block_inplanes": [8, 8, 8, 8],
            "spatial_dims": 3, "n_input_channels": 1, "num_classes": 3}),
        json!({"name": "EfficientNetBN", "model_name": "efficientnet-b0", "spatial_dims": 2, "in_channels": 1,
            "num_classes": 3}),
    ] {
        let architecture = Architecture::from_json(&table).unwrap_or_else(|e| panic!("{table}: {e}"));
        let zeros = |shape: Vec<usize>| Tensor::from_f32(shape.clone(), vec![0.0; shape.iter().product()]).unwrap();
        let wanted = arch::expected(&architecture).unwrap();
        let graph =
            arch::build(&architecture, wanted.into_iter().map(|(name, shape)| (name, zeros(shape))).collect()).unwrap();
        assert!(graph.class_activation(graph.outputs[0]).is_some(), "{table}");
    }
}
