//! The colour profile of sRGB (ICC.1:2004-10, profile version 4.2): what a colour presentation state says of images that carry no
//! profile of their own.

use crate::colour::TO_XYZ;

/// White of the connection space, to the figures that a profile must give.
const D50: [f64; 3] = [0.9642, 1.0, 0.8249];

/// White D65 to D50 (Bradford).
const ADAPTATION: [[f64; 3]; 3] = [
    [1.047_811_2, 0.022_886_6, -0.050_127_0],
    [0.029_542_4, 0.990_484_4, -0.017_049_1],
    [-0.009_234_5, 0.015_043_6, 0.752_131_6],
];

/// An input device profile, as PS3.3 C.11.15.1.1 asks for: matrix and transfer curve, XYZ as connection space.
pub(super) fn srgb() -> Vec<u8> {
    let column = |i: usize| xyz(TO_XYZ.map(|row| row[i]));
    // Exponent and coefficients of IEC 61966-2-1, as a parametric curve of type 3.
    let curve =
        [b"para\0\0\0\0\0\x03\0\0".to_vec(), fixed(&[2.4, 1.0 / 1.055, 0.055 / 1.055, 1.0 / 12.92, 0.040_45])].concat();
    let adaptation = [b"sf32\0\0\0\0".to_vec(), fixed(ADAPTATION.as_flattened())].concat();
    let tags: [(&[u8; 4], Vec<u8>); 10] = [
        (b"desc", words("sRGB")),
        (b"cprt", words("Free for every use")),
        (b"wtpt", xyz(D50)),
        (b"chad", adaptation),
        (b"rXYZ", column(0)),
        (b"gXYZ", column(1)),
        (b"bXYZ", column(2)),
        (b"rTRC", curve.clone()),
        (b"gTRC", curve.clone()),
        (b"bTRC", curve),
    ];
    let mut table = (tags.len() as u32).to_be_bytes().to_vec();
    let mut data = Vec::new();
    let start = 128 + 4 + 12 * tags.len();
    for (signature, value) in tags {
        table.extend_from_slice(signature);
        table.extend(((start + data.len()) as u32).to_be_bytes());
        table.extend((value.len() as u32).to_be_bytes());
        data.extend(value);
        data.resize(data.len().next_multiple_of(4), 0);
    }
    let mut profile = vec![0u8; 128];
    let mut put = |at: usize, bytes: &[u8]| profile[at..at + bytes.len()].copy_from_slice(bytes);
    put(0, &((start + data.len()) as u32).to_be_bytes());
    put(8, &[4, 0x20, 0, 0]);
    put(12, b"scnrRGB XYZ ");
    // When this profile was made: 1 November 2026.
    put(24, &[0x07, 0xEA, 0, 11, 0, 1]);
    put(36, b"acsp");
    put(68, &fixed(&D50));
    [profile, table, data].concat()
}

/// Signed numbers of 16 bits before and 16 bits after the point.
fn fixed(values: &[f64]) -> Vec<u8> {
    values.iter().flat_map(|value| ((value * 65536.0).round() as i32).to_be_bytes()).collect()
}

fn xyz(values: [f64; 3]) -> Vec<u8> {
    [b"XYZ \0\0\0\0".to_vec(), fixed(&values)].concat()
}

/// Text in one language, as UTF-16.
fn words(text: &str) -> Vec<u8> {
    let text: Vec<u8> = text.encode_utf16().flat_map(u16::to_be_bytes).collect();
    let head = b"mluc\0\0\0\0\0\0\0\x01\0\0\0\x0cenUS";
    [head.to_vec(), (text.len() as u32).to_be_bytes().to_vec(), 28u32.to_be_bytes().to_vec(), text].concat()
}
