//! Any bytes as a PyTorch file of any container. Nothing may panic.
#![no_main]

use libfuzzer_sys::fuzz_target;
use netra_graph::pytorch;

fuzz_target!(|bytes: &[u8]| {
    let _ = pytorch::from_bytes_with(bytes, &pytorch::ReadOptions::default());
});
