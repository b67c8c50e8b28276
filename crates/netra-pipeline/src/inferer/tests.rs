//! Sliding windows against MONAI 1.6.1: the numbers are those of `dense_patch_slices`, `compute_importance_map` and
//! `sliding_window_inference` on torch 2.15.

use netra_package::manifest::{Blend, Padding};

use super::*;

fn close<'a>(got: impl IntoIterator<Item = &'a f32>, want: &[f32]) {
    let got: Vec<f32> = got.into_iter().copied().collect();
    assert_eq!(got.len(), want.len());
    for (g, w) in got.iter().zip(want) {
        assert!((g - w).abs() < 2e-4, "{got:?}\n{want:?}");
    }
}

#[test]
fn windows_begin_where_monais_do() {
    assert_eq!(window_starts(10, 4, 0.25), [0, 3, 6]);
    assert_eq!(window_starts(10, 4, 0.5), [0, 2, 4, 6]);
    assert_eq!(window_starts(7, 3, 0.6), [0, 1, 2, 3, 4]);
    assert_eq!(window_starts(96, 40, 0.25), [0, 30, 56]);
    assert_eq!(window_starts(4, 4, 0.25), [0]);
    assert_eq!(window_starts(9, 2, 0.9), [0, 1, 2, 3, 4, 5, 6, 7]);
    assert_eq!(window_starts(11, 5, 0.3), [0, 3, 6]);
}

#[test]
fn gaussian_weights_are_monais() {
    let map = importance_map([3, 4, 5], Blend::Gaussian, 0.125);
    // The first plane is all at the least weight but for its middle.
    assert_eq!(map[[0, 0, 0]], 1e-3);
    let close = |got: f32, want: f32| assert!((got - want).abs() < 1e-7, "{got} {want}");
    close(map[[0, 1, 1]], 0.004_817_233);
    close(map[[0, 1, 2]], 0.017_325_852);
    close(map[[1, 0, 1]], 0.003_088_715);
    close(map[[1, 1, 2]], 0.606_530_67);
    let plane = importance_map([1, 8, 6], Blend::Gaussian, 0.25);
    close(plane[[0, 0, 0]], 0.053_926_2);
    close(plane[[0, 3, 2]], 0.916_855_3);
    assert!(importance_map([2, 2, 2], Blend::Constant, 0.125).iter().all(|&w| w == 1.0));
}

/// Two channels: one that depends on the neighbour before and on the place in the window, and one that does not.
fn network(window: Array4<f32>) -> Result<Array4<f32>> {
    let (_, slices, rows, columns) = window.dim();
    Ok(Array4::from_shape_fn((2, slices, rows, columns), |(k, s, r, c)| {
        let value = window[[0, s, r, c]];
        if k == 0 {
            value * (c + 1) as f32 + 2.0 * window[[0, s, r, (c + columns - 1) % columns]]
        } else {
            3.0 * value - 1.0
        }
    }))
}

fn slide(roi_size: [usize; 3], blend: Blend, padding: Padding, overlap: f64, values: Array4<f32>) -> Array4<f32> {
    let cval = if padding == Padding::Constant { 2.0 } else { 0.0 };
    let window = SlidingWindow { roi_size, overlap, blend, sigma_scale: 0.125, padding, cval };
    match sliding_window(values, &window, &network, None, &|_, _| ()).expect("sound") {
        Outcome::Values(values) => values,
        Outcome::Labels(_) => panic!("values are asked for"),
    }
}

/// Windows of every overlap, over inputs that are padded and that are not.
#[test]
fn labels_slice_by_slice_are_those_of_the_whole_blend() {
    let values = Array4::from_shape_fn((1, 11, 6, 7), |(_, s, r, c)| (((s * 6 + r) * 7 + c) * 41 % 29) as f32 - 7.0);
    let over = |values: ArrayView4<'_, f32>| crate::postprocess::argmax(values);
    for (roi_size, overlap) in
        [([4, 3, 5], 0.5), ([5, 6, 7], 0.7), ([3, 8, 9], 0.25), ([14, 4, 4], 0.5), ([1, 6, 7], 0.0)]
    {
        let blended = slide(roi_size, Blend::Gaussian, Padding::Constant, overlap, values.clone());
        let cval = 2.0;
        let padding = Padding::Constant;
        let window = SlidingWindow { roi_size, overlap, blend: Blend::Gaussian, sigma_scale: 0.125, padding, cval };
        let labels = sliding_window(values.clone(), &window, &network, Some(&over), &|_, _| ()).expect("sound");
        let Outcome::Labels(labels) = labels else { panic!("labels are asked for") };
        assert_eq!(labels, over(blended.view()).expect("numbers"), "{roi_size:?}");
        assert!(labels.iter().any(|&l| l == 0) && labels.iter().any(|&l| l == 1));
    }
}

