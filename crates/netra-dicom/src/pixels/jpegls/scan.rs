//! Lines of a scan (ITU-T T.87 Annex A, figures A.1 to A.24).

use netra_core::{Error, Result};

use super::bits::Bits;
use super::context::{Context, Parameters, RunContext};
use super::header::Interleave;

/// Bits of the length of a run, by how long the runs before it were (A.7.1.1).
const RUN_BITS: [u32; 32] =
    [0, 0, 0, 0, 1, 1, 1, 1, 2, 2, 2, 2, 3, 3, 3, 3, 4, 4, 5, 5, 6, 6, 7, 7, 8, 9, 10, 11, 12, 13, 14, 15];
/// Contexts of single samples, filled up to a power of two.
const CONTEXTS: usize = 512;
/// No sound scan holds an error of more.
const LARGEST_ERROR: i32 = 1 << 16;

/// A line of one component between two edges: sample `x` lies at `x + 1`.
pub(super) type Line = Vec<u16>;

/// The lines that a component is decoded from and into.
pub(super) struct Rows {
    pub(super) above: Line,
    pub(super) line: Line,
    run: usize,
}

impl Rows {
    pub(super) fn new(columns: usize) -> Self {
        Self { above: vec![0; columns + 2], line: vec![0; columns + 2], run: 0 }
    }

    /// The line is done: the next is decoded from it. Left of a line lies what is above its first sample.
    fn advance(&mut self) {
        std::mem::swap(&mut self.above, &mut self.line);
        let last = self.above.len() - 2;
        self.above[last + 1] = self.above[last];
        self.line[0] = self.above[1];
    }

    fn restart(&mut self) {
        self.above.fill(0);
        self.line.fill(0);
        self.run = 0;
    }
}

/// The state of a scan.
pub(super) struct Decoder<'a> {
    bits: Bits<'a>,
    parameters: Parameters,
    contexts: Box<[Context; CONTEXTS]>,
    runs: [RunContext; 2],
}

impl<'a> Decoder<'a> {
    /// Of the data that begin at byte `at`.
    pub(super) fn new(data: &'a [u8], at: usize, parameters: Parameters) -> Self {
        let contexts = Box::new([Context::new(parameters.range); CONTEXTS]);
        let runs = [0, 1].map(|kind| RunContext::new(parameters.range, kind));
        Self { bits: Bits::new(data, at), parameters, contexts, runs }
    }

    /// Decodes `rows` lines of every component, and shows each to `done` with its number and its component's. Gives the position
    /// of the marker after the scan.
    pub(super) fn run(
        mut self,
        data: &'a [u8],
        components: &mut [Rows],
        interleave: Interleave,
        (rows, restart): (usize, usize),
        mut done: impl FnMut(usize, usize, &[u16]),
    ) -> Result<usize> {
        for y in 0..rows {
            if restart > 0 && y > 0 && y.is_multiple_of(restart) {
                self = self.restarted(data)?;
                components.iter_mut().for_each(Rows::restart);
            }
            match interleave {
                Interleave::Sample => self.samples(components)?,
                _ if self.parameters.near == 0 => components.iter_mut().try_for_each(|c| self.line::<true>(c))?,
                _ => components.iter_mut().try_for_each(|c| self.line::<false>(c))?,
            }
            self.bits.check().map_err(|e| e.at(format!("line {y}")))?;
            for (i, component) in components.iter_mut().enumerate() {
                done(y, i, &component.line[1..component.line.len() - 1]);
                component.advance();
            }
        }
        Ok(self.bits.marker())
    }

    /// The state after a restart marker (RSTm).
    fn restarted(self, data: &'a [u8]) -> Result<Self> {
        let at = self.bits.marker();
        match data.get(at..at + 2) {
            Some([0xFF, 0xD0..=0xD7]) => Ok(Self::new(data, at + 2, self.parameters)),
            _ => Err(Error::malformed("a JPEG-LS restart marker is missing")),
        }
    }

    /// One line of one component.
    fn line<const LOSSLESS: bool>(&mut self, rows: &mut Rows) -> Result<()> {
        let Rows { above, line, run } = rows;
        let columns = line.len() - 2;
        let above = &above[..columns + 2];
        let mut x = 0;
        // Left, above, above left: the letters of figure A.1.
        let (mut a, mut b, mut c) = (i32::from(line[0]), i32::from(above[1]), i32::from(above[0]));
        let mut level_bc = self.parameters.level(b - c);
        while x < columns {
            let d = i32::from(above[x + 2]);
            let level_db = self.parameters.level(d - b);
            let context = 81 * level_db + 9 * level_bc + self.parameters.level(c - a);
            if context == 0 {
                x = self.flat(above, line, run, x)?;
                a = i32::from(line[x]);
                c = i32::from(above[x]);
                b = i32::from(above[(x + 1).min(columns + 1)]);
                level_bc = self.parameters.level(b - c);
            } else {
                let value = self.single::<LOSSLESS>(context, a, b, c)?;
                line[x + 1] = value as u16;
                x += 1;
                (a, c, b) = (value, b, d);
                level_bc = level_db;
            }
        }
        Ok(())
    }

