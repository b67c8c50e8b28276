//! Seeded random programs of 3 to 12 steps over odd shapes.

use netra_graph::{Activation, Binary, Conv, DType, Kernel, Pool, ProgramBuilder, Reduction, Tensor, Unary, ValueId};

use super::{Case, random};
use crate::Rng;

/// The random program of a seed. Later steps prefer recent values, so that liveness, reuse and branches are exercised.
pub fn case(seed: u64) -> Case {
    let mut rng = Rng::new(seed.wrapping_mul(0x1234_5678_9abc_def1) ^ 0x55);
    let mut builder = ProgramBuilder::new();
    let rank = rng.between(1, 3);
    let mut shape = vec![*rng.pick(&[1, 1, 2]), rng.between(1, 9)];
    shape.extend((0..rank).map(|_| *rng.pick(&[1usize, 2, 3, 5, 8, 13])));
    let mut values = vec![builder.input("x", DType::F32, &shape)];
    let inputs = vec![random(&mut rng, &shape)];
    for i in 0..rng.between(3, 12) {
        let pick = values.len() - 1 - rng.below(values.len().min(3));
        let next = step(&mut builder, &mut rng, values[pick], &values, &format!("step{i}"));
        values.push(next);
    }
    let mut outputs = vec![values[values.len() - 1]];
    if values.len() > 4 && rng.below(2) == 0 {
        outputs.push(values[rng.between(1, values.len() - 2)]);
    }
    // Errors of several layers add up, and normalisation of few elements magnifies them.
    Case { name: format!("random-{seed}"), program: builder.finish(outputs), inputs, tolerance: 2e-4 }
}

fn step(b: &mut ProgramBuilder, rng: &mut Rng, from: ValueId, values: &[ValueId], name: &str) -> ValueId {
    let shape = b.value(from).shape.clone();
    let (c, spatial) = (shape[1], &shape[2..]);
    match rng.below(8) {
        0 | 1 => conv(b, rng, from, name),
        2 => {
            let ops = [
                Unary::Activation(Activation::Relu),
                Unary::Activation(Activation::Sigmoid),
                Unary::Activation(Activation::Elu(1.0)),
                Unary::Tanh,
                Unary::Abs,
                Unary::Gelu,
            ];
            b.step(name, Kernel::Unary(*rng.pick(&ops)), &[Some(from)], DType::F32, &shape)
        }
        3 => {
            let same = values.iter().copied().filter(|v| b.value(*v).shape == shape).collect::<Vec<_>>();
            let other = *rng.pick(&same);
            let op = *rng.pick(&[Binary::Add, Binary::Sub, Binary::Mul, Binary::Max]);
            b.step(name, Kernel::Binary(op), &[Some(from), Some(other)], DType::F32, &shape)
        }
        4 => {
            let (scale, bias) = (weight(b, rng, &[c]), weight(b, rng, &[c]));
            // A large epsilon keeps instances of one element from dividing noise by noise.
            let kernel = Kernel::InstanceNormalization { epsilon: 0.1, activation: None };
            b.step(name, kernel, &[Some(from), Some(scale), Some(bias)], DType::F32, &shape)
        }
        5 => {
            let kernel: Vec<usize> = spatial.iter().map(|&s| s.min(2)).collect();
            let mut out = shape[..2].to_vec();
            out.extend(spatial.iter().zip(&kernel).map(|(s, k)| (s - k) / k + 1));
            let pads = vec![(0, 0); spatial.len()];
            let pool = Pool { strides: kernel.clone(), dilations: vec![1; kernel.len()], kernel, pads };
            b.step(name, Kernel::MaxPool(pool), &[Some(from)], DType::F32, &out)
        }
        6 => {
            let same = values.iter().copied().filter(|v| {
                let other = &b.value(*v).shape;
                other[0] == shape[0] && other[2..] == shape[2..]
            });
            let same: Vec<_> = same.collect();
            let other = *rng.pick(&same);
            let mut out = shape.clone();
            out[1] += b.value(other).shape[1];
            b.step(name, Kernel::Concat { axis: 1 }, &[Some(from), Some(other)], DType::F32, &out)
        }
        _ => {
            let mut out = shape.clone();
            out[1] = 1;
            let mean = Kernel::Reduce { reduction: Reduction::Mean, axes: vec![1] };
            let mean = b.step(name, mean, &[Some(from)], DType::F32, &out);
            b.step(&format!("{name}b"), Kernel::Binary(Binary::Sub), &[Some(from), Some(mean)], DType::F32, &shape)
        }
    }
}

fn weight(b: &mut ProgramBuilder, rng: &mut Rng, shape: &[usize]) -> ValueId {
    let tensor: Tensor = random(rng, shape);
    b.constant("w", tensor)
}

fn conv(b: &mut ProgramBuilder, rng: &mut Rng, from: ValueId, name: &str) -> ValueId {
    let shape = b.value(from).shape.clone();
    let rank = shape.len() - 2;
    let output = rng.between(1, 12);
    let kernel: Vec<usize> = (0..rank).map(|_| *rng.pick(&[1, 3])).collect();
    let stride = *rng.pick(&[1, 1, 1, 2]);
    let pads: Vec<(usize, usize)> = kernel.iter().map(|k| (k / 2, k / 2)).collect();
    let mut out = vec![shape[0], output];
    out.extend(shape[2..].iter().map(|s| (s - 1) / stride + 1));
    let w = weight(b, rng, &[&[output, shape[1]][..], &kernel].concat());
    let bias = weight(b, rng, &[output]);
    let activation = *rng.pick(&[None, Some(Activation::Relu), Some(Activation::LeakyRelu(0.1))]);
    let conv = Conv { strides: vec![stride; rank], pads, dilations: vec![1; rank], groups: 1, activation };
    b.step(name, Kernel::Conv(conv), &[Some(from), Some(w), Some(bias)], DType::F32, &out)
}
