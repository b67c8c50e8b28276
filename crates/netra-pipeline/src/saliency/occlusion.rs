//! Occlusion maps: the network is run with one patch of its input after the other covered.

use ndarray::{Array3, Array4, Axis, Slice};
use netra_core::{Error, Result, SaliencyMethod};

use super::Maps;
use crate::inferer::{Outcome, space};
use crate::{Model, Placement, postprocess};

/// Cells along an axis of an image; a patch covers two by two of them, so that 169 runs see all.
const IMAGE_CELLS: usize = 14;
/// Cells along an axis of a volume: 343 runs.
const VOLUME_CELLS: usize = 8;

/// By how much the probability of each chosen class falls, a mean over the patches that cover a cell. The patch has the mean of
/// each channel, which tells the network nothing.
pub(super) fn maps(
    model: &Model,
    values: Array4<f32>,
    place: &Placement,
    chosen: &[usize],
    progress: &dyn Fn(usize, usize),
) -> Result<Maps> {
    let size = space(&values);
    let axes = size.map(|n| CellAxis::new(n, if size[0] == 1 { IMAGE_CELLS } else { VOLUME_CELLS }));
    let shape = [axes[0].cells, axes[1].cells, axes[2].cells];
    let means: Vec<f32> = values.outer_iter().map(|channel| channel.mean().unwrap_or(0.0)).collect();
    let probabilities = |input: Array4<f32>| -> Result<Vec<f32>> {
        let outcome = Outcome::Values(model.network().predict(input)?);
        match postprocess::run(&model.manifest().postprocess, outcome, place)?.outcome {
            Outcome::Values(values) if values.len() > chosen.iter().copied().max().unwrap_or(0) => {
                let all: Vec<f32> = values.iter().copied().collect();
                Ok(chosen.iter().map(|&class| all[class]).collect())
            }
            _ => Err(Error::malformed("the postprocessing steps do not lead to classes")),
        }
    };
    let before = probabilities(values.clone())?;
    let mut sums = Array4::<f32>::zeros((chosen.len(), shape[0], shape[1], shape[2]));
    let mut counts = Array3::<f32>::zeros(shape);
    let patches: Vec<[usize; 3]> = axes[0]
        .patches()
        .flat_map(|slice| axes[1].patches().map(move |row| [slice, row]))
        .flat_map(|[slice, row]| axes[2].patches().map(move |column| [slice, row, column]))
        .collect();
    for (done, patch) in patches.iter().enumerate() {
        progress(done, patches.len());
        let mut covered = values.clone();
        for (mut channel, &mean) in covered.outer_iter_mut().zip(&means) {
            for axis in 0..3 {
                channel.slice_axis_inplace(Axis(axis), Slice::from(axes[axis].pixels(patch[axis])));
            }
            channel.fill(mean);
        }
        let after = probabilities(covered)?;
        let mut count = counts.view_mut();
        (0..3).for_each(|axis| count.slice_axis_inplace(Axis(axis), Slice::from(axes[axis].covered(patch[axis]))));
        count += 1.0;
        for ((mut sum, before), after) in sums.outer_iter_mut().zip(&before).zip(&after) {
            (0..3).for_each(|axis| sum.slice_axis_inplace(Axis(axis), Slice::from(axes[axis].covered(patch[axis]))));
            sum += before - after;
        }
    }
    progress(patches.len(), patches.len());
    sums.outer_iter_mut().for_each(|mut sum| sum /= &counts);
    Ok(Maps { method: SaliencyMethod::Occlusion, values: sums })
}

/// Cells along an axis, as equal as pixels allow.
#[derive(Clone, Copy)]
struct CellAxis {
    size: usize,
    cells: usize,
}

impl CellAxis {
    fn new(size: usize, cells: usize) -> Self {
        Self { size, cells: cells.min(size) }
    }

    /// First cell of each patch.
    fn patches(self) -> std::ops::Range<usize> {
        0..(self.cells - 1).max(1)
    }

    /// The cells of a patch.
    fn covered(self, patch: usize) -> std::ops::Range<usize> {
        patch..(patch + 2).min(self.cells)
    }

    /// The pixels of a patch.
    fn pixels(self, patch: usize) -> std::ops::Range<usize> {
        let cells = self.covered(patch);
        cells.start * self.size / self.cells..cells.end * self.size / self.cells
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patches_reach_every_pixel_and_no_further() {
        for size in [1, 2, 3, 13, 14, 15, 224, 333] {
            let axis = CellAxis::new(size, IMAGE_CELLS);
            let mut seen = vec![0; size];
            axis.patches().for_each(|patch| axis.pixels(patch).for_each(|pixel| seen[pixel] += 1));
            assert!(seen.iter().all(|&times| times == 1 || times == 2), "{size}: {seen:?}");
        }
    }
}
