//! Labels and bytes that contradict each other, and what is missing at the start of a file.

use super::Case;
use crate::dicom::build::{Bytes, DEFLATED, EXPLICIT, EXPLICIT_BIG, Encoding, IMPLICIT, deflate};
use crate::dicom::subject::Subject;

fn data_set(encoding: Encoding) -> Vec<u8> {
    Subject::new(encoding).data_set()
}

pub(super) fn explicit() -> Case {
    Case::new(Subject::new(Encoding::Explicit).file(), &[])
}

pub(super) fn implicit() -> Case {
    Case::new(Subject::new(Encoding::Implicit).file(), &[])
}

pub(super) fn explicit_big() -> Case {
    Case::new(Subject::new(Encoding::ExplicitBig).file(), &[])
}

pub(super) fn deflated() -> Case {
    Case::new(Subject::wrap(DEFLATED, &deflate(&data_set(Encoding::Explicit))), &[])
}

/// `done` under the label `said`.
fn mismatch(said: &str, done: Encoding) -> Case {
    Case::new(Subject::wrap(said, &data_set(done)), &["transfer-syntax-mismatch"])
}

pub(super) fn implicit_said_explicit_done() -> Case {
    mismatch(IMPLICIT, Encoding::Explicit)
}

pub(super) fn explicit_said_implicit_done() -> Case {
    mismatch(EXPLICIT, Encoding::Implicit)
}

pub(super) fn big_said_little_done() -> Case {
    mismatch(EXPLICIT_BIG, Encoding::Explicit)
}

pub(super) fn little_said_big_done() -> Case {
    mismatch(EXPLICIT, Encoding::ExplicitBig)
}

pub(super) fn implicit_said_big_done() -> Case {
    mismatch(IMPLICIT, Encoding::ExplicitBig)
}

pub(super) fn deflate_said_not_done() -> Case {
    Case::new(Subject::wrap(DEFLATED, &data_set(Encoding::Explicit)), &["deflate-not-applied"])
}

pub(super) fn deflate_done_not_said() -> Case {
    Case::new(Subject::wrap(EXPLICIT, &deflate(&data_set(Encoding::Explicit))), &["deflate-not-declared"])
}

pub(super) fn deflate_with_header() -> Case {
    // RFC 1950: a header of two bytes; the checksum behind the stream is left out, as nobody reads so far.
    let stream = [&[0x78, 0x9C], deflate(&data_set(Encoding::Explicit)).as_slice()].concat();
    Case::new(Subject::wrap(DEFLATED, &stream), &["deflate-zlib-header"])
}

pub(super) fn compressed_said_native_done() -> Case {
    let bytes = Subject::wrap("1.2.840.10008.1.2.4.70", &data_set(Encoding::Explicit));
    Case::new(bytes, &["pixel-data-not-compressed"])
}

pub(super) fn unknown_syntax() -> Case {
    let codes = &["transfer-syntax-mismatch", "pixel-data-not-compressed"];
    Case::new(Subject::wrap("1.2.3.4.5.6", &data_set(Encoding::Implicit)), codes)
}

pub(super) fn no_preamble() -> Case {
    Case::new(Subject::new(Encoding::Explicit).file()[132..].to_vec(), &["preamble-missing"])
}

pub(super) fn no_magic() -> Case {
    let file = Subject::new(Encoding::Explicit).file();
    Case::new([&file[..128], &file[132..]].concat(), &["preamble-missing"])
}

pub(super) fn no_meta() -> Case {
    let bytes = [&[0; 128], b"DICM".as_slice(), &data_set(Encoding::Explicit)].concat();
    Case::new(bytes, &["meta-missing", "transfer-syntax-missing"])
}

/// A data set and nothing else.
fn alone(encoding: Encoding) -> Case {
    Case::new(data_set(encoding), &["preamble-missing", "meta-missing", "transfer-syntax-missing"])
}

pub(super) fn data_set_alone() -> Case {
    alone(Encoding::Explicit)
}

pub(super) fn data_set_alone_implicit() -> Case {
    alone(Encoding::Implicit)
}

pub(super) fn data_set_alone_big() -> Case {
    alone(Encoding::ExplicitBig)
}

pub(super) fn no_transfer_syntax() -> Case {
    let meta = Bytes::default().text(2, 2, "UI", "1.2.840.10008.5.1.4.1.1.2").text(2, 3, "UI", "1.2.3.1");
    let bytes = [&[0; 128], b"DICM".as_slice(), &meta.0, &data_set(Encoding::Explicit)].concat();
    Case::new(bytes, &["transfer-syntax-missing"])
}

pub(super) fn meta_length_wrong() -> Case {
    let mut bytes = Subject::new(Encoding::Explicit).file();
    // The value of (0002,0000).
    bytes[140] += 20;
    Case::new(bytes, &["meta-group-length-wrong"])
}

pub(super) fn meta_implicit() -> Case {
    let meta = Subject::meta(Encoding::Implicit, EXPLICIT);
    let bytes = [&[0; 128], b"DICM".as_slice(), &meta, &data_set(Encoding::Explicit)].concat();
    Case::new(bytes, &["meta-implicit"])
}

pub(super) fn meta_uid_differs() -> Case {
    let subject = Subject::new(Encoding::Explicit);
    let own = subject.e().text(0x08, 0x18, "UI", "1.2.3.7");
    Case::new(subject.set(0x08, 0x18, own).file(), &["meta-uid-differs"]).text(&[(0x08, 0x18)], "1.2.3.7")
}

pub(super) fn meta_version_missing() -> Case {
    Case::new(Bytes::default().raw(&data_set(Encoding::Explicit)).file(EXPLICIT), &[])
}
