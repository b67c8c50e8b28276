//! Depthwise convolution: every output plane hears one input plane, so that each value read serves few multiply-adds.
//!
//! The common square kernels read the plane where it lies ([`straight`]); all others a copy ([`copied`]), except single
//! elements, which are a factor and a shift ([`element`]). Planes whose rows fill half a vector at most have their channels in
//! the lanes instead ([`lanes`]).

mod copied;
mod element;
mod lanes;
mod straight;

use super::Weights;
use super::plan::{Geometry, wanted_units};
use crate::Context;
use crate::isa::Isa;
use crate::parallel::Shared;
use crate::simd::map::Finish;
use copied::Copied;
use lanes::Lanes;
use straight::Straight;

/// Floats of results that stay in the first-level cache.
const NEAR: usize = 4 * 1024;
/// Floats after the results of a band that whole vectors may touch.
const SLACK: usize = 16;

/// A planned depthwise convolution.
pub struct Depthwise {
    geometry: Geometry,
    form: Form,
    /// Output rows of a band.
    rows: usize,
    /// Bands that one unit of work computes.
    together: usize,
    /// Whether a run leaves the sums of planes, in parts, in the scratch memory.
    sums: bool,
}

enum Form {
    Element,
    Straight(Straight),
    Copied(Copied),
    Lanes(Lanes),
}

/// Neighbouring output rows of one plane.
struct Band<'a> {
    /// The input plane.
    x: &'a [f32],
    /// Output slice.
    depth: usize,
    /// First output row.
    row: usize,
    /// Output rows.
    rows: usize,
    /// One weight a term.
    weights: &'a [f32],
    bias: f32,
}

/// Rows of a band: `most` at most but at least one, and about as many in the last band as in the others.
fn balanced(rows: usize, most: usize) -> usize {
    rows.div_ceil(rows.div_ceil(most.max(1)))
}

impl Depthwise {
    /// Plans a convolution of one channel and one filter a group; `None` for others, and where rows are too long to copy.
    pub fn new(geometry: &Geometry, isa: Isa, threads: usize) -> Option<Self> {
        let empty = geometry.axes.iter().any(|a| a.outputs == 0 || a.taps.is_empty());
        if geometry.channels != 1 || geometry.filters != 1 || empty {
            return None;
        }
        let (form, rows) = if geometry.axes.iter().all(element::fits) {
            let [_, h, w] = &geometry.axes;
            (Form::Element, balanced(h.outputs, NEAR / w.outputs))
        } else if let Some(lanes) = Lanes::new(geometry, isa) {
            (Form::Lanes(lanes), geometry.axes[1].outputs)
        } else if let Some(straight) = Straight::new(geometry) {
            let rows = straight.rows();
            (Form::Straight(straight), rows)
        } else {
            let copied = Copied::new(geometry)?;
            let rows = copied.rows();
            (Form::Copied(copied), rows)
        };
        let mut plan = Self { geometry: geometry.clone(), form, rows, together: 1, sums: false };
        plan.together = plan.bands().div_ceil(2 * wanted_units(&plan.geometry, threads));
        Some(plan)
    }

    /// Bands of the whole output.
    fn bands(&self) -> usize {
        let Geometry { batch, groups, .. } = &self.geometry;
        match &self.form {
            Form::Lanes(lanes) => batch * lanes.blocks(*groups),
            _ => batch * groups * self.parts(),
        }
    }

    /// Asks for the sums of planes, which cost less while their elements are at hand. Gives in how many parts each is left. Runs
    /// have no residual from then on.
    pub fn leave_sums(&mut self) -> usize {
        self.sums = true;
        self.parts()
    }

    /// Parts of the sum of a plane.
    fn parts(&self) -> usize {
        match &self.form {
            Form::Lanes(_) => 1,
            _ => self.geometry.axes[0].outputs * self.geometry.axes[1].outputs.div_ceil(self.rows),
        }
    }

    /// Floats of a band's results.
    fn results(&self) -> usize {
        self.rows * self.geometry.axes[2].outputs + SLACK
    }

