//! Normalisation and scaling by channel that convolutions alone read: applied where they read it, not written and read once
//! more.

use std::sync::Arc;

use super::edit::{either_order, input};
use crate::{Activation, Binary, DType, Kernel, NormalizedConv, Program, Step, StepValue, Tensor, ValueId};

/// Puts [`Kernel::NormalizedConv`] in the place of convolutions that read what an instance or group normalisation, a factor
/// and shift by channel, or a product with one element a channel (squeeze and excitation) has made, when `accepts` agrees to
/// every one that does. The step before shrinks to [`Kernel::GroupAffine`], to nothing but another shape, or to a constant.
/// For backends that have these kernels.
pub fn fuse_normalization(program: &mut Program, accepts: impl Fn(&Program, &Step) -> bool) {
    let mut at = 0;
    while at < program.steps.len() {
        let found = recognise(program, &program.steps[at]);
        let readers = found.as_ref().and_then(|_| readers(program, program.steps[at].output, &accepts));
        let (Some(found), Some(readers)) = (found, readers) else {
            at += 1;
            continue;
        };
        let affine = put(program, at, found.x, found.factors);
        for reader in readers {
            let step = &mut program.steps[reader];
            let Kernel::Conv(conv) = &step.kernel else { continue };
            let conv = conv.clone();
            step.kernel = Kernel::NormalizedConv(Box::new(NormalizedConv { conv, activation: found.activation }));
            step.inputs.resize(4, None);
            step.inputs[0] = Some(found.x);
            step.inputs.push(Some(affine));
        }
        if program.steps[at].inputs.is_empty() {
            program.steps.remove(at);
        } else {
            at += 1;
        }
    }
}

/// A step that is `activation(factor x + shift)`.
struct Found {
    x: ValueId,
    factors: Factors,
    activation: Option<Activation>,
}

/// Where the factors and shifts come from.
enum Factors {
    /// The moments of `x`.
    Computed(Kernel),
    /// `[2, N, C]`.
    Constant(Tensor),
    /// One an image and channel.
    Given(ValueId),
}

fn recognise(program: &Program, step: &Step) -> Option<Found> {
    if step.kernel == Kernel::Binary(Binary::Mul) {
        return either_order(step).into_iter().find_map(|(x, given)| {
            let (shape, factors) = (&program.value(x).shape, program.value(given));
            let fits = shape.len() > 2
                && program.value(x).dtype == DType::F32
                && factors.constant.is_none()
                && factors.shape.len() == shape.len()
                && factors.shape[..2] == shape[..2]
                && factors.shape[2..].iter().all(|&n| n == 1);
            fits.then_some(Found { x, factors: Factors::Given(given), activation: None })
        });
    }
    let x = input(step, 0)?;
    let value = program.value(x);
    let (&[images, channels, ..], DType::F32) = (value.shape.as_slice(), value.dtype) else { return None };
    let computed = |groups, epsilon| Factors::Computed(Kernel::GroupAffine { groups, epsilon });
    Some(match &step.kernel {
        &Kernel::InstanceNormalization { epsilon, activation } => {
            Found { x, factors: computed(channels, epsilon), activation }
        }
        &Kernel::GroupNormalization { groups, epsilon, activation } => {
            Found { x, factors: computed(groups, epsilon), activation }
        }
        // What `channel_affine` made of a batch normalisation.
        Kernel::Conv(p) if p.groups == channels && input(step, 3).is_none() => {
            let weight = program.value(input(step, 1)?);
            let single = weight.shape[2..].iter().all(|&k| k == 1)
                && p.strides.iter().all(|&s| s == 1)
                && p.pads.iter().all(|&p| p == (0, 0));
            if !single || weight.shape[..2] != [channels, 1] {
                return None;
            }
            let factors = weight.constant.as_ref()?.as_f32()?;
            let shifts = match input(step, 2) {
                Some(bias) => program.value(bias).constant.as_ref()?.as_f32()?.to_vec(),
                None => vec![0.0; channels],
            };
            let affine = [factors.repeat(images), shifts.repeat(images)].concat();
            let affine = Tensor::from_f32([2, images, channels], affine).ok()?;
            Found { x, factors: Factors::Constant(affine), activation: p.activation }
        }
        _ => return None,
    })
}

/// The steps that read `y`, when all are convolutions of it that `accepts` agrees to.
fn readers(program: &Program, y: ValueId, accepts: &impl Fn(&Program, &Step) -> bool) -> Option<Vec<usize>> {
    let reads = |&i: &usize| program.steps[i].inputs.contains(&Some(y));
    let readers: Vec<usize> = (0..program.steps.len()).filter(reads).collect();
    let fits = |&i: &usize| {
        let step = &program.steps[i];
        let once = step.inputs.iter().filter(|&&id| id == Some(y)).count() == 1;
        matches!(step.kernel, Kernel::Conv(_)) && input(step, 0) == Some(y) && once && accepts(program, step)
    };
    (!readers.is_empty() && !program.outputs.contains(&y) && readers.iter().all(fits)).then_some(readers)
}

