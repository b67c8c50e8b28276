//! ONNX's node tests; skipped, with a note, without the cases or a Python that can make them.

use std::sync::Arc;

use netra_cpu::CpuBackend;
use netra_graph::Backend;
use netra_testkit::node_tests;

#[test]
fn node_tests_of_onnx() {
    let backend: Arc<dyn Backend> = Arc::new(CpuBackend::new(None).unwrap());
    node_tests::check(&backend, 1084, 1643);
}
