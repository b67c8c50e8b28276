//! A simulated frontal chest radiograph, so that a first run needs no patient's picture.
//!
//! Arrays are `(row, column)`, row 0 at the head; the patient's right is on the left of the picture, as
//! in a posteroanterior film. Lengths are millimetres on the detector plane: `x` grows to the right of
//! the picture from the midline, `y` downwards from the film's upper edge. The beam is parallel and runs
//! along `z`, so every organ is a length of material per pixel, and the Beer-Lambert law adds them up.
//! The anatomy is fixed; the seed moves only the lung vessels and the quantum noise.

mod film;
mod rods;

use ndarray::Array2;

use film::{Film, SplitMix64, blurred};

/// The shorter side of the film, in millimetres.
const FILM_MM: f64 = 400.0;
/// Attenuation per millimetre near 60 keV: soft tissue, inflated lung, and what bone adds to soft tissue.
const SOFT: f64 = 0.019;
const LUNG: f64 = 0.005;
const BONE_EXTRA: f64 = 0.032;
/// Where an organ is thinner than this, its border is too faint to be outlined.
const OUTLINE_MM: f64 = 15.0;
/// Quanta that reach a square millimetre of the detector without a patient.
const QUANTA_PER_MM2: f64 = 60_000.0;

/// The distance between pixel centres of [`chest_radiograph`] in millimetres, the same along rows and columns.
pub fn chest_pixel_spacing(rows: usize, columns: usize) -> f64 {
    FILM_MM / rows.min(columns).max(1) as f64
}

/// Simulates a frontal chest radiograph: 12-bit values 0 to 4095, brighter where more was absorbed
/// (MONOCHROME2). The same arguments give the same picture (on a machine whose mathematics library rounds
/// differently, a pixel may differ by a grey step).
pub fn chest_radiograph(rows: usize, columns: usize, seed: u64) -> Array2<u16> {
    let film = Film::new(rows, columns);
    let mut random = SplitMix64(seed);
    let bones = film.bones();
    let vessels = film.vessels(&mut random);
    let airways = film.airways();

    let absorption = film.map(|x, y, at| {
        let body = body_mm(x, y);
        let lung = (lung_mm(x, y) - mediastinum_mm(x, y)).max(0.0).min(body);
        let vessel = f64::from(vessels[at]).min(lung);
        let bone = f64::from(bones[at]) + spine_mm(x, y);
        let air = (f64::from(airways[at]) + stomach_gas_mm(x, y)).min(body);
        SOFT * (body - lung - air).max(0.0) + LUNG * lung + (SOFT - LUNG) * vessel + BONE_EXTRA * bone
    });
    let scatter = blurred(absorption.mapv(|a| a * (-a).exp()), 22.0 / film.spacing);

    let quanta = QUANTA_PER_MM2 * film.spacing * film.spacing;
    let mut dose = absorption.mapv(|a| (-a).exp());
    dose.zip_mut_with(&scatter, |primary, scattered| {
        let mean = f64::from(*primary + 0.05 * scattered);
        *primary = (mean + random.normal() * (mean / quanta).sqrt()).max(1e-4) as f32;
    });
    // The detector's own unsharpness, then a film-like curve: flat in black and white, steep between.
    blurred(dose, 0.25 / film.spacing).mapv(|dose| {
        let curve = |absorbed: f64| 1.0 / (1.0 + (-1.45 * (absorbed - 2.6)).exp());
        let (black, white) = (curve(0.0), curve(5.0));
        let grey = (curve(-f64::from(dose).ln()) - black) / (white - black);
        (grey.clamp(0.0, 1.0) * 4095.0).round() as u16
    })
}

/// The lung fields of [`chest_radiograph`] as a reader would outline them: aerated lung that neither the
/// heart, the great vessels nor the domes of the diaphragm cover.
pub fn chest_lung_truth(rows: usize, columns: usize) -> Array2<bool> {
    let film = Film::new(rows, columns);
    film.map(|x, y, _| if mediastinum_mm(x, y) < OUTLINE_MM { lung_mm(x, y) } else { 0.0 })
        .mapv(|lung| f64::from(lung) > OUTLINE_MM)
}

