//! Reading buffers back.

use std::future::ready;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, Waker};

use cubecl::prelude::Client;
use cubecl::server::Handle;
use netra_graph::{Error, ErrorKind, Result};

use crate::fault::{READING, of_server};

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
    /// Issues the reading of a buffer. What was wrong with the work that wrote it comes out here, too.
    pub(crate) fn new(client: Client, adapter: Arc<str>, handle: Handle, abandoned: Abandoned) -> Self {
        abandoned.sweep();
        let mut bytes: Bytes = Box::pin(async move {
            let mut read = client.read_async(vec![handle]).await.map_err(|e| of_server(&adapter, READING, &e))?;
            let nothing = || Error::new(ErrorKind::Backend, format!("nothing came back while {READING}"));
            read.pop().map(|b| b.to_vec()).ok_or_else(nothing)
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
        // Should it panic, it is not to be polled again.
        self.done = true;
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
