//! Any bytes as one frame of JPEG 2000: decoded or refused. Nothing may panic.
#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| netra_fuzz::frame(".4.90", bytes));
