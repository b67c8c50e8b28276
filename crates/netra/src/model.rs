//! The short way: a model opened, put on a device, run on scans.

use std::borrow::Cow;
use std::path::Path;
use std::sync::Arc;

use netra_core::{Error, Findings, Image, Limits, Result, StageTiming, Volume, Warning};
use netra_dicom::{Deidentifier, GeometryPolicy, ImageOptions, ReadOptions, Scan};
use netra_export::{ResultSet, Source};
use netra_graph::Precision;
use netra_package::manifest::{InputKind, Voi};
use netra_package::{Package, TuningFile, catalogue, scope};
use netra_pipeline::{Input, RunOptions, RunPlan, Stage};

use crate::{Chosen, Device};

/// A verified model package, not yet on a device.
#[derive(Clone)]
pub struct Model(Arc<Package>);

impl Model {
    /// Opens a package folder and verifies every file of it against the manifest's SHA-256 digests.
    pub fn open(path: impl AsRef<Path>) -> Result<Self> {
        Ok(Self(Arc::new(Package::open(path.as_ref(), &Limits::default())?)))
    }

    /// The model inside the library: lung fields on frontal chest radiographs.
    pub fn lung_fields() -> Result<Self> {
        let entry = catalogue::find("lung-fields").ok_or_else(|| Error::unsupported("a build without lung-fields"))?;
        Ok(Self(Arc::new(entry.package()?)))
    }

    /// The package.
    pub fn package(&self) -> &Arc<Package> {
        &self.0
    }

    /// Puts the model on a device.
    pub fn on(&self, device: Device) -> Result<Engine> {
        self.with(device.open()?)
    }

    /// Puts the model on a backend that is already up.
    pub fn with(&self, chosen: Chosen) -> Result<Engine> {
        let model = netra_pipeline::Model::new(self.0.clone(), chosen.backend)?;
        Ok(Engine {
            package: self.0.clone(),
            model,
            policy: GeometryPolicy::default(),
            name: chosen.name,
            why: chosen.why,
        })
    }
}

/// A model on a device, ready to run. Networks are compiled at the first scan of each size and kept.
pub struct Engine {
    package: Arc<Package>,
    model: netra_pipeline::Model,
    policy: GeometryPolicy,
    name: String,
    why: String,
}

impl Engine {
    /// Sets how much accuracy the backend may give up for speed; [`Precision::Fast`] unless set. The results name it.
    #[must_use]
    pub fn precision(mut self, precision: Precision) -> Self {
        self.model = self.model.with_precision(precision);
        self
    }

    /// Sets the choice of algorithms that was measured on this machine, as [`Package::tuning`] reads it from the package's
    /// folder; left out when it was measured on something else ([`Network::tuning`](netra_pipeline::Network::tuning) tells).
    /// The results name its digest.
    #[must_use]
    pub fn tuning(mut self, tuning: Option<TuningFile>) -> Self {
        self.model = self.model.with_tuning(tuning);
        self
    }

    /// Sets what to do about series that are no regular grid; they are refused unless set. The results tell what was done.
    #[must_use]
    pub fn policy(mut self, policy: GeometryPolicy) -> Self {
        self.policy = policy;
        self
    }

    /// What is done about series that are no regular grid.
    pub fn geometry_policy(&self) -> GeometryPolicy {
        self.policy
    }

    /// The package.
    pub fn package(&self) -> &Package {
        &self.package
    }

    /// The stages behind this engine.
    pub fn pipeline(&self) -> &netra_pipeline::Model {
        &self.model
    }

    /// The device, as [`Device`] reads it: `cpu` or `wgpu:N`.
    pub fn device(&self) -> &str {
        &self.name
    }

    /// Why this backend was chosen, in words.
    pub fn why(&self) -> &str {
        &self.why
    }

