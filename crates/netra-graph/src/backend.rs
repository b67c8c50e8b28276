//! The seam to backends: coarse and object-safe. A backend gets the whole program, so that it may choose layouts, fuse
//! further, plan memory and tune.

use std::any::Any;
use std::future::Future;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Context, Poll, Wake, Waker};
use std::thread::{self, Thread};

use crate::{Error, MemoryPlan, Profile, Program, Ranges, Result, Tensor, TensorView, Tuned, Tuning, Volumes};

/// What a backend runs on.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct DeviceInfo {
    /// Processor and instruction set, or adapter name, API and driver.
    pub name: String,
    /// Whether this is a software adapter (llvmpipe, WARP, SwiftShader): no GPU, whatever its API.
    pub software: bool,
    /// Largest single buffer in bytes, when the device has such a limit.
    pub max_buffer_bytes: Option<u64>,
}

impl DeviceInfo {
    /// A hardware device without a buffer limit.
    pub fn new(name: impl Into<String>) -> Self {
        Self { name: name.into(), software: false, max_buffer_bytes: None }
    }

    /// Marks the device as software.
    #[must_use]
    pub fn software(mut self, software: bool) -> Self {
        self.software = software;
        self
    }

    /// Sets the buffer limit.
    #[must_use]
    pub fn max_buffer_bytes(mut self, bytes: u64) -> Self {
        self.max_buffer_bytes = Some(bytes);
        self
    }
}

/// A step that a backend cannot run, and why.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unsupported {
    /// The node's name.
    pub node: String,
    /// The kernel's name.
    pub kernel: String,
    /// The reason, in words.
    pub reason: String,
}

/// Called with (done, total) while a backend compiles or a run proceeds.
pub type Progress<'a> = &'a (dyn Fn(usize, usize) + Sync);

/// How much accuracy a compiled program may give up for speed. A backend may be more accurate than it has to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Precision {
    /// Float32 sums in the order of the definition, in short chains: against float64 at most twice as wrong as ONNX Runtime.
    Exact,
    /// Float32 with algorithms that multiply less (Winograd): an error of at most 1e-4 of an output's range.
    #[default]
    Fast,
    /// Products of half-precision numbers, summed in float32, where an adapter computes with them; all else as
    /// [`Fast`](Self::Fast). What is larger than 65504 overflows. Allowed as [`Bf16`](Self::Bf16) is.
    F16,
    /// Products of bfloat16 (float32's first 16 bits), summed in float32, where the processor is faster at them; all else as
    /// [`Fast`](Self::Fast). Errors are some hundredths of an output's range on an unlucky network: allowed for a package
    /// only where its golden cases pass.
    Bf16,
    /// Products of bytes, summed exactly, where the range of what they read is known ([`CompileOptions::ranges`]) and the
    /// processor is faster at them; all else as [`Fast`](Self::Fast). Allowed as [`Bf16`](Self::Bf16) is.
    Int8,
}

impl Precision {
    /// Every mode, the most accurate first.
    pub const ALL: [Self; 5] = [Self::Exact, Self::Fast, Self::F16, Self::Bf16, Self::Int8];

    /// Whether the answer may differ so much that a model's own test cases have to allow it.
    pub fn is_reduced(self) -> bool {
        matches!(self, Self::F16 | Self::Bf16 | Self::Int8)
    }
}

impl std::fmt::Display for Precision {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Exact => "exact",
            Self::Fast => "fast",
            Self::F16 => "f16",
            Self::Bf16 => "bf16",
            Self::Int8 => "int8",
        })
    }
}

impl std::str::FromStr for Precision {
    type Err = crate::Error;

    fn from_str(name: &str) -> Result<Self> {
        Self::ALL.into_iter().find(|p| p.to_string() == name).ok_or_else(|| {
            crate::Error::invalid(format!("precision '{name}': exact, fast, f16, bf16 or int8 expected"))
        })
    }
}

/// Settings of [`Backend::compile`].
#[derive(Clone, Copy, Default)]
#[non_exhaustive]
pub struct CompileOptions<'a> {
    /// Told how far compiling, or tuning, is.
    pub progress: Option<Progress<'a>>,
    /// Accuracy that may be given up.
    pub precision: Precision,
    /// What values range over; [`Precision::Int8`] computes in bytes where it is told.
    pub ranges: Option<&'a Ranges>,
    /// Algorithms to run steps with instead of those that the backend would choose. Left out as a whole unless it was
    /// [measured](crate::MeasuredOn) on this backend and device in this precision: the caller asks, and says so.
    pub tuning: Option<&'a Tuning>,
}

impl<'a> CompileOptions<'a> {
    /// Sets the precision.
    #[must_use]
    pub fn precision(mut self, precision: Precision) -> Self {
        self.precision = precision;
        self
    }