/// Lets step `at` make the factors; one that has nothing left to do loses its inputs.
fn put(program: &mut Program, at: usize, x: ValueId, factors: Factors) -> ValueId {
    let rows = if matches!(factors, Factors::Given(_)) { 1 } else { 2 };
    let shape = [&[rows], &program.value(x).shape[..2]].concat();
    let id = ValueId(program.values.len() as u32);
    let name = format!("{}:affine", program.steps[at].node);
    let constant = match factors {
        Factors::Computed(kernel) => {
            let step = &mut program.steps[at];
            (step.kernel, step.output) = (kernel, id);
            None
        }
        Factors::Given(values) => {
            let step = &mut program.steps[at];
            (step.kernel, step.inputs, step.output) = (Kernel::Reshape, vec![Some(values)], id);
            None
        }
        Factors::Constant(tensor) => {
            program.steps[at].inputs.clear();
            Some(Arc::new(tensor))
        }
    };
    program.values.push(StepValue { name, dtype: DType::F32, shape, constant });
    id
}

#[cfg(test)]
mod tests {
    use super::super::testing::{assert_same, kernels, noise};
    use super::*;
    use crate::{Conv, ProgramBuilder, Reduction};

    const SHAPE: [usize; 4] = [2, 6, 5, 7];

    fn conv(groups: usize, size: usize) -> Kernel {
        let pads = vec![(size / 2, size / 2); 2];
        Kernel::Conv(Conv { strides: vec![1; 2], pads, dilations: vec![1; 2], groups, activation: None })
    }

    fn activated(kernel: Kernel) -> Kernel {
        let Kernel::Conv(p) = kernel else { return kernel };
        Kernel::Conv(Conv { activation: Some(Activation::Relu), ..p })
    }

    /// Group, instance and batch normalisation, each before convolutions, one of which adds what is normalised.
    fn program() -> Program {
        let mut b = ProgramBuilder::new();
        let mut x = b.input("x", DType::F32, &SHAPE);
        let (scale, bias) = (b.constant("s", noise(&[6], 1)), b.constant("b", noise(&[6], 2)));
        let wide = b.constant("wide", noise(&[6, 6, 3, 3], 3));
        let one = b.constant("one", noise(&[6, 1, 1, 1], 4));
        let activation = Some(Activation::LeakyRelu(0.1));
        for kernel in [
            Kernel::GroupNormalization { groups: 3, epsilon: 1e-5, activation },
            Kernel::InstanceNormalization { epsilon: 1e-5, activation },
            activated(conv(6, 1)),
        ] {
            let weight = if matches!(kernel, Kernel::Conv(_)) { one } else { scale };
            let y = b.step("norm", kernel, &[Some(x), Some(weight), Some(bias)], DType::F32, &SHAPE);
            let z = b.step("a", conv(1, 3), &[Some(y), Some(wide), Some(bias), Some(x)], DType::F32, &SHAPE);
            x = b.step("b", activated(conv(1, 3)), &[Some(y), Some(wide), None, Some(z)], DType::F32, &SHAPE);
        }
        b.finish(vec![x])
    }

    #[test]
    fn convolutions_normalise_what_they_read() {
        let (before, mut after) = (program(), program());
        fuse_normalization(&mut after, |_, _| true);
        let pair = ["NormalizedConv", "NormalizedConv"];
        let expected = [&["GroupAffine"][..], &pair, &["GroupAffine"], &pair, &pair].concat();
        assert_eq!(kernels(&after), expected);
        assert_same(&before, &after);
    }

    #[test]
    fn convolutions_scale_what_they_read() {
        let mut b = ProgramBuilder::new();
        let x = b.input("x", DType::F32, &SHAPE);
        let mean = Kernel::Reduce { reduction: Reduction::Mean, axes: vec![2, 3] };
        let s = b.step("s", mean, &[Some(x)], DType::F32, &[2, 6, 1, 1]);
        let y = b.step("y", Kernel::Binary(Binary::Mul), &[Some(s), Some(x)], DType::F32, &SHAPE);
        let w = b.constant("w", noise(&[6, 6, 1, 1], 3));
        let z = b.step("z", conv(1, 1), &[Some(y), Some(w)], DType::F32, &SHAPE);
        let before = b.finish(vec![z]);
        let mut after = before.clone();
        fuse_normalization(&mut after, |_, _| true);
        assert_eq!(kernels(&after), ["Reduce", "Reshape", "NormalizedConv"]);
        assert_same(&before, &after);
    }

    #[test]
    fn what_anything_else_reads_stays() {
        let mut refused = program();
        fuse_normalization(&mut refused, |_, step| step.node != "b");
        assert_eq!(kernels(&refused), kernels(&program()));
        let mut output = program();
        let y = output.steps[0].output;
        output.outputs.push(y);
        fuse_normalization(&mut output, |_, _| true);
        assert_eq!(kernels(&output)[..3], ["GroupNormalization", "Conv", "Conv"]);
        assert_eq!(kernels(&output)[3], "GroupAffine");
    }
}
