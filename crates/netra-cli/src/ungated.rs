//! A bare network in a precision mode: no golden case says whether it may run that way, so the user is told.

use netra::graph::{Backend, CompileOptions, Precision, Program, Ranges, TensorView};
use netra::package::from_graph;

/// A mode, and what it needs to know.
pub struct Ungated {
    /// The mode that runs.
    pub precision: Precision,
    /// What the figures or results do not say, in a reduced mode.
    pub note: Option<&'static str>,
    ranges: Ranges,
}

impl Ungated {
    /// What `asked` amounts to on a backend; `int8` is calibrated on `inputs`.
    pub fn new(
        asked: Precision,
        backend: &dyn Backend,
        program: &Program,
        inputs: &[TensorView<'_>],
    ) -> netra::Result<Self> {
        let precision = backend.precision(asked);
        let mut ranges = Ranges::default();
        let note = match precision {
            Precision::Int8 => {
                ranges.measure(backend, program, inputs).map_err(from_graph)?;
                Some(
                    "int8 is calibrated on this very input and gated by no golden case: nothing here says it is accurate",
                )
            }
            Precision::F16 => Some("f16 is gated by no golden case here: nothing here says it is accurate"),
            Precision::Bf16 => Some("bf16 is gated by no golden case here: nothing here says it is accurate"),
            _ => None,
        };
        Ok(Self { precision, note, ranges })
    }

    /// How to compile.
    pub fn options(&self) -> CompileOptions<'_> {
        CompileOptions::default().precision(self.precision).ranges(Some(&self.ranges))
    }
}
