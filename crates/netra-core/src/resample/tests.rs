//! Pictures against `torch.nn.functional.interpolate` (torch 2.15), volumes against `scipy.ndimage.affine_transform`
//! (SciPy 1.17; `mode='nearest'` is our border, `mode='grid-constant'` our zeros): the numbers are theirs.

use ndarray::{Array2, Array3};

use super::*;

fn close<'a>(got: impl IntoIterator<Item = &'a f32>, want: &[f32]) {
    let got: Vec<f32> = got.into_iter().copied().collect();
    assert_eq!(got.len(), want.len());
    for (g, w) in got.iter().zip(want) {
        assert!((g - w).abs() < 2e-5, "{got:?}\n{want:?}");
    }
}

fn picture() -> Array2<f32> {
    Array2::from_shape_fn((5, 7), |(r, c)| ((r * 7 + c) * 37 % 23) as f32 - 5.0)
}

fn resized(size: [usize; 2], filter: Filter) -> Array2<f32> {
    resize(picture().view(), size, filter).expect("sizes are not 0")
}

#[test]
fn bilinear_is_torchs() {
    let up = resized([7, 9], Filter::Bilinear);
    close(up.row(0), &[-5.0, 4.33333, 5.0, 3.11111, 14.0, 7.0, 0.0, 0.66667, 10.0]);
    close(up.row(1), &[-1.57143, 7.76191, 8.42857, 3.61905, 4.28571, 7.50794, 3.42857, 4.09524, 13.42857]);
    close(up.row(6), &[-4.0, 5.33333, 6.0, 4.11111, 15.0, 8.0, 1.0, 1.66667, 11.0]);
    close(&resized([2, 3], Filter::Bilinear), &[8.83333, 1.25, 5.16666, 6.58333, 10.5, 8.66667]);
}

#[test]
fn align_corners_is_torchs() {
    let aligned = resized([3, 4], Filter::BilinearAlignCorners);
    close(&aligned, &[-5.0, 0.0, 5.0, 10.0, 7.0, 12.0, 17.0, -1.0, -4.0, 1.0, 6.0, 11.0]);
    close(&resized([1, 1], Filter::BilinearAlignCorners), &[-5.0]);
}

#[test]
fn antialiased_bilinear_is_torchs() {
    close(&resized([2, 3], Filter::BilinearAntialias), &[5.15909, 5.91711, 6.46429, 4.46429, 6.17112, 6.36688]);
    let mixed = resized([3, 9], Filter::BilinearAntialias);
    close(mixed.row(0), &[-2.42857, 6.90476, 7.57143, 3.49206, 6.71429, 7.38095, 2.57143, 3.2381, 12.57143]);
    close(mixed.row(1), &[7.0, 4.40741, 4.79012, 6.02469, 3.0, 9.91358, 9.72839, 6.7037, 4.11111]);
}

#[test]
fn nearest_and_area_are_torchs() {
    let floor = resized([3, 9], Filter::Nearest);
    close(floor.row(0), &[-5.0, -5.0, 9.0, 0.0, 14.0, 14.0, 5.0, -4.0, 10.0]);
    close(floor.row(1), &[1.0, 1.0, 15.0, 6.0, -3.0, -3.0, 11.0, 2.0, 16.0]);
    let exact = resized([3, 9], Filter::NearestExact);
    close(exact.row(0), &[-5.0, 9.0, 9.0, 0.0, 14.0, 5.0, -4.0, -4.0, 10.0]);
    close(exact.row(1), &[7.0, -2.0, -2.0, 12.0, 3.0, 17.0, 8.0, 8.0, -1.0]);
    let down = resized([3, 4], Filter::Area);
    close(&down, &[5.0, 6.83333, 4.16667, 6.0, 6.33333, 4.33333, 6.77778, 7.33333, 5.75, 5.66667, 6.83333, 6.75]);
    let mixed = resized([2, 9], Filter::Area);
    close(mixed.row(0), &[1.0, 4.16667, 6.66667, 5.33333, 4.66667, 7.83333, 6.5, 5.16667, 8.33333]);
}

