//! ONNX's node tests on whatever adapter there is; skipped, with a note, without one, without the cases or a Python that
//! can make them.
#![allow(clippy::print_stderr)]

use std::sync::Arc;

use netra_graph::Backend;
use netra_testkit::node_tests;
use netra_wgpu::{AdapterSelector, WgpuBackend};

#[test]
fn node_tests_of_onnx() {
    let opened = WgpuBackend::open(AdapterSelector::Any).inspect_err(|e| eprintln!("skipped: {e}"));
    let Ok(backend) = opened else { return };
    let backend: Arc<dyn Backend> = Arc::new(backend);
    // Counts of a run on Mesa's llvmpipe, less a few.
    node_tests::check(&backend, 990, 1500);
}
