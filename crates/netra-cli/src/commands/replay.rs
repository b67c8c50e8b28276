//! `netra replay`: a recorded run again, and whether it gives the same.

use std::process::ExitCode;

use anyhow::Context;
use netra::receipt::{Comparison, Receipt, ResultDigest};
use netra::{Device, Engine, Error, Limits, RunOptions};
use serde::Serialize;

use crate::args::ReplayArgs;
use crate::terminal::Terminal;
use crate::{exit, receipts, resolve};

/// Allowed where the package states nothing for the device and precision.
const TOLERANCE: f64 = 1e-3;

#[derive(Serialize)]
struct Replayed {
    receipt: String,
    device: String,
    #[serde(flatten)]
    comparison: Comparison,
}

/// Runs the command.
pub fn run(args: &ReplayArgs, terminal: &Terminal) -> anyhow::Result<ExitCode> {
    let mut replayed = Vec::new();
    for path in &args.receipts {
        let receipt = receipts::read(path)?;
        let (device, comparison) = replay(&receipt, args).with_context(|| path.display().to_string())?;
        let outcome = match &comparison {
            Comparison::Identical => "identical".to_owned(),
            Comparison::Within { difference, tolerance } => {
                format!("within the tolerance: {difference:.1e} apart, {tolerance:.0e} is allowed")
            }
            Comparison::Different { why } => format!("DIFFERENT: {why}"),
        };
        terminal.line(&format!("{}: {outcome} (on {device})", path.display()));
        replayed.push(Replayed { receipt: path.display().to_string(), device, comparison });
    }
    terminal.document(&replayed)?;
    let all = replayed.iter().all(|r| !matches!(r.comparison, Comparison::Different { .. }));
    Ok(if all { ExitCode::SUCCESS } else { ExitCode::from(exit::INTEGRITY) })
}

fn replay(receipt: &Receipt, args: &ReplayArgs) -> anyhow::Result<(String, Comparison)> {
    let engine = engine(receipt, args)?;
    receipt.check_model(&engine)?;
    let input = args.input.clone().or_else(|| receipt.input.path.as_ref().map(Into::into));
    let input = input.ok_or_else(|| Error::invalid("the receipt does not tell where its input lies: see --input"))?;
    let collection = netra::open(&input)?;
    let scan = receipt.find_input(&collection.scans, &Limits::default()).map_err(|e| e.at(input.display()))?;
    // What the formats asked for decides how the run goes: with probabilities nothing is decided on the device.
    let formats: Vec<&str> = receipt.outputs.iter().map(|output| &*output.format).collect();
    let mut options = RunOptions::default();
    options.detail.probabilities = netra::export::needs(&formats)?.probabilities;
    let readings = engine.run_with(scan, &options)?;
    let reading = readings.get(receipt.input.reading);
    let reading = reading.ok_or_else(|| Error::invalid(format!("no reading {} of it", receipt.input.reading)))?;
    let exact = reading.findings.backend == receipt.backend;
    let golden = &engine.package().manifest().golden;
    let tolerance = golden.iter().map(|case| case.tolerance).fold(TOLERANCE, f64::max);
    let comparison = ResultDigest::of(&reading.findings.finding).compare(&receipt.result, exact, tolerance);
    Ok((reading.findings.backend.device.clone(), comparison))
}

/// The recorded model, device, precision and policy, but for what the arguments say.
fn engine(receipt: &Receipt, args: &ReplayArgs) -> anyhow::Result<Engine> {
    let model = resolve::model(args.model.as_deref().unwrap_or(&receipt.model.id))?;
    let device: Device = match args.backend {
        Some(device) => device,
        None => receipt.device.parse()?,
    };
    let precision = match args.precision {
        Some(precision) => precision,
        None => receipt.backend.precision.parse().map_err(|e| Error::invalid(format!("{e}")))?,
    };
    let tuning = match receipt.backend.tuning {
        Some(_) => model.package().tuning()?,
        None => None,
    };
    Ok(model.on(device)?.precision(precision).tuning(tuning).policy(receipt.policy))
}
