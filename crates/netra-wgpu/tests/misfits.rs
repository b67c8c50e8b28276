//! Programs whose steps do not fit together are refused by name; nothing panics.
#![allow(clippy::print_stderr)]

use std::sync::Arc;

use netra_graph::{
    Backend, Binary, Combine, CompileOptions, Conv, DType, Data, ErrorKind, Kernel, NormalizedConv, ProgramBuilder,
    Tensor, TensorView, Unary,
};
use netra_wgpu::{AdapterSelector, WgpuBackend};

fn backend() -> Option<WgpuBackend> {
    WgpuBackend::open(AdapterSelector::Any).inspect_err(|e| eprintln!("skipped: {e}")).ok()
}

fn refused(backend: &WgpuBackend, kernel: Kernel, inputs: &[(DType, &[usize])], output: (DType, &[usize])) {
    let mut builder = ProgramBuilder::new();
    let ids: Vec<_> = inputs.iter().map(|(dtype, shape)| Some(builder.input("x", *dtype, shape))).collect();
    let out = builder.step("the node", kernel, &ids, output.0, output.1);
    let program = Arc::new(builder.finish(vec![out]));
    let missing = backend.unsupported(&program);
    assert_eq!(missing.first().map(|m| m.node.as_str()), Some("the node"), "{:?}", program.steps);
    let error = backend.compile(program, &CompileOptions::default()).err().expect("refused");
    assert_eq!(error.kind(), ErrorKind::Unsupported, "{error}");
}

#[test]
fn what_does_not_fit_is_refused() {
    let Some(backend) = backend() else { return };
    let b = &backend;
    let f = DType::F32;
    let conv = Conv { strides: vec![1, 1], pads: vec![(0, 0); 2], dilations: vec![1, 1], groups: 1, activation: None };
    let strideless = Conv { strides: vec![0, 1], ..conv.clone() };
    refused(b, Kernel::Conv(conv), &[(f, &[1, 3, 8, 8]), (f, &[4, 2, 3, 3])], (f, &[1, 4, 6, 6]));
    refused(b, Kernel::Conv(strideless), &[(f, &[1, 3, 8, 8]), (f, &[4, 3, 3, 3])], (f, &[1, 4, 6, 6]));
    refused(b, Kernel::Binary(Binary::Add), &[(f, &[2, 3]), (f, &[2, 4])], (f, &[2, 4]));
    refused(b, Kernel::Softmax { axis: 2, log: false }, &[(f, &[2, 3])], (f, &[2, 3]));
    refused(b, Kernel::Transpose { perm: vec![0, 0] }, &[(f, &[2, 2])], (f, &[2, 2]));
    refused(b, Kernel::Slice { starts: vec![3], steps: vec![2] }, &[(f, &[5])], (f, &[2]));
    refused(b, Kernel::Reshape, &[(f, &[2, 3])], (f, &[7]));
    refused(b, Kernel::Unary(Unary::Exp), &[(DType::F64, &[4])], (DType::F64, &[4]));
    refused(b, Kernel::Unary(Unary::Exp), &[(DType::I32, &[4])], (DType::I32, &[4]));
    refused(b, Kernel::TopK { axis: 1, largest: true }, &[(f, &[1, 9])], (DType::I64, &[1, 10]));
    // Too long an order, and too many updates for one thread.
    refused(b, Kernel::TopK { axis: 1, largest: true }, &[(f, &[1, 20_000])], (DType::I64, &[1, 5]));
    let many = [(f, [4, 1].as_slice()), (DType::I64, &[100_000, 1]), (f, &[100_000, 1])];
    refused(b, Kernel::ScatterNd { combine: Combine::Add }, &many, (f, &[4, 1]));
    let deep = [(f, [4, 4].as_slice()), (DType::I64, &[2, 3])];
    refused(b, Kernel::GatherNd { batch_dims: 0 }, &deep, (f, &[2]));
    refused(b, Kernel::GatherElements { axis: 0 }, &[(f, &[4, 2]), (DType::I64, &[4, 3])], (f, &[4, 3]));
    refused(b, Kernel::BitCast { to: DType::F32 }, &[(DType::U32, &[4])], (f, &[4]));
    // A terabyte: no channel fits.
    refused(b, Kernel::Unary(Unary::Exp), &[(f, &[1, 1, 1 << 38])], (f, &[1, 1, 1 << 38]));
}

