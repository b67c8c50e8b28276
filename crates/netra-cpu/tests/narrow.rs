//! Layers in bfloat16 and in bytes against the reference evaluator: on operands that were rounded before, where only the order
//! of float32 sums is left to differ, and on the operands themselves, within what the formats promise.

mod layer;

use std::sync::Arc;

use layer::{Layer, tensor};
use netra_cpu::{CpuBackend, InstructionSet};
use netra_graph::{
    Activation, Backend, CompileOptions, ConvTranspose, DType, Kernel, Precision, Program, ProgramBuilder, Ranges,
    Tensor, eval,
};

fn map(t: &Tensor, f: impl Fn(f32) -> f32) -> Tensor {
    Tensor::from_f32(t.shape(), floats(t).iter().map(|&v| f(v)).collect()).expect("the same shape")
}

fn floats(t: &Tensor) -> &[f32] {
    t.as_f32().expect("float32")
}

/// To bfloat16 and back, ties to even.
fn bf16(v: f32) -> f32 {
    let bits = v.to_bits();
    f32::from_bits((bits + 0x7fff + (bits >> 16 & 1)) & 0xffff_0000)
}

/// Bytes for values within `low..high` and back: the step between neighbours, and the rounding.
fn bytes(low: f32, high: f32) -> (f32, impl Fn(f32) -> f32) {
    let scale = (high.max(0.0) - low.min(0.0)) / 255.0;
    let zero = (-low.min(0.0) / scale).round();
    (scale, move |v: f32| scale * (v.mul_add(scale.recip(), zero).round_ties_even().clamp(0.0, 255.0) - zero))
}

/// Where the weights of an output channel are: `[outer][channel][inner]` with these sizes.
type Channels = [usize; 3];

/// The step between neighbouring weights of each output channel.
fn steps(w: &Tensor, [outer, channels, inner]: Channels) -> Vec<f32> {
    let most = |c: usize| {
        (0..outer * inner).fold(0.0f32, |m, i| m.max(floats(w)[(i / inner * channels + c) * inner + i % inner].abs()))
    };
    (0..channels).map(|c| most(c) / 127.0).collect()
}

/// Each weight with the step of its output channel.
fn map_weights(w: &Tensor, channels: Channels, f: impl Fn(f32, f32) -> f32) -> Tensor {
    let steps = steps(w, channels);
    let values = floats(w).iter().enumerate().map(|(i, &v)| f(v, steps[i / channels[2] % channels[1]])).collect();
    Tensor::from_f32(w.shape(), values).expect("the same shape")
}

/// The program's output, as the reference evaluator has it, with other weights; `bare` leaves bias and residual out.
fn expected(program: &Program, x: &Tensor, weights: impl Fn(&Tensor) -> Tensor, bare: bool) -> Vec<f32> {
    let mut program = program.clone();
    for value in &mut program.values {
        value.constant = value.constant.as_ref().map(|t| match value.name.as_str() {
            "w" => Arc::new(weights(t)),
            _ if bare => Arc::new(map(t, |_| 0.0)),
            _ => t.clone(),
        });
    }
    floats(&eval::run(&program, &[x.view()]).expect("the reference runs")[0]).to_vec()
}

fn run(program: &Arc<Program>, x: &Tensor, precision: Precision, threads: usize) -> Vec<f32> {
    let backend = CpuBackend::new(Some(threads)).expect("a backend");
    let mut ranges = Ranges::default();
    ranges.measure(&backend, program, &[x.view()]).expect("the ranges are measured");
    let options = CompileOptions::default().precision(precision).ranges(Some(&ranges));
    let executable = backend.compile(program.clone(), &options).expect("compiles");
    let first = executable.run(&[x.view()]).expect("runs").remove(0);
    let second = executable.run(&[x.view()]).expect("runs").remove(0);
    assert!(floats(&first) == floats(&second), "two runs differ");
    floats(&first).to_vec()
}

/// Whether the processor has a mode, as its own description says.
fn has(precision: Precision) -> bool {
    let flag = if precision == Precision::Int8 { "avx512_vnni" } else { "avx512_bf16" };
    let flags = std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let has = flags.contains(flag) && InstructionSet::available().len() == 3;
    let backend = CpuBackend::new(Some(1)).expect("a backend");
    assert_eq!(backend.precision(precision), if has { precision } else { Precision::Fast });
    has
}

