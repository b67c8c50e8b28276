//! The geometry of sliding windows: defaults, `auto_pad`, output sizes.

use crate::{AutoPad, Error, Result, Window};

/// A window with every default filled in, one entry a spatial axis.
pub struct Resolved {
    pub kernel: Vec<usize>,
    pub strides: Vec<usize>,
    pub pads: Vec<(usize, usize)>,
    pub dilations: Vec<usize>,
}

/// Fills in defaults. Under `auto_pad` the padding is that of a forward window over an input of sizes `spatial`.
pub fn resolve(window: &Window, kernel: &[usize], spatial: &[usize]) -> Result<Resolved> {
    let rank = spatial.len();
    if window.kernel_shape.as_ref().is_some_and(|k| k != kernel) || kernel.len() != rank {
        return Err(Error::malformed(format!("kernel_shape {:?} for a kernel {kernel:?}", window.kernel_shape)));
    }
    let list = |name: &str, list: &Option<Vec<usize>>| match list {
        None => Ok(vec![1; rank]),
        Some(list) if list.len() == rank => Ok(list.clone()),
        Some(list) => Err(Error::malformed(format!("{name} {list:?} for {rank} spatial axes"))),
    };
    let strides = list("strides", &window.strides)?;
    let dilations = list("dilations", &window.dilations)?;
    let pads = match (&window.pads, window.auto_pad) {
        (_, AutoPad::Valid) | (None, AutoPad::NotSet) => vec![(0, 0); rank],
        (Some(pads), AutoPad::NotSet) if pads.len() == 2 * rank => {
            pads.iter().zip(&pads[rank..]).map(|(&b, &e)| (b, e)).collect()
        }
        (Some(pads), AutoPad::NotSet) => {
            return Err(Error::malformed(format!("pads {pads:?} for {rank} spatial axes")));
        }
        (_, same) => {
            let axis = |i: usize| same_padding(same, spatial[i], strides[i], extent(kernel[i], dilations[i])?);
            (0..rank).map(axis).collect::<Result<_>>()?
        }
    };
    Ok(Resolved { kernel: kernel.to_vec(), strides, pads, dilations })
}

/// Input elements from a window's first tap to its last.
pub fn extent(kernel: usize, dilation: usize) -> Result<usize> {
    kernel
        .checked_sub(1)
        .and_then(|k| k.checked_mul(dilation))
        .and_then(|k| k.checked_add(1))
        .ok_or_else(|| Error::malformed(format!("kernel size {kernel} with dilation {dilation}")))
}

fn same_padding(mode: AutoPad, size: usize, stride: usize, extent: usize) -> Result<(usize, usize)> {
    let output = size.div_ceil(stride);
    let reach = output.saturating_sub(1).checked_mul(stride).and_then(|n| n.checked_add(extent));
    let total = reach.ok_or_else(|| Error::limit("a window's reach"))?.saturating_sub(size);
    let (less, more) = (total / 2, total - total / 2);
    Ok(if mode == AutoPad::SameLower { (more, less) } else { (less, more) })
}

impl Resolved {
    /// Output size along each axis. With `ceil_mode` a last window may reach past the padded input, but must begin
    /// inside the input or its leading padding.
    pub fn output(&self, spatial: &[usize], ceil_mode: bool) -> Result<Vec<usize>> {
        (0..spatial.len())
            .map(|i| {
                let (before, after) = self.pads[i];
                let extent = extent(self.kernel[i], self.dilations[i])?;
                let padded = spatial[i]
                    .checked_add(before)
                    .and_then(|n| n.checked_add(after))
                    .ok_or_else(|| Error::limit("a padded size"))?;
                let room = padded.checked_sub(extent).ok_or_else(|| {
                    Error::malformed(format!(
                        "a window of {extent} over {padded} elements (axis {i}, padding included)"
                    ))
                })?;
                let stride = self.strides[i];
                if !ceil_mode {
                    return Ok(room / stride + 1);
                }
                let output = room.div_ceil(stride) + 1;
                let starts_outside = (output - 1).checked_mul(stride).is_none_or(|at| at >= spatial[i] + before);
                Ok(if starts_outside { output - 1 } else { output })
            })
            .collect()
    }
}
