//! The gate before every run: is this scan what the model declares it was made for?

use netra_core::{Acquisition, Error, ErrorKind, Image, IntensityUnit, Result, Volume, Warning};

use crate::manifest::{InputContract, InputKind, Range, Unit};

/// What the gate looks at. Made from an image or a volume.
#[derive(Clone, Copy, Debug)]
pub struct Subject<'a> {
    /// Image or volume.
    pub kind: InputKind,
    /// How the scan was taken.
    pub acquisition: &'a Acquisition,
    /// What the values measure.
    pub unit: &'a IntensityUnit,
    /// Channels; 1 for a volume.
    pub channels: usize,
    /// Slices, rows, columns; 1 slice for an image.
    pub size: [usize; 3],
    /// Millimetres between slices (0 for an image), rows, columns; `None` when the file does not say.
    pub spacing: Option<[f64; 3]>,
}

/// What to do about an attribute that the contract restricts and the scan does not state.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Unstated {
    /// Go on with a warning: pictures and NIfTI files carry no such attributes.
    #[default]
    Warn,
    /// Refuse.
    Refuse,
}

impl<'a> From<&'a Image> for Subject<'a> {
    fn from(image: &'a Image) -> Self {
        let [rows, columns] = image.size();
        Self {
            kind: InputKind::Image,
            acquisition: &image.acquisition,
            unit: &image.unit,
            channels: image.pixels().dim().0,
            size: [1, rows, columns],
            spacing: image.spacing.map(|[row, column]| [0.0, row, column]),
        }
    }
}

impl<'a> From<&'a Volume> for Subject<'a> {
    fn from(volume: &'a Volume) -> Self {
        Self {
            kind: InputKind::Volume,
            acquisition: &volume.acquisition,
            unit: &volume.unit,
            channels: 1,
            size: volume.geometry().shape(),
            spacing: Some(volume.geometry().spacing()),
        }
    }
}

/// Compares a scan with a contract. Gives a warning for each attribute that could not be checked (code `unchecked`).
/// Fails with `OutOfScope` and every reason.
pub fn check(contract: &InputContract, subject: &Subject<'_>, unstated: Unstated) -> Result<Vec<Warning>> {
    let mut gate = Gate::default();
    gate.stated(contract, subject.kind, subject.acquisition);
    if !contract.channels.is_empty() && !contract.channels.contains(&subject.channels) {
        gate.reasons.push(format!("it has {} channels, not {}", subject.channels, one_of(&contract.channels)));
    }
    let [slices, rows, columns] = subject.size;
    if subject.kind == InputKind::Volume {
        gate.size("slices", contract.slices, slices);
    }
    gate.size("rows", contract.rows, rows);
    gate.size("columns", contract.columns, columns);
    gate.spacing(contract, subject);
    gate.unit(contract.unit, subject);
    gate.verdict(unstated)
}

/// As [`check`], of what a header states alone: whether decoding the scan is worth while. What is unknown passes.
pub fn check_header(contract: &InputContract, kind: InputKind, acquisition: &Acquisition) -> Result<()> {
    let mut gate = Gate::default();
    gate.stated(contract, kind, acquisition);
    gate.verdict(Unstated::Warn).map(drop)
}

#[derive(Default)]
struct Gate {
    reasons: Vec<String>,
    unchecked: Vec<String>,
}

impl Gate {
    fn stated(&mut self, contract: &InputContract, kind: InputKind, scan: &Acquisition) {
        if contract.kind != kind {
            let word = |kind| match kind {
                InputKind::Image => "an image",
                InputKind::Volume => "a volume",
                InputKind::Array => "an array that is no scan",
            };
            self.reasons.push(format!("the scan is {}, the model takes {}", word(kind), word(contract.kind)));
        }
        self.word("modality", &contract.modality, scan.modality.as_deref());
        self.word("SOP class", &contract.sop_classes, scan.sop_class_uid.as_deref());
        self.word("body part", &contract.body_part, scan.body_part.as_deref());
        self.word("view position", &contract.view, scan.view_position.as_deref());
        self.word("photometric interpretation", &contract.photometric, scan.photometric_interpretation.as_deref());
    }

