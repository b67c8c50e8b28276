//! A series to volumes: frames sorted by the audit, decoded in parallel, rescaled one by one, and put on a regular grid.

use std::sync::atomic::{AtomicUsize, Ordering};

use dicom_dictionary_std::tags;
use ndarray::{Array3, ArrayView3, Axis};
use netra_core::{Error, IntensityUnit, Limits, Result, SlicePart, SliceSource, Volume, Warning};
use rayon::prelude::*;

use crate::audit::{Audit, Irregularity, Stack};
use crate::pixels::{FrameReader, Grey, ModalityMap, PixelFormat, Stored, decode_frame};
use crate::regrid::{GeometryPolicy, Part, ReadOptions, Regrid, plan, sample};
use crate::series::{FrameRef, Instance, Series};

/// Frames of one instance that are read before they are decoded together.
pub(crate) const BATCH: usize = 16;

impl Series {
    /// The volume `(slice, row, column)` in modality units. Fails with [`ErrorKind::InvalidInput`](netra_core::ErrorKind)
    /// and every reason when the frames do not lie on one regular grid, and when a frame cannot be decoded.
    pub fn volume(&self, limits: &Limits) -> Result<Volume> {
        let volumes = self.volumes(&ReadOptions::default().limits(limits))?;
        volumes.into_iter().next().ok_or_else(|| Error::invalid("no frames with a place in the patient"))
    }

    /// The volumes `(slice, row, column)` in modality units: one a stack, in the order of the audit. Under
    /// [`GeometryPolicy::Refuse`] there is exactly one, whose voxels are the stored ones. Localisers among other stacks, and
    /// frames without a place in the patient, are left out, and each volume's `corrections` say so.
    ///
    /// # Errors
    /// `InvalidInput` with every reason for what the policy does not mend, `Unsupported` for colour, `Limit`; and the decoding's.
    pub fn volumes(&self, options: &ReadOptions<'_>) -> Result<Vec<Volume>> {
        let audit = self.audit();
        if options.policy == GeometryPolicy::Refuse
            && let Some(reasons) = audit.refusal()
        {
            return Err(Error::invalid(reasons));
        }
        let chosen = chosen(&audit);
        if chosen.is_empty() {
            return Err(Error::invalid("no frames with a place in the patient"));
        }
        let regrids = chosen.iter().map(|stack| plan(stack, options.policy)).collect::<Result<Vec<_>>>()?;
        check_sizes(&chosen, &regrids, &options.limits)?;
        let progress = Counter::new(chosen.iter().map(|stack| stack.frames()).sum(), options.progress);
        let volume = |(k, (stack, regrid)): (usize, (&&Stack, Regrid))| {
            let mut volume = self.read(stack, regrid, &options.limits, &progress)?;
            volume.corrections.splice(0..0, of_series(&audit, stack, [k + 1, chosen.len()]));
            Ok(volume)
        };
        chosen.iter().zip(regrids).enumerate().map(volume).collect()
    }

    fn read(&self, stack: &Stack, regrid: Regrid, limits: &Limits, progress: &Counter<'_>) -> Result<Volume> {
        let [rows, columns] = stack.slices[0].size;
        let mut frames = Array3::zeros((stack.frames(), rows, columns));
        self.decode(stack, &mut frames, limits, progress)?;
        for &[kept, twin] in &regrid.twins {
            if frames.index_axis(Axis(0), kept) != frames.index_axis(Axis(0), twin) {
                let (a, b) = (&stack.slices[kept].name, &stack.slices[twin].name);
                return Err(Error::invalid(format!("{a} and {b} lie at one place and hold different pixels")));
            }
        }
        let voxels = if regrid.is_identity() { frames } else { sample(&regrid, ArrayView3::from(&frames)) };
        let first = stack.slices[0].at;
        let mut volume = Volume::new(voxels, regrid.geometry, self.unit(Some(first)))?;
        volume.acquisition = self.acquisition_of(first.instance);
        let part = |part: Part| {
            let at = stack.slices[part.source].at;
            let frame = self.instances[at.instance].source_frame(at.frame);
            SlicePart { frame, weight: part.weight, offset: part.offset }
        };
        let source =
            |plan: &crate::regrid::SlicePlan| SliceSource { main: part(plan.main), other: plan.other.map(part) };
        volume.slices = regrid.slices.iter().map(source).collect();
        volume.corrections = regrid.corrections;
        Ok(volume)
    }

