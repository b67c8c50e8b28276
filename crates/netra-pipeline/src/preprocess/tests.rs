//! Steps against MONAI 1.6.1 on the same arrays: the numbers are MONAI's. Its arrays are RAS, ours LPS, so that its affine
//! appears here with x and y negated.

use ndarray::{Array3, Array4};
use netra_core::{Affine, Image, IntensityUnit, Volume};
use netra_package::manifest::Interpolation;

use super::*;
use crate::InputSize;

fn close<'a>(got: impl IntoIterator<Item = &'a f32>, want: &[f32]) {
    let got: Vec<f32> = got.into_iter().copied().take(want.len()).collect();
    assert_eq!(got.len(), want.len());
    for (g, w) in got.iter().zip(want) {
        assert!((g - w).abs() < 2e-4, "{got:?}\n{want:?}");
    }
}

fn volume(shape: (usize, usize, usize), value: impl Fn(usize) -> f32) -> Volume {
    let (_, rows, columns) = shape;
    let voxels = Array3::from_shape_fn(shape, |(s, r, c)| value((s * rows + r) * columns + c));
    // Slices to the left, rows to the back, columns to the head.
    let affine = Affine::from_steps([0.8, 0.0, 0.0], [0.0, 1.5, 0.0], [0.0, 0.0, 3.0], [0.0; 3]);
    let grid = netra_core::Geometry::new([shape.0, shape.1, shape.2], affine).expect("valid");
    Volume::new(voxels, grid, IntensityUnit::Arbitrary).expect("valid")
}

fn mixed(i: usize) -> f32 {
    if i.is_multiple_of(7) { 0.0 } else { (i * 41 % 29) as f32 - 7.0 }
}

fn picture(channels: usize, rows: usize, columns: usize) -> Image {
    let pixels = Array3::from_shape_fn((channels, rows, columns), |(k, r, c)| (1 + r * columns + c + 100 * k) as f32);
    Image::new(pixels, IntensityUnit::Display, [0.0, 255.0]).expect("valid")
}

fn after<'a>(step: Preprocess, input: impl Into<Input<'a>>) -> (Array4<f32>, crate::Placement) {
    run(&[step], input.into(), &Limits::default()).expect("sound").into_array()
}

#[test]
fn padding_and_cropping_are_monais() {
    let image = picture(1, 7, 6);
    let of =
        |size: [usize; 2]| after(Preprocess::ResizeWithPadOrCrop { spatial_size: size.to_vec(), value: 0.0 }, &image).0;
    close(&of([4, 3]), &[9.0, 10.0, 11.0, 15.0, 16.0, 17.0, 21.0, 22.0, 23.0, 27.0, 28.0, 29.0]);
    close(&of([3, 4]), &[14.0, 15.0, 16.0, 17.0, 20.0, 21.0, 22.0, 23.0, 26.0, 27.0, 28.0, 29.0]);
    close(&of([9, 5]), &[0.0, 0.0, 0.0, 0.0, 0.0, 2.0, 3.0, 4.0, 5.0, 6.0, 8.0]);
    let wide = of([10, 9]);
    assert_eq!(wide.dim(), (1, 1, 10, 9));
    close(&wide, &[0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 0.0, 0.0, 0.0, 7.0]);
}

#[test]
fn normalizing_is_monais() {
    let scan = volume((3, 4, 5), mixed);
    let step =
        |nonzero| Preprocess::NormalizeIntensity { nonzero, channel_wise: false, subtrahend: None, divisor: None };
    let plain = [-0.69926, -0.08766, 1.38016, -0.69926, 0.76857, -1.31085, 0.15698, -0.69926, -0.45462, 1.01321];
    close(&after(step(false), &scan).0, &plain);
    let nonzero = [0.0, -0.23431, 1.17156, 0.0, 0.58578, -1.40587, 0.0, 0.0, -0.58578, 0.82009];
    close(&after(step(true), &scan).0, &nonzero);
}

#[test]
fn percentile_scaling_is_monais() {
    let scan = volume((3, 4, 5), mixed);
    let step =
        Preprocess::ScaleIntensityRangePercentiles { lower: 2.0, upper: 98.0, b_min: 0.0, b_max: 1.0, clip: true };
    let want = [0.24674, 0.42764, 0.86179, 0.24674, 0.6809, 0.06585, 0.5, 0.24674, 0.3191, 0.75326];
    close(&after(step, &scan).0, &want);
}

