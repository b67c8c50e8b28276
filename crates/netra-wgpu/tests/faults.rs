//! What is wrong with a model or an adapter shows in the answer or in an error, and the backend goes on working.
//!
//! | fault | what comes of it | where it is tested |
//! | --- | --- | --- |
//! | no driver; no adapter; no adapter of this index | `Backend`: what was looked for, what is there | `absent.rs` |
//! | an adapter that does not come up | `Backend` with the reason | `absent.rs` |
//! | lost in the middle of a run | `Backend`, then and at once for each later run and compilation | `src/fault/tests.rs` |
//! | lost earlier in this process, opened again | `Backend` at opening | `src/fault/tests.rs` |
//! | memory runs out | `Limit`; what fits still runs | `src/fault/tests.rs` |
//! | the driver refuses a buffer | `Limit`; what fits still runs | `src/fault/tests.rs` |
//! | the driver refuses a kernel: too many buffers, too large a workgroup | `Unsupported` | `src/fault/tests.rs` |
//! | a panic of burn or wgpu | `Backend`, of memory `Limit` | `src/fault/tests.rs` |
//! | limits too small for a channel, or for a value that has no channels | `Unsupported`, by name | here |
//! | an output wider than the adapter binds | comes in parts, with the same numbers | here |
//! | NaN or infinity in weights of a convolution, a product, a normalisation | shows in what they reach, and nowhere else | here |
//! | NaN in an input | shows in what it reaches, and nowhere else | here |
//! | a run that is given up; an executable or a backend that is dropped | no other run notices | here |
//! | one adapter opened by several threads, or processes | each gets its own right results | here |
//! | steps that do not fit together; wrong inputs of a run | `Unsupported` by name; `InvalidInput` | `misfits.rs` |
#![allow(clippy::print_stderr)]

use std::process::Command;
use std::sync::{Arc, Barrier};

use netra_graph::{
    Backend, CompileOptions, Conv, DType, ErrorKind, Kernel, Program, ProgramBuilder, Tensor, TensorView, Unary, eval,
};
use netra_wgpu::{AdapterSelector, WgpuBackend};

fn backend() -> Option<WgpuBackend> {
    WgpuBackend::open(AdapterSelector::Any).inspect_err(|e| eprintln!("skipped: {e}")).ok()
}

fn ramp(shape: &[usize]) -> Tensor {
    let n = shape.iter().product();
    Tensor::from_f32(shape.to_vec(), (0..n).map(|i: usize| (i * 7 % 13) as f32 / 13.0 - 0.4).collect())
        .expect("a tensor")
}

/// A convolution whose weights hold `value` once, in the filter of channel 1.
fn program(value: f32) -> Arc<Program> {
    let mut b = ProgramBuilder::new();
    let x = b.input("x", DType::F32, &[1, 2, 9, 9]);
    let mut weights = ramp(&[3, 2, 3, 3]).as_f32().expect("float32").to_vec();
    weights[20] = value;
    let w = b.constant("w", Tensor::from_f32([3, 2, 3, 3], weights).expect("weights"));
    let conv = Conv { strides: vec![1; 2], pads: vec![(1, 1); 2], dilations: vec![1; 2], groups: 1, activation: None };
    let y = b.step("conv", Kernel::Conv(conv), &[Some(x), Some(w)], DType::F32, &[1, 3, 9, 9]);
    Arc::new(b.finish(vec![y]))
}

/// A weight that is not a number, or none that is finite, spoils its own channel and no other; nothing hides it.
#[test]
fn weights_that_are_not_finite_show_in_their_channel() {
    let Some(backend) = backend() else { return };
    for value in [f32::NAN, f32::INFINITY] {
        let program = program(value);
        let x = ramp(&[1, 2, 9, 9]);
        let want = eval::run(&program, &[x.view()]).expect("the oracle runs").remove(0);
        let executable = backend.compile(program, &CompileOptions::default()).expect("compiles");
        let got = executable.run(&[x.view()]).expect("runs").remove(0);
        let (got, want) = (got.as_f32().expect("float32"), want.as_f32().expect("float32"));
        for (i, (a, b)) in got.iter().zip(want).enumerate() {
            // At the edges the weight may meet a zero of the padding: their product is a matter of taste.
            let own = (81..162).contains(&i);
            assert!(own || a.is_finite(), "{value}, element {i} of another channel: {a}");
            assert!(b.is_finite() || !a.is_finite(), "{value}, element {i}: {a} hides {b}");
            assert!(!a.is_finite() || (a - b).abs() < 1e-4, "{value}, element {i}: {a} and {b}");
        }
    }
}

