//! `netra bench`: a network's stages from file to first result, its warm runs, and where their time goes.

mod serve;
mod steps;

use std::collections::BTreeMap;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Instant;

use netra::graph::Tensor;
use netra::package::from_graph;
use serde::Serialize;

use crate::args::BenchArgs;
use crate::network::{self, Network};
use crate::terminal::{Terminal, bytes};
use crate::tuning;
use crate::ungated::Ungated;

/// What comes before the first run, in milliseconds.
#[derive(Clone, Copy, Serialize)]
struct Stages {
    /// Reading and parsing the file or package.
    read_ms: f64,
    /// Settling shapes, folding constants, fusing.
    specialise_ms: f64,
    /// The backend's preparation: packing weights, planning memory.
    compile_ms: f64,
}

impl Stages {
    fn total(&self) -> f64 {
        self.read_ms + self.specialise_ms + self.compile_ms
    }
}

#[derive(Serialize)]
struct Row {
    model: String,
    backend: String,
    device: String,
    /// The mode that ran.
    precision: String,
    /// What the figures do not say, in a reduced mode.
    note: Option<&'static str>,
    /// The tuning in effect.
    tuning: Option<Choices>,
    /// Why a tuning that was found is not in effect.
    tuning_ignored: Option<String>,
    shapes: Vec<Vec<usize>>,
    planned_bytes: u64,
    /// What the device has set aside after the runs, where it tells.
    reserved_bytes: Option<u64>,
    #[serde(flatten)]
    stages: Stages,
    first_ms: f64,
    runs: usize,
    min_ms: f64,
    median_ms: f64,
    max_ms: f64,
    /// Absent where the backend does not time its steps.
    profile: Option<steps::Steps>,
}

/// The tuning in effect.
#[derive(Serialize)]
struct Choices {
    /// SHA-256 of its file.
    digest: String,
    /// Algorithms by signature.
    algorithms: BTreeMap<String, String>,
}

/// Runs the command.
pub fn run(args: &BenchArgs, terminal: &Terminal) -> anyhow::Result<ExitCode> {
    let started = Instant::now();
    let network = Network::open(&args.model)?;
    let shapes = network.shapes(&args.shape)?;
    let package = network.model.as_ref().map(|model| &**model.package());
    let file = args.tuning.tuning.read(package)?;
    let digest = package.map(|package| package.identity().digest.clone());
    let read_ms = started.elapsed().as_secs_f64() * 1e3;
    let (program, specialise_ms) = timed(|| Ok(Arc::new(network.graph.specialise(&shapes).map_err(from_graph)?)))?;
    let inputs: Vec<Tensor> =
        program.inputs.iter().map(|&id| network::input(program.value(id))).collect::<netra::Result<_>>()?;
    let views: Vec<_> = inputs.iter().map(Tensor::view).collect();
    // From here on the weights belong to the program, and the last backend is given it alone: it need not keep what it packs.
    drop(network);
    let mut rows = Vec::new();
    for (&device, program) in args.backends.iter().zip(std::iter::repeat_n(program, args.backends.len())) {
        let backend = device.open_with(args.threads)?.backend;
        let mode = Ungated::new(args.precision, &*backend, &program, &views)?;
        let tuning = tuning::here(file.as_ref(), &*backend, mode.precision, digest.as_deref());
        let options = mode.options().tuning(tuning.as_ref().ok().copied().flatten().map(|file| &file.tuning));
        let (executable, compile_ms) = timed(|| backend.compile(program, &options).map_err(from_graph))?;
        tuning::describe(&tuning).iter().for_each(|line| terminal.note(line));
        let stages = Stages { read_ms, specialise_ms, compile_ms };
        if args.serve {
            serve::serve(&*executable, &views, &stages)?;
            return Ok(ExitCode::SUCCESS);
        }
        let (_, first_ms) = timed(|| executable.run(&views).map_err(from_graph))?;
        let mut warm = Vec::new();
        for _ in 0..args.runs.max(1) {
            warm.push(timed(|| executable.run(&views).map_err(from_graph))?.1);
        }
        warm.sort_by(f64::total_cmp);
        let row =
            Row {
                model: args.model.clone(),
                backend: backend.name().to_owned(),
                device: backend.device().name.clone(),
                precision: mode.precision.to_string(),
                note: mode.note,
                tuning: tuning.as_ref().ok().copied().flatten().map(|file| Choices {
                    digest: file.digest.to_string(),
                    algorithms: file.tuning.algorithms.clone(),
                }),
                tuning_ignored: tuning.err(),
                shapes: shapes.clone(),
                planned_bytes: executable.plan().peak(),
                reserved_bytes: executable.reserved(),
                stages,
                first_ms,
                runs: warm.len(),
                min_ms: warm[0],
                median_ms: warm[warm.len() / 2],
                max_ms: warm[warm.len() - 1],
                profile: steps::profile(&*executable, &views)?,
            };
        print(&row, terminal);
        rows.push(row);
    }
    terminal.document(&rows)?;
    Ok(ExitCode::SUCCESS)
}

fn print(row: &Row, terminal: &Terminal) {
    terminal.line(&format!("{}: {}, {}", row.backend, row.device, row.precision));
    row.note.iter().for_each(|note| terminal.line(&format!("note: {note}")));
    terminal.line(&format!(
        "read {:.1} ms, specialise {:.1} ms, compile {:.1} ms, first run {:.1} ms",
        row.stages.read_ms, row.stages.specialise_ms, row.stages.compile_ms, row.first_ms,
    ));
    let reserved = row.reserved_bytes.map(|n| format!(", the device holds {}", bytes(n))).unwrap_or_default();
    terminal.line(&format!(
        "warm median {:.2} ms (min {:.2}, max {:.2}, {} runs), plan {}{reserved}",
        row.median_ms,
        row.min_ms,
        row.max_ms,
        row.runs,
        bytes(row.planned_bytes)
    ));
    if let Some(profile) = &row.profile {
        profile.print(terminal);
    }
}

fn timed<T>(f: impl FnOnce() -> netra::Result<T>) -> netra::Result<(T, f64)> {
    let started = Instant::now();
    Ok((f()?, started.elapsed().as_secs_f64() * 1e3))
}
