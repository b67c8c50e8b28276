//! `netra graph`: a bare ONNX network.

use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;

use anyhow::Context;
use netra::graph::npz::{self, Npz};
use netra::graph::onnx::{self, ReadOptions};
use netra::graph::{Dim, Graph, Tensor, Value};
use netra::package::from_graph;
use serde_json::json;

use crate::args::{BackendArg, GraphArgs, GraphCommand};
use crate::terminal::Terminal;
use crate::tuning;
use crate::ungated::Ungated;

/// Runs the command.
pub fn run(args: &GraphArgs, terminal: &Terminal) -> anyhow::Result<ExitCode> {
    match &args.command {
        GraphCommand::Show { network } => {
            show(&onnx::read(network, &ReadOptions::default()).map_err(from_graph)?, terminal)?
        }
        GraphCommand::Run { network, inputs, outputs, backend } => {
            execute(
                &onnx::read(network, &ReadOptions::default()).map_err(from_graph)?,
                inputs,
                outputs,
                backend,
                terminal,
            )?;
        }
    }
    Ok(ExitCode::SUCCESS)
}

fn show(graph: &Graph, terminal: &Terminal) -> anyhow::Result<()> {
    let inputs: Vec<String> = graph.input_values().map(describe).collect();
    let outputs: Vec<String> = graph.output_values().map(describe).collect();
    let operators = graph.op_histogram();
    terminal.line(&format!("graph      {}", graph.name));
    for input in &inputs {
        terminal.line(&format!("input      {input}"));
    }
    for output in &outputs {
        terminal.line(&format!("output     {output}"));
    }
    terminal.line(&format!("parameters {}", graph.parameter_count()));
    for (operator, count) in &operators {
        terminal.line(&format!("  {operator:<24} {count:>5}"));
    }
    terminal.document(&json!({
        "name": graph.name,
        "inputs": inputs,
        "outputs": outputs,
        "parameters": graph.parameter_count(),
        "operators": operators.into_iter().collect::<std::collections::BTreeMap<_, _>>(),
    }))
}

/// `name type [sizes]`, symbolic sizes by name.
fn describe(value: &Value) -> String {
    let Some(declared) = &value.declared else { return value.name.clone() };
    let size = |dim: &Dim| match dim {
        Dim::Known(n) => n.to_string(),
        Dim::Symbol(name) if name.is_empty() => "?".to_owned(),
        Dim::Symbol(name) => name.clone(),
    };
    let sizes: Vec<String> = declared.shape.iter().map(size).collect();
    format!("{} {} [{}]", value.name, declared.dtype, sizes.join(", "))
}

fn execute(
    graph: &Graph,
    inputs: &Path,
    outputs: &Path,
    backend: &BackendArg,
    terminal: &Terminal,
) -> anyhow::Result<()> {
    let archive = Npz::open(inputs).map_err(from_graph)?;
    let tensors: Vec<Tensor> = graph
        .inputs
        .iter()
        .map(|&id| archive.tensor(&graph.value(id).name).map_err(from_graph))
        .collect::<Result<_, _>>()?;
    let shapes: Vec<Vec<usize>> = tensors.iter().map(|t| t.shape().to_vec()).collect();
    let program = Arc::new(graph.specialise(&shapes).map_err(from_graph)?);
    let chosen = backend.backend.open()?;
    terminal.note(&format!("backend  {}: {} ({})", chosen.name, chosen.backend.device().name, chosen.why));
    let views: Vec<_> = tensors.iter().map(Tensor::view).collect();
    let mode = Ungated::new(backend.mode.precision, &*chosen.backend, &program, &views)?;
    mode.note.iter().for_each(|note| terminal.note(&format!("note     {note}")));
    let file = backend.mode.tuning.tuning.read(None)?;
    let tuning = tuning::here(file.as_ref(), &*chosen.backend, mode.precision, None);
    tuning::describe(&tuning).iter().for_each(|line| terminal.note(line));
    let options = mode.options().tuning(tuning.ok().flatten().map(|file| &file.tuning));
    let executable = chosen.backend.compile(program, &options).map_err(from_graph)?;
    let results = executable.run(&views).map_err(from_graph)?;
    let names: Vec<&str> = graph.outputs.iter().map(|&id| graph.value(id).name.as_str()).collect();
    netra::export::atomic::write(outputs, |file| {
        npz::write(file, names.iter().copied().zip(&results)).map_err(from_graph)
    })
    .context("the outputs were not written")?;
    for (name, tensor) in names.iter().zip(&results) {
        terminal.line(&format!("output   {name} {} {:?}", tensor.dtype(), tensor.shape()));
    }
    Ok(())
}
