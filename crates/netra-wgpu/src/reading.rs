//! Reading buffers back.

use std::future::ready;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, Waker};

use cubecl::prelude::Client;
use cubecl::server::Handle;
use netra_graph::{Error, ErrorKind, Result};

type Bytes = Pin<Box<dyn Future<Output = Result<Vec<u8>>> + Send>>;

/// Readings that nobody waits for any more. A staging buffer that is let go of while it is being mapped comes to the next
/// reading still mapped, which is an error: they are kept until they are done.
#[derive(Clone, Default)]
pub(crate) struct Abandoned(Arc<Mutex<Vec<Bytes>>>);

impl Abandoned {
    /// Lets go of those that are done.
    fn sweep(&self) {
        let mut left = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        left.retain_mut(|reading| reading.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_pending());
    }
}

/// The bytes of a buffer on their way back, as they were when this was made.
pub(crate) struct Reading {
    bytes: Bytes,
    done: bool,
    abandoned: Abandoned,
}

impl Reading {
    /// Issues the reading of a buffer.
    pub(crate) fn new(client: Client, handle: Handle, abandoned: Abandoned) -> Self {
        abandoned.sweep();
        let mut bytes: Bytes = Box::pin(async move {
            let failed = |reason: String| Error::new(ErrorKind::Backend, format!("read-back failed: {reason}"));
            let mut read = client.read_async(vec![handle]).await.map_err(|e| failed(e.to_string()))?;
            read.pop().map(|b| b.to_vec()).ok_or_else(|| failed("nothing came back".into()))
        });
        // The copy is issued by the first poll, and has to be before whatever is issued next.
        if let Poll::Ready(read) = bytes.as_mut().poll(&mut Context::from_waker(Waker::noop())) {
            bytes = Box::pin(ready(read));
        }
        Self { bytes, done: false, abandoned }
    }
}

impl Future for Reading {
    type Output = Result<Vec<u8>>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let polled = self.bytes.as_mut().poll(context);
        self.done = polled.is_ready();
        polled
    }
}

impl Drop for Reading {
    fn drop(&mut self) {
        if !self.done {
            let bytes = std::mem::replace(&mut self.bytes, Box::pin(ready(Ok(Vec::new()))));
            self.abandoned.0.lock().unwrap_or_else(PoisonError::into_inner).push(bytes);
        }
    }
}
