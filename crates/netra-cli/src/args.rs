//! The command line.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};
use netra::dicom::GeometryPolicy;
use netra::graph::Precision;
use netra::{Device, Devices, Engine, Model};

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

/// What to do about slices that lie on no regular grid.
#[derive(Clone, Copy, Debug, Args)]
pub struct PolicyArg {
    /// refuse; correct: a volume for each stack of a mixed series, tilted and shifted slices moved to their places, gaps filled
    /// by linear interpolation; or nearest: the same, but every voxel keeps the value of the nearest stored pixel. What was done
    /// is among the warnings of the result.
    #[arg(long, default_value_t, value_name = "POLICY")]
    pub policy: GeometryPolicy,
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
    /// Formats to write, separated by commas: json, png, nii, seg (label map),
    /// seg-native (label map, uncompressed), seg-binary, sr (measurements; refers to seg-binary when that is written too).
    #[arg(long, value_delimiter = ',', default_value = "json,png,seg", value_name = "FORMATS")]
    pub emit: Vec<String>,
    /// Write results that name nobody: no attribute of the patient or the place, and a fresh identifier for every identifier.
    /// What is burnt into the pixels of the source stays in the pictures.
    #[arg(long)]
    pub deidentify: bool,
    #[command(flatten)]
    pub policy: PolicyArg,
    #[command(flatten)]
    pub backend: DevicesArg,
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

/// `netra inspect`.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  netra inspect series.zip
  netra inspect --tags chest.dcm
  netra inspect --thumbnail overview.png folder-of-scans")]
pub struct InspectArgs {
    /// A scan (file, folder, zip) or a package folder.
    pub path: PathBuf,
    /// Show every element of the headers of DICOM files (with --json in the DICOM JSON model) instead of a summary. What may
    /// identify the patient is withheld (PS3.15 Table E.1-1).
    #[arg(long, conflicts_with = "thumbnail")]
    pub tags: bool,
    /// Show what --tags withholds.
    #[arg(long, requires = "tags")]
    pub show_patient: bool,
    /// Write a picture of each scan, with its id and verdict, on one sheet.
    #[arg(long, value_name = "PNG")]
    pub thumbnail: Option<PathBuf>,
}

/// `netra convert`.
#[derive(Debug, Args)]
#[command(after_help = "\
Several scans (or stacks of one) in INPUT become out-1.nii.gz, out-2.nii.gz ...; each file has its report beside it, as
out-1.nii.gz.audit.json.

Examples:
  netra convert series.zip brain.nii.gz
  netra convert chest.dcm chest.png
  netra convert chest.dcm chest16.png --voi ignore")]
pub struct ConvertArgs {
    /// A file, folder or zip: DICOM, NIfTI, PNG, JPEG, TIFF.
    pub input: PathBuf,
    /// The file to write. .nii or .nii.gz: voxels in modality units with their place in the patient; .png: the frame at its size,
    /// or a montage of all frames; .zip: a PNG of each frame.
    pub out: PathBuf,
    #[command(flatten)]
    pub policy: PolicyArg,
    /// Grey values of pictures: apply the file's window (8 bits), or ignore it and keep modality values (16 bits; the report tells
    /// slope and offset).
    #[arg(long, value_enum, default_value_t)]
    pub voi: VoiArg,
    /// Replace files that exist.
    #[arg(long)]
    pub force: bool,
}

/// Whether a window is applied.
#[derive(Clone, Copy, Debug, Default, ValueEnum)]
pub enum VoiArg {
    /// Display values.
    #[default]
    Apply,
    /// Modality values.
    Ignore,
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

/// `netra bench`.
#[derive(Debug, Args)]
pub struct BenchArgs {
    /// A package folder, the name of a model, or an ONNX file.
    pub model: String,
    /// Backends to time, separated by commas.
    #[arg(long, value_delimiter = ',', default_value = "cpu", value_name = "BACKENDS")]
    pub backends: Vec<Device>,
    /// Input shape, for example 1,1,64,64,64; by default the first golden case's, else the sizes the graph states.
    #[arg(long, value_delimiter = ',', value_name = "SIZES")]
    pub shape: Vec<usize>,
    /// Timed runs after one warm-up.
    #[arg(long, default_value_t = 10)]
    pub runs: usize,
    /// exact, fast, f16, bf16 or int8, as of `netra run`; nothing checks here whether a model allows the last three, and int8
    /// is calibrated on the input that is timed.
    #[arg(long, default_value = "fast", value_name = "MODE")]
    pub precision: Precision,
    /// Threads of the CPU backend; by default one for each core that the process may use.
    #[arg(long, value_name = "N")]
    pub threads: Option<usize>,
    #[command(flatten)]
    pub tuning: TuningArg,
    /// Load the model on the first backend, then answer each line `run N` on standard input with the times of N runs, one
    /// JSON document a line.
    #[arg(long)]
    pub serve: bool,
}

/// `netra tune`.
#[derive(Debug, Args)]
#[command(after_help = "\
Takes some seconds to minutes; nothing else should run meanwhile. The file holds for this device, number of threads,
precision mode and version of Netra, and for steps of the shapes that were measured; elsewhere it is ignored, and said so.

Examples:
  netra tune meshnet-18
  netra tune net.onnx --out net-tuning.json && netra bench net.onnx --tuning net-tuning.json")]
pub struct TuneArgs {
    /// A package folder, the name of a model, or an ONNX file.
    pub model: String,
    /// The file to write; by default tuning.json in the package's folder, where `run`, `bench`, `plan` and `verify` find it.
    #[arg(long, short, value_name = "FILE")]
    pub out: Option<PathBuf>,
    /// The backend; a tuning holds for its device alone.
    #[arg(long, short, default_value = "cpu", value_name = "BACKEND")]
    pub backend: Device,
    /// exact, fast, f16, bf16 or int8, as of `netra run`: int8 is calibrated on golden cases, or of a bare file on the input that
    /// is timed.
    #[arg(long, default_value = "fast", value_name = "MODE")]
    pub precision: Precision,
    /// Input shape, for example 1,1,64,64,64; by default the window of a model that slides one, else the first golden case's,
    /// else the sizes the graph states.
    #[arg(long, value_delimiter = ',', value_name = "SIZES")]
    pub shape: Vec<usize>,
    /// Threads of the CPU backend; by default one for each core that the process may use, as in `netra run`.
    #[arg(long, value_name = "N")]
    pub threads: Option<usize>,
}
