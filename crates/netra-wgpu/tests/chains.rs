//! Element-wise steps that run as one give what they give one by one.
#![allow(clippy::print_stderr)]

use std::sync::Arc;

use netra_graph::{Activation, Backend, Binary, CompileOptions, DType, Kernel, ProgramBuilder, Tensor, Unary, eval};
use netra_testkit::golden;
use netra_wgpu::{AdapterSelector, WgpuBackend};

const SHAPES: [&[usize]; 5] = [&[2, 3, 4, 5], &[1, 3, 1, 1], &[5], &[2, 1, 4, 1], &[1]];

/// A small generator of numbers below `n`.
fn numbers(seed: u64) -> impl FnMut(usize) -> usize {
    let mut state = seed;
    move |n| {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 33) as usize % n
    }
}

#[test]
fn random_chains_agree_with_the_oracle() {
    let opened = WgpuBackend::open(AdapterSelector::Any).inspect_err(|e| eprintln!("skipped: {e}"));
    let Ok(backend) = opened else { return };
    for seed in 1..60 {
        let mut below = numbers(seed);
        let mut b = ProgramBuilder::new();
        let inputs: Vec<_> = SHAPES.iter().map(|shape| b.input("x", DType::F32, shape)).collect();
        let mut made = vec![inputs[0]];
        for i in 0..3 + below(9) {
            // Mostly what was made last, so that chains are long; sometimes something older, which ends one.
            let x = if below(5) == 0 { made[below(made.len())] } else { made[made.len() - 1] };
            let side = inputs[below(inputs.len())];
            let (kernel, operands) = match below(7) {
                0 => (Kernel::Unary(Unary::Activation(Activation::LeakyRelu(0.1 + i as f32 * 0.1))), vec![x]),
                1 => (Kernel::Unary(Unary::Tanh), vec![x]),
                2 => (Kernel::Unary(Unary::HardSigmoid(0.2, 0.1 * i as f32)), vec![x]),
                3 => (Kernel::Binary(Binary::Sub), vec![x, side]),
                4 => (Kernel::Binary(Binary::Sub), vec![side, x]),
                5 => (Kernel::Binary(Binary::Max), vec![x, made[below(made.len())]]),
                _ => (Kernel::Binary(Binary::Mul), vec![side, x]),
            };
            let operands: Vec<_> = operands.into_iter().map(Some).collect();
            made.push(b.step(&format!("s{i}"), kernel, &operands, DType::F32, SHAPES[0]));
        }
        let outputs = vec![made[made.len() - 1], made[made.len() / 2]];
        let program = Arc::new(b.finish(outputs));
        let values: Vec<Tensor> = SHAPES
            .iter()
            .map(|shape| {
                let n = shape.iter().product();
                Tensor::from_f32(shape.to_vec(), (0..n).map(|_| below(200) as f32 / 100.0 - 1.0).collect())
            })
            .collect::<Result<_, _>>()
            .expect("inputs");
        let views: Vec<_> = values.iter().map(Tensor::view).collect();
        let want = eval::run(&program, &views).expect("the oracle runs");
        let executable = backend.compile(program, &CompileOptions::default()).expect("compiles");
        for (got, want) in executable.run(&views).expect("runs").iter().zip(&want) {
            let error = golden::compare(got.view(), want.view()).relative();
            assert!(error < 1e-6, "seed {seed}: {error:e}");
        }
    }
}
