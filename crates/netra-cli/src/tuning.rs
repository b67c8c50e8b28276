//! `--tuning`: which measured choice of algorithms a command runs with.

use std::convert::Infallible;
use std::path::PathBuf;
use std::str::FromStr;

use netra::graph::{Backend, MeasuredOn, Precision};
use netra::package::{Package, TuningFile};

/// Where the choice comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Source {
    /// The file beside the package's manifest, if there is one.
    Beside,
    /// Nowhere: the backend chooses.
    Off,
    /// This file.
    File(PathBuf),
}

impl FromStr for Source {
    type Err = Infallible;

    /// `auto`, `off` or a path.
    fn from_str(text: &str) -> Result<Self, Infallible> {
        Ok(match text {
            "auto" => Self::Beside,
            "off" => Self::Off,
            path => Self::File(path.into()),
        })
    }
}

impl Source {
    /// Reads it, for a package or a bare network.
    pub fn read(&self, package: Option<&Package>) -> netra::Result<Option<TuningFile>> {
        match self {
            Self::Beside => package.map_or(Ok(None), Package::tuning),
            Self::Off => Ok(None),
            Self::File(path) => TuningFile::read(path).map(Some),
        }
    }
}

/// The file, unless it was measured on something else (or, by its digest, for another network): then why it is left out.
pub fn here<'a>(
    file: Option<&'a TuningFile>,
    backend: &dyn Backend,
    precision: Precision,
    network: Option<&str>,
) -> Result<Option<&'a TuningFile>, String> {
    let Some(file) = file else { return Ok(None) };
    let mut here = MeasuredOn::new(backend, precision);
    here.network = network.map(str::to_owned);
    file.tuning.measured_on.differs(&here).map_or(Ok(Some(file)), Err)
}

/// What is in effect, in a line; nothing when no tuning was found.
pub fn describe(tuning: &Result<Option<&TuningFile>, String>) -> Option<String> {
    match tuning {
        Ok(None) => None,
        Ok(Some(file)) => {
            let digest = file.digest.to_string();
            Some(format!("tuning   {} choices (sha256 {})", file.tuning.algorithms.len(), &digest[..12]))
        }
        Err(why) => Some(format!("tuning   ignored: {why}")),
    }
}
