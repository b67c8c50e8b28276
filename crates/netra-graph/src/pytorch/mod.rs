//! PyTorch weight files (`.pth`, `.pt`, `.ckpt`, `.bin`): the tensors in them, and nothing else.
//!
//! A file of `torch.save` is a pickle, which is a program for a small stack machine whose instructions may call any
//! Python function. Here the machine has no way to call anything. It builds plain data; a dozen names that rebuild
//! tensors and dictionaries have a meaning (see `globals`), every other name becomes an opaque value that is never run,
//! may stand beside the weights, and is refused by name where a tensor hangs below it.
//!
//! Three containers are read: the zip of PyTorch 1.6 and later, the pickle stream of 0.1.10 to 1.5, and
//! TorchScript archives, for the attributes of their modules; their code is not looked at. The tar of PyTorch before
//! 0.1.10 is refused by name, as is data in big-endian order.
//!
//! Element types stay what they are, as in [`safetensors`](crate::safetensors), but for float16 and bfloat16, which become
//! float32; float64 stays float64 (a graph that wants float32 converts it where it uses it). Complex, quantised and
//! 8-bit float types are refused by name. Tensors that share a storage become tensors of their own, row-major,
//! whatever their strides were.
//!
//! Why not the crate `pytorch-reader` (0.22, of the burn project), which reads the same files with care: it bounds
//! each tensor (10 GiB) and not their sum, so that a file of one kilobyte with strides of 0 may still ask for any amount of
//! memory; its memo copies where Python refers; it neither lists what it leaves out nor finds the weights in a
//! checkpoint; and it brings serde, tar and num-traits along. What is learnt from it: that storages must be checked against the
//! bytes really there, and that copying from the memo must be bounded.
//!
//! Sources: the `pickle` and `pickletools` modules of CPython; `torch/serialization.py`, `torch/_utils.py` and
//! `torch/_weights_only_unpickler.py` of PyTorch.

mod container;
mod globals;
mod legacy;
mod machine;
mod opcode;
mod storage;
mod tree;
mod value;
mod zip;

use std::path::Path;

pub use crate::StateDict;
use crate::weights::{MAX_BYTES, read_file};
use crate::{Error, Result};

/// What a caller may choose.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct ReadOptions {
    /// Where in the file the weights lie: a key of the outermost dictionary (`state_dict`), or several with `/`
    /// between them. `None`: found by itself, see [`read_with`].
    pub key: Option<String>,
    /// Most bytes of the file.
    pub max_bytes: u64,
}

impl Default for ReadOptions {
    fn default() -> Self {
        Self { key: None, max_bytes: MAX_BYTES }
    }
}

/// What a file holds.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Checkpoint {
    /// The weights. Nested dictionaries and modules are joined with `.`; a prefix `module.` or `_orig_mod.` that all
    /// names share (left by `DataParallel` and `torch.compile`) is taken off.
    pub tensors: StateDict,
    /// Tensors that the code of a TorchScript archive refers to as `CONSTANTS.c0` and so on, under the names `c0` ...
    /// A frozen module has its weights here.
    pub constants: StateDict,
    /// The key under which the weights were found, with `/` between nested ones; empty for the whole file.
    pub key: String,
    /// What was left out, with its kind: `epoch (a number)`, `optimizer (a dictionary)`.
    pub skipped: Vec<String>,
}

/// Reads the weights of a file with the default [`ReadOptions`].
///
/// Errors: as [`read_with`]; `Unsupported` when all tensors are constants.
pub fn read(path: &Path) -> Result<StateDict> {
    weights(read_with(path, &ReadOptions::default())?).map_err(|e| e.at(path.display()))
}

/// As [`read`], from memory.
pub fn from_bytes(bytes: &[u8]) -> Result<StateDict> {
    weights(from_bytes_with(bytes, &ReadOptions::default())?)
}

fn weights(checkpoint: Checkpoint) -> Result<StateDict> {
    if checkpoint.tensors.is_empty() {
        return Err(Error::unsupported("a frozen TorchScript module, whose weights are constants without names"));
    }
    Ok(checkpoint.tensors)
}

/// Reads the weights of a file, and says what else there was.
///
/// Where no key is given, the weights are: what stands under the one usual name (`state_dict`, `model_state_dict`,
/// `network_weights`, `model`, `net` and a few more) that holds tensors; else the one dictionary that does; else the
/// whole file, as also when there are tensors with axes in its outermost dictionary. An optimiser's state is not taken
/// for weights.
///
/// Errors: `Io`; `Malformed` for what is not a PyTorch file or breaks off; `Unsupported` naming the opcode, the
/// Python name above a tensor, the element type, the byte order; `InvalidInput` when there is no such key, or several
/// places might hold the weights; `Limit` when the file asks for more memory than four times its size and 64 MB.
pub fn read_with(path: &Path, options: &ReadOptions) -> Result<Checkpoint> {
    let bytes = read_file(path, options.max_bytes)?;
    container::checkpoint(&bytes, options).map_err(|e| e.at(path.display()))
}

/// As [`read_with`], from memory.
pub fn from_bytes_with(bytes: &[u8], options: &ReadOptions) -> Result<Checkpoint> {
    if bytes.len() as u64 > options.max_bytes {
        return Err(Error::limit(format!("a file of more than {} bytes", options.max_bytes)));
    }
    container::checkpoint(bytes, options)
}

/// Whether a file begins as PyTorch files do: as a zip archive, a pickle or a tar archive.
pub fn is_pytorch(bytes: &[u8]) -> bool {
    zip::is_zip(bytes) || legacy::is_pickle(bytes) || container::is_tar(bytes)
}

/// The memory that reading may still take: handed to everything that allocates by what the file says.
pub(crate) struct Budget(usize);

impl Budget {
    /// For a file of `bytes`: three times as much, so that with the file itself it stays under four times, and room for small
    /// files.
    fn of_file(bytes: usize) -> Self {
        Self(bytes.saturating_mul(3).saturating_add(48 << 20))
    }

    /// Takes `bytes` out. Errors: `Limit` when there are not so many left.
    fn take(&mut self, bytes: usize) -> Result<()> {
        let over = || Error::limit("the file asks for far more memory than its own size");
        self.0 = self.0.checked_sub(bytes).ok_or_else(over)?;
        Ok(())
    }
}
