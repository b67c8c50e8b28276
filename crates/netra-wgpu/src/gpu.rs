//! One adapter brought up: buffers on it, launches and read-back.

use std::future::Future;
use std::sync::Arc;

use burn_backend::{Bytes, DType};
use burn_cubecl::{CubeDevice, tensor::CubeTensor};
use cubecl::MemoryScope;
use cubecl::prelude::*;
use netra_graph::{Error, ErrorKind, Result};

use crate::fault;

/// Threads in a workgroup. WebGPU promises 256; 64 suits every adapter.
const WORKGROUP: u32 = 64;

/// An adapter and the largest buffer it binds.
#[derive(Clone)]
pub(crate) struct Gpu {
    pub(crate) client: Client,
    device: CubeDevice,
    limit: usize,
    name: Arc<str>,
}

/// A flat buffer of 4-byte elements on the adapter. Cloning shares it; it is freed with the last clone.
#[derive(Clone)]
pub(crate) struct Buffer(CubeTensor);

impl Buffer {
    /// The buffer as a kernel argument.
    pub(crate) fn arg(&self) -> BufferArg {
        self.0.clone().into_buffer_arg()
    }

    /// The buffer as an optional kernel argument.
    pub(crate) fn optional(buffer: Option<&Buffer>) -> Option<BufferArg> {
        buffer.map(Buffer::arg)
    }
}

impl Gpu {
    /// Wraps a device that is up.
    pub(crate) fn new(device: CubeDevice, limit: usize, name: &str) -> Self {
        Self { client: device.client(), device, limit, name: name.into() }
    }

    /// The same adapter with a smaller largest buffer.
    pub(crate) fn with_limit(self, bytes: usize) -> Self {
        Self { limit: self.limit.min(bytes), ..self }
    }

    /// The adapter, for messages.
    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    /// Largest buffer in bytes.
    pub(crate) fn limit(&self) -> usize {
        self.limit
    }

    /// Bytes of all memory that is set aside on the adapter: for buffers, and for what comes after them.
    pub(crate) fn reserved(&self) -> u64 {
        self.client.memory_report(MemoryScope::Device).usage().bytes_reserved
    }

    /// A buffer of `elements`, contents undefined. Never of size 0, which no API binds.
    pub(crate) fn empty(&self, elements: usize) -> Buffer {
        let elements = elements.max(1);
        self.wrap(self.client.empty(elements * 4), elements)
    }

    /// Uploads the raw bits of 4-byte elements.
    pub(crate) fn upload<E: CubeElement + Copy>(&self, data: &[E]) -> Buffer {
        if data.is_empty() {
            return self.empty(1);
        }
        self.wrap(self.client.create(Bytes::from_bytes_vec(E::as_bytes(data).to_vec())), data.len())
    }

    fn wrap(&self, handle: cubecl::server::Handle, elements: usize) -> Buffer {
        let shape = [elements].into();
        Buffer(CubeTensor::new_contiguous(self.client.clone(), self.device.clone(), shape, handle, DType::F32))
    }

    /// Starts reading a buffer back. Fails with what went wrong in whatever wrote it, as [`fault::of_server`] tells.
    pub(crate) fn read(&self, buffer: &Buffer) -> impl Future<Output = Result<Vec<u8>>> + Send + use<> {
        const DOING: &str = "reading results back";
        let (gpu, handle) = (self.clone(), buffer.0.handle.clone());
        async move {
            let mut read = gpu.client.read_async(vec![handle]).await.map_err(|e| fault::of_server(&gpu, DOING, &e))?;
            let nothing = || Error::new(ErrorKind::Backend, format!("nothing came back while {DOING}"));
            read.pop().map(|bytes| bytes.to_vec()).ok_or_else(nothing)
        }
    }

    /// Workgroups and their size for `threads`. The count may exceed what is needed: kernels check.
    pub(crate) fn grid(&self, threads: usize) -> (CubeCount, CubeDim) {
        let dim = CubeDim::new_1d(WORKGROUP);
        (cubecl::calculate_cube_count_elemwise(&self.client, threads, dim), dim)
    }
}
