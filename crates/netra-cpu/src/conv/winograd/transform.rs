//! The transforms of F(4x4, 3x3): Winograd's minimal filtering at the points 0, 1, -1, 2, -2 and infinity (Lavin and Gray,
//! "Fast Algorithms for Convolutional Neural Networks", 2015), on vectors whose lanes are tiles.

use crate::simd::Simd;

/// Outputs of a tile along each axis.
pub const OUT: usize = 4;
/// Inputs of a tile along each axis.
pub const IN: usize = 6;
/// Products of a tile.
pub const POINTS: usize = IN * IN;

/// Weights of a filter in the plane.
pub const TAPS: usize = 9;

/// Along one axis, three taps to six points.
#[inline(always)]
pub fn filter_axis<S: Simd>(s: S, g: [S::V; 3]) -> [S::V; IN] {
    let [a, b, c] = g;
    let (sum, sixth, twelfth) = (s.add(a, c), s.splat(1.0 / 6.0), s.splat(1.0 / 12.0));
    let wide = s.fma(c, sixth, s.mul(a, s.splat(1.0 / 24.0)));
    [
        s.mul(a, s.splat(0.25)),
        s.mul(s.add(sum, b), s.splat(-1.0 / 6.0)),
        s.mul(s.sub(b, sum), sixth),
        s.fma(b, twelfth, wide),
        s.fma(b, s.splat(-1.0 / 12.0), wide),
        c,
    ]
}

/// Along one axis, six inputs to six points.
#[inline(always)]
pub fn input<S: Simd>(s: S, d: [S::V; IN]) -> [S::V; IN] {
    let [a, b, c, d, e, f] = d;
    let (four, minus_four, minus_five) = (s.splat(4.0), s.splat(-4.0), s.splat(-5.0));
    let (p, q) = (s.fma(minus_four, c, e), s.fma(minus_four, b, d));
    let (r, t) = (s.sub(e, c), s.sub(d, b));
    let t = s.add(t, t);
    [
        s.fma(four, a, s.fma(minus_five, c, e)),
        s.add(p, q),
        s.sub(p, q),
        s.add(r, t),
        s.sub(r, t),
        s.fma(four, b, s.fma(minus_five, d, f)),
    ]
}

/// Along one axis, six points to four outputs.
#[inline(always)]
pub fn output<S: Simd>(s: S, m: [S::V; IN]) -> [S::V; OUT] {
    let (a, b) = (s.add(m[1], m[2]), s.sub(m[1], m[2]));
    let (c, d) = (s.add(m[3], m[4]), s.sub(m[3], m[4]));
    [
        s.add(s.add(m[0], a), c),
        s.fma(s.splat(2.0), d, b),
        s.fma(s.splat(4.0), c, a),
        s.add(s.fma(s.splat(8.0), d, b), m[5]),
    ]
}

/// A 3x3 filter (row-major) to its 36 points (row-major), in float64.
pub fn filter(g: [f64; TAPS]) -> [f32; POINTS] {
    const G: [[f64; 3]; IN] = [
        [1.0 / 4.0, 0.0, 0.0],
        [-1.0 / 6.0, -1.0 / 6.0, -1.0 / 6.0],
        [-1.0 / 6.0, 1.0 / 6.0, -1.0 / 6.0],
        [1.0 / 24.0, 1.0 / 12.0, 1.0 / 6.0],
        [1.0 / 24.0, -1.0 / 12.0, 1.0 / 6.0],
        [0.0, 0.0, 1.0],
    ];
    let mut rows = [[0.0; 3]; IN];
    for (row, weights) in rows.iter_mut().zip(&G) {
        for (b, value) in row.iter_mut().enumerate() {
            *value = (0..3).map(|a| weights[a] * g[a * 3 + b]).sum::<f64>();
        }
    }
    std::array::from_fn(|at| (0..3).map(|b| rows[at / IN][b] * G[at % IN][b]).sum::<f64>() as f32)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::simd::Portable;

    #[test]
    fn filters_on_vectors_are_filters() {
        let g: [f32; TAPS] = std::array::from_fn(|i| ((i * 7 + 3) % 10) as f32 / 10.0 - 0.4);
        let s = Portable;
        let columns: [[[f32; 4]; IN]; 3] =
            std::array::from_fn(|j| filter_axis(s, std::array::from_fn(|i| [g[3 * i + j]; 4])));
        let want = filter(g.map(f64::from));
        for i in 0..IN {
            let row = filter_axis(s, std::array::from_fn(|j| columns[j][i]));
            for (j, got) in row.iter().enumerate() {
                assert!((got[0] - want[i * IN + j]).abs() < 1e-7, "{i} {j}");
            }
        }
    }

    /// One tile through the three transforms equals the definition of correlation.
    #[test]
    fn a_tile_is_a_correlation() {
        let value = |i: usize| ((i * 37 + 11) % 23) as f32 / 23.0 - 0.4;
        let x: Vec<f32> = (0..POINTS).map(value).collect();
        let g: [f64; 9] = std::array::from_fn(|i| f64::from(value(i + 50)));
        let s = Portable;
        let columns: [[[f32; 4]; IN]; IN] =
            std::array::from_fn(|j| input(s, std::array::from_fn(|i| [x[i * IN + j]; 4])));
        let points: [[[f32; 4]; IN]; IN] = std::array::from_fn(|i| input(s, std::array::from_fn(|j| columns[j][i])));
        let u = filter(g);
        let products: [[[f32; 4]; IN]; IN] =
            std::array::from_fn(|i| std::array::from_fn(|j| points[i][j].map(|v| v * u[i * IN + j])));
        let rows: [[[f32; 4]; OUT]; IN] = std::array::from_fn(|j| output(s, std::array::from_fn(|i| products[i][j])));
        for i in 0..OUT {
            let row = output(s, std::array::from_fn(|j| rows[j][i]));
            for (j, got) in row.iter().enumerate() {
                let tap = |k: usize| f64::from(x[(i + k / 3) * IN + j + k % 3]) * g[k];
                let want: f64 = (0..9).map(tap).sum();
                assert!((f64::from(got[0]) - want).abs() < 1e-5, "{i} {j}: {} {want}", got[0]);
            }
        }
    }
}
