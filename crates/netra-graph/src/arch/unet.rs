//! MONAI `UNet`: strided convolutions down, transposed ones up, residual units where asked for
//! (Kerfoot et al. 2018; `monai.networks.nets.UNet` of MONAI 1.6).

use super::block::Conv;
use super::builder::{Axes, Builder, Feature, check_length, check_stages};
use super::monai::{Adn, same_padding};
use super::spec::{Act, Norm, Sizes};
use crate::{Error, Result};

/// Configuration of MONAI's `UNet`, its arguments under their names.
#[derive(Clone, Debug, PartialEq)]
#[allow(missing_docs)] // The arguments of the same names.
pub struct UNet {
    pub spatial_dims: usize,
    pub in_channels: usize,
    pub out_channels: usize,
    /// Features of each level, the top first.
    pub channels: Vec<usize>,
    /// One less than `channels`.
    pub strides: Vec<Sizes>,
    /// Odd.
    pub kernel_size: Sizes,
    /// Odd.
    pub up_kernel_size: Sizes,
    /// Convolutions in a residual unit; 0 for plain convolutions.
    pub num_res_units: usize,
    pub act: Act,
    pub norm: Norm,
    pub bias: bool,
    /// Order of normalisation (N), dropout (D) and activation (A).
    pub adn_ordering: String,
}

impl UNet {
    /// MONAI's defaults: kernels of 3, plain convolutions, instance normalisation, PReLU, a bias, order `NDA`.
    pub fn new(
        spatial_dims: usize,
        in_channels: usize,
        out_channels: usize,
        channels: Vec<usize>,
        strides: Vec<Sizes>,
    ) -> Self {
        Self {
            spatial_dims,
            in_channels,
            out_channels,
            channels,
            strides,
            kernel_size: Sizes::All(3),
            up_kernel_size: Sizes::All(3),
            num_res_units: 0,
            act: Act::Prelu { num_parameters: 1 },
            norm: Norm::INSTANCE,
            bias: true,
            adn_ordering: "NDA".into(),
        }
    }

    pub(super) fn build(&self, b: &mut Builder) -> Result<()> {
        check_stages("entries of channels", self.channels.len(), 2)?;
        check_length("strides", self.strides.len(), self.channels.len() - 1)?;
        let strides = self.strides.iter().map(|s| s.axes("a stride", self.spatial_dims));
        let strides = strides.collect::<Result<Vec<Axes>>>()?;
        let mut x = b.input(self.spatial_dims, self.in_channels)?;
        let blocks = Blocks {
            net: self,
            adn: Adn { ordering: &self.adn_ordering, norm: &self.norm, act: &self.act },
            kernel: self.kernel_size.axes("kernel_size", self.spatial_dims)?,
            up_kernel: self.up_kernel_size.axes("up_kernel_size", self.spatial_dims)?,
        };
        let Some((&bottom, upper)) = self.channels.split_last() else {
            return Err(Error::invalid("no channels"));
        };
        // Each level is `0` down, `1.submodule` the next level, `2` up.
        let mut prefix = String::from("model");
        let mut skips = Vec::with_capacity(upper.len());
        for (&channels, &stride) in upper.iter().zip(&strides) {
            x = blocks.down(b, x, &format!("{prefix}.0"), channels, stride)?;
            skips.push((x, prefix.clone(), stride));
            prefix.push_str(".1.submodule");
        }
        x = blocks.down(b, x, &prefix, bottom, [1; 3])?;
        while let Some((skip, prefix, stride)) = skips.pop() {
            let out = skips.last().map_or(self.out_channels, |(above, ..)| above.channels);
            x = b.concat(&[skip, x])?;
            x = blocks.up(b, x, &format!("{prefix}.2"), out, stride, skips.is_empty())?;
        }
        b.output(x, true)
    }
}

struct Blocks<'a> {
    net: &'a UNet,
    adn: Adn<'a>,
    kernel: Axes,
    up_kernel: Axes,
}

impl Blocks<'_> {
    fn down(&self, b: &mut Builder, x: Feature, name: &str, out: usize, stride: Axes) -> Result<Feature> {
        match self.net.num_res_units {
            0 => self.convolution(b, x, name, out, stride, false),
            units => self.residual_unit(b, x, name, out, stride, units, false),
        }
    }

    fn up(&self, b: &mut Builder, x: Feature, name: &str, out: usize, stride: Axes, top: bool) -> Result<Feature> {
        let plain = self.net.num_res_units == 0;
        let first = if plain { name.to_owned() } else { format!("{name}.0") };
        let conv = Conv::new(out, self.up_kernel).stride(stride).pads(same_padding(self.up_kernel)?);
        let extra = stride.map(|s| s.saturating_sub(1));
        let mut x = b.conv_transpose(x, &format!("{first}.conv"), &conv.bias(self.net.bias), extra)?;
        if !(plain && top) {
            x = self.adn.apply(b, x, &format!("{first}.adn"))?;
        }
        if plain { Ok(x) } else { self.residual_unit(b, x, &format!("{name}.1"), out, [1; 3], 1, top) }
    }

    fn convolution(
        &self,
        b: &mut Builder,
        x: Feature,
        name: &str,
        out: usize,
        stride: Axes,
        conv_only: bool,
    ) -> Result<Feature> {
        let conv = Conv::new(out, self.kernel).stride(stride).pads(same_padding(self.kernel)?).bias(self.net.bias);
        let x = b.conv(x, &format!("{name}.conv"), &conv)?;
        if conv_only { Ok(x) } else { self.adn.apply(b, x, &format!("{name}.adn")) }
    }

    #[allow(clippy::too_many_arguments)] // A layer's parameters, used in two places.
    fn residual_unit(
        &self,
        b: &mut Builder,
        x: Feature,
        name: &str,
        out: usize,
        stride: Axes,
        units: usize,
        last_conv_only: bool,
    ) -> Result<Feature> {
        let mut y = x;
        for unit in 0..units {
            let stride = if unit == 0 { stride } else { [1; 3] };
            let conv_only = last_conv_only && unit + 1 == units;
            y = self.convolution(b, y, &format!("{name}.conv.unit{unit}"), out, stride, conv_only)?;
        }
        let strided = b.spatial(stride).iter().any(|&s| s != 1);
        let residual = if strided || x.channels != out {
            // A change of channels alone needs no neighbours.
            let kernel = if strided { self.kernel } else { [1; 3] };
            let conv = Conv::new(out, kernel).stride(stride).bias(self.net.bias);
            b.conv(x, &format!("{name}.residual"), &conv)?
        } else {
            x
        };
        b.add(y, residual)
    }
}
