//! Without the adapter that was asked for there is an error of kind `Backend`, never a panic.

use std::process::Command;

use netra_graph::ErrorKind;
use netra_wgpu::{AdapterSelector, WgpuBackend, adapters};

fn refusal(selector: AdapterSelector) -> netra_graph::Error {
    match WgpuBackend::open(selector) {
        Ok(backend) => panic!("opened {:?}", backend.adapter()),
        Err(error) => error,
    }
}

#[test]
fn an_index_without_an_adapter_is_refused() {
    let error = refusal(AdapterSelector::Index(99));
    assert_eq!(error.kind(), ErrorKind::Backend);
    assert!(error.to_string().contains("graphics adapter 99"), "{error}");
}

#[test]
fn auto_takes_no_software_adapter() {
    if adapters().iter().all(|a| a.software) {
        assert_eq!(refusal(AdapterSelector::Auto).kind(), ErrorKind::Backend);
    }
}

/// Runs this test again in a process that finds no Vulkan driver, and there looks for an adapter.
#[test]
fn no_driver_at_all_is_an_error() {
    const CHILD: &str = "NETRA_WGPU_TEST_CHILD";
    if std::env::var_os(CHILD).is_some() {
        // Another API may still be there (OpenGL, Metal, DirectX).
        if adapters().is_empty() {
            let error = refusal(AdapterSelector::Any);
            assert_eq!(error.kind(), ErrorKind::Backend);
            assert!(error.to_string().contains("present: none"), "{error}");
        }
        return;
    }
    let status = Command::new(std::env::current_exe().expect("a path"))
        .args(["--exact", "no_driver_at_all_is_an_error"])
        .env(CHILD, "1")
        .env("VK_DRIVER_FILES", "/nonexistent")
        .env("VK_ICD_FILENAMES", "/nonexistent")
        .status()
        .expect("the test binary runs");
    assert!(status.success());
}