fn picture() -> Array4<f32> {
    Array4::from_shape_fn((1, 1, 3, 7), |(_, _, r, c)| ((r * 7 + c) * 37 % 23) as f32 - 5.0)
}

fn first(output: &Array4<f32>) -> Vec<f32> {
    output.index_axis(Axis(0), 0).iter().copied().collect()
}

#[test]
fn blends_are_monais() {
    let gaussian = slide([1, 3, 3], Blend::Gaussian, Padding::Constant, 0.4, picture());
    close(
        &first(&gaussian),
        &[
            -5.0, 8.9809, 17.7383, 27.7383, 37.7383, 1.8647, 22.0, 13.0, 31.3612, 41.7838, 5.7838, 17.0268, 26.0555,
            52.0, 31.0, 9.7971, 21.2432, 29.7383, 39.7383, 50.2706, 13.0,
        ],
    );
    let constant = slide([1, 2, 3], Blend::Constant, Padding::Constant, 0.4, picture());
    close(
        &first(&constant),
        &[
            -5.0, 22.5, 15.3333, 25.3333, 35.3333, 0.0, 22.0, 13.0, 20.5, 39.3333, 3.3333, 28.6667, 27.0, 52.0, 31.0,
            7.0, 32.6667, 27.3333, 37.3333, 54.0, 13.0,
        ],
    );
}

#[test]
fn padding_is_monais() {
    let middle = [17.0, 18.0, 70.0, 58.0, -18.0, 72.0];
    let cases = [
        ([1, 2, 10], Blend::Gaussian, Padding::Constant, [-6.0, 6.0, 18.0]),
        ([1, 2, 10], Blend::Gaussian, Padding::Reflect, [8.0, 32.0, 10.0]),
        ([1, 5, 10], Blend::Constant, Padding::Replicate, [-20.0, 4.0, 28.0]),
        ([1, 6, 10], Blend::Gaussian, Padding::Circular, [10.0, 34.0, 12.0]),
    ];
    for (roi, blend, padding, edge) in cases {
        let output = slide(roi, blend, padding, 0.4, picture());
        assert_eq!(output.dim(), (2, 1, 3, 7));
        let values = first(&output);
        close(&values[..7], &[&edge[..1], &middle].concat());
        close(&[values[7], values[14]], &edge[1..]);
    }
    let rows = slide([1, 4, 3], Blend::Gaussian, Padding::Circular, 0.4, picture());
    close(&first(&rows)[..7], &[-5.0, 10.3949, 17.3897, 27.3897, 37.3897, 1.6697, 22.0]);
}

#[test]
fn volumes_are_monais() {
    let values = Array4::from_shape_fn((1, 5, 4, 6), |(_, s, r, c)| (((s * 4 + r) * 6 + c) * 41 % 29) as f32 - 7.0);
    let output = slide([3, 4, 4], Blend::Gaussian, Padding::Constant, 0.25, values);
    close(
        output.index_axis(Axis(0), 0).index_axis(Axis(0), 1),
        &[
            16.0, 46.0, 44.5383, 25.4831, 26.0, -8.0, 29.0, 44.0, 33.6403, 24.4317, 9.0, 18.0, 13.0, 42.0, 46.1799,
            21.8921, 21.0, 102.0, 26.0, 40.0, 26.6738, 22.8431, 4.0, 12.0,
        ],
    );
    close(output.index_axis(Axis(0), 1).index_axis(Axis(0), 4).row(0), &[41.0, -10.0, 26.0, 62.0, 11.0, 47.0]);
}

