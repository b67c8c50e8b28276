//! Architectures from declarative tables.

use serde_json::Value;

use super::builder::{check_length, check_stages};
use super::json::{Fields, act_of, encoder, norm_of, per_stage};
use super::{
    Architecture, BasicUNet, DenseNaming, DenseNet, DynUNet, EfficientForm, EfficientNet, MeshNet, NnUNet, ResNet,
    ResNetBlock, SegResNet, UNet, XrvDenseNet,
};
use crate::{Error, Result};

/// Arguments that only training or downloading uses.
const PASSED_OVER: [&str; 12] = [
    "dropout",
    "dropout_prob",
    "dropout_rate",
    "drop_rate",
    "drop_connect_rate",
    "stochastic_depth_prob",
    "zero_init_residual",
    "memory_efficient",
    "deep_supervision",
    "deep_supr_num",
    "pretrained",
    "progress",
];

impl Architecture {
    /// Reads an architecture from a table: `name` or, as in MONAI bundles, `_target_` is the class or function, and every
    /// other field one of its arguments, left out for its default. Names without a module are MONAI's; others begin
    /// with `monai.`, `torchvision.`, `torchxrayvision.` or `dynamic_network_architectures.`. Arguments that only
    /// training uses (dropout, deep supervision) are passed over.
    ///
    /// Errors: `Malformed` for a missing field or one of another type, `Unsupported` with the names of classes and fields
    /// that Netra does not know.
    pub fn from_json(table: &Value) -> Result<Self> {
        let mut f = Fields::new(table)?;
        let name = match f.maybe::<String>("_target_")? {
            Some(target) => target,
            None => f.need::<String>("name")?,
        };
        read(&name, f).map_err(|e| e.at(format!("architecture '{}'", name.chars().take(80).collect::<String>())))
    }
}

fn read(name: &str, mut f: Fields<'_>) -> Result<Architecture> {
    let class = name.rsplit('.').next().unwrap_or(name).to_ascii_lowercase();
    let module = name.split('.').next().filter(|m| m.len() < name.len());
    let read = match (module, class.as_str()) {
        (Some("torchvision"), _) => torchvision(&class, &mut f),
        (Some("torchxrayvision"), "densenet") => xrv(&mut f),
        (None | Some("dynamic_network_architectures"), "plainconvunet") => nnunet(&mut f, false),
        (None | Some("dynamic_network_architectures"), "residualencoderunet") => nnunet(&mut f, true),
        (None, "meshnet") => meshnet(&mut f),
        (None | Some("monai"), _) => monai(&class, &mut f),
        _ => Err(no_builder()),
    }?;
    f.finish(&PASSED_OVER)?;
    Ok(read)
}

fn no_builder() -> Error {
    Error::unsupported("an architecture without a builder")
}

fn monai(class: &str, f: &mut Fields<'_>) -> Result<Architecture> {
    match class {
        "unet" => unet(f),
        "basicunet" => basic_unet(f),
        "dynunet" => dynunet(f),
        "segresnet" => segresnet(f),
        "resnet" => resnet_of_blocks(f),
        "efficientnetbn" => {
            let model: String = f.need("model_name")?;
            let variant = number(&model, "efficientnet-b")?;
            efficientnet(f, variant, EfficientForm::Monai)
        }
        _ if class.starts_with("densenet") => densenet(class, f, DenseNaming::Monai),
        _ => {
            let depth = number(class, "resnet")?;
            resnet(f, ResNet::monai(depth).ok_or_else(no_builder)?)
        }
    }
}

fn torchvision(class: &str, f: &mut Fields<'_>) -> Result<Architecture> {
    let wide = |groups, width| move |net: ResNet| ResNet { groups, width_per_group: width, ..net };
    let (depth, change): (usize, Box<dyn Fn(ResNet) -> ResNet>) = match class {
        "resnext50_32x4d" => (50, Box::new(wide(32, 4))),
        "resnext101_32x8d" => (101, Box::new(wide(32, 8))),
        "resnext101_64x4d" => (101, Box::new(wide(64, 4))),
        "wide_resnet50_2" => (50, Box::new(wide(1, 128))),
        "wide_resnet101_2" => (101, Box::new(wide(1, 128))),
        _ if class.starts_with("densenet") => return densenet(class, f, DenseNaming::Torchvision),
        _ if class.starts_with("efficientnet") => {
            return efficientnet(f, number(class, "efficientnet_b")?, EfficientForm::Torchvision);
        }
        _ => (number(class, "resnet")?, Box::new(|net| net)),
    };
    resnet(f, change(ResNet::torchvision(depth).ok_or_else(no_builder)?))
}

/// The number behind `prefix`.
fn number(name: &str, prefix: &str) -> Result<usize> {
    name.strip_prefix(prefix).and_then(|n| n.parse().ok()).ok_or_else(no_builder)
}

