//! How the sums of a convolution end: in the kernel that made them, or after those of several workgroups are added up.

use cubecl::prelude::*;

use super::activation::{Act, activate};

/// Writes a sum: adds the bias, or what the output holds, and the residual, and applies the activation.
#[cube]
#[allow(clippy::too_many_arguments)]
pub(crate) fn finish(
    sum: f32,
    bias: &ComptimeOption<&[f32]>,
    residual: &ComptimeOption<&[f32]>,
    out: &mut [f32],
    at: usize,
    channel: usize,
    alpha: f32,
    beta: f32,
    #[comptime] accumulate: bool,
    #[comptime] act: Act,
) {
    let mut value = sum;
    if comptime!(accumulate) {
        value += out[at];
    } else {
        #[comptime]
        let start = match bias {
            ComptimeOption::Some(bias) => bias[channel],
            ComptimeOption::None => 0.0f32,
        };
        value += start;
    }
    #[comptime]
    let value = match residual {
        ComptimeOption::Some(residual) => value + residual[at],
        ComptimeOption::None => value,
    };
    out[at] = activate(value, alpha, beta, act);
}

/// Adds up the `shares` of sums that [`conv_gemm`](super::gemm::conv_gemm) wrote to `sums [shares, total]`, and writes them as it would have.
#[cube(launch)]
#[allow(clippy::too_many_arguments)]
pub(crate) fn sum_shares(
    sums: &[f32],
    bias: ComptimeOption<&[f32]>,
    residual: ComptimeOption<&[f32]>,
    out: &mut [f32],
    total: usize,
    shares: usize,
    plane: usize,
    out_c: usize,
    first: usize,
    alpha: f32,
    beta: f32,
    #[comptime] accumulate: bool,
    #[comptime] act: Act,
) {
    if ABSOLUTE_POS >= total {
        terminate!();
    }
    let mut sum = 0.0f32;
    for share in 0..shares {
        sum += sums[share * total + ABSOLUTE_POS];
    }
    let channel = first + ABSOLUTE_POS / plane % out_c;
    finish(sum, &bias, &residual, out, ABSOLUTE_POS, channel, alpha, beta, accumulate, act);
}
