//! Any bytes as the codestream of one frame, in each compressed transfer syntax: decoded or refused. Nothing may panic.
//!
//! The first byte chooses the syntax; the rest is as in the targets of single codecs.
#![no_main]

use libfuzzer_sys::fuzz_target;

/// RLE, JPEG, JPEG-LS, JPEG 2000, HTJ2K, JPEG XL, deflate.
const SYNTAXES: [&str; 14] = [
    ".5", ".4.50", ".4.51", ".4.53", ".4.55", ".4.57", ".4.70", ".4.80", ".4.81", ".4.90", ".4.91", ".4.201", ".4.110",
    ".8.1",
];

fuzz_target!(|bytes: &[u8]| {
    let [syntax, rest @ ..] = bytes else { return };
    netra_fuzz::frame(SYNTAXES[usize::from(*syntax) % SYNTAXES.len()], rest);
});