    /// Floats of scratch that each worker needs.
    pub fn scratch(&self) -> usize {
        match &self.form {
            Form::Element | Form::Straight(_) => self.results(),
            Form::Copied(copied) => self.results() + copied.scratch(&self.geometry),
            Form::Lanes(lanes) => lanes.scratch(),
        }
    }

    /// Copies weights `[filter][term]`, or as the form has them, and a bias for each filter.
    pub fn pack(&self, weight: &[f32], bias: Option<&[f32]>) -> Weights {
        let bias = bias.map_or_else(|| vec![0.0; self.geometry.groups], <[f32]>::to_vec);
        match &self.form {
            Form::Lanes(lanes) => lanes.pack(weight, &bias),
            _ => Weights { weights: weight.to_vec(), bias },
        }
    }

    /// Computes `out`.
    pub fn run(&self, context: &Context<'_>, x: &[f32], packed: &Weights, finish: Finish<'_>, out: &mut [f32]) {
        let out = Shared::new(out);
        let mut sums = context.scratch.sums();
        sums.resize(if self.sums { self.geometry.batch * self.geometry.groups * self.parts() } else { 0 }, 0.0);
        let sums = Shared::new(&mut sums);
        let bands = self.bands();
        context.threads.for_each(bands.div_ceil(self.together), |worker, unit| {
            let mut scratch = context.scratch.lock(worker);
            let first = unit * self.together;
            for band in first..bands.min(first + self.together) {
                self.band(context, band, x, packed, scratch.floats(), finish, &out, &sums);
            }
        });
    }

    #[allow(clippy::too_many_arguments)] // What the loop above shares, and one band.
    fn band(
        &self,
        context: &Context<'_>,
        number: usize,
        x: &[f32],
        packed: &Weights,
        scratch: &mut [f32],
        finish: Finish<'_>,
        out: &Shared<f32>,
        sums: &Shared<f32>,
    ) {
        let g = &self.geometry;
        if let Form::Lanes(lanes) = &self.form {
            let (image, block) = (number / lanes.blocks(g.groups), number % lanes.blocks(g.groups));
            let size = g.groups * g.input_plane();
            let (x, at) = (&x[image * size..][..size], image * g.groups * g.output_plane());
            let sums = self.sums.then(|| sums.pointer(image * g.groups));
            return lanes.run(context.isa, block, x, packed, scratch, finish, (at, out), sums);
        }
        let [d, h, w] = &g.axes;
        let bands = h.outputs.div_ceil(self.rows);
        let (row, depth, image) = (number % bands * self.rows, number / bands % d.outputs, number / bands / d.outputs);
        let (rows, filter, terms) = (self.rows.min(h.outputs - row), image % g.groups, g.terms());
        let band = Band {
            x: &x[image * g.input_plane()..][..g.input_plane()],
            depth,
            row,
            rows,
            weights: &packed.weights[filter * terms..][..terms],
            bias: packed.bias[filter],
        };
        let (whole, rest) = scratch.split_at_mut(self.results());
        match &self.form {
            Form::Element => {
                let at = (depth * h.outputs + row) * w.outputs;
                element::run(context.isa, &band.x[at..][..rows * w.outputs], band.weights[0], band.bias, whole);
            }
            Form::Straight(straight) => straight.run(context.isa, &band, whole),
            Form::Copied(copied) => copied.run(context.isa, g, &band, &mut rest[..copied.scratch(g)], whole),
            Form::Lanes(_) => {}
        }
        let at = image * g.output_plane() + (depth * h.outputs + row) * w.outputs;
        let n = rows * w.outputs;
        // SAFETY: the rows of this band, which belong to no other.
        let out = unsafe { out.slice(at, n) };
        if self.sums {
            // SAFETY: there is a sum for each band.
            unsafe { sums.write(number, finish.sum(context.isa, &whole[..n], out)) };
        } else {
            finish.run(context.isa, &whole[..n], at, out);
        }
    }
}
