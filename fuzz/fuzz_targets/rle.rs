//! Any bytes as one frame of RLE: decoded or refused. Nothing may panic.
#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| netra_fuzz::frame(".5", bytes));
