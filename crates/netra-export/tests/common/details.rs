//! Findings with what a run computes only when it is asked: probabilities of segments, heat maps of classes.

use ndarray::{Array3, Array4};
use netra_core::{Classification, CodedConcept, Finding, Findings, HeatMap, Probabilities, Saliency, SaliencyMethod};

use super::Case;

/// The findings of [`Case::findings`] with probabilities: high at the segment's own label, low and different everywhere else, 0
/// in the first slice of a volume, and 0 everywhere for the last segment of `empty`.
pub fn probable(case: &Case, last: u16, empty: bool) -> Findings {
    let mut findings = case.findings(last);
    let Finding::Segmentation { labels, .. } = &findings.finding else { panic!("labels") };
    let (slices, rows, columns) = labels.labels().dim();
    let count = labels.segments().len();
    let values = Array4::from_shape_fn((count, slices, rows, columns), |(segment, s, r, c)| {
        let own = labels.labels()[(s, r, c)] == labels.segments()[segment].number;
        let share = (segment * 31 + s * 17 + r * 7 + c * 3) % 120;
        let nothing = (slices > 1 && s == 0) || (empty && segment == count - 1);
        if nothing { 0 } else { share as u8 + if own { 130 } else { 0 } }
    });
    findings.probabilities = Some(Probabilities { values });
    findings
}

/// A classification of six classes with heat maps of the first `count`: a blob in another place for each, and what speaks
/// against the class around it.
pub fn heat(case: &Case, count: usize, method: SaliencyMethod) -> Findings {
    let class = |(label, probability): (&str, f32)| Classification {
        label: label.to_owned(),
        concept: CodedConcept { value: "60046008".into(), scheme: "SCT".into(), meaning: label.into() },
        probability,
        threshold: Some(0.4),
        positive: Some(probability >= 0.4),
    };
    let classes = [
        ("Effusion", 0.91),
        ("Enlarged cardiomediastinum", 0.74),
        ("Consolidation", 0.62),
        ("Lung opacity", 0.55),
        ("Nodule or mass", 0.48),
        ("Fracture", 0.07),
    ];
    let mut findings = case.findings(3);
    findings.finding = Finding::Classes(classes.map(class).to_vec());
    let [slices, rows, columns] = case.source().pixels.shape();
    let maps = (0..count).map(|class| HeatMap {
        class,
        values: Array3::from_shape_fn((slices, rows, columns), |(s, r, c)| {
            let centre = [[0.55, 0.7, 0.25], [0.4, 0.35, 0.5], [0.7, 0.55, 0.7], [0.25, 0.5, 0.35]][class % 4];
            let size = [slices, rows, columns];
            let part = |axis: usize| ([s, r, c][axis] as f32 + 0.5) / size[axis] as f32 - centre[axis];
            let square: f32 = (0..3).filter(|&axis| size[axis] > 1).map(|axis| part(axis) * part(axis)).sum();
            (2.6 + class as f32) * (-square / 0.03).exp() - 0.15
        }),
    });
    findings.saliency = Some(Saliency { method, maps: maps.collect() });
    findings
}
