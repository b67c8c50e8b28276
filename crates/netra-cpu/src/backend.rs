//! The backend: what it runs on and what it can run.

use std::sync::Arc;

use netra_graph::{
    Backend, CompileOptions, DeviceInfo, Error, ErrorKind, Executable, MeasuredOn, Precision, Program, Result, Step,
    TensorView, Tuned, Unsupported, eval,
};

#[cfg(target_arch = "x86_64")]
use crate::dot;
use crate::executable::CpuExecutable;
use crate::isa::{InstructionSet, Isa, processor_name};
use crate::parallel::Threads;
use crate::tune::Tuner;

/// Runs programs on the processor.
pub struct CpuBackend {
    isa: Isa,
    threads: Arc<Threads>,
    device: DeviceInfo,
}

impl CpuBackend {
    /// A backend with the strongest instruction set of the processor and `threads` threads; as many as the processor
    /// offers when `None`. Fails when threads cannot be started.
    pub fn new(threads: Option<usize>) -> Result<Self> {
        Self::with(Isa::detect(), threads)
    }

    /// As [`new`](Self::new), with a given instruction set. Fails when the processor lacks it.
    pub fn with_isa(set: InstructionSet, threads: Option<usize>) -> Result<Self> {
        let isa = Isa::new(set)
            .ok_or_else(|| Error::new(ErrorKind::Backend, format!("this processor does not have {set}")))?;
        Self::with(isa, threads)
    }

    fn with(isa: Isa, threads: Option<usize>) -> Result<Self> {
        let count = threads.unwrap_or_else(|| std::thread::available_parallelism().map_or(1, |n| n.get()));
        let threads = Arc::new(Threads::new(count)?);
        let plural = if threads.count() == 1 { "thread" } else { "threads" };
        let name = format!("{} ({}, {} {plural})", processor_name(), isa.set(), threads.count());
        Ok(Self { isa, threads, device: DeviceInfo::new(name) })
    }

    /// The instruction set in use.
    pub fn instruction_set(&self) -> InstructionSet {
        self.isa.set()
    }

    /// Fails when steps of a program are unsupported.
    fn check(&self, program: &Program) -> Result<()> {
        let missing = self.unsupported(program);
        if missing.is_empty() { Ok(()) } else { Err(Unsupported::error(self.name(), &missing)) }
    }

    /// The number of threads in use.
    pub fn threads(&self) -> usize {
        self.threads.count()
    }
}

impl Backend for CpuBackend {
    fn name(&self) -> &str {
        "cpu"
    }

    fn device(&self) -> &DeviceInfo {
        &self.device
    }

    fn precision(&self, asked: Precision) -> Precision {
        #[cfg(target_arch = "x86_64")]
        let (bf16, int8) = (dot::Bf16::detect(self.isa).is_some(), dot::Int8::available(self.isa));
        #[cfg(not(target_arch = "x86_64"))]
        let (bf16, int8) = (false, false);
        match asked {
            Precision::F16 => Precision::Fast,
            Precision::Bf16 if !bf16 => Precision::Fast,
            Precision::Int8 if !int8 => Precision::Fast,
            other => other,
        }
    }

    /// Nothing: what has no kernel here runs on the reference evaluator, which defines every program.
    fn unsupported(&self, program: &Program) -> Vec<Unsupported> {
        let undefined = |step: &Step| {
            let dtype = step.inputs.first().copied().flatten().map(|id| program.value(id).dtype);
            dtype.is_some_and(|dtype| !eval::defines(&step.kernel, dtype)).then(|| Unsupported {
                node: step.node.clone(),
                kernel: step.kernel.name().to_string(),
                reason: "not defined for the element types of its inputs".into(),
            })
        };
        program.steps.iter().filter_map(undefined).collect()
    }

    fn compile(&self, program: Arc<Program>, options: &CompileOptions<'_>) -> Result<Box<dyn Executable>> {
        self.check(&program)?;
        let here = MeasuredOn::new(self, options.precision);
        let tuning = options.tuning.filter(|tuning| tuning.measured_on.differs(&here).is_none());
        let options = options.tuning(tuning);
        Ok(Box::new(CpuExecutable::new(program, self.isa, self.threads.clone(), &options)?))
    }

    fn tune(&self, program: Arc<Program>, inputs: &[TensorView<'_>], options: &CompileOptions<'_>) -> Result<Tuned> {
        self.check(&program)?;
        let options = options.precision(self.precision(options.precision));
        let tuner = Tuner { program, inputs, isa: self.isa, threads: self.threads.clone(), options };
        tuner.run(MeasuredOn::new(self, options.precision))
    }
}
