//! One network on one backend, compared with its reference.

use std::sync::Arc;
use std::time::Instant;

use netra_graph::npz::Npz;
use netra_graph::{Backend, CompileOptions, Data, Precision, Tensor, onnx};

use crate::{Case, Errors, Outcome, Result, Run};

/// The backend of a name: `cpu`, or `wgpu` on any adapter.
pub fn backend(name: &str) -> Result<Box<dyn Backend>> {
    match name {
        "cpu" => Ok(Box::new(netra_cpu::CpuBackend::new(None)?)),
        #[cfg(feature = "wgpu")]
        "wgpu" => Ok(Box::new(netra_wgpu::WgpuBackend::open(netra_wgpu::AdapterSelector::Any)?)),
        _ => Err(format!("no backend '{name}' in this build").into()),
    }
}

/// Loads, runs and compares. Errors are those of the case itself (no reference, shapes that differ); what Netra refuses
/// is an [`Outcome`].
pub fn measure(case: &Case, backend: &dyn Backend, precision: Precision) -> Result<Outcome> {
    let npz = Npz::open(&case.folder.join("case.npz"))?;
    let input = npz.tensor("input")?;

    let start = Instant::now();
    let graph = match onnx::read(&case.folder.join("model.onnx"), &onnx::ReadOptions::default()) {
        Ok(graph) => graph,
        Err(e) => return Ok(Outcome::NotLoaded(chain(&e))),
    };
    let read = start.elapsed().as_secs_f64();
    let operators = graph.nodes.len();

    let start = Instant::now();
    let program = match graph.specialise(&[input.shape().to_vec()]) {
        Ok(program) => Arc::new(program),
        Err(e) => return Ok(Outcome::NotLoaded(chain(&e))),
    };
    let specialise = start.elapsed().as_secs_f64();
    let steps = program.steps.len();
    drop(graph);

    let start = Instant::now();
    let executable = match backend.compile(program, &CompileOptions::default().precision(precision)) {
        Ok(executable) => executable,
        Err(e) => return Ok(Outcome::NotRun(chain(&e))),
    };
    let compile = start.elapsed().as_secs_f64();

    let start = Instant::now();
    let outputs = match executable.run(&[input.view()]) {
        Ok(outputs) => outputs,
        Err(e) => return Ok(Outcome::NotRun(chain(&e))),
    };
    let run = start.elapsed().as_secs_f64();

    let mut errors = Errors { max: 0.0, p999: 0.0 };
    for (i, output) in outputs.iter().enumerate() {
        let e = compare(output, &npz.tensor(&format!("ref_{i}"))?).map_err(|e| format!("output {i}: {e}"))?;
        errors = Errors { max: errors.max.max(e.max), p999: errors.p999.max(e.p999) };
    }
    let input = input.shape().to_vec();
    Ok(Outcome::Ran(Run { errors, read, specialise, compile, run, input, operators, steps }))
}

/// A float32 output beside its float64 reference.
fn compare(got: &Tensor, want: &Tensor) -> Result<Errors> {
    let (Some(ours), Data::F64(reference)) = (got.as_f32(), want.data()) else {
        return Err(format!("{} beside a reference of {}", got.dtype(), want.dtype()).into());
    };
    if got.shape() != want.shape() {
        return Err(format!("{:?} beside a reference of {:?}", got.shape(), want.shape()).into());
    }
    let low = reference.iter().copied().fold(f64::INFINITY, f64::min);
    let high = reference.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    // What is not finite here counts as infinitely wrong.
    let error = |(&a, &b): (&f32, &f64)| (f64::from(a) - b).abs() / (high - low);
    let mut sorted: Vec<f64> = ours.iter().zip(reference).map(error).collect();
    sorted.iter_mut().filter(|e| e.is_nan()).for_each(|e| *e = f64::INFINITY);
    sorted.sort_by(f64::total_cmp);
    // Interpolated as NumPy does.
    let at = 0.999 * sorted.len().saturating_sub(1) as f64;
    let value = |i: usize| sorted.get(i).or(sorted.last()).copied().unwrap_or(f64::INFINITY);
    let (below, part) = (at.floor() as usize, at.fract());
    let p999 = if part > 0.0 { value(below) * (1.0 - part) + value(below + 1) * part } else { value(below) };
    Ok(Errors { max: value(usize::MAX), p999 })
}

/// An error with all its causes.
fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut next = error.source();
    while let Some(cause) = next {
        text = format!("{text}: {cause}");
        next = cause.source();
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn errors_are_shares_of_the_range() {
        let want: Vec<f64> = (0..2001).map(|i| f64::from(i) / 1000.0).collect();
        let mut ours: Vec<f32> = want.iter().map(|&x| x as f32).collect();
        ours[7] += 0.5;
        ours[8] += 0.25;
        ours[9] += 0.125;
        let got = Tensor::from_f32([2001], ours).unwrap();
        let e = compare(&got, &Tensor::new([2001], Data::F64(want)).unwrap()).unwrap();
        assert!((e.max - 0.25).abs() < 1e-6, "{e:?}");
        assert!((e.p999 - 0.0625).abs() < 1e-6, "{e:?}");
    }

    #[test]
    fn what_is_not_a_number_is_infinitely_wrong() {
        let got = Tensor::from_f32([2], vec![f32::NAN, 1.0]).unwrap();
        let want = Tensor::new([2], Data::F64(vec![0.0, 1.0])).unwrap();
        assert_eq!(compare(&got, &want).unwrap().max, f64::INFINITY);
        let other = Tensor::new([1, 2], Data::F64(vec![0.0, 1.0])).unwrap();
        assert!(compare(&got, &other).is_err());
    }
}
