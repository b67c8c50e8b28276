//! Convolution, pooling, resampling.

use super::NodeReader;
use crate::op::{AspectRatio, AutoPad, ResizeOptions, Window};
use crate::{Coordinates, Error, Nearest, Op, ResizeMode, Result, Tensor};

pub fn read(node: &mut NodeReader<'_, '_, '_>) -> Result<Option<Op>> {
    Ok(Some(match node.op_type {
        "Conv" => {
            node.arity(2, 3)?;
            Op::Conv { window: window(node)?, group: node.attributes.size_or("group", 1, 1)? }
        }
        "ConvTranspose" => {
            node.arity(2, 3)?;
            Op::ConvTranspose {
                window: window(node)?,
                group: node.attributes.size_or("group", 1, 1)?,
                output_padding: node.attributes.sizes("output_padding", 0)?,
                output_shape: node.attributes.sizes("output_shape", 1)?.filter(|s| !s.is_empty()),
            }
        }
        "MaxPool" => {
            node.arity(1, 1)?;
            Op::MaxPool {
                window: pool_window(node)?,
                ceil_mode: node.attributes.flag("ceil_mode", false)?,
                column_major: node.attributes.flag("storage_order", false)?,
            }
        }
        "AveragePool" => {
            node.arity(1, 1)?;
            Op::AveragePool {
                window: pool_window(node)?,
                ceil_mode: node.attributes.flag("ceil_mode", false)?,
                count_include_pad: node.attributes.flag("count_include_pad", false)?,
            }
        }
        "GlobalAveragePool" => {
            node.arity(1, 1)?;
            Op::GlobalAveragePool
        }
        "GlobalMaxPool" => {
            node.arity(1, 1)?;
            Op::GlobalMaxPool
        }
        "LpPool" => {
            node.arity(1, 1)?;
            let (window, ceil_mode) = (pool_window(node)?, node.attributes.flag("ceil_mode", false)?);
            Op::LpPool { window, ceil_mode, p: order(node)? }
        }
        "GlobalLpPool" => {
            node.arity(1, 1)?;
            Op::GlobalLpPool { p: order(node)? }
        }
        "Upsample" => upsample(node)?,
        "Resize" => resize(node)?,
        "DepthToSpace" => {
            node.arity(1, 1)?;
            let crd = match node.attributes.string_or("mode", "DCR")? {
                "DCR" => false,
                "CRD" => true,
                other => return node.refuse("mode", other),
            };
            Op::DepthToSpace { blocksize: node.attributes.size_or("blocksize", 0, 1)?, crd }
        }
        "SpaceToDepth" => {
            node.arity(1, 1)?;
            let crd = match node.attributes.string_or("mode", "DCR")? {
                "DCR" => false,
                "CRD" => true,
                other => return node.refuse("mode", other),
            };
            Op::SpaceToDepth { blocksize: node.attributes.size_or("blocksize", 0, 1)?, crd }
        }
        _ => return Ok(None),
    }))
}

pub fn window(node: &NodeReader<'_, '_, '_>) -> Result<Window> {
    let a = &node.attributes;
    let auto_pad = match a.string_or("auto_pad", "NOTSET")? {
        "NOTSET" | "" => AutoPad::NotSet,
        "SAME_UPPER" => AutoPad::SameUpper,
        "SAME_LOWER" => AutoPad::SameLower,
        "VALID" => AutoPad::Valid,
        other => return node.refuse("auto_pad", other),
    };
    Ok(Window {
        kernel_shape: a.sizes("kernel_shape", 1)?,
        strides: a.sizes("strides", 1)?,
        pads: a.sizes("pads", 0)?,
        dilations: a.sizes("dilations", 1)?,
        auto_pad,
    })
}

pub fn pool_window(node: &NodeReader<'_, '_, '_>) -> Result<Window> {
    let window = window(node)?;
    if window.kernel_shape.is_none() {
        return Err(Error::malformed("attribute 'kernel_shape' is missing"));
    }
    Ok(window)
}

