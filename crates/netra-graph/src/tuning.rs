//! Algorithms that were measured instead of estimated: which one each kind of step runs with, and on what that was measured.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::{Backend, Error, Kernel, Precision, Program, Result, Step};

/// What a [`Tuning`] was measured on: it says nothing about anything else.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct MeasuredOn {
    /// The backend's name.
    pub backend: String,
    /// The device, with its instruction set and number of threads.
    pub device: String,
    /// The precision mode that ran.
    pub precision: String,
    /// Version of the engine: another one may plan otherwise.
    pub engine: String,
    /// SHA-256 of the package's manifest, when the network came from one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub network: Option<String>,
}

impl MeasuredOn {
    /// A backend in a precision mode, and this version of the engine.
    pub fn new(backend: &dyn Backend, precision: Precision) -> Self {
        Self {
            backend: backend.name().to_owned(),
            device: backend.device().name.clone(),
            precision: backend.precision(precision).to_string(),
            engine: env!("CARGO_PKG_VERSION").to_owned(),
            network: None,
        }
    }

    /// Names the network by its digest.
    #[must_use]
    pub fn network(mut self, digest: impl Into<String>) -> Self {
        self.network = Some(digest.into());
        self
    }

    /// What of it is not so `here`, in words; `None` when all of it is. A network is compared when both sides name one.
    pub fn differs(&self, here: &Self) -> Option<String> {
        let pairs = [
            ("backend", &self.backend, &here.backend),
            ("device", &self.device, &here.device),
            ("precision", &self.precision, &here.precision),
            ("engine", &self.engine, &here.engine),
        ];
        let network = self.network.as_ref().zip(here.network.as_ref()).map(|(there, here)| ("network", there, here));
        let (what, there, here) = pairs.into_iter().chain(network).find(|(_, there, here)| there != here)?;
        Some(format!("measured on {what} '{there}', and this is '{here}'"))
    }
}

/// An algorithm for each kind of step that runs faster with it than with the one its backend estimates to be fastest.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct Tuning {
    /// On what that was measured.
    pub measured_on: MeasuredOn,
    /// Names of algorithms by [`signature`]. A backend leaves out names that it does not know, and algorithms that cannot
    /// compute a step.
    pub algorithms: BTreeMap<String, String>,
}

impl Tuning {
    /// A tuning.
    pub fn new(measured_on: MeasuredOn, algorithms: BTreeMap<String, String>) -> Self {
        Self { measured_on, algorithms }
    }

    /// Reads what [`to_json`](Self::to_json) wrote. Fails (`Malformed`) on anything else.
    pub fn from_json(bytes: &[u8]) -> Result<Self> {
        serde_json::from_slice(bytes).map_err(|e| Error::malformed(format!("no tuning: {e}")).with_source(e))
    }

    /// A JSON document, the same for the same tuning.
    pub fn to_json(&self) -> Result<String> {
        serde_json::to_string_pretty(self)
            .map(|text| text + "\n")
            .map_err(|e| Error::invalid("a tuning without a JSON form").with_source(e))
    }
}

/// All steps of one signature, before and after tuning.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct TunedSteps {
    /// Their [`signature`].
    pub signature: String,
    /// How many there are.
    pub count: usize,
    /// The algorithm that the backend estimates to be fastest.
    pub default: String,
    /// Time of all of them with it.
    pub default_nanoseconds: u64,
    /// The algorithm that they run with from now on.
    pub chosen: String,
    /// Time of all of them with that.
    pub chosen_nanoseconds: u64,
}

impl TunedSteps {
    /// Steps of this signature, not yet measured, that keep their default algorithm.
    pub fn new(signature: &str, default: &str) -> Self {
        Self {
            signature: signature.to_owned(),
            count: 0,
            default: default.to_owned(),
            default_nanoseconds: 0,
            chosen: default.to_owned(),
            chosen_nanoseconds: 0,
        }
    }
}

/// What came out of [`Backend::tune`].
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Tuned {
    /// The choices; none where the whole program was not faster with them.
    pub tuning: Tuning,
    /// Every signature that has a choice.
    pub steps: Vec<TunedSteps>,
    /// A run of the whole program as the backend plans it.
    pub default_nanoseconds: u64,
    /// A run of the whole program with the choices.
    pub chosen_nanoseconds: u64,
}

impl Tuned {
    /// A tuning and its figures; the times are those of whole runs, by default and with the choices.
    pub fn new(tuning: Tuning, steps: Vec<TunedSteps>, [default, chosen]: [u64; 2]) -> Self {
        Self { tuning, steps, default_nanoseconds: default, chosen_nanoseconds: chosen }
    }
}

