//! A verified package: nothing in it was changed since its manifest was written.

use std::borrow::Cow;
use std::path::Path;
use std::sync::Arc;

use netra_core::{Error, ErrorKind, Limits, ModelIdentity, Result, Warning};
use netra_graph::arch::{self, Architecture};
use netra_graph::npz::Npz;
use netra_graph::onnx::{self, ReadOptions};
use netra_graph::{Graph, StateDict, Tensor, weights};

use crate::error::from_graph;
use crate::manifest::{Golden, Manifest, RelativePath, Sha256};
use crate::store::Store;
use crate::tuning::{self, TuningFile};

/// Unlisted files that a warning names at most.
const NAMED: usize = 5;

/// A model package whose files were all checked against the digests in its manifest.
#[derive(Debug)]
pub struct Package {
    manifest: Manifest,
    identity: ModelIdentity,
    graph: Arc<Graph>,
    card: Option<String>,
    absent: Vec<RelativePath>,
    warnings: Vec<Warning>,
    store: Store,
    limits: Limits,
}

/// A golden case with its arrays.
#[derive(Clone, Debug)]
pub struct GoldenCase {
    /// What the manifest says of it.
    pub spec: Golden,
    /// The network's input.
    pub input: Tensor,
    /// The recorded output, thinned by `spec.stride`, reduced to `spec.channel`.
    pub output: Tensor,
    /// The recorded index of the greatest channel at every pixel, when there is one.
    pub argmax: Option<Tensor>,
}

impl Package {
    /// Opens a package folder: parses the manifest, reads every listed file and checks its SHA-256, and reads the
    /// network.
    ///
    /// Errors: `Integrity` naming the file when a file is missing, changed, truncated or a link; `Malformed` naming the
    /// manifest's key; `Limit`; `Io`; the errors of reading the network.
    pub fn open(folder: &Path, limits: &Limits) -> Result<Self> {
        Self::from_store(Store::Folder(folder.to_owned()), limits).map_err(|e| e.at(folder.display()))
    }

    /// A package in memory: names (with `/`) and contents, `netra.toml` among them. Checked as [`open`](Self::open)
    /// does.
    pub fn from_files(files: impl IntoIterator<Item = (String, Cow<'static, [u8]>)>) -> Result<Self> {
        Self::from_store(Store::Memory(files.into_iter().collect()), &Limits::default())
    }

    fn from_store(store: Store, limits: &Limits) -> Result<Self> {
        let text = store.manifest()?;
        let manifest = Manifest::parse(&text)?;
        let identity = ModelIdentity {
            id: manifest.model.id.clone(),
            name: manifest.model.name.clone(),
            version: manifest.model.version.clone(),
            digest: Sha256::of(&text).to_string(),
        };
        drop(text);
        let (mut graph_bytes, mut weight_bytes, mut card) = (None, None, None);
        let mut absent = Vec::new();
        for entry in &manifest.files {
            let Some(bytes) = store.read(entry, limits)? else {
                absent.push(entry.path.clone());
                continue;
            };
            if Some(&entry.path) == manifest.network.graph.as_ref() {
                graph_bytes = Some(bytes);
            } else if Some(&entry.path) == manifest.network.weights.as_ref() {
                weight_bytes = Some(bytes);
            } else if entry.path.as_str() == "card.md" {
                card = Some(String::from_utf8_lossy(&bytes).into_owned());
            }
        }
        let graph = network(&manifest, graph_bytes.as_deref(), weight_bytes.as_deref(), limits)?;
        let listed = |name: &str| manifest.files.iter().any(|entry| entry.path.as_str() == name);
        let unlisted = store.unlisted(listed, limits, NAMED)?;
        let mut warnings = Vec::new();
        if !unlisted.is_empty() {
            let message = format!("files that netra.toml does not list, and nothing verifies: {}", unlisted.join(", "));
            warnings.push(Warning { code: "unlisted-files".to_owned(), message });
        }
        drop((graph_bytes, weight_bytes));
        Ok(Self { manifest, identity, graph, card, absent, warnings, store, limits: limits.clone() })
    }

    /// What the package declares.
    pub fn manifest(&self) -> &Manifest {
        &self.manifest
    }

    /// Identity; its digest is the SHA-256 of `netra.toml`, which holds the digest of every other file.
    pub fn identity(&self) -> &ModelIdentity {
        &self.identity
    }

    /// The network.
    pub fn graph(&self) -> &Arc<Graph> {
        &self.graph
    }

    /// The model card `card.md`, when there is one.
    pub fn card(&self) -> Option<&str> {
        self.card.as_deref()
    }

    /// Optional files that are not there.
    pub fn absent(&self) -> &[RelativePath] {
        &self.absent
    }

    /// What the user should know about the folder.
    pub fn warnings(&self) -> &[Warning] {
        &self.warnings
    }

    /// The folder, unless the package is in memory.
    pub fn folder(&self) -> Option<&Path> {
        self.store.folder()
    }

    /// The tuning beside the manifest, when there is one. It may have been measured on another machine, or on another
    /// version of the package. Fails (`Malformed`, `Limit`, `Io`) when it cannot be read.
    pub fn tuning(&self) -> Result<Option<TuningFile>> {
        let bytes = self.store.tuning()?;
        bytes.map(|bytes| TuningFile::from_bytes(&bytes).map_err(|e| e.at(tuning::FILE_NAME))).transpose()
    }

    /// Golden cases with their arrays; cases whose optional file is absent are left out. Files are checked again as
    /// they are read.
    pub fn golden(&self) -> Result<Vec<GoldenCase>> {
        let present = self.manifest.golden.iter().filter(|case| !self.absent.contains(&case.file));
        present.map(|case| self.golden_case(case).map_err(|e| e.at(&case.file))).collect()
    }

    /// The content of a listed file, checked again; `None` for an optional file that is absent.
    pub fn read(&self, path: &RelativePath) -> Result<Option<Cow<'_, [u8]>>> {
        let entry =
            self.manifest.file(path).ok_or_else(|| Error::invalid(format!("netra.toml does not list `{path}`")))?;
        self.store.read(entry, &self.limits)
    }

