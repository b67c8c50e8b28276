//! `netra bench`: a network's stages from file to first result, its warm runs, and where their time goes.

mod serve;
mod steps;

use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Instant;

use netra::graph::onnx::ReadOptions;
use netra::graph::{DType, Data, Dim, Graph, Tensor, onnx};
use netra::package::from_graph;
use serde::Serialize;

use crate::args::BenchArgs;
use crate::resolve;
use crate::terminal::{Terminal, bytes};
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
    shapes: Vec<Vec<usize>>,
    planned_bytes: u64,
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

/// Runs the command.
pub fn run(args: &BenchArgs, terminal: &Terminal) -> anyhow::Result<ExitCode> {
    let started = Instant::now();
    let (graph, shapes) = load(args)?;
    let read_ms = started.elapsed().as_secs_f64() * 1e3;
    let (program, specialise_ms) = timed(|| Ok(Arc::new(graph.specialise(&shapes).map_err(from_graph)?)))?;
    let inputs: Vec<Tensor> =
        program.inputs.iter().map(|&id| input(program.value(id))).collect::<netra::Result<_>>()?;
    let views: Vec<_> = inputs.iter().map(Tensor::view).collect();
    // From here on the weights belong to the program, and the last backend is given it alone: it need not keep what it packs.
    drop(graph);
    let mut rows = Vec::new();
    for (&device, program) in args.backends.iter().zip(std::iter::repeat_n(program, args.backends.len())) {
        let backend = device.open_with(args.threads)?.backend;
        let mode = Ungated::new(args.precision, &*backend, &program, &views)?;
        let (executable, compile_ms) = timed(|| backend.compile(program, &mode.options()).map_err(from_graph))?;
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
        let row = Row {
            model: args.model.clone(),
            backend: backend.name().to_owned(),
            device: backend.device().name.clone(),
            precision: mode.precision.to_string(),
            note: mode.note,
            shapes: shapes.clone(),
            planned_bytes: executable.plan().peak(),
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
    terminal.line(&format!(
        "warm median {:.2} ms (min {:.2}, max {:.2}, {} runs), plan {}",
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

/// The network and the shapes of its inputs.
fn load(args: &BenchArgs) -> anyhow::Result<(Arc<Graph>, Vec<Vec<usize>>)> {
    let bare = Path::new(&args.model).is_file();
    let (graph, golden) = if bare {
        (Arc::new(onnx::read(Path::new(&args.model), &ReadOptions::default()).map_err(from_graph)?), None)
    } else {
        let model = resolve::model(&args.model)?;
        let golden = model.package().golden()?.first().map(|case| case.input.shape().to_vec());
        (model.package().graph().clone(), golden)
    };
    let stated = || -> anyhow::Result<Vec<Vec<usize>>> {
        let sizes = |id: &netra::graph::ValueId| {
            let declared = graph.value(*id).declared.as_ref();
            declared.map(|t| t.shape.iter().map(|d| if let Dim::Known(n) = d { *n } else { 1 }).collect())
        };
        graph.inputs.iter().map(|id| sizes(id).ok_or_else(|| anyhow::anyhow!("an input states no shape"))).collect()
    };
    let shapes = match (args.shape.is_empty(), golden) {
        (false, _) => vec![args.shape.clone()],
        (true, Some(golden)) => vec![golden],
        (true, None) => stated()?,
    };
    Ok((graph, shapes))
}

/// A smooth, deterministic input: a ramp that repeats, neither constant nor noise.
fn input(value: &netra::graph::StepValue) -> netra::Result<Tensor> {
    let n = value.elements();
    let data = match value.dtype {
        DType::I64 => Data::I64(vec![0; n]),
        DType::I32 => Data::I32(vec![0; n]),
        DType::Bool => Data::Bool(vec![false; n]),
        _ => Data::F32((0..n).map(|i| (i % 251) as f32 / 250.0).collect()),
    };
    Tensor::new(value.shape.clone(), data).map_err(from_graph)
}