    /// A sample whose neighbours differ (A.4 to A.6).
    #[inline(always)]
    fn single<const LOSSLESS: bool>(&mut self, context: i32, a: i32, b: i32, c: i32) -> Result<i32> {
        // All ones when the context stands for its mirror image.
        let mirror = context >> 31;
        let flip = |v: i32| (v ^ mirror) - mirror;
        let p = &self.parameters;
        let learned = &mut self.contexts[flip(context) as usize & (CONTEXTS - 1)];
        let (least, most) = (a.min(b), a.max(b));
        // The median of a, b and a + b - c.
        let median = (a + b - c).clamp(least, most);
        let predicted = (median + flip(learned.c)).clamp(0, p.maximum);
        let k = learned.k();
        let code = self.bits.golomb(k, p.limit - p.bits - 1, p.bits) as i32;
        let mut error = (code >> 1) ^ -(code & 1);
        if LOSSLESS && k == 0 && 2 * learned.b <= -learned.n {
            error = !error;
        }
        if error.abs() > LARGEST_ERROR {
            return Err(Error::malformed("a JPEG-LS error beyond all samples"));
        }
        if LOSSLESS {
            learned.learn(error, 1, p.reset);
            return Ok(p.exact_sample(predicted, flip(error)));
        }
        learned.learn(error, 2 * p.near + 1, p.reset);
        Ok(p.near_sample(predicted, flip(error)))
    }

    /// A run of equal samples from `x` on, and the sample that ends it (A.7). Gives where the line goes on.
    fn flat(&mut self, above: &[u16], line: &mut [u16], run: &mut usize, x: usize) -> Result<usize> {
        let columns = line.len() - 2;
        let a = line[x];
        let length = self.run_length(run, columns - x);
        line[x + 1..x + 1 + length].fill(a);
        let x = x + length;
        if x == columns {
            return Ok(x);
        }
        let (a, b) = (i32::from(a), i32::from(above[x + 1]));
        let alike = (a - b).abs() <= self.parameters.near;
        let error = self.ending(usize::from(alike), *run)?;
        let value = match alike {
            true => self.parameters.sample(a, error),
            false => self.parameters.sample(b, if a > b { -error } else { error }),
        };
        line[x + 1] = value as u16;
        *run = run.saturating_sub(1);
        Ok(x + 1)
    }

    /// The number of equal samples, at most `room` (A.7.1).
    fn run_length(&mut self, run: &mut usize, room: usize) -> usize {
        let mut length = 0;
        while self.bits.bit() {
            let step = 1 << RUN_BITS[*run];
            if length + step > room {
                return room;
            }
            length += step;
            *run = (*run + 1).min(31);
            if length == room {
                return room;
            }
        }
        (length + self.bits.take(RUN_BITS[*run]) as usize).min(room)
    }

    /// The error of the sample that ends a run.
    fn ending(&mut self, kind: usize, run: usize) -> Result<i32> {
        let p = &self.parameters;
        let context = &mut self.runs[kind];
        let k = context.k();
        let escape = (p.limit - p.bits - 2).saturating_sub(RUN_BITS[run]);
        let code = self.bits.golomb(k, escape, p.bits);
        if code > 2 * LARGEST_ERROR as u32 {
            return Err(Error::malformed("a JPEG-LS error beyond all samples"));
        }
        Ok(context.error(code, k, p.reset))
    }

    /// One line of all components, sample by sample.
    fn samples(&mut self, components: &mut [Rows]) -> Result<()> {
        let columns = components.first().map_or(0, |c| c.line.len() - 2);
        let mut x = 0;
        while x < columns {
            let neighbours = |rows: &Rows| {
                let at = |line: &Line, i: usize| i32::from(line[i]);
                (at(&rows.line, x), at(&rows.above, x + 1), at(&rows.above, x), at(&rows.above, x + 2))
            };
            let p = &self.parameters;
            let context = |rows: &Rows| {
                let (a, b, c, d) = neighbours(rows);
                81 * p.level(d - b) + 9 * p.level(b - c) + p.level(c - a)
            };
            // At most four components.
            let mut contexts = [0; 4];
            contexts.iter_mut().zip(components.iter()).for_each(|(slot, rows)| *slot = context(rows));
            if contexts.iter().any(|&context| context != 0) {
                for (rows, context) in components.iter_mut().zip(contexts) {
                    let (a, b, c, _) = neighbours(rows);
                    let value = match self.parameters.near {
                        0 => self.single::<true>(context, a, b, c)?,
                        _ => self.single::<false>(context, a, b, c)?,
                    };
                    rows.line[x + 1] = value as u16;
                }
                x += 1;
                continue;
            }
            let mut run = components[0].run;
            let length = self.run_length(&mut run, columns - x);
            for rows in components.iter_mut() {
                let a = rows.line[x];
                rows.line[x + 1..x + 1 + length].fill(a);
            }
            x += length;
            if x < columns {
                for rows in components.iter_mut() {
                    let (a, b) = (i32::from(rows.line[x]), i32::from(rows.above[x + 1]));
                    let error = self.ending(0, run)?;
                    let value = self.parameters.sample(b, if a > b { -error } else { error });
                    rows.line[x + 1] = value as u16;
                }
                run = run.saturating_sub(1);
                x += 1;
            }
            components[0].run = run;
        }
        Ok(())
    }
}
