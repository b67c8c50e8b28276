//! What a run found out in detail, checked against the finding and its source: heat maps and probabilities.

use ndarray::{Array3, ArrayView4};
use netra_core::{Classification, Error, Finding, Findings, LabelMap, Result, SaliencyMethod};

use crate::Source;

/// The heat maps of a classifier, each with its class.
pub(crate) struct HeatMaps<'a> {
    pub method: SaliencyMethod,
    /// At least one; the most probable class first.
    pub maps: Vec<Heat<'a>>,
}

/// What speaks for one class.
pub(crate) struct Heat<'a> {
    pub class: &'a Classification,
    /// `(slice, row, column)` on the source grid, all finite.
    pub values: &'a Array3<f32>,
    pub minimum: f32,
    pub maximum: f32,
    /// Slice, row and column of the maximum; the first of several.
    pub maximum_at: [usize; 3],
}

impl<'a> HeatMaps<'a> {
    /// `None` when the run was not asked for them. Fails with [`InvalidInput`](netra_core::ErrorKind::InvalidInput) when a map
    /// has no class, another shape than the source, or a value that is not finite.
    pub fn of(findings: &'a Findings, source: &Source<'_>) -> Result<Option<Self>> {
        let Some(saliency) = &findings.saliency else { return Ok(None) };
        let Finding::Classes(classes) = &findings.finding else {
            return Err(Error::invalid("heat maps of a finding without classes"));
        };
        if saliency.maps.is_empty() {
            return Err(Error::invalid("heat maps of no class"));
        }
        let shape = source.pixels.shape();
        let checked = saliency.maps.iter().map(|map| {
            let class = classes.get(map.class);
            let class = class.ok_or_else(|| Error::invalid(format!("a heat map of class {} of none", map.class)))?;
            if map.values.shape() != shape {
                let has = map.values.shape();
                return Err(Error::invalid(format!("a heat map of shape {has:?} on a source of shape {shape:?}")));
            }
            Heat::new(class, &map.values)
        });
        Ok(Some(Self { method: saliency.method, maps: checked.collect::<Result<_>>()? }))
    }
}

impl<'a> Heat<'a> {
    fn new(class: &'a Classification, values: &'a Array3<f32>) -> Result<Self> {
        let (mut minimum, mut maximum, mut at) = (f32::INFINITY, f32::NEG_INFINITY, (0, 0, 0));
        for (place, &value) in values.indexed_iter() {
            if !value.is_finite() {
                return Err(Error::invalid(format!("a heat map of {} with a value of {value}", class.label)));
            }
            minimum = minimum.min(value);
            if value > maximum {
                (maximum, at) = (value, place);
            }
        }
        Ok(Self { class, values, minimum, maximum, maximum_at: [at.0, at.1, at.2] })
    }
}

/// The probabilities of the segments of `map`, `(segment, slice, row, column)` in the map's order, when the run was asked for
/// them. Fails with [`InvalidInput`](netra_core::ErrorKind::InvalidInput) when their shape is not that of the map.
pub(crate) fn probabilities<'a>(findings: &'a Findings, map: &LabelMap) -> Result<Option<ArrayView4<'a, u8>>> {
    let Some(probabilities) = &findings.probabilities else { return Ok(None) };
    let (slices, rows, columns) = map.labels().dim();
    let shape = [map.segments().len(), slices, rows, columns];
    if probabilities.values.shape() != shape {
        let has = probabilities.values.shape();
        return Err(Error::invalid(format!("probabilities of shape {has:?} beside segments and labels of {shape:?}")));
    }
    Ok(Some(probabilities.values.view()))
}
