//! The numbers are SciPy's (1.17, `scipy.ndimage.label` and `binary_fill_holes` with
//! `generate_binary_structure(rank, hops)`) for the same pseudo-random masks.

use super::*;

/// One byte a voxel from a linear congruential generator.
fn noise(shape: (usize, usize, usize), seed: u32, byte: impl Fn(u32) -> u32) -> Array3<u16> {
    let mut state = seed;
    Array3::from_shape_simple_fn(shape, || {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        byte(state) as u16
    })
}

fn high(state: u32) -> u32 {
    state >> 24
}

fn mixed(state: u32) -> u32 {
    state >> 24 ^ (state >> 13 & 0xFF)
}

fn mask(noise: Array3<u16>, below: u16) -> Array3<u16> {
    noise.mapv(|byte| u16::from(byte < below))
}

fn sizes(labels: &Array3<u16>, connectivity: Connectivity) -> Vec<u64> {
    let components = Components::find(labels.view(), connectivity, |l| (l != 0).then_some(l)).expect("small");
    components.sizes().into_iter().map(|(_, size)| size).collect()
}

#[test]
fn components_of_a_volume_agree_with_scipy() {
    let sparse = mask(noise((6, 7, 8), 7, mixed), 45);
    let faces = [4, 1, 1, 1, 5, 1, 1, 1, 1, 5, 3, 1, 5, 3, 2, 1, 2, 1, 1, 3, 3, 2, 1, 2, 1, 1, 2, 1, 1, 1, 1];
    assert_eq!(sizes(&sparse, Connectivity::Faces), faces);
    assert_eq!(sizes(&sparse, Connectivity::Edges), [25, 1, 1, 20, 2, 3, 1, 4, 2]);
    assert_eq!(sizes(&sparse, Connectivity::Corners), [54, 1, 4]);
}

#[test]
fn components_of_an_image_agree_with_scipy() {
    let image = mask(noise((1, 12, 13), 3, high), 110);
    assert_eq!(sizes(&image, Connectivity::Faces), [1, 26, 1, 1, 4, 1, 1, 3, 1, 1, 3, 1, 5, 14, 4, 2, 1]);
    assert_eq!(sizes(&image, Connectivity::Edges), [1, 63, 4, 2]);
    assert_eq!(sizes(&image, Connectivity::Corners), [1, 63, 4, 2]);
}

/// Runs of several classes on neighbouring rows that end at one column: the case the walk has to get right.
#[test]
fn classes_touch_across_corners_where_runs_end_together() {
    let labels = Array3::from_shape_vec((1, 2, 4), vec![1, 1, 2, 2, 2, 2, 1, 1]).expect("8 values");
    let by = |c| Components::find(labels.view(), c, Some).expect("small").sizes();
    assert_eq!(by(Connectivity::Faces), [(1, 2), (2, 2), (2, 2), (1, 2)]);
    assert_eq!(by(Connectivity::Edges), [(1, 4), (2, 4)]);
}

#[test]
fn holes_agree_with_scipy() {
    let filled = |labels: &Array3<u16>, connectivity| -> Vec<usize> {
        let mut after = labels.clone();
        fill_holes(&mut after, connectivity, |_| true).expect("small");
        let pairs = labels.iter().zip(&after).enumerate();
        pairs.filter(|(_, (before, after))| before != after).map(|(i, _)| i).collect()
    };
    let volume = mask(noise((6, 7, 8), 11, high), 200);
    assert_eq!(filled(&volume, Connectivity::Faces), [78, 82, 98, 125, 130, 182, 254]);
    assert!(filled(&volume, Connectivity::Corners).is_empty());
    let image = mask(noise((1, 12, 13), 5, high), 165);
    let holes = [15, 18, 20, 31, 34, 36, 40, 48, 55, 59, 66, 67, 74, 75, 80, 81, 84, 86, 89, 92, 95, 98, 132];
    assert_eq!(filled(&image, Connectivity::Faces), holes);
    assert_eq!(filled(&image, Connectivity::Edges), [59]);
}

