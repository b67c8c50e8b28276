//! `netra tune`: measures which algorithms run a network fastest on this machine, and writes that down.

use std::io::Write;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;

use netra::Error;
use netra::graph::{Tensor, Tuned, TunedSteps};
use netra::package::{TUNING_FILE_NAME, TuningFile, from_graph};
use serde::Serialize;

use crate::args::TuneArgs;
use crate::network::{self, Network};
use crate::terminal::Terminal;
use crate::ungated::Ungated;

#[derive(Serialize)]
struct Report<'a> {
    model: &'a str,
    backend: &'a str,
    device: &'a str,
    precision: &'a str,
    shapes: &'a [Vec<usize>],
    file: PathBuf,
    /// SHA-256 of the file.
    digest: String,
    choices: usize,
    default_ms: f64,
    chosen_ms: f64,
    steps: &'a [TunedSteps],
}

/// Runs the command.
pub fn run(args: &TuneArgs, terminal: &Terminal) -> anyhow::Result<ExitCode> {
    let network = Network::open(&args.model)?;
    let folder = network.model.as_ref().and_then(|model| model.package().folder());
    // Asked before minutes of measuring, not after.
    let file = match (&args.out, folder) {
        (Some(path), _) => path.clone(),
        (None, Some(folder)) => folder.join(TUNING_FILE_NAME),
        (None, None) => {
            return Err(Error::invalid("not a package folder: say with --out FILE where the tuning goes").into());
        }
    };
    let shapes = network.usual_shapes(&args.shape)?;
    let mut tuned = measure(args, &network, &shapes, terminal)?;
    tuned.steps.sort_by_key(|steps| std::cmp::Reverse(steps.default_nanoseconds));
    let text = tuned.tuning.to_json().map_err(from_graph)?;
    netra::export::atomic::write(&file, |out| out.write_all(text.as_bytes()).map_err(|e| netra::Error::io(&file, e)))?;
    let on = &tuned.tuning.measured_on;
    let report = Report {
        model: &args.model,
        backend: &on.backend,
        device: &on.device,
        precision: &on.precision,
        shapes: &shapes,
        digest: TuningFile::from_bytes(text.as_bytes())?.digest.to_string(),
        file,
        choices: tuned.tuning.algorithms.len(),
        default_ms: milliseconds(tuned.default_nanoseconds),
        chosen_ms: milliseconds(tuned.chosen_nanoseconds),
        steps: &tuned.steps,
    };
    print(&report, terminal);
    terminal.document(&report)?;
    Ok(ExitCode::SUCCESS)
}

/// A package runs as it does in `netra run`, calibrated on its golden cases; a bare network as in `netra bench`.
fn measure(args: &TuneArgs, network: &Network, shapes: &[Vec<usize>], terminal: &Terminal) -> anyhow::Result<Tuned> {
    let program = network.graph.specialise(shapes).map_err(from_graph)?;
    let inputs: Vec<Tensor> =
        program.inputs.iter().map(|&id| network::input(program.value(id))).collect::<netra::Result<_>>()?;
    let views: Vec<_> = inputs.iter().map(Tensor::view).collect();
    let chosen = args.backend.open_with(args.threads)?;
    let bar = terminal.bar(&args.model);
    let progress = |done: usize, total: usize| {
        bar.set_length(total as u64);
        bar.set_position(done as u64);
    };
    let tuned = match (&network.model, views.as_slice()) {
        (Some(model), [input]) => {
            drop(program);
            let engine = model.with(chosen)?.precision(args.precision);
            engine.pipeline().tune(*input, Some(&progress))?
        }
        _ => {
            let mode = Ungated::new(args.precision, &*chosen.backend, &program, &views)?;
            let options = mode.options().progress(Some(&progress));
            chosen.backend.tune(Arc::new(program), &views, &options).map_err(from_graph)?
        }
    };
    bar.finish_and_clear();
    Ok(tuned)
}

fn print(report: &Report<'_>, terminal: &Terminal) {
    terminal.line(&format!("{}: {}, {}", report.backend, report.device, report.precision));
    terminal.line(&format!("{:<15} {:>9}  {:<15} {:>9} {:>6}  steps", "default", "ms", "chosen", "ms", "times"));
    for s in report.steps {
        let (before, after) = (milliseconds(s.default_nanoseconds), milliseconds(s.chosen_nanoseconds));
        let chosen = if s.chosen == s.default { "-" } else { &s.chosen };
        let signature = &s.signature;
        terminal
            .line(&format!("{:<15} {before:>9.3}  {chosen:<15} {after:>9.3} {:>6}  {signature}", s.default, s.count));
    }
    let (before, after) = (report.default_ms, report.chosen_ms);
    terminal.line(&match report.choices {
        0 => format!("whole run {before:.2} ms; no choice makes it faster by a hundredth, and none was made"),
        n => format!("whole run {before:.2} ms by default, {after:.2} ms with {n} choices"),
    });
    terminal.line(&format!("wrote {} (sha256 {})", report.file.display(), &report.digest[..12]));
}

fn milliseconds(nanoseconds: u64) -> f64 {
    nanoseconds as f64 / 1e6
}
