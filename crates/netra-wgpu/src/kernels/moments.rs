//! Mean and variance in one pass over memory.
//!
//! A few elements at a time are held, their own mean and squared differences are taken, and those are joined to what was found
//! before (Chan, Golub and LeVeque, "Updating formulae and a pairwise algorithm for computing sample variances", 1979). A large
//! mean costs no digits, as it would with sums of squares.

use cubecl::prelude::*;

/// Elements held at a time.
const HELD: usize = 16;
/// Threads that join the shares of a row.
pub(crate) const JOINERS: usize = 64;

/// Number of elements, their mean, and the sum of squared differences from it.
#[derive(CubeType)]
struct Moments {
    count: f32,
    mean: f32,
    squares: f32,
}

#[cube]
impl Moments {
    /// Those of no elements.
    fn none() -> Moments {
        Moments { count: 0.0f32, mean: 0.0f32, squares: 0.0f32 }
    }

    /// Takes further elements in.
    fn join(&mut self, count: f32, mean: f32, squares: f32) {
        // Of nothing and nothing, nothing.
        let share = count / max(self.count + count, 1.0f32);
        let apart = mean - self.mean;
        self.squares += squares + apart * apart * self.count * share;
        self.mean += apart * share;
        self.count += count;
    }
}

/// Number of elements `lane, lane + lanes, ...` of a row.
#[cube]
fn share(row: usize, lane: usize, lanes: usize) -> usize {
    (row + lanes - 1 - lane) / lanes
}

/// Mean and sum of squared differences of the share that each of `lanes` threads has of each of the rows of `x [total / lanes, row]`.
#[cube(launch)]
pub(crate) fn share_kernel(x: &[f32], mean: &mut [f32], squares: &mut [f32], total: usize, row: usize, lanes: usize) {
    if ABSOLUTE_POS >= total {
        terminate!();
    }
    let lane = ABSOLUTE_POS % lanes;
    let base = ABSOLUTE_POS / lanes * row + lane;
    let own = share(row, lane, lanes);
    let mut all = Moments::none();
    let mut held = Array::<f32>::new(HELD);
    for part in 0..own.div_ceil(HELD) {
        let first = part * HELD;
        let have = min(own - first, HELD);
        let mut sum = 0.0f32;
        #[unroll]
        for i in 0..HELD {
            held[i] = x[base + (first + min(i, have - 1)) * lanes];
            sum += select(i < have, held[i], 0.0f32);
        }
        let count = f32::cast_from(have);
        let mean = sum / count;
        let mut squares = 0.0f32;
        #[unroll]
        for i in 0..HELD {
            let apart = held[i] - mean;
            squares += select(i < have, apart * apart, 0.0f32);
        }
        all.join(count, mean, squares);
    }
    mean[ABSOLUTE_POS] = all.mean;
    squares[ABSOLUTE_POS] = all.squares;
}

/// Joins the shares of each row; a workgroup of [`JOINERS`] threads a row.
#[cube(launch)]
pub(crate) fn join_kernel(
    means: &[f32],
    sums: &[f32],
    mean: &mut [f32],
    squares: &mut [f32],
    rows: usize,
    row: usize,
    lanes: usize,
) {
    // The same for a whole workgroup: all or none of its threads meet at the barriers.
    if CUBE_POS >= rows {
        terminate!();
    }
    let unit = UNIT_POS as usize;
    let base = CUBE_POS * lanes;
    let mut all = Moments::none();
    let mut lane = unit;
    while lane < lanes {
        let count = f32::cast_from(share(row, lane, lanes));
        all.join(count, means[base + lane], sums[base + lane]);
        lane += JOINERS;
    }
    let mut table = Shared::<[f32]>::new_slice(comptime!(3 * JOINERS));
    table[unit] = all.count;
    table[JOINERS + unit] = all.mean;
    table[comptime!(2 * JOINERS) + unit] = all.squares;
    // Halves join in the same order in every run.
    #[unroll]
    for step in 0..comptime!(JOINERS.ilog2()) {
        let half = comptime!(JOINERS >> (step + 1));
        sync_cube();
        if unit < half {
            let other = unit + half;
            all.join(table[other], table[JOINERS + other], table[comptime!(2 * JOINERS) + other]);
            table[unit] = all.count;
            table[JOINERS + unit] = all.mean;
            table[comptime!(2 * JOINERS) + unit] = all.squares;
        }
    }
    if unit == 0 {
        mean[CUBE_POS] = all.mean;
        squares[CUBE_POS] = all.squares;
    }
}
