//! Means over planes that a convolution has just written, as squeeze-and-excitation takes them: the convolution adds its
//! results up while they are at hand, and the step that follows only divides.

use netra_graph::{Kernel, Program, Reduction};

use crate::Context;
use crate::region::DataMut;
use crate::step::Prepared;

/// Lets convolutions leave sums to the steps that take the means of their planes next.
pub fn hand_on(program: &Program, prepared: &mut [Prepared]) {
    for (i, steps) in program.steps.windows(2).enumerate() {
        let [before, step] = steps else { continue };
        let Kernel::Reduce { reduction: Reduction::Mean, axes } = &step.kernel else { continue };
        let whole = axes.iter().copied().eq(2..program.value(before.output).shape.len());
        let residual = before.inputs.get(3).is_some_and(Option::is_some);
        if !whole || residual || step.inputs.first() != Some(&Some(before.output)) {
            continue;
        }
        if let Prepared::Convolution(convolution, _) = &mut prepared[i]
            && let Some(parts) = convolution.leave_sums()
        {
            prepared[i + 1] = Prepared::Means(parts);
        }
    }
}

/// Makes means of the sums, of `parts` each, that the convolution before has left over planes of `shape`.
pub fn run(context: &Context<'_>, parts: usize, shape: &[usize], out: &mut DataMut<'_>) -> bool {
    let DataMut::F32(out) = out else { return false };
    let elements = shape[2..].iter().product::<usize>() as f64;
    for (to, sums) in out.iter_mut().zip(context.scratch.sums().chunks(parts)) {
        *to = (sums.iter().map(|&sum| f64::from(sum)).sum::<f64>() / elements) as f32;
    }
    true
}
