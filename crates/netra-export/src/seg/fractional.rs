//! The pixels of a fractional segmentation: how probable each segment is at each pixel (PS3.3 C.8.20.2).

use ndarray::{ArrayView2, ArrayView4, Axis};
use netra_core::{Error, Findings, LabelMap, Result};

use super::pixels::Frame;
use crate::details::probabilities;

/// The probabilities of the segments in ascending order of their numbers, in 255ths.
pub(super) struct Shares<'a> {
    /// `(segment, slice, row, column)`, segments in the map's order.
    values: ArrayView4<'a, u8>,
    /// Where each segment, counted as the object counts them, stands in the map.
    places: Vec<usize>,
}

impl<'a> Shares<'a> {
    /// Fails with [`Unsupported`](netra_core::ErrorKind::Unsupported) when the run was not asked for probabilities.
    pub fn of(findings: &'a Findings, map: &LabelMap) -> Result<Self> {
        let values = probabilities(findings, map)?.ok_or_else(|| {
            Error::unsupported("a fractional segmentation holds probabilities, which this run was not asked for")
        })?;
        let mut places: Vec<usize> = (0..map.segments().len()).collect();
        places.sort_by_key(|&place| map.segments()[place].number);
        Ok(Self { values, places })
    }

    /// Which planes a segment has any probability on, segment by segment.
    pub fn touched(&self) -> Vec<Vec<bool>> {
        let touched = |&place: &usize| {
            let planes = self.values.index_axis(Axis(0), place);
            planes.outer_iter().map(|plane| plane.iter().any(|&share| share > 0)).collect()
        };
        self.places.iter().map(touched).collect()
    }

    /// The pixels of a frame.
    pub fn plane(&self, frame: Frame) -> ArrayView2<'_, u8> {
        let segment = self.values.index_axis(Axis(0), self.places[frame.segment.unwrap_or(0)]);
        segment.index_axis_move(Axis(0), frame.plane)
    }
}
