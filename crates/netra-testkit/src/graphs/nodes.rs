//! One random node, valid by construction.
//!
//! Functions that jump (comparisons, index of a maximum, conversion to integers) are applied to a graph input only, whose
//! values every evaluation shares exactly: elsewhere rounding could tip them either way.

use netra_graph::{
    Activation, AutoPad, Binary, Coordinates, DType, Nearest, Op, PadFill, Reduction, ResizeMode, ResizeOptions, Unary,
    Window,
};

use super::{Made, Maker};

/// Adds a node that reads float value `index`; `exact` is a graph input.
pub fn add(m: &mut Maker, index: usize, exact: &Made) {
    let x = m.floats[index].clone();
    let rank = x.shape.len();
    let spatial = (3..=5).contains(&rank) && !x.shape.contains(&0);
    match m.rng.below(16) {
        0 | 1 if spatial => convolution(m, &x),
        2 if spatial => pool(m, &x),
        3 if spatial => normalisation(m, &x),
        4 if spatial => resize(m, &x),
        5 => reduce(m, &x),
        6 => reshape(m, &x),
        7 => slice(m, &x),
        8 => pad(m, &x),
        9 => concat(m, &x),
        10 => gather(m, &x),
        11 if rank > 0 => matrix(m, &x),
        12 if rank > 0 => soft(m, &x),
        13 => jump(m, exact),
        14 => binary(m, &x),
        _ => unary(m, &x),
    }
}

fn one(x: &Made) -> [Option<netra_graph::ValueId>; 1] {
    [Some(x.id)]
}

fn unary(m: &mut Maker, x: &Made) {
    let ops = [
        Op::Unary(Unary::Activation(Activation::Relu)),
        Op::Unary(Unary::Activation(Activation::LeakyRelu(0.2))),
        Op::Unary(Unary::Activation(Activation::Elu(0.7))),
        Op::Unary(Unary::Activation(Activation::Sigmoid)),
        Op::Unary(Unary::Activation(Activation::HardSwish)),
        Op::Unary(Unary::Abs),
        Op::Unary(Unary::Neg),
        Op::Unary(Unary::Erf),
        Op::Unary(Unary::Tanh),
        Op::Unary(Unary::Sin),
        Op::Unary(Unary::Softplus),
        Op::Unary(Unary::Softsign),
        Op::Unary(Unary::Gelu),
        Op::Unary(Unary::Mish),
        Op::Unary(Unary::HardSigmoid(0.2, 0.5)),
        Op::Celu { alpha: 0.8 },
        Op::Swish { alpha: 1.0 },
        Op::Identity,
    ];
    let op = m.rng.pick(&ops).clone();
    m.node(op, &one(x));
}

fn binary(m: &mut Maker, x: &Made) {
    let op = Op::Binary(*m.rng.pick(&[Binary::Add, Binary::Sub, Binary::Mul, Binary::Max, Binary::Min]));
    let same: Vec<Made> = m.floats.iter().filter(|v| v.shape == x.shape).cloned().collect();
    let other = if m.rng.below(2) == 0 {
        m.rng.pick(&same).id
    } else {
        // Some axes broadcast, leading ones may be missing.
        let skip = m.rng.below(x.shape.len() + 1);
        let shape: Vec<usize> = x.shape[skip..].iter().map(|&n| if m.rng.below(2) == 0 { 1 } else { n }).collect();
        m.weight(&shape)
    };
    let pair = if m.rng.below(2) == 0 { [Some(x.id), Some(other)] } else { [Some(other), Some(x.id)] };
    m.node(op, &pair);
}

