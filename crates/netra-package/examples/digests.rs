//! Brings the digests in the manifests of the given package folders up to date:
//! `cargo run -p netra-package --example digests -- models/lung-fields`

use std::path::Path;

use netra_core::Limits;
use netra_package::digests;

#[allow(clippy::print_stdout)]
fn main() -> netra_core::Result<()> {
    for folder in std::env::args().skip(1) {
        let changed = digests::refresh(Path::new(&folder), &Limits::default())?;
        println!("{folder}: {}", if changed.is_empty() { "up to date".to_owned() } else { changed.join(", ") });
    }
    Ok(())
}