    fn golden_case(&self, spec: &Golden) -> Result<GoldenCase> {
        let bytes = self.read(&spec.file)?.ok_or_else(|| {
            Error::new(ErrorKind::Integrity, "the file was there when the package was opened, and is gone")
        })?;
        let archive = Npz::from_bytes(bytes.into_owned()).map_err(from_graph)?;
        let array = |name: &str| archive.tensor(name).map_err(from_graph);
        Ok(GoldenCase {
            spec: spec.clone(),
            input: array(&spec.input)?,
            output: array(&spec.output)?,
            argmax: spec.argmax.as_deref().map(array).transpose()?,
        })
    }
}

/// The graph of the ONNX file with the tensors of the weight file, or the architecture with them.
fn network(manifest: &Manifest, graph: Option<&[u8]>, weights: Option<&[u8]>, limits: &Limits) -> Result<Arc<Graph>> {
    let network = &manifest.network;
    // The manifest was checked to list the files as needed, so that they were read.
    let missing = |what: &str| Error::malformed(format!("the package has no {what}"));
    let state = match (weights, &network.weights) {
        (Some(bytes), Some(path)) => Some((weights::from_bytes(bytes).map_err(|e| from_graph(e).at(path))?, path)),
        _ => None,
    };
    let (graph, place) = match (&network.architecture, &network.graph) {
        (Some(table), _) => {
            let place = "network.architecture".to_owned();
            let (state, path) = state.ok_or_else(|| missing("weights").at(&place))?;
            let architecture = Architecture::from_json(table).map_err(|e| from_graph(e).at(&place))?;
            (arch::build(&architecture, state).map_err(|e| from_graph(e).at(path))?, place)
        }
        (None, Some(place)) => {
            let mut options = ReadOptions::default();
            options.max_bytes = options.max_bytes.min(limits.file_bytes);
            let bytes = graph.ok_or_else(|| missing("network").at(place))?;
            let mut graph = onnx::read_bytes(bytes, &options).map_err(|e| from_graph(e).at(place))?;
            if let Some((state, path)) = state {
                replace_weights(&mut graph, state).map_err(|e| e.at(path))?;
            }
            (graph, place.to_string())
        }
        (None, None) => return Err(missing("network")),
    };
    for (key, name, ids) in [
        ("network.input", &manifest.network.input, &graph.inputs),
        ("network.output", &manifest.network.output, &graph.outputs),
    ] {
        let names: Vec<_> = ids.iter().map(|id| graph.value(*id).name.as_str()).collect();
        if !names.contains(&name.as_str()) {
            let message = format!("`{key}` is `{name}`, but the network has {}", names.join(", "));
            return Err(Error::malformed(message).at(place));
        }
    }
    Ok(Arc::new(graph))
}

/// Gives initialisers the tensors of the same names. A tensor that fits no initialiser is an error: weights that
/// silently stay behind are the worst kind of wrong.
fn replace_weights(graph: &mut Graph, tensors: StateDict) -> Result<()> {
    for (name, tensor) in tensors {
        let mut values = graph.values.iter_mut().filter(|value| value.name == name);
        let Some(constant) = values.find_map(|value| value.constant.as_mut()) else {
            return Err(Error::malformed(format!("the network has no initialiser `{name}`")));
        };
        if constant.shape() != tensor.shape() || constant.dtype() != tensor.dtype() {
            let message = format!(
                "`{name}` is {} {:?}, but the network's initialiser is {} {:?}",
                tensor.dtype(),
                tensor.shape(),
                constant.dtype(),
                constant.shape()
            );
            return Err(Error::malformed(message));
        }
        *constant = Arc::new(tensor);
    }
    Ok(())
}
