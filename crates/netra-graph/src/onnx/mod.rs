//! ONNX files, operator sets 7 to 28, and what of the sets before was never changed.
//!
//! The wire format is read by `rten-onnx` once a walk over it has shown that every length lies inside its parent; weights go
//! from the file straight into their tensors. What stands here is the meaning: one producer a value, a stable topological order, dead nodes dropped, every operator set brought
//! to the form of the newest one (see [`Op`](crate::Op)), and every size checked against the bytes that are there.
//! Half-precision tensors (float16, bfloat16) become float32, and are computed as such.

mod attributes;
mod decode;
mod early;
mod graph;
mod ops;
mod sort;
mod source;
mod tensor;
mod wire;

use std::fs;
use std::io::{BufReader, Cursor};
use std::path::Path;

use rten_onnx::onnx::ModelProto;
use source::Source;

use crate::{Error, Graph, Result};

/// The operator sets that are understood, first and last. Of those before 7 only what 7 took over unchanged.
pub const OPSETS: (i64, i64) = (1, 28);

/// Bounds on what a file may ask for.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct ReadOptions {
    /// Most bytes of the ONNX file, and again of all its external data.
    pub max_bytes: u64,
    /// Most protobuf messages (nodes, attributes, tensors, dimensions ...).
    pub max_messages: usize,
}

impl Default for ReadOptions {
    fn default() -> Self {
        Self { max_bytes: 2 << 30, max_messages: 500_000 }
    }
}

/// Reads an ONNX file. External data is read from files inside the file's own folder only.
///
/// Errors: `Io`; `Malformed` for what is not ONNX or not a graph (cycles, two producers, undefined values, tensors whose
/// bytes do not fill their shape); `Unsupported` naming operator, attribute and node; `Limit`.
pub fn read(path: &Path, options: &ReadOptions) -> Result<Graph> {
    let file = fs::File::open(path).map_err(|e| Error::io(path, e))?;
    let folder = match path.parent() {
        Some(parent) if parent.as_os_str().is_empty() => Path::new("."),
        Some(parent) => parent,
        None => return Err(Error::invalid("a file has a folder").at(path.display())),
    };
    parse(Box::new(BufReader::new(file)), options, Some(folder)).map_err(|e| e.at(path.display()))
}

/// Reads an ONNX model that lies in memory. Errors as [`read`]; external data is `Unsupported`.
pub fn read_bytes(bytes: &[u8], options: &ReadOptions) -> Result<Graph> {
    parse(Box::new(Cursor::new(bytes)), options, None)
}

fn parse<'a>(mut input: Box<dyn wire::Input + 'a>, options: &ReadOptions, folder: Option<&Path>) -> Result<Graph> {
    let skeleton = wire::walk(&mut *input, options.max_bytes, options.max_messages)?;
    let model = decode::model(&skeleton)?;
    drop(skeleton);
    let opset = opset(&model)?;
    let graph = model.graph.ok_or_else(|| Error::malformed("the ONNX model has no graph"))?;
    graph::read_main(graph, opset, &mut Source::new(input, folder, options.max_bytes))
}

fn opset(model: &ModelProto) -> Result<i64> {
    let mut versions = model
        .opset_import
        .iter()
        .filter(|o| matches!(o.domain.as_deref(), None | Some("" | "ai.onnx")))
        .map(|o| o.version.unwrap_or(0));
    let Some(version) = versions.next() else {
        // Nodes of ONNX's own domain could not be read, and Netra knows no other.
        return Err(match model.opset_import.iter().find_map(|o| o.domain.as_deref()) {
            Some(domain) => Error::unsupported(format!("operators of {domain} alone")),
            None => Error::malformed("the ONNX model names no operator set"),
        });
    };
    if versions.any(|other| other != version) {
        return Err(Error::malformed("the ONNX model names two operator sets"));
    }
    if !(OPSETS.0..=OPSETS.1).contains(&version) {
        let (first, last) = OPSETS;
        return Err(Error::unsupported(format!("operator set {version}, not one of {first} to {last}")));
    }
    Ok(version)
}
