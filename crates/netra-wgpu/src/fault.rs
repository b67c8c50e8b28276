//! What goes wrong below this crate, as typed errors that name the adapter, what was being done, and what to do about it.
//!
//! - [`ErrorKind::Backend`]: the adapter was lost, or burn or wgpu failed in a way that says nothing about the program.
//! - [`ErrorKind::Limit`]: memory ran out. The adapter goes on working for what fits.
//! - [`ErrorKind::Unsupported`]: the driver refused a kernel.
//!
//! A launch reports nothing: whatever was wrong with it comes out where its results are read back.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::task::{Context, Poll};

use cubecl::server::{IoError, ServerError};
use netra_graph::{Error, ErrorKind, Result};

use crate::gpu::Gpu;

#[cfg(test)]
mod tests;

/// How wgpu's message begins when a buffer cannot be had.
const NO_MEMORY: &str = "Out of Memory";
/// What waiting for results is called in messages.
pub(crate) const READING: &str = "reading results back";

/// Turns a panic below (burn and wgpu panic on what they did not expect) into an error. When memory ran out, what no run
/// needs is given back, so that what is smaller may run.
pub(crate) fn guarded<T>(gpu: &Gpu, doing: &str, run: impl FnOnce() -> Result<T>) -> Result<T> {
    let result = catch_unwind(AssertUnwindSafe(run)).unwrap_or_else(|payload| {
        let message = payload.downcast_ref::<String>().map(String::as_str);
        let message = message.or_else(|| payload.downcast_ref::<&str>().copied()).unwrap_or("no message");
        Err(of_panic(doing, message).at(place(gpu.name())))
    });
    result.inspect_err(|error| {
        if error.kind() == ErrorKind::Limit {
            let _ = catch_unwind(AssertUnwindSafe(|| gpu.release()));
        }
    })
}

/// A read-back whose panics become errors.
pub(crate) struct Guarded<F> {
    gpu: Gpu,
    /// None once it is done: what it held is free then.
    run: Option<Pin<Box<F>>>,
}

impl<F> Guarded<F> {
    pub(crate) fn new(gpu: &Gpu, run: F) -> Self {
        Self { gpu: gpu.clone(), run: Some(Box::pin(run)) }
    }
}

impl<T, F: Future<Output = Result<T>>> Future for Guarded<F> {
    type Output = Result<T>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let Self { gpu, run } = &mut *self;
        let polled = guarded(gpu, READING, || {
            let Some(future) = run else { return Ok(Poll::Pending) };
            let Poll::Ready(result) = future.as_mut().poll(context) else { return Ok(Poll::Pending) };
            *run = None;
            result.map(Poll::Ready)
        });
        polled.map_or_else(|error| Poll::Ready(Err(error)), |polled| polled.map(Ok))
    }
}

/// What cubecl reports of an adapter.
pub(crate) fn of_server(adapter: &str, doing: &str, error: &ServerError) -> Error {
    let root = root(error);
    let reason = reason(&root.to_string());
    let error = if error.is_device_poisoned() {
        let text = format!(
            "the graphics adapter was lost while {doing} ({reason}): nothing runs on it until the program is started \
             again; other adapters and the cpu backend still work"
        );
        Error::new(ErrorKind::Backend, text)
    } else if error.is_refusal() {
        Error::unsupported(format!("the driver refused a kernel ({reason}): use another adapter or the cpu backend"))
    } else if let ServerError::Io(
        // A buffer that could not be allocated is told of only by what misses it.
        IoError::NotFound { .. } | IoError::OutOfMemory { .. } | IoError::BufferTooBig { .. },
    ) = root
    {
        out_of_memory(doing, &reason)
    } else {
        Error::new(ErrorKind::Backend, format!("the graphics adapter failed while {doing}: {reason}"))
    };
    error.at(place(adapter))
}

/// Whether a write and a read of four bytes go through: a device that was lost earlier in this process stays lost.
pub(crate) fn responds(gpu: &Gpu) -> Result<()> {
    let reading = guarded(gpu, "bringing it up", || Ok(gpu.ordered(|| gpu.read(&gpu.upload(&[0i32])))))?;
    netra_graph::block_on(Guarded::new(gpu, reading)).map(drop)
}

fn of_panic(doing: &str, message: &str) -> Error {
    if message.contains(NO_MEMORY) {
        return out_of_memory(doing, &reason(message));
    }
    Error::new(ErrorKind::Backend, format!("burn or wgpu panicked while {doing}: {}", reason(message)))
}

fn out_of_memory(doing: &str, reason: &str) -> Error {
    Error::limit(format!(
        "out of memory on the graphics adapter while {doing} ({reason}): use smaller inputs, windows or tiles, an adapter \
         with more memory, or the cpu backend"
    ))
}

fn place(adapter: &str) -> String {
    format!("graphics adapter {adapter}")
}

/// The first failure behind a chain of steps that were skipped.
fn root(error: &ServerError) -> &ServerError {
    match error {
        ServerError::Unwritten { root: first, .. } => root(first),
        ServerError::Several { errors, .. } => errors.first().map_or(error, root),
        _ => error,
    }
}

/// A message of several lines in one, without its backtrace.
fn reason(message: &str) -> String {
    let backtrace = |line: &&str| !line.starts_with("Backtrace") && !line.starts_with("No backtrace");
    let lines = message.lines().map(str::trim).filter(|line| !line.is_empty() && *line != "Caused by:");
    lines.take_while(backtrace).collect::<Vec<_>>().join(": ")
}
