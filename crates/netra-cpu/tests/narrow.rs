//! Convolutions in bfloat16 against the reference evaluator on operands that were rounded before: the products of rounded
//! operands are exact in float32, so that only the order of sums is left to differ.

mod layer;

use std::sync::Arc;

use layer::{Layer, tensor};
use netra_cpu::{CpuBackend, InstructionSet};
use netra_graph::{Backend, CompileOptions, Precision, Program, Tensor, eval};

/// To bfloat16 and back, ties to even.
fn rounded(t: &Tensor) -> Tensor {
    let round = |v: &f32| {
        let bits = v.to_bits();
        f32::from_bits((bits + 0x7fff + (bits >> 16 & 1)) & 0xffff_0000)
    };
    Tensor::from_f32(t.shape(), t.as_f32().expect("float32").iter().map(round).collect()).expect("the same shape")
}

fn run(program: &Arc<Program>, x: &Tensor, precision: Precision, threads: usize) -> Vec<f32> {
    let backend = CpuBackend::new(Some(threads)).expect("a backend");
    let executable =
        backend.compile(program.clone(), &CompileOptions::default().precision(precision)).expect("compiles");
    let first = executable.run(&[x.view()]).expect("runs").remove(0);
    let second = executable.run(&[x.view()]).expect("runs").remove(0);
    assert!(first.as_f32() == second.as_f32(), "two runs differ");
    first.as_f32().expect("float32").to_vec()
}

#[test]
fn products_are_of_rounded_operands() {
    // What the backend asks for, the system's permission apart.
    let flags = std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    if !["amx_bf16", "avx512_bf16"].iter().all(|f| flags.contains(f)) || InstructionSet::available().len() < 3 {
        println!("skipped: this processor has no AMX for bfloat16");
        return;
    }
    let plain = |x: &[usize], filters, kernel: &[usize], pad| Layer::new(x, filters, kernel, pad);
    let layers = [
        plain(&[1, 64, 12, 20, 22], 64, &[3, 3, 3], 1),
        plain(&[1, 32, 16, 30, 31], 21, &[3, 3, 3], 1),
        plain(&[2, 40, 10, 13, 14], 33, &[3, 3, 3], 1),
        plain(&[1, 96, 28, 28], 100, &[1, 1], 0),
        plain(&[1, 256, 14, 14], 64, &[3, 3], 1),
        plain(&[1, 64, 37, 45], 17, &[3, 3], 0),
        plain(&[1, 64, 900], 64, &[5], 2),
        Layer { residual: true, ..plain(&[1, 64, 12, 20, 22], 48, &[3, 3, 3], 1) },
        Layer { stride: 2, ..plain(&[1, 64, 17, 24, 25], 96, &[3, 3, 3], 1) },
        Layer { stride: 2, ..plain(&[1, 64, 57, 56], 96, &[1, 1], 0) },
        Layer { dilation: 2, ..plain(&[1, 32, 20, 21, 33], 32, &[3, 3, 3], 2) },
        Layer { dilation: 4, ..plain(&[1, 64, 40, 41], 64, &[3, 3], 4) },
        Layer { groups: 2, ..plain(&[1, 128, 24, 23], 128, &[3, 3], 1) },
    ];
    for layer in layers {
        let program = layer.program();
        let x = tensor(&layer.x, 9);
        let mut of_rounded = program.clone();
        for value in &mut of_rounded.values {
            if value.name == "w" {
                value.constant = value.constant.as_ref().map(|w| Arc::new(rounded(w)));
            }
        }
        let expected = eval::run(&of_rounded, &[rounded(&x).view()]).expect("the reference runs").remove(0);
        let expected = expected.as_f32().expect("float32");
        let range = expected.iter().fold(0.0f32, |m, v| m.max(v.abs()));
        let program = Arc::new(program);
        let one = run(&program, &x, Precision::Bf16, 1);
        let worst = expected.iter().zip(&one).fold(0.0f32, |m, (a, b)| m.max((a - b).abs()));
        assert!(worst <= 3e-6 * range, "{layer:?}: {worst:e} of {range}");
        assert!(one == run(&program, &x, Precision::Bf16, 2), "{layer:?}: two threads differ from one");
        assert!(one != run(&program, &x, Precision::Fast, 1), "{layer:?} ran in float32");
    }
}
