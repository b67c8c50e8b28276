//! How far two tensors are apart.

use netra_graph::{DataView, TensorView};

/// Differences between a result and its reference.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Difference {
    /// Largest absolute difference; infinite when one side is NaN or the shapes differ.
    pub max_abs: f64,
    /// Largest minus smallest reference value, at least the smallest positive float.
    pub range: f64,
    /// Elements that differ (for integers and booleans: that are unequal).
    pub unequal: usize,
    /// Elements compared.
    pub elements: usize,
}

impl Difference {
    /// Largest absolute difference as a share of the reference's range.
    pub fn relative(&self) -> f64 {
        self.max_abs / self.range
    }
}

/// Compares a result with its reference, element by element.
pub fn compare(got: TensorView<'_>, want: TensorView<'_>) -> Difference {
    let (a, b) = (floats(got.data()), floats(want.data()));
    if got.shape() != want.shape() || got.dtype() != want.dtype() {
        return Difference { max_abs: f64::INFINITY, range: 1.0, unequal: b.len(), elements: b.len() };
    }
    let (mut max_abs, mut unequal) = (0.0f64, 0);
    let (mut low, mut high) = (f64::INFINITY, f64::NEG_INFINITY);
    for (&x, &y) in a.iter().zip(&b) {
        if y.is_finite() {
            (low, high) = (low.min(y), high.max(y));
        }
        if x == y || (x.is_nan() && y.is_nan()) {
            continue;
        }
        unequal += 1;
        let d = (x - y).abs();
        max_abs = if d.is_nan() { f64::INFINITY } else { max_abs.max(d) };
    }
    let range = if high > low { high - low } else { high.abs().max(1.0) };
    Difference { max_abs, range: if range.is_finite() { range } else { 1.0 }, unequal, elements: b.len() }
}

fn floats(data: DataView<'_>) -> Vec<f64> {
    match data {
        DataView::F32(v) => v.iter().map(|&x| x.into()).collect(),
        DataView::F64(v) => v.to_vec(),
        DataView::I8(v) => v.iter().map(|&x| x.into()).collect(),
        DataView::U8(v) => v.iter().map(|&x| x.into()).collect(),
        DataView::I32(v) => v.iter().map(|&x| x.into()).collect(),
        DataView::I16(v) => v.iter().map(|&x| x.into()).collect(),
        DataView::U16(v) => v.iter().map(|&x| x.into()).collect(),
        DataView::U32(v) => v.iter().map(|&x| x.into()).collect(),
        DataView::I64(v) => v.iter().map(|&x| x as f64).collect(),
        DataView::U64(v) => v.iter().map(|&x| x as f64).collect(),
        DataView::Bool(v) => v.iter().map(|&x| f64::from(u8::from(x))).collect(),
        _ => Vec::new(),
    }
}

/// Largest index along axis 1 for every other index: the labels of `logits [N, C, ...]`, `[N, ...]`.
pub fn labels(logits: &[f32], channels: usize, plane: usize) -> Vec<usize> {
    let at = |n: usize, c: usize, i: usize| logits[(n * channels + c) * plane + i];
    let batch = logits.len() / (channels * plane).max(1);
    (0..batch * plane)
        .map(|j| {
            let (n, i) = (j / plane, j % plane);
            (1..channels).fold(0, |best, c| if at(n, c, i) > at(n, best, i) { c } else { best })
        })
        .collect()
}
