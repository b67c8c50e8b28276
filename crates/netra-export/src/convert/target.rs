//! Where a conversion goes: the format of a name, numbers in it, and the care for what lies there.

use std::path::{Path, PathBuf};

use netra_core::{Error, Result};

/// The suffixes in which an output's name may end.
const SUFFIXES: [(&str, Format); 4] =
    [(".nii.gz", Format::Nifti), (".nii", Format::Nifti), (".png", Format::Png), (".zip", Format::Zip)];

/// A format to convert to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// NIfTI-1, gzipped when the name ends in `.gz`.
    Nifti,
    /// One picture: the frame, or a montage of all frames.
    Png,
    /// A picture of each frame, and the report.
    Zip,
}

impl Format {
    /// The format that the name asks for. Fails with `InvalidInput` for a suffix that is none of `.nii`, `.nii.gz`, `.png`
    /// and `.zip`.
    pub fn of(out: &Path) -> Result<Self> {
        let found = suffix(out).map(|(_, format)| format);
        found.ok_or_else(|| Error::invalid("the output must end in .nii, .nii.gz, .png or .zip").at(out.display()))
    }
}

/// The suffix of a name and its format.
fn suffix(out: &Path) -> Option<(&'static str, Format)> {
    let name = out.file_name()?.to_string_lossy().to_lowercase();
    SUFFIXES.into_iter().find(|(suffix, _)| name.len() > suffix.len() && name.ends_with(suffix))
}

/// `out` with a number before its suffix: `scan-2.nii.gz`.
pub fn numbered(out: &Path, number: usize) -> PathBuf {
    let name = out.file_name().unwrap_or_default().to_string_lossy();
    let (stem, end) = name.split_at(name.len() - suffix(out).map_or(0, |(suffix, _)| suffix.len()));
    out.with_file_name(format!("{stem}-{number}{end}"))
}

/// Fails with `InvalidInput` when something lies at `out` or at its report and may not be replaced.
pub(super) fn check_free(out: &Path, force: bool) -> Result<()> {
    let taken = [out.to_owned(), super::report::beside(out)].into_iter().find(|path| path.exists());
    match taken {
        Some(path) if !force => {
            Err(Error::invalid("exists already, and nothing said that it may be replaced").at(path.display()))
        }
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_suffix_is_the_format_and_a_number_stands_before_it() {
        for (name, format, with) in [
            ("a/out.nii.gz", Format::Nifti, "a/out-2.nii.gz"),
            ("OUT.NII", Format::Nifti, "OUT-2.NII"),
            ("a.b.png", Format::Png, "a.b-2.png"),
            ("x.zip", Format::Zip, "x-2.zip"),
        ] {
            assert_eq!(Format::of(Path::new(name)).unwrap(), format, "{name}");
            assert_eq!(numbered(Path::new(name), 2), Path::new(with));
        }
        for name in ["out", "out.gz", ".nii", "out.dcm", "folder/"] {
            assert!(Format::of(Path::new(name)).is_err(), "{name}");
        }
    }
}
