//! A tiny package for tests, built from scratch: one Relu over a 2-D image, a card, a golden case.
// Each test binary uses its own part.
#![allow(dead_code, clippy::unwrap_used)]

use std::borrow::Cow;
use std::io::Cursor;
use std::path::Path;

use netra_graph::{Tensor, npz};
use netra_package::manifest::Sha256;

/// A protobuf field of wire type 2 (length-delimited).
fn field(number: u8, content: &[u8]) -> Vec<u8> {
    assert!(content.len() < 128, "one length byte is enough here");
    let mut out = vec![number << 3 | 2, content.len() as u8];
    out.extend_from_slice(content);
    out
}

/// A protobuf field of wire type 0 (one byte).
fn number(field: u8, value: u8) -> Vec<u8> {
    vec![field << 3, value]
}

/// `logits = Relu(image)` over float32 `[1, 1, 4, 4]`, operator set 17 (onnx.proto3: ModelProto, GraphProto ...).
pub fn onnx() -> Vec<u8> {
    let node = [field(1, b"image"), field(2, b"logits"), field(3, b"relu"), field(4, b"Relu")].concat();
    model(&[field(1, &node)].concat())
}

/// `logits = Mul(image, scale)`, where the initialiser `scale` is one float32 of value `scale`.
pub fn onnx_with_scale(scale: f32) -> Vec<u8> {
    let node = [field(1, b"image"), field(1, b"scale"), field(2, b"logits"), field(4, b"Mul")].concat();
    let tensor = [number(1, 1), number(2, 1), field(8, b"scale"), field(9, &scale.to_le_bytes())].concat();
    model(&[field(1, &node), field(5, &tensor)].concat())
}

/// A safetensors file with one float32 tensor of shape `[1]`.
pub fn safetensors(name: &str, value: f32) -> Vec<u8> {
    let header = format!(r#"{{"{name}":{{"dtype":"F32","shape":[1],"data_offsets":[0,4]}}}}"#);
    [&(header.len() as u64).to_le_bytes()[..], header.as_bytes(), &value.to_le_bytes()].concat()
}

/// A model around nodes and initialisers.
fn model(inside: &[u8]) -> Vec<u8> {
    let dim = |size: u8| field(1, &number(1, size));
    let shape: Vec<u8> = [1, 1, 4, 4].into_iter().flat_map(dim).collect();
    let tensor = [number(1, 1), field(2, &shape)].concat();
    let value = |name: &str| [field(1, name.as_bytes()), field(2, &field(1, &tensor))].concat();
    let graph = [inside.to_vec(), field(2, b"g"), field(11, &value("image")), field(12, &value("logits"))].concat();
    let mut model = number(1, 8);
    // The graph is longer than one length byte can say.
    model.extend([7 << 3 | 2, (graph.len() & 0x7f) as u8 | 0x80, (graph.len() >> 7) as u8]);
    model.extend(graph);
    model.extend(field(8, &number(2, 17)));
    model
}

/// The golden archive of [`onnx`].
pub fn golden() -> Vec<u8> {
    let input: Vec<f32> = (0..16).map(|i| i as f32 - 8.0).collect();
    let output = input.iter().map(|v| v.max(0.0)).collect();
    let input = Tensor::from_f32([1, 1, 4, 4], input).unwrap();
    let output = Tensor::from_f32([1, 1, 4, 4], output).unwrap();
    let mut file = Cursor::new(Vec::new());
    npz::write(&mut file, [("input", &input), ("logits", &output)]).unwrap();
    file.into_inner()
}

/// Everything of a manifest but `[[files]]`.
pub const HEAD: &str = r#"format = 1

[model]
id = "tiny"
name = "Tiny"
version = "1.0.0"
task = "nothing"
licence = "MIT OR Apache-2.0"
authors = ["us"]
source = "https://example.org/tiny"

[ethics]
approval = "none needed"
consent = "none needed"

[[data]]
name = "numbers"
role = "training"
licence = "CC0-1.0"
digest = "unknown"
url = "https://example.org/numbers"

[intended_use]
purpose = "tests"
not_for = ["anything else"]
population = "nobody"
user = "developers"

[network]
graph = "model.onnx"
input = "image"
output = "logits"
layout = "NCHW"
channels = 1
size = [4, 4]

[input]
kind = "image"
modality = ["DX", "CR"]
rows = [2, 100]
columns = [2, 100]

[[preprocess]]
step = "Resize"
spatial_size = [4, 4]
mode = "bilinear"

[inferer]
kind = "whole"

[[postprocess]]
step = "Activations"
sigmoid = true

[[postprocess]]
step = "Invert"
mode = "bilinear"

[[postprocess]]
step = "AsDiscrete"
threshold = 0.5
version = "1"

[output]
kind = "segmentation"

[[output.segments]]
number = 1
label = "Lung"
category = { value = "91723000", scheme = "SCT", meaning = "Anatomical Structure" }
property_type = { value = "39607008", scheme = "SCT", meaning = "Lung" }
colour = [10, 20, 30]

[memory]
peak_bytes = 1000
note = "guessed"

[[golden]]
name = "ramp"
file = "golden/ramp.npz"
input = "input"
output = "logits"
tolerance = 1e-4
"#;

/// The files besides the manifest; the golden case is optional.
pub fn contents() -> Vec<(String, Vec<u8>)> {
    vec![
        ("model.onnx".to_owned(), onnx()),
        ("card.md".to_owned(), b"# Tiny\n".to_vec()),
        ("golden/ramp.npz".to_owned(), golden()),
    ]
}

/// The manifest over `head` that lists `files`.
pub fn manifest(head: &str, files: &[(String, Vec<u8>)]) -> String {
    let entry = |(path, bytes): &(String, Vec<u8>)| {
        let optional = if path.starts_with("golden/") { "optional = true\n" } else { "" };
        let (size, digest) = (bytes.len(), Sha256::of(bytes));
        format!("\n[[files]]\npath = \"{path}\"\nbytes = {size}\nsha256 = \"{digest}\"\n{optional}")
    };
    head.to_owned() + &files.iter().map(entry).collect::<String>()
}

/// The whole package in memory.
pub fn files() -> Vec<(String, Cow<'static, [u8]>)> {
    let contents = contents();
    let mut files = vec![("netra.toml".to_owned(), Cow::Owned(manifest(HEAD, &contents).into_bytes()))];
    files.extend(contents.into_iter().map(|(name, bytes)| (name, Cow::Owned(bytes))));
    files
}

/// The whole package on disk.
pub fn write(folder: &Path) {
    for (name, bytes) in files() {
        let path = folder.join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, bytes).unwrap();
    }
}
