//! What is wrong with a model or an adapter shows in the answer or in an error, and the backend goes on working.
#![allow(clippy::print_stderr)]

use std::sync::Arc;

use netra_graph::{Backend, CompileOptions, Conv, DType, ErrorKind, Kernel, Program, ProgramBuilder, Tensor, eval};
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
    let y = b.step("exp", Kernel::Unary(netra_graph::Unary::Exp), &[Some(x)], DType::F32, &[1, 2, 3]);
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
