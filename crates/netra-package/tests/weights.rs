//! Weights beside the graph: a weight file replaces initialisers, exactly or not at all. Weights without a graph: an
//! architecture takes them all.

#![allow(clippy::unwrap_used)]

mod common;

use std::borrow::Cow;

use netra_core::{ErrorKind, Result};
use netra_graph::arch::{self, Architecture};
use netra_package::Package;

fn package(onnx: Vec<u8>, weights: Vec<u8>) -> Result<Package> {
    let head = common::HEAD
        .replace("graph = \"model.onnx\"", "graph = \"model.onnx\"\nweights = \"model.safetensors\"")
        .replace("file = \"golden/ramp.npz\"", "file = \"model.onnx\"");
    let files = vec![("model.onnx".to_owned(), onnx), ("model.safetensors".to_owned(), weights)];
    let manifest = common::manifest(&head, &files).into_bytes();
    let all = files.into_iter().map(|(name, bytes)| (name, Cow::Owned(bytes)));
    Package::from_files(all.chain([("netra.toml".to_owned(), Cow::Owned(manifest))]))
}

fn scale(package: &Package) -> Option<f32> {
    let value = package.graph().values.iter().find(|value| value.name == "scale")?;
    value.constant.as_ref()?.as_f32()?.first().copied()
}

#[test]
fn tensors_take_the_place_of_initialisers() {
    let package = package(common::onnx_with_scale(1.0), common::safetensors("scale", 2.5)).unwrap();
    assert_eq!(scale(&package), Some(2.5));
}

#[test]
fn tensors_that_fit_no_initialiser_are_refused() {
    let error = package(common::onnx_with_scale(1.0), common::safetensors("other", 2.5)).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Malformed);
    assert!(error.to_string().contains("`other`"), "{error}");
    let mut wrong_shape = common::safetensors("scale", 2.5);
    let at = wrong_shape.windows(3).position(|w| w == b"[1]").unwrap();
    wrong_shape.splice(at..at + 3, *b"[1,1]");
    wrong_shape[0] += 2;
    let error = package(common::onnx_with_scale(1.0), wrong_shape).unwrap_err();
    assert!(error.to_string().contains("`scale`"), "{error}");
    let error = package(common::onnx_with_scale(1.0), b"not safetensors".to_vec()).unwrap_err();
    assert!(error.to_string().contains("model.safetensors"), "{error}");
}

/// A package whose network is an architecture, with a safetensors file of float32 tensors of ones.
fn built(architecture: &str, tensors: &[(String, Vec<usize>)]) -> Result<Package> {
    let (head, rest) = common::HEAD.split_once("[network]").unwrap();
    let (_, rest) = rest.split_once("\n[").unwrap();
    let network =
        "[network]\nweights = \"model.pth\"\ninput = \"input\"\noutput = \"output\"\nlayout = \"NCHW\"\nchannels = 1\n";
    let head =
        format!("{head}{network}{architecture}\n[{rest}").replace("file = \"golden/ramp.npz\"", "file = \"model.pth\"");
    let (mut header, mut data) = (String::new(), Vec::new());
    for (name, shape) in tensors {
        let start = data.len();
        data.extend((0..shape.iter().product()).flat_map(|_: usize| 1f32.to_le_bytes()));
        let comma = if header.is_empty() { "" } else { "," };
        let end = data.len();
        header += &format!(r#"{comma}"{name}":{{"dtype":"F32","shape":{shape:?},"data_offsets":[{start},{end}]}}"#);
    }
    let header = format!("{{{header}}}");
    let weights = [&(header.len() as u64).to_le_bytes()[..], header.as_bytes(), &data].concat();
    let files = vec![("model.pth".to_owned(), weights)];
    let manifest = common::manifest(&head, &files).into_bytes();
    let all = files.into_iter().map(|(name, bytes)| (name, Cow::Owned(bytes)));
    Package::from_files(all.chain([("netra.toml".to_owned(), Cow::Owned(manifest))]))
}

fn small() -> (&'static str, Vec<(String, Vec<usize>)>) {
    let table = r#"
[network.architecture]
name = "BasicUNet"
spatial_dims = 2
in_channels = 1
out_channels = 2
features = [4, 4, 4, 4, 4, 4]
"#;
    let value = serde_json::json!({
        "name": "BasicUNet", "spatial_dims": 2, "in_channels": 1, "out_channels": 2, "features": [4, 4, 4, 4, 4, 4],
    });
    (table, arch::expected(&Architecture::from_json(&value).unwrap()).unwrap())
}

#[test]
fn an_architecture_takes_the_weights() {
    let (table, tensors) = small();
    let package = built(table, &tensors).unwrap();
    assert_eq!(package.graph().inputs.len(), 1);
    assert!(package.manifest().network.graph.is_none());
}

#[test]
fn an_architecture_that_does_not_fit_is_refused() {
    let (table, mut tensors) = small();
    let last = tensors.pop().unwrap();
    let error = built(table, &tensors).unwrap_err();
    assert!(error.to_string().contains(&last.0) && error.to_string().contains("model.pth"), "{error}");
    let error = built("\n[network.architecture]\nname = \"Nothing\"\n", &tensors).unwrap_err();
    assert!(error.to_string().contains("network.architecture"), "{error}");
    let error = built("", &tensors).unwrap_err();
    assert!(error.to_string().contains("exactly one of `graph` and `architecture`"), "{error}");
}
