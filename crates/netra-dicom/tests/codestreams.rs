//! Compressed pixels: what other people's encoders make is decoded to what went in, and damaged codestreams are refused.

mod common;

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Instant;

use common::Bytes;
use netra_core::Result;
use netra_dicom::{Limits, Scan, open};
use sha2::{Digest, Sha256};

/// The interpreter that has the encoders.
fn python() -> Option<PathBuf> {
    netra_testkit::python("imagecodecs, jpeg_ls, numpy, PIL, pydicom")
}

fn frames(path: &Path) -> Result<Vec<u8>> {
    let limits = Limits::default();
    let mut collection = open(path, &limits)?;
    match collection.scans.first() {
        Some(Scan::Dicom(series)) => series.instances[0].raw_frames(&limits).map(|frames| frames.concat()),
        _ => Err(collection.refused.remove(0).1),
    }
}

#[test]
fn what_other_encoders_make_is_decoded() {
    let Some(python) = python() else { return };
    let folder = tempfile::tempdir().expect("a folder");
    let script = netra_testkit::workspace().join("tests/validate/codestreams.py");
    let output = Command::new(python).arg(script).arg(folder.path()).output().expect("starts");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let cases = std::fs::read_to_string(folder.path().join("cases.csv")).expect("written");
    let mut wrong = Vec::new();
    for case in cases.lines() {
        let [name, width, tolerance] = case.split(',').collect::<Vec<_>>()[..] else { panic!("{case}") };
        let tolerance: u32 = tolerance.parse().expect("a number");
        let wanted = std::fs::read(folder.path().join(format!("{name}.raw"))).expect("written");
        let got = match frames(&folder.path().join(format!("{name}.dcm"))) {
            Ok(bytes) => bytes,
            Err(e) => {
                wrong.push(format!("{name}: {e}"));
                continue;
            }
        };
        let width: usize = width.parse().expect("a number");
        let number = |sample: &[u8]| sample.iter().rev().fold(0u32, |n, &b| (n << 8) | u32::from(b));
        let samples = |bytes: &[u8]| -> Vec<u32> { bytes.chunks_exact(width).map(number).collect() };
        let (got, wanted) = (samples(&got), samples(&wanted));
        // Signed samples of -1 and 0 are as near as 1 and 0.
        let around =
            |a: u32, b: u32| a.abs_diff(b).min((1u64 << (8 * width)).wrapping_sub(a.abs_diff(b).into()) as u32);
        let off = got.iter().zip(&wanted).map(|(&a, &b)| around(a, b)).max().unwrap_or(0);
        if got.len() != wanted.len() || off > tolerance {
            wrong.push(format!("{name}: {} samples off by {off}, {} by {tolerance} allowed", got.len(), wanted.len()));
        }
    }
    assert!(cases.lines().count() > 1000, "{} cases", cases.lines().count());
    assert!(wrong.is_empty(), "{} of {}:\n{}", wrong.len(), cases.lines().count(), wrong.join("\n"));
}

/// A small codestream of another encoder.
#[derive(Clone, Copy)]
struct Seed {
    name: &'static str,
    syntax: &'static str,
    /// Rows, columns, samples.
    size: [u16; 3],
    bits: u16,
    /// In hexadecimal digits.
    stream: &'static str,
    /// The start of the SHA-256 of the pixels: those that went in, or where DCT loses some, ours, each within 1 of its maker's.
    digest: &'static str,
}

