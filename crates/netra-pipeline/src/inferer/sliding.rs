//! Overlapping windows whose outputs are blended, with MONAI's `sliding_window_inference` as the reference: window
//! placement (`dense_patch_slices`), weights (`compute_importance_map`), padding, order of summation.

use ndarray::{Array3, Array4, Axis};
use netra_core::{Error, Result};
use netra_package::manifest::{Blend, Inferer, Padding};

use super::window_sum::WindowSum;
use super::{Discretise, Outcome, Predict, WindowProgress, check_output, cut, part, space, three};

/// A sliding window.
#[derive(Clone, Debug, PartialEq)]
pub struct SlidingWindow {
    /// Size of the window; 1 along the slices of an image.
    pub roi_size: [usize; 3],
    /// Share of the window that neighbours share, at least 0 and under 1.
    pub overlap: f64,
    /// Weight of a window's pixels.
    pub blend: Blend,
    /// Standard deviation of the Gaussian weight as a share of the window's size.
    pub sigma_scale: f64,
    /// What fills an input smaller than the window.
    pub padding: Padding,
    /// The value of constant padding.
    pub cval: f32,
}

impl SlidingWindow {
    /// From the manifest. Fails for another inferer.
    pub fn from_manifest(inferer: &Inferer) -> Result<Self> {
        let Inferer::SlidingWindow { roi_size, overlap, mode, sigma_scale, padding_mode, cval, semantics: _ } = inferer
        else {
            return Err(Error::invalid("not a sliding window"));
        };
        Ok(Self {
            roi_size: three(roi_size)?,
            overlap: *overlap,
            blend: *mode,
            sigma_scale: *sigma_scale,
            padding: *padding_mode,
            cval: *cval,
        })
    }

    /// The first index of every window over an input of `size` (already padded), slices outermost.
    pub fn starts(&self, size: [usize; 3]) -> Vec<[usize; 3]> {
        let [slices, rows, columns] =
            std::array::from_fn(|axis| window_starts(size[axis], self.roi_size[axis], self.overlap));
        let mut starts = Vec::with_capacity(slices.len() * rows.len() * columns.len());
        for &slice in &slices {
            for &row in &rows {
                starts.extend(columns.iter().map(|&column| [slice, row, column]));
            }
        }
        starts
    }

    /// The size of an input once it is padded to at least the window.
    pub fn padded(&self, size: [usize; 3]) -> [usize; 3] {
        std::array::from_fn(|axis| size[axis].max(self.roi_size[axis]))
    }
}

/// Where windows of `roi` begin along an axis of `size >= roi`: every `floor(roi (1 - overlap))` (at least 1), the last
/// moved back to end with the axis.
pub fn window_starts(size: usize, roi: usize, overlap: f64) -> Vec<usize> {
    let interval = if roi >= size { roi } else { ((roi as f64 * (1.0 - overlap)) as usize).max(1) };
    let last = size.saturating_sub(roi);
    (0..).map(|i| i * interval).take_while(|start| *start < last).chain([last]).collect()
}

/// The weight of each pixel of a window, computed in float32 as MONAI does: a product of one Gaussian an axis, raised to
/// at least its own minimum or 0.001, whichever is greater.
pub fn importance_map(roi: [usize; 3], blend: Blend, sigma_scale: f64) -> Array3<f32> {
    if blend == Blend::Constant {
        return Array3::ones(roi);
    }
    let [slices, rows, columns]: [Vec<f32>; 3] = roi.map(|size| {
        let sigma = size as f64 * sigma_scale;
        let denominator = (-2.0 * sigma * sigma) as f32;
        let middle = (size - 1) as f32 / 2.0;
        (0..size).map(|i| ((i as f32 - middle).powi(2) / denominator).exp()).collect()
    });
    let mut map = Array3::from_shape_fn(roi, |(s, r, c)| slices[s] * rows[r] * columns[c]);
    let least = map.iter().copied().fold(f32::INFINITY, f32::min).max(1e-3);
    map.mapv_inplace(|w| w.max(least));
    map
}

