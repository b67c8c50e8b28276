//! `netra demo`: the built-in model on a simulated chest radiograph.

use std::process::ExitCode;

use netra::Model;
use netra::core::Detail;

use super::run::{Results, announce, batch};
use crate::args::DemoArgs;
use crate::terminal::Terminal;

/// Runs the command.
pub fn run(args: &DemoArgs, terminal: &Terminal) -> anyhow::Result<ExitCode> {
    std::fs::create_dir_all(&args.out).map_err(|e| netra::Error::io(&args.out, e))?;
    let phantom = args.out.join("phantom-chest.dcm");
    netra::phantom::write_chest_radiograph(&phantom, args.seed)?;
    terminal.note(&format!("phantom  {} (simulated, no patient)", phantom.display()));
    let engines = args.backend.engines(&Model::lung_fields()?)?;
    announce(&engines, terminal);
    let formats = ["seg", "png", "json"].map(String::from);
    let results =
        Results { formats: &formats, out: &args.out, deidentifier: None, table: None, detail: Detail::default() };
    batch(&engines, &[phantom], &results, terminal)
}
