//! A convolution of what a transposed convolution makes: one step, so that a backend may go through both a slab at a time.

use super::edit::input;
use crate::{Kernel, Program, Step, UpsampledConv};

/// Puts [`Kernel::UpsampledConv`] in the place of a transposed convolution and the convolution that alone reads what it makes,
/// when `accepts` agrees to the pair. For backends that have this kernel.
pub fn fuse_upsampling(program: &mut Program, accepts: impl Fn(&Program, &UpsampledConv, &Step, &Step) -> bool) {
    let mut at = 0;
    while at < program.steps.len() {
        if let Some((reader, pair)) = pair(program, at)
            && accepts(program, &pair, &program.steps[at], &program.steps[reader])
        {
            let up = program.steps.remove(at);
            let step = &mut program.steps[reader - 1];
            step.kernel = Kernel::UpsampledConv(Box::new(pair));
            step.inputs.resize(4, None);
            step.inputs[0] = input(&up, 0);
            step.inputs.extend([input(&up, 1), input(&up, 2)]);
        } else {
            at += 1;
        }
    }
}

/// The step that reads what the transposed convolution `at` makes, and what the two are together.
fn pair(program: &Program, at: usize) -> Option<(usize, UpsampledConv)> {
    let Step { kernel: Kernel::ConvTranspose(up), output, .. } = &program.steps[at] else { return None };
    let reads = |step: &Step| step.inputs.iter().filter(|&&id| id == Some(*output)).count();
    let mut readers = (0..program.steps.len()).filter(|&i| reads(&program.steps[i]) > 0);
    let (reader, None) = (readers.next()?, readers.next()) else { return None };
    let step = &program.steps[reader];
    let Kernel::Conv(conv) = &step.kernel else { return None };
    let once = reads(step) == 1 && input(step, 0) == Some(*output) && !program.outputs.contains(output);
    let shape = program.value(*output).shape.clone();
    once.then(|| (reader, UpsampledConv { up: up.clone(), shape, conv: conv.clone() }))
}

#[cfg(test)]
mod tests {
    use super::super::testing::{assert_same, kernels, noise};
    use super::*;
    use crate::{Activation, Conv, ConvTranspose, DType, ProgramBuilder};

    /// Two transposed convolutions, each before a convolution that adds the input's shape; the first is read twice when asked.
    fn program(twice: bool) -> Program {
        let mut b = ProgramBuilder::new();
        let x = b.input("x", DType::F32, &[2, 3, 4, 5]);
        let skip = b.constant("skip", noise(&[2, 6, 8, 10], 7));
        let up = |activation| {
            Kernel::ConvTranspose(ConvTranspose {
                strides: vec![2; 2],
                pads: vec![(0, 0); 2],
                dilations: vec![1; 2],
                groups: 1,
                activation,
            })
        };
        let conv = Kernel::Conv(Conv {
            strides: vec![1; 2],
            pads: vec![(1, 1); 2],
            dilations: vec![1; 2],
            groups: 1,
            activation: Some(Activation::Relu),
        });
        let (wide, narrow) = (b.constant("u", noise(&[3, 6, 2, 2], 1)), b.constant("v", noise(&[6, 6, 2, 2], 2)));
        let (weight, bias) = (b.constant("w", noise(&[6, 6, 3, 3], 3)), b.constant("b", noise(&[6], 4)));
        let a = b.step("up", up(None), &[Some(x), Some(wide), Some(bias)], DType::F32, &[2, 6, 8, 10]);
        let inputs = [Some(a), Some(weight), Some(bias), Some(skip)];
        let c = b.step("conv", conv.clone(), &inputs, DType::F32, &[2, 6, 8, 10]);
        let inputs = [Some(c), Some(narrow)];
        let d = b.step("up again", up(Some(Activation::Relu)), &inputs, DType::F32, &[2, 6, 16, 20]);
        let e = b.step("conv again", conv, &[Some(d), Some(weight)], DType::F32, &[2, 6, 16, 20]);
        b.finish(if twice { vec![e, a] } else { vec![e] })
    }

    #[test]
    fn pairs_become_one_step() {
        let (before, mut after) = (program(false), program(false));
        fuse_upsampling(&mut after, |_, _, _, _| true);
        assert_eq!(kernels(&after), ["UpsampledConv", "UpsampledConv"]);
        assert_same(&before, &after);
    }

    #[test]
    fn what_is_refused_or_read_elsewhere_stays() {
        let mut refused = program(false);
        fuse_upsampling(&mut refused, |_, _, up, _| up.node != "up again");
        assert_eq!(kernels(&refused), ["UpsampledConv", "ConvTranspose", "Conv"]);
        let (before, mut twice) = (program(true), program(true));
        fuse_upsampling(&mut twice, |_, _, _, _| true);
        assert_eq!(kernels(&twice), ["ConvTranspose", "Conv", "UpsampledConv"]);
        assert_same(&before, &twice);
    }
}
