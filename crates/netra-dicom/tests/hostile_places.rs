//! Places and containers that lie: archives, folders, DICOMDIR, names, NIfTI and pictures. Each is refused or read in under a
//! second and within 256 MB and four times the file.

mod common;
#[path = "common/hostile.rs"]
mod judge;

use std::io::Write;
use std::path::{Path, PathBuf};

use common::{Bytes, EXPLICIT, Slice};
use judge::{judged, judged_at, refusal};
use netra_core::ErrorKind;
use netra_dicom::{Limits, open};

#[test]
fn child() {
    judge::child();
}

/// An archive of members that are deflated as well as can be.
fn archive(path: &Path, members: &[(&str, &[u8])]) -> PathBuf {
    let mut writer = zip::ZipWriter::new(std::fs::File::create(path).expect("created"));
    let options = zip::write::SimpleFileOptions::default().compression_method(zip::CompressionMethod::Deflated);
    for (name, bytes) in members {
        writer.start_file(*name, options).expect("started");
        writer.write_all(bytes).expect("written");
    }
    writer.finish().expect("finished");
    path.to_path_buf()
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
    encoder.write_all(bytes).expect("in memory");
    encoder.finish().expect("in memory")
}

/// CVE-2026-5439 (Orthanc: a ZIP bomb), and an archive inside an archive.
#[test]
fn zip_bombs() {
    let folder = tempfile::tempdir().expect("a folder");
    // A member of 200 MB of blanks behind a DICOM head: nothing of it is kept.
    let mut bomb = Bytes::default().head(0x08, 0x08, "UT", 200 << 20).file(EXPLICIT);
    bomb.resize(200 << 20, b' ');
    let path = archive(&folder.path().join("bomb.zip"), &[("a.dcm", &bomb)]);
    assert_eq!(judged_at(&path).expect("refused").kind(), ErrorKind::Malformed);
    let mut tight = Limits::default();
    tight.archive_bytes = 1 << 20;
    assert_eq!(open(&path, &tight).expect_err("over the limit").kind(), ErrorKind::Limit);
    let inner = std::fs::read(&path).expect("read");
    let nested = archive(&folder.path().join("outer.zip"), &[("inner.zip", &inner)]);
    assert_eq!(judged_at(&nested).expect("refused").kind(), ErrorKind::Unsupported);
    // Members of fragments that must be walked: 15 GB in all, from one piece of the archive, and less from as many pieces.
    let mut many = Bytes::default().text(0x08, 0x60, "CS", "OT").head(0x7FE0, 0x10, "OB", u32::MAX).item(0xE000, 0);
    many = many.item(0xE000, 60 << 20).raw(&vec![0; 60 << 20]).item(0xE0DD, 0);
    let member = many.file("1.2.840.10008.1.2.5");
    let path = archive(&folder.path().join("many.zip"), &[("a.dcm", &member), ("b.dcm", &member)]);
    for count in [4, 250, 65_535] {
        std::fs::write(&path, copies(&std::fs::read(&path).expect("read"), count)).expect("written");
        let error = judged_at(&path).expect("refused");
        assert!(matches!(error.kind(), ErrorKind::Limit | ErrorKind::Malformed), "{error}");
    }
    let names: Vec<String> = (0..20).map(|i| format!("{i}.dcm")).collect();
    let members: Vec<(&str, &[u8])> = names.iter().map(|name| (name.as_str(), member.as_slice())).collect();
    let error = judged_at(&archive(&path, &members)).expect("refused");
    assert_eq!(error.kind(), ErrorKind::Limit, "{error}");
}

/// The archive with its last member `count` times in the directory: members that overlap (Fifield's bomb).
fn copies(archive: &[u8], count: u16) -> Vec<u8> {
    let end = archive.len() - 22;
    let word = |at: usize| u32::from_le_bytes(archive[at..at + 4].try_into().expect("four bytes")) as usize;
    let (size, start) = (word(end + 12), word(end + 16));
    let last = archive[start..start + size].windows(4).rposition(|w| w == b"PK\x01\x02").expect("an entry") + start;
    let entry = &archive[last..start + size];
    let mut out = archive[..start].to_vec();
    for i in 0..count {
        // The names differ, as they must: 'b.dcm' becomes five digits.
        let mut entry = entry.to_vec();
        entry[46..51].copy_from_slice(format!("{i:05}").as_bytes());
        out.extend(entry);
    }
    let size = out.len() - start;
    let mut tail = archive[end..].to_vec();
    tail[8..10].copy_from_slice(&count.to_le_bytes());
    tail[10..12].copy_from_slice(&count.to_le_bytes());
    tail[12..16].copy_from_slice(&(size as u32).to_le_bytes());
    out.extend(tail);
    out
}

