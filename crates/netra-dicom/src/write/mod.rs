//! Strict DICOM writing blocks: identifiers, elements, modules and the Part 10 file.
//!
//! Reading forgives; writing does not. The functions here write values that obey their value
//! representation (PS3.5 6.2), put empty type 2 attributes where the source has none, and always write
//! text as UTF-8 (`ISO_IR 192`).

pub mod atomic;
pub mod dx;
pub mod element;
mod file;
pub mod module;
mod time;
mod uid;
mod value;

pub use file::{IMPLEMENTATION_CLASS_UID, write_part10};
pub use time::Moment;
pub use uid::Uids;

/// Manufacturer that Netra writes about itself.
pub const MANUFACTURER: &str = "Netra";

/// Version of this library, written as Software Versions.
pub const SOFTWARE_VERSION: &str = concat!("netra ", env!("CARGO_PKG_VERSION"));
