//! Chooses, from shapes alone, how a convolution over panels is cut.

use super::super::plan::Geometry;
use super::kernel::{Kernels, VECTORS};
use crate::isa::Isa;

/// Most terms of a chain, whose stretch of a panel stays in the first-level cache while filters go over it. Sums are sums of
/// such chains: the error grows with the length of a chain and the number of chains, not with their product.
const CHAIN: usize = 128;
/// Weights that stay in the second-level cache from one run of outputs to the next.
const NEAR: usize = 192 * 1024;
/// Most floats of panels and sums, unless those of one run need more: they share that cache with the weights.
const SCRATCH: usize = 128 * 1024;
/// Most runs of a group: the more, the longer the stretches of a row that are read.
pub const GROUP: usize = 8;
/// Most parts into which the filters are divided among units.
const PARTS: usize = 8;
/// Least multiply-adds that are worth a unit of their own.
const UNIT_WORK: usize = 1 << 19;

/// The decision.
pub struct Plan {
    /// What is computed.
    pub geometry: Geometry,
    /// The inner loops.
    pub kernels: Kernels,
    /// Lanes of a vector.
    pub lanes: usize,
    /// Terms of a chain; the last may have fewer.
    pub chain: usize,
    /// Runs of outputs whose panels are filled together.
    pub together: usize,
    /// Parts into which the blocks of filters are divided among units.
    pub parts: usize,
    /// Rough half cycles of the whole.
    pub cost: u64,
}

impl Plan {
    /// The cheapest plan by a rough count of cycles; `None` where there is nothing to compute.
    pub fn new(geometry: Geometry, isa: Isa, threads: usize) -> Option<Self> {
        if geometry.terms() == 0 || geometry.axes.iter().any(|a| a.outputs == 0 || a.out_step != 1) {
            return None;
        }
        let terms = geometry.terms();
        let chain = terms.div_ceil(terms.div_ceil(CHAIN));
        let (kernels, lanes) = (Kernels::new(isa), isa.lanes());
        let mut plan = Self { geometry, kernels, lanes, chain, together: 1, parts: 1, cost: 0 };
        let most = (plan.geometry.multiply_adds() / UNIT_WORK).max(1);
        let mut best = (u64::MAX, 1, 1);
        for together in 1..=GROUP.min(plan.runs()) {
            for parts in 1..=PARTS.min(plan.blocks()) {
                (plan.together, plan.parts) = (together, parts);
                let small = together == 1 || plan.scratch() <= SCRATCH;
                if small && (parts == 1 || plan.units() <= most) {
                    best = best.min((plan.estimate(threads), together, parts));
                }
            }
        }
        (plan.cost, plan.together, plan.parts) = best;
        Some(plan)
    }

    /// Blocks of filters of a group of channels.
    pub fn blocks(&self) -> usize {
        self.geometry.filters.div_ceil(self.kernels.filters)
    }

    /// Outputs of one channel.
    pub fn outputs(&self) -> usize {
        self.geometry.axes.iter().map(|a| a.outputs).product()
    }

    /// Runs of outputs of one channel.
    fn runs(&self) -> usize {
        self.outputs().div_ceil(self.lanes * VECTORS)
    }

    /// Groups of runs of one channel.
    pub fn groups(&self) -> usize {
        self.runs().div_ceil(self.together)
    }

    /// Groups of runs of all images.
    fn fills(&self) -> usize {
        self.geometry.batch * self.geometry.groups * self.groups()
    }

    /// Units of work.
    pub fn units(&self) -> usize {
        self.fills() * self.parts
    }

    /// Floats of a panel.
    pub fn panel(&self) -> usize {
        self.geometry.terms() * VECTORS * self.lanes
    }

    /// Whether sums are single chains, which are written as soon as they are there.
    pub fn single(&self) -> bool {
        self.geometry.terms() <= self.chain
    }

    /// Floats of the sums of a run.
    pub fn sums(&self) -> usize {
        let blocks = if self.single() { 1 } else { self.blocks().div_ceil(self.parts) };
        blocks * self.kernels.filters * VECTORS * self.lanes
    }

    /// Floats of scratch that a worker needs: panels and sums.
    pub fn scratch(&self) -> usize {
        self.together * (self.panel() + self.sums())
    }

    /// Weights of a unit.
    fn weights(&self) -> usize {
        self.blocks().div_ceil(self.parts) * self.kernels.filters * self.geometry.terms()
    }

    /// Whether weights stay in a near cache from one run of outputs to the next. Otherwise a block of them goes over all runs
    /// before the next is read.
    pub fn near(&self) -> bool {
        self.weights() <= NEAR
    }

    fn estimate(&self, threads: usize) -> u64 {
        let (g, filters) = (&self.geometry, self.kernels.filters);
        let terms = g.terms();
        let blocks = self.blocks().div_ceil(self.parts);
        // Half cycles: two multiply-adds a cycle, four cycles of latency.
        let wide = filters * VECTORS;
        let each = terms * wide.max(8) + terms.div_ceil(self.chain) * (2 * wide + 30) + 5 * wide + 60;
        // Weights beyond the second-level cache come at some eight bytes a cycle.
        let stream = if self.near() { 0 } else { self.weights() };
        let unit = ((blocks * self.together) as u64 * each as u64).max(stream as u64);
        // A vector is put together from what rows have of it, and comes from afar the first time.
        let pieces = 1 + self.lanes / g.axes[2].outputs;
        let vector = match g.axes[2].stride {
            1 => 4 + 6 * pieces,
            2 => 4 + 20 * pieces,
            _ => 60 + 20 * pieces,
        };
        let fill = (self.together * VECTORS * (terms * vector + g.channels * (16 + 16 / self.together))) as u64;
        // Threads fill groups of their own as far as there are enough.
        let fills = self.fills().next_multiple_of(threads.min(self.units()));
        let busy = self.units().div_ceil(threads) * threads;
        // They wait for the last units, the longer the larger they are.
        busy as u64 * unit + fills as u64 * fill + (threads as u64 - 1) * (unit + fill) / 2
    }
}
