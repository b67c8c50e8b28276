//! Weights beside the graph: a safetensors file replaces initialisers, exactly or not at all.

mod common;

use std::borrow::Cow;

use netra_core::{ErrorKind, Result};
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
