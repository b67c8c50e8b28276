//! Network graphs as plain data.
//!
//! The way of a network: a reader ([`onnx`]) makes a [`Graph`] of ONNX operators with symbolic
//! sizes; [`Graph::specialise`] fixes the input shapes, infers every shape, folds constants, fuses, and lowers to a
//! [`Program`]: a straight list of [`Kernel`] steps whose shapes and parameters are all known; a [`Backend`]
//! compiles the program to an [`Executable`].
//!
//! Weights without a graph ([`weights`]: [`safetensors`] and [`pytorch`] files) are a [`StateDict`].
//!
//! An ONNX operator is an [`Op`]; what backends implement is the much smaller [`Kernel`]. The translation between
//! them (defaults, opset versions, `auto_pad`, parameters that are inputs) happens once, in [`lower`], so that
//! a backend never sees it.
//!
//! This crate knows no backend and no medicine.
#![forbid(unsafe_code)]

pub mod arch;
mod backend;
mod calibrate;
mod class_activation;
mod error;
pub mod eval;
mod graph;
mod kernel;
pub mod lower;
mod names;
mod narrow;
pub mod npz;
pub mod onnx;
mod op;
mod passes;
pub mod plan;
mod profile;
mod program;
pub mod pytorch;
mod resample;
pub mod safetensors;
mod tensor;
mod tuning;
pub mod volumes;
pub mod weights;

pub use backend::{
    Backend, CompileOptions, DeviceInfo, Executable, Precision, Progress, RunFuture, Unsupported, block_on,
};
pub use calibrate::{Range, Ranges};
pub use class_activation::ClassActivation;
pub use error::{Error, ErrorKind, Result};
pub use graph::{Dim, Graph, Node, TensorType, Value, ValueId};
pub use kernel::{
    Activation, Binary, Combine, Conv, ConvTranspose, Coordinates, DotProductAttention, GridMode, GridPadding,
    GridSample, Kernel, Nearest, NonMaxSuppression, NormalizedConv, PadMode, Pool, Reduction, Resize, ResizeMode,
    RoiAlign, StridedRows, Unary, UpsampledConv,
};
pub use narrow::{FloatFormat, Narrow, NarrowFloat, Rounding};
pub use op::{
    AspectRatio, Attention, AutoPad, Casting, Cell, Direction, Op, PadFill, Recurrent, ResizeOptions, ScanLines,
    ScoreOutput, Subgraph, Taper, Variadic, Window,
};
pub use passes::{fuse_attention, fuse_normalization, fuse_upsampling};
pub use plan::MemoryPlan;
pub use profile::{Profile, StepTime};
pub use program::{Program, ProgramBuilder, Step, StepValue};
pub use resample::Taps;
pub use tensor::{DType, Data, DataView, Tensor, TensorView};
pub use tuning::{MeasuredOn, Tuned, TunedSteps, Tuning, signature};
pub use volumes::{DeviceVolume, Volumes};
pub use weights::StateDict;
