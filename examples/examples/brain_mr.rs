//! A T1 brain MR series to a DICOM Segmentation, a montage and a table of volumes.
//!
//! `cargo run --release -p netra-examples --example brain_mr -- netra-models/meshnet-18 mr_t1.zip OUT`
//! (first `netra models add meshnet-18 --weights model18cls.onnx`)
#![allow(clippy::print_stdout)]

use std::path::Path;

use netra::core::ExtentMeasure;
use netra::{Device, Error, Finding, Model, Result};

fn main() -> Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [package, series, out] = arguments.as_slice() else {
        return Err(Error::invalid("usage: brain_mr PACKAGE SERIES OUT"));
    };
    let out = Path::new(out);
    std::fs::create_dir_all(out).map_err(|e| Error::io(out, e))?;
    let engine = Model::open(package)?.on(Device::Auto)?;
    println!("running on {} ({})", engine.pipeline().network().backend().device().name, engine.why());
    for scan in &netra::open(series)?.scans {
        for reading in engine.run(scan)? {
            reading.write("seg", &out.join("brain-seg.dcm"))?;
            reading.write("png", &out.join("brain-montage.png"))?;
            let Finding::Segmentation { labels, extents } = &reading.findings.finding else { continue };
            println!("{:<32} {:>10}", "structure", "ml");
            for (segment, (_, extent)) in labels.segments().iter().zip(extents) {
                if let ExtentMeasure::VolumeMm3(mm3) = extent {
                    println!("{:<32} {:>10.2}", segment.label, mm3 / 1000.0);
                }
            }
            for timing in &reading.findings.timings {
                println!("{:<32} {:>10.2} s", timing.stage, timing.seconds);
            }
        }
    }
    Ok(())
}
