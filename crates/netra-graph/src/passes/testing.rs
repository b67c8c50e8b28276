//! Numerical comparison of a program before and after a pass, on noise.

use crate::{DType, Data, Program, Tensor, eval};

/// Values in -1..1 that depend on the seed only.
pub fn noise(shape: &[usize], seed: u64) -> Tensor {
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    let mut next = || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 40) as f32 / (1 << 23) as f32 - 1.0
    };
    Tensor::from_f32(shape, (0..shape.iter().product()).map(|_| next()).collect()).unwrap()
}

/// Fails unless both programs give the same outputs (names, shapes, values to 1e-5 of their range).
#[track_caller]
pub fn assert_same(before: &Program, after: &Program) {
    let input = |(i, id): (usize, &crate::ValueId)| {
        let value = before.value(*id);
        assert_eq!(value.dtype, DType::F32);
        noise(&value.shape, i as u64 + 77)
    };
    let inputs: Vec<Tensor> = before.inputs.iter().enumerate().map(input).collect();
    let views: Vec<_> = inputs.iter().map(Tensor::view).collect();
    let (a, b) = (eval::run(before, &views).unwrap(), eval::run(after, &views).unwrap());
    for (i, (a, b)) in a.iter().zip(&b).enumerate() {
        assert_eq!(before.value(before.outputs[i]).name, after.value(after.outputs[i]).name);
        assert_eq!(a.shape(), b.shape());
        let (Data::F32(a), Data::F32(b)) = (a.data(), b.data()) else {
            assert_eq!(a, b);
            continue;
        };
        let range = a.iter().fold(0f32, |m, v| m.max(v.abs()));
        assert!(range > 0.0, "an output of zeros proves nothing");
        let error = a.iter().zip(b).fold(0f32, |m, (a, b)| m.max((a - b).abs()));
        assert!(error <= 1e-5 * range, "error {error} of {range}");
    }
}

/// Names of the kernels of a program.
pub fn kernels(program: &Program) -> Vec<&'static str> {
    program.steps.iter().map(|s| s.kernel.name()).collect()
}
