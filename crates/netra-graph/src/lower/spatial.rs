//! Convolution and transposed convolution.

use super::Inputs;
use super::emit::Lowerer;
use super::window::{self, extent};
use crate::{AutoPad, Conv, ConvTranspose, Error, Kernel, Result, ValueId, Window};

/// Batch, channels and spatial sizes of a tensor with 1 to 3 spatial axes.
pub fn planes(shape: &[usize]) -> Result<(usize, usize, &[usize])> {
    match shape {
        [n, c, spatial @ ..] if (1..=3).contains(&spatial.len()) => Ok((*n, *c, spatial)),
        _ => Err(Error::unsupported(format!("shape {shape:?}, not [N, C] and 1 to 3 spatial axes"))),
    }
}

pub fn conv(lo: &mut Lowerer, inputs: &Inputs<'_>, window: &Window, groups: usize) -> Result<ValueId> {
    let (x, weight, bias) = (inputs.need(0)?, inputs.need(1)?, inputs.get(2));
    let (n, channels, spatial) = planes(lo.shape(x))?;
    let &[outputs, inner, ref kernel @ ..] = lo.shape(weight) else {
        return Err(Error::malformed(format!("weights of shape {:?}", lo.shape(weight))));
    };
    if inner.checked_mul(groups) != Some(channels) || outputs % groups != 0 {
        return Err(Error::malformed(format!(
            "weights of shape {:?} in {groups} groups for {channels} channels",
            lo.shape(weight)
        )));
    }
    check_bias(lo, bias, outputs)?;
    let window = window::resolve(window, kernel, spatial)?;
    let shape = [vec![n, outputs], window.output(spatial, false)?].concat();
    let kernel = Kernel::Conv(Conv {
        strides: window.strides,
        pads: window.pads,
        dilations: window.dilations,
        groups,
        activation: None,
    });
    let inputs: Vec<_> = [Some(x), Some(weight), bias].into_iter().take(2 + usize::from(bias.is_some())).collect();
    lo.emit_optional(kernel, &inputs, lo.dtype(x), &shape)
}

/// `sizes` are `output_padding` and `output_shape`.
pub fn conv_transpose(
    lo: &mut Lowerer,
    inputs: &Inputs<'_>,
    window: &Window,
    groups: usize,
    sizes: (Option<&[usize]>, Option<&[usize]>),
) -> Result<ValueId> {
    let (x, weight, bias) = (inputs.need(0)?, inputs.need(1)?, inputs.get(2));
    let (n, channels, spatial) = planes(lo.shape(x))?;
    let &[inner, per_group, ref kernel @ ..] = lo.shape(weight) else {
        return Err(Error::malformed(format!("weights of shape {:?}", lo.shape(weight))));
    };
    let outputs = per_group.checked_mul(groups).ok_or_else(|| Error::limit("output channels"))?;
    if inner != channels || channels % groups != 0 {
        return Err(Error::malformed(format!(
            "weights of shape {:?} in {groups} groups for {channels} channels",
            lo.shape(weight)
        )));
    }
    check_bias(lo, bias, outputs)?;
    let rank = spatial.len();
    let (output_padding, output_shape) = sizes;
    if [output_padding, output_shape].into_iter().flatten().any(|list| list.len() != rank) {
        return Err(Error::malformed(format!("output_padding or output_shape for other than {rank} spatial axes")));
    }
    // `auto_pad` of a transposed window depends on the output, so the padding is worked out here.
    let plain = Window { auto_pad: AutoPad::NotSet, ..window.clone() };
    let fixed = window::resolve(&plain, kernel, spatial)?;
    let mut pads = Vec::with_capacity(rank);
    let mut shape = vec![n, outputs];
    for i in 0..rank {
        let extra = output_padding.map_or(0, |p| p[i]);
        // Sizes and attributes are far below 2^63 each, so their products fit in 128 bits.
        let full = fixed.strides[i] as i128 * (spatial[i] as i128 - 1)
            + extent(kernel[i], fixed.dilations[i])? as i128
            + extra as i128;
        let target = match (output_shape, window.auto_pad) {
            (Some(shape), _) => Some(shape[i] as i128),
            (None, AutoPad::SameUpper | AutoPad::SameLower) => Some(spatial[i] as i128 * fixed.strides[i] as i128),
            (None, AutoPad::Valid) => Some(full),
            (None, AutoPad::NotSet) => None,
        };
        let (before, after) = match target {
            None => (fixed.pads[i].0 as i128, fixed.pads[i].1 as i128),
            Some(target) => {
                let total = full - target;
                let (less, more) = (total / 2, total - total / 2);
                match window.auto_pad {
                    // What the kernel does not reach lies at the end.
                    _ if total < 0 => (0, total),
                    AutoPad::SameUpper => (less, more),
                    _ => (more, less),
                }
            }
        };
        let size = full - before - after;
        let size = usize::try_from(size).ok().filter(|&s| s > 0);
        shape.push(size.ok_or_else(|| Error::malformed(format!("an output of no elements (spatial axis {i})")))?);
        let narrow = |_| Error::limit("padding of a transposed convolution");
        pads.push((usize::try_from(before).map_err(narrow)?, isize::try_from(after - extra as i128).map_err(narrow)?));
    }
    let kernel = Kernel::ConvTranspose(ConvTranspose {
        strides: fixed.strides,
        pads,
        dilations: fixed.dilations,
        groups,
        activation: None,
    });
    let inputs: Vec<_> = [Some(x), Some(weight), bias].into_iter().take(2 + usize::from(bias.is_some())).collect();
    lo.emit_optional(kernel, &inputs, lo.dtype(x), &shape)
}

fn check_bias(lo: &Lowerer, bias: Option<ValueId>, outputs: usize) -> Result<()> {
    match bias {
        Some(bias) if lo.shape(bias) != [outputs] => {
            Err(Error::malformed(format!("a bias of shape {:?} for {outputs} channels", lo.shape(bias))))
        }
        _ => Ok(()),
    }
}
