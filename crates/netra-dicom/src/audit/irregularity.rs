//! Every way in which frames are no regular grid, as data.

use std::fmt;

use netra_core::Warning;
use serde::Serialize;

/// What frames of one series differ in when the series is more than one stack.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Aspect {
    /// Position, orientation and pixel spacing in the patient: some frames have none.
    Plane,
    /// Frame of Reference UID.
    FrameOfReference,
    /// Image Type LOCALIZER (PS3.3 C.8.2.1.1.1).
    Localiser,
    /// Rows, Columns and Samples per Pixel.
    Size,
    /// Image Orientation (Patient).
    Orientation,
    /// Pixel Spacing.
    PixelSpacing,
    /// Stack ID (C.7.6.16.2.2.7).
    Stack,
    /// Referenced Segment Number of a segmentation's frames (C.8.20.3.1).
    Segment,
    /// Image Type, Frame Type, Complex Image Component.
    ImageType,
    /// Echo Time, or Echo Numbers.
    Echo,
    /// Inversion Time.
    InversionTime,
    /// Temporal Position Identifier or Index.
    TemporalPosition,
    /// Trigger Time or Nominal Cardiac Trigger Delay Time.
    TriggerTime,
    /// Diffusion b-value.
    DiffusionBValue,
    /// Convolution Kernel.
    Kernel,
    /// Acquisition Number.
    Acquisition,
    /// Nothing that is stated: every position is there several times.
    Repetition,
}

impl Aspect {
    /// The aspect in words, for many.
    fn plural(self) -> &'static str {
        match self {
            Self::Plane => "frames without a place in the patient",
            Self::FrameOfReference => "frames of reference",
            Self::Localiser => "localisers",
            Self::Size => "sizes",
            Self::Orientation => "orientations",
            Self::PixelSpacing => "pixel spacings",
            Self::Stack => "stacks",
            Self::Segment => "segments",
            Self::ImageType => "image types",
            Self::Echo => "echo times",
            Self::InversionTime => "inversion times",
            Self::TemporalPosition => "temporal positions",
            Self::TriggerTime => "trigger times",
            Self::DiffusionBValue => "diffusion b-values",
            Self::Kernel => "convolution kernels",
            Self::Acquisition => "acquisitions",
            Self::Repetition => "repetitions",
        }
    }
}

/// A gap of a whole number of slice steps.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Gap {
    /// The frame before the gap.
    pub after: String,
    /// The frame behind it.
    pub before: String,
    /// Their positions along the normal, millimetres.
    pub depths_mm: [f64; 2],
    /// Slices that are missing.
    pub missing: usize,
}

/// One way in which a series, or a stack of it, departs from a regular grid. Frames are named by Instance Number and frame.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
#[non_exhaustive]
pub enum Irregularity {
    /// Frames of several stacks in one series, and the values that tell them apart.
    Mixed {
        /// What differs.
        aspect: Aspect,
        /// Its values, one a group.
        values: Vec<String>,
    },
    /// Files that say they belong to the series and could not be read.
    DamagedFiles {
        /// Their names.
        files: Vec<String>,
    },
    /// The row and column cosines are no orthonormal pair, beyond rounding.
    CosinesNotOrthonormal {
        /// The cosines, row first.
        cosines: [[f64; 3]; 2],
        /// Largest error of a length or of the right angle.
        deviation: f64,
    },
    /// A pixel spacing that is not above 0.
    PixelSpacingImpossible {
        /// Millimetres between rows and between columns.
        spacing_mm: [f64; 2],
    },
    /// The slices are stacked along a direction that is not their normal.
    GantryTilt {
        /// The angle between the two.
        degrees: f64,
    },
    /// A slice lies aside the line through the others.
    ShiftedInPlane {
        /// The slice that lies farthest.
        frame: String,
        /// How far.
        distance_mm: f64,
    },
    /// Gaps of a whole number of slice steps.
    MissingSlices {
        /// The slice step.
        spacing_mm: f64,
        /// The gaps.
        gaps: Vec<Gap>,
    },
    /// Gaps of different sizes.
    UnevenSpacing {
        /// Smallest, median and largest gap.
        gaps_mm: [f64; 3],
        /// The frame before the first gap that is not the median one.
        first: String,
    },
    /// Several frames at one place.
    DuplicatePositions {
        /// The first two.
        frames: [String; 2],
        /// Their position along the normal.
        depth_mm: f64,
        /// Frames too many, in the whole stack.
        surplus: usize,
    },
    /// Cosines within rounding of an orthonormal pair; they are made one.
    CosinesRounded {
        /// Largest error of a length or of the right angle.
        deviation: f64,
    },
    /// Slope or intercept of the rescale differs by slice; each slice has its own applied.
    RescaleVaries {
        /// How many different pairs.
        pairs: usize,
    },
    /// One slice alone, and no thickness stated: 1 mm is assumed.
    ThicknessMissing,
    /// Instance Numbers that no frame has, between the lowest and the highest.
    InstanceNumbersMissing {
        /// How many.
        count: usize,
        /// The first of them.
        first: i64,
    },
}

