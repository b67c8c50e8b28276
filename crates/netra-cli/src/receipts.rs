//! Receipts on disk.

use std::path::{Path, PathBuf};

use netra::export::write_json;
use netra::receipt::{FORMAT, Receipt};
use netra::{Error, ErrorKind, Result};

/// A receipt is a page of text and a line for each file of its scan.
const MAX_BYTES: u64 = 256 << 20;

/// Writes `STEM.receipt.json` into a folder, with the memory that the process has needed so far.
pub fn write(mut receipt: Receipt, folder: &Path, stem: &str) -> Result<PathBuf> {
    receipt.peak_bytes = peak_bytes();
    let path = folder.join(format!("{stem}.receipt.json"));
    write_json(&receipt, &path)?;
    Ok(path)
}

/// Reads a receipt of the layout that this version writes.
pub fn read(path: &Path) -> Result<Receipt> {
    let failed = |e| Error::io(path, e);
    let length = std::fs::metadata(path).map_err(failed)?.len();
    if length > MAX_BYTES {
        return Err(Error::limit(format!("a receipt of {length} bytes")).at(path.display()));
    }
    let text = std::fs::read_to_string(path).map_err(failed)?;
    let receipt: Receipt =
        serde_json::from_str(&text).map_err(|e| Error::malformed(format!("no receipt: {e}")).at(path.display()))?;
    if receipt.format != FORMAT {
        let text = format!("a receipt of layout {:?}, this version reads {FORMAT:?}", receipt.format);
        return Err(Error::new(ErrorKind::Unsupported, text).at(path.display()));
    }
    Ok(receipt)
}

/// Most memory that the process held, as Linux tells it.
fn peak_bytes() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    line.trim().strip_suffix("kB")?.trim().parse::<u64>().ok().map(|kilobytes| kilobytes << 10)
}