fn window(m: &mut Maker, spatial: &[usize], dilate: bool) -> Window {
    let kernel: Vec<usize> = spatial.iter().map(|_| m.rng.between(1, 3)).collect();
    let dilations: Vec<usize> = spatial.iter().map(|_| if dilate { m.rng.between(1, 2) } else { 1 }).collect();
    // Enough padding that a window always fits, never as much as a window.
    let reach = |i: usize| (kernel[i] - 1) * dilations[i];
    let before: Vec<usize> = (0..spatial.len()).map(|i| reach(i).div_ceil(2)).collect();
    let after: Vec<usize> = (0..spatial.len()).map(|i| reach(i) / 2).collect();
    Window {
        strides: Some(spatial.iter().map(|_| m.rng.between(1, 2)).collect()),
        pads: Some([before, after].concat()),
        dilations: Some(dilations),
        kernel_shape: Some(kernel),
        auto_pad: AutoPad::NotSet,
    }
}

fn convolution(m: &mut Maker, x: &Made) {
    let c = x.shape[1];
    let divisors: Vec<usize> = (1..=c).filter(|g| c.is_multiple_of(*g)).collect();
    let group = *m.rng.pick(&divisors);
    let each = m.rng.between(1, 4);
    let mut window = window(m, &x.shape[2..], true);
    let kernel = window.kernel_shape.clone().unwrap_or_default();
    if m.rng.below(4) == 0 {
        window.pads = None;
        window.auto_pad = *m.rng.pick(&[AutoPad::SameUpper, AutoPad::SameLower]);
    }
    let bias = m.weight(&[group * each]);
    if m.rng.below(3) == 0 && window.auto_pad == AutoPad::NotSet {
        let w = m.weight(&[&[c, each][..], &kernel].concat());
        let op = Op::ConvTranspose { window, group, output_padding: None, output_shape: None };
        m.node(op, &[Some(x.id), Some(w), Some(bias)]);
    } else {
        let w = m.weight(&[&[group * each, c / group][..], &kernel].concat());
        m.node(Op::Conv { window, group }, &[Some(x.id), Some(w), Some(bias)]);
    }
}

fn pool(m: &mut Maker, x: &Made) {
    let ceil_mode = m.rng.below(2) == 0;
    let op = match m.rng.below(4) {
        0 => Op::GlobalAveragePool,
        1 => Op::MaxPool { window: window(m, &x.shape[2..], true), ceil_mode, column_major: false },
        2 => Op::AveragePool { window: window(m, &x.shape[2..], true), ceil_mode, count_include_pad: true },
        _ => Op::AveragePool { window: window(m, &x.shape[2..], false), ceil_mode, count_include_pad: false },
    };
    m.node(op, &one(x));
}

/// A large epsilon keeps instances of few elements from dividing noise by noise.
fn normalisation(m: &mut Maker, x: &Made) {
    let (c, epsilon) = (x.shape[1], 0.1);
    let (scale, bias) = (m.positive(&[c]), m.weight(&[c]));
    match m.rng.below(4) {
        0 => {
            let (mean, variance) = (m.weight(&[c]), m.positive(&[c]));
            let inputs = [x.id, scale, bias, mean, variance].map(Some);
            m.node(Op::BatchNormalization { epsilon: 1e-3 }, &inputs);
        }
        1 => {
            let divisors: Vec<usize> = (1..=c).filter(|g| c.is_multiple_of(*g)).collect();
            let num_groups = *m.rng.pick(&divisors);
            let op = Op::GroupNormalization { num_groups, epsilon, per_group: false };
            m.node(op, &[x.id, scale, bias].map(Some));
        }
        2 => {
            let axis = m.rng.between(1, x.shape.len() - 1);
            let (scale, bias) = (m.positive(&x.shape[axis..]), m.weight(&x.shape[axis..]));
            m.node(Op::LayerNormalization { axis: axis as i64, epsilon }, &[x.id, scale, bias].map(Some));
        }
        _ => {
            m.node(Op::InstanceNormalization { epsilon }, &[x.id, scale, bias].map(Some));
        }
    }
}

