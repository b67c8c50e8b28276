//! The same model on every backend of this machine, side by side: golden error and time.
//!
//! `cargo run --release -p netra-examples --example backends -- [PACKAGE]`
#![allow(clippy::print_stdout)]

use std::time::Instant;

use netra::{Device, Model, Result};

fn main() -> Result<()> {
    let model = match std::env::args().nth(1) {
        Some(package) => Model::open(package)?,
        None => Model::lung_fields()?,
    };
    let devices = [Device::Cpu].into_iter().chain(netra::adapters().into_iter().map(|a| Device::Adapter(a.index)));
    println!("{:<44} {:>10} {:>10}  golden cases", "device", "first s", "again s");
    for device in devices {
        let engine = model.on(device)?;
        let timed = || -> Result<_> {
            let started = Instant::now();
            let reports = engine.pipeline().verify()?;
            Ok((reports, started.elapsed().as_secs_f64()))
        };
        let (_, first) = timed()?;
        let (reports, again) = timed()?;
        let name: String = engine.pipeline().network().backend().device().name.chars().take(44).collect();
        let golden: Vec<String> =
            reports.iter().map(|r| format!("{} error {:.1e} of range", r.name, r.error)).collect();
        println!("{name:<44} {first:>10.3} {again:>10.3}  {}", golden.join("; "));
    }
    Ok(())
}
