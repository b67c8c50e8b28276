//! A model runs in reduced precision only where its golden cases pass that way.

use std::sync::Arc;

use netra::graph::{
    Backend, CompileOptions, Data, DeviceInfo, Executable, MemoryPlan, Precision, Program, Result, RunFuture, Tensor,
    TensorView, Unsupported,
};
use netra::{Chosen, Device, Engine, ErrorKind, Model};

/// The cpu backend with every output element off by `error` times the output's range, which claims to do as it is asked.
struct Rough {
    inner: Arc<dyn Backend>,
    error: f32,
}

struct RoughExecutable {
    inner: Box<dyn Executable>,
    error: f32,
}

impl Backend for Rough {
    fn name(&self) -> &str {
        "rough"
    }
    fn device(&self) -> &DeviceInfo {
        self.inner.device()
    }
    fn precision(&self, asked: Precision) -> Precision {
        asked
    }
    fn unsupported(&self, program: &Program) -> Vec<Unsupported> {
        self.inner.unsupported(program)
    }
    fn compile(&self, program: Arc<Program>, options: &CompileOptions<'_>) -> Result<Box<dyn Executable>> {
        let inner = self.inner.compile(program, options)?;
        Ok(Box::new(RoughExecutable { inner, error: self.error }))
    }
}

impl Executable for RoughExecutable {
    fn program(&self) -> &Program {
        self.inner.program()
    }
    fn plan(&self) -> MemoryPlan {
        self.inner.plan()
    }
    fn submit<'a>(&'a self, inputs: &[TensorView<'_>]) -> RunFuture<'a> {
        let run = self.inner.submit(inputs);
        Box::pin(async move { run.await?.into_iter().map(|output| rough(output, self.error)).collect() })
    }
}

fn rough(output: Tensor, error: f32) -> Result<Tensor> {
    let shape = output.shape().to_vec();
    let Data::F32(mut values) = output.into_data() else { panic!("a network of float32") };
    let (low, high) = values.iter().fold((f32::MAX, f32::MIN), |(low, high), &v| (low.min(v), high.max(v)));
    values.iter_mut().for_each(|v| *v += error * (high - low));
    Tensor::from_f32(shape, values)
}

/// The built-in model in a mode on a backend that is off by so much.
fn engine(precision: Precision, error: f32) -> Engine {
    let inner = Device::Cpu.open().expect("the cpu is always there").backend;
    let chosen = Chosen { backend: Arc::new(Rough { inner, error }), name: "rough".into(), why: "asked".into() };
    Model::lung_fields().expect("built in").with(chosen).expect("it fits").precision(precision)
}

fn run(engine: &Engine) -> netra::Result<String> {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let file = folder.path().join("chest.dcm");
    netra::phantom::write_chest_radiograph(&file, 1)?;
    let scans = netra::open(&file)?.scans;
    Ok(engine.run(&scans[0])?[0].findings.backend.precision.clone())
}

#[test]
fn golden_cases_open_the_gate() {
    for precision in [Precision::F16, Precision::Bf16, Precision::Int8] {
        let ran = run(&engine(precision, 1e-3)).expect("a thousandth of the range is within its bound");
        assert_eq!(ran, precision.to_string());
    }
}

#[test]
fn golden_cases_keep_the_gate_shut() {
    for precision in [Precision::F16, Precision::Bf16, Precision::Int8] {
        let engine = engine(precision, 0.1);
        for _ in 0..2 {
            let refused = run(&engine).expect_err("a tenth of the range is not");
            assert_eq!(refused.kind(), ErrorKind::OutOfScope);
            assert!(refused.to_string().contains("simulated radiograph"), "{refused}");
        }
        // Float32 is not asked.
        assert_eq!(run(&engine.precision(Precision::Fast)).expect("fast runs ungated"), "fast");
    }
}

/// Bytes are calibrated on golden cases, and cannot do without.
#[test]
fn int8_needs_golden_cases() {
    let package = Model::lung_fields().expect("built in").package().clone();
    let inner = Device::Cpu.open().expect("the cpu is always there").backend;
    let backend = Arc::new(Rough { inner, error: 0.0 });
    let (manifest, identity) = (package.manifest().clone(), package.identity().clone());
    let bare =
        netra::pipeline::Model::from_parts(manifest, identity, package.graph().clone(), backend).expect("it fits");
    let bare = bare.with_precision(Precision::Int8);
    assert!(!bare.network().is_calibrated());
    let shape = package.golden().expect("the package's own")[0].input.shape().to_vec();
    let refused = bare.network().executable(&shape).err().expect("nothing to calibrate on");
    assert_eq!(refused.kind(), ErrorKind::OutOfScope);
    assert!(refused.to_string().contains("golden cases"), "{refused}");
    let elements = shape.iter().product();
    let input = Tensor::from_f32(shape, vec![0.0; elements]).expect("the product of the sizes");
    let refused = bare.run_array(input.view()).expect_err("nothing to compare with");
    assert_eq!(refused.kind(), ErrorKind::OutOfScope);
}

#[test]
fn a_backend_without_gain_runs_in_float32() {
    for precision in [Precision::F16, Precision::Bf16, Precision::Int8] {
        let engine = Model::lung_fields().expect("built in").on(Device::Cpu).expect("there").precision(precision);
        // Whichever this processor has, the golden case of this model allows it, and the result says which ran.
        let ran = run(&engine).expect("allowed");
        assert_eq!(ran, engine.pipeline().network().precision().to_string());
        assert!([precision.to_string().as_str(), "fast"].contains(&ran.as_str()), "{ran}");
    }
}
