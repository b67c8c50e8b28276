//! Runs the networks of the zoo and writes `docs/models.md`.
//!
//! `netra-zoo [--zoo DIR] --backend cpu|wgpu [NAME...]` runs networks and keeps the figures beside them;
//! `--precision fast` (or `bf16`) measures that mode against a bar of its own and keeps nothing: the page is about `exact`.
//! `netra-zoo [--zoo DIR] --table FILE` writes the page from what was kept. Progress goes to standard error.
//! With `--steps`, the rounding that each kernel adds is printed too (every step again in plain loops: minutes).
//! DIR is `$NETRA_ZOO` or `target/zoo`. Exit status 1: a network failed or is over its bar.
#![allow(clippy::print_stderr)]

use std::path::PathBuf;
use std::process::ExitCode;

use netra_graph::Precision;
use netra_zoo::{BARS, Case, Outcome, Result, backend, folders, measure, rounding, table};

struct Arguments {
    zoo: PathBuf,
    backend: Option<String>,
    table: Option<PathBuf>,
    steps: bool,
    precision: Precision,
    names: Vec<String>,
}

fn arguments() -> Result<Arguments> {
    let zoo = std::env::var_os("NETRA_ZOO").map_or_else(|| "target/zoo".into(), PathBuf::from);
    let mut given =
        Arguments { zoo, backend: None, table: None, steps: false, precision: Precision::Exact, names: Vec::new() };
    let mut words = std::env::args().skip(1);
    while let Some(word) = words.next() {
        let mut value = || words.next().ok_or_else(|| format!("{word} takes a value"));
        match word.as_str() {
            "--zoo" => given.zoo = value()?.into(),
            "--backend" => given.backend = Some(value()?),
            "--table" => given.table = Some(value()?.into()),
            "--precision" => given.precision = value()?.parse()?,
            "--steps" => given.steps = true,
            _ if word.starts_with('-') => return Err(format!("no option {word}").into()),
            _ => given.names.push(word),
        }
    }
    Ok(given)
}

fn main() -> ExitCode {
    match run() {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(e) => {
            eprintln!("error: {e}");
            ExitCode::FAILURE
        }
    }
}

/// Whether all is within the bars.
fn run() -> Result<bool> {
    let given = arguments()?;
    let cases = folders(&given.zoo, &given.names)?.iter().map(|f| Case::read(f)).collect::<Result<Vec<_>>>()?;
    let mut good = true;
    if let Some(name) = &given.backend {
        let backend = backend(name)?;
        let exact = given.precision == Precision::Exact;
        let bar = match BARS.iter().find(|(n, _)| n == name) {
            Some((_, ratio)) if exact => Bar::Ratio(*ratio),
            _ => Bar::Error(SHARE),
        };
        for case in &cases {
            let outcome =
                measure(case, backend.as_ref(), given.precision).map_err(|e| format!("{}: {e}", case.name))?;
            if exact {
                case.keep(name, &backend.device().name, &outcome)?;
            }
            good &= report(case, &outcome, bar);
            if given.steps {
                for (kernel, r) in rounding(case, backend.as_ref())? {
                    eprintln!("  {kernel:18} {:5} steps: {:8.2}, worst {:8.2} {}", r.steps, r.mean, r.worst, r.node);
                }
            }
        }
    }
    if let Some(path) = &given.table {
        std::fs::write(path, table(&cases)).map_err(|e| format!("{}: {e}", path.display()))?;
    }
    Ok(good)
}

/// Largest error of the mode that may multiply less, as a share of the output's range.
const SHARE: f64 = 1e-4;

/// What a network is measured against.
#[derive(Clone, Copy)]
enum Bar {
    /// Its error over ONNX Runtime's.
    Ratio(f64),
    /// Its error.
    Error(f64),
}

fn report(case: &Case, outcome: &Outcome, bar: Bar) -> bool {
    let name = &case.name;
    match outcome {
        Outcome::Ran(run) => {
            let ratio = run.errors.over(&case.onnxruntime_error);
            let load = run.read + run.specialise;
            let (e, ort, torch) = (run.errors, case.onnxruntime_error, case.torch_error);
            let good = match bar {
                Bar::Ratio(bar) => ratio <= bar,
                Bar::Error(bar) => e.max <= bar,
            };
            let mark = if good { "" } else { "  OVER" };
            eprintln!(
                "{name:28} {:.1e} {:.1e}  ORT {:.1e} {:.1e}  torch {:.1e}  ratio {ratio:.2}{mark}  load {load:.2} s, run {:.2} s",
                e.max, e.p999, ort.max, ort.p999, torch.max, run.run
            );
            good
        }
        Outcome::NotLoaded(why) => {
            eprintln!("{name:28} NOT LOADED: {why}");
            false
        }
        Outcome::NotRun(why) => {
            eprintln!("{name:28} NOT RUN: {why}");
            false
        }
    }
}