/// The order of a norm.
fn order(node: &NodeReader<'_, '_, '_>) -> Result<u32> {
    let p = node.attributes.size_or("p", 2, 1)?;
    u32::try_from(p).map_err(|_| Error::limit(format!("a norm of order {p}")))
}

fn mode(node: &NodeReader<'_, '_, '_>, nearest: Nearest) -> Result<ResizeMode> {
    Ok(match node.attributes.string_or("mode", "nearest")? {
        "nearest" => ResizeMode::Nearest(nearest),
        "linear" | "bilinear" => ResizeMode::Linear,
        "cubic" => ResizeMode::Cubic { a: node.attributes.float_or("cubic_coeff_a", -0.75)? },
        other => return node.refuse("mode", other),
    })
}

fn upsample(node: &mut NodeReader<'_, '_, '_>) -> Result<Op> {
    if node.since(10) {
        return Err(Error::malformed("operator sets from 10 on have no Upsample"));
    }
    let mode = legacy_mode(node)?;
    if node.since(9) {
        node.arity(2, 2)?;
        node.inputs.insert(1, None);
    } else {
        node.arity(1, 1)?;
        let scales = node.required("scales", node.attributes.floats("scales")?)?;
        node.parameter(2, "scales", Tensor::from_f32([scales.len()], scales.to_vec())?)?;
    }
    let options = ResizeOptions::default();
    Ok(Op::Resize { mode, coordinates: Coordinates::Asymmetric, axes: None, legacy: true, options })
}

/// Operator sets before 11 know two modes.
fn legacy_mode(node: &NodeReader<'_, '_, '_>) -> Result<ResizeMode> {
    match mode(node, Nearest::Floor)? {
        ResizeMode::Cubic { .. } => node.refuse("mode", "cubic"),
        mode => Ok(mode),
    }
}

fn resize(node: &mut NodeReader<'_, '_, '_>) -> Result<Op> {
    if !node.since(11) {
        node.arity(2, 2)?;
        let mode = legacy_mode(node)?;
        node.inputs.insert(1, None);
        let options = ResizeOptions::default();
        return Ok(Op::Resize { mode, coordinates: Coordinates::Asymmetric, axes: None, legacy: true, options });
    }
    node.arity(1, 4)?;
    let a = &node.attributes;
    let coordinates = match a.string_or("coordinate_transformation_mode", "half_pixel")? {
        "half_pixel" => Coordinates::HalfPixel,
        "half_pixel_symmetric" => Coordinates::HalfPixelSymmetric,
        "pytorch_half_pixel" => Coordinates::PytorchHalfPixel,
        "align_corners" => Coordinates::AlignCorners,
        "asymmetric" => Coordinates::Asymmetric,
        "tf_crop_and_resize" => Coordinates::TfCropAndResize,
        other => return node.refuse("coordinate_transformation_mode", other),
    };
    let nearest = match a.string_or("nearest_mode", "round_prefer_floor")? {
        "round_prefer_floor" | "" => Nearest::RoundPreferFloor,
        "round_prefer_ceil" => Nearest::RoundPreferCeil,
        "floor" => Nearest::Floor,
        "ceil" => Nearest::Ceil,
        other => return node.refuse("nearest_mode", other),
    };
    let options = ResizeOptions {
        antialias: a.flag("antialias", false)?,
        exclude_outside: a.flag("exclude_outside", false)?,
        keep_aspect_ratio: match a.string_or("keep_aspect_ratio_policy", "stretch")? {
            "stretch" => AspectRatio::Stretch,
            "not_larger" => AspectRatio::NotLarger,
            "not_smaller" => AspectRatio::NotSmaller,
            other => return node.refuse("keep_aspect_ratio_policy", other),
        },
        extrapolation_value: a.float_or("extrapolation_value", 0.0)?,
    };
    // Of the cubic mode only.
    a.ignore(&["cubic_coeff_a"]);
    Ok(Op::Resize {
        mode: mode(node, nearest)?,
        coordinates,
        axes: a.ints("axes")?.map(<[i64]>::to_vec),
        legacy: false,
        options,
    })
}
