//! Blocks of MONAI: `Convolution` with its `ADN`, and `UpSample`.

use super::block::Conv;
use super::builder::{Axes, Builder, Feature, check_size};
use super::spec::{Act, Norm};
use crate::{Coordinates, Error, Op, PadFill, Result, Tensor, ValueId};

/// What stands behind a convolution, in MONAI's order of letters: `N` normalisation, `D` dropout, `A` activation.
pub(super) struct Adn<'a> {
    pub ordering: &'a str,
    pub norm: &'a Norm,
    pub act: &'a Act,
}

impl Adn<'_> {
    /// Appends the layers under `name.N` and `name.A`.
    pub fn apply(&self, b: &mut Builder, mut x: Feature, name: &str) -> Result<Feature> {
        for letter in self.ordering.chars() {
            x = match letter.to_ascii_uppercase() {
                'N' => b.norm(x, &format!("{name}.N"), self.norm)?,
                'A' => b.act(x, &format!("{name}.A"), self.act)?,
                'D' => x,
                other => return Err(Error::invalid(format!("'{other}' in adn_ordering '{}'", self.ordering))),
            };
        }
        Ok(x)
    }
}

/// Padding that keeps the size. Error: `InvalidInput` for even kernels, which MONAI refuses too.
pub(super) fn same_padding(kernel: Axes) -> Result<Axes> {
    if kernel.iter().any(|k| k.is_multiple_of(2)) {
        return Err(Error::invalid(format!("an even kernel size in {kernel:?}")));
    }
    Ok(kernel.map(|k| k / 2))
}

/// How features are enlarged twofold (`UpSample`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Upsample {
    /// Transposed convolution of kernel and stride 2.
    Deconv,
    /// Linear interpolation, behind a convolution of kernel 1 where the number of channels changes.
    Nontrainable,
    /// Sub-pixel convolution with padding and average pooling against checkerboards.
    PixelShuffle,
}

impl Builder {
    /// `UpSample` of scale factor 2 under `name`; `coordinates` is for the interpolation.
    pub fn upsample(
        &mut self,
        x: Feature,
        name: &str,
        out: usize,
        mode: Upsample,
        coordinates: Coordinates,
    ) -> Result<Feature> {
        match mode {
            Upsample::Deconv => self.deconv(x, &format!("{name}.deconv"), out, [2; 3], true),
            Upsample::Nontrainable => {
                let x = if out == x.channels {
                    x
                } else {
                    self.conv(x, &format!("{name}.preconv"), &Conv::point(out).bias(true))?
                };
                self.double(x, coordinates)
            }
            Upsample::PixelShuffle => {
                check_size("number of channels", out)?;
                let conv = Conv::new(out << self.rank(), [3; 3]).bias(true);
                let x = self.conv(x, &format!("{name}.pixelshuffle.conv_block"), &conv)?;
                let x = Feature { id: self.pixel_shuffle(x.id, out)?, channels: out };
                // One zero before each axis, then means of two: the input's size again.
                let pads: Vec<i64> =
                    [0, 0].into_iter().chain(vec![1; self.rank()]).chain(vec![0; 2 + self.rank()]).collect();
                let pads = self.constant(Tensor::from_i64s(&pads))?;
                let padded = self.pad(x, pads, PadFill::Constant)?;
                self.average_pool(Feature { id: padded, ..x }, [2; 3], [1; 3])
            }
        }
    }

    /// `[N, C 2^r, s...]` to `[N, C, 2 s...]`: channel `(c, i, j, k)` goes to the odd or even positions that i, j, k say.
    fn pixel_shuffle(&mut self, x: ValueId, channels: usize) -> Result<ValueId> {
        let rank = self.rank();
        let sizes = self.node(None, Op::Shape { start: 2, end: None }, vec![Some(x)])?;
        let channels = i64::try_from(channels).map_err(|_| Error::limit("number of channels"))?;
        let split: Vec<i64> = [0, channels].into_iter().chain(vec![2; rank]).collect();
        let split = self.constant(Tensor::from_i64s(&split))?;
        let split = self.node(None, Op::Concat { axis: 0 }, vec![Some(split), Some(sizes)])?;
        let parts = self.node(None, Op::Reshape { allowzero: false }, vec![Some(x), Some(split)])?;
        let perm = [0, 1].into_iter().chain((0..rank).flat_map(|i| [2 + rank + i, 2 + i])).collect();
        let woven = self.node(None, Op::Transpose { perm: Some(perm) }, vec![Some(parts)])?;
        let two = self.constant(Tensor::from_i64s(&[2]))?;
        let doubled = self.binary(crate::Binary::Mul, sizes, two)?;
        let front = self.constant(Tensor::from_i64s(&[0, channels]))?;
        let shape = self.node(None, Op::Concat { axis: 0 }, vec![Some(front), Some(doubled)])?;
        self.node(None, Op::Reshape { allowzero: false }, vec![Some(woven), Some(shape)])
    }
}