    /// Decodes the frames of a stack into `frames` (slice, row, column). Each instance is opened once.
    fn decode(&self, stack: &Stack, frames: &mut Array3<f32>, limits: &Limits, progress: &Counter<'_>) -> Result<()> {
        let mut jobs: Vec<Vec<(usize, &mut [f32])>> = (0..self.instances.len()).map(|_| Vec::new()).collect();
        for (slice, slot) in stack.slices.iter().zip(frames.axis_iter_mut(Axis(0))) {
            if let Some(slot) = slot.into_slice() {
                jobs[slice.at.instance].push((slice.at.frame, slot));
            }
        }
        jobs.into_par_iter().enumerate().try_for_each(|(i, mut slots)| {
            // A file is read forwards.
            slots.sort_by_key(|(frame, _)| *frame);
            let instance = &self.instances[i];
            decode(instance, slots, limits, progress).map_err(|e| instance.at(e))
        })
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
        if self.is_volume() {
            // A rescale by slice is applied by slice, and needs no word.
            let told =
                |found: &&Irregularity| !found.is_fault() && !matches!(found, Irregularity::RescaleVaries { .. });
            warnings.extend(self.audit().all().filter(told).map(Irregularity::warning));
        }
        warnings
    }
}

/// The stacks that become volumes: localisers only when there is nothing else.
fn chosen(audit: &Audit) -> Vec<&Stack> {
    let others = audit.stacks.iter().any(|stack| !stack.is_localiser());
    audit.stacks.iter().filter(|stack| !(others && stack.is_localiser())).collect()
}

/// What the faults of the series mean for one of its volumes.
fn of_series(audit: &Audit, stack: &Stack, [number, of]: [usize; 2]) -> Vec<Warning> {
    let which = if stack.label.is_empty() { String::new() } else { format!(" ({})", stack.label) };
    let note = |fault: &Irregularity| {
        let done = match fault {
            Irregularity::DamagedFiles { .. } => "the volume lacks them".to_owned(),
            _ => format!("this is volume {number} of {of}{which}"),
        };
        crate::file::warning(format!("{}-corrected", fault.code()), format!("{fault}: {done}"))
    };
    audit.irregularities.iter().filter(|found| found.is_fault()).map(note).collect()
}

fn check_sizes(stacks: &[&Stack], regrids: &[Regrid], limits: &Limits) -> Result<()> {
    let mut bytes = 0u64;
    for (stack, regrid) in stacks.iter().zip(regrids) {
        let [slices, rows, columns] = regrid.geometry.shape();
        let size = |shape: [usize; 3]| shape.iter().try_fold(4u64, |n, &f| n.checked_mul(f as u64)).unwrap_or(u64::MAX);
        let frames = [stack.frames(), stack.slices[0].size[0], stack.slices[0].size[1]];
        bytes = bytes.saturating_add(size([slices, rows, columns]).max(size(frames)));
        if bytes > limits.volume_bytes {
            let text =
                format!("a volume of {slices} x {rows} x {columns} voxels, the limit is {} bytes", limits.volume_bytes);
            return Err(Error::limit(text));
        }
        if stack.slices.iter().any(|slice| slice.samples != 1) {
            return Err(Error::unsupported("a volume of colour pixels"));
        }
    }
    Ok(())
}

/// Counts decoded frames for whoever wants to know.
struct Counter<'a> {
    done: AtomicUsize,
    total: usize,
    told: Option<&'a (dyn Fn(usize, usize) + Sync)>,
}

impl<'a> Counter<'a> {
    fn new(total: usize, told: Option<&'a (dyn Fn(usize, usize) + Sync)>) -> Self {
        Self { done: AtomicUsize::new(0), total, told }
    }

    fn one(&self) {
        let done = self.done.fetch_add(1, Ordering::Relaxed) + 1;
        if let Some(told) = self.told {
            told(done, self.total);
        }
    }
}

/// Decodes frames of an instance, in rising order, into their slots.
fn decode(
    instance: &Instance,
    mut slots: Vec<(usize, &mut [f32])>,
    limits: &Limits,
    progress: &Counter<'_>,
) -> Result<()> {
    if slots.is_empty() {
        return Ok(());
    }
    let mut reader = FrameReader::new(&instance.file, limits)?;
    let Some(format) = instance.pixel_format() else { return Ok(()) };
    for slots in slots.chunks_mut(BATCH) {
        let encoded = slots.iter().map(|(f, _)| reader.read(*f).map_err(|e| at(e, *f))).collect::<Result<Vec<_>>>()?;
        slots.par_iter_mut().zip(encoded).try_for_each(|((frame, slot), encoded)| {
            let decoded = decode_frame(&instance.file, encoded, limits).map_err(|e| at(e, *frame))?;
            let modality = instance.frame_header(*frame).modality(format.signed).map_err(|e| at(e, *frame))?;
            rescale(format, &decoded.bytes, &modality, slot);
            progress.one();
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