/// Made by CharLS, libjpeg-turbo, DCMTK and OpenJPEG from waves and noise (`tests/validate/codestreams.py`).
const SEEDS: &[Seed] = &[
    Seed {
        name: "JPEG-LS, 16 bits",
        syntax: "1.2.840.10008.1.2.4.80",
        size: [8, 9, 1],
        bits: 16,
        stream: "ffd8fff7000b100008000901011100fff8000d01ffff0012004301140040ffda0008010100000000000000000001ff7e8012b4b87be9a01e\
        918b21de162f33414008d31952f338176f9d1f31d9c00000007ff0022196a92a7a00024fd77c000000000007009f1187558059a8a5592802\
        78164696dfff744660136c015d33ac51a0005a547dd2a2e017798d4e5bf65040000867085e1cc00442b1f3c63da011bb082f57ec164000a8\
        68d32db980bd600dd399a236c0ffd9",
        digest: "4d8e600412dc39eb",
    },
    Seed {
        name: "JPEG-LS, colour by line",
        syntax: "1.2.840.10008.1.2.4.80",
        size: [8, 9, 3],
        bits: 8,
        stream: "ffd8fff70011080008000903011100021100031100ffda000c03010002000300000100000001fd007264c07e222b6e3fb9e73d2e2b9623fb\
        ff5c0043003fc64925cab3d22209e92e226f8000005f801c980a000003e30000006fcb1420000011e01c04000009000000682e584128002b\
        8a1479d11317925f6dc0413882bff3c40232800000ee6353205011900000063caefc448be1948226d51a01c48817a681f24fd118e3e825c4\
        92429209f0985d0b04ae80af3920ea8680860b0e9942849fc55136036fffd9",
        digest: "4c45004a50152043",
    },
    Seed {
        name: "JPEG-LS, colour by pixel",
        syntax: "1.2.840.10008.1.2.4.80",
        size: [8, 9, 3],
        bits: 8,
        stream: "ffd8fff70011080008000903011100021100031100ffda000c03010002000300000200000001fe7fbfc01dd5df6517d1a8089a06d04d53e7\
        a06b4473d92c92a54771f20f367044cca21c8000002fd08200070000011e800a03c0038023000000fe80000180b1e800000e3800000d20e5\
        55c7ed92d0307053450988328990744080fb8808900702870114167bb94000007980000060e149477cc096fbf912b5dc648ef029146ea160\
        820925d853e010013c1541451bc62428b0427ac45c8268469100c076d8978580ffd9",
        digest: "c19e5d4b69c85634",
    },
    Seed {
        name: "lossless, 12 bits, predictor 7",
        syntax: "1.2.840.10008.1.2.4.57",
        size: [8, 9, 1],
        bits: 12,
        stream: "ffd8ffe000104a46494600010100000100010000ffc3000b0c0008000901011100ffc4001e00000104030101010000000000000000000a00\
        05070b04060809030cffda00080101000700005ea2fa71da5650678fa4aed8ba83a63bf084993cfacdc9affc57831002ee05c9fc9e756ad5\
        dc92d2ae1cd32a11748d6c00311390b0209d7e4635660d9e6a6d96e4929b7d1c07cd054b7236ce5c087439fd9148bb86ba64df10dc7ee58f\
        ffd9",
        digest: "c634aaa4dc93fb1b",
    },
    Seed {
        name: "progressive, 12 bits",
        syntax: "1.2.840.10008.1.2.4.55",
        size: [8, 9, 1],
        bits: 12,
        stream: "ffd8ffe000104a46494600010100000100010000ffdb0043000302020302020303030304030304050805050404050a070706080c0a0c0c0b\
        0a0b0b0d0e12100d0e110e0b0b1016101113141515150c0f171816141812141514ffc2000b0c0008000901011100ffc40015000101000000\
        00000000000000000000000609ffda000801010000000193ce3fffc4001a100001050100000000000000000000000009000507080a17ffda\
        0008010100010502cf94517059c35f202aabffc4002610000102040309000000000000000000000104060002030507131408091221243239\
        98d4ffda0008010100063f02dbfad76bde001a4f75c70d8b2df4307ec8aa662f05e5515e3433d4cab86b681953750464f7c9ce3cf1d3f529\
        91f4c7ffc40017100101010100000000000000000000000001111031ffda0008010100013f210b50bd66c468830f6e26ffda000801010000\
        00107fffc40017100100030000000000000000000000000001001121ffda0008010100013f106df54ddc09c9a463ac91ffd9",
        digest: "20247c3873e3fee4",
    },
    Seed {
        name: "baseline, 4:2:0, restarts",
        syntax: "1.2.840.10008.1.2.4.50",
        size: [9, 18, 3],
        bits: 8,
        stream: "ffd8ffe000104a46494600010100000100010000ffdb0043001b12141714111b1716171e1c1b2028422b28252528513a3d3042605565645f\
        555d5b6a7899816a7190735b5d85b586909ea3abadab6780bcc9baa6c799a8aba4ffdb0043011c1e1e2823284e2b2b4ea46e5d6ea4a4a4a4\
        a4a4a4a4a4a4a4a4a4a4a4a4a4a4a4a4a4a4a4a4a4a4a4a4a4a4a4a4a4a4a4a4a4a4a4a4a4a4a4a4a4a4a4a4a4a4ffc00011080009001203\
        012200021101031101ffc40017000003010000000000000000000000000000020304ffc40022100002010302070000000000000000000001\
        020003112104312232717291c1e1ffc4001501010100000000000000000000000000000203ffc4001a110101000203000000000000000000\
        000001000211121322ffdd00040001ffda000c03010002110311003f00d5a676502cca3aadfdcad4a8c14f12e73cbf664a7295b65ed10392\
        644b5e5bffd072c6fb8f108908bb1a5c0bffd9",
        digest: "d372d4e6fef5e7e1",
    },
    #[cfg(feature = "codecs")]
    Seed {
        name: "JPEG 2000, tiles, packet headers apart, all passes apart",
        syntax: "1.2.840.10008.1.2.4.90",
        size: [8, 9, 1],
        bits: 12,
        stream: "ff4fff51002900000000000c0000000900000003000000010000000900000005000000010000000000010b0101ff52000c06030001000104\
        042e01ff5c00074060686870ff640025000143726561746564206279204f70656e4a5045472076657273696f6e20322e352e30ff90000a00\
        00000000d80001ff61003700cfe48925124925128944a2512890ff92c1f99924924924925129144c1f99124928944a25128944c07e064948\
        a25128944a24ff92ff93ff91000400000d4d9f7fbfcfff7fbf3f5fbfefbfbfff7fadbfff7f3bbfff7fadbfff7fc3bfff7fb4bfff7f41bfff\
        91000400010791bf85bfbf773fbfe46fbf7f83bfbf12bfff7fc1bfff7fba3fbfff7f3bbf0d9fd97fbf7f07bfff7f3fbfff7f17bfff7fadbf\
        ff7f3fbfff7f3fbfff7fc7bf083d8faf5fbfff7fc91fbfff7f1dbfff7fbcbfff7f11bfff7f59bfff7fd1bfff90000a0001000000dd0001ff\
        61003700c7ec45124944924948a4512890ff92c3f6224924928944a45128944c0fc08a28944a25128944c0fcc9128944a25128948a24ff92\
        ff93ff9100040000039f7fff7fbf7f7fbf7fff7fbf7f7fbfbf7fbfff7fff7fbfff7fff7fbfff7f7fbfff7f7fbfff9100040001063f7f7fbf\
        7f7fbfbf7fbfff7f3fbfff7f7fbfff7fff7fbfff7fbfbfff7f7fbfff7fbfbf039fbfff7fbfff7f3fbfff7f7fbfff7f7fbfff7f7fbfff7f7f\
        bfff7fbfbf007fff7f7fbfff7f7fbfff7f1fbfff7f1fbfff7fbfbfff7f7fbfff7fff7fbfff7fbfbfff90000a0002000000e80001ff610039\
        00cfe4c924944a25128944a2512890ff92c1f9914d124924924928944c3f6224924a28944a25128944c0fccc928948a25129148a44ff92ff\
        93ff91000400000df45f7f7fbfbf1fbfff7fbfbfff7f2fbfff7f13bfff7f5fbfff7f3fbfff7fb8bfff7f0bbfff7f11bfff9100040001028b\
        7fff7f0eff7fd77f7fbf9ff1bf9fc7bfdf35bfafb5bfff7fcdbfff7fb6bf0d4d9f7fbf9f7fbfacff7fbfff7fdbbfff7f37bfff7f01bfff7f\
        b0bfff7f43bfff7f07bf0cd41fedb3bfff7f1bbfff7fc57fbfff7f13bfff7fadbfff7fc71fbfff7fc6bfbfff7f087fbfff90000a00030000\
        00df0001ff61003500c7ec48948a25129144a2522910ff92c1f99144928948a25229144c1f99125228948a45128944c03ed228a25129144a\
        44ff92ff93ff9100040000087fff7f1fbfff7fff7fbfff7fbfbfff7f1fbfff7fff7fbfff7fbfbfff7fbfbfff7fff7fbfff7fff7fbfff9100\
        0400010abf7fff7fbfbf7fbfff7f3fbfff7fff7fbfff7f7fbfff7fff7fbfff7fff7fbfff7f7fbf039f7f7fbfff7fff7fbfff7f7fbfff7fff\
        7fbfff7fff7fbfff7f1fbfff7f1fbfff7f7fbf063fbfff7fbfff7f7fbfff7fbfbfff7fff7fbfff7fbfbfff7fff7fbfffd9",
        digest: "b98601e924441241",
    },
    #[cfg(feature = "codecs")]
    Seed {
        name: "JPEG 2000, 9/7, colour",
        syntax: "1.2.840.10008.1.2.4.91",
        size: [8, 9, 3],
        bits: 8,
        stream: "ff4fff51002f000000000009000000080000000000000000000000090000000800000000000000000003070101070101070101ff52000c00\
        000002010204040900ff5c0011425f5250055005504757d357d35762ff640025000143726561746564206279204f70656e4a504547207665\
        7273696f6e20322e352e30ff90000a0000000000400001ff93c384039bce46c3c2000643a28bc3a200118012a180808080808080f4107f80\
        a3c1800c33faa1c1800fb0cda1100b67808080ffd9",
        digest: "987a66180fa07cec",
    },
    #[cfg(feature = "codecs")]
    Seed {
        name: "JPEG 2000, plain bits, changes of progression",
        syntax: "1.2.840.10008.1.2.4.90",
        size: [8, 9, 1],
        bits: 12,
        stream: "ff4fff5100290000000000090000000800000000000000000000000900000008000000000000000000010b0101ff52000c00000002000204\
        040101ff5c000a4060686870686870ff640025000143726561746564206279204f70656e4a5045472076657273696f6e20322e352e30ff90\
        000a0000000000a10002ff5f00100000000202010102000002030104ff93df30410dac1fb115fe042850a142850aff7f05ff7f9cff7feeff\
        7f6dff7f5dff7fbdff7fc1ff7fc1c1c7c61004b7ce108fe16ffe008a142850afc0050a142850a1503f3082850a14289fb5ff7f95ff7f45ff\
        7f95ff7f75ff7f42ff7fa4ff7fa5ff7f41ff7f2dff7fc1ff7fedff7f04a2ff7ff5ff7f55ff7f05ff7f35ff7fd5ff7fff90000a0000000000\
        8f0102ff93a0e1c00c96d60d43fbd0c1f98a3448d1225f80e68d1a346a07e630d1a144890018a8af8ce40c54401d3f9ca815ff7f0d2bff7f\
        bf012aff7fbb45ff7feae8ff7f683dcd519e4c3fc42df2ff7f3f6c05ff7fc7baa2ff7fa57f2aff7f3ff6e5ff7f09694f78e06d3dc2e0e737\
        17d6c815ff7fb9622aff7f0dff7f2c43ff7fd2d9ff7fffd9",
        digest: "5fa634ed97e98921",
    },
    #[cfg(feature = "codecs")]
    Seed {
        name: "JPEG 2000, 12 bits",
        syntax: "1.2.840.10008.1.2.4.90",
        size: [8, 9, 1],
        bits: 12,
        stream: "ff4fff5100290000000000090000000800000000000000000000000900000008000000000000000000010b0101ff52000c00000001000004\
        040001ff5c00044060ff640025000143726561746564206279204f70656e4a5045472076657273696f6e20322e352e34ff90000a00000000\
        00770001ff93cfe59806312150988f05dbfbbba3b2809bae91ba9be056da7cf93cd0fd0b8f283036f07db39c1bf506b9043a49d845a0ccf9\
        8f28e4e3ac357ce4f5d6b401c971fd0c62f6db225359b5ef9ada39567d0d7f0be9f1c700cb98eb1f90aa1ab95d1b73062a32b08cf3a597ff\
        d9",
        digest: "4ed03674b4c751b8",
    },
];