fn unet(f: &mut Fields<'_>) -> Result<Architecture> {
    let [dims, input, output] = [f.need("spatial_dims")?, f.need("in_channels")?, f.need("out_channels")?];
    let mut net = UNet::new(dims, input, output, f.need("channels")?, f.need("strides")?);
    // MONAI warns of strides that are never used, and goes on.
    net.strides.truncate(net.channels.len().saturating_sub(1));
    f.set("kernel_size", &mut net.kernel_size)?;
    f.set("up_kernel_size", &mut net.up_kernel_size)?;
    f.set("num_res_units", &mut net.num_res_units)?;
    f.set("act", &mut net.act)?;
    f.set("norm", &mut net.norm)?;
    f.set("bias", &mut net.bias)?;
    f.set("adn_ordering", &mut net.adn_ordering)?;
    Ok(Architecture::UNet(net))
}

fn basic_unet(f: &mut Fields<'_>) -> Result<Architecture> {
    let mut net = BasicUNet::default();
    f.set("spatial_dims", &mut net.spatial_dims)?;
    f.set("in_channels", &mut net.in_channels)?;
    f.set("out_channels", &mut net.out_channels)?;
    f.set("features", &mut net.features)?;
    f.set("act", &mut net.act)?;
    f.set("norm", &mut net.norm)?;
    f.set("bias", &mut net.bias)?;
    f.set("upsample", &mut net.upsample)?;
    Ok(Architecture::BasicUNet(net))
}

fn dynunet(f: &mut Fields<'_>) -> Result<Architecture> {
    let [dims, input, output] = [f.need("spatial_dims")?, f.need("in_channels")?, f.need("out_channels")?];
    let (kernels, strides) = (f.need("kernel_size")?, f.need("strides")?);
    let mut net = DynUNet::new(dims, input, output, kernels, strides, f.need("upsample_kernel_size")?);
    f.set("filters", &mut net.filters)?;
    f.set("norm_name", &mut net.norm_name)?;
    f.set("act_name", &mut net.act_name)?;
    f.set("res_block", &mut net.res_block)?;
    f.set("trans_bias", &mut net.trans_bias)?;
    Ok(Architecture::DynUNet(net))
}

fn segresnet(f: &mut Fields<'_>) -> Result<Architecture> {
    let mut net = SegResNet::default();
    f.set("spatial_dims", &mut net.spatial_dims)?;
    f.set("init_filters", &mut net.init_filters)?;
    f.set("in_channels", &mut net.in_channels)?;
    f.set("out_channels", &mut net.out_channels)?;
    f.set("act", &mut net.act)?;
    f.set("norm", &mut net.norm)?;
    f.set("use_conv_final", &mut net.use_conv_final)?;
    f.set("blocks_down", &mut net.blocks_down)?;
    f.set("blocks_up", &mut net.blocks_up)?;
    f.set("upsample_mode", &mut net.upsample_mode)?;
    Ok(Architecture::SegResNet(net))
}

fn meshnet(f: &mut Fields<'_>) -> Result<Architecture> {
    let mut net = MeshNet::new(f.need("in_channels")?, f.need("n_classes")?, f.need("channels")?);
    f.set("layers", &mut net.layers)?;
    f.set("norm", &mut net.norm)?;
    f.set("act", &mut net.act)?;
    f.set("bias", &mut net.bias)?;
    f.set("form", &mut net.form)?;
    Ok(Architecture::MeshNet(net))
}

/// `DenseNet` with all its arguments, or `densenet121` and the like with a few.
fn densenet(class: &str, f: &mut Fields<'_>, naming: DenseNaming) -> Result<Architecture> {
    let depth = if class == "densenet" { 121 } else { number(class, "densenet")? };
    let (dims, input, output) = match naming {
        DenseNaming::Monai => (f.need("spatial_dims")?, f.need("in_channels")?, f.need("out_channels")?),
        DenseNaming::Torchvision => (2, 3, f.maybe("num_classes")?.unwrap_or(1000)),
    };
    let mut net = DenseNet::of_depth(depth, naming, dims, input, output).ok_or_else(no_builder)?;
    let features = if naming == DenseNaming::Monai { "init_features" } else { "num_init_features" };
    f.set(features, &mut net.init_features)?;
    f.set("growth_rate", &mut net.growth_rate)?;
    f.set("block_config", &mut net.block_config)?;
    f.set("bn_size", &mut net.bn_size)?;
    if naming == DenseNaming::Monai {
        f.set("act", &mut net.act)?;
        f.set("norm", &mut net.norm)?;
    } else {
        f.set("in_channels", &mut net.in_channels)?;
    }
    Ok(Architecture::DenseNet(net))
}

