//! Keeps the invariants of ARCHITECTURE.md: crate arrows, file sizes, where unsafe may stand.
#![forbid(unsafe_code)]
