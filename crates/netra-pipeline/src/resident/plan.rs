//! Memory of a resident run before it runs: what [`Resident::run`](super::Resident::run) keeps alive, a second time.

use netra_core::{Error, Result};
use netra_graph::volumes::Labelling;
use netra_package::from_graph;

use super::steps::{Back, resamples};
use super::{Resident, is_refusal};
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
    /// `None` where the device cannot hold the volumes. `prepared` is what all preprocessing leaves, `outputs` are the
    /// channels of the network's output.
    pub fn plan(
        &self,
        model: &Model,
        size: &InputSize,
        prepared: &Prepared,
        outputs: usize,
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
        let shapes = [head.shape(), shape];
        let device = match self.bytes(&labelling, &placed, channels, shapes, options.resident_bytes) {
            Ok(device) => device,
            Err(why) if is_refusal(&why) => return Ok(None),
            Err(why) => return Err(why),
        };
        let uploaded = bytes(channels, head.shape());
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
            device,
        }))
    }

    /// Bytes of the device beside the network: a scan of `shapes[0]` goes up, is brought to `shapes[1]`, and becomes labels.
    /// Fails (`Limit`) where that is more than `most`, or in pieces that the device does not bind.
    pub(super) fn bytes(
        &self,
        labelling: &Labelling<'_>,
        placed: &Placed,
        channels: usize,
        shapes: [[usize; 3]; 2],
        most: Option<u64>,
    ) -> Result<u64> {
        let labelling = self.volumes.labelling_bytes(labelling).map_err(from_graph)?;
        let [uploaded, input] = shapes.map(|shape| bytes(channels, shape));
        let besides = if shapes[0] == shapes[1] { 0 } else { uploaded };
        let total = labelling + input + besides.max(bytes(channels, placed.largest()));
        let channel = shapes.map(|shape| bytes(1, shape)).into_iter().max().unwrap_or(0);
        for (bytes, most) in [(total, most), (channel, self.largest_buffer)] {
            if let Some(most) = most.filter(|&most| bytes > most) {
                return Err(Error::limit(format!("{bytes} bytes of a volume, where {most} are allowed")));
            }
        }
        Ok(total)
    }
}
