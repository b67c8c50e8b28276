//! Series to volumes: sorting, the affine, rescale by slice, and every refusal by its name.

mod common;

use common::Slice;
use netra_dicom::{Limits, Scan, open};

/// Writes the slices under names that do not follow their order, opens the folder, and asks for the volume.
fn volume(slices: &[Slice]) -> netra_core::Result<netra_core::Volume> {
    let folder = tempfile::tempdir().expect("a folder");
    for (i, slice) in slices.iter().enumerate() {
        let name = format!("{}.dcm", (i * 7919) % 1009);
        std::fs::write(folder.path().join(name), slice.file()).expect("written");
    }
    let collection = open(folder.path(), &Limits::default()).expect("a folder");
    assert!(collection.refused.is_empty(), "{:?}", collection.refused);
    assert_eq!(collection.scans.len(), 1);
    assert!(matches!(collection.scans[0], Scan::Dicom(_)));
    collection.scans[0].volume(&Limits::default())
}

fn stack(depths: &[f64]) -> Vec<Slice> {
    depths.iter().enumerate().map(|(i, &z)| Slice::at(i + 1, z)).collect()
}

fn refusal(slices: &[Slice]) -> String {
    let error = volume(slices).expect_err("refused");
    assert_eq!(error.kind(), netra_core::ErrorKind::InvalidInput);
    error.to_string()
}

#[test]
fn slices_are_sorted_and_the_affine_keeps_rows_and_columns_apart() {
    let mut slices = stack(&[30.0, 25.0, 20.0, 15.0]);
    slices[1].slope = 2.0;
    slices[1].intercept = -1000.0;
    slices.swap(0, 2);
    let volume = volume(&slices).expect("regular");
    assert_eq!(volume.geometry().shape(), [4, 3, 4]);
    let affine = volume.geometry().affine();
    assert_eq!(affine.step(0), [0.0, 0.0, 5.0]);
    // Pixel Spacing 0.7 lies between rows: the row index runs along y.
    assert_eq!(affine.step(1), [0.0, 0.7, 0.0]);
    assert_eq!(affine.step(2), [0.5, 0.0, 0.0]);
    assert_eq!(affine.origin(), [-10.0, -20.0, 15.0]);
    let voxels = volume.voxels();
    assert_eq!(voxels[(0, 0, 0)], 400.0);
    assert_eq!(voxels[(1, 1, 2)], 312.0);
    // Slope and intercept of the one slice that has its own.
    assert_eq!(voxels[(2, 1, 2)], 2.0 * 212.0 - 1000.0);
    assert_eq!(voxels[(3, 2, 3)], 123.0);
    let uids: Vec<&str> = volume.frames().map(|f| f.sop_instance_uid.as_str()).collect();
    assert_eq!(uids, ["1.2.3.4", "1.2.3.3", "1.2.3.2", "1.2.3.1"]);
    assert!(volume.frames().all(|f| f.frame == 1));
    assert_eq!(volume.unit, netra_core::IntensityUnit::Hounsfield);
}

#[test]
fn an_oblique_stack_keeps_its_cosines() {
    let (sin, cos) = 0.3f64.sin_cos();
    let mut slices = stack(&[0.0; 3]);
    for (i, slice) in slices.iter_mut().enumerate() {
        slice.orientation = [cos, sin, 0.0, 0.0, 0.0, -1.0];
        // The normal of these cosines is (-sin, cos, 0).
        slice.position = [5.0 - 2.0 * i as f64 * sin, 6.0 + 2.0 * i as f64 * cos, 7.0];
    }
    let volume = volume(&slices).expect("regular");
    let affine = volume.geometry().affine();
    let close = |a: [f64; 3], b: [f64; 3]| a.iter().zip(b).all(|(a, b)| (a - b).abs() < 1e-6);
    assert!(close(affine.step(0), [-2.0 * sin, 2.0 * cos, 0.0]), "{affine:?}");
    assert!(close(affine.step(1), [0.0, 0.0, -0.7]), "{affine:?}");
    assert!(close(affine.step(2), [0.5 * cos, 0.5 * sin, 0.0]), "{affine:?}");
}

#[test]
fn a_missing_slice_is_named() {
    let text = refusal(&stack(&[0.0, 5.0, 15.0, 20.0, 25.0]));
    assert!(text.contains("missing slices: 1 in all") && text.contains("instance 2"), "{text}");
}

#[test]
fn uneven_spacing_is_refused_and_one_percent_is_not() {
    let text = refusal(&stack(&[0.0, 5.0, 10.0, 17.0, 22.0]));
    assert!(text.contains("uneven spacing") && text.contains("7.000"), "{text}");
    assert!(volume(&stack(&[0.0, 5.0, 10.02, 15.0])).is_ok());
    assert!(volume(&stack(&[0.0, 5.0, 10.06, 15.0])).is_err());
}

