//! Any bytes as a scan file: read, summarised, decoded. Nothing may panic.
#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| netra_fuzz::read(bytes));
