//! A package on a backend: the call most users make.

use std::cell::RefCell;
use std::sync::{Arc, OnceLock};

use netra_core::{
    BackendIdentity, Error, ErrorKind, Finding, Findings, ModelIdentity, ModelStatement, Result, Segment, Warning,
};
use netra_graph::{self as graph, Backend, Graph, Precision, TensorView, Tuned};
use netra_package::manifest::{AsDiscrete, Manifest, OutputContract, Postprocess};
use netra_package::scope;
use netra_package::{Package, TuningFile};

use crate::clock::Clock;
use crate::infer;
use crate::inferer::Outcome;
use crate::network::{Network, into_values};
use crate::plan::{self, RunPlan};
use crate::postprocess::{self, Spacing};
use crate::saliency::{self, Explained};
use crate::{GoldenReport, Input, InputSize, Placement, RunOptions, Stage, preprocess, verify};

/// A model ready to run.
pub struct Model {
    manifest: Manifest,
    identity: ModelIdentity,
    network: Network,
    package: Option<Arc<Package>>,
    /// The network that explains a classifier, once somebody asked; `None` in it where there is none.
    explained: OnceLock<Option<Explained>>,
    /// What the golden cases say about the network's precision, once they were asked.
    gate: OnceLock<std::result::Result<(), String>>,
}

impl Model {
    /// A verified package on a backend. Nothing is compiled before the first run, which knows the shapes.
    pub fn new(package: Arc<Package>, backend: Arc<dyn Backend>) -> Result<Self> {
        let mut model =
            Self::from_parts(package.manifest().clone(), package.identity().clone(), package.graph().clone(), backend)?;
        model.package = Some(package);
        Ok(model)
    }

    /// A model without a package, for networks made in memory; it has no golden cases. Fails when the graph has not the
    /// input and output that the manifest names.
    pub fn from_parts(
        manifest: Manifest,
        identity: ModelIdentity,
        graph: Arc<Graph>,
        backend: Arc<dyn Backend>,
    ) -> Result<Self> {
        let network = Network::new(graph, &manifest.network, backend)?;
        Ok(Self { manifest, identity, network, package: None, explained: OnceLock::new(), gate: OnceLock::new() })
    }

    /// Sets how much accuracy the backend may give up for speed; [`Precision::Fast`] unless set. In a reduced precision the
    /// golden cases are run before the first scan is, and a model that does not pass them refuses to run; `int8` is calibrated
    /// on their inputs before.
    #[must_use]
    pub fn with_precision(mut self, precision: Precision) -> Self {
        self.network = self.network.with_precision(precision);
        self.gate = OnceLock::new();
        self
    }

    /// Sets a tuning of the network; left out unless it was measured on this package, backend, device and precision:
    /// [`Network::tuning`] tells. The results name its digest.
    #[must_use]
    pub fn with_tuning(mut self, tuning: Option<TuningFile>) -> Self {
        self.network = self.network.with_tuning(tuning, &self.identity.digest);
        self.gate = OnceLock::new();
        self
    }

    /// Measures on an input of the network's own layout which algorithms run it fastest; progress is told in (done, total).
    pub fn tune(&self, input: TensorView<'_>, progress: Option<graph::Progress<'_>>) -> Result<Tuned> {
        self.calibrate()?;
        let mut tuned = self.network.tune(input, progress)?;
        tuned.tuning.measured_on = tuned.tuning.measured_on.network(&self.identity.digest);
        Ok(tuned)
    }

    /// What the package declares.
    pub fn manifest(&self) -> &Manifest {
        &self.manifest
    }

    /// Which model it is.
    pub fn identity(&self) -> &ModelIdentity {
        &self.identity
    }

    /// The network on its backend.
    pub fn network(&self) -> &Network {
        &self.network
    }

    /// Checks the scan against the input contract and runs the model on it. The scan stays the caller's; everything else
    /// is freed as soon as the next stage has what it needs.
    ///
    /// Errors: `OutOfScope` with every reason when the scan is not what the model was made for, or when the result is one
    /// that the package withholds; `Limit`; `Backend`; `InvalidInput` when the scan holds values that are not
    /// finite, or preprocessing does not give what the network takes.
    pub fn run<'a>(&self, input: impl Into<Input<'a>>, options: &RunOptions<'_>) -> Result<Findings> {
        self.check_precision()?;
        let input = input.into();
        let mut warnings = self.package.as_ref().map_or_else(Vec::new, |p| p.warnings().to_vec());
        warnings.extend(scope::check(&self.manifest.input, &input.subject(), options.unstated)?);
        let clock = RefCell::new(Clock::default());
        let tell = |stage, done, total| options.progress.iter().for_each(|progress| progress(stage, done, total));

        let told = infer::Told {
            limits: &options.limits,
            network_bytes: options.network_bytes,
            resident_bytes: options.resident_bytes,
            segments: self.asked_segments(options),
            clock: &clock,
            progress: &tell,
        };
        let inferred = infer::run(self, input, &told)?;
        warnings.extend(inferred.warning);

