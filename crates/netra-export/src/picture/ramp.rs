//! The colours of a heat map: from dark violet by red and orange to pale yellow, in steps that look equal. Lightness grows all the
//! way, so that the order holds for whoever tells hues apart badly, and on grey paper.

/// Equally spaced colours in OKLab (Ottosson 2020): lightness, green to red, blue to yellow.
const ANCHORS: [[f32; 3]; 5] = [
    [0.320, 0.0746, -0.1065],
    [0.475, 0.1594, -0.0427],
    [0.630, 0.1669, 0.0674],
    [0.785, 0.0704, 0.1324],
    [0.940, -0.0229, 0.1076],
];
/// From this share of the maximum on a colour covers as much as it ever does.
const COVERING: f32 = 0.3;
const MOST_OPACITY: f32 = 0.65;

/// A grey of 0 to 1, painted over with the colour of a share of the maximum, as sRGB from 0 to 1. What is not above 0 stays.
pub(super) fn over(grey: f32, share: f32) -> [f32; 3] {
    let opacity = MOST_OPACITY * (share / COVERING).clamp(0.0, 1.0);
    srgb(colour(share)).map(|channel| grey + (channel - grey) * opacity)
}

/// The colour of a share in OKLab.
fn colour(share: f32) -> [f32; 3] {
    let steps = ANCHORS.len() - 1;
    let at = share.clamp(0.0, 1.0) * steps as f32;
    let below = (at as usize).min(steps - 1);
    let part = at - below as f32;
    std::array::from_fn(|i| ANCHORS[below][i] + (ANCHORS[below + 1][i] - ANCHORS[below][i]) * part)
}

/// OKLab as sRGB.
fn srgb([lightness, a, b]: [f32; 3]) -> [f32; 3] {
    let cone = [
        lightness + 0.396_337_78 * a + 0.215_803_76 * b,
        lightness - 0.105_561_346 * a - 0.063_854_17 * b,
        lightness - 0.089_484_18 * a - 1.291_485_5 * b,
    ]
    .map(|root| root * root * root);
    const TO_SRGB: [[f32; 3]; 3] = [
        [4.076_741_7, -3.307_711_6, 0.230_969_93],
        [-1.268_438, 2.609_757_4, -0.341_319_4],
        [-0.004_196_086, -0.703_418_6, 1.707_614_7],
    ];
    TO_SRGB.map(|row| {
        let linear: f32 = row.iter().zip(cone).map(|(weight, cone)| weight * cone).sum();
        if linear <= 0.003_130_8 { 12.92 * linear } else { 1.055 * linear.powf(1.0 / 2.4) - 0.055 }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shares() -> impl Iterator<Item = f32> {
        (0..=200).map(|i| i as f32 / 200.0)
    }

    #[test]
    fn lightness_grows_in_equal_steps_of_colour() {
        // CIE lightness from the sRGB that is shown, not from the anchors.
        let lightness = |share: f32| {
            let linear =
                srgb(colour(share)).map(|v| if v <= 0.040_45 { v / 12.92 } else { ((v + 0.055) / 1.055).powf(2.4) });
            let y = 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2];
            116.0 * y.cbrt() - 16.0
        };
        let all: Vec<f32> = shares().map(lightness).collect();
        assert!(all.windows(2).all(|pair| pair[1] > pair[0] + 0.05), "{all:?}");
        assert!(all[0] < 25.0 && all[200] > 85.0, "{} to {}", all[0], all[200]);
        let colours: Vec<[f32; 3]> = shares().map(colour).collect();
        let step = |pair: &[[f32; 3]]| (0..3).map(|i| (pair[1][i] - pair[0][i]).powi(2)).sum::<f32>().sqrt();
        let steps: Vec<f32> = colours.windows(2).map(step).collect();
        let (least, most) = steps.iter().fold((f32::INFINITY, 0.0f32), |(l, m), s| (l.min(*s), m.max(*s)));
        assert!(most < 1.1 * least, "{least} to {most}");
    }

    #[test]
    fn every_colour_can_be_shown() {
        for share in shares() {
            let colour = srgb(colour(share));
            assert!(colour.iter().all(|channel| (0.0..=1.0).contains(channel)), "{share}: {colour:?}");
        }
    }

    #[test]
    fn what_does_not_speak_for_the_class_is_not_painted() {
        assert_eq!(over(0.4, 0.0), [0.4; 3]);
        assert_eq!(over(0.4, -0.5), [0.4; 3]);
        assert!(over(0.4, 0.1)[0] != 0.4);
    }
}
