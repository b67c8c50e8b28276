//! Passes over programs: each recognises one pattern and puts fewer, larger kernels in its place.
//!
//! A pass keeps every output's name, type and shape, and its values up to rounding. All match backwards from the last
//! step of a pattern, so a replacement stands where all its inputs are known.

mod activation;
mod affine;
mod attention;
mod channel_affine;
mod compact;
mod edit;
mod gelu;
mod gone;
mod group_norm;
mod layer_norm;
mod matmul;
mod norm_affine;
mod normalization;
mod positive;
mod residual;
mod swish;
#[cfg(test)]
mod testing;
mod upsampling;
mod view;
mod windows;

pub use attention::fuse_attention;
pub use normalization::fuse_normalization;
pub use upsampling::fuse_upsampling;

use crate::Program;

/// The passes in order; each says how often it fired.
const PASSES: [fn(&mut Program) -> usize; 12] = [
    gone::run,
    layer_norm::run,
    group_norm::run,
    norm_affine::run,
    positive::run,
    affine::run,
    matmul::run,
    gelu::run,
    swish::run,
    channel_affine::run,
    residual::run,
    activation::run,
];

/// Chains of patterns settle in a few rounds; the bound only guards time.
const MAX_ROUNDS: usize = 8;

/// Runs every pass until none changes anything, then drops what nothing reads.
pub fn optimise(program: &mut Program) {
    compact::run(program);
    for _ in 0..MAX_ROUNDS {
        if PASSES.iter().map(|pass| pass(program)).sum::<usize>() == 0 {
            break;
        }
    }
    compact::run(program);
}
