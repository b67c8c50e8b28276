//! Where the elements of a value lie in the tensor that it is a view of: what transpositions, slices and reshapes between
//! them do, as strides.

use super::edit::{Editor, input};
use crate::eval::strides;
use crate::{Binary, Kernel, StridedRows, ValueId};

/// Longest chain of steps that is looked through.
const MAX_STEPS: usize = 32;

/// `factor` times elements of `source`: element `index` of the view is element `offset + index . strides`.
pub struct View {
    pub source: ValueId,
    pub factor: f32,
    pub offset: usize,
    pub shape: Vec<usize>,
    pub strides: Vec<usize>,
}

impl View {
    /// A value as it is.
    pub fn whole(edit: &Editor<'_>, id: ValueId) -> Self {
        let shape = edit.shape(id).to_vec();
        Self { source: id, factor: 1.0, offset: 0, strides: strides(&shape), shape }
    }

    /// A value as a view of the furthest tensor behind it; multiplications by a number are looked through when `scaled`.
    pub fn of(edit: &Editor<'_>, id: ValueId, scaled: bool) -> Self {
        Self::behind(edit, id, scaled, MAX_STEPS).unwrap_or_else(|| Self::whole(edit, id))
    }

    fn behind(edit: &Editor<'_>, id: ValueId, scaled: bool, steps: usize) -> Option<Self> {
        let step = edit.producer(id).filter(|_| steps > 0)?;
        let x = input(step, 0)?;
        let view = |x: ValueId| Self::behind(edit, x, scaled, steps - 1).unwrap_or_else(|| Self::whole(edit, x));
        let shape = edit.shape(id).to_vec();
        match &step.kernel {
            Kernel::Reshape => view(x).reshaped(&shape),
            Kernel::Transpose { perm } => {
                let x = view(x);
                Some(Self { strides: perm.iter().map(|&axis| x.strides[axis]).collect(), shape, ..x })
            }
            Kernel::Slice { starts, steps } if steps.iter().all(|&step| step > 0) => {
                let x = view(x);
                let offset = x.offset + starts.iter().zip(&x.strides).map(|(s, step)| s * step).sum::<usize>();
                let strides = x.strides.iter().zip(steps).map(|(s, step)| s * step.unsigned_abs()).collect();
                Some(Self { offset, strides, shape, ..x })
            }
            Kernel::Binary(op) if scaled => {
                let y = input(step, 1)?;
                let (x, factor) = match (op, edit.scalar(x), edit.scalar(y)) {
                    (Binary::Mul, _, Some(c)) => (x, c),
                    (Binary::Mul, Some(c), _) => (y, c),
                    (Binary::Div, _, Some(c)) => (x, 1.0 / c),
                    _ => return None,
                };
                let x = view(x);
                let factor = x.factor * factor;
                (x.shape == shape && factor.is_finite()).then_some(Self { factor, ..x })
            }
            _ => None,
        }
    }

    /// The view with axes of size 1 in front, as many as make `rank`.
    pub fn padded(mut self, rank: usize) -> Self {
        let missing = rank.saturating_sub(self.shape.len());
        self.shape.splice(0..0, std::iter::repeat_n(1, missing));
        self.strides.splice(0..0, std::iter::repeat_n(0, missing));
        self
    }

    /// The view under another shape, where strides can say that.
    pub fn reshaped(self, shape: &[usize]) -> Option<Self> {
        // Neighbouring axes that one stride walks become one, innermost last.
        let mut runs: Vec<(usize, usize)> = Vec::new();
        for (&size, &step) in self.shape.iter().zip(&self.strides).filter(|(size, _)| **size != 1) {
            match runs.last_mut() {
                Some((n, outer)) if *outer == step * size => (*n, *outer) = (*n * size, step),
                _ => runs.push((size, step)),
            }
        }
        let mut strides = vec![0; shape.len()];
        let (mut left, mut step) = (1, 0);
        for (&size, stride) in shape.iter().zip(&mut strides).rev().filter(|(size, _)| **size != 1) {
            if left == 1 {
                (left, step) = runs.pop()?;
            }
            if size == 0 || left % size != 0 {
                return None;
            }
            *stride = step;
            (left, step) = (left / size, step * size);
        }
        (left == 1 && runs.is_empty()).then_some(Self { shape: shape.to_vec(), strides, ..self })
    }

    /// The last two axes as rows, or as columns when `transposed`, of a matrix for each index of `lead`, to which the axes
    /// before them are broadcast.
    pub fn rows(&self, lead: &[usize], transposed: bool) -> Option<StridedRows> {
        let own = self.shape.len().checked_sub(2)?;
        let skip = lead.len().checked_sub(own)?;
        let step = |axis: usize| match axis.checked_sub(skip) {
            Some(axis) if self.shape[axis] != 1 => self.strides[axis],
            _ => 0,
        };
        let steps: Vec<usize> = (0..lead.len()).map(step).collect();
        let mut starts = vec![self.offset];
        for (&size, &step) in lead.iter().zip(&steps) {
            starts = starts.iter().flat_map(|&at| (0..size).map(move |i| at + i * step)).collect();
        }
        let [row, column] = [own, own + 1].map(|axis| if self.shape[axis] == 1 { 0 } else { self.strides[axis] });
        Some(if transposed {
            StridedRows { starts, row: column, column: row }
        } else {
            StridedRows { starts, row, column }
        })
    }
}