/// Passes make a normalised convolution only where a kernel suits it; a program may hold any. No kernel unrolls one that is so
/// wide.
#[test]
fn a_normalised_convolution_that_suits_no_kernel_is_refused() {
    let Some(backend) = backend() else { return };
    let compile = |wide: usize| {
        let mut builder = ProgramBuilder::new();
        let x = builder.input("x", DType::F32, &[1, 2, 1, 800]);
        let weight = Tensor::from_f32([3, 2, 1, wide], vec![0.5; 6 * wide]).expect("weights");
        let weight = builder.constant("w", weight);
        let affine = builder.input("affine", DType::F32, &[2, 1, 2]);
        let spatial =
            Conv { strides: vec![1; 2], pads: vec![(0, 0); 2], dilations: vec![1; 2], groups: 1, activation: None };
        let kernel = Kernel::NormalizedConv(Box::new(NormalizedConv { conv: spatial, activation: None }));
        let inputs = [Some(x), Some(weight), None, None, Some(affine)];
        let y = builder.step("the node", kernel, &inputs, DType::F32, &[1, 3, 1, 801 - wide]);
        backend.compile(Arc::new(builder.finish(vec![y])), &CompileOptions::default())
    };
    compile(3).expect("an ordinary one");
    let error = compile(700).err().expect("refused");
    assert_eq!(error.kind(), ErrorKind::Unsupported, "{error}");
    assert!(error.to_string().contains("the node"), "{error}");
}

/// What no step touches needs no adapter: inputs of any type, empty ones, outputs that are inputs or constants.
#[test]
fn what_no_step_touches_stays_on_the_host() {
    let Some(backend) = backend() else { return };
    let mut builder = ProgramBuilder::new();
    let x = builder.input("x", DType::F32, &[2]);
    let empty = builder.input("empty", DType::F32, &[2, 0]);
    let wide = builder.input("wide", DType::F64, &[1]);
    let big = builder.constant("big", Tensor::new([1], Data::I64(vec![1 << 40])).expect("a constant"));
    let none = builder.constant("none", Tensor::from_f32([0, 3], Vec::new()).expect("an empty constant"));
    let y = builder.step("n", Kernel::Unary(Unary::Neg), &[Some(x)], DType::F32, &[2]);
    let program = Arc::new(builder.finish(vec![wide, big, none, y, empty]));
    let executable = backend.compile(program, &CompileOptions::default()).expect("compiles");
    let inputs = [
        Tensor::from_f32([2], vec![1.0, -2.0]).expect("an input"),
        Tensor::from_f32([2, 0], Vec::new()).expect("an input"),
        Tensor::new([1], Data::F64(vec![0.1])).expect("an input"),
    ];
    let outputs = executable.run(&inputs.each_ref().map(Tensor::view)).expect("runs");
    assert_eq!(outputs[0], inputs[2]);
    assert_eq!(outputs[1].data(), &Data::I64(vec![1 << 40]));
    assert_eq!(outputs[2].shape(), [0, 3]);
    assert_eq!(outputs[3].as_f32(), Some([-1.0, 2.0].as_slice()));
    assert_eq!(outputs[4], inputs[1]);
}