/// Zip slip, sizes that lie, a directory that promises more than there is.
#[test]
fn zip_tricks() {
    let folder = tempfile::tempdir().expect("a folder");
    let slice = Slice::at(1, 0.0).file();
    for name in ["../../a.dcm", "/etc/a.dcm", "a/../../b.dcm"] {
        let path = archive(&folder.path().join("slip.zip"), &[(name, &slice)]);
        let found = open(&path, &Limits::default()).expect("listed");
        let outside =
            |path: &Path| !path.starts_with(folder.path()) || path.components().any(|c| c.as_os_str() == "..");
        assert!(!found.refused.iter().any(|(path, _)| outside(path)), "{name}");
        assert!(found.scans.is_empty() || name.starts_with('/'), "{name}");
    }
    let path = archive(&folder.path().join("a.zip"), &[("a.dcm", &slice)]);
    let sound = std::fs::read(&path).expect("read");
    let entry = sound.windows(4).position(|w| w == b"PK\x01\x02").expect("an entry");
    // The sizes of the directory: compressed, inflated; the place of the member.
    for (at, value) in [(20, u32::MAX - 1), (20, 1), (24, u32::MAX - 1), (24, 1), (24, 1 << 30), (42, u32::MAX - 1)] {
        let mut lying = sound.clone();
        lying[entry + at..entry + at + 4].copy_from_slice(&value.to_le_bytes());
        std::fs::write(&path, &lying).expect("written");
        assert!(judged_at(&path).is_some(), "field {at}");
    }
    let mut promises = sound.clone();
    let end = promises.len() - 22;
    promises[end + 8..end + 12].fill(0xFF);
    std::fs::write(&path, &promises).expect("written");
    judged_at(&path);
}

/// CVE-2026-32711 (pydicom: Referenced File ID leaves the folder of the DICOMDIR).
#[test]
fn a_dicomdir_points_nowhere_else() {
    let outer = tempfile::tempdir().expect("a folder");
    let inner = outer.path().join("disc");
    std::fs::create_dir(&inner).expect("made");
    std::fs::write(outer.path().join("secret.dcm"), Slice::at(1, 0.0).file()).expect("written");
    std::fs::write(inner.join("own.dcm"), Slice::at(2, 0.0).file()).expect("written");
    for reference in ["..\\SECRET.DCM", "..\\secret.dcm", "/etc/passwd", "..", "A\\..\\..\\secret.dcm"] {
        let record = Bytes::default().text(0x04, 0x1430, "CS", "IMAGE").text(0x04, 0x1500, "CS", reference);
        let meta = Bytes::default().text(2, 2, "UI", "1.2.840.10008.1.3.10").text(2, 0x10, "UI", EXPLICIT);
        let body = Bytes::default().head(0x04, 0x1220, "SQ", u32::MAX).item(0xE000, u32::MAX).raw(&record.0);
        let body = body.item(0xE00D, 0).item(0xE0DD, 0);
        let directory = [&[0; 128], &b"DICM"[..], &meta.0, &body.0].concat();
        std::fs::write(inner.join("DICOMDIR"), directory).expect("written");
        let found = open(&inner, &Limits::default()).expect("listed");
        assert_eq!(found.scans.len(), 1, "{reference}");
        assert!(format!("{:?}", found.scans).contains("own.dcm") && !format!("{:?}", found).contains("secret.dcm\""));
        // The directory alone is no scan, and leads to none outside.
        if let Ok(found) = open(&inner.join("DICOMDIR"), &Limits::default()) {
            assert!(!format!("{:?}", found.scans).contains("secret.dcm\""), "{reference}");
        }
    }
}