    /// Sets the ranges.
    #[must_use]
    pub fn ranges(mut self, ranges: Option<&'a Ranges>) -> Self {
        self.ranges = ranges;
        self
    }

    /// Sets the tuning.
    #[must_use]
    pub fn tuning(mut self, tuning: Option<&'a Tuning>) -> Self {
        self.tuning = tuning;
        self
    }

    /// Sets who is told how far compiling, or tuning, is.
    #[must_use]
    pub fn progress(mut self, progress: Option<Progress<'a>>) -> Self {
        self.progress = progress;
        self
    }
}

/// Results of a run, once they are back on the host.
pub type RunFuture<'a> = Pin<Box<dyn Future<Output = Result<Vec<Tensor>>> + Send + 'a>>;

/// A way to run programs.
pub trait Backend: Send + Sync {
    /// `cpu`, `wgpu` ...: what the user types.
    fn name(&self) -> &str;

    /// The device behind it.
    fn device(&self) -> &DeviceInfo;

    /// The mode that programs run in when `asked` is asked for: that, or a more accurate one where this device has nothing to
    /// gain.
    fn precision(&self, asked: Precision) -> Precision {
        if asked.is_reduced() { Precision::Fast } else { asked }
    }

    /// Every step that this backend cannot run; empty when it can run the program.
    fn unsupported(&self, program: &Program) -> Vec<Unsupported>;

    /// Compiles a program. Fails with the whole list when steps are unsupported.
    fn compile(&self, program: Arc<Program>, options: &CompileOptions<'_>) -> Result<Box<dyn Executable>>;

    /// Measures on `inputs` which algorithms run the program's steps fastest, beside those that the backend chooses by
    /// itself. Takes some hundred runs, or seconds; a tuning in the options plays no part. Fails with
    /// [`ErrorKind::Unsupported`](crate::ErrorKind::Unsupported) where a backend has no choice of algorithms.
    fn tune(&self, _program: Arc<Program>, _inputs: &[TensorView<'_>], _options: &CompileOptions<'_>) -> Result<Tuned> {
        Err(Error::unsupported(format!("the {} backend has nothing to tune", self.name())))
    }

    /// Operations on volumes that stay on the device between the scan and its labels; `None` where that gains nothing, since
    /// the device's memory is the host's.
    fn volumes(&self) -> Option<&dyn Volumes> {
        None
    }
}

/// A compiled program. Runs may overlap.
pub trait Executable: Send + Sync {
    /// The program it was compiled from: input and output names, types and shapes.
    fn program(&self) -> &Program;

    /// Peak memory of a run.
    fn plan(&self) -> MemoryPlan;

    /// Bytes that the device has set aside for this process up to now, where it tells: what a plan is measured against.
    fn reserved(&self) -> Option<u64> {
        None
    }

    /// Starts a run on `inputs` (in the program's order) and gives its outputs (in the program's order) once they are
    /// on the host. The inputs are read before this returns.
    fn submit<'a>(&'a self, inputs: &[TensorView<'_>]) -> RunFuture<'a>;

    /// Runs and waits. Not for browsers, where nothing may wait.
    fn run(&self, inputs: &[TensorView<'_>]) -> Result<Vec<Tensor>> {
        block_on(self.submit(inputs))
    }

    /// Runs once, waits, and tells how long each step took; the outputs are dropped. Fails with
    /// [`ErrorKind::Unsupported`](crate::ErrorKind::Unsupported) where a backend cannot time its steps. Not for browsers.
    fn profile(&self, _inputs: &[TensorView<'_>]) -> Result<Profile> {
        Err(Error::unsupported("this backend does not time its steps"))
    }

    /// The executable as its own type, for a backend whose [`Volumes`] run executables of that backend; an executable that
    /// wraps another hands on the inner one's.
    fn as_any(&self) -> Option<&dyn Any> {
        None
    }
}

struct Unpark(Thread);

impl Wake for Unpark {
    fn wake(self: Arc<Self>) {
        self.0.unpark();
    }
}

/// Waits for a future on this thread.
pub fn block_on<T>(future: impl Future<Output = T>) -> T {
    let waker = Waker::from(Arc::new(Unpark(thread::current())));
    let mut context = Context::from_waker(&waker);
    let mut future = pin!(future);
    loop {
        match future.as_mut().poll(&mut context) {
            Poll::Ready(value) => return value,
            Poll::Pending => thread::park(),
        }
    }
}

impl Unsupported {
    /// The error that [`Backend::compile`] returns for a non-empty list.
    pub fn error(backend: &str, missing: &[Unsupported]) -> crate::Error {
        let list: Vec<_> = missing.iter().map(|u| format!("{} (node '{}'): {}", u.kernel, u.node, u.reason)).collect();
        crate::Error::unsupported(format!("the {backend} backend cannot run: {}", list.join("; ")))
    }
}
