//! A scan without its patient: nothing that is not on the short list, no true identifier, and the same pixels.

mod common;

use common::{Bytes, Slice};
use dicom_object::InMemDicomObject;
use netra_dicom::write::Uids;
use netra_dicom::{Deidentifier, Limits, Scan, open};

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