#[test]
fn slow_drift_of_the_spacing_is_refused() {
    // Each gap within a percent, the middle of the stack a quarter of a slice off.
    let gaps = (0..100).map(|i| if i < 50 { 0.9901 } else { 1.0 });
    let depths: Vec<f64> = std::iter::once(0.0)
        .chain(gaps.scan(0.0, |z, gap| {
            *z += gap;
            Some(*z)
        }))
        .collect();
    assert!(refusal(&stack(&depths)).contains("uneven spacing"));
}

#[test]
fn gantry_tilt_is_refused_with_its_angle() {
    let mut slices = stack(&[0.0, 5.0, 10.0, 15.0]);
    for slice in &mut slices {
        slice.position[1] += slice.position[2] * 15f64.to_radians().tan();
    }
    let text = refusal(&slices);
    assert!(text.contains("gantry tilt") && text.contains("15.00 degrees"), "{text}");
}

#[test]
fn a_slice_moved_in_its_plane_is_refused() {
    let mut slices = stack(&[0.0, 5.0, 10.0, 15.0]);
    slices[2].position[0] += 0.3;
    assert!(refusal(&slices).contains("shifted by 0.30 mm"));
}

#[test]
fn duplicates_are_refused_and_a_second_volume_is_named() {
    let text = refusal(&stack(&[0.0, 5.0, 5.0, 10.0]));
    assert!(text.contains("duplicate positions"), "{text}");
    let text = refusal(&stack(&[0.0, 5.0, 10.0, 0.0, 5.0, 10.0]));
    assert!(text.contains("3 positions, 2 frames at each"), "{text}");
}

#[test]
fn mixed_kinds_are_refused() {
    let mut slices = stack(&[0.0, 5.0, 10.0]);
    slices[1].orientation = [1.0, 0.0, 0.0, 0.0, 0.0, -1.0];
    assert!(refusal(&slices).contains("mixed orientations"));
    let mut slices = stack(&[0.0, 5.0, 10.0]);
    slices[1].rows = 5;
    assert!(refusal(&slices).contains("mixed sizes: 3 x 4 and 5 x 4"));
    let mut slices = stack(&[0.0, 5.0, 10.0]);
    slices[2].spacing = [0.7, 0.7];
    assert!(refusal(&slices).contains("mixed pixel spacings"));
    let mut slices = stack(&[0.0, 5.0, 10.0]);
    slices[0].image_type = "ORIGINAL\\PRIMARY\\LOCALIZER";
    assert!(refusal(&slices).contains("localisers among other images: instance 1"));
}

#[test]
fn cosines_are_repaired_within_rounding_only() {
    let mut slices = stack(&[0.0, 5.0, 10.0]);
    slices.iter_mut().for_each(|s| s.orientation = [1.0005, 0.0, 0.0, 0.0, 1.0, 0.0]);
    let column_step = volume(&slices).expect("within rounding").geometry().affine().step(2);
    assert!((column_step[0] - 0.5).abs() < 1e-12);
    slices.iter_mut().for_each(|s| s.orientation = [1.0, 0.0, 0.0, 0.1, 1.0, 0.0]);
    assert!(refusal(&slices).contains("not orthonormal"));
}

#[test]
fn a_damaged_member_makes_the_series_no_volume() {
    let folder = tempfile::tempdir().expect("a folder");
    for slice in stack(&[0.0, 5.0, 10.0]) {
        let mut bytes = slice.file();
        if slice.number == 3 {
            bytes.truncate(bytes.len() - 6);
        }
        std::fs::write(folder.path().join(format!("{}.dcm", slice.number)), bytes).expect("written");
    }
    let collection = open(folder.path(), &Limits::default()).expect("a folder");
    assert_eq!((collection.scans.len(), collection.refused.len()), (1, 1));
    // Two readable slices remain. Their volume would lack its last slice without a word.
    let error = collection.scans[0].volume(&Limits::default()).expect_err("refused");
    assert!(error.to_string().contains("3.dcm"), "{error}");
}

#[test]
fn the_shared_series_are_regular_or_tilted() {
    let Some(assets) = netra_testkit::assets() else { return };
    let limits = Limits::default();
    let scan = |name: &str| open(&assets.join("scans").join(name), &limits).expect("opens").scans.remove(0);
    let mr = scan("mr_t1_384.zip").volume(&limits).expect("regular");
    assert_eq!(mr.geometry().shape(), [384, 384, 274]);
    let ct = scan("ct_head_philips_5mm.zip").volume(&limits).expect("regular");
    assert_eq!(ct.geometry().spacing(), [5.0, 0.451171875, 0.451171875]);
    let error = scan("ct_head_ge_tilt.zip").volume(&limits).expect_err("refused");
    assert!(error.to_string().contains("gantry tilt: the slices are stacked 18.50 degrees"), "{error}");
}