/// Runs a program of one layer in a mode, compares, and tells whether it ran in narrow numbers: where they are not expected
/// to be faster, layers stay in float32.
fn check(what: &str, program: Program, x: &Tensor, channels: Channels, precision: Precision) -> bool {
    let (low, high) = floats(x).iter().fold((0.0f32, 0.0f32), |(low, high), &v| (low.min(v), high.max(v)));
    let (step, to_bytes) = bytes(low, high);
    // The output of rounded operands, and how far it may be from that of the operands.
    let (rounded, slack) = if precision == Precision::Int8 {
        let round = |w: &Tensor| map_weights(w, channels, |v, step| step * (v / step).round());
        let rounded = expected(&program, &map(x, to_bytes), round, false);
        // Half a step of each operand.
        let widened = |w: &Tensor| map_weights(w, channels, |v, step| v.abs() + step / 2.0);
        let most = expected(&program, &map(x, |v| v.abs() + step / 2.0), widened, true);
        let exact = expected(&program, &map(x, f32::abs), |w| map(w, f32::abs), true);
        (rounded, most.iter().zip(&exact).map(|(a, b)| a - b).collect::<Vec<f32>>())
    } else {
        let rounded = expected(&program, &map(x, bf16), |w| map(w, bf16), false);
        // Each operand to 2^-9 of itself.
        let sizes = expected(&program, &map(x, f32::abs), |w| map(w, f32::abs), true);
        (rounded, sizes.iter().map(|v| v / 255.0).collect())
    };
    let plain = expected(&program, x, Tensor::clone, false);
    let range = plain.iter().fold(0.0f32, |m, v| m.max(v.abs()));
    let program = Arc::new(program);
    let [one, two] = [1, 2].map(|threads| {
        let ours = run(&program, x, precision, threads);
        let near = |i: usize| (ours[i] - plain[i]).abs() <= slack[i] + 3e-6 * range;
        assert!((0..ours.len()).all(near), "{what} in {precision}: beyond the format's error");
        (ours != run(&program, x, Precision::Fast, threads)).then_some(ours)
    });
    // How many threads there are may decide which is faster, but not what narrow numbers add up to.
    let (Some(one), Some(two)) = (one, two) else { return false };
    assert!(one == two, "{what}: two threads differ from one");
    let worst = rounded.iter().zip(&one).fold(0.0f32, |m, (a, b)| m.max((a - b).abs()));
    assert!(worst <= 5e-6 * range, "{what} in {precision}: {worst:e} of {range}");
    true
}

fn layers() -> Vec<Layer> {
    let plain = |x: &[usize], filters, kernel: &[usize], pad| Layer::new(x, filters, kernel, pad);
    vec![
        plain(&[1, 64, 6, 13, 14], 64, &[3, 3, 3], 1),
        plain(&[1, 32, 9, 15, 17], 21, &[3, 3, 3], 1),
        plain(&[2, 40, 5, 13, 14], 33, &[3, 3, 3], 1),
        plain(&[1, 96, 28, 28], 100, &[1, 1], 0),
        plain(&[1, 160, 14, 14], 64, &[3, 3], 1),
        plain(&[1, 64, 27, 35], 17, &[3, 3], 0),
        plain(&[1, 64, 900], 64, &[5], 2),
        plain(&[1, 3, 65, 67], 32, &[7, 7], 3),
        plain(&[1, 21, 12, 17, 19], 21, &[5, 5, 5], 2),
        plain(&[1, 130, 7, 7], 70, &[5, 5], 2),
        Layer { residual: true, ..plain(&[1, 64, 6, 10, 11], 48, &[3, 3, 3], 1) },
        Layer { residual: true, ..plain(&[1, 64, 29, 22], 40, &[1, 1], 0) },
        Layer { stride: 2, ..plain(&[1, 64, 9, 16, 17], 50, &[3, 3, 3], 1) },
        Layer { stride: 2, ..plain(&[1, 64, 37, 36], 96, &[1, 1], 0) },
        Layer { stride: 3, ..plain(&[1, 33, 50, 51], 65, &[5, 5], 2) },
        Layer { dilation: 2, ..plain(&[1, 32, 9, 11, 13], 32, &[3, 3, 3], 2) },
        Layer { dilation: 4, ..plain(&[1, 64, 20, 21], 64, &[3, 3], 4) },
        Layer { dilation: 3, stride: 2, ..plain(&[1, 48, 40, 41], 64, &[3, 3], 3) },
        Layer { groups: 2, ..plain(&[1, 128, 14, 13], 128, &[3, 3], 1) },
        Layer { groups: 2, stride: 2, ..plain(&[1, 96, 24, 23], 80, &[3, 3], 1) },
    ]
}

