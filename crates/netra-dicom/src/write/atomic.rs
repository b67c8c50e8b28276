//! Files that appear whole or not at all.

use std::fs::{self, File, OpenOptions};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

use netra_core::{Error, Result};

static COUNTER: AtomicU64 = AtomicU64::new(0);

/// Writes `path` through `fill`: into a temporary file of the same folder (`.NAME.PID-N.part`), which is
/// flushed to the disk and then renamed. A reader sees the old file or the new one, never a part. When anything
/// fails, the temporary file is removed and an old file at `path` stays as it was.
pub fn write(path: &Path, fill: impl FnOnce(&mut File) -> Result<()>) -> Result<()> {
    let (temporary, mut file) = create_beside(path)?;
    let written = fill(&mut file)
        .and_then(|()| file.sync_all().map_err(|e| Error::io(&temporary, e)))
        .and_then(|()| fs::rename(&temporary, path).map_err(|e| Error::io(path, e)));
    if written.is_err() {
        // The first error is the one worth reporting.
        let _ = fs::remove_file(&temporary);
    }
    written
}

fn create_beside(path: &Path) -> Result<(PathBuf, File)> {
    let name = path.file_name().ok_or_else(|| Error::invalid("an output path needs a file name").at(path.display()))?;
    let count = COUNTER.fetch_add(1, Ordering::Relaxed);
    let mut temporary = std::ffi::OsString::from(".");
    temporary.push(name);
    temporary.push(format!(".{}-{count}.part", std::process::id()));
    let temporary = path.with_file_name(temporary);
    let file =
        OpenOptions::new().write(true).create_new(true).open(&temporary).map_err(|e| Error::io(&temporary, e))?;
    Ok((temporary, file))
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;

    #[test]
    fn a_failed_write_leaves_the_old_file_and_nothing_else() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("out.txt");
        fs::write(&path, "old").unwrap();
        let failed = write(&path, |file| {
            file.write_all(b"half").map_err(|e| Error::io(&path, e))?;
            Err(Error::invalid("no more"))
        });
        assert!(failed.is_err());
        assert_eq!(fs::read_to_string(&path).unwrap(), "old");
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);

        write(&path, |file| file.write_all(b"new").map_err(|e| Error::io(&path, e))).unwrap();
        assert_eq!(fs::read_to_string(&path).unwrap(), "new");
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
    }

    #[test]
    fn a_missing_folder_is_named() {
        let folder = tempfile::tempdir().unwrap();
        let error = write(&folder.path().join("no/out.txt"), |_| Ok(())).unwrap_err();
        assert_eq!(error.kind(), netra_core::ErrorKind::Io);
    }
}