#[test]
fn spacing_is_monais() {
    let scan = volume((4, 5, 6), |i| (i * 41 % 29) as f32 - 7.0);
    let step = Preprocess::Spacing { pixdim: vec![1.1, 1.0, 2.0], mode: Interpolation::Bilinear };
    let (values, place) = after(step, &scan);
    assert_eq!(values.dim(), (1, 3, 7, 8));
    assert_eq!(place.geometry.affine().step(2), [0.0, 0.0, 2.0]);
    let want = [
        -7.0, 1.0, 9.0, 17.0, 5.6667, 4.0, 12.0, 0.6667, 2.3333, 10.3333, 11.8889, 7.0, 8.5556, 6.8889, 2.0, 3.5556,
        11.6667, 13.2222, 11.5556, 6.6667, 8.2222, 6.5556, 1.6667, 3.2222, 21.0, 9.6667, 8.0, 16.0, 4.6667, 3.0, 11.0,
        -0.3333,
    ];
    close(&values, &want);
}

#[test]
fn orientation_moves_voxels_and_keeps_their_place() {
    let scan = volume((4, 5, 6), |i| i as f32);
    let (values, place) = after(Preprocess::Orientation { axcodes: "IRA".to_owned() }, &scan);
    assert_eq!(values.dim(), (1, 6, 4, 5));
    assert_eq!(values[[0, 0, 0, 0]], scan.voxels()[[3, 4, 5]]);
    assert_eq!(place.geometry.affine().origin(), scan.geometry().affine().apply([3.0, 4.0, 5.0]));
}

/// FreeSurfer's rule: index 128 of the 256 lies where the source has its index (2, 2.5, 3).
#[test]
fn conforming_puts_the_middle_in_the_middle() {
    let scan = volume((4, 5, 6), |i| i as f32);
    let step = Preprocess::Conform {
        axcodes: "LIA".to_owned(),
        pixdim: vec![1.0; 3],
        spatial_size: vec![16, 20, 24],
        mode: Interpolation::Bilinear,
    };
    let (values, place) = after(step, &scan);
    assert_eq!(values.dim(), (1, 16, 20, 24));
    let (middle, want) =
        (place.geometry.affine().apply([8.0, 10.0, 12.0]), scan.geometry().affine().apply([2.0, 2.5, 3.0]));
    assert!((0..3).all(|i| (middle[i] - want[i]).abs() < 1e-9));
    assert_eq!(place.geometry.affine().step(1), [0.0, 0.0, -1.0]);
    assert_eq!(values[[0, 0, 0, 0]], 0.0);
    assert!((values[[0, 8, 10, 12]] - 75.5).abs() < 20.0 && values[[0, 8, 10, 12]] > 0.0);
}

#[test]
fn foreground_is_cropped_with_its_margin() {
    let mut pixels = Array3::zeros((1, 8, 9));
    pixels[[0, 3, 4]] = 1.0;
    pixels[[0, 4, 7]] = 2.0;
    let image = Image::new(pixels, IntensityUnit::Display, [0.0, 255.0]).expect("valid");
    let (values, place) = after(Preprocess::CropForeground { threshold: 0.5, margin: 2 }, &image);
    assert_eq!(values.dim(), (1, 1, 6, 7));
    assert_eq!(place.geometry.affine().origin(), [0.0, 1.0, 2.0]);
    let (values, _) = after(Preprocess::CropForeground { threshold: 9.0, margin: 2 }, &image);
    assert_eq!(values.dim(), (1, 1, 8, 9));
}

#[test]
fn field_of_view_is_the_largest_bright_region_without_its_holes() {
    let mut pixels = Array3::zeros((3, 9, 9));
    for (r, c) in (2..7).flat_map(|r| (1..6).map(move |c| (r, c))).filter(|&at| at != (4, 3)) {
        pixels
            .slice_axis_mut(ndarray::Axis(1), (r..=r).into())
            .slice_axis_mut(ndarray::Axis(2), (c..=c).into())
            .fill(90.0);
    }
    pixels[[0, 0, 8]] = 255.0;
    let image = Image::new(pixels, IntensityUnit::Display, [0.0, 255.0]).expect("valid");
    let (values, place) = after(Preprocess::CropFieldOfView { threshold: 0.5 }, &image);
    assert_eq!(values.dim(), (3, 1, 5, 5));
    let (mask, _) = place.field_of_view.expect("remembered");
    assert_eq!(mask.sum(), 25);
    assert_eq!((mask[[0, 4, 3]], mask[[0, 0, 8]]), (1, 0));
}

