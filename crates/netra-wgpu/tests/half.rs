//! The half-precision mode: products of numbers that were rounded to 11 bits, summed as float32 is.
#![allow(clippy::print_stderr)]

use std::sync::Arc;

use half::f16;
use netra_graph::{Backend, CompileOptions, Kernel, Precision, Program, Tensor, TensorView, eval};
use netra_testkit::{golden, suite};
use netra_wgpu::{AdapterSelector, WgpuBackend};

/// How many tolerances of float32 an error may be: factors have 13 bits less, but their errors average out in the sums.
const ROUNDED: f64 = 1024.0;

/// A backend whose adapter knows half precision.
fn backend() -> Option<WgpuBackend> {
    let backend = WgpuBackend::open(AdapterSelector::Any).inspect_err(|e| eprintln!("skipped: {e}")).ok()?;
    let half = backend.adapter().features.contains(&"f16");
    assert_eq!(backend.precision(Precision::F16) == Precision::F16, half, "offered where the adapter has it");
    if !half {
        eprintln!("skipped: {} knows no half precision", backend.device().name);
    }
    half.then_some(backend)
}

fn rounded(tensor: &Tensor) -> Tensor {
    let round = |v: &f32| f16::from_f32(*v).to_f32();
    Tensor::from_f32(tensor.shape(), tensor.as_f32().expect("float32").iter().map(round).collect()).expect("a tensor")
}

fn compare(got: &[Tensor], want: &[Tensor]) -> f64 {
    got.iter().zip(want).map(|(g, w)| golden::compare(g.view(), w.view()).relative()).fold(0.0, f64::max)
}

fn run(backend: &WgpuBackend, program: &Program, inputs: &[TensorView<'_>], precision: Precision) -> Vec<Tensor> {
    let options = CompileOptions::default().precision(precision);
    let executable = backend.compile(Arc::new(program.clone()), &options).expect("compiles");
    executable.run(inputs).expect("runs")
}

/// What is off is the rounding of pixels and weights alone: rounded beforehand, the same convolution in float32 agrees as
/// closely as two sums do.
#[test]
fn only_factors_are_rounded() {
    let Some(backend) = backend() else { return };
    let mut narrower = 0;
    for case in suite::cases() {
        let [step] = case.program.steps.as_slice() else { continue };
        let Kernel::Conv(conv) = &step.kernel else { continue };
        let views: Vec<TensorView<'_>> = case.inputs.iter().map(Tensor::view).collect();
        let got = run(&backend, &case.program, &views, Precision::F16);
        let error = compare(&got, &eval::run(&case.program, &views).expect("the oracle runs"));
        assert!(error <= ROUNDED * case.tolerance, "{}: {error:e}", case.name);
        if conv.groups > 1 {
            assert!(error <= case.tolerance, "{}: groups are multiplied in float32: {error:e}", case.name);
            continue;
        }
        narrower += usize::from(error > case.tolerance);
        let mut program = case.program.clone();
        let weight = step.inputs[1].expect("weights").index();
        let value = program.values[weight].constant.as_deref().map(rounded).expect("a constant");
        program.values[weight].constant = Some(Arc::new(value));
        let inputs: Vec<Tensor> =
            case.inputs.iter().enumerate().map(|(i, x)| if i == 0 { rounded(x) } else { x.clone() }).collect();
        // The residual is read as it is.
        let views: Vec<TensorView<'_>> = inputs.iter().map(Tensor::view).collect();
        let error = compare(&got, &eval::run(&program, &views).expect("the oracle runs"));
        assert!(error <= case.tolerance, "{}: {error:e} from rounded factors", case.name);
    }
    assert!(narrower > 40, "only {narrower} cases show that they ran in half precision");
}

/// The other kinds of steps, and whole programs, stay within what rounded factors explain.
#[test]
fn the_rest_stays_near() {
    let Some(backend) = backend() else { return };
    for case in suite::cases().iter().filter(|case| case.name.starts_with("normalized-conv-")) {
        let views: Vec<TensorView<'_>> = case.inputs.iter().map(Tensor::view).collect();
        let got = run(&backend, &case.program, &views, Precision::F16);
        let error = compare(&got, &eval::run(&case.program, &views).expect("the oracle runs"));
        assert!(error <= ROUNDED * case.tolerance, "{}: {error:e}", case.name);
    }
}

/// Modes of narrow numbers that adapters lack run in float32, and the backend says so.
#[test]
fn what_an_adapter_lacks_is_float32() {
    let Some(backend) = backend() else { return };
    for (asked, runs) in [(Precision::Bf16, Precision::Fast), (Precision::Int8, Precision::Fast)] {
        assert_eq!(backend.precision(asked), runs);
    }
    assert_eq!(backend.precision(Precision::Exact), Precision::Exact);
}