#[test]
fn impossible_padding_is_refused() {
    assert!(pad(Array4::zeros((1, 1, 2, 2)), [1, 2, 6], Padding::Reflect, 0.0).is_err());
    assert!(pad(Array4::zeros((1, 1, 2, 2)), [1, 2, 7], Padding::Circular, 0.0).is_err());
    assert!(pad(Array4::zeros((1, 1, 2, 2)), [1, 2, 6], Padding::Circular, 0.0).is_ok());
}

/// A sum over 3 x 3 x 3 neighbours with zeros outside: reaches 1 far.
fn neighbours(window: Array4<f32>) -> Result<Array4<f32>> {
    let (_, slices, rows, columns) = window.dim();
    let at = |s: isize, r: isize, c: isize| {
        let inside = |i: isize, n: usize| (0..n as isize).contains(&i);
        if inside(s, slices) && inside(r, rows) && inside(c, columns) {
            window[[0, s as usize, r as usize, c as usize]]
        } else {
            0.0
        }
    };
    Ok(Array4::from_shape_fn((1, slices, rows, columns), |(_, s, r, c)| {
        let mut sum = 0.0;
        for i in 0..27isize {
            let (x, y, z) = (i / 9 - 1, i / 3 % 3 - 1, i % 3 - 1);
            sum += (i + 1) as f32 * at(s as isize + x, r as isize + y, c as isize + z);
        }
        sum
    }))
}

#[test]
fn tiles_give_what_the_whole_gives() {
    let values = Array4::from_shape_fn((1, 9, 8, 13), |(_, s, r, c)| (((s * 8 + r) * 13 + c) * 41 % 29) as f32 - 7.0);
    let whole = neighbours(values.clone()).expect("sound");
    for roi in [[4, 3, 5], [9, 8, 13], [1, 8, 2], [20, 20, 20]] {
        let tiling = Tiling::new([9, 8, 13], roi, 1);
        let Ok(Outcome::Values(tiles)) = tiled(values.clone(), &tiling, &neighbours, None, &|_, _| ()) else {
            panic!("values are asked for")
        };
        assert_eq!(tiles, whole, "{roi:?}");
        let over = |values: ArrayView4<'_, f32>| Ok(values.index_axis(Axis(0), 0).mapv(|v| u16::from(v > 0.0)));
        let Ok(Outcome::Labels(labels)) = tiled(values.clone(), &tiling, &neighbours, Some(&over), &|_, _| ()) else {
            panic!("labels are asked for")
        };
        assert_eq!(labels, over(whole.view()).expect("sound"), "{roi:?}");
    }
    // Without a halo the seams show: the test above can fail.
    let seams = tiled(values, &Tiling::new([9, 8, 13], [4, 3, 5], 0), &neighbours, None, &|_, _| ());
    assert!(matches!(seams, Ok(Outcome::Values(tiles)) if tiles != whole));
}

#[test]
fn tiles_are_even_and_shrink_to_what_fits() {
    let sizes = |tiling: &Tiling| tiling.tiles().iter().map(|t| t.size[2]).collect::<Vec<_>>();
    assert_eq!(sizes(&Tiling::new([1, 1, 300], [1, 1, 256], 10)), [150, 150]);
    let fitting = Tiling::fitting([1, 1, 300], [1, 1, 256], 10, &|window| Ok(window[2] <= 100)).expect("fits");
    assert_eq!(fitting.largest_window()[2], 95);
    let none = Tiling::fitting([1, 1, 300], [1, 1, 256], 10, &|_| Ok(false));
    assert_eq!(none.expect_err("nothing fits").kind(), netra_core::ErrorKind::Limit);
}

#[test]
fn whole_inputs_are_padded_to_a_multiple_and_cropped_back() {
    let seen = std::cell::Cell::new([0; 3]);
    let predict = |window: Array4<f32>| {
        seen.set(space(&window));
        network(window)
    };
    let output = whole(picture(), 4, &predict, &|_, _| ()).expect("sound");
    assert_eq!((seen.get(), output.dim()), ([1, 4, 8], (2, 1, 3, 7)));
    assert_eq!(output[[1, 0, 2, 6]], 3.0 * picture()[[0, 0, 2, 6]] - 1.0);
}
