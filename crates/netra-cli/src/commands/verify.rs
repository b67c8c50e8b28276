//! `netra verify`: digests, then golden cases.

use std::process::ExitCode;

use crate::args::VerifyArgs;
use crate::terminal::Terminal;
use crate::{exit, resolve};

/// Runs the command.
pub fn run(args: &VerifyArgs, terminal: &Terminal) -> anyhow::Result<ExitCode> {
    let engine = args.backend.engine(&resolve::model(&args.model)?)?;
    super::run::announce(&engine, terminal);
    terminal.line("digests  every file matches the manifest");
    let reports = engine.pipeline().verify()?;
    if reports.is_empty() {
        terminal.note("the package has no golden case here: add one with `netra models add ... --weights FOLDER`");
    }
    for report in &reports {
        terminal.line(&format!("golden   {report}, {:.2} s", report.seconds));
    }
    terminal.document(&reports)?;
    Ok(if reports.iter().all(|r| r.passed) { ExitCode::SUCCESS } else { ExitCode::from(exit::INTEGRITY) })
}
