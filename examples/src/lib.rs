//! Small programs that show Netra in use; see `examples/`. Run one with
//! `cargo run --release -p netra-examples --example NAME -- ARGUMENTS`.
#![forbid(unsafe_code)]
