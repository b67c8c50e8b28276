//! What reading tolerates and what it makes of pixels: sniffing, missing parts, multi-frame, grey, colour, other formats.

mod common;

use std::io::Write;

use common::{Bytes, EXPLICIT, Slice};
use netra_core::{Image, IntensityUnit};
use netra_dicom::{ImageOptions, Limits, Scan, Voi, open};

/// A scan and the folder in which its pixels still lie.
struct Kept(Scan, #[allow(dead_code, reason = "removed when dropped")] tempfile::TempDir);

impl std::ops::Deref for Kept {
    type Target = Scan;

    fn deref(&self) -> &Scan {
        &self.0
    }
}

fn read(name: &str, bytes: &[u8]) -> Kept {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join(name);
    std::fs::write(&path, bytes).expect("written");
    let mut collection = open(&path, &Limits::default()).expect("opens");
    assert!(collection.refused.is_empty(), "{:?}", collection.refused);
    Kept(collection.scans.remove(0), folder)
}

fn image(scan: &Scan, voi: Voi) -> Image {
    scan.images(&ImageOptions { voi }, &Limits::default()).expect("decodes").remove(0)
}

fn codes(scan: &Scan) -> Vec<String> {
    scan.warnings().into_iter().map(|warning| warning.code).collect()
}

/// A 2 x 2 image of 8 bits.
fn small(photometric: &str, samples: u16, more: Bytes, pixels: &[u8]) -> Vec<u8> {
    Bytes::default()
        .short(0x28, 0x02, samples)
        .text(0x28, 0x04, "CS", photometric)
        .short(0x28, 0x06, 0)
        .short(0x28, 0x10, 2)
        .short(0x28, 0x11, 2)
        .short(0x28, 0x100, 8)
        .short(0x28, 0x101, 8)
        .short(0x28, 0x102, 7)
        .short(0x28, 0x103, 0)
        .raw(&more.0)
        .put(0x7FE0, 0x10, "OB", pixels)
        .file(EXPLICIT)
}

#[test]
fn explicit_bytes_declared_as_implicit_are_read_with_a_warning() {
    let slice = Slice::at(1, 0.0).file();
    let at = slice.windows(EXPLICIT.len()).position(|w| w == EXPLICIT.as_bytes()).expect("the UID");
    let mut bytes = slice.clone();
    bytes[at + "1.2.840.10008.1.2".len()..at + EXPLICIT.len()].fill(0);
    let scan = read("a", &bytes);
    assert!(codes(&scan).contains(&"transfer-syntax-mismatch".to_owned()));
    assert_eq!(image(&scan, Voi::Ignore).pixels(), image(&read("b", &slice), Voi::Ignore).pixels());
}

#[test]
fn files_without_preamble_or_meta_are_read_with_a_warning() {
    let slice = Slice::at(1, 0.0).file();
    let bare = read("a", &slice[132..]);
    assert!(codes(&bare).contains(&"preamble-missing".to_owned()));
    // The meta element of this file is 8 + 20 bytes long.
    let no_meta = read("b", &slice[132 + 28..]);
    assert!(codes(&no_meta).contains(&"transfer-syntax-missing".to_owned()));
    assert_eq!(image(&no_meta, Voi::Ignore).pixels()[(0, 1, 2)], 112.0);
}

#[test]
fn a_zip_and_a_folder_give_the_same() {
    let folder = tempfile::tempdir().expect("a folder");
    let zip = folder.path().join("a.zip");
    let mut writer = zip::ZipWriter::new(std::fs::File::create(&zip).expect("created"));
    let options = zip::write::SimpleFileOptions::default();
    let deflated = options.compression_method(zip::CompressionMethod::Deflated);
    let stored = options.compression_method(zip::CompressionMethod::Stored);
    for (i, method) in [deflated, stored, deflated].into_iter().enumerate() {
        writer.start_file(format!("series/{i}"), method).expect("started");
        writer.write_all(&Slice::at(i + 1, 5.0 * i as f64).file()).expect("written");
    }
    writer.start_file("series/README.txt", stored).expect("started");
    writer.write_all(b"not a scan").expect("written");
    writer.start_file("series/broken.dcm", stored).expect("started");
    writer.write_all(b"not a scan either").expect("written");
    writer.finish().expect("finished");
    let collection = open(&zip, &Limits::default()).expect("opens");
    assert_eq!((collection.scans.len(), collection.refused.len()), (1, 1));
    assert!(collection.refused[0].0.ends_with("a.zip/series/broken.dcm"));
    assert_eq!(collection.warnings[0].code, "files-ignored");
    let volume = collection.scans[0].volume(&Limits::default()).expect("regular");
    assert_eq!(volume.voxels()[(2, 2, 3)], 323.0);
    // The folder that holds the archive opens it as well.
    let around = open(folder.path(), &Limits::default()).expect("opens");
    assert_eq!(around.scans[0].volume(&Limits::default()).expect("regular").voxels(), volume.voxels());
}

#[test]
fn an_enhanced_multi_frame_stack_is_a_volume() {
    let wrap = |item: &Bytes, tag: (u16, u16)| {
        Bytes::default()
            .head(tag.0, tag.1, "SQ", item.0.len() as u32 + 8)
            .item(0xE000, item.0.len() as u32)
            .raw(&item.0)
    };
    let orientation = Bytes::default().text(0x20, 0x37, "DS", "0\\1\\0\\0\\0\\-1");
    let measures = Bytes::default().text(0x28, 0x30, "DS", "2\\3");
    let shared = Bytes::default().raw(&wrap(&orientation, (0x20, 0x9116)).0).raw(&wrap(&measures, (0x28, 0x9110)).0);
    let mut frames = Bytes::default();
    for (frame, x) in [(0, 8.0), (1, 0.0), (2, 4.0)] {
        let position = Bytes::default().text(0x20, 0x32, "DS", &format!("{x}\\1\\2"));
        let rescale = Bytes::default()
            .text(0x28, 0x1052, "DS", &format!("{}", 1000 * frame))
            .text(0x28, 0x1053, "DS", "1")
            .text(0x28, 0x1054, "LO", "US");
        let item = Bytes::default().raw(&wrap(&position, (0x20, 0x9113)).0).raw(&wrap(&rescale, (0x28, 0x9145)).0);
        frames = frames.item(0xE000, item.0.len() as u32).raw(&item.0);
    }
    let bytes = Bytes::default()
        .text(0x08, 0x16, "UI", "1.2.840.10008.5.1.4.1.1.4.1")
        .text(0x08, 0x18, "UI", "1.2.3.9")
        .text(0x08, 0x60, "CS", "MR")
        .text(0x20, 0x0E, "UI", "1.2.3.4")
        .short(0x28, 0x02, 1)
        .text(0x28, 0x04, "CS", "MONOCHROME2")
        .text(0x28, 0x08, "IS", "3")
        .short(0x28, 0x10, 1)
        .short(0x28, 0x11, 2)
        .short(0x28, 0x100, 8)
        .short(0x28, 0x101, 8)
        .short(0x28, 0x102, 7)
        .short(0x28, 0x103, 0)
        .head(0x5200, 0x9229, "SQ", shared.0.len() as u32 + 8)
        .item(0xE000, shared.0.len() as u32)
        .raw(&shared.0)
        .head(0x5200, 0x9230, "SQ", frames.0.len() as u32)
        .raw(&frames.0)
        .put(0x7FE0, 0x10, "OB", &[1, 2, 11, 12, 21, 22])
        .file(EXPLICIT);
    let scan = read("a", &bytes);
    assert!(scan.is_volume());
    let volume = scan.volume(&Limits::default()).expect("regular");
    // The normal (cross of rows along y and columns along -z) is -x: the frame at x = 8 comes first.
    assert_eq!(volume.geometry().affine().step(0), [-4.0, 0.0, 0.0]);
    assert_eq!(volume.geometry().affine().step(1), [0.0, 0.0, -2.0]);
    assert_eq!(volume.geometry().affine().step(2), [0.0, 3.0, 0.0]);
    let order: Vec<u32> = volume.frames().map(|f| f.frame).collect();
    assert_eq!(order, [1, 3, 2]);
    assert_eq!(volume.voxels().as_slice().expect("contiguous"), [1.0, 2.0, 2021.0, 2022.0, 1011.0, 1012.0]);
    assert_eq!(volume.unit, IntensityUnit::Arbitrary);
}

#[test]
fn windows_follow_the_standard() {
    let window = |centre: &str, width: &str, function: &str| {
        let more = Bytes::default()
            .text(0x28, 0x1050, "DS", centre)
            .text(0x28, 0x1051, "DS", width)
            .text(0x28, 0x1056, "CS", function);
        let scan = read("a", &small("MONOCHROME2", 1, more, &[0, 100, 128, 255]));
        let image = image(&scan, Voi::Apply);
        assert_eq!((image.unit.clone(), image.value_range), (IntensityUnit::Display, [0.0, 255.0]));
        image.pixels().iter().copied().collect::<Vec<f32>>()
    };
    // PS3.3 C.11.2.1.2: ((x - (c - 0.5)) / (w - 1) + 0.5) * 255.
    let linear = window("128", "101", "LINEAR");
    assert_eq!((linear[0], linear[3]), (0.0, 255.0));
    assert!((linear[1] - (((100.0 - 127.5) / 100.0 + 0.5) * 255.0)).abs() < 1e-4, "{linear:?}");
    let exact = window("128", "100", "LINEAR_EXACT");
    assert!((exact[1] - ((100.0 - 128.0) / 100.0 + 0.5) * 255.0).abs() < 1e-4, "{exact:?}");
    let sigmoid = window("128", "100", "SIGMOID");
    assert!((sigmoid[2] - 127.5).abs() < 1e-4, "{sigmoid:?}");
    assert!((sigmoid[1] - 255.0 / (1.0 + (4.0f32 * 28.0 / 100.0).exp())).abs() < 1e-3, "{sigmoid:?}");
    assert_eq!(window("100", "1", "LINEAR"), [0.0, 255.0, 255.0, 255.0]);
}

#[test]
fn monochrome1_is_inverted_once() {
    let plain = read("a", &small("MONOCHROME1", 1, Bytes::default(), &[0, 100, 128, 255]));
    let pixels = image(&plain, Voi::Apply);
    assert_eq!(pixels.pixels().as_slice().expect("contiguous"), [255.0, 155.0, 127.0, 0.0]);
    let window = Bytes::default().text(0x28, 0x1050, "DS", "128").text(0x28, 0x1051, "DS", "256");
    let windowed = image(&read("b", &small("MONOCHROME1", 1, window, &[0, 100, 128, 255])), Voi::Apply);
    assert!(windowed.pixels().iter().zip([255.0, 155.0, 127.0, 0.0]).all(|(a, b)| (a - b).abs() < 1e-3));
}

#[test]
fn a_voi_table_comes_before_a_window() {
    let item = Bytes::default().put(0x28, 0x3002, "US", &[3, 0, 1, 0, 16, 0]).put(
        0x28,
        0x3006,
        "US",
        &[0, 0, 0xFF, 0x7F, 0xFF, 0xFF],
    );
    let more = Bytes::default()
        .text(0x28, 0x1050, "DS", "128")
        .text(0x28, 0x1051, "DS", "256")
        .head(0x28, 0x3010, "SQ", item.0.len() as u32 + 8)
        .item(0xE000, item.0.len() as u32)
        .raw(&item.0);
    let scan = read("a", &small("MONOCHROME2", 1, more, &[0, 1, 2, 9]));
    let image = image(&scan, Voi::Apply);
    let want = [0.0, 0.0, 127.5, 255.0];
    assert!(image.pixels().iter().zip(want).all(|(a, b)| (a - b).abs() < 0.01), "{:?}", image.pixels());
}

#[test]
fn stored_bits_are_cut_out_and_sign_extended() {
    // 12 bits up to bit 13 of 16, signed; the bits outside hold overlays.
    let pixels: Vec<u8> = [0xC003u16, 0x3FFC | 0x4001, 0x2000, 0x1FFC].iter().flat_map(|v| v.to_le_bytes()).collect();
    let bytes = Bytes::default()
        .short(0x28, 0x10, 2)
        .short(0x28, 0x11, 2)
        .short(0x28, 0x100, 16)
        .short(0x28, 0x101, 12)
        .short(0x28, 0x102, 13)
        .short(0x28, 0x103, 1)
        .put(0x7FE0, 0x10, "OW", &pixels)
        .file(EXPLICIT);
    let image = image(&read("a", &bytes), Voi::Ignore);
    assert_eq!(image.pixels().as_slice().expect("contiguous"), [0.0, -1.0, -2048.0, 2047.0]);
    assert_eq!(image.value_range, [-2048.0, 2047.0]);
}

#[test]
fn colour_becomes_rgb() {
    let rgb = |scan: &Scan| {
        let image = image(scan, Voi::Apply);
        assert_eq!(image.unit, IntensityUnit::Display);
        [0, 1, 2].map(|c| image.pixels()[(c, 0, 1)])
    };
    let pixels = [0, 0, 0, 10, 20, 30, 0, 0, 0, 0, 0, 0];
    assert_eq!(rgb(&read("a", &small("RGB", 3, Bytes::default(), &pixels))), [10.0, 20.0, 30.0]);
    let planes = [0, 10, 0, 0, 0, 20, 0, 0, 0, 30, 0, 0];
    let planar = Bytes::default().short(0x28, 0x06, 1);
    assert_eq!(rgb(&read("b", &small("RGB", 3, planar, &planes))), [10.0, 20.0, 30.0]);
    // Pure red in full-range YBR is (76.245, 84.97, 255.5).
    let ybr = [0, 128, 128, 76, 85, 255, 0, 128, 128, 0, 128, 128];
    let red = rgb(&read("c", &small("YBR_FULL", 3, Bytes::default(), &ybr)));
    assert!(red[0] > 253.0 && red[1] < 2.0 && red[2] < 2.0, "{red:?}");
    // Y Y Cb Cr for each pair of neighbours.
    let shared = [76, 76, 85, 255, 0, 0, 128, 128];
    let red = rgb(&read("d", &small("YBR_FULL_422", 3, Bytes::default(), &shared)));
    assert!(red[0] > 253.0 && red[1] < 2.0 && red[2] < 2.0, "{red:?}");
}

#[test]
fn what_is_not_decoded_is_refused_by_name() {
    let refused = |uid: &str| {
        let bytes = Bytes::default()
            .short(0x28, 0x10, 2)
            .short(0x28, 0x11, 2)
            .short(0x28, 0x100, 8)
            .head(0x7FE0, 0x10, "OB", u32::MAX)
            .item(0xE000, 0)
            .item(0xE000, 4)
            .raw(&[0; 4])
            .item(0xE0DD, 0)
            .file(uid);
        let error = read("a", &bytes).images(&ImageOptions::default(), &Limits::default()).expect_err("refused");
        assert_eq!(error.kind(), netra_core::ErrorKind::Unsupported);
        error.to_string()
    };
    assert!(refused("1.2.840.10008.1.2.4.103").contains("H.264"));
    assert!(refused("1.2.840.10008.1.2.4.95").contains("JPIP Referenced Deflate"));
}

#[test]
fn pictures_keep_their_values_and_lay_alpha_over_black() {
    let encode = |picture: image::DynamicImage, format| {
        let mut bytes = std::io::Cursor::new(Vec::new());
        picture.write_to(&mut bytes, format).expect("encoded");
        bytes.into_inner()
    };
    let deep = image::ImageBuffer::from_fn(3, 2, |x, y| image::Luma([(x * 1000 + y) as u16]));
    let scan = read("a.tif", &encode(deep.into(), image::ImageFormat::Tiff));
    let picture = image(&scan, Voi::Apply);
    assert_eq!((picture.size(), picture.value_range), ([2, 3], [0.0, 65535.0]));
    assert_eq!(picture.pixels()[(0, 1, 2)], 2001.0);
    let clear = image::RgbaImage::from_fn(2, 1, |x, _| image::Rgba([200, 100, 50, if x == 0 { 255 } else { 51 }]));
    let scan = read("a.png", &encode(clear.into(), image::ImageFormat::Png));
    let picture = image(&scan, Voi::Apply);
    assert_eq!(codes(&scan), ["alpha-composited"]);
    assert_eq!(picture.pixels()[(0, 0, 0)], 200.0);
    assert!((picture.pixels()[(0, 0, 1)] - 40.0).abs() < 0.01);
    assert!(scan.volume(&Limits::default()).is_err());
}

#[test]
fn nifti_is_turned_to_lps() {
    let mut bytes = vec![0u8; 352];
    bytes[..4].copy_from_slice(&348i32.to_le_bytes());
    bytes[40..48].copy_from_slice(&[3, 0, 2, 0, 3, 0, 1, 0]);
    bytes[70..72].copy_from_slice(&4i16.to_le_bytes());
    bytes[108..112].copy_from_slice(&352f32.to_le_bytes());
    bytes[112..116].copy_from_slice(&2f32.to_le_bytes());
    bytes[116..120].copy_from_slice(&(-1f32).to_le_bytes());
    bytes[254..256].copy_from_slice(&1i16.to_le_bytes());
    let rows = [[0.5f32, 0.0, 0.0, 10.0], [0.0, 0.75, 0.0, -20.0], [0.0, 0.0, 3.0, 30.0]];
    for (i, value) in rows.iter().flatten().enumerate() {
        bytes[280 + 4 * i..284 + 4 * i].copy_from_slice(&value.to_le_bytes());
    }
    bytes[344..348].copy_from_slice(b"n+1\0");
    bytes.extend((0..6i16).flat_map(i16::to_le_bytes));
    let mut gz = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    gz.write_all(&bytes).expect("in memory");
    for scan in [read("a.nii", &bytes), read("a.nii.gz", &gz.finish().expect("in memory"))] {
        assert_eq!(scan.id(), "a");
        let volume = scan.volume(&Limits::default()).expect("reads");
        assert_eq!(volume.geometry().shape(), [1, 3, 2]);
        let affine = volume.geometry().affine();
        assert_eq!(affine.step(2), [-0.5, 0.0, 0.0]);
        assert_eq!(affine.step(1), [0.0, -0.75, 0.0]);
        assert_eq!(affine.step(0), [0.0, 0.0, 3.0]);
        assert_eq!(affine.origin(), [-10.0, 20.0, 30.0]);
        // Voxel (i, j, k) = (1, 2, 0) is the sixth; 2 * 5 - 1.
        assert_eq!(volume.voxels()[(0, 2, 1)], 9.0);
    }
    bytes[40..50].copy_from_slice(&[4, 0, 2, 0, 1, 0, 1, 0, 3, 0]);
    let folder = tempfile::tempdir().expect("a folder");
    std::fs::write(folder.path().join("a.nii"), &bytes).expect("written");
    let refused = open(folder.path(), &Limits::default()).expect("opens").refused;
    assert!(refused[0].1.to_string().contains("4-D NIfTI"), "{:?}", refused[0]);
}

#[test]
fn summaries_hold_no_patient() {
    let named = Bytes::default().text(0x10, 0x10, "PN", "Secret^Name").text(0x10, 0x20, "LO", "MRN-4711");
    let scan = read("a", &small("MONOCHROME2", 1, named, &[0, 1, 2, 3]));
    let json = serde_json::to_string(&scan.summary()).expect("plain data");
    assert!(!json.contains("Secret") && !json.contains("4711"), "{json}");
    let Scan::Dicom(series) = &*scan else { panic!("a series") };
    assert!(series.instances[0].header().get(dicom_core::Tag(0x10, 0x10)).is_some());
}