/// Shapes and parameters of a step that has a choice of algorithms, computed in a precision mode: a convolution's. Steps of
/// one signature take the same time where they find the same caches. `None` for all other kernels.
pub fn signature(program: &Program, step: &Step, precision: Precision) -> Option<String> {
    let (p, affine) = match &step.kernel {
        Kernel::Conv(p) => (p, ""),
        Kernel::NormalizedConv(p) => (&p.conv, " affine"),
        _ => return None,
    };
    let given = |i: usize| step.inputs.get(i).copied().flatten();
    let shape = |id| sizes(&program.value(id).shape);
    let (x, weight, out) = (shape(given(0)?), shape(given(1)?), shape(step.output));
    let (strides, dilations) = (sizes(&p.strides), sizes(&p.dilations));
    let pads: Vec<String> = p.pads.iter().map(|(before, after)| format!("{before}:{after}")).collect();
    let (pads, groups) = (pads.join("x"), p.groups.max(1));
    let residual = if given(3).is_some() { " residual" } else { "" };
    Some(format!(
        "Conv {x} by {weight} to {out} strides {strides} dilations {dilations} pads {pads} groups {groups}{residual}{affine} {precision}"
    ))
}

fn sizes(sizes: &[usize]) -> String {
    sizes.iter().map(usize::to_string).collect::<Vec<_>>().join("x")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Conv, DType, ErrorKind, ProgramBuilder};

    fn here() -> MeasuredOn {
        MeasuredOn {
            backend: "cpu".into(),
            device: "a processor (avx2, 2 threads)".into(),
            precision: "fast".into(),
            engine: "0.1.0".into(),
            network: None,
        }
    }

    #[test]
    fn json_goes_round() {
        let algorithms = [("b", "panel"), ("a", "direct")].map(|(k, v)| (k.to_owned(), v.to_owned()));
        for measured_on in [here(), here().network("abc")] {
            let tuning = Tuning::new(measured_on, algorithms.clone().into());
            let text = tuning.to_json().unwrap();
            assert_eq!(Tuning::from_json(text.as_bytes()).unwrap(), tuning);
            assert!(text.find("\"a\"") < text.find("\"b\""), "sorted: {text}");
        }
        for wrong in ["", "{}", "[1]", r#"{"measured_on": 1, "algorithms": {}}"#] {
            assert_eq!(Tuning::from_json(wrong.as_bytes()).unwrap_err().kind(), ErrorKind::Malformed);
        }
    }

    #[test]
    fn what_differs_is_named() {
        assert_eq!(here().differs(&here()), None);
        assert_eq!(here().network("a").differs(&here()), None, "a bare network has no digest to compare");
        let other = MeasuredOn { device: "another".into(), ..here() };
        assert!(other.differs(&here()).is_some_and(|why| why.contains("device 'another'")));
        let precision = MeasuredOn { precision: "exact".into(), ..here() };
        assert!(precision.differs(&here()).is_some_and(|why| why.contains("precision")));
        let engine = MeasuredOn { engine: "0.0.1".into(), ..here() };
        assert!(engine.differs(&here()).is_some_and(|why| why.contains("engine")));
        assert!(here().network("a").differs(&here().network("b")).is_some_and(|why| why.contains("network")));
    }

    #[test]
    fn a_signature_tells_steps_apart() {
        let mut b = ProgramBuilder::new();
        let x = b.input("x", DType::F32, &[1, 8, 10, 10]);
        let w = b.input("w", DType::F32, &[6, 4, 3, 3]);
        let r = b.input("r", DType::F32, &[1, 6, 5, 5]);
        let conv = |stride, activation| {
            Kernel::Conv(Conv {
                strides: vec![stride; 2],
                pads: vec![(1, 1), (0, 1)],
                dilations: vec![1; 2],
                groups: 2,
                activation,
            })
        };
        b.step("plain", conv(2, None), &[Some(x), Some(w)], DType::F32, &[1, 6, 5, 5]);
        b.step("sum", conv(2, None), &[Some(x), Some(w), None, Some(r)], DType::F32, &[1, 6, 5, 5]);
        let y = b.step("shape", Kernel::Reshape, &[Some(x)], DType::F32, &[800]);
        let program = b.finish(vec![y]);
        let of = |i: usize, precision| signature(&program, &program.steps[i], precision);
        assert_eq!(
            of(0, Precision::Fast).as_deref(),
            Some("Conv 1x8x10x10 by 6x4x3x3 to 1x6x5x5 strides 2x2 dilations 1x1 pads 1:1x0:1 groups 2 fast")
        );
        assert!(of(1, Precision::Exact).is_some_and(|s| s.ends_with("groups 2 residual exact")));
        assert_eq!(of(2, Precision::Fast), None);
    }
}
