//! Kernels of one element: a factor and a shift for each channel, as batch normalisation has them.

use super::super::axis::Axis;
use crate::isa::Isa;
use crate::simd::function::{Affine, Identity};
use crate::simd::map::map;
use crate::simd::{Simd, SimdOp};

/// Whether each output along an axis hears the input of the same index alone.
pub fn fits(axis: &Axis) -> bool {
    axis.taps == [0] && axis.outputs == axis.input && (axis.stride == 1 || axis.outputs == 1)
}

/// `factor x + shift` into the first elements of `to`.
pub fn run(isa: Isa, x: &[f32], factor: f32, shift: f32, to: &mut [f32]) {
    isa.dispatch(Apply { x, factor, shift, to: &mut to[..x.len()] });
}

struct Apply<'a> {
    x: &'a [f32],
    factor: f32,
    shift: f32,
    to: &'a mut [f32],
}

impl SimdOp for Apply<'_> {
    type Output = ();
    #[inline(always)]
    fn run<S: Simd>(self, s: S) {
        let Self { x, factor, shift, to } = self;
        assert_eq!(x.len(), to.len());
        // SAFETY: two slices of one length, as asserted.
        unsafe { map(s, x.as_ptr(), to.as_mut_ptr(), x.len(), Affine(factor, shift, Identity)) };
    }
}
