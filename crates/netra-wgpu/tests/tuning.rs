//! Convolutions with algorithms that a tuning names, and tunings that are measured.
#![allow(clippy::print_stderr)]

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use netra_graph::{
    Backend, CompileOptions, Conv, DType, ErrorKind, Kernel, MeasuredOn, Precision, Program, ProgramBuilder, Tensor,
    Tuning, signature,
};
use netra_testkit::Rng;
use netra_wgpu::{AdapterSelector, WgpuBackend};

fn backend() -> Option<WgpuBackend> {
    WgpuBackend::open(AdapterSelector::Any).inspect_err(|e| eprintln!("skipped: {e}")).ok()
}

fn noise(shape: &[usize]) -> Tensor {
    Tensor::from_f32(shape, Rng::new(5).units(shape.iter().product())).expect("a tensor")
}

/// Two convolutions of one signature, and one of another.
fn program() -> Arc<Program> {
    let mut b = ProgramBuilder::new();
    let mut x = b.input("x", DType::F32, &[1, 24, 15, 17]);
    for (i, out) in [24, 24, 20].into_iter().enumerate() {
        let w = b.constant(&format!("w{i}"), noise(&[out, 24, 3, 3]));
        let conv =
            Conv { strides: vec![1; 2], pads: vec![(1, 1); 2], dilations: vec![1; 2], groups: 1, activation: None };
        x = b.step(&format!("y{i}"), Kernel::Conv(conv), &[Some(x), Some(w)], DType::F32, &[1, out, 15, 17]);
    }
    Arc::new(b.finish(vec![x]))
}

fn run(backend: &WgpuBackend, tuning: Option<&Tuning>) -> Vec<f32> {
    let options = CompileOptions::default().tuning(tuning);
    let executable = backend.compile(program(), &options).expect("it compiles");
    executable.run(&[noise(&[1, 24, 15, 17]).view()]).expect("a run").remove(0).as_f32().expect("float32").to_vec()
}

/// A tuning that names an algorithm gives the bits of a backend that is made to run it: sums of another order differ in their
/// last bits. One that was measured elsewhere, or names what nobody knows, changes nothing.
#[test]
fn a_tuning_decides() {
    let Some(plain) = backend() else { return };
    let program = program();
    let tuning = |on: &MeasuredOn, name: &str| {
        let signatures = program.steps.iter().filter_map(|step| signature(&program, step, Precision::Fast));
        Tuning::new(on.clone(), signatures.map(|s| (s, name.to_owned())).collect())
    };
    let here = MeasuredOn::new(&plain, Precision::Fast);
    let default = run(&plain, None);
    let mut answers = Vec::new();
    for name in ["direct-4x1", "gemm-16x128", "gemm-128x128"] {
        let forced = run(&backend().expect("it was there").with_algorithm(name).expect("a name"), None);
        assert_eq!(run(&plain, Some(&tuning(&here, name))), forced, "{name}");
        answers.push(forced);
    }
    assert!(answers[0] != answers[1], "the direct kernel and the product add up in different orders");
    let mut elsewhere = here.clone();
    elsewhere.device = "another".into();
    assert_eq!(run(&plain, Some(&tuning(&elsewhere, "gemm-32x32"))), default);
    assert_eq!(run(&plain, Some(&tuning(&here, "winograd"))), default);
    assert_eq!(plain.with_algorithm("winograd").err().map(|e| e.kind()), Some(ErrorKind::InvalidInput));
}

/// Measuring gives a tuning of this backend that names signatures of the program, and tells how far it is; a program that was
/// tuned gives the same bits in every run.
#[test]
fn tuning_is_measured() {
    let Some(backend) = backend() else { return };
    let x = noise(&[1, 24, 15, 17]);
    let told = Mutex::new(Vec::new());
    let progress = |done: usize, total: usize| told.lock().expect("no panic").push((done, total));
    let options = CompileOptions::default().progress(Some(&progress));
    let tuned = backend.tune(program(), &[x.view()], &options).expect("it can be measured");
    assert_eq!(tuned.tuning.measured_on, MeasuredOn::new(&backend, Precision::Fast));
    assert!(tuned.default_nanoseconds > 0 && tuned.chosen_nanoseconds > 0);
    let counts: BTreeMap<&str, usize> = tuned.steps.iter().map(|s| (s.signature.as_str(), s.count)).collect();
    assert_eq!(counts.values().copied().collect::<Vec<_>>(), [1, 2]);
    let names = WgpuBackend::algorithms();
    for steps in &tuned.steps {
        assert_eq!(&steps.chosen, tuned.tuning.algorithms.get(&steps.signature).unwrap_or(&steps.default));
        assert!(names.contains(&steps.chosen) && names.contains(&steps.default), "{steps:?}");
    }
    assert!(tuned.tuning.algorithms.keys().all(|s| counts.contains_key(s.as_str())));
    let told = told.into_inner().expect("no panic");
    assert_eq!(told, [(0, 3), (1, 3), (2, 3), (3, 3)]);
    assert_eq!(run(&backend, Some(&tuned.tuning)), run(&backend, Some(&tuned.tuning)));

    let wrong = noise(&[1, 24, 4, 4]);
    let error = backend.tune(program(), &[wrong.view()], &CompileOptions::default()).expect_err("a wrong shape");
    assert_eq!(error.kind(), ErrorKind::InvalidInput);
}
