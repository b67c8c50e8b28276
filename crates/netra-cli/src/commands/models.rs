//! `netra models`: the published models that Netra knows.

use std::process::ExitCode;

use anyhow::Context;
use netra::package::catalogue;
use serde_json::json;

use crate::args::{ModelsArgs, ModelsCommand};
use crate::terminal::Terminal;

/// Runs the command.
pub fn run(args: &ModelsArgs, terminal: &Terminal) -> anyhow::Result<ExitCode> {
    match &args.command {
        ModelsCommand::List => list(terminal)?,
        ModelsCommand::Show { name } => terminal.line(find(name)?.card()),
        ModelsCommand::Add { name, weights, to } => {
            let folder = to.join(name);
            std::fs::create_dir_all(to).map_err(|e| netra::Error::io(to, e))?;
            netra::package::add::fill(find(name)?, weights, &folder, &netra::Limits::default())?;
            terminal.line(&format!("added {} (every digest matches)", folder.display()));
            terminal.line(&format!("next: netra verify {}", folder.display()));
        }
    }
    Ok(ExitCode::SUCCESS)
}

fn find(name: &str) -> anyhow::Result<&'static catalogue::Entry> {
    catalogue::find(name)
        .ok_or_else(|| netra::Error::invalid(format!("no model '{name}'")))
        .context("see `netra models list`")
}

fn list(terminal: &Terminal) -> anyhow::Result<()> {
    let mut rows = Vec::new();
    for entry in catalogue::entries() {
        let model = &entry.manifest()?.model;
        let built_in = entry.is_embedded();
        let weights = if built_in { "built in".to_owned() } else { model.source.clone() };
        terminal.line(&format!("{:<20} {}", entry.id(), model.task));
        terminal.line(&format!("{:<20} {} | weights: {weights}", "", model.licence));
        rows.push(json!({ "id": entry.id(), "model": model, "built_in": built_in }));
    }
    terminal.document(&rows)
}
