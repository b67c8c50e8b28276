//! CubeCL kernels. All index flat, contiguous buffers of 4-byte elements.

pub(crate) mod activation;
pub(crate) mod chain;
pub(crate) mod conv;
pub(crate) mod elementwise;
pub(crate) mod function;
pub(crate) mod gemm;
pub(crate) mod grid;
pub(crate) mod index;
pub(crate) mod indexing;
pub(crate) mod intensity;
pub(crate) mod labels;
pub(crate) mod matmul;
pub(crate) mod moments;
pub(crate) mod movement;
pub(crate) mod number;
pub(crate) mod pool;
pub(crate) mod reduce;
pub(crate) mod sample;
pub(crate) mod selection;
pub(crate) mod tile;
pub(crate) mod unary;
pub(crate) mod upsample;
pub(crate) mod window;
