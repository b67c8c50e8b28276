//! Walking one buffer in the order of another shape.

use cubecl::prelude::*;

/// Offset and strides (possibly 0 or negative) with which a buffer is read along the axes of a shape.
#[derive(CubeLaunch, CubeType)]
pub(crate) struct Walk {
    pub offset: i32,
    pub strides: Sequence<i32>,
}

/// Where element `position` (row-major in `shape`) lies in a buffer.
#[cube]
pub(crate) fn offset(position: usize, shape: &Sequence<usize>, walk: &Walk) -> usize {
    let rank = comptime!(shape.len());
    let mut rest = position;
    let mut at = walk.offset;
    #[unroll]
    for i in 0..rank {
        let axis = comptime!(rank - 1 - i);
        if comptime!(axis == 0) {
            at += rest as i32 * *walk.strides.index(axis);
        } else {
            let size = *shape.index(axis);
            let outer = rest / size;
            at += (rest - outer * size) as i32 * *walk.strides.index(axis);
            rest = outer;
        }
    }
    at as usize
}

/// The position that an index means on an axis of `size` elements: negative ones count from the end, those out of range
/// (which the program's maker must not produce) are clamped.
#[cube]
pub(crate) fn resolve(index: i32, size: usize) -> usize {
    let index = select(index < 0i32, index + size as i32, index);
    min(max(index, 0i32), size as i32 - 1i32) as usize
}
