//! Tiles with enough context around them that together they give what the whole input would give.

use ndarray::{Array3, Array4, ArrayViewMut3, Axis, Slice};
use netra_core::{Error, Result};

use super::{Discretise, Outcome, Predict, WindowProgress, check_output, cut, part, space};

/// Whether a window of a size can be run at all (does the device have such buffers?).
pub type Fits<'a> = &'a dyn Fn([usize; 3]) -> Result<bool>;

/// Tiles shrink no further than this along an axis when windows do not fit: below, it is nearly all halo.
const SMALLEST: usize = 16;

/// One tile.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Tile {
    /// Where the window begins in the input.
    pub window_start: [usize; 3],
    /// Size of the window: the tile with its halo, as far as the input goes.
    pub window: [usize; 3],
    /// Where the tile itself begins in the input.
    pub start: [usize; 3],
    /// Size of the tile itself.
    pub size: [usize; 3],
}

/// How an input is divided.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tiling {
    size: [usize; 3],
    count: [usize; 3],
    halo: usize,
}

impl Tiling {
    /// Divides `size` into tiles of at most `roi`, as even as whole numbers allow, so that few window shapes occur.
    pub fn new(size: [usize; 3], roi: [usize; 3], halo: usize) -> Self {
        Self { size, count: std::array::from_fn(|axis| size[axis].div_ceil(roi[axis].max(1)).max(1)), halo }
    }

    /// As [`new`](Self::new), with smaller tiles than `roi` when the windows do not fit. Fails (`Limit`) when
    /// even small ones do not.
    pub fn fitting(size: [usize; 3], roi: [usize; 3], halo: usize, fits: Fits<'_>) -> Result<Self> {
        let mut tiling = Self::new(size, roi, halo);
        loop {
            let window = tiling.largest_window();
            if fits(window)? {
                return Ok(tiling);
            }
            let longest = (0..3).max_by_key(|&axis| window[axis]).unwrap_or(0);
            if size[longest] <= SMALLEST * tiling.count[longest] {
                return Err(Error::limit(format!("no tile of {size:?} with a halo of {halo} fits")));
            }
            tiling.count[longest] += 1;
        }
    }

    /// The tiles, slices outermost.
    pub fn tiles(&self) -> Vec<Tile> {
        let spans: [Vec<[usize; 4]>; 3] = std::array::from_fn(|axis| self.spans(axis));
        let mut tiles = Vec::with_capacity(self.count.iter().product());
        for slice in &spans[0] {
            for row in &spans[1] {
                for column in &spans[2] {
                    let axes = [slice, row, column];
                    let [window_start, window, start, size] = std::array::from_fn(|i| axes.map(|span| span[i]));
                    tiles.push(Tile { window_start, window, start, size });
                }
            }
        }
        tiles
    }

    /// The greatest window size along each axis.
    pub fn largest_window(&self) -> [usize; 3] {
        std::array::from_fn(|axis| self.spans(axis).iter().map(|span| span[1]).max().unwrap_or(0))
    }

    /// Window start, window size, tile start, tile size along an axis.
    fn spans(&self, axis: usize) -> Vec<[usize; 4]> {
        let (n, count) = (self.size[axis], self.count[axis]);
        (0..count)
            .map(|i| {
                let (start, end) = (i * n / count, (i + 1) * n / count);
                let (from, to) = (start.saturating_sub(self.halo), (end + self.halo).min(n));
                [from, to - from, start, end - start]
            })
            .collect()
    }
}

/// Runs the network on every tile's window and puts the tiles' own parts together. Exact for a network that is fully
/// convolutional with stride 1 and zero padding, and reaches no further than the halo. With `discretise`, only labels are
/// kept.
pub fn tiled(
    values: Array4<f32>,
    tiling: &Tiling,
    predict: Predict<'_>,
    discretise: Option<Discretise<'_>>,
    progress: WindowProgress<'_>,
) -> Result<Outcome> {
    let size = space(&values);
    let tiles = tiling.tiles();
    if let [_] = tiles[..] {
        let output = predict(values)?;
        check_output(&output, size)?;
        progress(1, 1);
        return match discretise {
            Some(discretise) => Ok(Outcome::Labels(discretise(output.view())?)),
            None => Ok(Outcome::Values(output)),
        };
    }
    let mut labels = Array3::zeros(if discretise.is_some() { size } else { [0; 3] });
    let mut whole: Option<Array4<f32>> = None;
    for (done, tile) in tiles.iter().enumerate() {
        let output = predict(cut(values.view(), tile.window_start, tile.window))?;
        check_output(&output, tile.window)?;
        let inner: [usize; 3] = std::array::from_fn(|axis| tile.start[axis] - tile.window_start[axis]);
        let own = part(output.view(), inner, tile.size);
        match discretise {
            Some(discretise) => place(labels.view_mut(), tile).assign(&discretise(own)?),
            None => {
                let channels = own.len_of(Axis(0));
                let whole = whole.get_or_insert_with(|| Array4::zeros((channels, size[0], size[1], size[2])));
                if whole.len_of(Axis(0)) != channels {
                    return Err(Error::unsupported("a network whose number of output channels changes"));
                }
                for (whole, own) in whole.outer_iter_mut().zip(own.outer_iter()) {
                    place(whole, tile).assign(&own);
                }
            }
        }
        progress(done + 1, tiles.len());
    }
    match whole {
        Some(whole) => Ok(Outcome::Values(whole)),
        None => Ok(Outcome::Labels(labels)),
    }
}

/// The part of an array that is a tile's own.
fn place<'a, T>(mut array: ArrayViewMut3<'a, T>, tile: &Tile) -> ArrayViewMut3<'a, T> {
    for axis in 0..3 {
        array.slice_axis_inplace(Axis(axis), Slice::from(tile.start[axis]..tile.start[axis] + tile.size[axis]));
    }
    array
}
