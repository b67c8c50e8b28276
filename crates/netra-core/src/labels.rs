//! Label maps and the coded concepts that give their labels meaning.

use ndarray::Array3;
use serde::{Deserialize, Serialize};

use crate::{Error, Result};

/// A coded concept (PS3.3 8.8): value, coding scheme designator and meaning.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CodedConcept {
    /// Code Value, for example `39607008`.
    pub value: String,
    /// Coding Scheme Designator, for example `SCT`.
    pub scheme: String,
    /// Code Meaning, for example `Lung`.
    pub meaning: String,
}

/// A display colour, 8 bits a channel.
pub type Rgb = [u8; 3];

/// One label of a [`LabelMap`] and what it stands for.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Segment {
    /// The label's value in the map; 0 is background and never a segment.
    pub number: u16,
    /// A short name for people.
    pub label: String,
    /// Segmented Property Category (context group 7150).
    pub category: CodedConcept,
    /// Segmented Property Type (context group 7151 and the like).
    pub property_type: CodedConcept,
    /// Where in the body it lies (Anatomic Region Sequence, context group 4 and the like); `None` where the type says it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub anatomic_region: Option<CodedConcept>,
    /// Recommended display colour.
    pub colour: Rgb,
}

impl Segment {
    /// The place of each label among `segments`, by label; `None` for a label of none of them.
    pub fn places<'s>(segments: impl IntoIterator<Item = &'s Segment>) -> Vec<Option<usize>> {
        let mut places = vec![None; usize::from(u16::MAX) + 1];
        for (place, segment) in segments.into_iter().enumerate() {
            places[usize::from(segment.number)] = Some(place);
        }
        places
    }
}

/// A label for every voxel `(slice, row, column)` of the source grid; an image has one slice.
#[derive(Clone, Debug)]
pub struct LabelMap {
    labels: Array3<u16>,
    segments: Vec<Segment>,
}

impl LabelMap {
    /// A label map. Fails when a label has no segment, or two segments share a number.
    pub fn new(labels: Array3<u16>, segments: Vec<Segment>) -> Result<Self> {
        let mut known = vec![false; usize::from(u16::MAX) + 1];
        known[0] = true;
        for segment in &segments {
            let slot = &mut known[usize::from(segment.number)];
            if *slot {
                return Err(Error::invalid(format!("segment number {} is used twice or is 0", segment.number)));
            }
            *slot = true;
        }
        if let Some(label) = labels.iter().find(|&&l| !known[usize::from(l)]) {
            return Err(Error::invalid(format!("label {label} has no segment")));
        }
        Ok(Self { labels, segments })
    }

    /// The labels, `(slice, row, column)`.
    pub fn labels(&self) -> &Array3<u16> {
        &self.labels
    }

    /// The segments, in the package's order.
    pub fn segments(&self) -> &[Segment] {
        &self.segments
    }

    /// Voxels that carry each segment's label, in the order of [`segments`](Self::segments).
    pub fn counts(&self) -> Vec<u64> {
        let mut by_label = vec![0u64; usize::from(u16::MAX) + 1];
        for &label in &self.labels {
            by_label[usize::from(label)] += 1;
        }
        self.segments.iter().map(|s| by_label[usize::from(s.number)]).collect()
    }
}
