//! Any bytes as a NIfTI file of either version. Nothing may panic.
//!
//! The first byte chooses the version and the byte order; size and magic of the header are put right.
#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let [choice, file @ ..] = bytes else { return };
    let mut file = file.to_vec();
    let (size, magic, at) =
        if choice & 1 == 0 { (348i32, &b"n+1\0"[..], 344) } else { (540, &b"n+2\0\r\n\x1a\n"[..], 4) };
    if file.len() < size as usize {
        return;
    }
    file[..4].copy_from_slice(&if choice & 2 == 0 { size.to_le_bytes() } else { size.to_be_bytes() });
    file[at..at + magic.len()].copy_from_slice(magic);
    netra_fuzz::read(&file);
});