/// Links out of the folder and in circles, folders without end.
#[test]
#[cfg(unix)]
fn links_and_deep_folders() {
    use std::os::unix::fs::symlink;
    let outer = tempfile::tempdir().expect("a folder");
    std::fs::write(outer.path().join("secret.dcm"), Slice::at(1, 0.0).file()).expect("written");
    let inner = outer.path().join("disc");
    std::fs::create_dir(&inner).expect("made");
    std::fs::write(inner.join("own.dcm"), Slice::at(2, 0.0).file()).expect("written");
    symlink(&inner, inner.join("circle")).expect("linked");
    symlink(outer.path(), inner.join("up")).expect("linked");
    symlink(outer.path().join("secret.dcm"), inner.join("a.dcm")).expect("linked");
    symlink("/dev/zero", inner.join("zero.dcm")).expect("linked");
    symlink("b.dcm", inner.join("b.dcm")).expect("linked");
    assert!(judged_at(&inner).is_none(), "what the folder itself holds is read");
    let found = open(&inner, &Limits::default()).expect("listed");
    assert_eq!(found.scans.len(), 1);
    let deep: PathBuf = std::iter::once(inner.clone()).chain((0..100).map(|_| PathBuf::from("d"))).collect();
    std::fs::create_dir_all(&deep).expect("made");
    assert_eq!(judged_at(&inner).expect("refused").kind(), ErrorKind::Limit);
    // What never ends, or never starts, is no file.
    assert!(open(Path::new("/dev/zero"), &Limits::default()).map_or(true, |found| found.scans.is_empty()));
}

/// CVE-2026-56445 (pynetdicom: values of a data set become paths) and CVE-2026-50003.
#[test]
fn no_value_of_a_file_becomes_a_path() {
    let folder = tempfile::tempdir().expect("a folder");
    for value in ["../../x", "..\\..\\x", "/etc/passwd", "C:\\x", "..", ".", "a/b"] {
        let body = Bytes::default()
            .text(0x08, 0x18, "UI", value)
            .text(0x10, 0x10, "PN", value)
            .text(0x10, 0x20, "LO", value)
            .text(0x20, 0x0D, "UI", value)
            .text(0x20, 0x0E, "UI", value);
        let path = folder.path().join("a.dcm");
        std::fs::write(&path, body.file(EXPLICIT)).expect("written");
        let found = open(&path, &Limits::default()).expect("read");
        let id = found.scans[0].id();
        assert!(!id.contains(['/', '\\', ':']) && !id.starts_with('.') && !id.is_empty(), "{value}: {id}");
    }
}

fn nifti(shape: [u16; 3], offset: f32) -> Vec<u8> {
    let mut bytes = vec![0u8; 400];
    bytes[..4].copy_from_slice(&348i32.to_le_bytes());
    bytes[40] = 3;
    for (i, size) in shape.into_iter().enumerate() {
        bytes[42 + 2 * i..44 + 2 * i].copy_from_slice(&size.to_le_bytes());
    }
    bytes[70] = 16;
    bytes[72] = 32;
    for at in [80, 84, 88] {
        bytes[at..at + 4].copy_from_slice(&1f32.to_le_bytes());
    }
    bytes[108..112].copy_from_slice(&offset.to_le_bytes());
    bytes[344..348].copy_from_slice(b"n+1\0");
    bytes
}

/// CVE-2026-5438 (Orthanc: a gzip bomb).
#[test]
fn nifti_bombs() {
    let most = 0x7FFF;
    assert_eq!(refusal("huge.nii", &nifti([most, most, most], 352.0)).kind(), ErrorKind::Limit);
    assert_eq!(refusal("short.nii", &nifti([256, 256, 256], 352.0)).kind(), ErrorKind::Malformed);
    assert_eq!(refusal("short.nii.gz", &gzip(&nifti([256, 256, 256], 352.0))).kind(), ErrorKind::Malformed);
    for offset in [-1.0, f32::NAN, f32::INFINITY, 1e30, 4e9, 347.0, 352.0, 384.0] {
        let sound = judged("offset.nii", &nifti([2, 2, 2], offset)).is_none();
        let zipped = judged("offset.nii.gz", &gzip(&nifti([2, 2, 2], offset))).is_none();
        assert_eq!([sound, zipped], [offset == 352.0; 2], "{offset}");
    }
    // 300 MB of zeros before the first voxel.
    let mut zeros = nifti([2, 2, 2], 300_000_000.0);
    zeros.resize(300_000_100, 0);
    assert!(judged("before.nii.gz", &gzip(&zeros)).is_some());
    // A name without end in the header of the gzip file, and members without number.
    let name = [&[0x1F, 0x8B, 8, 8, 0, 0, 0, 0, 0, 3][..], &vec![b'a'; 8 << 20]].concat();
    refusal("name.nii.gz", &name);
    refusal("members.nii.gz", &gzip(&[]).repeat(200_000));
}

