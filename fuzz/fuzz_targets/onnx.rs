//! Any bytes as an ONNX file: read, and specialised for small inputs. Nothing may panic.
#![no_main]

use libfuzzer_sys::fuzz_target;
use netra_graph::{Dim, onnx};

fuzz_target!(|bytes: &[u8]| {
    let Ok(graph) = onnx::read_bytes(bytes, &onnx::ReadOptions::default()) else { return };
    let size = |dim: &Dim| if let Dim::Known(n) = dim { (*n).min(64) } else { 2 };
    let shapes: Option<Vec<Vec<usize>>> = graph
        .inputs
        .iter()
        .map(|&id| graph.value(id).declared.as_ref().map(|t| t.shape.iter().map(size).collect()))
        .collect();
    if let Some(shapes) = shapes {
        let _ = graph.specialise(&shapes);
    }
});
