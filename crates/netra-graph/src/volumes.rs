//! The seam to volumes that stay on a device: a scan goes up once, labels come back once, and what lies between (windows,
//! the network's outputs, their blend, the way back to another grid) is never in the host's memory.
//!
//! Plain data and arithmetic on regular grids; positions are indices (slice, row, column), the first voxel's centre at 0.

use std::any::Any;
use std::ops::Range;

use crate::{Executable, Result, Tensor, TensorView};

/// Float32 values `(channel, slice, row, column)` on a device, in a form that only their backend knows. Their memory is
/// free again when they are dropped.
pub struct DeviceVolume {
    shape: [usize; 4],
    storage: Box<dyn Any + Send + Sync>,
}

impl DeviceVolume {
    /// Values that lie in `storage`.
    pub fn new(shape: [usize; 4], storage: impl Any + Send + Sync) -> Self {
        Self { shape, storage: Box::new(storage) }
    }

    /// Channels, slices, rows, columns.
    pub fn shape(&self) -> [usize; 4] {
        self.shape
    }

    /// The storage, for the backend that made it; `None` when another did.
    pub fn storage<T: Any>(&self) -> Option<&T> {
        self.storage.downcast_ref()
    }
}

/// A target grid seen from a source grid.
#[derive(Clone, Debug, PartialEq)]
pub struct GridMap {
    /// Slices, rows and columns of the target.
    pub shape: [usize; 3],
    /// Target index to source index: source index `i` is `m[i][0] slice + m[i][1] row + m[i][2] column + m[i][3]`.
    pub map: [[f64; 4]; 3],
}

/// How values between voxels are read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Interpolation {
    /// Trilinear.
    Linear,
    /// The nearest voxel; of two equally near (to a millionth of a voxel) the later one.
    Nearest,
}

/// What lies beyond the centres of a grid's outermost voxels.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Beyond {
    /// The nearest voxel.
    Border,
    /// Zero; linear interpolation fades to it within one voxel.
    Zeros,
    /// The nearest voxel up to half a voxel beyond the centres (and a millionth more), zero from there on.
    Extent,
}

/// What a value becomes: `(v - subtrahend) / divisor * factor + offset`, then limited.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct ValueMap {
    /// Taken off first.
    pub subtrahend: f32,
    /// Divides next.
    pub divisor: f32,
    /// Multiplies next.
    pub factor: f32,
    /// Added last.
    pub offset: f32,
    /// Least and greatest result.
    pub limits: Option<[f32; 2]>,
    /// Whether a value of 0 stays 0.
    pub keep_zero: bool,
}

/// Sums over the values of one channel.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Moments {
    /// Values counted.
    pub count: u64,
    /// Their mean; 0 without any.
    pub mean: f64,
    /// Their variance, divided by `count`; 0 without any.
    pub variance: f64,
    /// The least and the greatest of them.
    pub range: [f32; 2],
}

/// What fills a window beyond the volume that it is cut from.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum WindowPadding {
    /// One value.
    Constant(f32),
    /// The nearest voxel.
    Replicate,
    /// The volume mirrored at its outermost voxels, by less than its size.
    Reflect,
    /// The volume again, by its size at most.
    Circular,
}

/// A window of a network's input, of the size that the executable takes.
#[derive(Clone, Debug, PartialEq)]
pub struct Window {
    /// Index of the volume at which it begins; negative where it is padded.
    pub start: [isize; 3],
    /// What fills it beyond the volume.
    pub padding: WindowPadding,
    /// The voxels of the volume whose output is used: inside both the window and the volume.
    pub own: [Range<usize>; 3],
    /// Slices before this one are in no window to come.
    pub finished: usize,
}

/// How values of several channels become probabilities.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ChannelActivation {
    /// Each channel for itself.
    Sigmoid,
    /// Over the channels.
    Softmax,
}

/// How channels become one label.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Decision {
    /// The index of the greatest channel, the first of equals.
    Greatest,
    /// The index of the greatest channel and one more, where its value reaches this; else 0.
    Reaching(f32),
}

