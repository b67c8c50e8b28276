//! Convolutions with an algorithm that was chosen by measuring instead of by the plans' estimates.

use netra_graph::Conv;

use super::*;

/// An algorithm that can be chosen where it can compute a convolution.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Choice {
    /// Pixels in the lanes.
    Direct,
    /// Output channels in the lanes.
    Blocked,
    /// A product over packed panels.
    Panel,
    /// Winograd's, with filters that are transformed once.
    WinogradEarly,
    /// Winograd's, with filters that are transformed when they are used.
    WinogradLate,
    /// In narrow numbers, where the arithmetic is one of those.
    Narrow,
}

impl Choice {
    /// Every algorithm.
    pub const ALL: [Self; 6] =
        [Self::Direct, Self::Blocked, Self::Panel, Self::WinogradEarly, Self::WinogradLate, Self::Narrow];

    /// The name in a [`Tuning`](netra_graph::Tuning) and a profile.
    pub fn name(self) -> &'static str {
        match self {
            Self::Direct => "direct",
            Self::Blocked => "blocked",
            Self::Panel => "panel",
            Self::WinogradEarly => "winograd-early",
            Self::WinogradLate => "winograd-late",
            Self::Narrow => "narrow",
        }
    }

    /// The algorithm of this name.
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|choice| choice.name() == name)
    }
}

impl Convolution {
    /// Plans a convolution of input, weight and output `shapes`, as [`new`](Self::new) does, with the algorithm `choice`
    /// whatever it costs. `None` where that cannot compute it in this arithmetic, and where there is no choice: depthwise
    /// convolutions and those of single pixels.
    pub fn chosen(
        choice: Choice,
        p: &Conv,
        [x, weight, out]: [&[usize]; 3],
        isa: Isa,
        threads: usize,
        arithmetic: Arithmetic,
    ) -> Option<Self> {
        let geometry = Geometry::forward(p, x, weight, out);
        if Depthwise::new(&geometry, isa, threads).is_some() || Pixel::new(p, x, weight, out, isa).is_some() {
            return None;
        }
        let geometry = geometry.flattened();
        let winograd = |late| {
            let shape = shape(p, x, weight, out).filter(|_| arithmetic != Arithmetic::Exact)?;
            Winograd::with_filters(shape, isa, threads, late).map(|w| Algorithm::Winograd(Box::new(w)))
        };
        let algorithm = match choice {
            Choice::Direct => Algorithm::Direct(Direct::new(&geometry, isa, threads)),
            Choice::Blocked => Algorithm::Blocked(Box::new(Blocked::new(&geometry, isa, threads, u64::MAX)?)),
            Choice::Panel => Algorithm::Panel(Box::new(Panel::new(&geometry, isa, threads, u64::MAX)?)),
            Choice::WinogradEarly => winograd(false)?,
            Choice::WinogradLate => winograd(true)?,
            #[cfg(target_arch = "x86_64")]
            Choice::Narrow => {
                Algorithm::Narrow(Box::new(Narrow::new(&geometry, arithmetic, isa, threads, usize::MAX)?))
            }
            #[cfg(not(target_arch = "x86_64"))]
            Choice::Narrow => return None,
        };
        Some(Self { algorithm, activation: p.activation })
    }

    /// The algorithm's name.
    pub fn name(&self) -> &'static str {
        match &self.algorithm {
            Algorithm::Direct(_) => Choice::Direct.name(),
            Algorithm::Blocked(_) => Choice::Blocked.name(),
            Algorithm::Depthwise(_) => "depthwise",
            Algorithm::Panel(_) => Choice::Panel.name(),
            Algorithm::Pixel(_) => "pixel",
            Algorithm::Upsample(_) => "upsample",
            Algorithm::Winograd(a) if a.transforms_late() => Choice::WinogradLate.name(),
            Algorithm::Winograd(_) => Choice::WinogradEarly.name(),
            #[cfg(target_arch = "x86_64")]
            Algorithm::Narrow(_) => Choice::Narrow.name(),
            #[cfg(target_arch = "x86_64")]
            Algorithm::NarrowUpsample(_) => "upsample-narrow",
        }
    }

    /// Rough half cycles of the whole convolution, of an algorithm that can be [chosen](Choice).
    pub fn cost(&self) -> Option<u64> {
        match &self.algorithm {
            Algorithm::Direct(a) => Some(a.cost()),
            Algorithm::Blocked(a) => Some(a.cost()),
            Algorithm::Panel(a) => Some(a.cost()),
            Algorithm::Winograd(a) => Some(a.cost()),
            #[cfg(target_arch = "x86_64")]
            Algorithm::Narrow(a) => Some(a.cost()),
            _ => None,
        }
    }
}
