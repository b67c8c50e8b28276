//! Values changed one by one, and sums over them.

use cubecl::prelude::*;

/// A run of elements and how each changes, see `netra_graph::volumes::ValueMap`.
#[derive(CubeLaunch, CubeType)]
pub(crate) struct Change {
    pub total: usize,
    pub start: usize,
    pub subtrahend: f32,
    pub divisor: f32,
    pub factor: f32,
    pub offset: f32,
    pub least: f32,
    pub most: f32,
}

#[cube(launch)]
pub(crate) fn map_kernel(x: &mut [f32], c: Change, #[comptime] limited: bool, #[comptime] keep_zero: bool) {
    if ABSOLUTE_POS >= c.total {
        terminate!();
    }
    let at = c.start + ABSOLUTE_POS;
    let value = x[at];
    let mut changed = (value - c.subtrahend) / c.divisor * c.factor + c.offset;
    if comptime!(limited) {
        changed = min(max(changed, c.least), c.most);
    }
    if comptime!(keep_zero) {
        changed = select(value == 0.0f32, value, changed);
    }
    x[at] = changed;
}

/// For each lane, of elements `lane, lane + lanes, ...` from `start` on: how many count, their sum and sum of squares less
/// `shift`, the least and the greatest.
#[cube(launch)]
pub(crate) fn moments_kernel(
    x: &[f32],
    out: &mut [f32],
    lanes: usize,
    start: usize,
    elements: usize,
    shift: f32,
    #[comptime] nonzero: bool,
) {
    if ABSOLUTE_POS >= lanes {
        terminate!();
    }
    let mut count = 0.0f32.runtime();
    let mut sum = 0.0f32.runtime();
    let mut squares = 0.0f32.runtime();
    let mut least = 3.4e38f32.runtime();
    let mut greatest = (-3.4e38f32).runtime();
    let steps = (elements + lanes - 1 - ABSOLUTE_POS) / lanes;
    let mut at = start + ABSOLUTE_POS;
    for _ in 0..steps {
        let value = x[at];
        let counts = if comptime!(nonzero) { value != 0.0f32 } else { true.runtime() };
        if counts {
            let centred = value - shift;
            count += 1.0f32;
            sum += centred;
            squares += centred * centred;
            least = min(least, value);
            greatest = max(greatest, value);
        }
        at += lanes;
    }
    let to = ABSOLUTE_POS * 5;
    out[to] = count;
    out[to + 1] = sum;
    out[to + 2] = squares;
    out[to + 3] = least;
    out[to + 4] = greatest;
}
