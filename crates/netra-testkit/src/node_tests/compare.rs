//! Results against expected outputs, by the rules of `onnx.backend.test.runner`.

use half::{bf16, f16};
use netra_graph::{Data, Tensor};

/// Two steps of bfloat16: what ONNX's runner allows it.
const BF16_RTOL: f64 = 1.0 / 64.0;

/// Compares a result with the expected tensor, both held as Netra holds the ONNX element type `kind`. Floats that Netra
/// holds in a wider type are rounded to their own first, then as `numpy.testing.assert_allclose`: within
/// `atol + rtol |want|`, equal infinities, NaN where NaN is expected. Everything else must be equal.
pub fn compare(got: &Tensor, want: &Tensor, kind: &str, (rtol, atol): (f64, f64)) -> Result<(), String> {
    if (got.dtype(), got.shape()) != (want.dtype(), want.shape()) {
        let (g, w) = ((got.dtype(), got.shape()), (want.dtype(), want.shape()));
        return Err(format!("{} {:?}, not {} {:?}", g.0, g.1, w.0, w.1));
    }
    match (got.data(), want.data()) {
        (Data::F32(g), Data::F32(w)) => {
            let (round, rtol): (fn(f32) -> f32, f64) = match kind {
                "FLOAT16" => (|v| f16::from_f32(v).to_f32(), rtol),
                "BFLOAT16" => (|v| bf16::from_f32(v).to_f32(), rtol.max(BF16_RTOL)),
                _ => (|v| v, rtol),
            };
            let got = g.iter().map(|&v| round(v).into());
            close(got, w.iter().map(|&v| v.into()), rtol, atol)
        }
        (Data::F64(g), Data::F64(w)) => close(g.iter().copied(), w.iter().copied(), rtol, atol),
        (g, w) if g == w => Ok(()),
        (g, w) => Err(format!("{g:?}, not {w:?}").chars().take(300).collect()),
    }
}

fn close(got: impl Iterator<Item = f64>, want: impl Iterator<Item = f64>, rtol: f64, atol: f64) -> Result<(), String> {
    let fits = |g: f64, w: f64| {
        g == w || (g.is_nan() && w.is_nan()) || (w.is_finite() && (g - w).abs() <= atol + rtol * w.abs())
    };
    let wrong: Vec<_> = got.zip(want).enumerate().filter(|(_, (g, w))| !fits(*g, *w)).collect();
    match wrong.first() {
        None => Ok(()),
        Some((i, (g, w))) => Err(format!("{} elements differ; element {i} is {g:e}, not {w:e}", wrong.len())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn floats(values: &[f32]) -> Tensor {
        Tensor::from_f32([values.len()], values.to_vec()).expect("a vector")
    }

    fn fits(got: &[f32], want: &[f32], kind: &str) -> bool {
        compare(&floats(got), &floats(want), kind, (1e-3, 1e-7)).is_ok()
    }

    #[test]
    fn tolerance_is_relative_to_what_is_expected() {
        assert!(fits(&[1.0009], &[1.0], "FLOAT"));
        assert!(!fits(&[1.0011], &[1.0], "FLOAT"));
        assert!(fits(&[9e-8], &[0.0], "FLOAT"));
        assert!(!fits(&[2e-7], &[0.0], "FLOAT"));
    }

    #[test]
    fn specials_are_equal_to_themselves_alone() {
        let (inf, nan) = (f32::INFINITY, f32::NAN);
        assert!(fits(&[inf, -inf, nan], &[inf, -inf, nan], "FLOAT"));
        assert!(!fits(&[inf], &[-inf], "FLOAT"));
        assert!(!fits(&[nan], &[1.0], "FLOAT"));
        assert!(!fits(&[1.0], &[nan], "FLOAT"));
        assert!(!fits(&[f32::MAX], &[inf], "FLOAT"));
    }

    #[test]
    fn wider_types_are_rounded_first() {
        // Overflows half precision.
        assert!(fits(&[70000.0], &[f32::INFINITY], "FLOAT16"));
        assert!(!fits(&[70000.0], &[f32::INFINITY], "BFLOAT16"));
        // Less than half a step from 1.
        assert!(fits(&[1.003], &[1.0], "BFLOAT16"));
        assert!(!fits(&[1.003], &[1.0], "FLOAT"));
    }

    #[test]
    fn integers_and_shapes_are_exact() {
        let ints = |v: &[i64]| Tensor::from_i64s(v);
        assert!(compare(&ints(&[1000]), &ints(&[1000]), "INT64", (1e-3, 1e-7)).is_ok());
        assert!(compare(&ints(&[1001]), &ints(&[1000]), "INT64", (1.0, 1.0)).is_err());
        assert!(compare(&ints(&[1]), &floats(&[1.0]), "FLOAT", (1.0, 1.0)).is_err());
        let matrix = floats(&[1.0]).reshaped([1, 1]).expect("a matrix");
        assert!(compare(&matrix, &floats(&[1.0]), "FLOAT", (1.0, 1.0)).is_err());
    }
}
