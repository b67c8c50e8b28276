//! The command line.

mod scans;
mod timing;

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};
use netra::export::{Identifier, Interpreter, PersonName};
use netra::graph::Precision;
use netra::{Device, Devices, Engine, Model};

pub use scans::{ConvertArgs, InspectArgs, PolicyArg, VoiArg};
pub use timing::{BenchArgs, TuneArgs};

use crate::tuning::Source;

/// Run published medical-imaging models on scans: DICOM, NIfTI or pictures in, DICOM SEG, NIfTI, JSON and pictures out.
#[derive(Debug, Parser)]
#[command(version, after_help = crate::exit::HELP, propagate_version = true)]
pub struct Cli {
    /// Print one JSON document on standard output instead of text.
    #[arg(long, global = true)]
    pub json: bool,
    /// Print nothing but errors.
    #[arg(long, short, global = true)]
    pub quiet: bool,
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// What to do.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Run a model on scans and write the results.
    Run(RunArgs),
    /// Run again what a receipt records, and tell whether the result is the same.
    Replay(ReplayArgs),
    /// Run the built-in lung-field model on a simulated chest radiograph: no data needed.
    Demo(DemoArgs),
    /// Tell what a scan or a model package is, and whether its geometry is regular.
    Inspect(InspectArgs),
    /// Convert scans to NIfTI or pictures, with a report of their geometry beside them.
    Convert(ConvertArgs),
    /// Check a package's digests and run its golden cases.
    Verify(VerifyArgs),
    /// List published models, show where their weights come from, add one.
    Models(ModelsArgs),
    /// Tell the peak memory of a run before running it.
    Plan(PlanArgs),
    /// Show or run a bare ONNX network.
    Graph(GraphArgs),
    /// Time a model's network: stages, cold and warm runs, every operator.
    Bench(BenchArgs),
    /// Measure which algorithms run a model's network fastest on this machine, and remember them beside the package.
    Tune(TuneArgs),
    /// List the graphics adapters of this machine.
    Devices,
}

/// Which devices, for what can be spread over several.
#[derive(Clone, Debug, Args)]
pub struct DevicesArg {
    /// auto (the best hardware GPU, else the CPU); or one or several, separated by commas, of cpu, wgpu (the best adapter,
    /// also a software one), wgpu:N and wgpu:all (every hardware GPU). Each device takes the next scan when it is free; one
    /// that fails is left out, and its scan goes to another.
    #[arg(long, short, default_value = "auto", value_name = "BACKENDS")]
    pub backend: Devices,
    #[command(flatten)]
    pub mode: ModeArg,
}

impl DevicesArg {
    /// Puts a model on each device, in the precision mode, with its tuning.
    pub fn engines(&self, model: &Model) -> netra::Result<Vec<Engine>> {
        let tuning = self.mode.tuning.tuning.read(Some(model.package()))?;
        let engine = |chosen| Ok(model.with(chosen)?.precision(self.mode.precision).tuning(tuning.clone()));
        self.backend.open()?.into_iter().map(engine).collect()
    }
}

/// Which device, for what runs on one.
#[derive(Clone, Debug, Args)]
pub struct BackendArg {
    /// auto (the best hardware GPU, else the CPU), cpu, wgpu (also a software adapter) or wgpu:N.
    #[arg(long, short, default_value = "auto", value_name = "BACKEND")]
    pub backend: Device,
    #[command(flatten)]
    pub mode: ModeArg,
}

/// How a network runs.
#[derive(Clone, Debug, Args)]
pub struct ModeArg {
    /// exact; fast: float32 with algorithms that multiply less, an error of at most 1e-4 of the output's range; or f16,
    /// bf16 or int8: products of half precision (graphics adapters), bfloat16 or bytes (processors) where the device has them,
    /// only for a model whose golden cases pass that way (int8 is calibrated on their inputs).
    #[arg(long, default_value = "fast", value_name = "MODE")]
    pub precision: Precision,
    #[command(flatten)]
    pub tuning: TuningArg,
}

