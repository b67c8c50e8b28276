//! The published models that this release knows: recipes (manifest, card, licence note) without weights, and the
//! default model whole.

use std::borrow::Cow;

use netra_core::Result;

use crate::manifest::{FILE_NAME, Manifest};
use crate::package::Package;

/// One published model.
#[derive(Clone, Copy, Debug)]
pub struct Entry {
    id: &'static str,
    files: &'static [(&'static str, &'static [u8])],
}

/// Files of `models/` (a link to the workspace's folder, so that the published crate carries them).
macro_rules! entry {
    ($id:literal, $($file:literal),+) => {
        Entry { id: $id, files: &[$(($file, include_bytes!(concat!("../models/", $id, "/", $file)))),+] }
    };
}

static ENTRIES: [Entry; 11] = [
    entry!("lung-fields", "netra.toml", "card.md", "LICENSE", "model.onnx", "golden/case1.npz"),
    entry!("lungair-lungs", "netra.toml", "card.md", "LICENSE"),
    entry!("lwnet-vessels", "netra.toml", "card.md", "LICENSE"),
    entry!("lwnet-artery-vein", "netra.toml", "card.md", "LICENSE"),
    entry!("meshnet-tissue", "netra.toml", "card.md", "LICENSE"),
    entry!("meshnet-18", "netra.toml", "card.md", "LICENSE"),
    entry!("meshnet-104", "netra.toml", "card.md", "LICENSE"),
    entry!("hippodeep-head", "netra.toml", "card.md", "LICENSE"),
    entry!("hippodeep", "netra.toml", "card.md", "LICENSE"),
    entry!("deepbet", "netra.toml", "card.md", "LICENSE"),
    entry!("mednist-gan", "netra.toml", "card.md", "LICENSE"),
];

/// Every published model, the default one first.
pub fn entries() -> &'static [Entry] {
    &ENTRIES
}

/// The entry of an identifier.
pub fn find(id: &str) -> Option<&'static Entry> {
    ENTRIES.iter().find(|entry| entry.id == id)
}

impl Entry {
    /// An entry of names (`netra.toml` among them) and contents: for apps that carry recipes of their own.
    pub const fn new(id: &'static str, files: &'static [(&'static str, &'static [u8])]) -> Self {
        Self { id, files }
    }

    /// Identifier: the folder below `models/`, and `model.id` of the manifest.
    pub fn id(&self) -> &'static str {
        self.id
    }

    /// The manifest.
    pub fn manifest(&self) -> Result<Manifest> {
        Manifest::parse(self.manifest_bytes())
    }

    /// The bytes of `netra.toml`.
    pub fn manifest_bytes(&self) -> &'static [u8] {
        self.file(FILE_NAME).unwrap_or_default()
    }

    /// The model card.
    pub fn card(&self) -> &'static str {
        self.file("card.md").and_then(|bytes| std::str::from_utf8(bytes).ok()).unwrap_or_default()
    }

    /// The content of a file that the release carries.
    pub fn file(&self, name: &str) -> Option<&'static [u8]> {
        self.files.iter().find(|(n, _)| *n == name).map(|(_, bytes)| *bytes)
    }

    /// Whether the release carries everything that a run needs.
    pub fn is_embedded(&self) -> bool {
        self.manifest().is_ok_and(|m| m.files.iter().all(|f| f.optional || self.file(f.path.as_str()).is_some()))
    }

    /// The package, when it [is embedded](Self::is_embedded); otherwise `Integrity`, naming the file that lacks.
    pub fn package(&self) -> Result<Package> {
        Package::from_files(self.files.iter().map(|(name, bytes)| ((*name).to_owned(), Cow::Borrowed(*bytes))))
    }
}
