//! Configurations as JSON values, in the forms that MONAI bundles and nnU-Net plans have.

use serde_json::{Map, Value};

use super::spec::{Act, Norm, Sizes};
use super::{Encoder, MeshForm, MeshLayer, Shortcut, Upsample};
use crate::{Error, Result};

/// The fields of a table; those never read are errors in the end.
pub(super) struct Fields<'a> {
    map: &'a Map<String, Value>,
    read: Vec<&'a str>,
}

impl<'a> Fields<'a> {
    /// Error: `Malformed` for anything but a table.
    pub fn new(value: &'a Value) -> Result<Self> {
        let map = value.as_object().ok_or_else(|| wrong("a table", value))?;
        Ok(Self { map, read: Vec::new() })
    }

    /// The value of `key` as it stands.
    pub fn raw(&mut self, key: &str) -> Option<&'a Value> {
        let (key, value) = self.map.get_key_value(key)?;
        self.read.push(key);
        Some(value)
    }

    /// The value of `key`; `None` where it is absent.
    pub fn maybe<T: FromJson>(&mut self, key: &str) -> Result<Option<T>> {
        let Some(value) = self.raw(key) else { return Ok(None) };
        T::from_json(value).map(Some).map_err(|e| e.at(format!("field '{key}'")))
    }

    /// The value of `key`. Error: `Malformed` where it is absent.
    pub fn need<T: FromJson>(&mut self, key: &str) -> Result<T> {
        self.maybe(key)?.ok_or_else(|| Error::malformed(format!("no field '{key}'")))
    }

    /// Replaces `to` where `key` is present.
    pub fn set<T: FromJson>(&mut self, key: &str, to: &mut T) -> Result<()> {
        if let Some(value) = self.maybe(key)? {
            *to = value;
        }
        Ok(())
    }

    /// Error: `Unsupported` with the names of the fields that were neither read nor are among `ignored`.
    pub fn finish(self, ignored: &[&str]) -> Result<()> {
        let known = |k: &str| self.read.contains(&k) || ignored.contains(&k);
        let unknown: Vec<&str> = self.map.keys().map(String::as_str).filter(|k| !known(k)).take(20).collect();
        if unknown.is_empty() { Ok(()) } else { Err(Error::unsupported(format!("fields {}", unknown.join(", ")))) }
    }
}

/// A value that a field can have. Errors: `Malformed` for another type, `Unsupported` for a name not known.
pub(super) trait FromJson: Sized {
    fn from_json(value: &Value) -> Result<Self>;
}

fn wrong(wanted: &str, value: &Value) -> Error {
    let mut shown = value.to_string();
    if shown.len() > 80 {
        shown = shown.chars().take(80).chain("...".chars()).collect();
    }
    Error::malformed(format!("{shown} for {wanted}"))
}

fn other(what: &str, name: &str) -> Error {
    Error::unsupported(format!("{what} '{}'", name.chars().take(80).collect::<String>()))
}

impl FromJson for usize {
    fn from_json(value: &Value) -> Result<Self> {
        let number = value.as_u64().and_then(|n| usize::try_from(n).ok());
        number.ok_or_else(|| wrong("a whole number", value))
    }
}

impl FromJson for f64 {
    fn from_json(value: &Value) -> Result<Self> {
        value.as_f64().ok_or_else(|| wrong("a number", value))
    }
}

impl FromJson for f32 {
    /// `null` is not a number: JSON has no other word for it.
    fn from_json(value: &Value) -> Result<Self> {
        if value.is_null() { Ok(f32::NAN) } else { f64::from_json(value).map(|x| x as f32) }
    }
}

impl FromJson for bool {
    fn from_json(value: &Value) -> Result<Self> {
        value.as_bool().ok_or_else(|| wrong("true or false", value))
    }
}

impl FromJson for String {
    fn from_json(value: &Value) -> Result<Self> {
        value.as_str().map(str::to_owned).ok_or_else(|| wrong("a text", value))
    }
}

impl<T: FromJson> FromJson for Vec<T> {
    fn from_json(value: &Value) -> Result<Self> {
        value.as_array().ok_or_else(|| wrong("a list", value))?.iter().map(T::from_json).collect()
    }
}