#[test]
fn a_hole_between_two_labels_stays() {
    let row = |v: [u16; 5]| v;
    let rows = [row([1, 1, 1, 2, 2]), row([1, 0, 1, 0, 2]), row([1, 1, 1, 2, 2])];
    let mut labels = Array3::from_shape_vec((1, 3, 5), rows.concat()).expect("15 values");
    fill_holes(&mut labels, Connectivity::Faces, |_| true).expect("small");
    assert_eq!((labels[[0, 1, 1]], labels[[0, 1, 3]]), (1, 0));
}

#[test]
fn the_largest_of_each_label_or_of_all_together_stay() {
    let line = |v: Vec<u16>| Array3::from_shape_vec((1, 1, v.len()), v).expect("one row");
    let source = line(vec![1, 0, 1, 1, 2, 0, 2, 2, 2, 0, 3]);
    let kept = |count, joined, applies: fn(u16) -> bool| {
        let mut labels = source.clone();
        keep_largest(&mut labels, Connectivity::Corners, count, joined, applies).expect("small");
        labels.into_raw_vec_and_offset().0
    };
    assert_eq!(kept(1, false, |_| true), [0, 0, 1, 1, 0, 0, 2, 2, 2, 0, 3]);
    assert_eq!(kept(2, false, |_| true), source.iter().copied().collect::<Vec<_>>());
    // 1 1 2 and 2 2 2 are equally large: the first stays.
    assert_eq!(kept(1, true, |_| true), [0, 0, 1, 1, 2, 0, 0, 0, 0, 0, 0]);
    assert_eq!(kept(1, false, |label| label == 1), [0, 0, 1, 1, 2, 0, 2, 2, 2, 0, 3]);
}

#[test]
fn small_components_go() {
    let mut labels = Array3::from_shape_vec((1, 1, 7), vec![1, 0, 1, 1, 0, 2, 0]).expect("7 values");
    remove_small(&mut labels, Connectivity::Faces, 2).expect("small");
    assert_eq!(labels.into_raw_vec_and_offset().0, [0, 0, 1, 1, 0, 0, 0]);
}

/// The components of an array do not depend on how it is divided, down to their order and every run's component.
#[test]
fn slabs_change_nothing() {
    for (shape, seed) in [((6, 7, 8), 7), ((1, 12, 13), 3), ((9, 2, 5), 5), ((4, 1, 30), 1)] {
        let labels = noise(shape, seed, |state| (state >> 24) % 9);
        let class = |label: u16| (label < 2).then_some(label);
        for connectivity in [Connectivity::Faces, Connectivity::Edges, Connectivity::Corners] {
            let of = |slabs| Components::find_in_slabs(labels.view(), connectivity, class, slabs).expect("small");
            let parents = |found: &Components| found.runs.iter().map(|run| run.parent).collect::<Vec<_>>();
            let one = of(1);
            assert!(one.sizes().len() > 3, "{:?}", one.sizes());
            for slabs in 2..=shape.0 * shape.1 + 1 {
                let several = of(slabs);
                assert_eq!(several.sizes(), one.sizes(), "{shape:?} {connectivity:?} {slabs}");
                assert_eq!(parents(&several), parents(&one), "{shape:?} {connectivity:?} {slabs}");
            }
        }
    }
}

/// Runs longer than the stretches in which equal labels are counted.
#[test]
fn long_runs_end_where_they_end() {
    for length in [1, 31, 32, 33, 63, 64, 65, 130] {
        let mut labels = Array3::from_elem((1, 1, 140), 2);
        labels.slice_axis_mut(Axis(2), Slice::from(..length)).fill(1);
        let found = Components::find(labels.view(), Connectivity::Faces, Some).expect("small");
        assert_eq!(found.sizes(), [(1, length as u64), (2, 140 - length as u64)]);
    }
}
