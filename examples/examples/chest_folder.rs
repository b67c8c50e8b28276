//! A folder of chest radiographs to overlay pictures and one CSV table of lung areas.
//!
//! `cargo run --release -p netra-examples --example chest_folder -- FOLDER OUT`
#![allow(clippy::print_stdout)]

use std::fmt::Write;
use std::path::Path;

use netra::core::ExtentMeasure;
use netra::{Device, Error, Finding, Model, Result};

fn main() -> Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [folder, out] = arguments.as_slice() else { return Err(Error::invalid("usage: chest_folder FOLDER OUT")) };
    let out = Path::new(out);
    std::fs::create_dir_all(out).map_err(|e| Error::io(out, e))?;
    let engine = Model::lung_fields()?.on(Device::Auto)?;
    let collection = netra::open(folder)?;
    let mut table = String::from("file,segment,pixels,extent,unit,seconds,error\n");
    for (i, scan) in collection.scans.iter().enumerate() {
        println!("{}/{} {}", i + 1, collection.scans.len(), scan.id());
        // One bad file is one line of the table; the others go on.
        match engine.run(scan) {
            Err(error) => row(&mut table, &format!("{},,,,,,\"{error}\"", scan.id())),
            Ok(readings) => {
                for reading in readings {
                    reading.write("png", &out.join(format!("{}.png", scan.id())))?;
                    let Finding::Segmentation { labels, extents } = &reading.findings.finding else { continue };
                    let seconds: f64 = reading.findings.timings.iter().map(|t| t.seconds).sum();
                    for (segment, (pixels, extent)) in labels.segments().iter().zip(extents) {
                        let (value, unit) = match extent {
                            ExtentMeasure::AreaMm2(v) => (v, "mm2"),
                            ExtentMeasure::VolumeMm3(v) => (v, "mm3"),
                            ExtentMeasure::PixelShare(v) => (v, "share"),
                        };
                        let label = &segment.label;
                        row(&mut table, &format!("{},{label},{pixels},{value:.4},{unit},{seconds:.3},", scan.id()));
                    }
                }
            }
        }
    }
    for (path, error) in &collection.refused {
        row(&mut table, &format!("{},,,,,,\"{error}\"", path.display()));
    }
    let csv = out.join("lungs.csv");
    std::fs::write(&csv, table).map_err(|e| Error::io(&csv, e))?;
    println!("wrote {}", csv.display());
    Ok(())
}

fn row(table: &mut String, line: &str) {
    // Writing to a string cannot fail.
    let _ = writeln!(table, "{line}");
}
