//! A series to a volume: frames sorted by the audit, decoded in parallel, rescaled one by one.

use dicom_dictionary_std::tags;
use ndarray::Array3;
use netra_core::{Error, IntensityUnit, Limits, Result, Volume, Warning};
use rayon::prelude::*;

use crate::pixels::{FrameReader, Grey, ModalityMap, PixelFormat, Stored, decode_frame};
use crate::series::{FrameRef, Instance, Series};

/// Frames of one instance that are read before they are decoded together.
pub(crate) const BATCH: usize = 16;

impl Series {
    /// The volume `(slice, row, column)` in modality units. Fails with [`ErrorKind::InvalidInput`](netra_core::ErrorKind)
    /// and the reason when the frames do not lie on a regular grid, and when a frame cannot be decoded.
    pub fn volume(&self, limits: &Limits) -> Result<Volume> {
        let grid = self.grid()?;
        let [slices, rows, columns] = grid.geometry.shape();
        let bytes = [rows, columns, 4].iter().try_fold(slices as u64, |n, &f| n.checked_mul(f as u64));
        if bytes.is_none_or(|bytes| bytes > limits.volume_bytes) {
            let text =
                format!("a volume of {slices} x {rows} x {columns} voxels, the limit is {} bytes", limits.volume_bytes);
            return Err(Error::limit(text));
        }
        if let Some(format) = self.instances.iter().filter_map(Instance::pixel_format).find(|f| f.samples != 1) {
            return Err(Error::unsupported(format!("a volume of {} pixels", format.photometric)));
        }
        let refs: Vec<FrameRef> = self.refs().collect();
        let unit = self.unit(refs.first().copied());
        let mut voxels = vec![0f32; grid.geometry.voxels()];
        let mut slots: Vec<Option<&mut [f32]>> = voxels.chunks_mut(rows * columns).map(Some).collect();
        let mut place = vec![0; refs.len()];
        for (k, &i) in grid.order.iter().enumerate() {
            place[i] = k;
        }
        // Each instance with the slots of its frames, so that it is opened once.
        let mut jobs: Vec<(usize, Vec<&mut [f32]>)> = (0..self.instances.len()).map(|i| (i, Vec::new())).collect();
        for (i, r) in refs.iter().enumerate() {
            if let Some(slot) = slots.get_mut(place[i]).and_then(Option::take) {
                jobs[r.instance].1.push(slot);
            }
        }
        jobs.into_par_iter().try_for_each(|(i, slots)| {
            let instance = &self.instances[i];
            decode(instance, slots, limits).map_err(|e| instance.at(e))
        })?;
        let voxels = Array3::from_shape_vec((slices, rows, columns), voxels)
            .map_err(|e| Error::malformed("voxels of the wrong number").with_source(e))?;
        let mut volume = Volume::new(voxels, grid.geometry, unit)?;
        volume.acquisition = self.acquisition();
        volume.frames =
            grid.order.iter().map(|&i| self.instances[refs[i].instance].source_frame(refs[i].frame)).collect();
        Ok(volume)
    }

    /// What the modality values measure (PS3.3 C.11.1.1.2: HU is the default of original CT images only).
    pub(crate) fn unit(&self, first: Option<FrameRef>) -> IntensityUnit {
        let modality = self.text(tags::MODALITY);
        match (first.and_then(|r| self.header(r).rescale_type()).as_deref(), modality.as_deref()) {
            (Some("HU"), _) | (None | Some("US"), Some("CT")) => IntensityUnit::Hounsfield,
            (None | Some("US"), _) => IntensityUnit::Arbitrary,
            (Some(other), _) => IntensityUnit::Other(other.to_owned()),
        }
    }

    /// Warnings of all instances, each kind once, and of the geometry.
    pub fn warnings(&self) -> Vec<Warning> {
        let mut kept: Vec<(Warning, usize)> = Vec::new();
        for warning in self.instances.iter().flat_map(Instance::warnings) {
            match kept.iter_mut().find(|(known, _)| known.code == warning.code) {
                Some((_, count)) => *count += 1,
                None => kept.push((warning.clone(), 1)),
            }
        }
        let total = self.instances.len();
        let mut warnings: Vec<Warning> = kept
            .into_iter()
            .map(|(mut warning, count)| {
                if total > 1 {
                    warning.message.push_str(&format!(" ({count} of {total} instances)"));
                }
                warning
            })
            .collect();
        if self.is_volume()
            && let Ok(grid) = self.grid()
        {
            warnings.extend(grid.warnings);
        }
        warnings
    }
}

/// Decodes every frame of an instance into its slot.
fn decode(instance: &Instance, mut slots: Vec<&mut [f32]>, limits: &Limits) -> Result<()> {
    let mut reader = FrameReader::new(&instance.file, limits)?;
    let Some(format) = instance.pixel_format() else { return Ok(()) };
    for (batch, slots) in slots.chunks_mut(BATCH).enumerate() {
        let frames = batch * BATCH..batch * BATCH + slots.len();
        let encoded = frames.clone().map(|f| reader.read(f).map_err(|e| at(e, f))).collect::<Result<Vec<_>>>()?;
        frames.into_par_iter().zip(encoded).zip(slots).try_for_each(|((frame, encoded), slot)| {
            let decoded = decode_frame(&instance.file, encoded, limits).map_err(|e| at(e, frame))?;
            let modality = instance.frame_header(frame).modality(format.signed).map_err(|e| at(e, frame))?;
            rescale(format, &decoded.bytes, &modality, slot);
            Ok(())
        })?;
    }
    Ok(())
}

fn rescale(format: &PixelFormat, bytes: &[u8], modality: &ModalityMap, slot: &mut [f32]) {
    // A volume keeps modality values: MONOCHROME1 says how to show them, not what they are.
    Grey { modality, voi: None, inverted: false }.write(&Stored { format, bytes }, slot);
}

pub(crate) fn at(error: Error, frame: usize) -> Error {
    error.at(format!("frame {}", frame + 1))
}
