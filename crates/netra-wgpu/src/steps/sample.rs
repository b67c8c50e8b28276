//! GridSample and RoiAlign. Everything is in one piece (checked on compile).

use netra_graph::{GridMode, GridPadding, GridSample, Result, RoiAlign};

use super::view::whole;
use super::window::three;
use crate::gpu::Gpu;
use crate::kernels::sample::{
    GridSizesLaunch, Outside, RoiSizesLaunch, Sampling, Taps, grid_sample_kernel, roi_align_kernel,
};
use crate::value::{Value, count};

/// `x` sampled at the places of `grid`.
pub(crate) fn run_grid(gpu: &Gpu, p: &GridSample, x: &Value, grid: &Value, shape: &[usize]) -> Result<Value> {
    let (source, places, total) = (whole(x)?, whole(grid)?, count(shape));
    let out = gpu.empty(total);
    if total > 0 {
        let sampling = Sampling {
            taps: match p.mode {
                GridMode::Nearest => Taps::Nearest,
                GridMode::Linear => Taps::Linear,
                GridMode::Cubic => Taps::Cubic,
            },
            outside: match p.padding {
                GridPadding::Zeros => Outside::Zeros,
                GridPadding::Border => Outside::Border,
                GridPadding::Reflection => Outside::Reflection,
            },
            align_corners: p.align_corners,
            rank: shape.len() - 2,
        };
        let [d, h, w] = three(&x.shape[2..], 1);
        let sizes = GridSizesLaunch::new(total, shape[1], count(&shape[2..]), d, h, w);
        let (cubes, dim) = gpu.grid(total);
        grid_sample_kernel::launch(&gpu.client, cubes, dim, source.arg(), places.arg(), out.arg(), sizes, sampling);
    }
    Ok(Value::whole(shape, out))
}

/// Bins of the regions `rois` of the images `batches`.
pub(crate) fn run_roi_align(
    gpu: &Gpu,
    p: &RoiAlign,
    x: &Value,
    rois: &Value,
    batches: &Value,
    shape: &[usize],
) -> Result<Value> {
    let (source, regions, images, total) = (whole(x)?, whole(rois)?, whole(batches)?, count(shape));
    let out = gpu.empty(total);
    let (&[n, channels, height, width], &[_, _, rows, columns]) = (x.shape.as_slice(), shape) else {
        return Ok(Value::whole(shape, out));
    };
    if total > 0 {
        let (scale, offset) = (p.spatial_scale, if p.half_pixel { 0.5 } else { 0.0 });
        let sizes =
            RoiSizesLaunch::new(total, n, channels, height, width, rows, columns, p.sampling_ratio, scale, offset);
        let start = if p.max { f32::NEG_INFINITY } else { 0.0 };
        let (cubes, dim) = gpu.grid(total);
        let (c, source, regions, images) = (&gpu.client, source.arg(), regions.arg(), images.arg());
        roi_align_kernel::launch(c, cubes, dim, source, regions, images, out.arg(), sizes, start, p.max, p.half_pixel);
    }
    Ok(Value::whole(shape, out))
}
