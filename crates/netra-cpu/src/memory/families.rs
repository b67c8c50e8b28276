//! Values that share memory: written over one another, the same under another shape, or parts of one that is joined.

use netra_graph::{DType, Kernel, Program, Step};

use super::Sharing;

/// Where a value lives, before buffers are assigned.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Home {
    /// The caller's input of this number.
    Input(usize),
    /// The program's constant behind this value index.
    Constant(usize),
    /// From a byte of a family's memory on.
    Family(usize, usize),
    /// Nowhere: nothing defines it.
    Nowhere,
}

/// Values that share memory, of one element type.
#[derive(Clone, Debug)]
pub struct Family {
    /// Element type.
    pub dtype: DType,
    /// Size of the memory.
    pub bytes: usize,
    /// First step that writes it.
    pub first: usize,
    /// Last step that reads it.
    pub last: usize,
    /// The family that it has become a part of, and from which byte on.
    within: Option<(usize, usize)>,
}

/// The families of a program.
#[derive(Debug)]
pub struct Families {
    /// All of them; those within another need no memory of their own.
    list: Vec<Family>,
    homes: Vec<Home>,
    /// For each step, the input that its output is written over.
    pub in_place: Vec<Option<usize>>,
    /// Steps whose output is their input, or a part of it: nothing to do.
    pub aliases: Vec<bool>,
    /// Concatenations whose parts lie behind one another: each is there already, or copied there.
    pub joins: Vec<bool>,
    /// For each of them, since when its youngest part is alive that can be written into place.
    pub youngest: Vec<usize>,
}

impl Families {
    /// Finds the families of `program`, whose steps share memory as `sharing` allows. `joined(i, first)` is asked
    /// whether a part of concatenation `i` that is alive since step `first` may be written where it is going to be.
    pub fn new(program: &Program, sharing: &[Sharing], joined: impl Fn(usize, usize) -> bool) -> Self {
        let steps = program.steps.len();
        let mut this = Self {
            list: Vec::new(),
            homes: vec![Home::Nowhere; program.values.len()],
            in_place: vec![None; steps],
            aliases: vec![false; steps],
            joins: vec![false; steps],
            youngest: vec![0; steps],
        };
        for (i, value) in program.values.iter().enumerate() {
            if value.constant.is_some() {
                this.homes[i] = Home::Constant(i);
            }
        }
        for (i, id) in program.inputs.iter().enumerate() {
            this.homes[id.index()] = Home::Input(i);
        }
        let last_uses = program.last_uses();
        for (i, step) in program.steps.iter().enumerate() {
            let value = program.value(step.output);
            let sharing = sharing.get(i).copied().unwrap_or_default();
            let mine = sharing != Sharing::Nothing;
            let home = this.alias(program, step, mine);
            this.aliases[i] = home.is_some();
            let home = home.or_else(|| {
                this.in_place[i] = if mine { this.overwritable(program, step, i, sharing) } else { None };
                this.in_place[i].map(|k| this.home_of(step, k))
            });
            let home = home.unwrap_or_else(|| {
                let (dtype, bytes) = (value.dtype, value.bytes());
                this.list.push(Family { dtype, bytes, first: i, last: i, within: None });
                this.joins[i] = mine && matches!(step.kernel, Kernel::Concat { axis } if behind(&value.shape, axis));
                if this.joins[i] {
                    this.youngest[i] = this.join(program, step, |first| joined(i, first));
                }
                Home::Family(this.list.len() - 1, 0)
            });
            if let Home::Family(family, _) = home {
                let last = &mut this.list[family].last;
                *last = (*last).max(last_uses[step.output.index()].unwrap_or(i));
            }
            this.homes[step.output.index()] = home;
        }
        this
    }

    /// Where a value lives; families are those that are within no other.
    pub fn home(&self, value: usize) -> Home {
        let mut home = self.homes[value];
        while let Home::Family(family, at) = home {
            let Some((whole, offset)) = self.list[family].within else { break };
            home = Home::Family(whole, offset + at);
        }
        home
    }

    fn home_of(&self, step: &Step, input: usize) -> Home {
        step.inputs.get(input).copied().flatten().map_or(Home::Nowhere, |id| self.home(id.index()))
    }

    /// The families that need memory, with their numbers.
    pub fn whole(&self) -> impl Iterator<Item = (usize, &Family)> {
        self.list.iter().enumerate().filter(|(_, f)| f.within.is_none())
    }

