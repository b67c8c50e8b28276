//! nnU-Net v2's `plans.json` and `dataset.json`, which together say what network a checkpoint belongs to
//! (nnunetv2 2.x, `plans_handler.py` and `label_handling.py`).

use std::collections::BTreeSet;

use serde_json::{Map, Value, json};

use super::json::{Fields, FromJson};
use super::read::nnunet;
use super::{Architecture, Sizes};
use crate::{Error, Result};

/// Most configurations that may inherit from one another.
const MAX_INHERITANCE: usize = 16;

/// Channels in and out, as a `dataset.json` implies them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Channels {
    /// Images of a case; a cascade's second stage has the first's labels as well.
    pub input: usize,
    /// Labels with background, or regions.
    pub classes: usize,
}

/// Reads the network of `configuration` (`3d_fullres`, `2d`) out of a `plans.json`, in the form with an `architecture`
/// block and in the older one. Errors: `Malformed` for text that is no such file, `InvalidInput` for a configuration
/// that it lacks, `Unsupported` with the names of networks and arguments without a builder.
pub fn architecture(plans: &str, configuration: &str, channels: Channels) -> Result<Architecture> {
    let plans: Value = parse(plans, "plans.json")?;
    let settings = inherited(&plans, configuration)?;
    let (class, mut arguments) = match settings.get("architecture") {
        Some(block) => new_form(block)?,
        None => old_form(&settings)?,
    };
    arguments.insert("input_channels".into(), channels.input.into());
    arguments.insert("num_classes".into(), channels.classes.into());
    let arguments = Value::Object(arguments);
    let mut f = Fields::new(&arguments)?;
    let residual = match class.rsplit('.').next() {
        Some("PlainConvUNet") => false,
        Some("ResidualEncoderUNet") => true,
        _ => {
            return Err(Error::unsupported(format!("network class '{}'", class.chars().take(120).collect::<String>())));
        }
    };
    let network = nnunet(&mut f, residual).map_err(|e| e.at(format!("configuration '{configuration}'")))?;
    f.finish(&["deep_supervision"])?;
    Ok(network)
}

/// Counts channels in a `dataset.json`. `cascade` says that the configuration also takes the labels of the one before.
/// Error: `Malformed` for text that is no such file.
pub fn channels(dataset: &str, cascade: bool) -> Result<Channels> {
    let dataset = parse(dataset, "dataset.json")?;
    let images = dataset.get("channel_names").or_else(|| dataset.get("modality"));
    let images =
        images.and_then(Value::as_object).ok_or_else(|| Error::malformed("no channel_names in dataset.json"))?;
    let labels = dataset.get("labels").and_then(Value::as_object);
    let labels = labels.ok_or_else(|| Error::malformed("no labels in dataset.json"))?;
    // A label may be a region of several values; the label "ignore" is never predicted.
    let (mut values, mut regions, mut is_region) = (BTreeSet::new(), 0, false);
    for (_, label) in labels.iter().filter(|(name, _)| *name != "ignore") {
        let parts: Vec<usize> = match label {
            Value::Array(_) => Vec::from_json(label)?,
            _ => vec![usize::from_json(label)?],
        };
        is_region |= parts.len() > 1;
        regions += usize::from(parts.iter().any(|&v| v != 0));
        values.extend(parts);
    }
    let foreground = values.iter().filter(|&&v| v != 0).count();
    Ok(Channels {
        input: images.len() + if cascade { foreground } else { 0 },
        classes: if is_region { regions } else { values.len() },
    })
}

fn parse(text: &str, what: &str) -> Result<Value> {
    serde_json::from_str(text).map_err(|e| Error::malformed(format!("no {what}")).with_source(e))
}

/// The settings of a configuration over those of its `inherits_from`.
fn inherited(plans: &Value, name: &str) -> Result<Map<String, Value>> {
    let all = plans.get("configurations").and_then(Value::as_object);
    let all = all.ok_or_else(|| Error::malformed("no configurations in plans.json"))?;
    let mut settings = Map::new();
    let mut next = Some(name);
    for _ in 0..MAX_INHERITANCE {
        let Some(name) = next else { return Ok(settings) };
        let own = all.get(name).and_then(Value::as_object);
        let own = own.ok_or_else(|| {
            let known = all.keys().map(String::as_str).take(20).collect::<Vec<_>>().join(", ");
            Error::invalid(format!("no configuration '{name}' in plans.json; it has {known}"))
        })?;
        for (key, value) in own {
            settings.entry(key.clone()).or_insert_with(|| value.clone());
        }
        next = own.get("inherits_from").and_then(Value::as_str);
    }
    Err(Error::malformed(format!("configuration '{name}' inherits without end")))
}

/// `architecture`: the class and its arguments.
fn new_form(block: &Value) -> Result<(String, Map<String, Value>)> {
    let class = block.get("network_class_name").and_then(Value::as_str);
    let arguments = block.get("arch_kwargs").and_then(Value::as_object);
    match (class, arguments) {
        (Some(class), Some(arguments)) => Ok((class.to_owned(), arguments.clone())),
        _ => Err(Error::malformed("an architecture block without network_class_name or arch_kwargs")),
    }
}

/// Before nnU-Net 2.3 a plan stated features, kernels and strides, and the rest was fixed.
fn old_form(settings: &Map<String, Value>) -> Result<(String, Map<String, Value>)> {
    let need = |key: &str| settings.get(key).ok_or_else(|| Error::malformed(format!("no field '{key}'")));
    let class = String::from_json(need("UNet_class_name")?)?;
    let kernels = Vec::<Sizes>::from_json(need("conv_kernel_sizes")?)?;
    let rank = need("patch_size")?.as_array().map_or(0, Vec::len);
    let base = usize::from_json(need("UNet_base_num_features")?)?;
    let most = usize::from_json(need("unet_max_num_features")?)?;
    let doubled = |stage: usize| base.saturating_mul(1usize.checked_shl(stage as u32).unwrap_or(usize::MAX)).min(most);
    let features: Vec<usize> = (0..kernels.len()).map(doubled).collect();
    let per_stage = if class == "ResidualEncoderUNet" { "n_blocks_per_stage" } else { "n_conv_per_stage" };
    let arguments = json!({
        "n_stages": kernels.len(),
        "features_per_stage": features,
        "conv_op": format!("torch.nn.modules.conv.Conv{rank}d"),
        "kernel_sizes": need("conv_kernel_sizes")?,
        "strides": need("pool_op_kernel_sizes")?,
        per_stage: need("n_conv_per_stage_encoder")?,
        "n_conv_per_stage_decoder": need("n_conv_per_stage_decoder")?,
        "conv_bias": true,
        "norm_op": format!("torch.nn.modules.instancenorm.InstanceNorm{rank}d"),
        "norm_op_kwargs": {"eps": 1e-5, "affine": true},
        "nonlin": "torch.nn.LeakyReLU",
        "nonlin_kwargs": {"inplace": true},
    });
    match arguments {
        Value::Object(arguments) => Ok((class, arguments)),
        _ => Err(Error::malformed("no arguments")),
    }
}