fn resize(m: &mut Maker, x: &Made) {
    let modes = [
        ResizeMode::Nearest(Nearest::Floor),
        ResizeMode::Nearest(Nearest::RoundPreferFloor),
        ResizeMode::Linear,
        ResizeMode::Cubic { a: -0.75 },
    ];
    let places =
        [Coordinates::HalfPixel, Coordinates::PytorchHalfPixel, Coordinates::AlignCorners, Coordinates::Asymmetric];
    let sizes: Vec<i64> = x
        .shape
        .iter()
        .enumerate()
        .map(|(i, &n)| if i < 2 { n as i64 } else { m.rng.between(1, 2 * n) as i64 })
        .collect();
    let sizes = m.ints(&sizes);
    let (mode, coordinates) = (*m.rng.pick(&modes), *m.rng.pick(&places));
    m.node(
        Op::Resize { mode, coordinates, axes: None, legacy: false, options: ResizeOptions::default() },
        &[Some(x.id), None, None, Some(sizes)],
    );
}

fn reduce(m: &mut Maker, x: &Made) {
    let reductions = [Reduction::Sum, Reduction::Mean, Reduction::Max, Reduction::L1, Reduction::LogSumExp];
    // No elements have no mean and no maximum.
    let reduction = if x.shape.contains(&0) { Reduction::Sum } else { *m.rng.pick(&reductions) };
    let axes: Vec<i64> = (0..x.shape.len() as i64).filter(|_| m.rng.below(2) == 0).collect();
    let axes = if axes.is_empty() { None } else { Some(m.ints(&axes)) };
    let keepdims = m.rng.below(2) == 0;
    let op = Op::Reduce { reduction, log: false, keepdims, noop_with_empty_axes: false };
    m.node(op, &[Some(x.id), axes]);
}

fn reshape(m: &mut Maker, x: &Made) {
    let rank = x.shape.len();
    match m.rng.below(4) {
        0 => {
            let mut perm: Vec<usize> = (0..rank).collect();
            for i in (1..rank).rev() {
                perm.swap(i, m.rng.below(i + 1));
            }
            m.node(Op::Transpose { perm: Some(perm) }, &one(x));
        }
        1 => {
            let axis = m.rng.below(rank + 1) as i64;
            m.node(Op::Flatten { axis }, &one(x));
        }
        2 if rank < 6 => {
            let axis = m.rng.below(rank + 1) as i64;
            let axes = m.ints(&[axis]);
            m.node(Op::Unsqueeze, &[Some(x.id), Some(axes)]);
        }
        _ => {
            // All but the first axis become one, as before a classifier's last layer.
            let rest: usize = x.shape.iter().skip(1).product();
            let first = x.shape.first().copied().unwrap_or(1);
            let shape = m.ints(&[first as i64, rest as i64]);
            m.node(Op::Reshape { allowzero: true }, &[Some(x.id), Some(shape)]);
        }
    }
}

fn slice(m: &mut Maker, x: &Made) {
    if x.shape.is_empty() {
        return unary(m, x);
    }
    let axis = m.rng.below(x.shape.len());
    let n = x.shape[axis];
    let (start, end) = (m.rng.below(n + 1) as i64, m.rng.below(n + 2) as i64);
    let parameters = match m.rng.below(3) {
        // Backwards, to the very front.
        0 => [n as i64 - 1, i64::MIN, axis as i64, -(m.rng.between(1, 2) as i64)],
        // From either end; may be empty.
        1 => [start, end, axis as i64, 1],
        _ => [0, i64::MAX, axis as i64 - x.shape.len() as i64, m.rng.between(1, 3) as i64],
    };
    let [a, b, c, d] = parameters.map(|p| Some(m.ints(&[p])));
    m.node(Op::Slice, &[Some(x.id), a, b, c, d]);
}