/// Runs on the backend, and holds what comes against the oracle: finite where that is, and near it.
fn shows(backend: &WgpuBackend, program: Program, x: TensorView<'_>, spoiled: usize) {
    let program = Arc::new(program);
    let want = eval::run(&program, &[x]).expect("the oracle runs").remove(0);
    let executable = backend.compile(program, &CompileOptions::default()).expect("compiles");
    let got = executable.run(&[x]).expect("runs").remove(0);
    let (got, want) = (got.as_f32().expect("float32"), want.as_f32().expect("float32"));
    assert_eq!(want.iter().filter(|v| !v.is_finite()).count(), spoiled, "as many as the fault reaches");
    for (i, (a, b)) in got.iter().zip(want).enumerate() {
        assert_eq!(a.is_finite(), b.is_finite(), "element {i}: {a} and {b}");
        assert!(!a.is_finite() || (a - b).abs() < 1e-4, "element {i}: {a} and {b}");
    }
}

#[test]
fn weights_that_are_not_finite_show_in_their_column() {
    let Some(backend) = backend() else { return };
    let mut weights = ramp(&[8, 5]).as_f32().expect("float32").to_vec();
    weights[3 * 5 + 2] = f32::NAN;
    let mut b = ProgramBuilder::new();
    let x = b.input("x", DType::F32, &[6, 8]);
    let w = b.constant("w", Tensor::from_f32([8, 5], weights).expect("weights"));
    let product = Kernel::MatMul { trans_a: false, trans_b: false, alpha: 1.0 };
    let y = b.step("product", product, &[Some(x), Some(w)], DType::F32, &[6, 5]);
    shows(&backend, b.finish(vec![y]), ramp(&[6, 8]).view(), 6);
}

#[test]
fn scales_that_are_not_finite_show_in_their_channel() {
    let Some(backend) = backend() else { return };
    let mut b = ProgramBuilder::new();
    let x = b.input("x", DType::F32, &[1, 3, 4, 4]);
    let scale = b.constant("scale", Tensor::from_f32([3], vec![1.0, f32::NAN, 2.0]).expect("a scale"));
    let shift = b.constant("shift", Tensor::from_f32([3], vec![0.1; 3]).expect("a shift"));
    let norm = Kernel::InstanceNormalization { epsilon: 1e-5, activation: None };
    let y = b.step("norm", norm, &[Some(x), Some(scale), Some(shift)], DType::F32, &[1, 3, 4, 4]);
    shows(&backend, b.finish(vec![y]), ramp(&[1, 3, 4, 4]).view(), 16);
}

/// The pipeline refuses scans that hold such values; a bare network lets them through.
#[test]
fn inputs_that_are_not_a_number_show_in_what_they_reach() {
    let Some(backend) = backend() else { return };
    let mut values = ramp(&[1, 2, 9, 9]).as_f32().expect("float32").to_vec();
    values[4 * 9 + 4] = f32::NAN;
    let x = Tensor::from_f32([1, 2, 9, 9], values).expect("an input");
    // Nine pixels see it, in each of three channels.
    shows(&backend, Arc::unwrap_or_clone(program(0.5)), x.view(), 27);
    let mut b = ProgramBuilder::new();
    let rows = b.input("x", DType::F32, &[18, 9]);
    let y = b.step("softmax", Kernel::Softmax { axis: 1, log: false }, &[Some(rows)], DType::F32, &[18, 9]);
    let x = x.reshaped([18, 9]).expect("as many elements");
    shows(&backend, b.finish(vec![y]), x.view(), 9);
}

