//! Any bytes as a weight file, safetensors first of all. Nothing may panic.
#![no_main]

use libfuzzer_sys::fuzz_target;
use netra_graph::{safetensors, weights};

fuzz_target!(|bytes: &[u8]| {
    let _ = safetensors::read_bytes(bytes);
    let _ = weights::from_bytes(bytes);
});