/// Which tuning.
#[derive(Clone, Debug, Args)]
pub struct TuningArg {
    /// auto: what `netra tune` left beside the package, where it was measured on this device, in this precision mode; off: no
    /// tuning, whatever lies there; or a file that `netra tune --out` wrote.
    #[arg(long, default_value = "auto", value_name = "TUNING")]
    pub tuning: Source,
}

/// `netra run`.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  netra run lung-fields chest.dcm -o results
  netra run meshnet-18 mr_t1.zip -o results --emit seg,png,json
  netra run ./my-package folder-of-scans -o results --backend wgpu:all
  netra run ./my-package folder-of-scans -o results --backend wgpu:0,cpu")]
pub struct RunArgs {
    /// A package folder, the name of an added model, or lung-fields (built in).
    pub model: String,
    /// Files, folders or zip archives: DICOM, NIfTI, PNG, JPEG, TIFF.
    #[arg(required = true, value_name = "INPUT")]
    pub inputs: Vec<PathBuf>,
    /// Folder for the results; made when missing.
    #[arg(long, short, value_name = "DIR")]
    pub out: PathBuf,
    /// Formats to write, separated by commas: json, png, html, csv, nii, seg (label map), seg-native (the same without
    /// compression), seg-binary, seg-fractional (the probabilities of segments), pm (a classifier's heat maps as Parametric Map),
    /// sr (measurements; refers to seg-binary when that is written too), sc (the picture as Secondary Capture), ko (key images;
    /// refers to sc, sr, seg-binary and pr), pr (outlines over the images, as a presentation state), fhir, fhir-midas (as MIDAS'
    /// gateway files it).
    #[arg(long, value_delimiter = ',', default_value = "json,png,seg", value_name = "FORMATS")]
    pub emit: Vec<String>,
    /// Show where a classifier looked, in every format that has a place for it (png, html, sc, fhir, json): for each positive
    /// class (at most four), or for the most probable one. Class activation maps, or occlusion maps that take hundreds of runs of
    /// the network. Parametric maps (pm) always show it.
    #[arg(long)]
    pub saliency: bool,
    /// A table of the findings of the whole batch, one row each: Parquet when the name ends in .parquet, else CSV.
    #[arg(long, value_name = "FILE")]
    pub table: Option<PathBuf>,
    /// Write results that name nobody: no attribute of the patient or the place, no file or folder, and a fresh identifier for
    /// every identifier. What is burnt into the pixels of the source stays in the pictures.
    #[arg(long)]
    pub deidentify: bool,
    #[command(flatten)]
    pub reader: ReaderArgs,
    #[command(flatten)]
    pub policy: PolicyArg,
    #[command(flatten)]
    pub backend: DevicesArg,
}

/// Who has read the results.
#[derive(Debug, Args)]
pub struct ReaderArgs {
    /// The person who has read these results (of an earlier run) and answers for them, as DICOM writes names: Family^Given^^Dr. FHIR's
    /// report is then final and names them, html and sr name them too. The sr stays unverified: nobody has signed it.
    #[arg(long, value_name = "NAME", conflicts_with = "deidentify")]
    pub interpreter: Option<PersonName>,
    /// Their identifier, for example in a medical register: a URI and a value.
    #[arg(long, value_name = "SYSTEM|VALUE", requires = "interpreter")]
    pub interpreter_id: Option<Identifier>,
}

impl ReaderArgs {
    /// The person, if one is named.
    pub fn interpreter(&self) -> Option<Interpreter> {
        let name = self.interpreter.clone()?;
        Some(Interpreter::Practitioner { name, identifier: self.interpreter_id.clone() })
    }
}

/// `netra replay`.
#[derive(Debug, Args)]
#[command(after_help = "\
The model's and every input file's digest must be the recorded ones. On the recorded device, in the recorded precision, the
result must be the same in every bit; elsewhere the greatest difference of a probability, or of a segment's share of all
segmented voxels, must stay within the tolerance of the package's golden cases (1e-3 at least).

