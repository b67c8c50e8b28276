//! What the walk over a data set hands out.

use dicom_core::{Tag, VR};

/// What the walk came upon.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Token {
    /// An element whose value bytes come next: the caller reads or skips them.
    Value(Element),
    /// Pixel data outside any sequence; `None`: encapsulated, fragments come next. The length was not compared with
    /// what is left.
    Pixels {
        tag: Tag,
        vr: VR,
        len: Option<u32>,
    },
    /// Encapsulated data that is no pixel data of the instance (an icon): fragments come next.
    Fragments {
        tag: Tag,
        vr: VR,
    },
    SequenceStart {
        tag: Tag,
    },
    SequenceEnd,
    ItemStart,
    ItemEnd,
}

/// An element with a value of known length.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Element {
    pub tag: Tag,
    /// The VR of the file, or the dictionary's.
    pub vr: VR,
    /// The file says the VR.
    pub explicit: bool,
    pub big: bool,
    pub len: u32,
}
