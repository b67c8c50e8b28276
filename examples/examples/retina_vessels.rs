//! Vessels of a fundus photograph: an overlay picture and the share of the field that is vessel.
//!
//! `cargo run --release -p netra-examples --example retina_vessels -- netra-models/lwnet-vessels retina.jpg OUT`
//! (first `netra models add lwnet-vessels --weights wnet_drive.onnx`)
#![allow(clippy::print_stdout)]

use std::path::Path;

use netra::{Device, Error, Finding, Model, Result};

fn main() -> Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [package, photograph, out] = arguments.as_slice() else {
        return Err(Error::invalid("usage: retina_vessels PACKAGE PHOTOGRAPH OUT"));
    };
    let out = Path::new(out);
    std::fs::create_dir_all(out).map_err(|e| Error::io(out, e))?;
    let engine = Model::open(package)?.on(Device::Auto)?;
    for scan in &netra::open(photograph)?.scans {
        for reading in engine.run(scan)? {
            let path = out.join(format!("{}-vessels.png", scan.id()));
            reading.write("png", &path)?;
            let Finding::Segmentation { labels, .. } = &reading.findings.finding else { continue };
            let vessel: u64 = labels.counts().iter().sum();
            let share = 100.0 * vessel as f64 / labels.labels().len() as f64;
            println!("{}: {share:.2} % of the picture is vessel; wrote {}", scan.id(), path.display());
        }
    }
    Ok(())
}
