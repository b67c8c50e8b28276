//! Vectors in the patient, in millimetres or as directions.

pub(crate) type Vector = [f64; 3];

pub(crate) fn cross(a: Vector, b: Vector) -> Vector {
    [a[1] * b[2] - a[2] * b[1], a[2] * b[0] - a[0] * b[2], a[0] * b[1] - a[1] * b[0]]
}

pub(crate) fn dot(a: Vector, b: Vector) -> f64 {
    a.iter().zip(b).map(|(x, y)| x * y).sum()
}

pub(crate) fn norm(v: Vector) -> f64 {
    dot(v, v).sqrt()
}

pub(crate) fn unit(v: Vector) -> Vector {
    let length = norm(v);
    v.map(|x| x / length)
}

pub(crate) fn minus(a: Vector, b: Vector) -> Vector {
    std::array::from_fn(|i| a[i] - b[i])
}

/// `a + t * b`.
pub(crate) fn along(a: Vector, t: f64, b: Vector) -> Vector {
    std::array::from_fn(|i| a[i] + t * b[i])
}

/// Angle between two directions.
pub(crate) fn degrees(a: Vector, b: Vector) -> f64 {
    // atan2 keeps its precision at small angles, where acos has none.
    norm(cross(a, b)).atan2(dot(a, b)).to_degrees()
}
