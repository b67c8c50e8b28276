//! Fake packages: manifests as text, networks of one convolution made by hand.
#![allow(dead_code)] // Each test binary uses its own part.

use std::sync::Arc;

use netra_core::ModelIdentity;
use netra_graph::{DType, Dim, Graph, Node, Op, Tensor, TensorType, Value, ValueId, Window};
use netra_package::Manifest;
use netra_pipeline::Model;
use netra_testkit::OracleBackend;

/// A network of one convolution with odd, equal kernel sides, zero padding and stride 1. `weights` is
/// `[outputs, 1, kernel...]`.
pub fn convolution(axes: usize, side: usize, weights: Vec<f32>, bias: Vec<f32>) -> Graph {
    let (kernel, outputs) = (vec![side; axes], bias.len());
    let weight_shape = [vec![outputs, 1], kernel.clone()].concat();
    let constant = |name: &str, tensor| Value { name: name.into(), constant: Some(Arc::new(tensor)), declared: None };
    let declared = |channels| TensorType {
        dtype: DType::F32,
        shape: [Dim::Known(1), Dim::Known(channels)]
            .into_iter()
            .chain((0..axes).map(|axis| Dim::Symbol(format!("axis{axis}"))))
            .collect(),
    };
    let open = |name: &str, channels| Value { name: name.into(), constant: None, declared: Some(declared(channels)) };
    let window = Window { pads: Some(vec![side / 2; 2 * axes]), kernel_shape: Some(kernel), ..Window::default() };
    Graph {
        values: vec![
            open("image", 1),
            constant("weight", Tensor::from_f32(weight_shape, weights).expect("weights fill their shape")),
            constant("bias", Tensor::from_f32([outputs], bias).expect("one an output")),
            open("logits", outputs),
        ],
        nodes: vec![Node {
            name: "conv".into(),
            op: Op::Conv { window, group: 1 },
            inputs: vec![Some(ValueId(0)), Some(ValueId(1)), Some(ValueId(2))],
            outputs: vec![Some(ValueId(3))],
        }],
        inputs: vec![ValueId(0)],
        outputs: vec![ValueId(3)],
        initialisers: vec![ValueId(1), ValueId(2)],
        ..Graph::default()
    }
}

/// Two channels whose greatest is 1 where the input is over `level`.
pub fn over(axes: usize, level: f32) -> Graph {
    convolution(axes, 1, vec![0.0, 1.0], vec![level, 0.0])
}

/// A manifest around the given parts.
pub fn manifest(layout: &str, input: &str, steps: &str, output: &str) -> Manifest {
    let text = format!(
        r#"
format = 1
[model]
id = "fake"
name = "Fake"
version = "1.0.0"
task = "test"
licence = "MIT"
authors = ["nobody"]
source = "https://example.org"
[ethics]
approval = "none needed"
consent = "none needed"
[intended_use]
purpose = "test"
not_for = ["anything else"]
population = "none"
user = "tests"
[network]
graph = "model.onnx"
input = "image"
output = "logits"
layout = "{layout}"
channels = 1
[input]
{input}
{steps}
[output]
{output}
[memory]
peak_bytes = 1
note = "test"
[[files]]
path = "model.onnx"
bytes = 1
sha256 = "{}"
"#,
        "0".repeat(64)
    );
    Manifest::parse(text.as_bytes()).expect("a valid manifest")
}

/// A segmentation with one segment.
pub const SEGMENT: &str = r#"
kind = "segmentation"
[[output.segments]]
number = 1
label = "thing"
category = { value = "91723000", scheme = "SCT", meaning = "Anatomical Structure" }
property_type = { value = "39607008", scheme = "SCT", meaning = "Lung" }
colour = [255, 0, 0]
"#;

/// A model on the plain-loop oracle.
pub fn model(manifest: Manifest, graph: Graph) -> Model {
    let identity =
        ModelIdentity { id: "fake".into(), name: "Fake".into(), version: "1.0.0".into(), digest: "00".into() };
    Model::from_parts(manifest, identity, Arc::new(graph), Arc::new(OracleBackend::default())).expect("names fit")
}
