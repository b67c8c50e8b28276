//! The shared models against the goldens of their original frameworks; skipped, with a note, without the assets.

use netra_cpu::CpuBackend;
use netra_testkit::{assets, models};

#[test]
fn models_reproduce_their_goldens() {
    let Some(assets) = assets() else { return };
    models::reproduce_goldens(&CpuBackend::new(None).unwrap(), &assets);
}

#[test]
fn whole_head_labels_agree() {
    let Some(assets) = assets() else { return };
    models::label_whole_head(&CpuBackend::new(None).unwrap(), &assets);
}
