//! Walking row-major arrays.

/// Elements between neighbours along each axis.
pub fn strides(shape: &[usize]) -> Vec<usize> {
    let mut strides = vec![1usize; shape.len()];
    for i in (1..shape.len()).rev() {
        strides[i - 1] = strides[i].saturating_mul(shape[i]);
    }
    strides
}

/// Strides of an array of `shape` when it is broadcast to `rank` axes of `out`: 0 where it repeats.
pub fn broadcast_strides(shape: &[usize], out: &[usize]) -> Vec<usize> {
    let own = strides(shape);
    let skip = out.len().saturating_sub(shape.len());
    (0..out.len()).map(|i| i.checked_sub(skip).map_or(0, |j| if shape[j] == 1 { 0 } else { own[j] })).collect()
}

/// A loop nest over `shape` in which several arrays are walked by strides of their own.
#[derive(Clone, Debug)]
pub struct Nest<const N: usize> {
    /// Sizes, outermost first; at least one.
    pub shape: Vec<usize>,
    /// Strides of each array.
    pub strides: [Vec<usize>; N],
}

impl<const N: usize> Nest<N> {
    /// The nest with neighbouring axes joined wherever every array can be walked across both with one stride, and axes
    /// of size 1 left out.
    pub fn new(shape: &[usize], strides: [Vec<usize>; N]) -> Self {
        let mut joined: Vec<(usize, [usize; N])> = Vec::new();
        for (axis, &size) in shape.iter().enumerate() {
            if size == 1 {
                continue;
            }
            let steps: [usize; N] = std::array::from_fn(|a| strides[a][axis]);
            match joined.last_mut() {
                Some((n, outer)) if (0..N).all(|a| outer[a] == steps[a] * size) => {
                    *n *= size;
                    *outer = steps;
                }
                _ => joined.push((size, steps)),
            }
        }
        if joined.is_empty() {
            joined.push((1, [0; N]));
        }
        Self {
            shape: joined.iter().map(|j| j.0).collect(),
            strides: std::array::from_fn(|a| joined.iter().map(|j| j.1[a]).collect()),
        }
    }

    /// Size of the innermost axis.
    pub fn inner(&self) -> usize {
        self.shape.last().copied().unwrap_or(1)
    }

    /// Strides along the innermost axis.
    pub fn inner_strides(&self) -> [usize; N] {
        std::array::from_fn(|a| self.strides[a].last().copied().unwrap_or(0))
    }

    /// Number of innermost rows.
    pub fn rows(&self) -> usize {
        self.shape.iter().rev().skip(1).product()
    }

    /// Offsets at which row `row` starts in each array.
    pub fn row(&self, row: usize) -> [usize; N] {
        self.offsets(row, self.shape.len().saturating_sub(1))
    }

    /// Offsets of element `index`, counted in row-major order.
    pub fn at(&self, index: usize) -> [usize; N] {
        self.offsets(index, self.shape.len())
    }

    fn offsets(&self, index: usize, axes: usize) -> [usize; N] {
        let mut rest = index;
        let mut at = [0; N];
        for axis in (0..axes).rev() {
            let i = rest % self.shape[axis];
            rest /= self.shape[axis];
            for (a, at) in at.iter_mut().enumerate() {
                *at += i * self.strides[a][axis];
            }
        }
        at
    }
}
