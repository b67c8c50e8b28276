//! Weight files of either kind, told apart by their first bytes and not by their name: published `.pth` files that are
//! really safetensors exist.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::Read;
use std::path::Path;

use crate::{Error, Result, Tensor, pytorch, safetensors};

/// Named tensors, in the order of their names: what PyTorch calls a state dict.
pub type StateDict = BTreeMap<String, Tensor>;

/// Most bytes of a weight file.
pub const MAX_BYTES: u64 = 4 << 30;

/// Reads a safetensors or PyTorch weight file. Element types become ours as [`safetensors::read`] and
/// [`pytorch::read`] say. Errors: as theirs; `Malformed` when the file is neither.
pub fn read(path: &Path) -> Result<StateDict> {
    from_bytes(&read_file(path, MAX_BYTES)?).map_err(|e| e.at(path.display()))
}

/// As [`read`], from memory.
pub fn from_bytes(bytes: &[u8]) -> Result<StateDict> {
    if pytorch::is_pytorch(bytes) {
        return pytorch::from_bytes(bytes);
    }
    // A safetensors file opens with the length of its header, eight bytes, and the brace that opens the header.
    if bytes.get(8) != Some(&b'{') {
        return Err(Error::malformed("neither a safetensors nor a PyTorch file"));
    }
    Ok(safetensors::read_bytes(bytes)?.into_iter().collect())
}

/// All bytes of a file of at most `max` bytes, in a buffer of just that size.
pub(crate) fn read_file(path: &Path, max: u64) -> Result<Vec<u8>> {
    let io = |e| Error::io(path, e);
    let file = File::open(path).map_err(io)?;
    let size = file.metadata().map_err(io)?.len();
    if size > max {
        return Err(Error::limit(format!("a file of {size} bytes, over the limit of {max}")).at(path.display()));
    }
    let mut bytes = Vec::new();
    // A buffer that grows by doubling would take twice the file.
    let fits = usize::try_from(size).is_ok_and(|size| bytes.try_reserve_exact(size).is_ok());
    if !fits {
        return Err(Error::limit(format!("no memory for a file of {size} bytes")).at(path.display()));
    }
    file.take(size).read_to_end(&mut bytes).map_err(io)?;
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Data, ErrorKind};

    #[test]
    fn the_kind_of_file_is_told_by_its_bytes() {
        let header = r#"{"a":{"dtype":"U8","shape":[2],"data_offsets":[0,2]}}"#;
        let file = [&(header.len() as u64).to_le_bytes(), header.as_bytes(), &[7, 9]].concat();
        let expected = Tensor::new([2], Data::U8(vec![7, 9])).unwrap();
        assert_eq!(from_bytes(&file).unwrap(), StateDict::from([("a".into(), expected)]));
        assert_eq!(from_bytes(b"PK\x03\x04 and no more").unwrap_err().kind(), ErrorKind::Malformed);
        assert_eq!(from_bytes(b"").unwrap_err().kind(), ErrorKind::Malformed);
    }
}