    /// Most bytes that are alive at a step.
    pub fn peak(&self) -> usize {
        let steps = self.in_place.len();
        let (mut born, mut freed) = (vec![0usize; steps + 2], vec![0usize; steps + 2]);
        for (_, family) in self.whole() {
            born[family.first] += family.bytes;
            freed[family.last + 1] += family.bytes;
        }
        let (mut live, mut peak) = (0, 0);
        for (born, freed) in born.into_iter().zip(freed) {
            live = live + born - freed;
            peak = peak.max(live);
        }
        peak
    }

    /// Where the output of a step lives when it is the input under another shape, or neighbours within it.
    fn alias(&self, program: &Program, step: &Step, mine: bool) -> Option<Home> {
        let x = program.value(step.inputs.first().copied().flatten()?);
        match &step.kernel {
            Kernel::Reshape => Some(self.home_of(step, 0)),
            Kernel::Slice { starts, steps } if mine && steps.iter().all(|&by| by == 1) => {
                let Home::Family(family, at) = self.home_of(step, 0) else { return None };
                let out = &program.value(step.output).shape;
                // Every axis before the last one that is cut has a single element.
                let cut = out.iter().zip(&x.shape).rposition(|(out, x)| out != x).unwrap_or(0);
                let run: usize = x.shape[cut..].iter().skip(1).product();
                let single = x.shape[..cut].iter().zip(starts).all(|(&size, &start)| size == 1 && start == 0);
                let start = starts.get(cut)? * run * x.dtype.size();
                (single && !out.contains(&0)).then_some(Home::Family(family, at + start))
            }
            _ => None,
        }
    }

    /// Lets the parts of the newest family, the output of a concatenation, be written where they are going to be: those
    /// that are a family of their own, and that `joined` agrees to. Gives the step since which the youngest is alive.
    fn join(&mut self, program: &Program, step: &Step, joined: impl Fn(usize) -> bool) -> usize {
        let whole = self.list.len() - 1;
        let (mut at, mut youngest) = (0, 0);
        for (k, id) in step.inputs.iter().enumerate() {
            let bytes = id.map_or(0, |id| program.value(id).bytes());
            if let Home::Family(part, 0) = self.home_of(step, k)
                && part != whole
                && self.list[part].bytes == bytes
            {
                let (first, last) = (self.list[part].first, self.list[part].last);
                youngest = youngest.max(first);
                if joined(first) {
                    self.list[part].within = Some((whole, at));
                    let family = &mut self.list[whole];
                    (family.first, family.last) = (family.first.min(first), family.last.max(last));
                }
            }
            at += bytes;
        }
        youngest
    }

    /// The input of step `i` that its output may be written over: of the same type and size, read for the last time, and
    /// held by no other input.
    fn overwritable(&self, program: &Program, step: &Step, i: usize, sharing: Sharing) -> Option<usize> {
        let candidates: &[usize] = match step.kernel {
            Kernel::Unary(_)
            | Kernel::Softmax { .. }
            | Kernel::InstanceNormalization { .. }
            | Kernel::GroupNormalization { .. }
            | Kernel::LayerNormalization { .. } => &[0],
            Kernel::Binary(_) => &[0, 1],
            // The residual.
            Kernel::Conv(_) | Kernel::NormalizedConv(_) if sharing == Sharing::FirstInput => &[3, 0],
            Kernel::Conv(_) | Kernel::NormalizedConv(_) | Kernel::UpsampledConv(_) => &[3],
            _ => &[],
        };
        let out = program.value(step.output);
        candidates.iter().copied().find(|&c| {
            let Some(id) = step.inputs.get(c).copied().flatten() else { return false };
            let value = program.value(id);
            let Home::Family(family, _) = self.home(id.index()) else { return false };
            let within = |k| matches!(self.home_of(step, k), Home::Family(f, _) if f == family);
            let alone = (0..step.inputs.len()).filter(|&k| within(k)).count() == 1;
            self.list[family].last == i && alone && value.dtype == out.dtype && value.shape == out.shape
        })
    }
}

/// Whether the parts of a concatenation lie behind one another.
fn behind(shape: &[usize], axis: usize) -> bool {
    shape[..axis].iter().all(|&size| size == 1)
}
