//! The shared models against the goldens of their original frameworks, on whatever adapter there is; skipped, with a
//! note, without the assets or an adapter.
#![allow(clippy::print_stderr)]

use netra_testkit::{assets, models};
use netra_wgpu::{AdapterSelector, WgpuBackend};

fn backend() -> Option<WgpuBackend> {
    WgpuBackend::open(AdapterSelector::Any).inspect_err(|e| eprintln!("skipped: {e}")).ok()
}

#[test]
fn models_reproduce_their_goldens() {
    let (Some(assets), Some(backend)) = (assets(), backend()) else { return };
    models::reproduce_goldens(&backend, &assets);
}

/// Tensors are cut in parts where the adapter binds 128 MiB.
#[test]
#[ignore = "1.5 TFLOP: minutes on a software adapter"]
fn whole_head_labels_agree() {
    let (Some(assets), Some(backend)) = (assets(), backend()) else { return };
    models::label_whole_head(&backend, &assets);
}
