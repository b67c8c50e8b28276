//! Transposed convolutions whose kernel is their stride, against the reference evaluator.

mod layer;

use std::sync::Arc;

use layer::tensor;
use netra_cpu::{CpuBackend, InstructionSet};
use netra_graph::{Activation, Backend, CompileOptions, ConvTranspose, DType, Kernel, Program, ProgramBuilder, eval};

/// Input, filters and kernel; the filters are shared among `groups`.
struct Case(&'static [usize], usize, &'static [usize], usize);

fn program(&Case(x, filters, kernel, groups): &Case) -> Program {
    let rank = kernel.len();
    let mut out = vec![x[0], filters];
    out.extend(x[2..].iter().zip(kernel).map(|(size, k)| size * k));
    let weight = [vec![x[1], filters / groups], kernel.to_vec()].concat();
    let mut b = ProgramBuilder::new();
    let mut ids = vec![Some(b.input("x", DType::F32, x)), Some(b.constant("w", tensor(&weight, 1)))];
    if filters % 2 == 0 {
        ids.push(Some(b.constant("b", tensor(&[filters], 2))));
    }
    let kernel = Kernel::ConvTranspose(ConvTranspose {
        strides: kernel.to_vec(),
        pads: vec![(0, 0); rank],
        dilations: vec![1; rank],
        groups,
        activation: (filters % 3 == 0).then_some(Activation::LeakyRelu(0.01)),
    });
    let id = b.step("up", kernel, &ids, DType::F32, &out);
    b.finish(vec![id])
}

/// Rows shorter and longer than a register tile, blocks of filters and chunks that are not whole, several units.
#[test]
fn kernels_that_are_their_stride() {
    let cases = [
        Case(&[1, 64, 6, 7, 48], 32, &[2, 2, 2], 1),
        Case(&[2, 19, 5, 3, 6], 9, &[2, 2, 2], 1),
        Case(&[1, 100, 3, 3, 3], 130, &[2, 2, 2], 1),
        Case(&[1, 300, 2, 31, 33], 5, &[1, 2, 2], 1),
        Case(&[1, 8, 4, 5, 17], 6, &[2, 2, 1], 1),
        Case(&[1, 7, 40, 50], 11, &[2, 2], 1),
        Case(&[2, 12, 9, 10], 18, &[2, 2], 3),
        Case(&[1, 5, 14, 13], 4, &[3, 3], 1),
        Case(&[1, 5, 11, 12], 3, &[4, 4], 1),
        Case(&[1, 3, 4, 21], 2, &[16, 16], 1),
        Case(&[1, 3, 4, 5], 2, &[17, 17], 1),
        Case(&[1, 6, 37], 5, &[5], 1),
    ];
    for case in &cases {
        let what = format!("{:?} to {} by {:?}", case.0, case.1, case.2);
        let program = Arc::new(program(case));
        let x = tensor(case.0, 9);
        let expected = eval::run(&program, &[x.view()]).expect("the reference runs").remove(0);
        let expected = expected.as_f32().expect("float32");
        let range = expected.iter().fold(0.0f32, |m, v| m.max(v.abs()));
        for set in InstructionSet::available() {
            let run = |threads| {
                let backend = CpuBackend::with_isa(set, Some(threads)).expect("a backend");
                let executable = backend.compile(program.clone(), &CompileOptions::default()).expect(&what);
                executable.run(&[x.view()]).expect(&what).remove(0)
            };
            let (one, two) = (run(1), run(2));
            let (one, two) = (one.as_f32().expect(&what), two.as_f32().expect(&what));
            assert!(one == two, "{what} on {set}: the number of threads shows");
            let worst = expected.iter().zip(one).fold(0.0f32, |m, (a, b)| m.max((a - b).abs()));
            assert!(worst <= 2e-6 * range, "{what} on {set}: {worst:e} of {range}");
        }
    }
}
