//! Sampling at given places, and what puts elements back.

use super::NodeReader;
use super::spatial::{pool_window, window};
use crate::op::{AutoPad, Window};
use crate::{GridMode, GridPadding, GridSample, Op, Result, RoiAlign};

pub fn read(node: &mut NodeReader<'_, '_, '_>) -> Result<Option<Op>> {
    Ok(Some(match node.op_type {
        "GridSample" => {
            node.arity(2, 2)?;
            Op::GridSample(GridSample {
                mode: match node.attributes.string_or("mode", "linear")? {
                    // The names of operator set 16, and those after it.
                    "bilinear" | "linear" => GridMode::Linear,
                    "nearest" => GridMode::Nearest,
                    "bicubic" | "cubic" => GridMode::Cubic,
                    other => return node.refuse("mode", other),
                },
                padding: match node.attributes.string_or("padding_mode", "zeros")? {
                    "zeros" => GridPadding::Zeros,
                    "border" => GridPadding::Border,
                    "reflection" => GridPadding::Reflection,
                    other => return node.refuse("padding_mode", other),
                },
                align_corners: node.attributes.flag("align_corners", false)?,
            })
        }
        "AffineGrid" => {
            node.arity(2, 2)?;
            Op::AffineGrid { align_corners: node.attributes.flag("align_corners", false)? }
        }
        "Col2Im" => {
            node.arity(3, 3)?;
            let a = &node.attributes;
            Op::Col2Im {
                window: Window {
                    kernel_shape: None,
                    strides: a.sizes("strides", 1)?,
                    pads: a.sizes("pads", 0)?,
                    dilations: a.sizes("dilations", 1)?,
                    auto_pad: AutoPad::NotSet,
                },
            }
        }
        "DeformConv" => {
            node.arity(3, 5)?;
            Op::DeformConv {
                window: window(node)?,
                group: node.attributes.size_or("group", 1, 1)?,
                offset_group: node.attributes.size_or("offset_group", 1, 1)?,
            }
        }
        "RoiAlign" => {
            node.arity(3, 3)?;
            // Before operator set 16 nothing was shifted.
            let default = if node.since(16) { "half_pixel" } else { "output_half_pixel" };
            let half_pixel = match node.attributes.string_or("coordinate_transformation_mode", default)? {
                "half_pixel" => true,
                "output_half_pixel" => false,
                other => return node.refuse("coordinate_transformation_mode", other),
            };
            let max = match node.attributes.string_or("mode", "avg")? {
                "avg" => false,
                "max" => true,
                other => return node.refuse("mode", other),
            };
            Op::RoiAlign {
                align: RoiAlign {
                    max,
                    sampling_ratio: node.attributes.size_or("sampling_ratio", 0, 0)?,
                    spatial_scale: node.attributes.float_or("spatial_scale", 1.0)?,
                    half_pixel,
                },
                output_height: node.attributes.size_or("output_height", 1, 1)?,
                output_width: node.attributes.size_or("output_width", 1, 1)?,
            }
        }
        "MaxUnpool" => {
            node.arity(2, 3)?;
            Op::MaxUnpool { window: pool_window(node)? }
        }
        "Det" => {
            node.arity(1, 1)?;
            Op::Det
        }
        _ => return Ok(None),
    }))
}
