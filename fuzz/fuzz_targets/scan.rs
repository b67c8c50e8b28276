//! Any bytes as a scan file: read, summarised, decoded. Nothing may panic.
#![no_main]

use libfuzzer_sys::fuzz_target;
use netra_core::Limits;
use netra_dicom::ImageOptions;

fuzz_target!(|bytes: &[u8]| {
    let path = std::env::temp_dir().join(format!("netra-fuzz-{}", std::process::id()));
    if std::fs::write(&path, bytes).is_err() {
        return;
    }
    let limits = Limits::default();
    if let Ok(collection) = netra_dicom::open(&path, &limits) {
        for scan in &collection.scans {
            let _ = scan.summary();
            let _ = scan.volume(&limits);
            let _ = scan.images(&ImageOptions::default(), &limits);
        }
    }
    let _ = std::fs::remove_file(&path);
});
