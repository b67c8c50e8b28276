//! Any bytes as a data set behind sound file meta information. Nothing may panic.
//!
//! The first byte chooses the encoding.
#![no_main]

use libfuzzer_sys::fuzz_target;

/// Implicit, explicit, big endian, deflated, RLE.
const SYNTAXES: [&str; 5] = ["", ".1", ".2", ".1.99", ".5"];

fuzz_target!(|bytes: &[u8]| {
    let [syntax, rest @ ..] = bytes else { return };
    let mut file = netra_fuzz::start(SYNTAXES[usize::from(*syntax) % SYNTAXES.len()]);
    file.extend(rest);
    netra_fuzz::read(&file);
});
