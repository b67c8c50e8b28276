//! Convolutions with algorithms that a tuning names.

mod layer;

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use layer::{Layer, tensor};
use netra_cpu::{CpuBackend, InstructionSet};
use netra_graph::{
    Activation, Backend, CompileOptions, Conv, DType, ErrorKind, Executable, Kernel, MeasuredOn, Precision, Program,
    ProgramBuilder, Tensor, Tuning, signature,
};

const NAMES: [&str; 5] = ["direct", "blocked", "panel", "winograd-early", "winograd-late"];

/// A tuning that gives every step of a program one algorithm.
fn all(backend: &dyn Backend, program: &Program, precision: Precision, name: &str) -> Tuning {
    let signatures = program.steps.iter().filter_map(|step| signature(program, step, precision));
    let algorithms: BTreeMap<String, String> = signatures.map(|s| (s, name.to_owned())).collect();
    assert!(!algorithms.is_empty());
    Tuning::new(MeasuredOn::new(backend, precision), algorithms)
}

fn compile(
    backend: &dyn Backend,
    program: &Arc<Program>,
    precision: Precision,
    tuning: Option<&Tuning>,
) -> Box<dyn Executable> {
    let options = CompileOptions::default().precision(precision).tuning(tuning);
    backend.compile(program.clone(), &options).expect("it compiles")
}

/// The algorithm of each convolution, as a profile names it.
fn algorithms(executable: &dyn Executable, x: &Tensor) -> Vec<String> {
    let profile = executable.profile(&[x.view()]).expect("a profile");
    profile.steps.iter().filter_map(|s| s.kernel.split_once("Conv ").map(|(_, name)| name.to_owned())).collect()
}

fn run(executable: &dyn Executable, x: &Tensor) -> Vec<f32> {
    executable.run(&[x.view()]).expect("a run").remove(0).as_f32().expect("float32").to_vec()
}

fn layers() -> Vec<Layer> {
    vec![
        Layer::new(&[1, 16, 20, 21], 24, &[3, 3], 1),
        Layer { residual: true, ..Layer::new(&[1, 12, 6, 18, 19], 20, &[3, 3, 3], 1) },
        Layer { dilation: 2, groups: 2, ..Layer::new(&[2, 16, 17, 20], 24, &[3, 3], 2) },
        Layer { stride: 2, ..Layer::new(&[1, 20, 19, 17], 16, &[3, 3], 1) },
        Layer::new(&[1, 96, 14, 14], 40, &[1, 1], 0),
    ]
}

/// Every algorithm runs where it is told to, where it can, and computes what the exact mode does.
#[test]
fn each_algorithm_can_be_had() {
    for layer in layers() {
        let program = Arc::new(layer.program());
        let x = tensor(&layer.x, 9);
        let winograd = layer.stride == 1 && layer.kernel.ends_with(&[3, 3]);
        for set in InstructionSet::available() {
            let backend = CpuBackend::with_isa(set, Some(2)).expect("a backend");
            let exact = run(&*compile(&backend, &program, Precision::Exact, None), &x);
            let range = exact.iter().fold(0.0f32, |m, v| m.max(v.abs()));
            for name in NAMES {
                let what = format!("{name} for {layer:?} on {set}");
                let tuning = all(&backend, &program, Precision::Fast, name);
                let executable = compile(&backend, &program, Precision::Fast, Some(&tuning));
                let ran = algorithms(&*executable, &x);
                assert!(ran == [name] || name.starts_with("winograd") && !winograd, "{what}: {ran:?} ran");
                let first = run(&*executable, &x);
                let worst = exact.iter().zip(&first).fold(0.0f32, |m, (a, b)| m.max((a - b).abs()));
                assert!(worst <= 2e-5 * range, "{what}: {worst:e} of {range}");
                let again = run(&*compile(&backend, &program, Precision::Fast, Some(&tuning)), &x);
                assert!(first.iter().zip(&again).all(|(a, b)| a.to_bits() == b.to_bits()), "{what}: other bits");
            }
        }
    }
}

/// What cannot be had is left out: the program runs as if nothing had been said.
#[test]
fn impossible_and_foreign_choices_are_left_out() {
    let backend = CpuBackend::new(Some(2)).expect("a backend");
    let layer = Layer::new(&[1, 32, 24, 24], 32, &[3, 3], 1);
    let program = Arc::new(layer.program());
    let x = tensor(&layer.x, 9);
    for (precision, names) in [
        (Precision::Exact, &["winograd-early", "winograd-late", "narrow", "no-such-algorithm"][..]),
        (Precision::Fast, &["narrow", "depthwise", ""]),
    ] {
        let plain = compile(&backend, &program, precision, None);
        for name in names {
            let tuning = all(&backend, &program, precision, name);
            let told = compile(&backend, &program, precision, Some(&tuning));
            assert_eq!(algorithms(&*told, &x), algorithms(&*plain, &x), "{name}");
            assert_eq!(run(&*told, &x), run(&*plain, &x), "{name}");
        }
    }
    let default = algorithms(&*compile(&backend, &program, Precision::Fast, None), &x);
    let other = NAMES.into_iter().find(|name| default != [*name]).expect("one that is not the default");
    let tuning = all(&backend, &program, Precision::Fast, other);
    assert_eq!(algorithms(&*compile(&backend, &program, Precision::Fast, Some(&tuning)), &x), [other]);
    let others = [
        CpuBackend::new(Some(1)).expect("a backend"),
        CpuBackend::with_isa(InstructionSet::Portable, Some(2)).expect("a backend"),
    ];
    // Where a target has no threads, one of them is no other.
    for foreign in others.into_iter().filter(|other| other.device() != backend.device()) {
        let mut tuning = tuning.clone();
        tuning.measured_on = MeasuredOn::new(&foreign, Precision::Fast);
        assert_eq!(algorithms(&*compile(&backend, &program, Precision::Fast, Some(&tuning)), &x), default);
    }
    let depthwise = Layer { groups: 16, ..Layer::new(&[1, 16, 12, 12], 16, &[3, 3], 1) };
    let program = Arc::new(depthwise.program());
    let tuning = all(&backend, &program, Precision::Fast, "direct");
    let told = compile(&backend, &program, Precision::Fast, Some(&tuning));
    assert_eq!(algorithms(&*told, &tensor(&depthwise.x, 9)), ["depthwise"]);
}

