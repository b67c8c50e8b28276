//! The audit by its types, and what each policy makes of frames that lie on no regular grid. The pixels sample a linear function
//! of the place in the patient, which linear interpolation must give back at every voxel.

mod common;

use common::Slice;
use netra_core::{Result, Volume};
use netra_dicom::{Aspect, Audit, GeometryPolicy, Irregularity, Limits, ReadOptions, Scan, open};

const SLOPE: f64 = 1.0 / 64.0;

/// Modality value at a place (LPS mm).
fn field([x, y, z]: [f64; 3]) -> f64 {
    300.0 + 2.0 * x - 3.0 * y + 1.5 * z
}

/// A slice of 12 x 10 pixels that samples the field, with more elements before its Study Instance UID.
fn sampled(mut slice: Slice, more: &[u8]) -> Vec<u8> {
    (slice.rows, slice.columns) = (12, 10);
    (slice.slope, slice.intercept) = (SLOPE, -100.0);
    let mut bytes = slice.file();
    let [a, b, c, d, e, f] = slice.orientation;
    let start = bytes.len() - 2 * 120;
    for (i, pixel) in bytes[start..].chunks_exact_mut(2).enumerate() {
        let (row, column) = ((i / 10) as f64 * slice.spacing[0], (i % 10) as f64 * slice.spacing[1]);
        let place = [0, 1, 2].map(|k| slice.position[k] + row * [d, e, f][k] + column * [a, b, c][k]);
        pixel.copy_from_slice(&(((field(place) + 100.0) / SLOPE).round() as u16).to_le_bytes());
    }
    let study = bytes.windows(4).position(|w| w == [0x20, 0x00, 0x0D, 0x00]).expect("a study");
    bytes.splice(study..study, more.iter().copied());
    bytes
}

/// A text element of the explicit encoding.
fn element(group: u16, element: u16, vr: &str, value: &str) -> Vec<u8> {
    common::Bytes::default().text(group, element, vr, value).0
}