/// An adapter that binds less than one channel refuses the program by name, and runs others.
#[test]
fn limits_that_are_too_small_are_an_error() {
    let Some(backend) = backend() else { return };
    let small = backend.with_max_buffer_bytes(64);
    let error = small.compile(program(1.0), &CompileOptions::default()).err().expect("refused");
    assert_eq!(error.kind(), ErrorKind::Unsupported);
    assert!(error.to_string().contains("one channel is larger than the 64 bytes"), "{error}");
    let mut b = ProgramBuilder::new();
    let x = b.input("x", DType::F32, &[1, 2, 3]);
    let y = b.step("exp", Kernel::Unary(Unary::Exp), &[Some(x)], DType::F32, &[1, 2, 3]);
    let executable = small.compile(Arc::new(b.finish(vec![y])), &CompileOptions::default()).expect("compiles");
    executable.run(&[ramp(&[1, 2, 3]).view()]).expect("runs");
}

/// A run that is refused, or given up before it has been read back, leaves the executable as it was.
#[test]
fn a_run_that_is_dropped_spoils_no_other() {
    let Some(backend) = backend() else { return };
    let executable = backend.compile(program(0.5), &CompileOptions::default()).expect("compiles");
    let x = ramp(&[1, 2, 9, 9]);
    let want = executable.run(&[x.view()]).expect("runs");
    for _ in 0..3 {
        drop(executable.submit(&[x.view()]));
        assert!(executable.run(&[ramp(&[1, 2, 9, 8]).view()]).is_err());
        assert_eq!(executable.run(&[x.view()]).expect("runs"), want);
    }
}

fn exp(shape: &[usize]) -> Arc<Program> {
    let mut b = ProgramBuilder::new();
    let x = b.input("x", DType::F32, shape);
    let y = b.step("exp", Kernel::Unary(Unary::Exp), &[Some(x)], DType::F32, shape);
    Arc::new(b.finish(vec![y]))
}

#[test]
fn outputs_that_are_wider_than_the_limit_come_in_parts() {
    let Some(whole) = backend() else { return };
    let Some(small) = backend().map(|b| b.with_max_buffer_bytes(64)) else { return };
    let x = ramp(&[2, 50]);
    let run = |backend: &WgpuBackend| {
        let executable = backend.compile(exp(&[2, 50]), &CompileOptions::default()).expect("compiles");
        executable.run(&[x.view()]).expect("runs")
    };
    assert_eq!(run(&small), run(&whole));
    let error = small.compile(exp(&[100]), &CompileOptions::default()).err().expect("nothing to cut it along");
    assert_eq!(error.kind(), ErrorKind::Unsupported);
}

#[test]
fn what_is_dropped_takes_nothing_with_it() {
    let Some(backend) = backend() else { return };
    let compile = || backend.compile(exp(&[4, 8]), &CompileOptions::default()).expect("compiles");
    let (first, second) = (compile(), compile());
    let x = ramp(&[4, 8]);
    let want = first.run(&[x.view()]).expect("runs");
    drop(first);
    assert_eq!(second.run(&[x.view()]).expect("runs"), want);
    drop(backend);
    assert_eq!(second.run(&[x.view()]).expect("runs"), want);
}

/// Threads that open, compile and run at the same moment.
#[test]
fn threads_may_open_the_same_adapter() {
    if backend().is_none() {
        return;
    }
    let together = Barrier::new(3);
    std::thread::scope(|scope| {
        for i in 0..3 {
            let together = &together;
            scope.spawn(move || {
                together.wait();
                let backend = backend().expect("it was there a moment ago");
                let shape = [1, 10 + i];
                let executable = backend.compile(exp(&shape), &CompileOptions::default()).expect("compiles");
                let x = ramp(&shape);
                let want: Vec<f32> = x.as_f32().expect("float32").iter().map(|v| v.exp()).collect();
                let got = executable.run(&[x.view()]).expect("runs").remove(0);
                let near = got.as_f32().expect("float32").iter().zip(&want).all(|(a, b)| (a - b).abs() < 1e-5);
                assert!(near, "thread {i}: {got:?}");
            });
        }
    });
}

/// Processes that do the same, three at a time.
#[test]
fn processes_may_open_the_same_adapter() {
    let binary = std::env::current_exe().expect("a path");
    let start = || Command::new(&binary).args(["--exact", "threads_may_open_the_same_adapter"]).spawn();
    let children: Vec<_> = (0..3).map(|_| start().expect("the test binary starts")).collect();
    for mut child in children {
        assert!(child.wait().expect("it ends").success());
    }
}