/// Runs the network on every window and blends its outputs. Fails when the network's output has not the window's size.
///
/// Memory beside the input: the sum of outputs, one weight a pixel, and one window with its output. With `discretise`,
/// slices become labels as soon as no window to come reaches them, and only as many are summed as a window is high.
pub fn sliding_window(
    values: Array4<f32>,
    window: &SlidingWindow,
    predict: Predict<'_>,
    discretise: Option<Discretise<'_>>,
    progress: WindowProgress<'_>,
) -> Result<Outcome> {
    let size = space(&values);
    let padded = window.padded(size);
    let (values, first) = pad(values, padded, window.padding, window.cval)?;
    let starts = window.starts(padded);
    let roi = window.roi_size;
    let kept = if discretise.is_some() { roi[0] } else { padded[0] };
    let mut labels = Array3::zeros(if discretise.is_some() { size } else { [0; 3] });
    let mut sum: Option<WindowSum> = None;
    for (done, &start) in starts.iter().enumerate() {
        let output = predict(cut(values.view(), start, roi))?;
        check_output(&output, roi)?;
        let channels = output.len_of(Axis(0));
        let sum = sum.get_or_insert_with(|| {
            let weights = importance_map(roi, window.blend, window.sigma_scale);
            WindowSum::new(channels, [kept, padded[1], padded[2]], weights)
        });
        if sum.channels() != channels {
            return Err(Error::unsupported("a network whose number of output channels changes from window to window"));
        }
        sum.add(output.view(), start);
        drop(output);
        if let Some(discretise) = discretise {
            let next = starts.get(done + 1).map_or(padded[0], |next| next[0]);
            for slice in start[0]..next {
                let blended = sum.take(slice);
                if (first[0]..first[0] + size[0]).contains(&slice) {
                    let own = part(blended.view(), [0, first[1], first[2]], [1, size[1], size[2]]);
                    let found = discretise(own)?;
                    labels.index_axis_mut(Axis(0), slice - first[0]).assign(&found.index_axis(Axis(0), 0));
                }
            }
        }
        progress(done + 1, starts.len());
    }
    drop(values);
    if discretise.is_some() {
        return Ok(Outcome::Labels(labels));
    }
    let sum = sum.ok_or_else(|| Error::invalid("an input without windows"))?;
    let blended = sum.finish().map_err(|e| Error::invalid("a sum of another shape").with_source(e))?;
    Ok(Outcome::Values(if padded == size { blended } else { cut(blended.view(), first, size) }))
}

/// Pads to `size`, evenly on both sides, the larger half at the end, and tells where the old values begin. Unchanged when
/// nothing is missing. Fails where the mode asks for more than the input has (PyTorch's own bounds: reflection less than
/// the size, repetition of the whole at most once).
pub fn pad(values: Array4<f32>, size: [usize; 3], mode: Padding, cval: f32) -> Result<(Array4<f32>, [usize; 3])> {
    let old = space(&values);
    let missing: [usize; 3] = std::array::from_fn(|axis| size[axis].saturating_sub(old[axis]));
    let first = missing.map(|n| n / 2);
    if missing == [0; 3] {
        return Ok((values, first));
    }
    check_padding(old, missing, mode)?;
    // For every new index along each axis the old one, or none for the constant.
    let mut tables: [Vec<Option<usize>>; 3] = Default::default();
    for axis in 0..3 {
        let n = old[axis];
        tables[axis] = (0..old[axis] + missing[axis])
            .map(|i| {
                let at = i as isize - first[axis] as isize;
                let last = n as isize - 1;
                match mode {
                    Padding::Constant => (0..=last).contains(&at).then_some(at as usize),
                    Padding::Replicate => Some(at.clamp(0, last) as usize),
                    Padding::Reflect => Some((last - (last - at.abs()).abs()) as usize),
                    Padding::Circular => Some(at.rem_euclid(n as isize) as usize),
                }
            })
            .collect();
    }
    let channels = values.len_of(Axis(0));
    let padded =
        Array4::from_shape_fn((channels, tables[0].len(), tables[1].len(), tables[2].len()), |(k, s, r, c)| {
            match (tables[0][s], tables[1][r], tables[2][c]) {
                (Some(s), Some(r), Some(c)) => values[[k, s, r, c]],
                _ => cval,
            }
        });
    Ok((padded, first))
}

/// Fails where the mode asks for more than an input of `size` has, when `missing` is put around it (half of it, or one more,
/// at the end).
pub(super) fn check_padding(size: [usize; 3], missing: [usize; 3], mode: Padding) -> Result<()> {
    for (n, missing) in size.into_iter().zip(missing) {
        let most = missing.div_ceil(2);
        let possible = match mode {
            Padding::Reflect => most < n,
            Padding::Circular => most <= n,
            Padding::Constant | Padding::Replicate => true,
        };
        if missing > 0 && !possible {
            return Err(Error::invalid(format!("{mode:?} padding of {most} around {n} values")));
        }
    }
    Ok(())
}
