//! Which algorithm a convolution runs with.

use netra_graph::{Precision, Program, Step, Tuning, signature};

use super::conv::Problem;
use super::{gemm, tiled};
use crate::kernels::gemm::Tile;

/// Output channels and terms of a sum up to which a matrix product's tiles would be mostly empty.
const FEW_CHANNELS: usize = 8;
const FEW_TERMS: usize = 16;

/// An algorithm for convolutions with constant weights.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Choice {
    /// Direct, with so many output channels and pixels a thread.
    Tiled(usize, usize),
    /// A matrix product with these tiles.
    Gemm(Tile),
}

impl Choice {
    /// Every algorithm.
    pub(crate) fn all() -> impl Iterator<Item = Self> {
        let direct = tiled::TILES.into_iter().map(|(channels, pixels)| Self::Tiled(channels, pixels));
        direct.chain(gemm::TILES.into_iter().map(Self::Gemm))
    }

    /// The name in a [`Tuning`].
    pub(crate) fn name(self) -> String {
        match self {
            Self::Tiled(channels, pixels) => format!("direct-{channels}x{pixels}"),
            Self::Gemm(tile) => format!("gemm-{}x{}", tile.rows, tile.cols),
        }
    }

    /// The algorithm of this name.
    pub(crate) fn named(name: &str) -> Option<Self> {
        Self::all().find(|choice| choice.name() == name)
    }

    /// Whether it can compute a convolution.
    pub(crate) fn suits(self, problem: &Problem<'_>) -> bool {
        match self {
            Self::Tiled(channels, pixels) => tiled::spec(problem, (channels, pixels)).is_some(),
            Self::Gemm(_) => gemm::suits(problem),
        }
    }
}

/// Where a choice is made.
#[derive(Clone, Copy)]
pub(crate) struct Setting<'a> {
    /// Whether the adapter is a processor: workgroup memory is memory there, and barriers cost dearly.
    pub(crate) software: bool,
    /// The precision mode that runs.
    pub(crate) precision: Precision,
    /// The algorithm of every convolution that it can compute.
    pub(crate) forced: Option<Choice>,
    /// Algorithms that were measured.
    pub(crate) tuning: Option<&'a Tuning>,
}

impl Setting<'_> {
    /// Whether products are those of half-precision numbers.
    pub(crate) fn half(&self) -> bool {
        self.precision == Precision::F16
    }

    /// The algorithm that a step was told to run with.
    pub(crate) fn told(&self, program: &Program, step: &Step) -> Option<Choice> {
        let measured = || Choice::named(self.tuning?.algorithms.get(&signature(program, step, self.precision)?)?);
        self.forced.or_else(measured)
    }
}

/// The algorithm of a convolution: the one that it was told, where that can compute it, else the one that is estimated to be
/// fastest. `None` when it suits none.
///
/// Software adapters multiply directly. Hardware takes the matrix product unless its tiles would be mostly empty; in half
/// precision everything does, since nothing else computes in it.
pub(crate) fn choose(problem: &Problem<'_>, setting: &Setting<'_>, told: Option<Choice>) -> Option<Choice> {
    let product =
        || gemm::suits(problem).then(|| Choice::Gemm(gemm::best(problem.widest(), problem.pixels())));
    let direct = || tiled::best(problem, setting.software).map(|(channels, pixels)| Choice::Tiled(channels, pixels));
    let dense = problem.widest() > FEW_CHANNELS && problem.terms() > FEW_TERMS;
    let told = told.filter(|choice| choice.suits(problem));
    match told {
        Some(Choice::Gemm(tile)) => Some(Choice::Gemm(tile)),
        _ if setting.half() => product().or_else(direct),
        Some(direct) => Some(direct),
        None if dense && !setting.software => product().or_else(direct),
        None => direct().or_else(product),
    }
}
