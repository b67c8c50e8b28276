//! Which algorithm a convolution runs with.

use netra_graph::{Precision, Program, Step, Tuning, signature};

use super::conv::Problem;
use super::{direct, gemm};
use crate::kernels::conv::ConvSpec;
use crate::kernels::tile::Tile;

/// Output channels and terms of a sum up to which a matrix product's tiles would be mostly empty.
const FEW_CHANNELS: usize = 8;
const FEW_TERMS: usize = 16;

/// An algorithm for convolutions with constant weights; without a tile, one of those that it has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Choice {
    /// Direct, with so many output channels and pixels a thread.
    Direct(Option<(usize, usize)>),
    /// A matrix product, tile by tile.
    Gemm(Option<Tile>),
}

impl Choice {
    /// Every algorithm: the two kinds, and each with each of its tiles.
    pub(crate) fn all() -> impl Iterator<Item = Self> {
        let tiles = direct::TILES.into_iter().map(|tile| Self::Direct(Some(tile)));
        [Self::Direct(None), Self::Gemm(None)].into_iter().chain(tiles).chain(gemm::TILES.map(|t| Self::Gemm(Some(t))))
    }

    /// The name in a [`Tuning`].
    pub(crate) fn name(self) -> String {
        match self {
            Self::Direct(None) => "direct".into(),
            Self::Direct(Some((channels, pixels))) => format!("direct-{channels}x{pixels}"),
            Self::Gemm(None) => "gemm".into(),
            Self::Gemm(Some(tile)) => format!("gemm-{}x{}", tile.rows, tile.cols),
        }
    }

    /// The algorithm of this name.
    pub(crate) fn named(name: &str) -> Option<Self> {
        Self::all().find(|choice| choice.name() == name)
    }
}

/// How a convolution runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Plan {
    /// Direct, with this kernel.
    Direct(ConvSpec),
    /// A matrix product with these tiles.
    Gemm(Tile),
}

impl Plan {
    /// The algorithm that it is.
    pub(crate) fn choice(&self) -> Choice {
        match self {
            Self::Direct(spec) => Choice::Direct(Some((spec.channels, spec.pixels))),
            Self::Gemm(tile) => Choice::Gemm(Some(*tile)),
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

/// Plans a convolution: with the algorithm that it was told, where that can compute it, else with the one that is estimated to
/// be fastest. `None` when it suits none.
///
/// Software adapters multiply directly. Hardware takes the matrix product unless its tiles would be mostly empty; in half
/// precision everything does, since nothing else computes in it.
pub(crate) fn plan(problem: &Problem<'_>, setting: &Setting<'_>, told: Option<Choice>) -> Option<Plan> {
    let direct = |tile| direct::plan(problem, tile, setting.software).map(Plan::Direct);
    let product = |tile| gemm::plan(problem, tile).map(Plan::Gemm);
    let dense = problem.widest() > FEW_CHANNELS && problem.terms() > FEW_TERMS;
    let estimated = || match dense && !setting.software || setting.half() {
        true => product(None).or_else(|| direct(None)),
        false => direct(None).or_else(|| product(None)),
    };
    match told {
        Some(Choice::Gemm(tile)) => product(tile).or_else(estimated),
        Some(Choice::Direct(tile)) if !setting.half() => direct(tile).or_else(estimated),
        _ => estimated(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_go_round() {
        for choice in Choice::all() {
            assert_eq!(Choice::named(&choice.name()), Some(choice));
        }
        assert_eq!(Choice::named("winograd"), None);
    }
}