    fn word(&mut self, name: &str, accepted: &[String], stated: Option<&str>) {
        if accepted.is_empty() {
            return;
        }
        match stated.map(str::trim).filter(|s| !s.is_empty()) {
            None => self.unchecked.push(format!("{name} unknown (the model takes {})", one_of(accepted))),
            Some(word) if !accepted.iter().any(|a| a.eq_ignore_ascii_case(word)) => {
                // The word comes from the file: it is cut so that a hostile one cannot flood a log.
                let word: String = word.chars().filter(|c| !c.is_control()).take(64).collect();
                self.reasons.push(format!("{name} is {word}, not {}", one_of(accepted)));
            }
            Some(_) => {}
        }
    }

    fn size(&mut self, name: &str, range: Option<Range<usize>>, size: usize) {
        if let Some(range) = range.filter(|range| !range.contains(size)) {
            self.reasons.push(format!("{size} {name}, not {} to {}", range.least(), range.greatest()));
        }
    }

    fn spacing(&mut self, contract: &InputContract, subject: &Subject<'_>) {
        let between = if subject.kind == InputKind::Volume { contract.slice_spacing } else { None };
        if contract.spacing.is_none() && between.is_none() {
            return;
        }
        let Some([slice, row, column]) = subject.spacing else {
            self.unchecked.push("pixel spacing unknown".to_owned());
            return;
        };
        let lines = [
            ("slice spacing", between, slice),
            ("row spacing", contract.spacing, row),
            ("column spacing", contract.spacing, column),
        ];
        for (name, range, value) in lines {
            if let Some(range) = range.filter(|range| !range.contains(value)) {
                self.reasons.push(format!("{name} is {value:.3} mm, not {} to {} mm", range.least(), range.greatest()));
            }
        }
    }

    fn unit(&mut self, wanted: Unit, subject: &Subject<'_>) {
        let fits = match wanted {
            Unit::Any => true,
            Unit::Hounsfield => *subject.unit == IntensityUnit::Hounsfield,
            // Display grey is as good a signal without a unit as any.
            Unit::Arbitrary => matches!(subject.unit, IntensityUnit::Arbitrary | IntensityUnit::Display),
            Unit::Display => *subject.unit == IntensityUnit::Display,
        };
        if fits {
            return;
        }
        // A file that is not DICOM has no place to state a unit in.
        if subject.acquisition.sop_class_uid.is_none() && *subject.unit == IntensityUnit::Arbitrary {
            self.unchecked.push(format!("intensity unit unknown (the model takes {})", word(wanted)));
        } else {
            let unit = match subject.unit {
                IntensityUnit::Hounsfield => "Hounsfield units",
                IntensityUnit::Arbitrary => "a signal without a unit",
                IntensityUnit::Display => "display grey or colour",
                _ => "another unit",
            };
            self.reasons.push(format!("the values are {unit}, not {}", word(wanted)));
        }
    }

    fn verdict(mut self, unstated: Unstated) -> Result<Vec<Warning>> {
        if unstated == Unstated::Refuse {
            self.reasons.append(&mut self.unchecked);
        }
        if !self.reasons.is_empty() {
            let message = format!("out of the model's scope: {}", self.reasons.join("; "));
            return Err(Error::new(ErrorKind::OutOfScope, message));
        }
        let warning = |what| Warning { code: "unchecked".to_owned(), message: what };
        Ok(self.unchecked.into_iter().map(warning).collect())
    }
}

fn word(unit: Unit) -> &'static str {
    match unit {
        Unit::Any => "any unit",
        Unit::Hounsfield => "Hounsfield units",
        Unit::Arbitrary => "a signal without a unit",
        Unit::Display => "display grey or colour",
    }
}

fn one_of<T: std::fmt::Display>(list: &[T]) -> String {
    list.iter().map(T::to_string).collect::<Vec<_>>().join(" or ")
}
