//! A scan without its patient: nothing that is not on the short list, no true identifier, and the same pixels.

mod common;

use common::{Bytes, Slice};
use dicom_object::InMemDicomObject;
use netra_dicom::write::Uids;
use netra_dicom::{Deidentifier, GeometryPolicy, Limits, ReadOptions, Scan, open};

const SECRET: &str = "SECRET";

/// Every text of the data set, items included.
fn texts(object: &InMemDicomObject, found: &mut Vec<String>) {
    for element in object {
        match element.value().items() {
            Some(items) => items.iter().for_each(|item| texts(item, found)),
            None => found.extend(element.value().to_multi_str().map(|s| s.to_vec()).unwrap_or_default()),
        }
    }
}

fn series(folder: &std::path::Path) -> Scan {
    for (i, z) in [0.0, 5.0].into_iter().enumerate() {
        let file = Slice::at(i + 1, z).file();
        let study = file.windows(4).position(|w| w == [0x20, 0x00, 0x0D, 0x00]).expect("a study");
        let person = Bytes::default().text(0x40, 0x1101, "LO", SECRET).text(0x08, 0x104, "LO", "kept meaning");
        let more = Bytes::default()
            .text(0x08, 0x20, "DA", "19990101")
            .text(0x08, 0x80, "LO", &format!("{SECRET} hospital"))
            .sequence(0x08, 0x2218, &person)
            .text(0x09, 0x10, "LO", SECRET)
            .text(0x09, 0x1001, "LO", SECRET)
            .text(0x10, 0x10, "PN", SECRET)
            .text(0x10, 0x20, "LO", SECRET)
            .text(0x10, 0x4000, "LT", SECRET);
        let bytes = [&file[..study], &more.0, &file[study..]].concat();
        std::fs::write(folder.join(format!("{i}.dcm")), bytes).expect("written");
    }
    let mut collection = open(folder, &Limits::default()).expect("opens");
    assert!(collection.refused.is_empty(), "{:?}", collection.refused);
    collection.scans.remove(0)
}

#[test]
fn nothing_of_the_patient_is_left() {
    let folder = tempfile::tempdir().expect("a folder");
    let scan = series(folder.path());
    let all = |scan: &Scan| {
        let Scan::Dicom(series) = scan else { panic!("a series") };
        let mut found = Vec::new();
        series.instances.iter().for_each(|i| texts(i.header(), &mut found));
        found
    };
    assert!(all(&scan).iter().filter(|text| text.contains(SECRET)).count() >= 10);
    let bare = Deidentifier::new(Uids::derived("a")).scan(&scan);
    let texts = all(&bare);
    assert!(!texts.iter().any(|text| text.contains(SECRET) || text.contains("19990101") || text.starts_with("1.2.3")));
    assert!(texts.iter().any(|text| text == "kept meaning"));
    let limits = Limits::default();
    assert_eq!(bare.volume(&limits).expect("regular").voxels(), scan.volume(&limits).expect("regular").voxels());
}

/// What is said of a scan: its id, and the warnings and errors of reading it as it is and corrected.
fn said(scan: &Scan) -> String {
    let limits = Limits::default();
    let corrected = scan.volumes(&ReadOptions::new(GeometryPolicy::Correct));
    let corrections =
        corrected.as_ref().map(|volumes| volumes.iter().map(|v| v.corrections.clone()).collect::<Vec<_>>());
    format!("{} {:?} {:?} {corrections:?}", scan.id(), scan.warnings(), scan.volume(&limits).map(|_| ()))
}

#[test]
fn no_file_is_named() {
    let folder = tempfile::tempdir().expect("a folder");
    // A gap between slices without Instance Number, which are named by their files, with and without a UID of their series.
    let without = |mut bytes: Vec<u8>, tag: [u8; 4]| {
        let start = bytes.windows(4).position(|w| w == tag).expect("an element");
        let length = usize::from(u16::from_le_bytes([bytes[start + 6], bytes[start + 7]]));
        bytes.drain(start..start + 8 + length);
        bytes
    };
    for (subject, has_uid) in [("with", true), ("without", false)] {
        let folder = folder.path().join(subject);
        std::fs::create_dir(&folder).expect("a folder");
        for (i, z) in [0.0, 2.0, 4.0, 8.0, 10.0].into_iter().enumerate() {
            let mut bytes = without(Slice::at(i + 1, z).file(), [0x20, 0, 0x13, 0]);
            if !has_uid {
                bytes = without(bytes, [0x20, 0, 0x0E, 0]);
            }
            std::fs::write(folder.join(format!("{SECRET}{i}.dcm")), bytes).expect("written");
        }
    }
    image::GrayImage::new(4, 4).save(folder.path().join(format!("{SECRET}.png"))).expect("written");
    let scans = open(folder.path(), &Limits::default()).expect("opens").scans;
    assert_eq!(scans.len(), 3);
    let deidentifier = Deidentifier::new(Uids::derived("a"));
    for scan in &scans {
        // Of a series, the refusal and the corrections name files; the id of a picture is the name of its file.
        let least = if matches!(scan, Scan::Dicom(_)) { 2 } else { 1 };
        assert!(said(scan).matches(SECRET).count() >= least, "{}", said(scan));
        for nameless in [deidentifier.nameless(scan), deidentifier.scan(scan)] {
            assert!(!said(&nameless).contains(SECRET), "{}", said(&nameless));
            assert!(!said(&nameless).contains(&folder.path().display().to_string()), "{}", said(&nameless));
        }
    }
    let ids: Vec<String> = scans.iter().map(|scan| deidentifier.scan(scan).id()).collect();
    assert!(ids.iter().all(|id| id.starts_with("2.25.")), "{ids:?}");
    let picture = scans.iter().position(|scan| matches!(scan, Scan::Picture(_))).expect("a picture");
    assert_eq!(ids[picture], deidentifier.uid(&scans[picture].id()));
}

#[test]
fn identifiers_agree_within_a_batch_and_not_between_batches() {
    let folder = tempfile::tempdir().expect("a folder");
    let scan = series(folder.path());
    let volume = || scan.volume(&Limits::default()).expect("regular");
    let (a, b) = (Deidentifier::new(Uids::derived("a")), Deidentifier::new(Uids::derived("b")));
    let moved = a.volume(volume());
    assert_eq!(moved.acquisition.series_instance_uid, a.scan(&scan).acquisition().series_instance_uid);
    assert_ne!(moved.acquisition.series_instance_uid, b.scan(&scan).acquisition().series_instance_uid);
    let names: Vec<_> = moved.frames().map(|f| f.sop_instance_uid.clone()).collect();
    assert_eq!(names, [a.uid("1.2.3.1"), a.uid("1.2.3.2")]);
    assert_eq!(moved.geometry(), volume().geometry());
}