/// Half a circle's profile: 0 at the border, 1 from `t = 1` inwards.
fn rounded(t: f64) -> f64 {
    (1.0 - (1.0 - t.clamp(0.0, 1.0)).powi(2)).sqrt()
}

/// 0 before `from`, 1 after `to`, smooth between.
fn ramp(value: f64, from: f64, to: f64) -> f64 {
    let t = ((value - from) / (to - from)).clamp(0.0, 1.0);
    t * t * (3.0 - 2.0 * t)
}

/// Length of the ray in an ellipsoid of half axes `(a, b)` across and `depth` along the beam, turned by `angle`.
fn ellipsoid(x: f64, y: f64, center: (f64, f64), axes: (f64, f64), depth: f64, angle: f64) -> f64 {
    let (sin, cos) = angle.sin_cos();
    let (dx, dy) = (x - center.0, y - center.1);
    let (u, v) = ((dx * cos + dy * sin) / axes.0, (dy * cos - dx * sin) / axes.1);
    2.0 * depth * (1.0 - u * u - v * v).max(0.0).sqrt()
}

/// Neck, trunk, shoulders, upper arms and a little breast tissue.
fn body_mm(x: f64, y: f64) -> f64 {
    let a = x.abs();
    let width = 60.0 + 66.0 * ramp(y, 8.0, 70.0) + 44.0 * ramp(y, 50.0, 150.0) - 6.0 * ramp(y, 190.0, 300.0);
    let depth = 58.0 + 44.0 * ramp(y, 10.0, 150.0) + 8.0 * ramp(y, 270.0, 350.0);
    let trunk = 2.0 * depth * (1.0 - (a / width).powf(3.0)).max(0.0).powf(0.45);
    let shoulder = ellipsoid(a, y, (146.0, 118.0), (92.0, 66.0), 74.0, 0.30);
    let arm = ellipsoid(a, y, (216.0, 215.0), (46.0, 150.0), 52.0, -0.22);
    let breast = ellipsoid(a, y, (86.0, 258.0), (60.0, 50.0), 13.0, 0.2);
    // A soft maximum, so that no seam shows where the parts meet.
    (trunk.powi(4) + shoulder.powi(4) + arm.powi(4)).powf(0.25) + breast.min(trunk)
}

/// Half the width of the lungs' outer wall at height `y`; the ribs follow it.
fn lateral_wall(y: f64) -> f64 {
    let rise = ((y - 55.0) / 195.0).clamp(0.0, 1.0);
    62.0 + 78.0 * (1.0 - (1.0 - rise).powf(2.1)).sqrt() + 5.0 * ramp(y, 240.0, 340.0)
}

/// Both lungs before heart and great vessels are taken out of them.
fn lung_mm(x: f64, y: f64) -> f64 {
    let a = x.abs();
    let apex = y - 55.0;
    if apex <= 0.0 {
        return 0.0;
    }
    let inner = 62.0 - 42.0 * rounded(apex / 62.0) - 4.0 * ramp(y, 110.0, 150.0);
    // The right dome stands higher: the liver lies below it.
    let top = if x < 0.0 { 288.0 } else { 300.0 };
    let dome =
        if a > 68.0 { top + 50.0 * ((a - 68.0) / 76.0).powf(2.3) } else { top + 9.0 * ((68.0 - a) / 52.0).powi(2) };
    let (outer, medial, below) = (lateral_wall(y) - a, a - inner, dome - y);
    if outer <= 0.0 || medial <= 0.0 || below <= 0.0 {
        return 0.0;
    }
    152.0 * rounded(outer / 62.0) * rounded(medial / 12.0) * rounded(below / 10.0) * rounded(apex / 120.0)
}

