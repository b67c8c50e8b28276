//! Matrix products tile by tile: how a workgroup shares one, and the multiplication of what lies in its memory.

use cubecl::prelude::*;

/// What a workgroup computes at once. A thread computes `thread_rows` rows that lie together and `thread_cols` columns
/// that are dealt out among the threads, so that neighbouring threads read and write neighbouring columns.
///
/// The number of threads is a multiple of `cols` (`rows >= thread_rows * thread_cols`): each loads pixels of one column.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Tile {
    /// Rows (output channels) of a workgroup: a multiple of 4.
    pub rows: usize,
    /// Columns (output pixels) of a workgroup.
    pub cols: usize,
    /// Terms of the sums that are in workgroup memory at once.
    pub depth: usize,
    /// Rows of a thread: a multiple of 4.
    pub thread_rows: usize,
    /// Columns of a thread.
    pub thread_cols: usize,
}

impl Tile {
    /// Threads of a workgroup.
    pub(crate) const fn threads(&self) -> usize {
        self.rows / self.thread_rows * self.across()
    }

    /// Threads side by side along the columns.
    pub(crate) const fn across(&self) -> usize {
        self.cols / self.thread_cols
    }

    /// Sums of a thread.
    pub(crate) const fn sums(&self) -> usize {
        self.thread_rows * self.thread_cols
    }

    /// Vectors of four rows in one slice of the weights.
    pub(crate) const fn slice(&self) -> usize {
        self.depth * self.rows / 4
    }

    /// Threads that load pixels of the same column.
    pub(crate) const fn loaders(&self) -> usize {
        self.threads() / self.cols
    }
}

/// Adds the product of a slice in workgroup memory to a thread's sums. `row` counts vectors of four rows.
#[cube]
pub(crate) fn multiply<E: Float, N: Size>(
    a: &[Vector<E, N>],
    b: &[E],
    acc: &mut Array<f32>,
    row: usize,
    col: usize,
    #[comptime] tile: Tile,
) {
    let mut va = Array::<f32>::new(tile.thread_rows);
    #[unroll]
    for k in 0..tile.depth {
        #[unroll]
        for r in 0..comptime!(tile.thread_rows / 4) {
            let v = a[comptime!(k * tile.rows / 4 + r) + row];
            #[unroll]
            for j in 0..4 {
                va[comptime!(4 * r + j)] = f32::cast_from(v.extract(j));
            }
        }
        #[unroll]
        for c in 0..tile.thread_cols {
            let vb = f32::cast_from(b[comptime!(k * tile.cols + c * tile.across()) + col]);
            #[unroll]
            for r in 0..tile.thread_rows {
                let at = comptime!(r * tile.thread_cols + c);
                acc[at] = fma(va[r], vb, acc[at]);
            }
        }
    }
}
