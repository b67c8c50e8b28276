//! Activations fused behind other kernels.

use cubecl::prelude::*;
use netra_graph::Activation;

/// The kind of an activation; its parameters travel as scalars.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Act {
    None,
    Relu,
    LeakyRelu,
    Elu,
    Sigmoid,
    Silu,
    HardSwish,
    Clip,
}

impl Act {
    /// Kind and parameters of an activation. `None` for one that this backend does not know.
    pub(crate) fn of(activation: Activation) -> Option<(Act, f32, f32)> {
        Some(match activation {
            Activation::Relu => (Act::Relu, 0.0, 0.0),
            Activation::LeakyRelu(alpha) => (Act::LeakyRelu, alpha, 0.0),
            Activation::Elu(alpha) => (Act::Elu, alpha, 0.0),
            Activation::Sigmoid => (Act::Sigmoid, 0.0, 0.0),
            Activation::Silu => (Act::Silu, 0.0, 0.0),
            Activation::HardSwish => (Act::HardSwish, 0.0, 0.0),
            Activation::Clip(low, high) => (Act::Clip, low, high),
            _ => return None,
        })
    }

    /// As [`Act::of`]; without an activation the identity.
    pub(crate) fn of_optional(activation: Option<Activation>) -> Option<(Act, f32, f32)> {
        activation.map_or(Some((Act::None, 0.0, 0.0)), Act::of)
    }
}

/// `act(x)`.
#[cube]
pub(crate) fn activate(x: f32, alpha: f32, beta: f32, #[comptime] act: Act) -> f32 {
    match act {
        Act::None => x,
        Act::Relu => max(x, 0.0f32),
        Act::LeakyRelu => select(x >= 0.0f32, x, alpha * x),
        Act::Elu => select(x >= 0.0f32, x, alpha * exp_minus_one(min(x, 0.0f32))),
        Act::Sigmoid => sigmoid(x),
        Act::Silu => x * sigmoid(x),
        Act::HardSwish => x * min(max(x / 6.0f32 + 0.5f32, 0.0f32), 1.0f32),
        Act::Clip => min(max(x, alpha), beta),
    }
}

/// `1 / (1 + exp -x)`, without overflow on either side.
#[cube]
pub(crate) fn sigmoid(x: f32) -> f32 {
    let e = (-x.abs()).exp();
    let small = e / (1.0f32 + e);
    select(x >= 0.0f32, 1.0f32 / (1.0f32 + e), small)
}

/// `exp(x) - 1` for `x <= 0`; a series near 0, where the difference would cancel.
#[cube]
pub(crate) fn exp_minus_one(x: f32) -> f32 {
    let series = x * (1.0f32 + x * (0.5f32 + x * (0.16666667f32 + x * (0.041666668f32 + x * 0.008333334f32))));
    select(x > -0.25f32, series, x.exp() - 1.0f32)
}