#[test]
fn colours_become_grey_and_grey_becomes_colour() {
    let (grey, _) = after(Preprocess::Grayscale {}, &picture(3, 1, 1));
    close(&grey, &[0.299 + 0.587 * 101.0 + 0.114 * 201.0]);
    let (colour, _) = after(Preprocess::ToRgb {}, &picture(1, 1, 2));
    close(&colour, &[1.0, 2.0, 1.0, 2.0, 1.0, 2.0]);
}

#[test]
fn stored_values_and_extremes_are_scaled() {
    close(&after(Preprocess::ScaleValueRange { b_min: -1.0, b_max: 1.0 }, &picture(1, 1, 1)).0, &[2.0 / 255.0 - 1.0]);
    close(&after(Preprocess::ScaleIntensity { minv: 0.0, maxv: 1.0 }, &picture(1, 1, 3)).0, &[0.0, 0.5, 1.0]);
    let range = |clip| Preprocess::ScaleIntensityRange { a_min: 1.0, a_max: 2.0, b_min: 0.0, b_max: 10.0, clip };
    close(&after(range(false), &picture(1, 1, 3)).0, &[0.0, 10.0, 20.0]);
    close(&after(range(true), &picture(1, 1, 3)).0, &[0.0, 10.0, 10.0]);
}

/// torch 2.15 `interpolate(mode='trilinear' | 'nearest' | 'nearest-exact')` of a volume.
#[test]
fn volumes_are_resized_as_torch_does() {
    let scan = volume((2, 3, 4), |i| (i * 17 % 13) as f32);
    let of = |mode, align_corners| {
        let step = Preprocess::Resize { spatial_size: vec![3, 2, 3], mode, anti_aliasing: false, align_corners };
        after(step, &scan).0
    };
    close(
        &of(Interpolation::Bilinear, false),
        &[
            1.4167, 6.75, 9.375, 5.9167, 6.375, 4.125, 4.8333, 4.75, 8.7292, 5.2708, 6.8125, 4.2917, 8.25, 2.75,
            8.0833, 4.625, 7.25, 4.4583,
        ],
    );
    close(
        &of(Interpolation::Bilinear, true),
        &[0.0, 6.0, 12.0, 6.0, 5.5, 5.0, 4.5, 4.0, 10.0, 4.0, 6.75, 3.0, 9.0, 2.0, 8.0, 2.0, 8.0, 1.0],
    );
    close(
        &of(Interpolation::Nearest, false),
        &[0.0, 4.0, 8.0, 3.0, 7.0, 11.0, 0.0, 4.0, 8.0, 3.0, 7.0, 11.0, 9.0, 0.0, 4.0, 12.0, 3.0, 7.0],
    );
    close(
        &of(Interpolation::NearestExact, false),
        &[0.0, 8.0, 12.0, 6.0, 1.0, 5.0, 9.0, 4.0, 8.0, 2.0, 10.0, 1.0, 9.0, 4.0, 8.0, 2.0, 10.0, 1.0],
    );
}

#[test]
fn values_that_are_no_numbers_are_refused() {
    let scan = volume((2, 2, 2), |i| if i == 3 { f32::NAN } else { 1.0 });
    let error = run(&[], Input::from(&scan), &Limits::default()).expect_err("NaN");
    assert_eq!(error.kind(), netra_core::ErrorKind::InvalidInput);
}

#[test]
fn a_grid_over_the_limit_is_refused_before_it_is_made() {
    let scan = volume((4, 5, 6), |i| i as f32);
    let step = Preprocess::Spacing { pixdim: vec![1e-3, 1e-3, 1e-3], mode: Interpolation::Bilinear };
    let error = run(&[step], Input::from(&scan), &Limits::default()).expect_err("too large");
    assert_eq!(error.kind(), netra_core::ErrorKind::Limit);
    assert!(error.to_string().contains("preprocess[0] Spacing"), "{error}");
}

#[test]
fn the_source_grid_of_an_image_is_its_pixels() {
    let grid = InputSize::Image { channels: 1, size: [4, 5] }.geometry().expect("valid");
    assert_eq!(grid.affine().apply([0.0, 2.0, 3.0]), [0.0, 2.0, 3.0]);
}
