//! Selection of boxes.

use super::floats;
use crate::{Data, NonMaxSuppression, Result, Tensor};

/// A box by its corners, ordered.
struct Corners {
    low: [f64; 2],
    high: [f64; 2],
}

impl Corners {
    fn new(b: &[f64], center_point_box: bool) -> Self {
        let (first, second) = if center_point_box {
            ([b[0] - b[2] / 2.0, b[1] - b[3] / 2.0], [b[0] + b[2] / 2.0, b[1] + b[3] / 2.0])
        } else {
            ([b[0], b[1]], [b[2], b[3]])
        };
        Self {
            low: [first[0].min(second[0]), first[1].min(second[1])],
            high: [first[0].max(second[0]), first[1].max(second[1])],
        }
    }

    fn area(&self) -> f64 {
        (self.high[0] - self.low[0]) * (self.high[1] - self.low[1])
    }

    /// Intersection over union; boxes without area overlap nothing.
    fn overlap(&self, other: &Self) -> f64 {
        let side = |d: usize| (self.high[d].min(other.high[d]) - self.low[d].max(other.low[d])).max(0.0);
        let common = side(0) * side(1);
        let union = self.area() + other.area() - common;
        if common > 0.0 && union > 0.0 { common / union } else { 0.0 }
    }
}

pub fn suppress(p: &NonMaxSuppression, boxes: &Tensor, scores: &Tensor, shape: &[usize]) -> Result<Tensor> {
    let (corners, score) = (floats(boxes)?, floats(scores)?);
    let (batches, classes, count) = (scores.shape()[0], scores.shape()[1], scores.shape()[2]);
    let corners: Vec<Corners> = corners.chunks_exact(4).map(|b| Corners::new(b, p.center_point_box)).collect();
    let mut out = vec![-1i64; shape.iter().product()];
    let mut rows = out.chunks_exact_mut(3);
    for batch in 0..batches {
        let boxes = &corners[batch * count..(batch + 1) * count];
        for class in 0..classes {
            let score = &score[(batch * classes + class) * count..][..count];
            let passes = |&b: &usize| p.score_threshold.is_none_or(|least| score[b] > f64::from(least));
            let mut ranked: Vec<usize> = (0..count).filter(passes).collect();
            ranked.sort_by(|&a, &b| score[b].total_cmp(&score[a]));
            let mut kept: Vec<usize> = Vec::new();
            for b in ranked {
                if kept.len() == p.max_boxes {
                    break;
                }
                if kept.iter().all(|&k| boxes[k].overlap(&boxes[b]) <= f64::from(p.iou_threshold)) {
                    kept.push(b);
                }
            }
            for (b, row) in kept.into_iter().zip(rows.by_ref()) {
                row.copy_from_slice(&[batch as i64, class as i64, b as i64]);
            }
        }
    }
    Tensor::new(shape, Data::I64(out))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn overlapping_boxes_give_way_to_the_best() {
        // Two that overlap by 9 of 11, corners in either order, and one far away.
        let boxes = Tensor::from_f32([1, 3, 4], vec![0., 0., 1., 1., 1.0, 1.1, 0., 0.1, 5., 5., 6., 6.]).unwrap();
        let scores = Tensor::from_f32([1, 2, 3], vec![0.5, 0.9, 0.1, 0.9, 0.5, 0.7]).unwrap();
        let p =
            NonMaxSuppression { center_point_box: false, max_boxes: 2, iou_threshold: 0.5, score_threshold: Some(0.3) };
        let out = suppress(&p, &boxes, &scores, &[4, 3]).unwrap();
        assert_eq!(out.to_i64s().unwrap(), [0, 0, 1, 0, 1, 0, 0, 1, 2, -1, -1, -1]);
        let all = NonMaxSuppression { iou_threshold: 0.9, score_threshold: None, max_boxes: 3, ..p };
        let out = suppress(&all, &boxes, &scores, &[6, 3]).unwrap();
        assert_eq!(out.to_i64s().unwrap(), [0, 0, 1, 0, 0, 0, 0, 0, 2, 0, 1, 0, 0, 1, 2, 0, 1, 1]);
    }
}
