//! Memory of a resident run before it runs: what [`Resident::run`](super::Resident::run) keeps alive, a second time.

use netra_core::{ErrorKind, Result};
use netra_package::from_graph;

use super::Resident;
use super::steps::{Back, resamples};
use crate::inferer::Placed;
use crate::plan::{Prepared, bytes, elements, postprocess_bytes};
use crate::{InputSize, Model, Placement, RunOptions};

/// What a resident run takes.
pub(crate) struct Held {
    /// Of the host, beside the source: preprocessing, network, postprocessing.
    pub stages: [u64; 3],
    /// Of the device, beside the network.
    pub device: u64,
}

impl Resident<'_> {
    /// `None` where the device cannot hold the volumes. `prepared` is what all preprocessing leaves; of the network's windows
    /// the largest size, and the channels of its output, are known.
    pub fn plan(
        &self,
        model: &Model,
        size: &InputSize,
        prepared: &Prepared,
        (window, outputs): ([usize; 3], usize),
        options: &RunOptions<'_>,
    ) -> Result<Option<Held>> {
        let manifest = model.manifest();
        let (first, tail) = manifest.preprocess.split_at(self.head);
        let resampled = tail.iter().any(resamples);
        // Content crops before the device's steps, which may enlarge what is left.
        let cropped = (!resampled).then(|| prepared.shape());
        let head = Prepared::trace(first, size, cropped, options)?;
        let (channels, shape) = (prepared.channels, prepared.shape());
        let fits = |window: [usize; 3]| model.window_fits(channels, window, options.network_bytes);
        let placed = Placed::of(&manifest.inferer, shape, &fits)?;
        let source = size.geometry()?;
        let place = Placement { geometry: prepared.grid.clone(), source: source.clone(), field_of_view: None };
        let labelling = self.labelling(&placed, &prepared.grid, &place, outputs)?;
        let labelling = match self.volumes.labelling_bytes(&labelling) {
            Ok(bytes) => bytes,
            Err(why) => match from_graph(why) {
                why if matches!(why.kind(), ErrorKind::Limit | ErrorKind::Unsupported) => return Ok(None),
                why => return Err(why),
            },
        };
        let uploaded = bytes(channels, head.shape());
        let limit = model.network().backend().device().max_buffer_bytes;
        if limit.is_some_and(|most| uploaded / channels.max(1) as u64 > most) {
            return Ok(None);
        }
        let aside = bytes(channels, window).max(if resampled { uploaded } else { 0 });
        // The source itself is read where no step came before; a copy is on its way to the device.
        let own = if self.head == 0 { 0 } else { uploaded };
        let back = self.decided.back != Back::Nothing;
        let labels = 2 * elements(if back { source.shape() } else { shape });
        let rest = &manifest.postprocess[self.decided.steps..];
        let post = postprocess_bytes(rest, true, labels, outputs, size);
        Ok(Some(Held {
            stages: [
                if self.head == 0 { 0 } else { head.peak },
                head.kept + (own + uploaded).max(2 * labels),
                head.kept + post,
            ],
            device: labelling + bytes(channels, shape) + aside,
        }))
    }
}