impl Irregularity {
    /// Whether frames with it are no volume as they lie.
    pub fn is_fault(&self) -> bool {
        !matches!(
            self,
            Self::CosinesRounded { .. }
                | Self::RescaleVaries { .. }
                | Self::ThicknessMissing
                | Self::InstanceNumbersMissing { .. }
        )
    }

    /// A stable word for programs.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Mixed { .. } => "mixed-series",
            Self::DamagedFiles { .. } => "damaged-files",
            Self::CosinesNotOrthonormal { .. } => "cosines-not-orthonormal",
            Self::PixelSpacingImpossible { .. } => "pixel-spacing-impossible",
            Self::GantryTilt { .. } => "gantry-tilt",
            Self::ShiftedInPlane { .. } => "shifted-in-plane",
            Self::MissingSlices { .. } => "missing-slices",
            Self::UnevenSpacing { .. } => "uneven-spacing",
            Self::DuplicatePositions { .. } => "duplicate-positions",
            Self::CosinesRounded { .. } => "cosines-orthonormalised",
            Self::RescaleVaries { .. } => "rescale-varies",
            Self::ThicknessMissing => "slice-thickness-missing",
            Self::InstanceNumbersMissing { .. } => "instance-numbers-missing",
        }
    }

    /// As a warning.
    pub fn warning(&self) -> Warning {
        crate::file::warning(self.code(), self.to_string())
    }
}

