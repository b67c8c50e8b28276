//! The codes of all warnings that reading may give, in one table: `docs/reading.md` is its copy for people.

use netra_core::Warning;

macro_rules! codes {
    ($($variant:ident $code:literal $meaning:literal)*) => {
        /// What reading had to tolerate: the `code` of a [`Warning`] is one of these, as a stable word.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        #[non_exhaustive]
        pub enum Code {
            $(#[doc = $meaning] $variant,)*
        }

        impl Code {
            /// Every code, in the order of `docs/reading.md`.
            pub const ALL: &'static [Self] = &[$(Self::$variant),*];

            /// The stable word.
            pub fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $code),* }
            }

            /// What was found, and what was done about it.
            pub fn meaning(self) -> &'static str {
                match self { $(Self::$variant => $meaning),* }
            }
        }
    };
}

codes! {
    PreambleMissing "preamble-missing" "No preamble or no `DICM` before the file meta information; read from the first element."
    MetaMissing "meta-missing" "No file meta information; the data set starts at once."
    MetaImplicit "meta-implicit" "The file meta information is in Implicit VR; read as such."
    MetaGroupLength "meta-group-length-wrong" "File Meta Information Group Length is wrong; the first element of another group ends the meta information."
    MetaUidDiffers "meta-uid-differs" "Media Storage SOP Instance UID is not the SOP Instance UID; the data set's counts."
    TransferSyntaxMissing "transfer-syntax-missing" "No transfer syntax is named; the bytes decide."
    TransferSyntaxMismatch "transfer-syntax-mismatch" "The data set is in another encoding than the transfer syntax says; the bytes decide."
    DeflateNotApplied "deflate-not-applied" "The transfer syntax says deflated, the bytes are not; read as they are."
    DeflateNotDeclared "deflate-not-declared" "The data set is deflated, the transfer syntax does not say so; inflated."
    DeflateHeader "deflate-zlib-header" "The deflated data set stands behind a zlib header (RFC 1950), which PS3.5 A.5 forbids; passed over."
    AcrNema "acr-nema" "The data set has the Recognition Code of ACR-NEMA, before DICOM; read as Implicit or Explicit VR, whatever it shows."
    VrStyleSwitched "vr-style-switched" "Elements in Implicit VR among elements in Explicit VR, or the reverse; each read as it is."
    VrInvalid "vr-invalid" "The two bytes of a VR are no VR; the dictionary's VR was taken, and the length whose end meets the next element."
    VrUnknown "vr-un-resolved" "A standard attribute has VR UN; decoded with the dictionary's VR."
    VrWrong "vr-wrong" "A standard attribute has a VR of another kind than the dictionary's; its value was decoded as what it is."
    OddLength "odd-length" "A value or fragment has an odd length; read as long as it says, a padding byte that it does not count is passed over."
    DelimiterMissing "delimiter-missing" "An item or sequence of undefined length has no delimiter; it ends where its content ends."
    DelimiterStray "delimiter-stray" "A delimiter stands where nothing is open; passed over."
    ElementDuplicated "element-duplicated" "An element stands twice in one data set or item; the last counts."
    ElementsOutOfOrder "elements-out-of-order" "Elements are not in rising order of their tags; sorted."
    TrailingPadding "trailing-padding" "Zeros follow the last element; passed over."
    RaggedEnd "ragged-end" "The data set does not end where its last element ends; the rest was not read."
    LargeValuesSkipped "large-values-skipped" "Binary values longer than 1 MiB outside the pixel data were not read."
    CharacterSetRepaired "character-set-repaired" "A term of Specific Character Set is misspelt; read as the defined term that it resembles."
    CharacterSetUnknown "character-set-unknown" "A term of Specific Character Set is none; the default repertoire was taken."
    CharacterSetUndeclared "character-set-undeclared" "Text outside the repertoire in force; read in another declared one, else as UTF-8, else as Latin-1, whichever is the first that holds it."
    NumberRepaired "number-repaired" "A decimal or integer string with a decimal comma, inner blanks or a Fortran exponent, read as the number meant; or a number of frames that is none, and the pixel data counts them."
    UidRepaired "uid-repaired" "A UID with blanks; read without them."
    PixelDataInOldGroup "pixel-data-in-old-group" "The pixel data lies in the group that the retired Image Location names; read from there."
    PixelDataNotCompressed "pixel-data-not-compressed" "The transfer syntax says compressed, the pixel data is native; read as native."
    PixelDataCompressed "pixel-data-compressed" "The transfer syntax says native, the pixel data is encapsulated; its codestream says how."
    PixelDataTruncated "pixel-data-truncated" "The file ends inside the pixel data. Of several frames the whole ones are read, and are no volume; a single frame that is no slice, and of which more than half is there, is filled up with zeros; a single slice is refused."
    PixelDataLonger "pixel-data-longer" "The pixel data is longer than its frames; the rest was not read."
    Ybr422NotSubsampled "ybr-422-not-subsampled" "YBR_FULL_422 with every chrominance sample stored; read as YBR_FULL."
    SamplesRepaired "samples-per-pixel-repaired" "Samples per Pixel contradicts Photometric Interpretation; the length of the pixel data decides."
    PhotometricRepaired "photometric-repaired" "Photometric Interpretation contradicts the number of samples; grey or RGB as these say."
    PlanarConfigurationMissing "planar-configuration-missing" "Colour without Planar Configuration; read as colour by pixel."
    PixelAttributeMissing "pixel-attribute-missing" "A required attribute of the image pixel module is missing; the usual value was taken."
    SopInstanceUidMissing "sop-instance-uid-missing" "The instance has no SOP Instance UID."
    SeriesUidMissing "series-uid-missing" "The instance has no Series Instance UID; the files of its folder are taken as one series."
    InstanceDuplicated "instance-duplicated" "The same instance lies there several times with the same data set; one was kept."
    InstanceUidReused "instance-uid-reused" "Several instances share a SOP Instance UID and differ; all were kept."
    FilesIgnored "files-ignored" "Files that are no scans were passed over."
    DicomdirIgnored "dicomdir-ignored" "A DICOMDIR was passed over; the files themselves were read."
    CosinesOrthonormalised "cosines-orthonormalised" "Row and column cosines were off by rounding and made orthonormal."
    SliceThicknessMissing "slice-thickness-missing" "A single slice without thickness; 1 mm is assumed."
    AlphaComposited "alpha-composited" "Transparent pixels of a picture were laid over black."
    OrientationApplied "orientation-applied" "A picture was turned as its EXIF orientation says."
    OrientationMissing "orientation-missing" "A NIfTI without sform and qform; axes are taken as RAS, origin 0."
    UnitsConverted "units-converted" "Lengths of a NIfTI in metres or micrometres were brought to millimetres."
}

