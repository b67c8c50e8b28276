//! Memory of what a run computes only when it is asked.

use netra_core::Result;
use netra_package::manifest::Postprocess;

use super::{Prepared, bytes, elements};
use crate::saliency::MOST_MAPS;
use crate::{InputSize, Model, RunOptions, postprocess};

/// Bytes of the probabilities themselves.
pub(super) fn probabilities(segments: usize, size: &InputSize) -> Result<u64> {
    Ok(segments as u64 * elements(size.geometry()?.shape()))
}

/// While probabilities are computed: the output, a copy where it has to be made probable and labels are decided later, labels, the
/// result and one segment aside.
pub(super) fn probabilities_stage(
    model: &Model,
    segments: usize,
    prepared: &Prepared,
    values: u64,
    size: &InputSize,
) -> Result<u64> {
    let steps = &model.manifest().postprocess;
    let activated = steps.iter().any(|step| matches!(step, Postprocess::Activations(_)));
    let values = if activated || postprocess::pointwise(steps).is_some() { values } else { 2 * values };
    let labels = 2 * elements(prepared.shape());
    Ok(prepared.kept + values + labels + probabilities(segments + 1, size)?)
}

/// While a classifier is explained: the input and one covered copy of it (or the features), the network that ran before and the
/// one that explains it, and the maps on the source grid. `None` for a model that is no classifier, or when none was asked for.
pub(super) fn saliency_stage(
    model: &Model,
    options: &RunOptions<'_>,
    prepared: &Prepared,
    network_bytes: u64,
    size: &InputSize,
) -> Result<Option<u64>> {
    let Ok(classes) = model.classes() else { return Ok(None) };
    if !options.detail.saliency {
        return Ok(None);
    }
    let [slices, rows, columns] = prepared.shape();
    let explained = match model.class_activation() {
        Some(explained) => {
            let shape = explained.network.input_shape([prepared.channels, slices, rows, columns])?;
            explained.network.executable(&shape)?.plan().peak()
        }
        None => 0,
    };
    let maps = bytes(classes.min(MOST_MAPS), size.geometry()?.shape());
    let running = 2 * bytes(prepared.channels, prepared.shape()) + network_bytes + explained;
    Ok(Some(prepared.peak.max(prepared.kept + running.max(2 * maps))))
}
