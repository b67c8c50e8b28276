//! Transfer syntaxes (PS3.5 section 10, PS3.6 table A-1): how a data set and its pixels are encoded.

use std::fmt;

/// The transfer syntax of one instance, by its UID.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TransferSyntax(String);

/// How the bytes of one frame are encoded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Codec {
    Native,
    Deflate,
    Rle,
    JpegLs,
    Jpeg,
    Jpeg2000,
    JpegXl,
}

/// How the data set is encoded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Encoding {
    ImplicitLittle,
    ExplicitLittle,
    ExplicitBig,
}

pub(crate) const IMPLICIT_LITTLE: &str = "1.2.840.10008.1.2";
pub(crate) const EXPLICIT_LITTLE: &str = "1.2.840.10008.1.2.1";
pub(crate) const EXPLICIT_BIG: &str = "1.2.840.10008.1.2.2";
pub(crate) const DEFLATED: &str = "1.2.840.10008.1.2.1.99";

/// UID below 1.2.840.10008.1.2, name, codec (`None`: known, not decoded).
const SYNTAXES: &[(&str, &str, Option<Codec>)] = &[
    ("", "Implicit VR Little Endian", Some(Codec::Native)),
    (".1", "Explicit VR Little Endian", Some(Codec::Native)),
    (".1.98", "Encapsulated Uncompressed Explicit VR Little Endian", Some(Codec::Native)),
    (".1.99", "Deflated Explicit VR Little Endian", Some(Codec::Native)),
    (".2", "Explicit VR Big Endian", Some(Codec::Native)),
    (".5", "RLE Lossless", Some(Codec::Rle)),
    (".8.1", "Deflated Image Frame Compression", Some(Codec::Deflate)),
    (".4.50", "JPEG Baseline (Process 1)", Some(Codec::Jpeg)),
    (".4.51", "JPEG Extended (Process 2 and 4)", Some(Codec::Jpeg)),
    (".4.53", "JPEG Spectral Selection, Non-Hierarchical (Process 6 and 8)", Some(Codec::Jpeg)),
    (".4.55", "JPEG Full Progression, Non-Hierarchical (Process 10 and 12)", Some(Codec::Jpeg)),
    (".4.57", "JPEG Lossless, Non-Hierarchical (Process 14)", Some(Codec::Jpeg)),
    (".4.70", "JPEG Lossless, Non-Hierarchical, First-Order Prediction", Some(Codec::Jpeg)),
    (".4.80", "JPEG-LS Lossless", Some(Codec::JpegLs)),
    (".4.81", "JPEG-LS Near-Lossless", Some(Codec::JpegLs)),
    (".4.90", "JPEG 2000 (Lossless Only)", Some(Codec::Jpeg2000)),
    (".4.91", "JPEG 2000", Some(Codec::Jpeg2000)),
    (".4.92", "JPEG 2000 Part 2 Multi-component (Lossless Only)", None),
    (".4.93", "JPEG 2000 Part 2 Multi-component", None),
    (".4.94", "JPIP Referenced", None),
    (".4.95", "JPIP Referenced Deflate", None),
    (".4.100", "MPEG2 Main Profile / Main Level", None),
    (".4.101", "MPEG2 Main Profile / High Level", None),
    (".4.102", "MPEG-4 AVC/H.264 High Profile / Level 4.1", None),
    (".4.103", "MPEG-4 AVC/H.264 BD-compatible High Profile / Level 4.1", None),
    (".4.104", "MPEG-4 AVC/H.264 High Profile / Level 4.2 For 2D Video", None),
    (".4.105", "MPEG-4 AVC/H.264 High Profile / Level 4.2 For 3D Video", None),
    (".4.106", "MPEG-4 AVC/H.264 Stereo High Profile / Level 4.2", None),
    (".4.107", "HEVC/H.265 Main Profile / Level 5.1", None),
    (".4.108", "HEVC/H.265 Main 10 Profile / Level 5.1", None),
    (".4.110", "JPEG XL Lossless", Some(Codec::JpegXl)),
    (".4.111", "JPEG XL JPEG Recompression", Some(Codec::JpegXl)),
    (".4.112", "JPEG XL", Some(Codec::JpegXl)),
    (".4.201", "High-Throughput JPEG 2000 (Lossless Only)", Some(Codec::Jpeg2000)),
    (".4.202", "High-Throughput JPEG 2000 with RPCL Options (Lossless Only)", Some(Codec::Jpeg2000)),
    (".4.203", "High-Throughput JPEG 2000", Some(Codec::Jpeg2000)),
    (".4.204", "JPIP HTJ2K Referenced", None),
    (".4.205", "JPIP HTJ2K Referenced Deflate", None),
];

impl TransferSyntax {
    pub(crate) fn new(uid: impl Into<String>) -> Self {
        Self(uid.into())
    }

    /// The UID.
    pub fn uid(&self) -> &str {
        &self.0
    }

    /// The name in PS3.6, or `unknown`.
    pub fn name(&self) -> &'static str {
        self.entry().map_or("unknown", |entry| entry.1)
    }

    /// Whether this build decodes the pixels.
    pub fn is_decoded(&self) -> bool {
        match self.codec() {
            Some(Codec::Native | Codec::Deflate | Codec::Rle | Codec::Jpeg | Codec::JpegLs) => true,
            Some(Codec::Jpeg2000 | Codec::JpegXl) => cfg!(feature = "codecs"),
            None => false,
        }
    }

    pub(crate) fn codec(&self) -> Option<Codec> {
        self.entry().and_then(|entry| entry.2)
    }

    pub(crate) fn encoding(&self) -> Encoding {
        match self.0.as_str() {
            IMPLICIT_LITTLE => Encoding::ImplicitLittle,
            EXPLICIT_BIG => Encoding::ExplicitBig,
            _ => Encoding::ExplicitLittle,
        }
    }

    pub(crate) fn is_deflated(&self) -> bool {
        self.0 == DEFLATED
    }

    fn entry(&self) -> Option<&'static (&'static str, &'static str, Option<Codec>)> {
        let tail = self.0.strip_prefix(IMPLICIT_LITTLE)?;
        SYNTAXES.iter().find(|entry| entry.0 == tail)
    }
}

impl fmt::Display for TransferSyntax {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({})", self.name(), self.0)
    }
}