impl fmt::Display for Irregularity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Mixed { aspect: Aspect::Repetition, values } => {
                write!(f, "{}: more than one volume", values.join(", "))
            }
            Self::Mixed { aspect: aspect @ (Aspect::Plane | Aspect::Localiser), values } => {
                write!(f, "{} among other images: {}", aspect.plural(), listed(values))
            }
            Self::Mixed { aspect, values } => write!(f, "mixed {}: {}", aspect.plural(), listed(values)),
            Self::DamagedFiles { files } => {
                write!(f, "{} files of the series could not be read whole: {}", files.len(), listed(files))
            }
            Self::CosinesNotOrthonormal { cosines: [row, column], deviation } => {
                write!(
                    f,
                    "the row and column cosines {row:?} and {column:?} are not orthonormal (off by {deviation:.4})"
                )
            }
            Self::PixelSpacingImpossible { spacing_mm } => write!(f, "pixel spacing of {spacing_mm:?} mm"),
            Self::GantryTilt { degrees } => {
                write!(f, "gantry tilt: the slices are stacked {degrees:.2} degrees off their normal")
            }
            Self::ShiftedInPlane { frame, distance_mm } => {
                write!(f, "{frame} is shifted by {distance_mm:.2} mm in its plane")
            }
            Self::MissingSlices { spacing_mm, gaps } => {
                let all: usize = gaps.iter().map(|gap| gap.missing).sum();
                let between = |gap: &Gap| {
                    let [a, b] = gap.depths_mm;
                    format!("{} between {} at {a:.2} mm and {} at {b:.2} mm", gap.missing, gap.after, gap.before)
                };
                let gaps: Vec<String> = gaps.iter().map(between).collect();
                write!(f, "missing slices: {all} in all, {} (spacing {spacing_mm:.3} mm)", listed(&gaps))
            }
            Self::UnevenSpacing { gaps_mm: [least, median, most], first } => {
                write!(
                    f,
                    "uneven spacing: gaps from {least:.3} to {most:.3} mm, mostly {median:.3} mm, first at {first}"
                )
            }
            Self::DuplicatePositions { frames: [a, b], depth_mm, surplus } => {
                write!(f, "duplicate positions: {a} and {b} lie at {depth_mm:.2} mm ({surplus} frames too many)")
            }
            Self::CosinesRounded { deviation } => {
                write!(f, "row and column cosines off by {deviation:.1e} were made orthonormal")
            }
            Self::RescaleVaries { pairs } => write!(f, "{pairs} different pairs of rescale slope and intercept"),
            Self::ThicknessMissing => f.write_str("a single slice without thickness: 1 mm is assumed"),
            Self::InstanceNumbersMissing { count, first } => {
                write!(f, "{count} instance numbers have no frame, the first is {first}")
            }
        }
    }
}

/// Up to eight of them.
fn listed(values: &[String]) -> String {
    const SHOWN: usize = 8;
    let shown = values.iter().take(SHOWN).cloned().collect::<Vec<_>>();
    let more = values.len().saturating_sub(SHOWN);
    let text = match shown.split_last() {
        Some((last, rest)) if more == 0 && !rest.is_empty() => format!("{} and {last}", rest.join(", ")),
        _ => shown.join(", "),
    };
    if more > 0 { format!("{text} and {more} more") } else { text }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_page_of_the_docs_has_every_code() {
        let (word, number) = (String::new, 0.0);
        let all = [
            Irregularity::Mixed { aspect: Aspect::Size, values: Vec::new() },
            Irregularity::DamagedFiles { files: Vec::new() },
            Irregularity::CosinesNotOrthonormal { cosines: [[number; 3]; 2], deviation: number },
            Irregularity::PixelSpacingImpossible { spacing_mm: [number; 2] },
            Irregularity::GantryTilt { degrees: number },
            Irregularity::ShiftedInPlane { frame: word(), distance_mm: number },
            Irregularity::MissingSlices { spacing_mm: number, gaps: Vec::new() },
            Irregularity::UnevenSpacing { gaps_mm: [number; 3], first: word() },
            Irregularity::DuplicatePositions { frames: [word(), word()], depth_mm: number, surplus: 0 },
            Irregularity::CosinesRounded { deviation: number },
            Irregularity::RescaleVaries { pairs: 2 },
            Irregularity::ThicknessMissing,
            Irregularity::InstanceNumbersMissing { count: 1, first: 1 },
        ];
        let page =
            std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/geometry.md")).expect("there");
        let listed: Vec<&str> = page.lines().filter_map(|line| line.strip_prefix("| `")?.split('`').next()).collect();
        let codes: Vec<&str> = all.iter().map(Irregularity::code).collect();
        let policies = ["refuse", "correct", "nearest"];
        assert_eq!(listed, [policies.as_slice(), &codes].concat());
    }

    #[test]
    fn long_lists_are_cut() {
        let files = (1..=20).map(|i| i.to_string()).collect();
        let text = Irregularity::DamagedFiles { files }.to_string();
        assert!(text.ends_with("1, 2, 3, 4, 5, 6, 7, 8 and 12 more"), "{text}");
    }
}
