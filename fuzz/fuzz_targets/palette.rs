//! Any bytes as the descriptor and the data, plain or segmented, of a palette. Nothing may panic.
#![no_main]

use libfuzzer_sys::fuzz_target;
use netra_fuzz::{element, image, read, start};

fuzz_target!(|bytes: &[u8]| {
    let [format, d0, d1, d2, d3, d4, d5, data @ ..] = bytes else { return };
    let mut file = start(".1");
    image(&mut file, 1, "PALETTE COLOR ", [4, 4], *format & 5);
    for tag in [0x1101, 0x1102, 0x1103] {
        element(&mut file, (0x0028, tag), b"US", &[*d0, *d1, *d2, *d3, *d4, *d5]);
    }
    let data = &data[..data.len() / 2 * 2];
    // The tags of segmented tables lie behind those of plain ones.
    let segmented = if format & 8 == 0 { 0 } else { 0x20 };
    for tag in [0x1201, 0x1202, 0x1203] {
        element(&mut file, (0x0028, tag + segmented), b"OW", data);
    }
    let pixels: Vec<u8> = (0..32).map(|i| data.get(i).copied().unwrap_or(i as u8)).collect();
    element(&mut file, (0x7FE0, 0x0010), b"OW", &pixels);
    read(&file);
});