/// Heart, aorta, pulmonary trunk and hila: what displaces lung in the middle of the chest.
fn mediastinum_mm(x: f64, y: f64) -> f64 {
    let heart = ellipsoid(x, y, (28.0, 256.0), (75.0, 53.0), 82.0, 0.60);
    let atrium = ellipsoid(x, y, (-14.0, 250.0), (32.0, 44.0), 74.0, 0.0);
    let trunk = ellipsoid(x, y, (20.0, 192.0), (27.0, 44.0), 66.0, 0.45);
    let arch = ellipsoid(x, y, (15.0, 146.0), (23.0, 24.0), 66.0, 0.0);
    let cava = ellipsoid(x, y, (-9.0, 165.0), (19.0, 84.0), 64.0, 0.0);
    let middle = ellipsoid(x, y, (4.0, 235.0), (27.0, 170.0), 70.0, 0.0);
    [heart, atrium, trunk, arch, cava, middle].iter().map(|mm| mm.powi(4)).sum::<f64>().powf(0.25)
}

/// Vertebral bodies with discs between them, pedicles and spinous processes, as millimetres of bone.
fn spine_mm(x: f64, y: f64) -> f64 {
    let a = x.abs();
    let level = y.rem_euclid(24.0) - 12.0;
    let body = rounded((18.0 + 0.02 * level * level - a) / 9.0) * rounded((10.8 - level.abs()) / 4.0);
    let rings = ellipsoid(a, level, (10.0, -3.0), (4.0, 5.5), 2.0, 0.0);
    let spinous = ellipsoid(x, level, (0.0, 6.0), (3.0, 6.5), 4.0, 0.0);
    (0.35 + 0.3 * ramp(y, 60.0, 200.0)) * (7.0 * rounded((17.0 - a) / 8.0) + 9.0 * body + rings + spinous)
}

fn stomach_gas_mm(x: f64, y: f64) -> f64 {
    ellipsoid(x, y, (70.0, 333.0), (24.0, 12.0), 14.0, -0.15)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mean(image: &Array2<u16>, keep: impl Fn(usize, usize) -> bool) -> f64 {
        let kept: Vec<f64> = image
            .indexed_iter()
            .filter(|((row, column), _)| keep(*row, *column))
            .map(|(_, value)| f64::from(*value))
            .collect();
        kept.iter().sum::<f64>() / kept.len().max(1) as f64
    }

    #[test]
    fn same_seed_same_picture() {
        let first = chest_radiograph(96, 80, 7);
        assert_eq!(first, chest_radiograph(96, 80, 7));
        assert_ne!(first, chest_radiograph(96, 80, 8));
        assert!(first.iter().all(|value| *value <= 4095));
    }

    #[test]
    fn lungs_are_darker_than_the_mediastinum_and_brighter_than_air() {
        let (image, lungs) = (chest_radiograph(256, 256, 1), chest_lung_truth(256, 256));
        let lung = mean(&image, |row, column| lungs[(row, column)]);
        let middle = mean(&image, |row, column| (130..190).contains(&row) && (122..134).contains(&column));
        let air = mean(&image, |row, column| row < 10 && column < 40);
        assert!(air < 100.0 && air + 300.0 < lung && lung + 1500.0 < middle, "{air} {lung} {middle}");
    }

    #[test]
    fn two_lungs_of_plausible_size_with_the_heart_on_the_right_of_the_picture() {
        let lungs = chest_lung_truth(200, 200);
        let area = |from: usize, to: usize| {
            lungs.indexed_iter().filter(|((_, column), lung)| **lung && (from..to).contains(column)).count()
        };
        // 2 mm pixels: 4 square millimetres each.
        let (right_lung, left_lung) = (area(0, 100) * 4, area(100, 200) * 4);
        assert!((15_000..30_000).contains(&right_lung), "{right_lung}");
        assert!((12_000..right_lung).contains(&left_lung), "{left_lung}");
    }

    #[test]
    fn any_size_gives_a_picture_of_that_size() {
        for (rows, columns) in [(0, 0), (0, 4), (1, 1), (3, 5), (5, 3), (2, 300), (301, 7)] {
            assert_eq!(chest_radiograph(rows, columns, 3).dim(), (rows, columns));
            assert_eq!(chest_lung_truth(rows, columns).dim(), (rows, columns));
        }
    }

    #[test]
    fn pixels_are_square_and_the_film_is_400_mm_across() {
        assert!((chest_pixel_spacing(1000, 800) - 0.5).abs() < 1e-12);
        assert!(chest_pixel_spacing(0, 0).is_finite());
    }
}