/// The grid that labels come back on.
#[derive(Clone, Debug, PartialEq)]
pub enum LabelGrid {
    /// That of the input.
    Own,
    /// Another: decided on the input's grid; the nearest voxel's label within the input's extent, as [`Beyond::Extent`].
    Nearest(GridMap),
    /// Another: values are interpolated within the input's extent and decided there.
    Linear(GridMap),
}

/// How the outputs of windows meet.
#[derive(Clone, Copy)]
pub enum Meeting<'a> {
    /// Each voxel is in one window's own part.
    Beside {
        /// Windows in all.
        windows: usize,
    },
    /// Outputs are summed, times a weight for each voxel of a window `[slices, rows, columns]` (float32), and divided by
    /// the sum of weights.
    Blended(TensorView<'a>),
}

/// How a network's outputs become labels.
#[derive(Clone)]
pub struct Labelling<'a> {
    /// Channels of the network's output.
    pub channels: usize,
    /// Those among which labels are decided, in this order; all when left out.
    pub chosen: Option<Vec<usize>>,
    /// Slices, rows and columns of the input.
    pub shape: [usize; 3],
    /// Most slices of the input in a window's own part.
    pub window_slices: usize,
    /// How windows meet.
    pub meeting: Meeting<'a>,
    /// Comes before interpolation and decision.
    pub activation: Option<ChannelActivation>,
    /// How channels become one label.
    pub decision: Decision,
    /// Where labels are wanted.
    pub grid: LabelGrid,
    /// The label of what lies outside the input's extent.
    pub outside: u16,
    /// Whether the value that decided each label is wanted too.
    pub confidence: bool,
}

/// What a labelling gives.
pub struct Labels {
    /// Uint16 `[slices, rows, columns]` of the grid asked for.
    pub labels: Tensor,
    /// Float32 of the same shape: the value of the greatest channel, 0 outside the input's extent. When asked for.
    pub confidence: Option<Tensor>,
}

/// Operations on volumes that stay on a device. They fail with [`ErrorKind::Limit`](crate::ErrorKind::Limit) or
/// [`ErrorKind::Unsupported`](crate::ErrorKind::Unsupported) where the device cannot hold or do what is asked for, before
/// any work: then the host has to. What waits for the device (`download`, `moments`, `finish`) is not for browsers.
pub trait Volumes: Send + Sync {
    /// Copies float32 values `(channel, slice, row, column)` to the device.
    fn upload(&self, values: TensorView<'_>) -> Result<DeviceVolume>;

    /// Copies values back, as `upload` takes them.
    fn download(&self, volume: &DeviceVolume) -> Result<Tensor>;

    /// Values on another grid.
    fn resample(
        &self,
        volume: &DeviceVolume,
        to: &GridMap,
        interpolation: Interpolation,
        beyond: Beyond,
    ) -> Result<DeviceVolume>;

    /// Changes the values of each channel, in place, by one map a channel.
    fn map(&self, volume: &DeviceVolume, maps: &[ValueMap]) -> Result<()>;

    /// Sums over each channel's values, or those of them that are not 0.
    fn moments(&self, volume: &DeviceVolume, nonzero: bool) -> Result<Vec<Moments>>;

    /// Bytes of the device that a labelling takes until it is finished, beside input and network.
    fn labelling_bytes(&self, labelling: &Labelling<'_>) -> Result<u64>;

    /// Begins to label.
    fn labelling(&self, labelling: &Labelling<'_>) -> Result<Box<dyn Labeller + '_>>;
}

/// A labelling in progress.
pub trait Labeller {
    /// Runs an executable of the same backend on a window of `input` and takes its output number `output`,
    /// `[1, channels, (slices,) rows, columns]` of the window's size. Windows come by their slices. Returns before the device
    /// is done.
    fn add(&mut self, executable: &dyn Executable, output: usize, input: &DeviceVolume, window: &Window) -> Result<()>;

    /// Waits for the labels. Fails with [`ErrorKind::Backend`](crate::ErrorKind::Backend) when a value that they were decided
    /// from is not a number.
    fn finish(self: Box<Self>) -> Result<Labels>;
}
