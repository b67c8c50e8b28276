//! Times a folder of DICOM files to a volume: `series FOLDER [ROUNDS]` prints each round's milliseconds.
#![allow(clippy::print_stdout, reason = "its result is what it prints")]

use std::path::Path;
use std::time::Instant;

use netra_dicom::{Limits, open};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut arguments = std::env::args().skip(1);
    let folder = arguments.next().ok_or("usage: series FOLDER [ROUNDS]")?;
    let rounds = arguments.next().map_or(Ok(5), |n| n.parse::<usize>())?;
    let limits = Limits::default();
    for _ in 0..rounds {
        let start = Instant::now();
        let collection = open(Path::new(&folder), &limits)?;
        let opened = start.elapsed();
        let volume = collection.scans.first().ok_or("no scan")?.volume(&limits)?;
        let total = start.elapsed();
        std::hint::black_box(&volume);
        println!("{:.1} ms, of which {:.1} to open", total.as_secs_f64() * 1e3, opened.as_secs_f64() * 1e3);
    }
    Ok(())
}