fn pad(m: &mut Maker, x: &Made) {
    let empty = x.shape.contains(&0);
    let mode =
        if empty { PadFill::Constant } else { *m.rng.pick(&[PadFill::Constant, PadFill::Reflect, PadFill::Edge]) };
    let most = |n: usize| if mode == PadFill::Reflect { n.saturating_sub(1).min(2) } else { 2 };
    let pads: Vec<i64> = x.shape.iter().chain(&x.shape).map(|&n| m.rng.below(most(n) + 1) as i64).collect();
    let pads = m.ints(&pads);
    m.node(Op::Pad { mode }, &[Some(x.id), Some(pads)]);
}

fn concat(m: &mut Maker, x: &Made) {
    if x.shape.is_empty() {
        return unary(m, x);
    }
    let axis = m.rng.below(x.shape.len());
    let fits =
        |v: &Made| v.shape.len() == x.shape.len() && (0..x.shape.len()).all(|i| i == axis || v.shape[i] == x.shape[i]);
    let fitting: Vec<Made> = m.floats.iter().filter(|v| fits(v)).cloned().collect();
    let (a, b) = (m.rng.pick(&fitting).id, m.rng.pick(&fitting).id);
    m.node(Op::Concat { axis: axis as i64 }, &[Some(a), Some(x.id), Some(b)]);
}

fn gather(m: &mut Maker, x: &Made) {
    if x.shape.is_empty() || x.shape.contains(&0) {
        return unary(m, x);
    }
    let axis = m.rng.below(x.shape.len());
    let n = x.shape[axis] as i64;
    let count = m.rng.below(4);
    let list: Vec<i64> = (0..count).map(|_| m.rng.below(2 * n as usize) as i64 - n).collect();
    let list = m.ints(&list);
    m.node(Op::Gather { axis: axis as i64 }, &[Some(x.id), Some(list)]);
}

fn matrix(m: &mut Maker, x: &Made) {
    let rank = x.shape.len();
    let (inner, n) = (x.shape[rank - 1], m.rng.between(1, 9));
    if rank == 2 {
        let (trans_b, bias) = (m.rng.below(2) == 0, m.weight(&[n]));
        let w = m.weight(&if trans_b { [n, inner] } else { [inner, n] });
        let op = Op::Gemm { alpha: 0.5, beta: 2.0, trans_a: false, trans_b };
        m.node(op, &[x.id, w, bias].map(Some));
    } else {
        let w = m.weight(&[inner, n]);
        m.node(Op::MatMul, &[x.id, w].map(Some));
    }
}

fn soft(m: &mut Maker, x: &Made) {
    let (axis, log) = (m.rng.below(x.shape.len()) as i64, m.rng.below(2) == 0);
    m.node(Op::Softmax { axis, log, flatten: false }, &one(x));
}

/// A choice by comparison, an index or an integer, made of a graph input.
fn jump(m: &mut Maker, x: &Made) {
    let rank = x.shape.len();
    let made = match m.rng.below(3) {
        0 => {
            let limit = m.weight(&[1]);
            let test = m.node(Op::Binary(Binary::Greater), &[Some(x.id), Some(limit)]);
            let other = m.weight(&[1]);
            m.node(Op::Where, &[test.id, x.id, other].map(Some));
            return;
        }
        1 if !x.shape.contains(&0) => {
            let axis = m.rng.below(rank) as i64;
            let (keepdims, smallest) = (m.rng.below(2) == 0, m.rng.below(2) == 0);
            m.node(Op::ArgMax { axis, keepdims, select_last_index: false, smallest }, &one(x))
        }
        _ => {
            let ten = m.constant(netra_graph::Tensor::from_i64s(&[7]));
            let ten = m.node(Op::cast(DType::F32), &[Some(ten)]);
            let large = m.node(Op::Binary(Binary::Mul), &[Some(x.id), Some(ten.id)]);
            m.node(Op::cast(DType::I32), &one(&large))
        }
    };
    m.node(Op::cast(DType::F32), &one(&made));
}