#[test]
fn empty_pictures_are_refused() {
    assert!(resize(Array2::zeros((0, 3)).view(), [2, 2], Filter::Bilinear).is_err());
    assert!(resize(Array2::zeros((3, 3)).view(), [0, 2], Filter::Bilinear).is_err());
}

fn grid(shape: [usize; 3], steps: [[f64; 3]; 3], origin: [f64; 3]) -> Geometry {
    Geometry::new(shape, Affine::from_steps(steps[0], steps[1], steps[2], origin)).expect("valid")
}

fn volume() -> (Array3<f32>, Geometry) {
    let voxels = Array3::from_shape_fn((3, 4, 5), |(s, r, c)| (((s * 4 + r) * 5 + c) * 41 % 29) as f32 - 7.0);
    (voxels, grid([3, 4, 5], [[0.0, 0.0, 3.0], [0.0, 1.5, 0.0], [0.8, 0.0, 0.0]], [-10.0, 5.0, 2.0]))
}

/// Parallel axes, one of them reversed, partly outside.
fn parallel() -> Geometry {
    grid([3, 3, 2], [[0.0, 0.0, 2.0], [0.0, -1.2, 0.0], [1.1, 0.0, 0.0]], [-9.7, 9.1, 1.3])
}

fn oblique() -> Geometry {
    grid([2, 3, 3], [[0.3, 0.1, 2.0], [0.2, 1.2, -0.4], [1.0, -0.3, 0.2]], [-9.75, 5.47, 2.33])
}

const PARALLEL_BORDER: [f32; 18] = [
    2.96667, 3.51667, 1.36667, 17.86667, -0.23333, 16.26667, 6.43333, 4.47, 4.83333, 11.90833, 3.23333, 10.30833,
    10.67917, 5.79167, 9.07917, 4.19167, 7.47917, 2.59167,
];

#[test]
fn linear_on_parallel_axes_is_scipys() {
    let (voxels, from) = volume();
    close(&linear(voxels.view(), &from, &parallel(), Padding::Border).expect("valid"), &PARALLEL_BORDER);
    let zeros = linear(voxels.view(), &from, &parallel(), Padding::Zeros).expect("valid");
    let first = [2.27444, 2.69611, 1.04778, 13.69778, -0.17889, 12.47111];
    close(&zeros, &[&first[..], &PARALLEL_BORDER[6..]].concat());
}

#[test]
fn linear_on_oblique_axes_is_scipys() {
    let (voxels, from) = volume();
    let border = linear(voxels.view(), &from, &oblique(), Padding::Border).expect("valid");
    close(
        &border,
        &[
            -1.74333, 10.50813, 3.81104, 1.97667, 15.90229, 2.91445, 6.57667, 19.36417, 6.77667, 8.22333, 0.42854,
            9.53, 11.75667, 4.72313, 5.33725, 12.51688, 8.32896, 3.73021,
        ],
    );
    let zeros = linear(voxels.view(), &from, &oblique(), Padding::Zeros).expect("valid");
    close(
        &zeros,
        &[
            -1.74333, 10.50813, 3.48075, 1.93054, 15.90229, 2.91445, 5.54632, 17.62139, 6.61854, 8.22333, 0.42854,
            9.3394, 11.75667, 4.72313, 5.33725, 12.51688, 8.32896, 3.73021,
        ],
    );
}

#[test]
fn nearest_is_scipys() {
    let (voxels, from) = volume();
    let got = nearest(voxels.view(), &from, &parallel(), Padding::Border).expect("valid");
    let want = [-1.0, -6.0, -3.0, 21.0, -5.0, 19.0, -1.0, -6.0, -3.0, 21.0, -5.0, 19.0, 7.0, 2.0, 5.0, 0.0, 3.0, -2.0];
    close(&got, &want);
    let got = nearest(voxels.view(), &from, &oblique(), Padding::Zeros).expect("valid");
    let want = [-7.0, 17.0, 0.0, 7.0, 19.0, 2.0, 9.0, 21.0, 4.0, 13.0, -4.0, 8.0, 15.0, -2.0, 10.0, 17.0, 0.0, -5.0];
    close(&got, &want);
}

