//! Normalisation and scaling that convolutions apply where they read, against programs whose normalised tensor is an output,
//! and so written out.

mod layer;

use std::sync::Arc;

use layer::tensor;
use netra_cpu::{CpuBackend, InstructionSet};
use netra_graph::{
    Activation, Backend, Binary, CompileOptions, Conv, DType, Kernel, Program, ProgramBuilder, Reduction, ValueId, eval,
};

/// What comes before the convolution.
#[derive(Clone, Copy, Debug)]
enum Before {
    Instance,
    Groups,
    /// A batch normalisation that no convolution precedes.
    Batch,
    /// Squeeze and excitation.
    Scale,
}

fn conv(rank: usize, size: usize, groups: usize, activation: Option<Activation>) -> Kernel {
    let pads = vec![(size / 2, size / 2); rank];
    Kernel::Conv(Conv { strides: vec![1; rank], pads, dilations: vec![1; rank], groups, activation })
}

/// A convolution with a residual of what `before` makes; that is an output too when `seen`.
fn program(shape: &[usize], size: usize, filters: usize, before: Before, seen: bool) -> Program {
    let (rank, channels) = (shape.len() - 2, shape[1]);
    let activation = Some(Activation::LeakyRelu(0.1));
    let mut b = ProgramBuilder::new();
    let x = b.input("x", DType::F32, shape);
    let (scale, bias) = (b.constant("s", tensor(&[channels], 1)), b.constant("b", tensor(&[channels], 2)));
    let (one, many) = (vec![1; rank], vec![size; rank]);
    let normalised: ValueId = match before {
        Before::Instance => {
            let kernel = Kernel::InstanceNormalization { epsilon: 1e-5, activation };
            b.step("norm", kernel, &[Some(x), Some(scale), Some(bias)], DType::F32, shape)
        }
        Before::Groups => {
            let kernel = Kernel::GroupNormalization { groups: 4, epsilon: 1e-5, activation };
            b.step("norm", kernel, &[Some(x), Some(scale), Some(bias)], DType::F32, shape)
        }
        Before::Batch => {
            let weight = b.constant("f", tensor(&[&[channels, 1], one.as_slice()].concat(), 3));
            let kernel = conv(rank, 1, channels, activation);
            b.step("norm", kernel, &[Some(x), Some(weight), Some(bias)], DType::F32, shape)
        }
        Before::Scale => {
            let mean = Kernel::Reduce { reduction: Reduction::Mean, axes: (2..shape.len()).collect() };
            let means = b.step("mean", mean, &[Some(x)], DType::F32, &[&shape[..2], one.as_slice()].concat());
            b.step("norm", Kernel::Binary(Binary::Mul), &[Some(x), Some(means)], DType::F32, shape)
        }
    };
    let out = [&[shape[0], filters], &shape[2..]].concat();
    let weight = b.constant("w", tensor(&[&[filters, channels], many.as_slice()].concat(), 4));
    let residual = b.constant("r", tensor(&out, 5));
    let inputs = [Some(normalised), Some(weight), None, Some(residual)];
    let y = b.step("conv", conv(rank, size, 1, Some(Activation::Relu)), &inputs, DType::F32, &out);
    b.finish(if seen { vec![y, normalised] } else { vec![y] })
}

#[test]
fn what_is_normalised_on_the_way_has_the_same_bits() {
    let shapes: [(&[usize], usize, usize); 5] = [
        (&[2, 32, 30, 41], 3, 24),
        (&[1, 24, 10, 20, 27], 3, 32),
        (&[2, 64, 33, 17], 1, 40),
        (&[1, 40, 7, 9, 11], 1, 64),
        (&[1, 128, 14, 14], 3, 128),
    ];
    let mut fused = 0;
    for (shape, size, filters) in shapes {
        for before in [Before::Instance, Before::Groups, Before::Batch, Before::Scale] {
            let hidden = Arc::new(program(shape, size, filters, before, false));
            let seen = Arc::new(program(shape, size, filters, before, true));
            let x = tensor(shape, 9);
            let expected = eval::run(&hidden, &[x.view()]).unwrap().remove(0);
            let expected = expected.as_f32().unwrap();
            let range = expected.iter().fold(0.0f32, |m, v| m.max(v.abs()));
            for set in InstructionSet::available() {
                for threads in [1, 2] {
                    let what = format!("{shape:?}, {size}, {before:?} on {set}, {threads} threads");
                    let backend = CpuBackend::with_isa(set, Some(threads)).unwrap();
                    let run = |program: &Arc<Program>| {
                        let executable = backend.compile(program.clone(), &CompileOptions::default()).unwrap();
                        let names: Vec<_> = executable.program().steps.iter().map(|s| s.kernel.name()).collect();
                        (executable.run(&[x.view()]).unwrap().remove(0), names.contains(&"NormalizedConv"))
                    };
                    let ((got, on_the_way), (written, never)) = (run(&hidden), run(&seen));
                    fused += usize::from(on_the_way);
                    assert!(!never, "{what}: an output was taken away");
                    assert_eq!(got, written, "{what}");
                    let got = got.as_f32().unwrap();
                    let worst = expected.iter().zip(got).fold(0.0f32, |m, (a, b)| m.max((a - b).abs()));
                    assert!(worst <= 2e-5 * range, "{what}: {worst:e} of {range}");
                }
            }
        }
    }
    assert!(fused > 0, "no convolution normalised what it read");
}