impl<T: FromJson> FromJson for Option<T> {
    fn from_json(value: &Value) -> Result<Self> {
        if value.is_null() { Ok(None) } else { T::from_json(value).map(Some) }
    }
}

impl FromJson for [usize; 4] {
    fn from_json(value: &Value) -> Result<Self> {
        let list = Vec::<usize>::from_json(value)?;
        list.try_into().map_err(|_| wrong("four numbers", value))
    }
}

impl FromJson for Sizes {
    fn from_json(value: &Value) -> Result<Self> {
        if value.is_array() { Vec::from_json(value).map(Sizes::Each) } else { usize::from_json(value).map(Sizes::All) }
    }
}

impl FromJson for Upsample {
    fn from_json(value: &Value) -> Result<Self> {
        match String::from_json(value)?.to_ascii_lowercase().as_str() {
            "deconv" => Ok(Upsample::Deconv),
            "nontrainable" => Ok(Upsample::Nontrainable),
            "pixelshuffle" => Ok(Upsample::PixelShuffle),
            name => Err(other("upsampling mode", name)),
        }
    }
}

impl FromJson for Shortcut {
    fn from_json(value: &Value) -> Result<Self> {
        match String::from_json(value)?.as_str() {
            "A" => Ok(Shortcut::A),
            "B" => Ok(Shortcut::B),
            name => Err(other("shortcut_type", name)),
        }
    }
}

impl FromJson for MeshForm {
    fn from_json(value: &Value) -> Result<Self> {
        match String::from_json(value)?.as_str() {
            "nested" => Ok(MeshForm::Nested),
            "flat" => Ok(MeshForm::Flat),
            name => Err(other("form", name)),
        }
    }
}

impl FromJson for MeshLayer {
    fn from_json(value: &Value) -> Result<Self> {
        let mut f = Fields::new(value)?;
        let kernel_size = f.need("kernel_size")?;
        let (mut padding, mut stride, mut dilation) = (Sizes::All(0), Sizes::All(1), Sizes::All(1));
        f.set("padding", &mut padding)?;
        f.set("stride", &mut stride)?;
        f.set("dilation", &mut dilation)?;
        // The channels of a layer list are placeholders, set from the network's own.
        f.finish(&["in_channels", "out_channels"])?;
        Ok(MeshLayer { kernel_size, padding, stride, dilation })
    }
}

/// A name, or a name and its arguments.
fn named(value: &Value) -> Result<(String, Option<&Value>)> {
    match value {
        Value::Array(pair) if matches!(pair.len(), 1 | 2) => {
            let name = pair.first().ok_or_else(|| wrong("a name", value))?;
            Ok((String::from_json(name)?, pair.get(1)))
        }
        _ => Ok((String::from_json(value)?, None)),
    }
}

/// MONAI's form; `null` or an empty name is none.
impl FromJson for Norm {
    fn from_json(value: &Value) -> Result<Self> {
        if value.is_null() {
            return Ok(Norm::None);
        }
        let (name, arguments) = named(value)?;
        norm(&name, arguments)
    }
}

/// MONAI's form; `null` or an empty name is none.
impl FromJson for Act {
    fn from_json(value: &Value) -> Result<Self> {
        if value.is_null() {
            return Ok(Act::None);
        }
        let (name, arguments) = named(value)?;
        act(&name, arguments)
    }
}

/// By MONAI's name (`instance`) or PyTorch's path (`torch.nn.modules.instancenorm.InstanceNorm3d`).
fn norm(name: &str, arguments: Option<&Value>) -> Result<Norm> {
    let none = Value::Object(Map::new());
    let mut f = Fields::new(arguments.filter(|a| !a.is_null()).unwrap_or(&none))?;
    let mut epsilon = 1e-5;
    f.set("eps", &mut epsilon)?;
    let affine = |f: &mut Fields<'_>, default: bool| Ok::<_, Error>(f.maybe("affine")?.unwrap_or(default));
    let tracks = |f: &mut Fields<'_>, usual: bool| match f.maybe::<bool>("track_running_stats")? {
        Some(given) if given != usual => Err(Error::unsupported(format!("track_running_stats = {given}"))),
        _ => Ok(()),
    };
    let class = name.rsplit('.').next().unwrap_or(name).to_ascii_lowercase();
    let kind = ["1d", "2d", "3d"].iter().find_map(|d| class.strip_suffix(d)).unwrap_or(&class);
    let norm = match kind.strip_suffix("norm").unwrap_or(kind) {
        "" if name.is_empty() => Norm::None,
        "instance" | "instance_nvfuser" => {
            tracks(&mut f, false)?;
            Norm::Instance { epsilon, affine: affine(&mut f, false)? }
        }
        "batch" | "syncbatch" => {
            tracks(&mut f, true)?;
            Norm::Batch { epsilon, affine: affine(&mut f, true)? }
        }
        "group" => Norm::Group { num_groups: f.need("num_groups")?, epsilon, affine: affine(&mut f, true)? },
        _ => return Err(other("normalisation", name)),
    };
    f.finish(&["momentum"])?;
    Ok(norm)
}