/// The memory order of the source picks the order of the walk: it must not change a value.
#[test]
fn any_memory_order_gives_the_same_values() {
    let (voxels, from) = volume();
    for order in [[0, 1, 2], [0, 2, 1], [1, 0, 2], [1, 2, 0], [2, 0, 1], [2, 1, 0]] {
        let mut back = [0; 3];
        for (i, &axis) in order.iter().enumerate() {
            back[axis] = i;
        }
        let stored = voxels.view().permuted_axes(order).as_standard_layout().into_owned();
        let same = stored.view().permuted_axes(back);
        assert_eq!(same, voxels);
        close(&linear(same, &from, &parallel(), Padding::Border).expect("valid"), &PARALLEL_BORDER);
    }
}

/// A target whose axes are the source's, permuted: the separable path and the per-voxel one must agree.
#[test]
fn both_paths_agree_on_permuted_axes() {
    let (voxels, from) = volume();
    let to = grid([4, 6, 5], [[0.7, 0.0, 0.0], [0.0, 0.0, 1.1], [0.0, -0.9, 0.0]], [-10.4, 8.0, 1.5]);
    for padding in [Padding::Border, Padding::Zeros, Padding::Extent] {
        let map = index_map(&from, &to);
        let quick = linear(voxels.view(), &from, &to, padding).expect("valid");
        let slow = general::linear_with(&[voxels.view()], &map, to.shape(), padding, |row, out| row(0, out));
        close(&quick, slow.as_slice().expect("standard"));
        let quick = nearest(voxels.view(), &from, &to, padding).expect("valid");
        close(&quick, general::nearest(voxels.view(), &map, to.shape(), padding).as_slice().expect("standard"));
    }
}

#[test]
fn the_extent_ends_half_a_voxel_beyond_the_centres() {
    let voxels = Array3::from_elem((1, 1, 2), 3.0f32);
    let line = |size: usize, step: f64, start: f64| {
        grid([1, 1, size], [[0.0, 0.0, 1.0], [0.0, 1.0, 0.0], [step, 0.0, 0.0]], [start, 0.0, 0.0])
    };
    // Centres at -0.75, -0.25 ... 1.75 of a grid whose extent is -0.5 to 1.5.
    let got = linear(voxels.view(), &line(2, 1.0, 0.0), &line(6, 0.5, -0.75), Padding::Extent).expect("valid");
    close(&got, &[0.0, 3.0, 3.0, 3.0, 3.0, 0.0]);
}

#[test]
fn ties_go_to_the_later_voxel_everywhere() {
    let voxels = Array3::from_shape_fn((1, 1, 40), |(_, _, c)| c as u16);
    let (s, c) = (0.1f64.sin(), 0.1f64.cos());
    let line = |size: usize, mm: f64| {
        grid([1, 1, size], [[0.0, 0.0, 1.0], [-s, c, 0.0], [mm * c, mm * s, 0.0]], [-17.3, 4.1, 88.8])
    };
    let got = nearest(voxels.view(), &line(40, 0.7), &line(80, 0.35), Padding::Border).expect("valid");
    assert!(got.iter().enumerate().all(|(i, &v)| usize::from(v) == i.div_ceil(2).min(39)), "{got:?}");
}

#[test]
fn a_grid_too_large_for_memory_is_refused() {
    let (voxels, from) = volume();
    let huge = grid([1 << 40, 1 << 20, 1 << 10], [[1.0, 0.0, 0.0], [0.0, 1.0, 0.0], [0.0, 0.0, 1.0]], [0.0; 3]);
    assert!(linear(voxels.view(), &from, &huge, Padding::Zeros).is_err());
}