#[test]
fn convolutions_are_of_rounded_operands() {
    for (precision, least) in [(Precision::Bf16, 10), (Precision::Int8, 18)] {
        if !has(precision) {
            println!("skipped: this processor has no instructions for {precision}");
            continue;
        }
        let mut narrow = 0;
        for layer in layers() {
            let channels = [1, layer.filters, layer.x[1] / layer.groups * layer.kernel.iter().product::<usize>()];
            let ran = check(&format!("{layer:?}"), layer.program(), &tensor(&layer.x, 9), channels, precision);
            narrow += usize::from(ran);
        }
        assert!(narrow >= least, "{narrow} layers in {precision}");
    }
}

/// A product with a constant matrix: plain, or transposed with a factor; with a bias.
fn product(rows: &[usize], k: usize, n: usize, trans_b: bool, alpha: f32) -> (Program, Tensor) {
    let mut b = ProgramBuilder::new();
    let (a, out) = ([rows, &[k]].concat(), [rows, &[n]].concat());
    let w = if trans_b { [n, k] } else { [k, n] };
    let ids = [
        Some(b.input("x", DType::F32, &a)),
        Some(b.constant("w", tensor(&w, 1))),
        Some(b.constant("b", tensor(&[n], 2))),
    ];
    let id = b.step("product", Kernel::MatMul { trans_a: false, trans_b, alpha }, &ids, DType::F32, &out);
    (b.finish(vec![id]), tensor(&a, 9))
}

#[test]
fn products_are_of_rounded_operands() {
    for precision in [Precision::Bf16, Precision::Int8] {
        if !has(precision) {
            println!("skipped: this processor has no instructions for {precision}");
            continue;
        }
        // A power of two as factor: rounding before it or behind it is the same.
        for (rows, k, n, trans_b, alpha) in [
            (&[97][..], 768, 200, false, 1.0),
            (&[2, 49], 96, 288, false, 1.0),
            (&[40], 1024, 500, true, 0.5),
            (&[200], 333, 77, true, 2.0),
            (&[500], 700, 33, false, 1.0),
        ] {
            let (program, x) = product(rows, k, n, trans_b, alpha);
            let channels = if trans_b { [1, n, k] } else { [k, n, 1] };
            let what = format!("{rows:?} x {k} x {n}");
            assert!(check(&what, program, &x, channels, precision), "{what} ran in float32");
        }
    }
}

/// A transposed convolution whose stride is its kernel, with bias and LeakyRelu.
fn upsampling(x: &[usize], filters: usize, factors: &[usize], groups: usize) -> (Program, Tensor) {
    let mut b = ProgramBuilder::new();
    let sizes = x[2..].iter().zip(factors).map(|(size, factor)| size * factor);
    let out: Vec<usize> = [x[0], filters].into_iter().chain(sizes).collect();
    let w = [&[x[1], filters / groups], factors].concat();
    let ids = [
        Some(b.input("x", DType::F32, x)),
        Some(b.constant("w", tensor(&w, 1))),
        Some(b.constant("b", tensor(&[filters], 2))),
    ];
    let kernel = Kernel::ConvTranspose(ConvTranspose {
        strides: factors.to_vec(),
        pads: vec![(0, 0); factors.len()],
        dilations: vec![1; factors.len()],
        groups,
        activation: Some(Activation::LeakyRelu(0.01)),
    });
    let id = b.step("up", kernel, &ids, DType::F32, &out);
    (b.finish(vec![id]), tensor(x, 9))
}

#[test]
fn transposed_convolutions_are_of_rounded_operands() {
    for precision in [Precision::Bf16, Precision::Int8] {
        if !has(precision) {
            println!("skipped: this processor has no instructions for {precision}");
            continue;
        }
        for (x, filters, factors) in [
            (&[1, 64, 33, 31][..], 32, &[2, 2][..]),
            (&[2, 100, 9, 11], 21, &[2, 2]),
            (&[1, 48, 5, 6, 7], 24, &[2, 2, 2]),
            (&[1, 96, 10, 9], 33, &[3, 4]),
        ] {
            let (program, input) = upsampling(x, filters, factors, 1);
            // Each tap of an output channel has a step of its own.
            let channels = [x[1], filters * factors.iter().product::<usize>(), 1];
            let what = format!("{x:?} up by {factors:?}");
            assert!(check(&what, program, &input, channels, precision), "{what} ran in float32");
        }
    }
}