impl Seed {
    fn bytes(&self) -> Vec<u8> {
        let digits = self.stream.as_bytes().chunks_exact(2);
        digits.map(|pair| u8::from_str_radix(std::str::from_utf8(pair).expect("ASCII"), 16).expect("hex")).collect()
    }

    /// The DICOM file around a codestream.
    fn file(&self, stream: &[u8]) -> Vec<u8> {
        let mut stream = stream.to_vec();
        stream.resize(stream.len().next_multiple_of(2), 0);
        let [rows, columns, samples] = self.size;
        Bytes::default()
            .short(0x28, 0x02, samples)
            .text(0x28, 0x04, "CS", if samples == 1 { "MONOCHROME2" } else { "RGB" })
            .short(0x28, 0x10, rows)
            .short(0x28, 0x11, columns)
            .short(0x28, 0x100, self.bits.next_multiple_of(8))
            .short(0x28, 0x101, self.bits)
            .short(0x28, 0x102, self.bits - 1)
            .short(0x28, 0x103, 0)
            .head(0x7FE0, 0x10, "OB", u32::MAX)
            .item(0xE000, 0)
            .item(0xE000, stream.len() as u32)
            .raw(&stream)
            .item(0xE0DD, 0)
            .file(self.syntax)
    }
}

#[test]
fn small_codestreams_are_decoded_exactly() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("a.dcm");
    for seed in SEEDS {
        std::fs::write(&path, seed.file(&seed.bytes())).expect("written");
        let pixels = frames(&path).unwrap_or_else(|e| panic!("{}: {e}", seed.name));
        let digest: String = Sha256::digest(&pixels).iter().take(8).map(|b| format!("{b:02x}")).collect();
        assert_eq!(digest, seed.digest, "{}", seed.name);
    }
}

