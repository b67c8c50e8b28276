//! Exit codes: one a kind of failure, so that a script need not read messages.

use std::process::ExitCode;

use netra::ErrorKind;

/// Told at the end of `netra --help`.
pub const HELP: &str = "\
Exit codes:
  0  everything asked for was done
  1  some inputs of a batch failed; the others were done
  2  the command line is wrong
  3  nothing could be read, or a file is malformed, unsupported or over a limit
  4  the scan is outside what the model was made for
  5  a digest or a golden case does not match
  6  a backend could not be had, or failed

Netra is for research. It is not a medical device; no result is a diagnosis.";

/// Some of a batch failed.
pub const PARTIAL: u8 = 1;
/// Integrity.
pub const INTEGRITY: u8 = 5;

/// The code of one kind of error.
pub fn of_kind(kind: ErrorKind) -> u8 {
    match kind {
        ErrorKind::InvalidInput => 2,
        ErrorKind::OutOfScope => 4,
        ErrorKind::Integrity => INTEGRITY,
        ErrorKind::Backend => 6,
        _ => 3,
    }
}

/// The code of a batch of `all` parts, of which some failed with codes of their own: 0 when none did, 1 when others were done,
/// else the failures' code when they agree on one.
pub fn of_batch(failed: &[u8], all: usize) -> ExitCode {
    ExitCode::from(match failed {
        [] => 0,
        some if some.len() < all => PARTIAL,
        [first, rest @ ..] if rest.iter().all(|code| code == first) => *first,
        _ => 3,
    })
}

/// The code of the first error of ours in the chain.
pub fn of_error(error: &anyhow::Error) -> ExitCode {
    let kind = error.chain().find_map(|cause| cause.downcast_ref::<netra::Error>()).map(netra::Error::kind);
    ExitCode::from(kind.map_or(3, of_kind))
}
