//! The GPU backend: programs on any graphics adapter that wgpu reaches (Vulkan, Metal, DirectX 12, OpenGL, WebGPU).
//!
//! burn-wgpu brings adapters up and manages their memory; the kernels are our own, written in CubeCL, and launched
//! in checked mode (an index beyond a buffer is clamped), so that this crate needs no `unsafe`. All arithmetic is
//! float32 and exact: no TF32, no half precision. Results are the same from run to run on one adapter.
//!
//! A tensor larger than what the adapter binds at once is cut along its channels, see [`WgpuBackend`].
//!
//! Every integer is kept in 32 signed bits. Arithmetic on 8, 16 and signed 32 bits wraps as it should. Unsigned 32-bit
//! and all 64-bit integers are right as long as inputs and results fit in 31 bits: larger inputs are refused at upload,
//! arithmetic wraps at 32 bits, and conversion of floats to 64-bit integers is clamped. Float64 is refused by name.
//!
//! This is the only crate that names burn, cubecl or wgpu.
#![forbid(unsafe_code)]

mod adapter;
mod arena;
mod backend;
mod executable;
mod fault;
mod gpu;
mod kernels;
mod reading;
mod steps;
mod transfer;
mod tune;
mod value;
mod volumes;

pub use adapter::{AdapterInfo, AdapterLimits, AdapterSelector, adapters};
pub use backend::WgpuBackend;
