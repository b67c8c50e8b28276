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
        let agreement = report.agreement.map(|a| format!(", decisions agree {a:.6}")).unwrap_or_default();
        terminal.line(&format!(
            "golden   {} {}: error {:.2e} of the output's range (at most {:.0e}){agreement}, {:.2} s",
            report.name,
            if report.passed { "passed" } else { "FAILED" },
            report.error,
            report.tolerance,
            report.seconds
        ));
    }
    terminal.document(&reports)?;
    Ok(if reports.iter().all(|r| r.passed) { ExitCode::SUCCESS } else { ExitCode::from(exit::INTEGRITY) })
}
