//! `netra verify`: digests, then golden cases on each device.

use std::process::ExitCode;

use netra::pipeline::GoldenReport;
use serde::Serialize;

use crate::args::VerifyArgs;
use crate::terminal::Terminal;
use crate::{exit, resolve};

#[derive(Serialize)]
struct Row<'a> {
    device: &'a str,
    #[serde(flatten)]
    report: GoldenReport,
}

/// Runs the command.
pub fn run(args: &VerifyArgs, terminal: &Terminal) -> anyhow::Result<ExitCode> {
    let engines = args.backend.engines(&resolve::model(&args.model)?)?;
    super::run::announce(&engines, terminal);
    terminal.line("digests  every file matches the manifest");
    let mut rows = Vec::new();
    for engine in &engines {
        for report in engine.pipeline().verify()? {
            terminal.line(&format!("golden   {report}, {:.2} s on {}", report.seconds, engine.device()));
            rows.push(Row { device: engine.device(), report });
        }
    }
    if rows.is_empty() {
        terminal.note("the package has no golden case here: add one with `netra models add ... --weights FOLDER`");
    }
    terminal.document(&rows)?;
    Ok(if rows.iter().all(|row| row.report.passed) { ExitCode::SUCCESS } else { ExitCode::from(exit::INTEGRITY) })
}