/// Two convolutions with an instance normalisation between them, which goes into the second where that can take it.
fn normalized() -> Program {
    let conv = || {
        Kernel::Conv(Conv {
            strides: vec![1; 2],
            pads: vec![(1, 1); 2],
            dilations: vec![1; 2],
            groups: 1,
            activation: None,
        })
    };
    let shape = [1, 32, 48, 48];
    let mut b = ProgramBuilder::new();
    let x = b.input("x", DType::F32, &shape);
    let [w, v] = ["w", "v"].map(|name| b.constant(name, tensor(&[32, 32, 3, 3], name.len())));
    let [scale, bias] = ["scale", "bias"].map(|name| b.constant(name, tensor(&[32], name.len())));
    let first = b.step("first", conv(), &[Some(x), Some(w)], DType::F32, &shape);
    let norm = Kernel::InstanceNormalization { epsilon: 1e-5, activation: Some(Activation::Relu) };
    let normal = b.step("norm", norm, &[Some(first), Some(scale), Some(bias)], DType::F32, &shape);
    let second = b.step("second", conv(), &[Some(normal), Some(v)], DType::F32, &shape);
    b.finish(vec![second])
}

/// A convolution that applies a normalisation keeps an algorithm that can, and other convolutions do not begin to: programs
/// stay comparable step by step.
#[test]
fn choices_do_not_change_what_is_fused() {
    let backend = CpuBackend::new(Some(2)).expect("a backend");
    let program = Arc::new(normalized());
    let x = tensor(&[1, 32, 48, 48], 5);
    let plain = compile(&backend, &program, Precision::Fast, None);
    let names = |e: &dyn Executable| e.program().steps.iter().map(|s| s.kernel.name()).collect::<Vec<_>>();
    let expected = names(&*plain);
    let exact = run(&*compile(&backend, &program, Precision::Exact, None), &x);
    let range = exact.iter().fold(0.0f32, |m, v| m.max(v.abs()));
    for name in NAMES {
        let tuning = all(&backend, plain.program(), Precision::Fast, name);
        let told = compile(&backend, &program, Precision::Fast, Some(&tuning));
        assert_eq!(names(&*told), expected, "{name}");
        let ran = algorithms(&*told, &x);
        assert_eq!(ran[0], name, "the first reads what it is given");
        if expected.contains(&"NormalizedConv") {
            assert!(ran[1] == name || ["direct", "blocked", "panel"].contains(&name), "{name}: {ran:?}");
        }
        let worst = exact.iter().zip(run(&*told, &x)).fold(0.0f32, |m, (a, b)| m.max((a - b).abs()));
        assert!(worst <= 2e-5 * range, "{name}: {worst:e} of {range}");
    }
}

/// Measuring gives a tuning of this backend that names signatures of the program, and tells how far it is; a program that was
/// tuned gives the same bits in every run.
#[test]
fn tuning_is_measured() {
    let backend = CpuBackend::new(Some(2)).expect("a backend");
    let program = Arc::new(normalized());
    let x = tensor(&[1, 32, 48, 48], 5);
    let told = Mutex::new(Vec::new());
    let progress = |done: usize, total: usize| told.lock().expect("no panic").push((done, total));
    let options = CompileOptions::default().progress(Some(&progress));
    let tuned = backend.tune(program.clone(), &[x.view()], &options).expect("it can be measured");
    assert_eq!(tuned.tuning.measured_on, MeasuredOn::new(&backend, Precision::Fast));
    assert!(tuned.default_nanoseconds > 0 && tuned.chosen_nanoseconds > 0);
    assert_eq!(tuned.steps.iter().map(|s| s.count).sum::<usize>(), 2);
    for steps in &tuned.steps {
        let chosen = tuned.tuning.algorithms.get(&steps.signature).unwrap_or(&steps.default);
        assert_eq!(&steps.chosen, chosen);
    }
    assert!(tuned.tuning.algorithms.keys().all(|s| tuned.steps.iter().any(|steps| steps.signature == *s)));
    let told = told.into_inner().expect("no panic");
    assert!(told.windows(2).all(|w| w[0].0 < w[1].0 && w[0].1 == w[1].1), "{told:?}");
    assert_eq!(told.last().map(|(done, total)| done == total), Some(true));

    let again = |tuning| run(&*compile(&backend, &program, Precision::Fast, Some(tuning)), &x);
    assert_eq!(again(&tuned.tuning), again(&tuned.tuning));

    let wrong = tensor(&[1, 32, 4, 4], 5);
    let error =
        backend.tune(program, &[wrong.view()], &CompileOptions::default()).map(|_| ()).expect_err("a wrong shape");
    assert_eq!(error.kind(), ErrorKind::InvalidInput);
}