/// By MONAI's name (`leakyrelu`) or PyTorch's path (`torch.nn.LeakyReLU`).
fn act(name: &str, arguments: Option<&Value>) -> Result<Act> {
    let none = Value::Object(Map::new());
    let mut f = Fields::new(arguments.filter(|a| !a.is_null()).unwrap_or(&none))?;
    let mut number = |key: &str, default: f32| Ok::<_, Error>(f.maybe(key)?.unwrap_or(default));
    let class = name.rsplit('.').next().unwrap_or(name).to_ascii_lowercase();
    let act = match class.as_str() {
        "" if name.is_empty() => Act::None,
        "relu" => Act::Relu,
        "leakyrelu" => Act::LeakyRelu { negative_slope: number("negative_slope", 0.01)? },
        "prelu" => Act::Prelu { num_parameters: f.maybe("num_parameters")?.unwrap_or(1) },
        "relu6" => Act::Relu6,
        "elu" => Act::Elu { alpha: number("alpha", 1.0)? },
        "celu" => Act::Celu { alpha: number("alpha", 1.0)? },
        "selu" => Act::Selu,
        "gelu" => Act::Gelu,
        "sigmoid" => Act::Sigmoid,
        "tanh" => Act::Tanh,
        "mish" => Act::Mish,
        "swish" | "memswish" | "silu" => Act::Silu,
        _ => return Err(other("activation", name)),
    };
    f.finish(&["inplace", "init"])?;
    Ok(act)
}

/// nnU-Net's form: the class and its arguments are two fields.
pub(super) fn norm_of(f: &mut Fields<'_>, class: &str, arguments: &str) -> Result<Norm> {
    let arguments = f.raw(arguments);
    match f.maybe::<Option<String>>(class)?.flatten() {
        Some(name) => norm(&name, arguments).map_err(|e| e.at(format!("field '{class}'"))),
        None => Ok(Norm::None),
    }
}

/// As [`norm_of`].
pub(super) fn act_of(f: &mut Fields<'_>, class: &str, arguments: &str) -> Result<Act> {
    let arguments = f.raw(arguments);
    match f.maybe::<Option<String>>(class)?.flatten() {
        Some(name) => act(&name, arguments).map_err(|e| e.at(format!("field '{class}'"))),
        None => Ok(Act::None),
    }
}

/// One value for every stage, or a list of one a stage. `stages` has been checked.
pub(super) fn per_stage<T: FromJson + Clone>(f: &mut Fields<'_>, key: &str, stages: usize) -> Result<Vec<T>> {
    let value = f.raw(key).ok_or_else(|| Error::malformed(format!("no field '{key}'")))?;
    let list = match value {
        Value::Array(_) => Vec::from_json(value),
        _ => T::from_json(value).map(|one| vec![one; stages]),
    };
    list.map_err(|e| e.at(format!("field '{key}'")))
}

/// The encoder whose list stands in `f`.
pub(super) fn encoder(f: &mut Fields<'_>, residual: bool, stages: usize) -> Result<Encoder> {
    if residual {
        let n_blocks_per_stage = per_stage(f, "n_blocks_per_stage", stages)?;
        let stem_channels = f.maybe::<Option<usize>>("stem_channels")?.flatten();
        return Ok(Encoder::Residual { n_blocks_per_stage, stem_channels });
    }
    Ok(Encoder::Plain { n_conv_per_stage: per_stage(f, "n_conv_per_stage", stages)? })
}
