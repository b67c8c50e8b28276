//! `netra bench`: a network's compile time, first run and warm runs on each backend.

use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Instant;

use netra::graph::onnx::ReadOptions;
use netra::graph::{CompileOptions, DType, Data, Dim, Graph, Tensor, onnx};
use netra::package::from_graph;
use serde::Serialize;

use crate::args::BenchArgs;
use crate::resolve;
use crate::terminal::{Terminal, bytes};

#[derive(Serialize)]
struct Row {
    model: String,
    backend: String,
    device: String,
    shapes: Vec<Vec<usize>>,
    planned_bytes: u64,
    compile_ms: f64,
    first_ms: f64,
    runs: usize,
    min_ms: f64,
    median_ms: f64,
    max_ms: f64,
}

/// Runs the command.
pub fn run(args: &BenchArgs, terminal: &Terminal) -> anyhow::Result<ExitCode> {
    let (graph, shapes) = load(args)?;
    let program = Arc::new(graph.specialise(&shapes).map_err(from_graph)?);
    let inputs: Vec<Tensor> =
        program.inputs.iter().map(|&id| input(program.value(id))).collect::<netra::Result<_>>()?;
    let views: Vec<_> = inputs.iter().map(Tensor::view).collect();
    let mut rows = Vec::new();
    for &device in &args.backends {
        let backend = device.open()?.backend;
        let (executable, compile_ms) =
            timed(|| backend.compile(program.clone(), &CompileOptions::default()).map_err(from_graph))?;
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
            shapes: shapes.clone(),
            planned_bytes: executable.plan().peak(),
            compile_ms,
            first_ms,
            runs: warm.len(),
            min_ms: warm[0],
            median_ms: warm[warm.len() / 2],
            max_ms: warm[warm.len() - 1],
        };
        terminal.line(&format!(
            "{:<5} compile {:.1} ms, first {:.1} ms, warm median {:.2} ms (min {:.2}, max {:.2}, {} runs), plan {}",
            row.backend,
            row.compile_ms,
            row.first_ms,
            row.median_ms,
            row.min_ms,
            row.max_ms,
            row.runs,
            bytes(row.planned_bytes)
        ));
        rows.push(row);
    }
    terminal.document(&rows)?;
    Ok(ExitCode::SUCCESS)
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
