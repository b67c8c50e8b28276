//! Any bytes as a package manifest. Nothing may panic.
#![no_main]

use libfuzzer_sys::fuzz_target;
use netra_package::Manifest;

fuzz_target!(|bytes: &[u8]| {
    let _ = Manifest::parse(bytes);
});