#[test]
fn every_cut_and_every_flipped_bit_gives_a_frame_or_an_error() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("a.dcm");
    let decode = |seed: &Seed, stream: &[u8]| {
        // A new file: some file systems wait for the disk where an old one is overwritten.
        let _ = std::fs::remove_file(&path);
        std::fs::write(&path, seed.file(stream)).expect("written");
        let start = Instant::now();
        let result = frames(&path);
        assert!(start.elapsed() < netra_testkit::patience(), "{} took {:?}", seed.name, start.elapsed());
        if let Ok(pixels) = &result {
            let size =
                seed.size.iter().map(|&n| usize::from(n)).product::<usize>() * usize::from(seed.bits.div_ceil(8));
            assert_eq!(pixels.len(), size, "{}", seed.name);
        }
        result
    };
    for seed in SEEDS {
        let whole = seed.bytes();
        // What is behind the last code is an end marker and what fills its byte.
        for end in 0..whole.len() - 4 {
            assert!(decode(seed, &whole[..end]).is_err(), "{} cut at {end} of {}", seed.name, whole.len());
        }
        for bit in 0..8 * whole.len() {
            let mut flipped = whole.clone();
            flipped[bit / 8] ^= 1 << (bit % 8);
            let _ = decode(seed, &flipped);
        }
    }
}

