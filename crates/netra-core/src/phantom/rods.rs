//! The thin parts of the chest, drawn as tapered rods: bones, airways and lung vessels.
//! Each layer holds millimetres of material along the beam.

use std::f64::consts::{FRAC_PI_2, PI};

use ndarray::Array2;

use super::film::{Film, Knot, SplitMix64};
use super::lateral_wall;

/// Length of the ray at distance `d` from the axis of a round rod of radius `r`.
fn round(d: f64, r: f64) -> f64 {
    2.0 * (r * r - d * d).max(0.0).sqrt()
}

/// The same for compact bone around spongy bone: bright rims.
fn shell(d: f64, r: f64) -> f64 {
    1.1 * (round(d, r) - 0.65 * round(d, 0.78 * r))
}

/// A curve over `u` from 0 to 1 in `steps` straight pieces.
fn curve(steps: u32, knot: impl Fn(f64) -> Knot) -> Vec<Knot> {
    (0..=steps).map(|i| knot(f64::from(i) / f64::from(steps))).collect()
}

impl Film {
    /// Ribs, clavicles, shoulder blades and humeri as millimetres of bone, and the side marker.
    pub(super) fn bones(&self) -> Array2<f32> {
        let (mut back, mut front, mut girdle) = (self.empty(), self.empty(), self.empty());
        for side in [-1.0, 1.0] {
            for level in 0..10 {
                self.rib(&mut back, &mut front, side, f64::from(level));
            }
            self.girdle(&mut girdle, side);
        }
        // A lead letter L on the patient's left side.
        self.rod(&mut girdle, &[(176.0, 22.0, 1.5), (176.0, 38.0, 1.5), (186.0, 38.0, 1.5)], |_, _| 130.0);
        back + front + girdle
    }

    /// One rib: from the spine outwards and down, then, if it is a true rib, forwards to its cartilage.
    fn rib(&self, back: &mut Array2<f32>, front: &mut Array2<f32>, side: f64, level: f64) {
        let start = 58.0 + 24.0 * level;
        let drop = 24.0 + 5.0 * level;
        let turn = start + drop;
        let wall = lateral_wall(turn) + 3.0;
        let radius = 5.0 + 0.15 * level.min(6.0);
        let behind = curve(28, |u| {
            let (bow, out) = (-9.0 * (PI * u).sin(), (FRAC_PI_2 * u).sin());
            (side * (17.0 + (wall - 17.0) * out), start + bow + drop * u.powf(2.2), radius)
        });
        self.rod(back, &behind, shell);
        if level < 8.0 {
            let end = 48.0 + 6.0 * level;
            let before = curve(24, |u| {
                let inward = 1.0 - (FRAC_PI_2 * u).cos();
                let down = (22.0 + 4.0 * level) * (FRAC_PI_2 * u).sin();
                (side * (wall - (wall - end) * inward), turn + down, radius + 0.8)
            });
            self.rod(front, &before, |d, r| 0.75 * shell(d, r));
        }
    }

    /// Clavicle, humerus and shoulder blade of one side.
    fn girdle(&self, layer: &mut Array2<f32>, side: f64) {
        let at = |x: f64, y: f64, r: f64| (side * x, y, r);
        let clavicle =
            curve(20, |u| at(16.0 + 132.0 * u, 92.0 - 30.0 * u - 7.0 * (6.0 * u).sin(), 7.5 - 2.5 * (3.1 * u).sin()));
        self.rod(layer, &clavicle, |d, r| 1.3 * shell(d, r));
        let humerus = [at(172.0, 97.0, 20.0), at(180.0, 116.0, 17.0), at(187.0, 140.0, 12.0), at(206.0, 250.0, 12.0)];
        self.rod(layer, &humerus, |d, r| 0.55 * round(d, r));
        self.rod(layer, &[at(150.0, 92.0, 8.0), at(160.0, 150.0, 13.0), at(153.0, 205.0, 4.0)], |_, _| 3.0);
        self.rod(layer, &[at(143.0, 88.0, 4.0), at(152.0, 150.0, 3.0), at(151.0, 206.0, 3.0)], |_, _| 5.0);
    }

    /// Windpipe and main bronchi as millimetres of air.
    pub(super) fn airways(&self) -> Array2<f32> {
        let mut layer = self.empty();
        // Deeper than wide, so that it shows against the spine.
        let tube = |d: f64, r: f64| 1.4 * round(d, r);
        self.rod(&mut layer, &[(0.0, 0.0, 8.5), (-2.0, 158.0, 8.5), (-26.0, 186.0, 6.0)], tube);
        self.rod(&mut layer, &[(-2.0, 158.0, 7.0), (32.0, 192.0, 5.0)], tube);
        layer
    }

    /// The pulmonary vessels: trees that leave the hila and halve as they go.
    pub(super) fn vessels(&self, random: &mut SplitMix64) -> Array2<f32> {
        let mut layer = self.empty();
        for side in [-1.0, 1.0] {
            let hilum = (side * 40.0, if side < 0.0 { 196.0 } else { 188.0 });
            for branch in 0..9 {
                let direction = -1.35 + 0.33 * f64::from(branch) + 0.1 * random.normal();
                let radius = if branch > 4 { 5.2 } else { 4.0 };
                self.vessel(&mut layer, hilum, (side, direction), radius, 5, random);
            }
        }
        layer
    }

    /// One vessel and its branches; `heading` is the side and the angle below the horizontal.
    fn vessel(
        &self,
        layer: &mut Array2<f32>,
        from: (f64, f64),
        heading: (f64, f64),
        radius: f64,
        depth: u32,
        random: &mut SplitMix64,
    ) {
        let (side, mut angle) = heading;
        let (mut x, mut y) = from;
        let mut knots = vec![(x, y, radius)];
        for part in 1..=4 {
            let stride = 3.0 + 2.2 * f64::from(depth) * (1.0 + 0.15 * random.normal());
            angle += 0.10 * random.normal();
            x += side * angle.cos() * stride;
            y += angle.sin() * stride;
            knots.push((x, y, radius * (1.0 - 0.06 * f64::from(part))));
        }
        self.rod(layer, &knots, |d, r| 2.2 * round(d, r));
        if depth > 0 {
            for turn in [-0.38, 0.34] {
                let heading = (side, angle + turn + 0.12 * random.normal());
                self.vessel(layer, (x, y), heading, 0.72 * radius, depth - 1, random);
            }
        }
    }
}
