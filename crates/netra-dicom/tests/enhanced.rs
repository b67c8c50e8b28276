//! Multi-frame objects: places by functional group, converted attribute, detector or transducer; and what values mean.

mod common;

use common::{Bytes, EXPLICIT};
use netra_dicom::{Aspect, GeometryPolicy, Irregularity, Limits, ReadOptions, RealWorldMap, Scan, Series, open};

/// A sequence of one item.
fn one(tag: (u16, u16), item: &Bytes) -> Vec<u8> {
    many(tag, std::slice::from_ref(item))
}

fn many(tag: (u16, u16), items: &[Bytes]) -> Vec<u8> {
    let all = items.iter().fold(Bytes::default(), |all, item| all.item(0xE000, item.0.len() as u32).raw(&item.0));
    Bytes::default().head(tag.0, tag.1, "SQ", all.0.len() as u32).raw(&all.0).0
}

fn text(group: u16, element: u16, vr: &str, value: &str) -> Bytes {
    Bytes::default().text(group, element, vr, value)
}

/// A multi-frame object of 2 x 3 pixels of 8 bits, all of frame `k` being `10 * k`.
fn object(class: &str, modality: &str, head: &[u8], groups: &[u8], frames: usize) -> Vec<u8> {
    let pixels: Vec<u8> = (0..frames).flat_map(|k| [10 * k as u8; 6]).collect();
    Bytes::default()
        .text(0x08, 0x16, "UI", class)
        .text(0x08, 0x18, "UI", "1.2.3.9")
        .text(0x08, 0x60, "CS", modality)
        .raw(head)
        .text(0x20, 0x0E, "UI", "1.2.3.4")
        .short(0x28, 0x02, 1)
        .text(0x28, 0x04, "CS", "MONOCHROME2")
        .text(0x28, 0x08, "IS", &frames.to_string())
        .short(0x28, 0x10, 2)
        .short(0x28, 0x11, 3)
        .text(0x28, 0x30, "DS", "0.5\\0.25")
        .short(0x28, 0x100, 8)
        .short(0x28, 0x101, 8)
        .short(0x28, 0x102, 7)
        .short(0x28, 0x103, 0)
        .raw(groups)
        .put(0x7FE0, 0x10, "OB", &pixels)
        .file(EXPLICIT)
}

