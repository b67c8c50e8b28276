//! The closed list of preprocessing steps, in MONAI's words.

use serde::{Deserialize, Serialize};

/// How values between grid points are found. Every mode samples at half-pixel centres: output index `i` lies at input
/// position `(i + 0.5) * scale - 0.5` with `scale = input size / output size` (PyTorch's `align_corners=False`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Interpolation {
    /// Input index `floor(i * scale)`: PyTorch's historical `nearest`, the exception to the half-pixel rule.
    Nearest,
    /// The grid point nearest to the half-pixel position, input index `floor((i + 0.5) * scale)`: PyTorch's
    /// `nearest-exact`, and what a resampling in world coordinates does.
    NearestExact,
    /// Linear along every spatial axis (bilinear in a picture, trilinear in a volume); positions outside the grid take
    /// the border's value in `Resize` and `Spacing` and 0 in `Conform`.
    Bilinear,
    /// The mean of the input pixels that an output pixel covers, in PyTorch's adaptive form: pixels
    /// `floor(i * scale)` up to `ceil((i + 1) * scale)`, without weights.
    Area,
}

/// One preprocessing step. Steps run in the manifest's order on one image or volume; sizes and axes are those of the
/// tensor's spatial axes, outermost first: (row, column), or for a volume the three axes as the last geometric step
/// left them ((slice, row, column) of the source at first).
///
/// Statistics (percentiles, means) are over every pixel of every channel unless a step says otherwise.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "step", deny_unknown_fields)]
pub enum Preprocess {
    /// Volume: flips and permutes the axes, without interpolation, so that tensor axis `k` grows towards letter `k`.
    Orientation {
        /// Three letters, one each of R or L, A or P, S or I; `RAS` makes the first tensor axis grow to the patient's
        /// right. The same order of axes as MONAI and nibabel use.
        axcodes: String,
    },
    /// Volume: resamples to the given spacing along the present axes; the first voxel's centre stays where it is, and
    /// the new size is `round((old size - 1) * old spacing / new spacing + 1)` an axis, halves rounded to the even number (MONAI).
    Spacing {
        /// Millimetres along each tensor axis.
        pixdim: Vec<f64>,
        /// Interpolation.
        mode: Interpolation,
    },
    /// Volume: one resampling onto a grid of stated orientation, spacing and size that is centred on the source
    /// grid: the centre of the voxel `size / 2` (counted from 0) lies where the source has its index `size / 2`,
    /// as FreeSurfer's `mri_convert --conform` places it. Outside the source the value is 0.
    Conform {
        /// As in `Orientation`; FreeSurfer's is `LIA`.
        axcodes: String,
        /// Millimetres along each tensor axis.
        pixdim: Vec<f64>,
        /// Size of each tensor axis.
        spatial_size: Vec<usize>,
        /// Interpolation.
        mode: Interpolation,
    },
    /// Stretches to a size.
    Resize {
        /// Size of each tensor axis.
        spatial_size: Vec<usize>,
        /// Interpolation.
        mode: Interpolation,
        /// With `bilinear`, widens the triangle filter by `scale` on axes that shrink (PyTorch's `antialias=True`,
        /// Pillow's `BILINEAR`); weights are normalised at the border.
        #[serde(default)]
        anti_aliasing: bool,
        /// With `bilinear` and without `anti_aliasing`: the first and last grid points of input and output coincide
        /// instead of the half-pixel rule.
        #[serde(default)]
        align_corners: bool,
    },
    /// Pads or crops each axis to a size, evenly on both sides; of an odd difference the larger half lies at the end
    /// when padding; cropping to `new` keeps what begins at `old / 2 - new / 2`, both rounded down (MONAI).
    ResizeWithPadOrCrop {
        /// Size of each tensor axis.
        spatial_size: Vec<usize>,
        /// The value of padding.
        #[serde(default)]
        value: f32,
    },
    /// Crops to the bounding box of the pixels over a threshold in any channel, and keeps everything when there are
    /// none.
    CropForeground {
        /// Pixels strictly over this count.
        #[serde(default)]
        threshold: f32,
        /// Pixels kept around the box on each side, as far as the image goes.
        #[serde(default)]
        margin: usize,
    },
    /// Image: crops a fundus photograph to the bounding box of its bright field of view: the largest connected region
    /// (sides and corners) whose channel mean is over `threshold` times the greatest channel mean. `Invert` leaves
    /// what lies outside that region, holes filled, as background.
    CropFieldOfView {
        /// Share of the greatest channel mean, over 0 and under 1.
        threshold: f32,
    },
    /// Maps `a_min..a_max` linearly to `b_min..b_max`.
    ScaleIntensityRange {
        /// Input value that becomes `b_min`.
        a_min: f32,
        /// Input value that becomes `b_max`.
        a_max: f32,
        /// Output for `a_min`.
        b_min: f32,
        /// Output for `a_max`.
        b_max: f32,
        /// Whether results are clipped to `b_min..b_max`.
        #[serde(default)]
        clip: bool,
    },
    /// Maps the range that the stored bits can hold ([`netra_core::Image::value_range`]) linearly to `b_min..b_max`:
    /// what "divide by 255" means for a picture of any bit depth. In a volume it is an error.
    ScaleValueRange {
        /// Output for the darkest storable value.
        b_min: f32,
        /// Output for the brightest storable value.
        b_max: f32,
    },
    /// Maps the given percentiles (linear interpolation between order statistics, as `numpy.percentile`) to
    /// `b_min..b_max`; an image whose percentiles coincide becomes `b_min` everywhere.
    ScaleIntensityRangePercentiles {
        /// Lower percentile, 0 to 100.
        lower: f64,
        /// Upper percentile, 0 to 100.
        upper: f64,
        /// Output for the lower percentile.
        b_min: f32,
        /// Output for the upper percentile.
        b_max: f32,
        /// Whether results are clipped to `b_min..b_max`.
        #[serde(default)]
        clip: bool,
    },
    /// Maps the image's least and greatest value to `minv..maxv`; a constant image becomes `minv`.
    ScaleIntensity {
        /// Output for the least value.
        minv: f32,
        /// Output for the greatest value.
        maxv: f32,
    },
    /// Subtracts and divides: by the stated numbers, else by mean and standard deviation (population form, divided by
    /// N); a standard deviation of 0 divides by 1.
    NormalizeIntensity {
        /// Statistics and change are of the non-zero pixels only; zeros stay.
        #[serde(default)]
        nonzero: bool,
        /// Statistics a channel instead of over all channels.
        #[serde(default)]
        channel_wise: bool,
        /// One number, or one a channel.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        subtrahend: Option<Vec<f32>>,
        /// One number, or one a channel; none may be 0.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        divisor: Option<Vec<f32>>,
    },
    /// Clips to the values at two percentiles (as in `ScaleIntensityRangePercentiles`), without scaling.
    ClipIntensityPercentiles {
        /// Lower percentile, 0 to 100.
        lower: f64,
        /// Upper percentile, 0 to 100.
        upper: f64,
    },
    /// Image: three channels become one, `0.299 R + 0.587 G + 0.114 B` (ITU-R BT.601); one channel stays.
    Grayscale {},
    /// Image: one channel is repeated three times; three stay.
    ToRgb {},
}
