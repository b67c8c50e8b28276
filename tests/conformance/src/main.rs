//! Runs ONNX's node tests on the backends that are built in and writes the table of operators.
//!
//! ```text
//! cargo run -p netra-conformance --features wgpu              writes docs/operators.md
//! cargo run -p netra-conformance [--features wgpu] -- FILE    writes FILE
//! cargo run -p netra-conformance [--features wgpu] -- --only WORD    tells what became of each case with WORD in its name
//! ```
//!
//! Cases that failed are listed on standard error, and make the exit status 1.
#![forbid(unsafe_code)]
#![allow(clippy::print_stderr)]

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Instant;

use anyhow::{Context, Result, bail};
use netra_graph::Backend;
use netra_testkit::node_tests;

fn backends() -> Result<Vec<Arc<dyn Backend>>> {
    let cpu: Arc<dyn Backend> = Arc::new(netra_cpu::CpuBackend::new(None)?);
    let mut backends = vec![cpu];
    if let Some(wgpu) = wgpu()? {
        backends.push(wgpu);
    }
    Ok(backends)
}

#[cfg(feature = "wgpu")]
fn wgpu() -> Result<Option<Arc<dyn Backend>>> {
    Ok(Some(Arc::new(netra_wgpu::WgpuBackend::open(netra_wgpu::AdapterSelector::Any)?)))
}

#[cfg(not(feature = "wgpu"))]
fn wgpu() -> Result<Option<Arc<dyn Backend>>> {
    Ok(None)
}

/// Prints the outcomes of the cases whose name or operator holds `word`.
fn tell(word: &str) -> Result<ExitCode> {
    let mut cases = node_tests::cases().context("no cases")?;
    cases.retain(|case| case.name.contains(word) || case.op.contains(word));
    for backend in backends()? {
        let report = node_tests::run(&backend, &cases);
        for (case, outcome) in cases.iter().zip(&report.outcomes) {
            eprintln!("{} {}: {outcome:?}", report.backend, case.name);
        }
    }
    Ok(ExitCode::SUCCESS)
}

fn main() -> Result<ExitCode> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    if let [flag, word] = arguments.as_slice()
        && flag == "--only"
    {
        return tell(word);
    }
    let target = match (arguments.first(), cfg!(feature = "wgpu")) {
        (Some(file), _) => PathBuf::from(file),
        (None, true) => Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/operators.md"),
        (None, false) => bail!("docs/operators.md needs both backends (--features wgpu); or name another file"),
    };
    let cases = node_tests::cases().context("no cases")?;
    let mut reports = Vec::new();
    let mut status = ExitCode::SUCCESS;
    for backend in backends()? {
        let start = Instant::now();
        let report = node_tests::run(&backend, &cases);
        eprintln!("{} on {}: {:.1?}", report.backend, backend.device().name, start.elapsed());
        for failure in report.failures(&cases) {
            eprintln!("  failed: {failure}");
            status = ExitCode::FAILURE;
        }
        reports.push(report);
    }
    std::fs::write(&target, node_tests::markdown(&cases, &reports)).with_context(|| target.display().to_string())?;
    Ok(status)
}