/// MONAI's `ResNet`, which names its block and layers.
fn resnet_of_blocks(f: &mut Fields<'_>) -> Result<Architecture> {
    let block = match f.need::<String>("block")?.as_str() {
        "basic" => ResNetBlock::Basic,
        "bottleneck" => ResNetBlock::Bottleneck,
        other => return Err(Error::unsupported(format!("block '{}'", other.chars().take(80).collect::<String>()))),
    };
    let (layers, block_inplanes) = (f.need("layers")?, f.need("block_inplanes")?);
    let net = ResNet::monai(18).ok_or_else(no_builder)?;
    resnet(f, ResNet { block, layers, block_inplanes, ..net })
}

fn resnet(f: &mut Fields<'_>, mut net: ResNet) -> Result<Architecture> {
    f.set("spatial_dims", &mut net.spatial_dims)?;
    f.set("n_input_channels", &mut net.n_input_channels)?;
    f.set("conv1_t_size", &mut net.conv1_t_size)?;
    f.set("conv1_t_stride", &mut net.conv1_t_stride)?;
    f.set("no_max_pool", &mut net.no_max_pool)?;
    f.set("shortcut_type", &mut net.shortcut_type)?;
    f.set("widen_factor", &mut net.widen_factor)?;
    f.set("num_classes", &mut net.num_classes)?;
    f.set("feed_forward", &mut net.feed_forward)?;
    f.set("bias_downsample", &mut net.bias_downsample)?;
    f.set("act", &mut net.act)?;
    f.set("norm", &mut net.norm)?;
    f.set("groups", &mut net.groups)?;
    f.set("width_per_group", &mut net.width_per_group)?;
    Ok(Architecture::ResNet(net))
}

fn efficientnet(f: &mut Fields<'_>, variant: usize, form: EfficientForm) -> Result<Architecture> {
    let mut net = EfficientNet { variant, spatial_dims: 2, in_channels: 3, num_classes: 1000, form, norm: None };
    f.set("spatial_dims", &mut net.spatial_dims)?;
    f.set("in_channels", &mut net.in_channels)?;
    f.set("num_classes", &mut net.num_classes)?;
    net.norm = f.maybe("norm")?;
    Ok(Architecture::EfficientNet(net))
}

fn xrv(f: &mut Fields<'_>) -> Result<Architecture> {
    let mut net = XrvDenseNet::default();
    f.set("growth_rate", &mut net.growth_rate)?;
    f.set("block_config", &mut net.block_config)?;
    f.set("num_init_features", &mut net.num_init_features)?;
    f.set("bn_size", &mut net.bn_size)?;
    f.set("num_classes", &mut net.num_classes)?;
    f.set("in_channels", &mut net.in_channels)?;
    f.set("op_threshs", &mut net.op_threshs)?;
    f.set("apply_sigmoid", &mut net.apply_sigmoid)?;
    f.set("input_resolution", &mut net.input_resolution)?;
    Ok(Architecture::XrvDenseNet(net))
}

/// The arguments of nnU-Net's two networks, under the names of `arch_kwargs`.
pub(super) fn nnunet(f: &mut Fields<'_>, residual: bool) -> Result<Architecture> {
    let stages: usize = f.need("n_stages")?;
    check_stages("stages", stages, 2)?;
    let conv_op: String = f.need("conv_op")?;
    let spatial_dims = match conv_op.rsplit('.').next().and_then(|class| class.strip_prefix("Conv")) {
        Some("1d") => 1,
        Some("2d") => 2,
        Some("3d") => 3,
        _ => return Err(Error::unsupported(format!("conv_op '{}'", conv_op.chars().take(80).collect::<String>()))),
    };
    let features_per_stage: Vec<usize> = per_stage(f, "features_per_stage", stages)?;
    let kernel_sizes = per_stage(f, "kernel_sizes", stages)?;
    let strides = per_stage(f, "strides", stages)?;
    check_length("features_per_stage", features_per_stage.len(), stages)?;
    Ok(Architecture::NnUNet(NnUNet {
        spatial_dims,
        input_channels: f.need("input_channels")?,
        num_classes: f.need("num_classes")?,
        features_per_stage,
        kernel_sizes,
        strides,
        encoder: encoder(f, residual, stages)?,
        n_conv_per_stage_decoder: per_stage(f, "n_conv_per_stage_decoder", stages - 1)?,
        conv_bias: f.maybe("conv_bias")?.unwrap_or(false),
        norm: norm_of(f, "norm_op", "norm_op_kwargs")?,
        nonlin: act_of(f, "nonlin", "nonlin_kwargs")?,
        nonlin_first: f.maybe("nonlin_first")?.unwrap_or(false),
        dropout: matches!((f.raw("dropout_op"), f.raw("dropout_op_kwargs")), (Some(op), _) if !op.is_null()),
    }))
}
