//! From what the user typed to a model.

use std::path::{Path, PathBuf};

use netra::{Error, Model};

/// Folder in which `netra models add` puts packages and a model's name is looked up.
pub const FOLDER: &str = "netra-models";

/// A package folder, else a package of this name under `NETRA_MODELS` or `netra-models/`, else the built-in model.
pub fn model(name: &str) -> netra::Result<Model> {
    let given = Path::new(name);
    if given.join(netra::package::manifest::FILE_NAME).is_file() {
        return Model::open(given);
    }
    let folder = std::env::var_os("NETRA_MODELS").map_or_else(|| PathBuf::from(FOLDER), PathBuf::from);
    let added = folder.join(name);
    if added.join(netra::package::manifest::FILE_NAME).is_file() {
        return Model::open(added);
    }
    if name == "lung-fields" {
        return Model::lung_fields();
    }
    let known = netra::package::catalogue::find(name).is_some();
    Err(Error::invalid(if known {
        format!(
            "'{name}' has no weights here yet: see `netra models show {name}`, then `netra models add {name} --weights PATH`"
        )
    } else {
        format!(
            "no model '{name}': it is no package folder, not in {}, and not in `netra models list`",
            folder.display()
        )
    }))
}
