//! `netra convert`: scans as NIfTI or pictures.

use std::path::PathBuf;
use std::process::ExitCode;

use netra::core::Warning;
use netra::dicom::Voi;
use netra::export::convert::{Converted, Format, Options, Stage, convert, numbered};
use netra::{Error, Limits, Scan};
use serde::Serialize;

use crate::args::{ConvertArgs, VoiArg};
use crate::exit;
use crate::terminal::Terminal;

/// What became of one scan or unreadable file.
#[derive(Serialize)]
#[serde(rename_all = "snake_case")]
enum Outcome {
    Done {
        scan: String,
        file: PathBuf,
        report: PathBuf,
        shape: [usize; 3],
        values: String,
        corrections: Vec<Warning>,
        warnings: Vec<Warning>,
    },
    Failed {
        input: String,
        kind: String,
        error: String,
    },
}

/// Runs the command. A scan that fails does not stop the others.
pub fn run(args: &ConvertArgs, terminal: &Terminal) -> anyhow::Result<ExitCode> {
    Format::of(&args.out)?;
    let collection = netra::open(&args.input)?;
    for warning in &collection.warnings {
        terminal.note(&format!("warning {}: {}", warning.code, warning.message));
    }
    let mut outcomes = Vec::new();
    let mut codes = Vec::new();
    let mut failed = |outcomes: &mut Vec<Outcome>, input: String, error: &Error| {
        terminal.error(&format!("{input}: {error}"));
        codes.push(exit::of_kind(error.kind()));
        outcomes.push(Outcome::Failed { input, kind: format!("{:?}", error.kind()), error: error.to_string() });
    };
    for (path, error) in &collection.refused {
        failed(&mut outcomes, path.display().to_string(), error);
    }
    let several = collection.scans.len() > 1;
    for (i, scan) in collection.scans.iter().enumerate() {
        let out = if several { numbered(&args.out, i + 1) } else { args.out.clone() };
        match one(scan, &out, args, terminal) {
            Ok(files) => outcomes.extend(files.into_iter().map(|file| told(scan, file, terminal))),
            Err(error) => failed(&mut outcomes, scan.id(), &error),
        }
    }
    if outcomes.is_empty() {
        failed(&mut outcomes, args.input.display().to_string(), &Error::unsupported("no scan in there"));
    }
    terminal.document(&outcomes)?;
    Ok(exit::of_batch(&codes, outcomes.len()))
}

fn one(scan: &Scan, out: &std::path::Path, args: &ConvertArgs, terminal: &Terminal) -> netra::Result<Vec<Converted>> {
    let bar = terminal.bar(&scan.id());
    let progress = |stage: Stage, done: usize, total: usize| {
        let doing = match stage {
            Stage::Reading => "reading",
            Stage::Writing => "writing",
        };
        bar.set_message(format!("{} {doing}", scan.id()));
        bar.set_length(total as u64);
        bar.set_position(done as u64);
    };
    let voi = match args.voi {
        VoiArg::Apply => Voi::Apply,
        VoiArg::Ignore => Voi::Ignore,
    };
    let (policy, limits) = (args.policy.policy, Limits::default());
    let done = convert(scan, out, &Options { policy, voi, force: args.force, limits, progress: &progress });
    bar.finish_and_clear();
    done
}

/// Prints what was written.
fn told(scan: &Scan, done: Converted, terminal: &Terminal) -> Outcome {
    let [slices, rows, columns] = done.shape;
    terminal.line(&format!("{}: {slices} x {rows} x {columns}, {}", done.file.display(), done.values));
    for done in &done.corrections {
        terminal.note(&format!("  corrected {}: {}", done.code, done.message));
    }
    for warning in &done.warnings {
        terminal.note(&format!("  warning {}: {}", warning.code, warning.message));
    }
    let Converted { file, report, shape, values, corrections, warnings, .. } = done;
    Outcome::Done { scan: scan.id(), file, report, shape, values, corrections, warnings }
}
