//! Any bytes behind the signature of a PNG, a JPEG or a TIFF. Nothing may panic.
#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let [choice, rest @ ..] = bytes else { return };
    let signature = [&b"\x89PNG\r\n\x1a\n"[..], b"\xFF\xD8\xFF", b"II*\0", b"MM\0*"][usize::from(*choice) % 4];
    netra_fuzz::read(&[signature, rest].concat());
});
