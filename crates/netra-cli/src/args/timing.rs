//! The command lines that measure.

use std::path::PathBuf;

use clap::Args;
use netra::Device;
use netra::graph::Precision;

use super::TuningArg;

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
