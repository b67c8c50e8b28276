//! Algorithms chosen by measurement, kept between runs.

use std::collections::BTreeMap;
use std::fs;
use std::io::ErrorKind as Io;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use serde_json::{Value, json};

use crate::{Error, Result};

/// Most bytes of a file of choices.
const MAX_BYTES: u64 = 16 << 20;

/// Which algorithm was fastest for each step of programs, measured on one device.
///
/// A backend that is given one asks it for each step that it has several algorithms for, and measures what it does not
/// know. Without one a backend chooses from shapes alone.
#[derive(Debug)]
pub struct Tuning {
    device: String,
    /// From the backend's description of a step to its name of an algorithm.
    choices: Mutex<BTreeMap<String, String>>,
}

impl Tuning {
    /// No choices yet, for the device of this [name](crate::DeviceInfo::name).
    pub fn new(device: &str) -> Self {
        Self { device: device.to_owned(), choices: Mutex::default() }
    }

    /// What [`save`](Self::save) wrote for this device; nothing when there is no such file, or it is of another device.
    /// Fails (`Malformed`, `Limit`) when the file holds something else.
    pub fn read(path: &Path, device: &str) -> Result<Self> {
        let size = match fs::metadata(path) {
            Err(e) if e.kind() == Io::NotFound => return Ok(Self::new(device)),
            Err(e) => return Err(Error::io(path, e)),
            Ok(data) => data.len(),
        };
        if size > MAX_BYTES {
            return Err(Error::limit(format!("choices of more than {MAX_BYTES} bytes")).at(path.display()));
        }
        let text = fs::read_to_string(path).map_err(|e| Error::io(path, e))?;
        let malformed = || Error::malformed("no file of measured choices").at(path.display());
        let file: Value = serde_json::from_str(&text).map_err(|e| malformed().with_source(e))?;
        let choices = file["choices"].as_object().ok_or_else(malformed)?;
        if file["device"].as_str().ok_or_else(malformed)? != device {
            return Ok(Self::new(device));
        }
        let pair = |(key, name): (&String, &Value)| Some((key.clone(), name.as_str()?.to_owned()));
        let choices = choices.iter().map(pair).collect::<Option<_>>().ok_or_else(malformed)?;
        Ok(Self { device: device.to_owned(), choices: Mutex::new(choices) })
    }

    /// Writes the choices as JSON, whole or not at all.
    pub fn save(&self, path: &Path) -> Result<()> {
        let file = json!({ "device": self.device, "choices": *self.lock() });
        let mut temporary = PathBuf::from(path);
        temporary.as_mut_os_string().push(format!(".{}.part", std::process::id()));
        let written = fs::write(&temporary, format!("{file:#}\n")).and_then(|()| fs::rename(&temporary, path));
        written.map_err(|e| {
            // Best effort: the first error is the one to tell.
            let _ = fs::remove_file(&temporary);
            Error::io(path, e)
        })
    }

    /// The algorithm for a step.
    pub fn choice(&self, step: &str) -> Option<String> {
        self.lock().get(step).cloned()
    }

    /// Keeps the algorithm for a step.
    pub fn choose(&self, step: String, algorithm: &str) {
        self.lock().insert(step, algorithm.to_owned());
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, BTreeMap<String, String>> {
        // A panic elsewhere leaves the map whole: every change to it is one insertion.
        self.choices.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ErrorKind;

    #[test]
    fn choices_come_back_for_the_same_device_only() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("model.tuning.json");
        let tuning = Tuning::new("a processor, 2 threads");
        tuning.choose("conv 3x3".into(), "winograd");
        tuning.save(&path).unwrap();
        let again = Tuning::read(&path, "a processor, 2 threads").unwrap();
        assert_eq!(again.choice("conv 3x3").as_deref(), Some("winograd"));
        assert_eq!(again.choice("conv 1x1"), None);
        assert_eq!(Tuning::read(&path, "another").unwrap().choice("conv 3x3"), None);
        // Nothing but the file itself is left.
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
    }

    #[test]
    fn no_file_is_no_choice_and_another_file_is_an_error() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("x.json");
        assert_eq!(Tuning::read(&path, "d").unwrap().choice("s"), None);
        for text in ["", "{}", r#"{"device": 1, "choices": {}}"#, r#"{"device": "d", "choices": {"s": 1}}"#] {
            fs::write(&path, text).unwrap();
            assert_eq!(Tuning::read(&path, "d").unwrap_err().kind(), ErrorKind::Malformed, "{text}");
        }
    }
}