Examples:
  netra replay results/chest.receipt.json
  netra replay results/*.receipt.json --backend wgpu")]
pub struct ReplayArgs {
    /// Receipts that `netra run` wrote.
    #[arg(required = true, value_name = "RECEIPT")]
    pub receipts: Vec<PathBuf>,
    /// Where the input lies now, when not where the receipt says.
    #[arg(long, value_name = "INPUT")]
    pub input: Option<PathBuf>,
    /// The package's folder, for a model that is not found by its name.
    #[arg(long, value_name = "MODEL")]
    pub model: Option<String>,
    /// Another device than the recorded one.
    #[arg(long, short, value_name = "BACKEND")]
    pub backend: Option<Device>,
    /// Another precision mode than the recorded one.
    #[arg(long, value_name = "MODE")]
    pub precision: Option<Precision>,
}

/// `netra demo`.
#[derive(Debug, Args)]
pub struct DemoArgs {
    /// Folder for the phantom and the results; made when missing.
    #[arg(long, short, default_value = "netra-demo", value_name = "DIR")]
    pub out: PathBuf,
    /// Seed of the phantom's noise.
    #[arg(long, default_value_t = 1)]
    pub seed: u64,
    #[command(flatten)]
    pub backend: DevicesArg,
}

/// `netra verify`.
#[derive(Debug, Args)]
pub struct VerifyArgs {
    /// A package folder or the name of a model.
    pub model: String,
    #[command(flatten)]
    pub backend: DevicesArg,
}

/// `netra models`.
#[derive(Debug, Args)]
pub struct ModelsArgs {
    /// What to do.
    #[command(subcommand)]
    pub command: ModelsCommand,
}

/// What to do with models.
#[derive(Debug, Subcommand)]
pub enum ModelsCommand {
    /// List the published models that Netra knows.
    List,
    /// Print a model's card: what it is, its limits, where its weights come from.
    Show {
        /// Name in the list.
        name: String,
    },
    /// Make a package of a published model from weights that you have: copies them and checks their digests.
    Add {
        /// Name in the list.
        name: String,
        /// A file, or a folder that holds the files, as published (repeatable).
        #[arg(long, required = true, value_name = "PATH")]
        weights: Vec<PathBuf>,
        /// Folder for packages; the package becomes DIR/NAME.
        #[arg(long, default_value = crate::resolve::FOLDER, value_name = "DIR")]
        to: PathBuf,
    },
}

/// `netra plan`.
#[derive(Debug, Args)]
pub struct PlanArgs {
    /// A package folder or the name of a model.
    pub model: String,
    /// A scan (file, folder, zip).
    pub input: PathBuf,
    /// The formats to plan for, as for `netra run`: some need more than the findings themselves.
    #[arg(long, value_delimiter = ',', default_value = "json", value_name = "FORMATS")]
    pub emit: Vec<String>,
    #[command(flatten)]
    pub policy: PolicyArg,
    #[command(flatten)]
    pub backend: DevicesArg,
}

/// `netra graph`.
#[derive(Debug, Args)]
pub struct GraphArgs {
    /// What to do.
    #[command(subcommand)]
    pub command: GraphCommand,
}

/// What to do with a bare network.
#[derive(Debug, Subcommand)]
pub enum GraphCommand {
    /// Inputs, outputs, operators, parameters.
    Show {
        /// An ONNX file.
        network: PathBuf,
    },
    /// Run on arrays named as the graph's inputs; writes arrays named as its outputs.
    Run {
        /// An ONNX file.
        network: PathBuf,
        /// NumPy archive with one array an input.
        #[arg(long, value_name = "NPZ")]
        inputs: PathBuf,
        /// NumPy archive to write.
        #[arg(long, value_name = "NPZ")]
        outputs: PathBuf,
        #[command(flatten)]
        backend: BackendArg,
    },
}