#[test]
#[cfg(feature = "codecs")]
fn a_few_bytes_of_jpeg_2000_do_not_ask_for_much() {
    let folder = tempfile::tempdir().expect("a folder");
    let seed = Seed { size: [4000, 4000, 1], ..*SEEDS.last().expect("a seed") };
    let mut large = seed.bytes();
    // SIZ: the image, then the tile, each across and down.
    large[8..16].copy_from_slice(&[0, 0, 0x0F, 0xA0, 0, 0, 0x0F, 0xA0]);
    large[24..32].copy_from_slice(&[0, 0, 0x0F, 0xA0, 0, 0, 0x0F, 0xA0]);
    let style = large.windows(2).position(|w| w == [0xFF, 0x52]).expect("a COD segment");
    let mut tiles = large.clone();
    tiles[24..32].copy_from_slice(&[0, 0, 0, 63, 0, 0, 0, 63]);
    let mut blocks = large.clone();
    blocks[style + 10..style + 12].fill(0);
    // Two resolutions of precincts of 2 x 2 samples.
    let mut precincts = large;
    precincts[style + 3] += 2;
    precincts[style + 4] |= 1;
    precincts.splice(style + 14..style + 14, [0x11, 0x11]);
    for (stream, reason) in [(tiles, "tiles are missing"), (blocks, "code-blocks in"), (precincts, "packets or")] {
        let path = folder.path().join("a.dcm");
        std::fs::write(&path, seed.file(&stream)).expect("written");
        let error = frames(&path).expect_err(reason).to_string();
        assert!(error.contains(reason), "{error}");
    }
}
