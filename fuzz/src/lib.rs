//! What the targets share: scans are read from a file, as any caller reads them, and DICOM files are put around a codestream.

use netra_core::Limits;
use netra_dicom::{ImageOptions, Scan};

/// Reads the bytes as a scan of any format, and does all there is to do with it.
pub fn read(bytes: &[u8]) {
    // A file in memory where the system has one.
    let folder =
        Some("/dev/shm").filter(|path| std::path::Path::new(path).is_dir()).map_or_else(std::env::temp_dir, Into::into);
    let path = folder.join(format!("netra-fuzz-{}", std::process::id()));
    if std::fs::write(&path, bytes).is_err() {
        return;
    }
    let limits = Limits::default();
    if let Ok(collection) = netra_dicom::open(&path, &limits) {
        for scan in &collection.scans {
            let _ = (scan.summary(), scan.warnings(), scan.volume(&limits));
            let sizes = sizes(scan);
            for image in scan.images(&ImageOptions::default(), &limits).unwrap_or_default() {
                let shape = image.pixels().shape()[1..].to_vec();
                assert!(
                    sizes.is_empty() || sizes.iter().any(|size| size[..] == shape),
                    "{shape:?} is not of {sizes:?}"
                );
            }
        }
    }
    let _ = std::fs::remove_file(&path);
}

/// Rows and columns that the headers of a series state.
fn sizes(scan: &Scan) -> Vec<[usize; 2]> {
    let Scan::Dicom(series) = scan else { return Vec::new() };
    let formats = series.instances.iter().filter_map(|instance| instance.pixel_format());
    formats.map(|format| [format.rows, format.columns]).collect()
}

/// Reads the bytes as one frame in a transfer syntax below 1.2.840.10008.1.2: the first three choose the pixel format, the
/// rows and the columns, the rest is the codestream.
pub fn frame(syntax: &str, bytes: &[u8]) {
    let [format, rows, columns, codestream @ ..] = bytes else { return };
    let mut file = start(syntax);
    let samples = if format & 2 == 0 { 1 } else { 3 };
    image(&mut file, samples, if samples == 1 { "MONOCHROME2 " } else { "RGB " }, [*rows, *columns], *format);
    file.extend([0xE0, 0x7F, 0x10, 0x00, b'O', b'B', 0, 0, 0xFF, 0xFF, 0xFF, 0xFF]);
    let mut frame = codestream.to_vec();
    frame.resize(frame.len().next_multiple_of(2), 0);
    for item in [&[][..], &frame] {
        file.extend([0xFE, 0xFF, 0x00, 0xE0]);
        file.extend((item.len() as u32).to_le_bytes());
        file.extend(item);
    }
    file.extend([0xFE, 0xFF, 0xDD, 0xE0, 0, 0, 0, 0]);
    read(&file);
}

/// Preamble, transfer syntax, SOP class of a secondary capture.
pub fn start(syntax: &str) -> Vec<u8> {
    let mut out = [vec![0; 128], b"DICM".to_vec()].concat();
    let mut uid = format!("1.2.840.10008.1.2{syntax}").into_bytes();
    uid.resize(uid.len().next_multiple_of(2), 0);
    element(&mut out, (0x0002, 0x0010), b"UI", &uid);
    out
}

/// The image pixel module. Bits of `format`: 16 bits allocated, three samples (see `samples`), signed.
pub fn image(out: &mut Vec<u8>, samples: u16, colour: &str, [rows, columns]: [u8; 2], format: u8) {
    element(out, (0x0008, 0x0016), b"UI", b"1.2.840.10008.5.1.4.1.1.7\0");
    let bits: u16 = if format & 1 == 0 { 8 } else { 16 };
    element(out, (0x0028, 0x0002), b"US", &samples.to_le_bytes());
    element(out, (0x0028, 0x0004), b"CS", colour.as_bytes());
    let numbers = [
        (0x0010, rows.max(1).into()),
        (0x0011, columns.max(1).into()),
        (0x0100, bits),
        (0x0101, bits),
        (0x0102, bits - 1),
        (0x0103, u16::from(format & 4 != 0)),
    ];
    for (tag, value) in numbers {
        element(out, (0x0028, tag), b"US", &value.to_le_bytes());
    }
}

/// A short element of explicit VR, little endian.
pub fn element(out: &mut Vec<u8>, (group, tag): (u16, u16), vr: &[u8; 2], value: &[u8]) {
    out.extend(group.to_le_bytes());
    out.extend(tag.to_le_bytes());
    out.extend(vr);
    if matches!(vr, b"OB" | b"OW") {
        out.extend([0, 0]);
        out.extend((value.len() as u32).to_le_bytes());
    } else {
        out.extend((value.len() as u16).to_le_bytes());
    }
    out.extend(value);
}
