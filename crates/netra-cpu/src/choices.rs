//! The choices among a step's algorithms: what it is called in a tuning, and what it runs with when one is given.

use netra_graph::{CompileOptions, Kernel, Program, Step, signature};

use crate::arithmetic::Arithmetic;
use crate::conv::{Choice, Convolution};
use crate::isa::Isa;

/// Where a choice is made: everything that a plan is made from.
#[derive(Clone, Copy)]
pub struct Setting<'a> {
    /// The program, fused.
    pub program: &'a Program,
    /// Instructions.
    pub isa: Isa,
    /// Number of threads.
    pub threads: usize,
    /// Precision, ranges, and perhaps a tuning.
    pub options: &'a CompileOptions<'a>,
}

impl Setting<'_> {
    /// The step's signature; `None` when there is nothing to choose for such steps.
    pub fn signature(&self, step: &Step) -> Option<String> {
        signature(self.program, step, self.arithmetic(step).precision())
    }

    /// The step with an algorithm. `None` where that cannot compute it: in this arithmetic, at this shape, or through a
    /// normalisation that the step applies as it reads.
    pub fn chosen(&self, step: &Step, choice: Choice) -> Option<Convolution> {
        let (p, affine) = match &step.kernel {
            Kernel::Conv(p) => (p, false),
            Kernel::NormalizedConv(p) => (&p.conv, true),
            _ => return None,
        };
        let &[Some(x), Some(weight), ..] = step.inputs.as_slice() else { return None };
        let shapes = [x, weight, step.output].map(|id| self.program.value(id).shape.as_slice());
        Convolution::chosen(choice, p, shapes, self.isa, self.threads, self.arithmetic(step))
            .filter(|c| !affine || c.takes_affine())
    }

    /// The step with the algorithm that the tuning names; `None` when it names none, or one that cannot be had here.
    pub fn told(&self, step: &Step) -> Option<Convolution> {
        let tuning = self.options.tuning?;
        let name = tuning.algorithms.get(&self.signature(step)?)?;
        self.chosen(step, Choice::named(name)?)
    }

    /// What a normalisation goes into stays float32.
    fn arithmetic(&self, step: &Step) -> Arithmetic {
        let input = step.inputs.first().copied().flatten().map_or("", |id| self.program.value(id).name.as_str());
        let arithmetic = Arithmetic::of(self.options, input);
        if matches!(step.kernel, Kernel::NormalizedConv(_)) { arithmetic.float32() } else { arithmetic }
    }
}
