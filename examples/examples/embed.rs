//! Netra inside an app, in ten lines: lung fields of one radiograph as a DICOM Segmentation.
//!
//! `cargo run --release -p netra-examples --example embed -- chest.dcm lungs.dcm`

fn main() -> netra::Result<()> {
    let mut arguments = std::env::args().skip(1);
    let (Some(input), Some(output)) = (arguments.next(), arguments.next()) else {
        return Err(netra::core::Error::invalid("usage: embed INPUT OUTPUT"));
    };
    let engine = netra::Model::lung_fields()?.on(netra::Device::Auto)?;
    for scan in &netra::open(input)?.scans {
        for reading in engine.run(scan)? {
            reading.write("seg", output.as_ref())?;
        }
    }
    Ok(())
}