struct Kept(Scan, #[allow(dead_code, reason = "removed when dropped")] tempfile::TempDir);

impl Kept {
    fn series(&self) -> &Series {
        let Scan::Dicom(series) = &self.0 else { panic!("a series") };
        series
    }
}

fn read(bytes: &[u8]) -> Kept {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("a");
    std::fs::write(&path, bytes).expect("written");
    let mut collection = open(&path, &Limits::default()).expect("opens");
    assert!(collection.refused.is_empty(), "{:?}", collection.refused);
    Kept(collection.scans.remove(0), folder)
}

fn shared() -> Vec<u8> {
    let orientation = one((0x20, 0x9116), &text(0x20, 0x37, "DS", "1\\0\\0\\0\\1\\0"));
    let measures = one((0x28, 0x9110), &text(0x28, 0x30, "DS", "2\\3"));
    one((0x5200, 0x9229), &Bytes::default().raw(&orientation).raw(&measures))
}

fn position(z: f64) -> Vec<u8> {
    one((0x20, 0x9113), &text(0x20, 0x32, "DS", &format!("0\\0\\{z}")))
}

#[test]
fn stacks_of_an_enhanced_object_are_told_apart() {
    let frame = |k: usize| {
        let content = text(0x20, 0x9056, "SH", if k < 3 { "1" } else { "2" });
        Bytes::default().raw(&one((0x20, 0x9111), &content)).raw(&position(5.0 * (k % 3) as f64))
    };
    let groups = [shared(), many((0x5200, 0x9230), &(0..6).map(frame).collect::<Vec<_>>())].concat();
    let scan = read(&object("1.2.840.10008.5.1.4.1.1.4.1", "MR", &[], &groups, 6));
    let audit = scan.series().audit();
    let values = vec!["stack 1".to_owned(), "stack 2".to_owned()];
    assert_eq!(audit.irregularities, [Irregularity::Mixed { aspect: Aspect::Stack, values }]);
    let volumes = scan.0.volumes(&ReadOptions::new(GeometryPolicy::Correct)).expect("split");
    let first: Vec<f32> = volumes.iter().map(|v| v.voxels()[(0, 0, 0)]).collect();
    assert_eq!(first, [0.0, 30.0]);
    assert_eq!(volumes[1].frames().map(|f| f.frame).collect::<Vec<_>>(), [4, 5, 6]);
}

#[test]
fn a_legacy_converted_object_keeps_echoes_among_its_converted_attributes() {
    let frame = |k: usize| {
        let converted = one((0x20, 0x9171), &text(0x18, 0x81, "DS", if k.is_multiple_of(2) { "10" } else { "80" }));
        Bytes::default().raw(&position(4.0 * (k / 2) as f64)).raw(&converted)
    };
    let groups = [shared(), many((0x5200, 0x9230), &(0..6).map(frame).collect::<Vec<_>>())].concat();
    let scan = read(&object("1.2.840.10008.5.1.4.1.1.4.4", "MR", &[], &groups, 6));
    let audit = scan.series().audit();
    let values = vec!["echo time 10 ms".to_owned(), "echo time 80 ms".to_owned()];
    assert_eq!(audit.irregularities, [Irregularity::Mixed { aspect: Aspect::Echo, values }]);
    let volumes = scan.0.volumes(&ReadOptions::new(GeometryPolicy::Correct)).expect("split");
    assert_eq!(volumes[1].frames().map(|f| f.frame).collect::<Vec<_>>(), [2, 4, 6]);
}

#[test]
fn nuclear_medicine_places_its_slices_from_the_detector() {
    let detector = text(0x20, 0x32, "DS", "1\\2\\30").text(0x20, 0x37, "DS", "1\\0\\0\\0\\1\\0");
    let vector: Vec<u8> = [1u16, 2, 3].iter().flat_map(|v| v.to_le_bytes()).collect();
    let groups = Bytes::default().raw(&one((0x54, 0x22), &detector)).put(0x54, 0x80, "US", &vector).0;
    let head = text(0x18, 0x88, "DS", "-4.5").0;
    let scan = read(&object("1.2.840.10008.5.1.4.1.1.20", "NM", &head, &groups, 3));
    let volume = scan.0.volume(&Limits::default()).expect("regular");
    // A negative spacing stacks against the normal: the last frame is the lowest.
    assert_eq!(volume.geometry().affine().origin(), [1.0, 2.0, 21.0]);
    assert_eq!(volume.geometry().spacing(), [4.5, 0.5, 0.25]);
    assert_eq!(volume.voxels()[(0, 1, 2)], 20.0);
}

#[test]
fn an_ultrasound_volume_lies_relative_to_its_transducer() {
    let doubles = |values: &[f64]| values.iter().flat_map(|v| v.to_le_bytes()).collect::<Vec<u8>>();
    let orientation =
        one((0x20, 0x930F), &Bytes::default().put(0x20, 0x9302, "FD", &doubles(&[1.0, 0.0, 0.0, 0.0, 1.0, 0.0])));
    let measures = one((0x28, 0x9110), &text(0x28, 0x30, "DS", "2\\3"));
    let shared = one((0x5200, 0x9229), &Bytes::default().raw(&orientation).raw(&measures));
    let frame = |k: usize| {
        let place = Bytes::default().put(0x20, 0x9301, "FD", &doubles(&[0.0, 0.0, 1.5 * k as f64]));
        Bytes::default().raw(&one((0x20, 0x930E), &place))
    };
    let groups = [shared, many((0x5200, 0x9230), &(0..4).map(frame).collect::<Vec<_>>())].concat();
    let scan = read(&object("1.2.840.10008.5.1.4.1.1.6.2", "US", &[], &groups, 4));
    assert_eq!(scan.0.volume(&Limits::default()).expect("regular").geometry().spacing(), [1.5, 2.0, 3.0]);
}

#[test]
fn a_plain_multi_frame_object_is_single_images() {
    let scan = read(&object("1.2.840.10008.5.1.4.1.1.3.1", "US", &[], &[], 3));
    assert!(!scan.0.is_volume());
    let images = scan.0.images(&netra_dicom::ImageOptions::default(), &Limits::default()).expect("decodes");
    assert_eq!(images.len(), 3);
    assert_eq!(images[2].frame.as_ref().map(|f| f.frame), Some(3));
}

#[test]
fn real_world_values_are_reported() {
    let units =
        one((0x40, 0x08EA), &text(0x08, 0x100, "SH", "mm2/s").text(0x08, 0x104, "LO", "square millimetre per second"));
    let mapping = Bytes::default()
        .text(0x28, 0x3003, "LO", "ADC")
        .raw(&units)
        .text(0x40, 0x9210, "SH", "ADC")
        .put(0x40, 0x9211, "US", &255u16.to_le_bytes())
        .put(0x40, 0x9216, "US", &0u16.to_le_bytes())
        .put(0x40, 0x9224, "FD", &0f64.to_le_bytes())
        .put(0x40, 0x9225, "FD", &1e-6f64.to_le_bytes());
    let groups = one((0x40, 0x9096), &mapping);
    let scan = read(&object("1.2.840.10008.5.1.4.1.1.4", "MR", &[], &groups, 1));
    let found = scan.series().real_world_values();
    assert_eq!(found.len(), 1);
    assert_eq!(found[0].label, "ADC");
    assert_eq!(found[0].unit[0], "mm2/s");
    assert_eq!(found[0].mapped, Some([0.0, 255.0]));
    assert_eq!(found[0].map, RealWorldMap::Linear { slope: 1e-6, intercept: 0.0 });
    assert_eq!(scan.series().suv_factors(), None);
}

fn pet(weight: &str, correction: &str, injected: &str) -> Kept {
    let head = Bytes::default()
        .text(0x08, 0x21, "DA", "20260102")
        .text(0x08, 0x22, "DA", "20260102")
        .text(0x08, 0x31, "TM", "003000")
        .text(0x08, 0x32, "TM", "003010.500000")
        .text(0x10, 0x40, "CS", "F")
        .text(0x10, 0x1020, "DS", "1.6")
        .text(0x10, 0x1030, "DS", weight);
    let agent =
        text(0x18, 0x1072, "TM", injected).text(0x18, 0x1074, "DS", "370000000").text(0x18, 0x1075, "DS", "6586.2");
    let groups = Bytes::default()
        .text(0x28, 0x51, "CS", "DECY\\ATTN\\SCAT")
        .raw(&one((0x54, 0x16), &agent))
        .text(0x54, 0x1001, "CS", "BQML")
        .text(0x54, 0x1102, "CS", correction);
    read(&object("1.2.840.10008.5.1.4.1.1.128", "PT", &head.0, &groups.0, 1))
}

#[test]
fn suv_factors_decay_the_dose_to_the_start_of_the_scan() {
    let close = |a: f64, b: f64| (a / b - 1.0).abs() < 1e-9;
    // Injected at 23:30 the evening before: one hour.
    let factors = pet("64", "START", "233000").series().suv_factors().expect("PET").expect("known");
    let decayed = 370e6 * (-3600.0f64 / 6586.2).exp2();
    assert!(close(factors.body_weight, 64_000.0 / decayed), "{factors:?}");
    // A body mass index of 25.
    assert!(close(
        factors.lean_body_mass.expect("sex and size"),
        1000.0 * (9270.0 * 64.0 / (8780.0 + 6100.0)) / decayed
    ));
    let surface = 71.84 * 64f64.powf(0.425) * 160f64.powf(0.725);
    assert!(close(factors.body_surface_area.expect("size"), surface / decayed));
    let factors = pet("64", "ADMIN", "233000").series().suv_factors().expect("PET").expect("known");
    assert!(close(factors.body_weight, 64_000.0 / 370e6));
    let reason = pet("0", "START", "233000").series().suv_factors().expect("PET").expect_err("no weight");
    assert_eq!(reason, "Patient's Weight is missing");
    let reason = pet("64", "NONE", "233000").series().suv_factors().expect("PET").expect_err("not corrected");
    assert!(reason.contains("NONE"), "{reason}");
}
