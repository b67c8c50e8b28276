//! The backend: what it runs on and what it can run.

use std::sync::Arc;

use netra_graph::{
    Backend, CompileOptions, DType, DeviceInfo, Error, ErrorKind, Executable, Kernel, Program, Result, Step, Unary,
    Unsupported,
};

use crate::executable::CpuExecutable;
use crate::isa::{InstructionSet, Isa, processor_name};
use crate::parallel::Threads;
use crate::{binary, elementwise, reduce, simd};

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

    fn unsupported(&self, program: &Program) -> Vec<Unsupported> {
        program
            .steps
            .iter()
            .filter_map(|step| {
                let reason = refusal(program, step)?;
                let kernel = match &step.kernel {
                    Kernel::Unary(op) => format!("{op:?}"),
                    Kernel::Binary(op) => format!("{op:?}"),
                    kernel => kernel.name().to_string(),
                };
                Some(Unsupported { node: step.node.clone(), kernel, reason })
            })
            .collect()
    }

    fn compile(&self, program: Arc<Program>, options: &CompileOptions<'_>) -> Result<Box<dyn Executable>> {
        let missing = self.unsupported(&program);
        if !missing.is_empty() {
            return Err(Unsupported::error(self.name(), &missing));
        }
        Ok(Box::new(CpuExecutable::new(program, self.isa, self.threads.clone(), options.progress)?))
    }
}

/// Why a step cannot run, if it cannot.
fn refusal(program: &Program, step: &Step) -> Option<String> {
    let types: Vec<DType> = step.inputs.iter().flatten().map(|&id| program.value(id).dtype).collect();
    let out = program.value(step.output).dtype;
    let first = *types.first()?;
    let floats = || {
        let odd = types.iter().copied().chain([out]).find(|&t| t != DType::F32)?;
        Some(format!("element type {odd}"))
    };
    let integer = |t: DType| matches!(t, DType::I8 | DType::U8 | DType::I32 | DType::I64);
    match &step.kernel {
        Kernel::Conv(_) | Kernel::ConvTranspose(_) => {
            let activation = match &step.kernel {
                Kernel::Conv(p) => p.activation,
                Kernel::ConvTranspose(p) => p.activation,
                _ => None,
            };
            let rank = step.inputs.first().copied().flatten().map_or(0, |id| program.value(id).shape.len());
            if !(3..=5).contains(&rank) {
                return Some(format!("an input of rank {rank}"));
            }
            refuse_activation(activation).or_else(floats)
        }
        Kernel::MaxPool(_) | Kernel::AveragePool { .. } => {
            let rank = step.inputs.first().copied().flatten().map_or(0, |id| program.value(id).shape.len());
            if !(3..=5).contains(&rank) {
                return Some(format!("an input of rank {rank}"));
            }
            floats()
        }
        Kernel::InstanceNormalization { activation, .. } => refuse_activation(*activation).or_else(floats),
        Kernel::MatMul { .. }
        | Kernel::GroupNormalization { .. }
        | Kernel::LayerNormalization { .. }
        | Kernel::Softmax { .. }
        | Kernel::Resize(_) => floats(),
        Kernel::Unary(op) => match op {
            Unary::Not => (first != DType::Bool).then(|| format!("element type {first}")),
            Unary::Abs | Unary::Neg | Unary::Sign if integer(first) => None,
            Unary::IsNaN => (first != DType::F32).then(|| format!("element type {first}")),
            op if elementwise::knows(*op) => floats(),
            _ => Some("function not known".into()),
        },
        Kernel::Binary(op) => {
            use netra_graph::Binary::*;
            let fits = match op {
                Equal => first == DType::F32 || first == DType::Bool || integer(first),
                Less | LessOrEqual | Greater | GreaterOrEqual => first == DType::F32 || integer(first),
                And | Or | Xor => first == DType::Bool,
                Add | Sub | Mul | Div | Pow | Min | Max | Mod | Fmod => first == DType::F32 || integer(first),
                op => first == DType::F32 && binary::knows(*op),
            };
            (!fits || types.iter().any(|&t| t != first)).then(|| format!("element types {types:?}"))
        }
        Kernel::Reduce { reduction, .. } => {
            use netra_graph::Reduction::*;
            let fits = (first == DType::F32 && reduce::knows(*reduction))
                || (integer(first) && matches!(reduction, Sum | Mean | Max | Min | Prod));
            (!fits).then(|| format!("{reduction:?} of {first}"))
        }
        Kernel::ArgMax { .. } => (first == DType::Bool).then(|| format!("element type {first}")),
        Kernel::Where => {
            let moved = types.get(1..).unwrap_or_default();
            (first != DType::Bool || moved.iter().any(|&t| t != out)).then(|| format!("element types {types:?}"))
        }
        Kernel::Concat { .. } => types.iter().any(|&t| t != out).then(|| format!("element types {types:?} into {out}")),
        Kernel::Gather { .. } => {
            let index = types.get(1).copied();
            (!matches!(index, Some(DType::I64 | DType::I32))).then(|| format!("element types {types:?}"))
        }
        Kernel::Reshape | Kernel::Transpose { .. } | Kernel::Slice { .. } | Kernel::Expand | Kernel::Cast { .. } => {
            None
        }
        Kernel::Pad { .. } => None,
        kernel => Some(format!("kernel {} not known", kernel.name())),
    }
}

fn refuse_activation(activation: Option<netra_graph::Activation>) -> Option<String> {
    activation.filter(|&a| !simd::map::knows(a)).map(|a| format!("activation {a:?} not known"))
}