/// Pictures that decode to far more than they are.
#[test]
fn picture_bombs() {
    let chunk = |kind: &[u8; 4], data: &[u8]| {
        let mut crc = flate2::Crc::new();
        crc.update(kind);
        crc.update(data);
        [&(data.len() as u32).to_be_bytes()[..], kind, data, &crc.sum().to_be_bytes()].concat()
    };
    let png = |columns: u32, rows: u32, chunks: &[u8]| {
        let head = [&columns.to_be_bytes()[..], &rows.to_be_bytes(), &[8, 2, 0, 0, 0]].concat();
        [&b"\x89PNG\r\n\x1a\n"[..], &chunk(b"IHDR", &head), chunks, &chunk(b"IEND", &[])].concat()
    };
    let zlib = |bytes: usize| {
        let mut encoder = flate2::write::ZlibEncoder::new(Vec::new(), flate2::Compression::best());
        encoder.write_all(&vec![0; bytes]).expect("in memory");
        encoder.finish().expect("in memory")
    };
    refusal("huge.png", &png(30_000, 30_000, &[]));
    refusal("most.png", &png(u32::MAX, u32::MAX, &chunk(b"IDAT", &[0; 64])));
    // A profile and a text that inflate without end.
    let profile = [&b"icc\0\0"[..], &zlib(400 << 20)].concat();
    for kind in [b"iCCP", b"zTXt"] {
        let bomb = [chunk(kind, &profile), chunk(b"IDAT", &zlib(2 * 7))].concat();
        judged("profile.png", &png(2, 2, &bomb));
    }
    judged("rows.png", &png(2, 2, &chunk(b"IDAT", &zlib(100 << 20))));
    let jpeg = |segment: &[u8]| [&[0xFF, 0xD8, 0xFF, 0xE0, 0, 2], segment, &[0xFF, 0xD9]].concat();
    refusal(
        "huge.jpg",
        &jpeg(&[0xFF, 0xC0, 0, 11, 8, 0xFF, 0xFF, 0xFF, 0xFF, 1, 1, 0x11, 0, 0xFF, 0xDA, 0, 8, 1, 1, 0, 0, 63, 0]),
    );
    refusal("comments.jpg", &jpeg(&[0xFF, 0xFE, 0, 2].repeat(1_000_000)));
    refusal("restarts.jpg", &jpeg(&[0xFF, 0xD0].repeat(1_000_000)));
    // TIFF: tags are number, kind, count, value.
    let tiff = |tags: &[[u32; 4]], next: u32| {
        let mut out = b"II*\0\x08\0\0\0".to_vec();
        out.extend((tags.len() as u16).to_le_bytes());
        for [tag, kind, count, value] in tags {
            out.extend((*tag as u16).to_le_bytes());
            out.extend((*kind as u16).to_le_bytes());
            out.extend(count.to_le_bytes());
            out.extend(value.to_le_bytes());
        }
        out.extend(next.to_le_bytes());
        out
    };
    let size = |n: u32| [[256, 4, 1, n], [257, 4, 1, n], [258, 3, 1, 8], [259, 3, 1, 1], [262, 3, 1, 1]];
    let strips = |count: u32, rows: u32| [[273, 4, count, 8], [278, 4, 1, rows], [279, 4, count, 8]];
    refusal("huge.tif", &tiff(&[&size(u32::MAX)[..], &strips(1, u32::MAX)].concat(), 0));
    refusal("large.tif", &tiff(&[&size(30_000)[..], &strips(1, 30_000)].concat(), 0));
    refusal("strips.tif", &tiff(&[&size(8)[..], &strips(u32::MAX, 1)].concat(), 0));
    refusal("rows.tif", &tiff(&[&size(8)[..], &strips(1, 0)].concat(), 8));
    refusal(
        "tiles.tif",
        &tiff(&[&size(9000)[..], &[[322, 4, 1, 1], [323, 4, 1, 1], [324, 4, 1, 8], [325, 4, 1, 1]]].concat(), 8),
    );
    refusal("circle.tif", &tiff(&[], 8));
}
