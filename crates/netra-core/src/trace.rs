//! Where the values of a volume come from: each slice back to the stored frames that it was made of.

use crate::{SourceFrame, Volume};

/// The share that one stored frame has in a slice.
#[derive(Clone, Debug, PartialEq)]
pub struct SlicePart {
    /// The frame.
    pub frame: SourceFrame,
    /// Its share, above 0 and at most 1.
    pub weight: f64,
    /// What to add to (row, column) of the slice to come to (row, column) of the frame. Fractions lie between pixels.
    pub offset: [f64; 2],
}

/// The stored frames that a slice was made of.
#[derive(Clone, Debug, PartialEq)]
pub struct SliceSource {
    /// The frame with the largest share.
    pub main: SlicePart,
    /// The frame that it was blended with, for a slice between two.
    pub other: Option<SlicePart>,
}

impl SliceSource {
    /// A slice that is a stored frame, pixel by pixel.
    pub fn whole(frame: SourceFrame) -> Self {
        Self { main: SlicePart { frame, weight: 1.0, offset: [0.0; 2] }, other: None }
    }

    /// Whether the slice is a stored frame, pixel by pixel.
    pub fn is_whole(&self) -> bool {
        self.other.is_none() && self.main.offset == [0.0; 2]
    }

    /// Its parts, the largest first.
    pub fn parts(&self) -> impl Iterator<Item = &SlicePart> {
        std::iter::once(&self.main).chain(&self.other)
    }
}

/// The place in a stored frame that a voxel came from.
#[derive(Clone, Debug, PartialEq)]
pub struct SourcePixel<'a> {
    /// The frame.
    pub frame: &'a SourceFrame,
    /// Row and column from 0; fractions lie between pixels, and a place outside the frame was filled, not measured.
    pub at: [f64; 2],
    /// Its share in the voxel's value.
    pub weight: f64,
}

impl Volume {
    /// The places that voxel `(slice, row, column)` was computed from, the largest share first; none when the volume did not
    /// come from DICOM or has no such slice.
    pub fn trace(&self, voxel: [usize; 3]) -> Vec<SourcePixel<'_>> {
        let parts = self.slices.get(voxel[0]).into_iter().flat_map(SliceSource::parts);
        let pixel = |part: &'_ SlicePart| [voxel[1] as f64 + part.offset[0], voxel[2] as f64 + part.offset[1]];
        parts.map(|part| SourcePixel { frame: &part.frame, at: pixel(part), weight: part.weight }).collect()
    }

    /// The stored frame of each slice, the one with the largest share where there are two.
    pub fn frames(&self) -> impl Iterator<Item = &SourceFrame> {
        self.slices.iter().map(|slice| &slice.main.frame)
    }
}

#[cfg(test)]
mod tests {
    use ndarray::Array3;

    use super::*;
    use crate::{Affine, Geometry, IntensityUnit};

    #[test]
    fn a_voxel_is_traced_to_both_frames() {
        let affine = Affine::from_steps([0.0, 0.0, 1.0], [0.0, 1.0, 0.0], [1.0, 0.0, 0.0], [0.0; 3]);
        let geometry = Geometry::new([1, 2, 2], affine).expect("a grid");
        let mut volume = Volume::new(Array3::zeros((1, 2, 2)), geometry, IntensityUnit::Arbitrary).expect("fits");
        assert!(volume.trace([0, 0, 0]).is_empty());
        let frame = |uid: &str| SourceFrame { sop_class_uid: "1".into(), sop_instance_uid: uid.into(), frame: 1 };
        let part = |uid, weight, offset| SlicePart { frame: frame(uid), weight, offset };
        volume.slices =
            vec![SliceSource { main: part("a", 0.75, [0.5, 0.0]), other: Some(part("b", 0.25, [-1.0, 2.0])) }];
        let traced = volume.trace([0, 1, 0]);
        assert_eq!(traced[0], SourcePixel { frame: &frame("a"), at: [1.5, 0.0], weight: 0.75 });
        assert_eq!(traced[1], SourcePixel { frame: &frame("b"), at: [0.0, 2.0], weight: 0.25 });
        assert!(!volume.slices[0].is_whole());
    }
}
