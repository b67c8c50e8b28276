//! The grey pipeline (PS3.3 C.11.1, C.11.2): stored value, modality value, display value, one inversion.

use dicom_dictionary_std::tags;
use dicom_object::InMemDicomObject;
use netra_core::{Error, Result};

use super::palette::Lut;
use super::stored::Stored;
use crate::attributes::{items, numbers, text};

/// Stored value to modality value.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum ModalityMap {
    Linear { slope: f64, intercept: f64 },
    Table(Lut),
}

impl ModalityMap {
    /// The Modality LUT Sequence of `header`, if it has one.
    pub fn table(header: &InMemDicomObject, signed: bool) -> Result<Option<Self>> {
        let Some(item) = items(header, tags::MODALITY_LUT_SEQUENCE).first() else { return Ok(None) };
        Lut::read(item, tags::LUT_DESCRIPTOR, tags::LUT_DATA, signed).map(|lut| Some(Self::Table(lut)))
    }

    pub fn at(&self, stored: f64) -> f64 {
        match self {
            Self::Linear { slope, intercept } => stored * slope + intercept,
            Self::Table(lut) => lut.at(stored),
        }
    }

    /// The modality values of a range of stored values.
    pub fn range(&self, stored: [f64; 2]) -> [f64; 2] {
        match self {
            Self::Linear { .. } => {
                let ends = stored.map(|v| self.at(v));
                [ends[0].min(ends[1]), ends[0].max(ends[1])]
            }
            Self::Table(lut) => [0.0, lut.highest()],
        }
    }
}

/// Modality value to display value, 0 to 255.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum VoiMap {
    Window { centre: f64, width: f64, function: WindowFunction },
    Table(Lut),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum WindowFunction {
    Linear,
    LinearExact,
    Sigmoid,
}

impl VoiMap {
    /// The VOI LUT Sequence of `object`, else its first window; `None` without either.
    pub fn read(object: &InMemDicomObject, signed: bool) -> Result<Option<Self>> {
        if let Some(item) = items(object, tags::VOILUT_SEQUENCE).first() {
            return Lut::read(item, tags::LUT_DESCRIPTOR, tags::LUT_DATA, signed).map(|lut| Some(Self::Table(lut)));
        }
        let first = |tag| numbers(object, tag).and_then(|n| n.first().copied());
        let (Some(centre), Some(width)) = (first(tags::WINDOW_CENTER), first(tags::WINDOW_WIDTH)) else {
            return Ok(None);
        };
        let function = match text(object, tags::VOILUT_FUNCTION).as_deref() {
            None | Some("LINEAR") => WindowFunction::Linear,
            Some("LINEAR_EXACT") => WindowFunction::LinearExact,
            Some("SIGMOID") => WindowFunction::Sigmoid,
            Some(other) => return Err(Error::unsupported(format!("VOI LUT function {other}"))),
        };
        let least = if function == WindowFunction::Linear { 1.0 } else { f64::MIN_POSITIVE };
        if width < least {
            return Err(Error::malformed(format!("a window {width} wide")).at(tags::WINDOW_WIDTH));
        }
        Ok(Some(Self::Window { centre, width, function }))
    }

    pub fn at(&self, x: f64) -> f64 {
        match self {
            Self::Table(lut) => lut.at(x) / lut.highest() * 255.0,
            Self::Window { centre: c, width: w, function } => {
                let share = match function {
                    // C.11.2.1.2.1; a width of 1 is a threshold.
                    WindowFunction::Linear if x <= c - 0.5 - (w - 1.0) / 2.0 => 0.0,
                    WindowFunction::Linear if x > c - 0.5 + (w - 1.0) / 2.0 => 1.0,
                    WindowFunction::Linear => (x - (c - 0.5)) / (w - 1.0) + 0.5,
                    WindowFunction::LinearExact => ((x - c) / w + 0.5).clamp(0.0, 1.0),
                    WindowFunction::Sigmoid => 1.0 / (1.0 + (-4.0 * (x - c) / w).exp()),
                };
                share * 255.0
            }
        }
    }
}

/// The whole way of a grey sample.
pub(crate) struct Grey<'a> {
    pub modality: &'a ModalityMap,
    pub voi: Option<&'a VoiMap>,
    /// MONOCHROME1: low values are bright.
    pub inverted: bool,
}

impl Grey<'_> {
    /// Writes the frame's values to `out` and returns the range that they can take.
    pub fn write(&self, stored: &Stored<'_>, out: &mut [f32]) -> [f32; 2] {
        let range = if self.voi.is_some() { [0.0, 255.0] } else { self.modality.range(stored.range()) };
        let sum = range[0] + range[1];
        match (self.modality, self.voi, self.inverted) {
            // What volumes need, without a decision for each sample.
            (&ModalityMap::Linear { slope, intercept }, None, false) => {
                stored.write(out, |value| (value * slope + intercept) as f32);
            }
            (modality, voi, inverted) => stored.write(out, |value| {
                let value = modality.at(value);
                let value = voi.map_or(value, |voi| voi.at(value));
                (if inverted { sum - value } else { value }) as f32
            }),
        }
        range.map(|v| v as f32)
    }
}
