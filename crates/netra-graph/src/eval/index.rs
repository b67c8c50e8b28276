//! Walking row-major indices.

/// Elements between neighbours along each axis of a row-major array.
pub fn strides(shape: &[usize]) -> Vec<usize> {
    let mut strides = vec![1; shape.len()];
    for i in (1..shape.len()).rev() {
        strides[i - 1] = strides[i] * shape[i];
    }
    strides
}

/// Calls `f` with every index of `shape` in row-major order.
pub fn each(shape: &[usize], mut f: impl FnMut(&[usize])) {
    if shape.contains(&0) {
        return;
    }
    let mut index = vec![0; shape.len()];
    loop {
        f(&index);
        let mut axis = shape.len();
        loop {
            if axis == 0 {
                return;
            }
            axis -= 1;
            index[axis] += 1;
            if index[axis] < shape[axis] {
                break;
            }
            index[axis] = 0;
        }
    }
}

/// Calls `f` with the offsets in `N` arrays of every index of `shape`, in row-major order. The arrays have strides of their
/// own, 0 along axes in which they repeat.
pub fn walk<const N: usize>(shape: &[usize], strides: [Vec<usize>; N], mut f: impl FnMut([usize; N])) {
    let Some((&inner, outer)) = shape.split_last() else { return f([0; N]) };
    let steps: [usize; N] = std::array::from_fn(|a| strides[a][outer.len()]);
    each(outer, |index| {
        let mut at: [usize; N] = std::array::from_fn(|a| offset(index, &strides[a][..outer.len()]));
        for _ in 0..inner {
            f(at);
            for (at, step) in at.iter_mut().zip(steps) {
                *at += step;
            }
        }
    });
}

/// Strides of an array of `shape` that is broadcast to `rank` axes.
pub fn broadcast_strides(shape: &[usize], rank: usize) -> Vec<usize> {
    let own = strides(shape);
    let repeated = std::iter::repeat_n(0, rank - shape.len());
    repeated.chain((0..shape.len()).map(|i| if shape[i] == 1 { 0 } else { own[i] })).collect()
}

/// Offset of an index of a broadcast shape in the array of `shape` that is broadcast to it (NumPy's rule: axes align at
/// the end, size 1 repeats).
pub fn broadcast_offset(index: &[usize], shape: &[usize], strides: &[usize]) -> usize {
    let skip = index.len() - shape.len();
    (0..shape.len()).map(|i| if shape[i] == 1 { 0 } else { index[skip + i] * strides[i] }).sum()
}

/// Offset of `index` in an array with `strides`.
pub fn offset(index: &[usize], strides: &[usize]) -> usize {
    index.iter().zip(strides).map(|(i, s)| i * s).sum()
}
