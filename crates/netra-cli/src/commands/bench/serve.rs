//! `netra bench --serve`: a process that waits for orders, so that a runner can take engines in turn.
//!
//! One JSON document a line on standard output. The first tells that the network is ready and how long that took; after it,
//! each line `run N` on standard input is answered by the milliseconds of N runs. The end of the input ends the process.

use std::io::{BufRead, Write};

use netra::graph::{Data, Executable, Tensor, TensorView};
use netra::package::from_graph;
use serde_json::json;

use super::{Stages, timed};

/// Output elements that are shown, so that a runner may compare engines.
const SAMPLES: usize = 64;

/// Serves until the input ends. `stages` are those before the first run.
pub fn serve(executable: &dyn Executable, inputs: &[TensorView<'_>], stages: &Stages) -> anyhow::Result<()> {
    let mut out = std::io::stdout().lock();
    let (outputs, first_ms) = timed(|| executable.run(inputs).map_err(from_graph))?;
    let ready = json!({
        "ready": true,
        "stages": stages,
        "load_ms": stages.total(),
        "first_ms": first_ms,
        "planned_bytes": executable.plan().peak(),
        "sample": outputs.first().map(sample),
    });
    writeln!(out, "{ready}")?;
    out.flush()?;
    drop(outputs);
    for line in std::io::stdin().lock().lines() {
        let line = line?;
        let Some(runs) = line.trim().strip_prefix("run ").and_then(|n| n.parse::<usize>().ok()) else {
            anyhow::bail!("'{line}' is no order; there is: run N");
        };
        let mut times = Vec::new();
        for _ in 0..runs {
            times.push(timed(|| executable.run(inputs).map_err(from_graph))?.1);
        }
        writeln!(out, "{}", json!({ "ms": times }))?;
        out.flush()?;
    }
    Ok(())
}

/// Evenly spaced elements of an output; none unless it is float32.
fn sample(tensor: &Tensor) -> Vec<f32> {
    let Data::F32(values) = tensor.data() else { return Vec::new() };
    (0..SAMPLES).filter_map(|i| values.get(i * values.len() / SAMPLES).copied()).collect()
}
