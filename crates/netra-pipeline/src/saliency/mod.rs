//! Where a classifier looked: class activation maps where its end makes them exact, occlusion maps otherwise.

mod activation;
mod occlusion;

use ndarray::{Array4, Axis};
use netra_core::{
    Affine, Classification, Error, ErrorKind, Geometry, HeatMap, Limits, Result, Saliency, SaliencyMethod,
};
use netra_package::manifest::{Inferer, Interpolation};

use crate::{Input, Model, postprocess, preprocess};

pub(crate) use activation::Explained;

/// Most classes that get a map.
pub(crate) const MOST_MAPS: usize = 4;

/// Values `(class, slice, row, column)` of the chosen classes, evenly over what the network saw.
struct Maps {
    method: SaliencyMethod,
    values: Array4<f32>,
}

/// The maps of the classes that are positive, or of the most probable one; progress is told in (done, total). Preprocessing is
/// run once more, so that a run without maps holds nothing for them.
///
/// Errors: `Unsupported` for a network that does not see its whole input at once; else as a run.
pub(crate) fn run(
    model: &Model,
    input: Input<'_>,
    classes: &[Classification],
    limits: &Limits,
    progress: &dyn Fn(usize, usize),
) -> Result<Saliency> {
    if !matches!(model.manifest().inferer, Inferer::Whole { .. }) {
        return Err(Error::unsupported("heat maps are of networks that see their whole input at once"));
    }
    let chosen = chosen(classes);
    let (values, place) = preprocess::run(&model.manifest().preprocess, input, limits)?.into_array();
    let exact = match model.class_activation().map(|end| activation::maps(model, end, &values, &chosen)) {
        Some(Err(e)) if e.kind() != ErrorKind::Unsupported => return Err(e),
        maps => maps.and_then(Result::ok),
    };
    let maps = match exact {
        Some(maps) => maps,
        None => occlusion::maps(model, values, &place, &chosen, progress)?,
    };
    let (count, slices, rows, columns) = maps.values.dim();
    let grid = coarser(&place.geometry, [slices, rows, columns])?;
    let on_source = postprocess::invert_values(maps.values, &grid, &place, Interpolation::Bilinear)?;
    let maps_of =
        (0..count).zip(chosen).map(|(i, class)| HeatMap { class, values: on_source.index_axis(Axis(0), i).to_owned() });
    Ok(Saliency { method: maps.method, maps: maps_of.collect() })
}

/// The positive classes, the most probable first; without any, the most probable class.
fn chosen(classes: &[Classification]) -> Vec<usize> {
    let mut sorted: Vec<usize> = (0..classes.len()).collect();
    sorted.sort_by(|&a, &b| classes[b].probability.total_cmp(&classes[a].probability));
    let positive: Vec<usize> = sorted.iter().copied().filter(|&i| classes[i].positive == Some(true)).collect();
    if !positive.is_empty() {
        return positive.into_iter().take(MOST_MAPS).collect();
    }
    sorted.truncate(1);
    sorted
}

/// A grid of `shape` over the extent of another.
fn coarser(grid: &Geometry, shape: [usize; 3]) -> Result<Geometry> {
    let old = grid.shape();
    let factor: [f64; 3] = std::array::from_fn(|axis| old[axis] as f64 / shape[axis] as f64);
    let affine = grid.affine();
    let [slice, row, column] = std::array::from_fn(|axis| affine.step(axis).map(|mm| mm * factor[axis]));
    let first = affine.apply(factor.map(|f| (f - 1.0) / 2.0));
    Geometry::new(shape, Affine::from_steps(slice, row, column, first))
}

#[cfg(test)]
mod tests {
    use netra_core::CodedConcept;

    use super::*;

    fn class(probability: f32, positive: Option<bool>) -> Classification {
        let concept = CodedConcept { value: "1".into(), scheme: "99TEST".into(), meaning: "x".into() };
        Classification { label: "x".into(), concept, probability, threshold: None, positive }
    }

    #[test]
    fn positive_classes_are_shown_and_otherwise_the_first() {
        let yes = |p| class(p, Some(true));
        let no = |p| class(p, Some(false));
        assert_eq!(chosen(&[no(0.9), yes(0.3), yes(0.6)]), [2, 1], "thresholds may differ");
        assert_eq!(chosen(&[no(0.1), class(0.7, None), no(0.4)]), [1]);
        assert_eq!(chosen(&[yes(0.5), yes(0.6), yes(0.7), yes(0.8), yes(0.9)]), [4, 3, 2, 1]);
    }

    #[test]
    fn a_coarser_grid_has_the_same_extent() {
        let affine = Affine::from_steps([0.0, 0.0, 2.0], [0.0, 0.5, 0.0], [0.25, 0.0, 0.0], [10.0, 20.0, 30.0]);
        let grid = Geometry::new([4, 12, 8], affine).expect("valid");
        let coarse = coarser(&grid, [2, 3, 8]).expect("valid");
        for (corner, other) in [([-0.5; 3], [-0.5; 3]), ([3.5, 11.5, 7.5], [1.5, 2.5, 7.5])] {
            let (a, b) = (grid.affine().apply(corner), coarse.affine().apply(other));
            assert!(a.iter().zip(b).all(|(a, b)| (a - b).abs() < 1e-12), "{a:?} {b:?}");
        }
    }
}
