//! Extents of segments as quantities with a concept and a UCUM unit.

use netra_core::{CodedConcept, ExtentMeasure};

/// A measured size.
pub(crate) struct Quantity {
    /// `Volume`, `Area` or `Share of pixels`.
    pub name: &'static str,
    /// What is measured, in SNOMED CT (context group 7469); a share of pixels has no concept.
    pub concept: Option<CodedConcept>,
    pub value: f64,
    /// UCUM.
    pub unit: &'static str,
}

impl Quantity {
    pub fn of(extent: &ExtentMeasure) -> Self {
        let sct = |value: &str, meaning: &str| {
            Some(CodedConcept { value: value.to_owned(), scheme: "SCT".to_owned(), meaning: meaning.to_owned() })
        };
        match *extent {
            ExtentMeasure::VolumeMm3(value) => {
                Self { name: "Volume", concept: sct("118565006", "Volume"), value, unit: "mm3" }
            }
            ExtentMeasure::AreaMm2(value) => {
                Self { name: "Area", concept: sct("42798000", "Area"), value, unit: "mm2" }
            }
            ExtentMeasure::PixelShare(share) => {
                Self { name: "Share of pixels", concept: None, value: share * 100.0, unit: "%" }
            }
        }
    }
}

/// An extent as people read it: `12.3 ml`, `4.56 cm²`, `7.89 %`.
pub(crate) fn readable(extent: &ExtentMeasure) -> String {
    match *extent {
        ExtentMeasure::VolumeMm3(mm3) => format!("{} ml", rounded(mm3 / 1000.0)),
        ExtentMeasure::AreaMm2(mm2) => format!("{} cm\u{b2}", rounded(mm2 / 100.0)),
        ExtentMeasure::PixelShare(share) => format!("{} %", rounded(share * 100.0)),
    }
}

/// The number that stands for a probability: as few figures as give it back.
pub(crate) fn decimal(value: f32) -> f64 {
    value.to_string().parse().unwrap_or(f64::from(value))
}

/// Three figures, or all before the point.
fn rounded(value: f64) -> String {
    match value.abs() {
        v if v >= 100.0 => format!("{value:.0}"),
        v if v >= 10.0 => format!("{value:.1}"),
        _ => format!("{value:.2}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn probabilities_keep_their_figures() {
        assert_eq!([0.91, 0.1, 1e-7].map(|value| decimal(value).to_string()), ["0.91", "0.1", "0.0000001"]);
    }

    #[test]
    fn extents_are_read_in_units_of_their_size() {
        assert_eq!(readable(&ExtentMeasure::VolumeMm3(1_234_567.0)), "1235 ml");
        assert_eq!(readable(&ExtentMeasure::AreaMm2(4567.0)), "45.7 cm\u{b2}");
        assert_eq!(readable(&ExtentMeasure::PixelShare(0.012)), "1.20 %");
    }
}