impl AsRef<str> for Code {
    fn as_ref(&self) -> &str {
        self.as_str()
    }
}

pub(crate) fn warning(code: impl AsRef<str>, message: impl Into<String>) -> Warning {
    Warning { code: code.as_ref().to_owned(), message: message.into() }
}

/// The faults of one file, each kind once with its first message and how often it was met.
#[derive(Debug, Default)]
pub(crate) struct Notes(Vec<(Code, String, usize)>);

impl Notes {
    /// Notes a fault. The message is made for the first of its kind only.
    pub fn add(&mut self, code: Code, message: impl FnOnce() -> String) {
        match self.0.iter_mut().find(|(known, ..)| *known == code) {
            Some((.., count)) => *count += 1,
            None => self.0.push((code, message(), 1)),
        }
    }

    /// Whether a fault of this kind was met.
    pub fn has(&self, code: Code) -> bool {
        self.0.iter().any(|(known, ..)| *known == code)
    }

    /// Takes over the faults of `other`.
    pub fn extend(&mut self, other: Notes) {
        self.0.extend(other.0);
    }

    pub fn into_warnings(self) -> Vec<Warning> {
        let times = |message: String, count: usize| match count {
            1 => message,
            more => format!("{message} (first of {more})"),
        };
        self.0.into_iter().map(|(code, message, count)| warning(code, times(message, count))).collect()
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::path::{Path, PathBuf};

    use super::Code;

    fn read(path: &Path) -> String {
        std::fs::read_to_string(path).expect("readable")
    }

    #[test]
    fn docs_list_every_code() {
        let docs = read(&Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/reading.md"));
        let rows: Vec<&str> = docs.lines().filter(|line| line.starts_with("| `")).collect();
        let wanted: Vec<String> =
            Code::ALL.iter().map(|code| format!("| `{}` | {} |", code.as_str(), code.meaning())).collect();
        assert_eq!(rows, wanted);
        let words: BTreeSet<&str> = Code::ALL.iter().map(|code| code.as_str()).collect();
        assert_eq!(words.len(), Code::ALL.len(), "a code stands twice");
    }

    /// Modules may still write a code as a word: it must be one of the table.
    #[test]
    fn words_in_the_sources_are_codes() {
        let mut folders = vec![PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("src")];
        while let Some(folder) = folders.pop() {
            for path in std::fs::read_dir(folder).expect("a folder").flatten().map(|entry| entry.path()) {
                if path.is_dir() {
                    folders.push(path);
                    continue;
                }
                if path.ends_with("code.rs") {
                    continue;
                }
                let text = read(&path);
                for word in text.split("warning(\"").skip(1).filter_map(|rest| rest.split('"').next()) {
                    let known = Code::ALL.iter().any(|code| code.as_str() == word);
                    assert!(known, "{}: `{word}` is not in code.rs", path.display());
                }
            }
        }
    }
}
