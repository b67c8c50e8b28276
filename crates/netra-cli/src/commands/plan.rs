//! `netra plan`: peak memory before a run, on each device.

use std::process::ExitCode;

use netra::{Engine, RunOptions};
use serde_json::json;

use crate::args::PlanArgs;
use crate::resolve;
use crate::terminal::{Terminal, bytes};

/// Runs the command.
pub fn run(args: &PlanArgs, terminal: &Terminal) -> anyhow::Result<ExitCode> {
    let engines = args.backend.engines(&resolve::model(&args.model)?)?;
    let engines: Vec<Engine> = engines.into_iter().map(|engine| engine.policy(args.policy.policy)).collect();
    super::run::announce(&engines, terminal);
    let collection = netra::open(&args.input)?;
    let mut plans = Vec::new();
    let mut options = RunOptions::default();
    options.detail = netra::export::needs(&args.emit)?;
    for (engine, scan) in engines.iter().flat_map(|engine| collection.scans.iter().map(move |scan| (engine, scan))) {
        for plan in engine.plan(scan, &options)? {
            terminal.line(&format!("{} on {}", scan.id(), engine.device()));
            terminal.line(&format!("  windows      {} of up to {:?}", plan.windows, plan.window_shape));
            for stage in &plan.stages {
                terminal.line(&format!("  {:<12} {:>12}", stage.stage, bytes(stage.bytes)));
            }
            terminal.line(&format!("  {:<12} {:>12}", "peak", bytes(plan.peak())));
            if let Some(resident) = plan.resident_bytes {
                let network = bytes(plan.network_bytes);
                terminal.line(&format!("  on the device: network {network}, volumes {}", bytes(resident)));
            }
            plans.push(json!({
                "scan": scan.id(), "device": engine.device(), "peak_bytes": plan.peak(), "plan": plan,
            }));
        }
    }
    for (path, error) in &collection.refused {
        terminal.error(&format!("{}: {error}", path.display()));
    }
    terminal.document(&plans)?;
    Ok(ExitCode::SUCCESS)
}
