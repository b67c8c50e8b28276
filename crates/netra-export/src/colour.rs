//! Colours as numbers: sRGB, and what it is in the connection space of colour profiles.

use netra_core::Rgb;

/// Linear sRGB to XYZ, adapted from D65 to D50 (Bradford).
pub(crate) const TO_XYZ: [[f64; 3]; 3] = [
    [0.436_074_7, 0.385_064_9, 0.143_080_4],
    [0.222_504_5, 0.716_878_6, 0.060_616_9],
    [0.013_932_2, 0.097_104_5, 0.714_173_3],
];

/// XYZ of the white D50.
const D50: [f64; 3] = [0.964_22, 1.0, 0.825_21];

/// The colour of what warns: banners, and the text over outlines.
pub(crate) const AMBER: Rgb = [255, 191, 71];

/// An sRGB colour as PCS-values of CIELab under D50, scaled to 16 bits (PS3.3 C.10.7.1.1).
pub(crate) fn cie_lab(colour: Rgb) -> [u16; 3] {
    let linear = colour.map(|channel| {
        let v = f64::from(channel) / 255.0;
        if v <= 0.040_45 { v / 12.92 } else { ((v + 0.055) / 1.055).powf(2.4) }
    });
    let f: [f64; 3] = std::array::from_fn(|i| {
        let t = TO_XYZ[i].iter().zip(linear).map(|(m, v)| m * v).sum::<f64>() / D50[i];
        let delta: f64 = 6.0 / 29.0;
        if t > delta.powi(3) { t.cbrt() } else { t / (3.0 * delta * delta) + 4.0 / 29.0 }
    });
    let scaled = |value: f64, low: f64, span: f64| ((value - low) / span * 65535.0).round().clamp(0.0, 65535.0) as u16;
    [
        scaled(116.0 * f[1] - 16.0, 0.0, 100.0),
        scaled(500.0 * (f[0] - f[1]), -128.0, 255.0),
        scaled(200.0 * (f[1] - f[2]), -128.0, 255.0),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn colours_reach_their_cie_lab_values() {
        // L*, a*, b* under D50 as published for the sRGB primaries (Lindbloom).
        let cases = [
            ([255, 255, 255], [100.0, 0.0, 0.0]),
            ([0, 0, 0], [0.0, 0.0, 0.0]),
            ([255, 0, 0], [54.29, 80.81, 69.89]),
            ([0, 255, 0], [87.82, -79.29, 80.99]),
            ([0, 0, 255], [29.57, 68.30, -112.03]),
        ];
        for (colour, [l, a, b]) in cases {
            let got = cie_lab(colour).map(f64::from);
            let read = [got[0] / 655.35, got[1] / 257.0 - 128.0, got[2] / 257.0 - 128.0];
            for (value, want) in read.iter().zip([l, a, b]) {
                assert!((value - want).abs() < 0.1, "{colour:?}: {read:?}");
            }
        }
    }
}