#[test]
fn wrong_inputs_of_a_run_are_refused() {
    let Some(backend) = backend() else { return };
    let mut builder = ProgramBuilder::new();
    let x = builder.input("x", DType::I64, &[2]);
    let out = builder.step("n", Kernel::Cast { to: DType::F32 }, &[Some(x)], DType::F32, &[2]);
    let program = Arc::new(builder.finish(vec![out]));
    let executable = backend.compile(program, &CompileOptions::default()).expect("compiles");
    let run = |data: Data| {
        let tensor = Tensor::new(vec![data.len()], data).expect("a vector");
        executable.run(&[tensor.view()])
    };
    assert_eq!(run(Data::I64(vec![-7, 9])).expect("runs")[0].as_f32(), Some([-7.0, 9.0].as_slice()));
    assert_eq!(run(Data::I64(vec![1; 3])).expect_err("a wrong shape").kind(), ErrorKind::InvalidInput);
    assert_eq!(run(Data::F32(vec![1.0; 2])).expect_err("a wrong type").kind(), ErrorKind::InvalidInput);
    // Larger than what the adapter computes with.
    assert_eq!(run(Data::I64(vec![1 << 40, 0])).expect_err("too large").kind(), ErrorKind::InvalidInput);
    assert_eq!(executable.run(&[] as &[TensorView<'_>]).expect_err("none").kind(), ErrorKind::InvalidInput);
}

#[test]
fn runs_repeat_exactly_and_may_overlap() {
    let Some(backend) = backend() else { return };
    let mut builder = ProgramBuilder::new();
    let x = builder.input("x", DType::F32, &[1, 3, 9, 9]);
    let weight: Vec<f32> = (0..5 * 3 * 9).map(|i| (i as f32 * 0.37).sin()).collect();
    let w = builder.constant("w", Tensor::from_f32([5, 3, 3, 3], weight).expect("weights"));
    let conv = Conv { strides: vec![1; 2], pads: vec![(1, 1); 2], dilations: vec![1; 2], groups: 1, activation: None };
    let y = builder.step("conv", Kernel::Conv(conv), &[Some(x), Some(w)], DType::F32, &[1, 5, 9, 9]);
    let z = builder.step("softmax", Kernel::Softmax { axis: 1, log: false }, &[Some(y)], DType::F32, &[1, 5, 9, 9]);
    let program = Arc::new(builder.finish(vec![z]));
    let executable = backend.compile(program, &CompileOptions::default()).expect("compiles");
    let input = |seed: usize| {
        let data = (0..243).map(|i| ((i + seed) as f32 * 0.11).cos()).collect();
        Tensor::from_f32([1, 3, 9, 9], data).expect("an input")
    };
    let alone: Vec<_> = (0..4).map(|s| executable.run(&[input(s).view()]).expect("runs")).collect();
    std::thread::scope(|scope| {
        for (seed, want) in alone.iter().enumerate() {
            let executable = &executable;
            scope.spawn(move || {
                for _ in 0..5 {
                    assert_eq!(&executable.run(&[input(seed).view()]).expect("runs"), want);
                }
            });
        }
    });
}

/// Every step that runs is timed, a chain of element-wise steps as the last of them.
#[test]
fn steps_are_timed() {
    let Some(backend) = backend() else { return };
    let mut builder = ProgramBuilder::new();
    let x = builder.input("x", DType::F32, &[1, 3, 9, 9]);
    let w = builder.constant("w", Tensor::from_f32([5, 3, 3, 3], vec![0.1; 135]).expect("weights"));
    let conv = Conv { strides: vec![1; 2], pads: vec![(1, 1); 2], dilations: vec![1; 2], groups: 1, activation: None };
    let y = builder.step("conv", Kernel::Conv(conv), &[Some(x), Some(w)], DType::F32, &[1, 5, 9, 9]);
    let abs = builder.step("abs", Kernel::Unary(Unary::Abs), &[Some(y)], DType::F32, &[1, 5, 9, 9]);
    let root = builder.step("root", Kernel::Unary(Unary::Sqrt), &[Some(abs)], DType::F32, &[1, 5, 9, 9]);
    let executable =
        backend.compile(Arc::new(builder.finish(vec![root])), &CompileOptions::default()).expect("compiles");
    let input = Tensor::from_f32([1, 3, 9, 9], vec![1.0; 243]).expect("an input");
    let profile = executable.profile(&[input.view()]).expect("a profile");
    let steps: Vec<&str> = profile.steps.iter().map(|s| s.step.as_str()).collect();
    assert_eq!(steps, ["conv", "root"]);
    assert_eq!(profile.steps[0].flops, Some(2 * 5 * 81 * 27));
    assert!(profile.nanoseconds >= profile.steps.iter().map(|s| s.nanoseconds).sum());
}
