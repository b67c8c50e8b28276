//! A peer engine as a worker: loads a network, then answers each line `run N` on standard input with the times of N runs.
//!
//!     rust-peers ENGINE NETWORK.onnx SIZES THREADS      (ENGINE: tract, rten; SIZES: 1,3,224,224)
//!
//! The same protocol as `netra bench --serve`: one JSON document a line, the first when the network is ready.

mod peers;

use std::error::Error;
use std::io::{BufRead, Write};
use std::time::Instant;

use serde_json::json;

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [engine, network, sizes, threads] = arguments.as_slice() else {
        return Err("usage: rust-peers ENGINE NETWORK.onnx SIZES THREADS".into());
    };
    let shape = sizes.split(',').map(str::parse).collect::<Result<Vec<usize>, _>>()?;
    let threads = threads.parse()?;
    let input: Vec<f32> = (0..shape.iter().product()).map(|i: usize| (i % 251) as f32 / 250.0).collect();

    let started = Instant::now();
    let mut run = match engine.as_str() {
        "tract" => peers::tract(network, &shape, input, threads)?,
        "rten" => peers::rten(network, &shape, input, threads)?,
        other => return Err(format!("no engine '{other}'").into()),
    };
    let load_ms = milliseconds(started);
    let (sample, first_ms) = timed(&mut run)?;
    answer(&json!({ "ready": true, "load_ms": load_ms, "first_ms": first_ms, "sample": sample }))?;
    for line in std::io::stdin().lock().lines() {
        let line = line?;
        let Some(runs) = line.trim().strip_prefix("run ").and_then(|n| n.parse::<usize>().ok()) else {
            return Err(format!("'{line}' is no order; there is: run N").into());
        };
        let times = (0..runs).map(|_| Ok(timed(&mut run)?.1)).collect::<Result<Vec<f64>, Box<dyn Error>>>()?;
        answer(&json!({ "ms": times }))?;
    }
    Ok(())
}

fn timed(run: &mut peers::Run) -> Result<(Vec<f32>, f64), Box<dyn Error>> {
    let started = Instant::now();
    let output = run()?;
    Ok((output, milliseconds(started)))
}

fn milliseconds(since: Instant) -> f64 {
    since.elapsed().as_secs_f64() * 1e3
}

fn answer(document: &serde_json::Value) -> std::io::Result<()> {
    let mut out = std::io::stdout().lock();
    writeln!(out, "{document}")?;
    out.flush()
}
