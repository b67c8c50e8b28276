//! The CPU backend of Netra: kernels, instruction-set dispatch and threads.
//!
//! [`CpuBackend`] implements [`netra_graph::Backend`]. Tensors stay in their row-major order (`N, C, spatial...`);
//! convolutions pack what they need of it into buffers that stay in the cache (see the `conv` module). Every kernel is
//! compiled for each [`InstructionSet`]; the strongest that the processor has is chosen at run time.
//!
//! This is the only crate of the workspace with `unsafe` code: vector loads and stores, and threads that write
//! disjoint parts of one output.

mod arithmetic;
mod attention;
mod backend;
mod binary;
mod choices;
mod conv;
#[cfg(target_arch = "x86_64")]
mod dot;
mod elementwise;
mod executable;
mod isa;
mod matmul;
mod means;
mod memory;
mod movement;
mod native;
mod norm;
mod pages;
mod parallel;
mod plain;
mod pool;
mod reduce;
mod region;
mod resize;
mod simd;
mod softmax;
mod split;
mod step;
mod strided;
mod team;
mod tune;

pub use backend::CpuBackend;
pub use isa::InstructionSet;

/// What kernels share: instructions, threads and each thread's scratch.
struct Context<'a> {
    isa: isa::Isa,
    threads: &'a parallel::Threads,
    scratch: &'a parallel::Scratch,
}