struct Kept(Scan, #[allow(dead_code, reason = "removed when dropped")] tempfile::TempDir);

fn scan(files: &[Vec<u8>]) -> Kept {
    let folder = tempfile::tempdir().expect("a folder");
    for (i, file) in files.iter().enumerate() {
        std::fs::write(folder.path().join(format!("{}.dcm", (i * 7919) % 1009)), file).expect("written");
    }
    let mut collection = open(folder.path(), &Limits::default()).expect("a folder");
    assert!(collection.refused.is_empty(), "{:?}", collection.refused);
    assert_eq!(collection.scans.len(), 1);
    Kept(collection.scans.remove(0), folder)
}

impl Kept {
    fn audit(&self) -> Audit {
        let Scan::Dicom(series) = &self.0 else { panic!("a series") };
        series.audit()
    }

    fn volumes(&self, policy: GeometryPolicy) -> Result<Vec<Volume>> {
        self.0.volumes(&ReadOptions::new(policy))
    }

    fn corrected(&self) -> Volume {
        assert!(self.volumes(GeometryPolicy::Refuse).is_err());
        let mut volumes = self.volumes(GeometryPolicy::Correct).expect("corrected");
        assert_eq!(volumes.len(), 1);
        volumes.remove(0)
    }
}

/// Every voxel that was measured holds the field at its place, and its trace leads to the pixels around that place. Returns how
/// many voxels were filled.
fn check(volume: &Volume, tolerance: f64) -> usize {
    let mut filled = 0;
    for ((slice, row, column), value) in volume.voxels().indexed_iter() {
        let place = volume.geometry().affine().apply([slice as f64, row as f64, column as f64]);
        let traced = volume.trace([slice, row, column]);
        assert!((traced.iter().map(|t| t.weight).sum::<f64>() - 1.0).abs() < 1e-9);
        let inside = |t: &netra_core::SourcePixel| (0.0..=11.0).contains(&t.at[0]) && (0.0..=9.0).contains(&t.at[1]);
        if !traced.iter().all(inside) {
            filled += 1;
            continue;
        }
        let error = (f64::from(*value) - field(place)).abs();
        assert!(error < tolerance, "{value} at {place:?}, {} was expected", field(place));
    }
    filled
}

fn stack(depths: &[f64]) -> Vec<Slice> {
    depths.iter().enumerate().map(|(i, &z)| Slice::at(i + 1, z)).collect()
}

fn files(slices: Vec<Slice>) -> Vec<Vec<u8>> {
    slices.into_iter().map(|slice| sampled(slice, &[])).collect()
}

#[test]
fn a_tilted_stack_is_sheared_upright() {
    let mut slices = stack(&[0.0, 5.0, 10.0, 15.0]);
    for slice in &mut slices {
        slice.position[1] += slice.position[2] * 15f64.to_radians().tan();
    }
    let scan = scan(&files(slices));
    let audit = scan.audit();
    let [Irregularity::GantryTilt { degrees }] = audit.stacks[0].faults().collect::<Vec<_>>()[..] else {
        panic!("{:?}", audit.stacks[0].irregularities)
    };
    assert!((degrees - 15.0).abs() < 1e-3, "{degrees}");
    let volume = scan.corrected();
    // 15 mm times tan 15 degrees are 4.02 mm, 5.74 rows of 0.7 mm.
    assert_eq!(volume.geometry().shape(), [4, 18, 10]);
    assert_eq!(volume.geometry().affine().step(0), [0.0, 0.0, 5.0]);
    assert_eq!(volume.geometry().affine().origin(), [-10.0, -20.0, 0.0]);
    // Six rows of the first slice; of the others, which lie between rows, seven.
    assert_eq!(check(&volume, 2.0 * SLOPE), 10 * (6 + 3 * 7));
    assert_eq!(volume.corrections[0].code, "gantry-tilt-corrected");
    assert!(volume.corrections[0].message.contains("6 rows and 0 columns were added"), "{:?}", volume.corrections);
}

#[test]
fn the_nearest_policy_invents_no_value() {
    let mut slices = stack(&[0.0, 5.0, 10.0, 17.0]);
    for slice in &mut slices {
        slice.position[1] += slice.position[2] * 0.2;
    }
    let scan = scan(&files(slices));
    let volume = scan.volumes(GeometryPolicy::Nearest).expect("nearest").remove(0);
    let stored: Vec<f32> = scan
        .0
        .images(&netra_dicom::ImageOptions { voi: netra_dicom::Voi::Ignore }, &Limits::default())
        .expect("decodes")
        .iter()
        .flat_map(|image| image.pixels().iter().copied().collect::<Vec<_>>())
        .collect();
    assert!(volume.voxels().iter().all(|v| stored.contains(v)));
    // Half a row of 0.7 mm and half a slice at most: 3 * 0.35 + 1.5 * 2.5.
    check(&volume, 1.05 + 3.75 + SLOPE);
    assert!(volume.slices.iter().all(|s| s.other.is_none() && s.main.offset.iter().all(|o| o.fract() == 0.0)));
}

#[test]
fn an_oblique_negative_stack_with_a_tilt_and_a_gap_is_corrected() {
    let (sin, cos) = 0.4f64.sin_cos();
    let mut slices = Vec::new();
    for (i, k) in [0.0, 1.0, 2.0, 4.0, 5.0].into_iter().enumerate() {
        let mut slice = Slice::at(i + 1, 0.0);
        // Rows along (cos, sin, 0), columns along -z: the normal is (-sin, cos, 0).
        slice.orientation = [cos, sin, 0.0, 0.0, 0.0, -1.0];
        let [across, up] = [0.31 * k, -0.17 * k];
        slice.position = [5.0 - 2.0 * k * sin + across * cos, 6.0 + 2.0 * k * cos + across * sin, 7.0 + up];
        slices.push(slice);
    }
    let scan = scan(&files(slices));
    let audit = scan.audit();
    let codes: Vec<&str> = audit.faults().map(Irregularity::code).collect();
    assert_eq!(codes, ["missing-slices", "gantry-tilt"]);
    let volume = scan.corrected();
    assert_eq!(volume.geometry().shape()[0], 6);
    check(&volume, 3.0 * SLOPE);
    let between = &volume.slices[3];
    let other = between.other.as_ref().expect("a blend");
    assert!((between.main.weight - 0.5).abs() < 1e-6 && (other.weight - 0.5).abs() < 1e-6);
    let uids = [&between.main.frame.sop_instance_uid, &other.frame.sop_instance_uid];
    assert_eq!(uids, ["1.2.3.3", "1.2.3.4"]);
    assert_eq!(volume.corrections.len(), 2);
}

#[test]
fn uneven_slices_are_interpolated_and_wide_gaps_are_not() {
    let uneven = scan(&files(stack(&[0.0, 2.5, 5.0, 10.0, 15.0, 22.5])));
    let volume = uneven.corrected();
    assert_eq!(volume.geometry().shape()[0], 10);
    assert_eq!(volume.geometry().spacing()[0], 2.5);
    assert_eq!(check(&volume, 2.0 * SLOPE), 0);
    // Stored slices stay as they are.
    let whole: Vec<bool> = volume.slices.iter().map(netra_core::SliceSource::is_whole).collect();
    assert_eq!(whole, [true, true, true, false, true, false, true, false, false, true]);
    let error = scan(&files(stack(&[0.0, 5.0, 10.0, 45.0]))).volumes(GeometryPolicy::Correct).expect_err("too wide");
    assert!(
        error.to_string().contains("missing slices: 6 in all") && error.to_string().contains("too wide"),
        "{error}"
    );
}

#[test]
fn a_shifted_slice_goes_back_to_its_place() {
    let mut slices = stack(&[0.0, 5.0, 10.0, 15.0]);
    slices[3].position[0] += 0.8;
    let scan = scan(&files(slices));
    let audit = scan.audit();
    let shifted = |f: &Irregularity| matches!(f, Irregularity::ShiftedInPlane { frame, .. } if frame == "instance 4");
    assert!(audit.faults().all(shifted) && audit.faults().count() == 1, "{audit:?}");
    let volume = scan.corrected();
    assert_eq!(volume.geometry().shape(), [4, 12, 12]);
    check(&volume, 2.0 * SLOPE);
}

#[test]
fn echoes_are_told_apart_and_each_is_a_volume() {
    let mut files = Vec::new();
    for (i, z) in [0.0, 5.0, 10.0].into_iter().enumerate() {
        for (echo, time) in ["5.6", "30"].into_iter().enumerate() {
            files.push(sampled(Slice::at(2 * i + echo + 1, z), &element(0x18, 0x81, "DS", time)));
        }
    }
    let scan = scan(&files);
    let audit = scan.audit();
    let values = vec!["echo time 5.6 ms".to_owned(), "echo time 30 ms".to_owned()];
    assert_eq!(audit.irregularities, [Irregularity::Mixed { aspect: Aspect::Echo, values }]);
    let volumes = scan.volumes(GeometryPolicy::Correct).expect("split");
    let uids = |v: &Volume| v.frames().map(|f| f.sop_instance_uid.clone()).collect::<Vec<_>>();
    assert_eq!(
        volumes.iter().map(uids).collect::<Vec<_>>(),
        [["1.2.3.1", "1.2.3.3", "1.2.3.5"], ["1.2.3.2", "1.2.3.4", "1.2.3.6"]]
    );
    assert!(volumes[1].corrections[0].message.ends_with("this is volume 2 of 2 (echo time 30 ms)"));
    assert!(scan.volumes(GeometryPolicy::Refuse).expect_err("refused").to_string().contains("mixed echo times"));
}

#[test]
fn every_way_of_taking_a_place_twice_has_its_name() {
    let cases = [
        (Aspect::ImageType, (0x08, 0x08, "CS"), ["ORIGINAL\\PRIMARY\\M", "ORIGINAL\\PRIMARY\\P"]),
        (Aspect::Kernel, (0x18, 0x1210, "SH"), ["B30f", "B70f"]),
        (Aspect::TriggerTime, (0x18, 0x1060, "DS"), ["0", "420"]),
        (Aspect::InversionTime, (0x18, 0x82, "DS"), ["900", "2500"]),
        (Aspect::Acquisition, (0x20, 0x12, "IS"), ["1", "2"]),
        (Aspect::TemporalPosition, (0x20, 0x100, "IS"), ["1", "2"]),
        (Aspect::Repetition, (0x18, 0x50, "DS"), ["5", "5"]),
    ];
    for (aspect, (group, number, vr), values) in cases {
        let mut files = Vec::new();
        for (i, z) in [0.0, 5.0, 10.0].into_iter().enumerate() {
            for (k, value) in values.into_iter().enumerate() {
                let mut slice = Slice::at(3 * k + i + 1, z);
                if aspect == Aspect::ImageType {
                    slice.image_type = value;
                    files.push(sampled(slice, &[]));
                } else {
                    files.push(sampled(slice, &element(group, number, vr, value)));
                }
            }
        }
        let scan = scan(&files);
        let audit = scan.audit();
        let [Irregularity::Mixed { aspect: found, .. }] = audit.irregularities[..] else { panic!("{audit:?}") };
        assert_eq!(found, aspect);
        assert_eq!(scan.volumes(GeometryPolicy::Correct).expect("split").len(), 2, "{aspect:?}");
    }
}

#[test]
fn a_localiser_among_slices_is_left_out() {
    let mut slices = stack(&[0.0, 5.0, 10.0]);
    slices[0].image_type = "ORIGINAL\\PRIMARY\\LOCALIZER";
    slices[0].orientation = [0.0, 1.0, 0.0, 0.0, 0.0, -1.0];
    let scan = scan(&files(slices));
    let volume = scan.corrected();
    assert_eq!(volume.frames().map(|f| f.sop_instance_uid.as_str()).collect::<Vec<_>>(), ["1.2.3.2", "1.2.3.3"]);
    assert!(volume.corrections[0].message.contains("localisers among other images: instance 1"));
}

#[test]
fn copies_of_a_slice_are_dropped_and_rivals_are_refused() {
    let twice = |second: Slice| {
        let mut files = files(stack(&[0.0, 5.0, 10.0]));
        files.push(sampled(second, &[]));
        scan(&files)
    };
    let mut copy = Slice::at(4, 5.0);
    let volume = twice(copy).corrected();
    assert_eq!(volume.geometry().shape(), [3, 12, 10]);
    assert_eq!(check(&volume, 2.0 * SLOPE), 0);
    copy = Slice::at(4, 5.0);
    copy.position[1] += 0.05;
    let error = twice(copy).volumes(GeometryPolicy::Correct).expect_err("rivals");
    assert!(
        error.to_string().contains("instance 2 and instance 4 lie at one place and hold different pixels"),
        "{error}"
    );
}

#[test]
fn regular_series_are_the_same_under_every_policy_and_progress_is_told() {
    let scan = scan(&files(stack(&[0.0, 5.0, 10.0])));
    let audit = scan.audit();
    assert!(audit.is_regular());
    let told = std::sync::Mutex::new(Vec::new());
    let tell = |done, total| told.lock().expect("no panic").push((done, total));
    let volumes = [GeometryPolicy::Refuse, GeometryPolicy::Correct, GeometryPolicy::Nearest]
        .map(|policy| scan.0.volumes(&ReadOptions::new(policy).progress(&tell)).expect("regular").remove(0));
    for volume in &volumes {
        assert_eq!(volume.voxels(), volumes[0].voxels());
        assert!(volume.corrections.is_empty() && volume.slices.iter().all(netra_core::SliceSource::is_whole));
    }
    let mut told = told.into_inner().expect("no panic");
    told.sort_unstable();
    assert_eq!(told, [1, 1, 1, 2, 2, 2, 3, 3, 3].map(|done| (done, 3)));
}

#[test]
fn the_report_is_plain_data() {
    let mut slices = stack(&[0.0, 5.0, 15.0]);
    slices[1].spacing = [0.7, 0.7];
    let report = serde_json::to_value(scan(&files(slices)).audit()).expect("serialises");
    assert_eq!(report["irregularities"][0]["kind"], "mixed");
    assert_eq!(report["irregularities"][0]["aspect"], "pixel_spacing");
    assert_eq!(report["stacks"][0]["frames"], 2);
    assert_eq!(report["stacks"][0]["geometry"]["spacing_mm"][0], 15.0);
}