        tell(Stage::Postprocess, 0, 1);
        let finding = clock.borrow_mut().time(Stage::Postprocess.name(), || {
            let steps = &self.manifest.postprocess;
            let result = postprocess::resume(steps, inferred.steps, inferred.state, &inferred.place)?;
            self.finding(result.outcome, Spacing::of(input))
        })?;
        tell(Stage::Postprocess, 1, 1);
        warnings.extend(self.operating_point());
        let saliency = match &finding {
            Finding::Classes(classes) if options.detail.saliency => {
                let progress = |done, total| tell(Stage::Saliency, done, total);
                let maps = || saliency::run(self, input, classes, &options.limits, &progress);
                match clock.borrow_mut().time(Stage::Saliency.name(), maps) {
                    // The finding stands without its picture.
                    Err(e) if e.kind() == ErrorKind::Unsupported => {
                        warnings.push(Warning { code: "no-saliency".to_owned(), message: e.to_string() });
                        None
                    }
                    maps => Some(maps?),
                }
            }
            _ => None,
        };
        let mut findings = self.findings(finding, clock.into_inner(), warnings, inferred.resident);
        findings.saliency = saliency;
        findings.probabilities = inferred.probabilities;
        Ok(findings)
    }

    /// The segments whose probabilities a run is asked for; `None` without them, and for a model of another kind.
    pub(crate) fn asked_segments(&self, options: &RunOptions<'_>) -> Option<&[Segment]> {
        match &self.manifest.output {
            OutputContract::Segmentation { segments, .. } if options.detail.probabilities => Some(segments),
            _ => None,
        }
    }

    /// How many classes there are. Fails for a model of another kind.
    pub(crate) fn classes(&self) -> Result<usize> {
        match &self.manifest.output {
            OutputContract::Classification { classes, .. } => Ok(classes.len()),
            _ => Err(Error::unsupported("this model is no classifier")),
        }
    }

    /// What explains the network by class activation maps, where its end allows that.
    pub(crate) fn class_activation(&self) -> Option<&Explained> {
        let explained = || self.network.class_activation().map(|(end, network)| Explained { end, network });
        self.explained.get_or_init(explained).as_ref()
    }

    /// Runs a model that takes an array (`input.kind = "array"`): a generator's latent vector, for example. `input` is of
    /// the network's own layout, batch 1.
    pub fn run_array(&self, input: TensorView<'_>) -> Result<Findings> {
        self.check_precision()?;
        let mut clock = Clock::default();
        clock.time("compile", || self.network.executable(input.shape()))?;
        let output = clock.time(Stage::Network.name(), || self.network.run(input))?;
        let finding = clock.time(Stage::Postprocess.name(), || {
            let values = into_values(output)?;
            let (_, _, rows, columns) = values.dim();
            let grid = InputSize::Image { channels: 1, size: [rows, columns] }.geometry()?;
            let place = Placement { geometry: grid.clone(), source: grid, field_of_view: None };
            let result = postprocess::run(&self.manifest.postprocess, Outcome::Values(values), &place)?;
            self.finding(result.outcome, Spacing::Unknown)
        })?;
        let warnings = self.package.as_ref().map_or_else(Vec::new, |p| p.warnings().to_vec());
        Ok(self.findings(finding, clock, warnings, false))
    }

    /// Memory of a run on a scan of this size, without running; steps that crop by content count as cropping nothing, so
    /// that this is an upper bound. Compiles the network for the shapes it will meet.
    pub fn plan(&self, size: &InputSize, options: &RunOptions<'_>) -> Result<RunPlan> {
        self.calibrate()?;
        plan::plan(self, size, None, options)
    }

    /// As [`plan`](Self::plan) for this very scan: preprocessing is run, so that crops by content are known.
    pub fn plan_input<'a>(&self, input: impl Into<Input<'a>>, options: &RunOptions<'_>) -> Result<RunPlan> {
        self.calibrate()?;
        let input = input.into();
        let sample = preprocess::run(&self.manifest.preprocess, input, &options.limits)?;
        let shape = sample.place.geometry.shape();
        drop(sample);
        plan::plan(self, &input.size(), Some(shape), options)
    }

    /// Runs the package's golden cases. A case that differs too much is reported, not an error.
    pub fn verify(&self) -> Result<Vec<GoldenReport>> {
        let Some(package) = &self.package else { return Ok(Vec::new()) };
        let cases = package.golden()?;
        self.network.calibrate(cases.iter().map(|case| case.input.view()))?;
        cases.iter().map(|case| verify::case(&self.network, case, &self.manifest.postprocess)).collect()
    }

    /// Calibrates the network on the golden cases' inputs, if it has to be and was not.
    fn calibrate(&self) -> Result<()> {
        match &self.package {
            Some(package) if !self.network.is_calibrated() => {
                self.network.calibrate(package.golden()?.iter().map(|case| case.input.view()))
            }
            _ => Ok(()),
        }
    }

    /// Reduced precision only where the golden cases pass in it, on this backend. Fails (`OutOfScope`) with the case that
    /// does not; the answer is kept.
    fn check_precision(&self) -> Result<()> {
        let precision = self.network.precision();
        if !precision.is_reduced() {
            return Ok(());
        }
        if let Some(known) = self.gate.get() {
            return known.clone().map_err(out_of_scope);
        }
        // What could not be run is no answer, and not kept.
        let reports = self.verify()?;
        let failed: Vec<String> = reports.iter().filter(|report| !report.passed).map(GoldenReport::to_string).collect();
        let answer = if reports.is_empty() {
            Err(format!("{precision} needs golden cases that allow it, and the package has none here"))
        } else if failed.is_empty() {
            Ok(())
        } else {
            Err(format!("{precision} is not accurate enough for this model: {}", failed.join("; ")))
        };
        self.gate.get_or_init(|| answer).clone().map_err(out_of_scope)
    }

    /// The executable for an input shape. Fails (`Limit`) when it would take more than `most` bytes.
    pub(crate) fn executable(&self, shape: &[usize], most: Option<u64>) -> Result<Arc<dyn graph::Executable>> {
        let executable = self.network.executable(shape)?;
        let peak = executable.plan().peak();
        match most {
            Some(most) if peak > most => Err(Error::limit(format!(
                "the network takes {peak} bytes on an input of shape {shape:?}, and {most} are allowed"
            ))),
            _ => Ok(executable),
        }
    }

    /// Whether a window can be run: no step that the backend refuses for the size of a value, all of it under `bytes`.
    pub(crate) fn window_fits(&self, channels: usize, window: [usize; 3], bytes: Option<u64>) -> Result<bool> {
        let shape = self.network.input_shape([channels, window[0], window[1], window[2]])?;
        if let Some(most) = self.network.backend().device().max_buffer_bytes {
            let program = self.network.program(&shape)?;
            // A backend may well cut a larger value into several buffers; only it knows which kernels allow that.
            let large = program.values.iter().any(|value| value.bytes() as u64 > most);
            if large && !self.network.backend().unsupported(&program).is_empty() {
                return Ok(false);
            }
        }
        match bytes {
            Some(most) => Ok(self.network.executable(&shape)?.plan().peak() <= most),
            None => Ok(true),
        }
    }

    fn finding(&self, outcome: Outcome, spacing: Spacing) -> Result<Finding> {
        match (&self.manifest.output, outcome) {
            (OutputContract::Segmentation { segments, abstain }, Outcome::Labels(labels)) => {
                postprocess::segmentation(labels, segments, abstain.as_ref(), spacing)
            }
            (OutputContract::Classification { classes, abstain }, Outcome::Values(values)) => {
                postprocess::classification(values, classes, abstain.as_ref())
            }
            (OutputContract::Generated { channels, .. }, Outcome::Values(values)) => {
                postprocess::generated(values, *channels)
            }
            _ => Err(Error::malformed("the postprocessing steps do not lead to the output declared")),
        }
    }

    /// The threshold that made the labels, and its version: results must say which one it was.
    fn operating_point(&self) -> Option<Warning> {
        self.manifest.postprocess.iter().find_map(|step| match step {
            Postprocess::AsDiscrete(AsDiscrete::Threshold { value, version }) => Some(Warning {
                code: "operating-point".to_owned(),
                message: format!("labels are where the probability reaches {value} ({version})"),
            }),
            _ => None,
        })
    }

    fn findings(&self, finding: Finding, clock: Clock, warnings: Vec<Warning>, resident: bool) -> Findings {
        let backend = self.network.backend();
        let tuning = self.network.tuning().ok().flatten().map(|file| file.digest.to_string());
        let backend = BackendIdentity {
            name: backend.name().to_owned(),
            device: backend.device().name.clone(),
            precision: self.network.precision().to_string(),
            tuning,
            resident,
        };
        let mut findings = Findings::new(self.identity.clone(), backend, finding);
        findings.statement = self.package.as_ref().map(|_| statement(&self.manifest));
        findings.timings = clock.into_timings();
        findings.warnings = warnings;
        findings
    }
}

/// What the manifest says to whoever reads a result.
fn statement(manifest: &Manifest) -> ModelStatement {
    let (model, ethics, uses) = (&manifest.model, &manifest.ethics, &manifest.intended_use);
    ModelStatement {
        purpose: uses.purpose.clone(),
        not_for: uses.not_for.clone(),
        population: uses.population.clone(),
        user: uses.user.clone(),
        licence: model.licence.clone(),
        source: model.source.clone(),
        approval: ethics.approval.clone(),
        consent: ethics.consent.clone(),
    }
}

fn out_of_scope(message: String) -> Error {
    Error::new(ErrorKind::OutOfScope, message)
}
