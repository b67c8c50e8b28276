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

const CHILD: &str = "NETRA_WGPU_TEST_CHILD";

/// Runs a test again in a process of its own with these variables set.
fn in_child(test: &str, variables: &[(&str, &str)]) {
    let mut child = Command::new(std::env::current_exe().expect("a path"));
    child.args(["--exact", test]).env(CHILD, "1").envs(variables.iter().copied());
    assert!(child.status().expect("the test binary runs").success());
}

/// In a process that finds no Vulkan driver.
#[test]
fn no_driver_at_all_is_an_error() {
    if std::env::var_os(CHILD).is_some() {
        // Another API may still be there (OpenGL, Metal, DirectX).
        if adapters().is_empty() {
            let error = refusal(AdapterSelector::Any);
            assert_eq!(error.kind(), ErrorKind::Backend);
            assert!(error.to_string().contains("present: none"), "{error}");
        }
        return;
    }
    in_child(
        "no_driver_at_all_is_an_error",
        &[("VK_DRIVER_FILES", "/nonexistent"), ("VK_ICD_FILENAMES", "/nonexistent")],
    );
}

/// In a process whose settings of cubecl let no adapter come up.
#[test]
fn an_adapter_that_does_not_come_up_is_an_error() {
    if std::env::var_os(CHILD).is_none() {
        return in_child("an_adapter_that_does_not_come_up_is_an_error", &[("CUBECL_WGPU_MAX_TASKS", "0")]);
    }
    if let Some(adapter) = adapters().first() {
        let error = refusal(AdapterSelector::Any);
        assert_eq!(error.kind(), ErrorKind::Backend);
        let text = error.to_string();
        for words in ["did not come up: Invalid wgpu configuration", "the cpu backend", &adapter.name] {
            assert!(text.contains(words), "{text}");
        }
    }
}