    /// Runs the model on a scan: one reading a volume (several where the [policy](Self::policy) splits a mixed series), one a
    /// picture otherwise. Fails with
    /// [`OutOfScope`](netra_core::ErrorKind::OutOfScope) and every reason when the scan is not what the model was made
    /// for.
    pub fn run<'s>(&self, scan: &'s Scan) -> Result<Vec<Reading<'s>>> {
        self.run_with(scan, &RunOptions::default())
    }

    /// As [`run`](Self::run), with settings: progress, limits, a bound on the network's memory.
    pub fn run_with<'s>(&self, scan: &'s Scan, options: &RunOptions<'_>) -> Result<Vec<Reading<'s>>> {
        let started = std::time::Instant::now();
        let pixels = self.read(scan, options)?;
        let seconds = started.elapsed().as_secs_f64() / pixels.len().max(1) as f64;
        // The warnings of a series ask for an audit: once, not for each of its images.
        let warnings = scan.warnings();
        let readings = pixels.into_iter().map(|pixels| {
            let mut findings = self.model.run(pixels.input(), options)?;
            findings.timings.insert(0, StageTiming { stage: Stage::Read.name().into(), seconds });
            findings.warnings.splice(0..0, warnings.iter().chain(pixels.corrections()).cloned());
            Ok(Reading { findings, scan: Cow::Borrowed(scan), pixels })
        });
        readings.collect()
    }

    /// As [`run_with`](Self::run_with), without the patient: whatever the readings say and whatever is written of them names
    /// nobody, no file and no folder, and refers to nothing by a true identifier.
    pub fn run_deidentified(
        &self,
        scan: &Scan,
        options: &RunOptions<'_>,
        deidentifier: &Deidentifier,
    ) -> Result<Vec<Reading<'static>>> {
        let scan = deidentifier.nameless(scan);
        let readings = self.run_with(&scan, options)?;
        Ok(readings.into_iter().map(|reading| reading.deidentified(deidentifier)).collect())
    }

    /// Memory of a run on each picture or volume of a scan. The scan is decoded and preprocessed, the network is not run.
    pub fn plan(&self, scan: &Scan, options: &RunOptions<'_>) -> Result<Vec<RunPlan>> {
        let pixels = self.read(scan, options)?;
        pixels.iter().map(|pixels| self.model.plan_input(pixels.input(), options)).collect()
    }

    /// Decodes what the model's input contract asks of a scan.
    fn read(&self, scan: &Scan, options: &RunOptions<'_>) -> Result<Vec<Pixels>> {
        let limits = &options.limits;
        let contract = &self.package.manifest().input;
        let kind = match scan {
            // The slices of a series can be read one by one, too.
            Scan::Dicom(series) if series.is_volume() => contract.kind,
            _ if scan.is_volume() => InputKind::Volume,
            _ => InputKind::Image,
        };
        if contract.kind != InputKind::Array {
            scope::check_header(contract, kind, &scan.acquisition())?;
        }
        match contract.kind {
            InputKind::Volume => {
                let tell =
                    |done, total| options.progress.iter().for_each(|progress| progress(Stage::Read, done, total));
                let volumes = scan.volumes(&ReadOptions::new(self.policy).limits(limits).progress(&tell))?;
                Ok(volumes.into_iter().map(Pixels::Volume).collect())
            }
            InputKind::Image => {
                let voi = match contract.voi {
                    Voi::Apply => netra_dicom::Voi::Apply,
                    Voi::Ignore => netra_dicom::Voi::Ignore,
                };
                let images = scan.images(&ImageOptions { voi }, limits)?;
                Ok(images.into_iter().map(Pixels::Image).collect())
            }
            InputKind::Array => Err(Error::unsupported("this model takes an array, not a scan: see `netra graph run`")),
        }
    }
}

/// The pixels that a model saw.
#[derive(Clone, Debug)]
pub enum Pixels {
    /// One picture.
    Image(Image),
    /// A volume.
    Volume(Volume),
}

impl Pixels {
    fn corrections(&self) -> &[Warning] {
        match self {
            Pixels::Image(_) => &[],
            Pixels::Volume(volume) => &volume.corrections,
        }
    }

    fn input(&self) -> Input<'_> {
        match self {
            Pixels::Image(image) => Input::Image(image),
            Pixels::Volume(volume) => Input::Volume(volume),
        }
    }
}

/// What a model found in one picture or volume of a scan, with the pixels it saw.
pub struct Reading<'s> {
    /// The findings.
    pub findings: Findings,
    /// The pixels.
    pub pixels: Pixels,
    scan: Cow<'s, Scan>,
}

impl Reading<'_> {
    /// Writes the findings in one format of [`netra_export::NAMES`], whole or not at all. Files that should refer to each other
    /// are written with one [`ResultSet`](netra_export::ResultSet), by its exporters. What a format shows beside the findings themselves
    /// ([`needs`](netra_export::needs)) has to be asked for before the run, in [`RunOptions::detail`].
    pub fn write(&self, format: &str, path: &Path) -> Result<()> {
        let set = ResultSet::new(&[format])?;
        netra_export::exporter(format)?.write(&self.findings, &self.source(), &set, path)
    }

    /// The reading of a nameless scan without its patient.
    fn deidentified(self, deidentifier: &Deidentifier) -> Reading<'static> {
        let scan = Cow::Owned(deidentifier.scan(&self.scan));
        let pixels = match self.pixels {
            Pixels::Volume(volume) => Pixels::Volume(deidentifier.volume(volume)),
            Pixels::Image(mut image) => {
                image.acquisition = deidentifier.acquisition(image.acquisition);
                image.frame.iter_mut().for_each(|frame| deidentifier.frame(frame));
                Pixels::Image(image)
            }
        };
        Reading { findings: self.findings, pixels, scan }
    }

    /// The scan, as exporters see it.
    pub fn scan(&self) -> &Scan {
        &self.scan
    }

    /// The scan and pixels, for an exporter.
    pub fn source(&self) -> Source<'_> {
        let pixels = match &self.pixels {
            Pixels::Image(image) => netra_export::Pixels::Image(image),
            Pixels::Volume(volume) => netra_export::Pixels::Volume(volume),
        };
        Source { scan: &self.scan, pixels }
    }
}
