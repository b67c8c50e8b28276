//! Multiplication and addition by per-channel constants (batch normalisation, biases, output scaling) taken into the
//! weights and bias of the convolution before them.

use super::edit::{Editor, either_order, input, per_channel};
use crate::{Binary, Kernel, Program, Step, Tensor, ValueId};

/// `factor x + shift`, one entry an output channel.
struct Affine {
    factors: Option<Vec<f32>>,
    shifts: Option<Vec<f32>>,
}

pub fn run(program: &mut Program) -> usize {
    let mut edit = Editor::new(program);
    for at in 0..edit.len() {
        let Some((affine, x)) = edit.step(at).and_then(|step| recognise(&edit, step)) else { continue };
        let Some(conv) = edit.sole_producer(x).cloned() else { continue };
        if let Some(inputs) = absorb(&mut edit, &conv, &affine) {
            edit.replace(at, conv.kernel, inputs);
        }
    }
    edit.finish()
}

/// The affine function that a step applies, and to what; only when it keeps the shape.
fn recognise(edit: &Editor<'_>, step: &Step) -> Option<(Affine, ValueId)> {
    let Kernel::Binary(op) = step.kernel else { return None };
    let (x, values) = either_order(step).into_iter().find_map(|(x, c)| {
        let shape = edit.shape(x);
        let values = per_channel(edit.constant(c)?, shape)?;
        (shape == edit.shape(step.output)).then_some((x, values))
    })?;
    let constant_is_second = input(step, 0) == Some(x);
    let affine = match op {
        Binary::Mul => Affine { factors: Some(values), shifts: None },
        Binary::Add => Affine { factors: None, shifts: Some(values) },
        Binary::Sub if constant_is_second => {
            Affine { factors: None, shifts: Some(values.iter().map(|v| -v).collect()) }
        }
        Binary::Div if constant_is_second && values.iter().all(|v| *v != 0.0) => {
            Affine { factors: Some(values.iter().map(|v| 1.0 / v).collect()), shifts: None }
        }
        _ => return None,
    };
    Some((affine, x))
}

/// The inputs of the convolution with the function taken in.
fn absorb(edit: &mut Editor<'_>, conv: &Step, affine: &Affine) -> Option<Vec<Option<ValueId>>> {
    let (x, weight, bias) = (input(conv, 0)?, input(conv, 1)?, input(conv, 2));
    let shape = edit.shape(weight).to_vec();
    let channels = *edit.shape(conv.output).get(1)?;
    // Output channel of the weight at a flat index.
    let channel: Box<dyn Fn(usize) -> usize> = match &conv.kernel {
        Kernel::Conv(p) if p.activation.is_none() && input(conv, 3).is_none() => {
            let run = shape[1..].iter().product::<usize>();
            Box::new(move |i| i / run)
        }
        Kernel::ConvTranspose(p) if p.activation.is_none() => {
            let (taps, per_group, inner) = (shape[2..].iter().product::<usize>(), shape[1], shape[0] / p.groups);
            Box::new(move |i| i / (taps * per_group) / inner * per_group + i / taps % per_group)
        }
        _ => return None,
    };
    let old = edit.floats(weight)?;
    let old_bias = match bias {
        Some(bias) => edit.floats(bias)?.to_vec(),
        None => vec![0.0; channels],
    };
    let scaled = affine.factors.as_ref().map(|f| {
        let values = old.iter().enumerate().map(|(i, w)| w * f[channel(i)]).collect();
        Tensor::from_f32(shape.clone(), values)
    });
    let factor = |c: usize| affine.factors.as_ref().map_or(1.0, |f| f64::from(f[c]));
    let shift = |c: usize| affine.shifts.as_ref().map_or(0.0, |s| f64::from(s[c]));
    let new_bias = old_bias.iter().enumerate().map(|(c, b)| (f64::from(*b) * factor(c) + shift(c)) as f32);
    let new_bias = Tensor::from_f32([channels], new_bias.collect()).ok()?;
    let weight = match scaled {
        Some(tensor) => edit.add_constant(format!("{}:weight", conv.node), tensor.ok()?),
        None => weight,
    };
    let bias = match bias {
        None if affine.shifts.is_none() => None,
        _ => Some(edit.add_constant(format!("{}:bias", conv.node), new_bias)),
    };
    Some([Some(x), Some(weight), bias].into_iter().take(2 + usize::from(bias.is_some())).collect())
}

#[cfg(test)]
mod tests {
    use super::super::testing::{assert_same, kernels, noise};
    use crate::{Binary, Conv, ConvTranspose, DType, Kernel, ProgramBuilder, Tensor};

    #[test]
    fn batch_norm_after_both_convolutions_goes_into_the_weights() {
        let mut b = ProgramBuilder::new();
        let x = b.input("x", DType::F32, &[2, 4, 5, 5]);
        let conv = Kernel::Conv(Conv {
            strides: vec![1, 1],
            pads: vec![(1, 1); 2],
            dilations: vec![1, 1],
            groups: 2,
            activation: None,
        });
        let w = b.constant("w", noise(&[6, 2, 3, 3], 1));
        let y = b.step("conv", conv, &[Some(x), Some(w)], DType::F32, &[2, 6, 5, 5]);
        let f = b.constant("f", noise(&[6, 1, 1], 2));
        let y = b.step("mul", Kernel::Binary(Binary::Mul), &[Some(f), Some(y)], DType::F32, &[2, 6, 5, 5]);
        let s = b.constant("s", noise(&[1, 6, 1, 1], 3));
        let y = b.step("sub", Kernel::Binary(Binary::Sub), &[Some(y), Some(s)], DType::F32, &[2, 6, 5, 5]);
        let transposed = Kernel::ConvTranspose(ConvTranspose {
            strides: vec![2, 2],
            pads: vec![(0, 0); 2],
            dilations: vec![1, 1],
            groups: 3,
            activation: None,
        });
        let (w, bias) = (b.constant("w2", noise(&[6, 2, 2, 2], 4)), b.constant("b2", noise(&[6], 5)));
        let out = [2, 6, 10, 10];
        let y = b.step("up", transposed, &[Some(y), Some(w), Some(bias)], DType::F32, &out);
        let f = b.constant("f2", noise(&[6, 1, 1], 6));
        let y = b.step("div", Kernel::Binary(Binary::Div), &[Some(y), Some(f)], DType::F32, &out);
        let s = b.constant("s2", Tensor::from_f32([], vec![0.25]).unwrap());
        let y = b.step("y", Kernel::Binary(Binary::Add), &[Some(s), Some(y)], DType::F32, &out);
        let mut program = b.finish(vec![y]);
        let before = program.clone();
        assert_eq!(super::run(&mut program), 4);
        assert_eq!(kernels(&program), ["Conv", "ConvTranspose"]);
        assert_same(&before, &program);
    }
}
