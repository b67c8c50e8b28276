//! `netra run`: a model on a batch of scans, spread over the devices.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use netra::core::{Detail, ExtentMeasure, Warning};
use netra::dicom::Deidentifier;
use netra::dicom::write::Uids;
use netra::export::table::{self, Row};
use netra::export::{Interpreter, ResultSet};
use netra::pipeline::Stage;
use netra::receipt::{Receipt, ReceiptInput, ReceiptOutput, file_sha256};
use netra::{Engine, Error, Event, Finding, Reading, RunOptions, Scan};
use serde::Serialize;

use crate::args::RunArgs;
use crate::progress::Line;
use crate::terminal::Terminal;
use crate::{exit, receipts, resolve, tuning};

/// What became of one picture, volume or unreadable file.
#[derive(Serialize)]
#[serde(rename_all = "snake_case")]
enum Outcome {
    Done {
        input: String,
        /// As `--backend` takes it.
        device: String,
        summary: String,
        files: Vec<PathBuf>,
        /// Formats that have nothing to show where nothing was found.
        #[serde(skip_serializing_if = "Vec::is_empty")]
        left_out: Vec<String>,
        seconds: f64,
        /// They stand in the files, too.
        #[serde(skip)]
        warnings: Vec<Warning>,
        /// For the table of the batch.
        #[serde(skip)]
        rows: Vec<Row>,
    },
    Failed {
        input: String,
        kind: String,
        error: String,
        #[serde(skip)]
        code: u8,
    },
}

/// Something that was found under the inputs, or could not be read.
struct Case {
    place: usize,
    name: String,
    /// What the user pointed to.
    input: PathBuf,
    scan: netra::Result<Scan>,
}

/// Runs the command.
pub fn run(args: &RunArgs, terminal: &Terminal) -> anyhow::Result<ExitCode> {
    let engines = args.backend.engines(&resolve::model(&args.model)?)?;
    let engines: Vec<Engine> = engines.into_iter().map(|engine| engine.policy(args.policy.policy)).collect();
    announce(&engines, terminal);
    let asked = Detail { saliency: args.saliency, probabilities: false };
    let detail = netra::export::needs(&args.emit)?.and(asked);
    let deidentifier = if args.deidentify { Some(Deidentifier::new(Uids::random()?)) } else { None };
    batch(
        &engines,
        &args.inputs,
        &Results {
            deidentifier,
            interpreter: args.reader.interpreter(),
            table: args.table.as_deref(),
            detail,
            ..Results::new(&args.emit, &args.out)
        },
        terminal,
    )
}

/// Says which model runs where, and why there.
pub fn announce(engines: &[Engine], terminal: &Terminal) {
    for (i, engine) in engines.iter().enumerate() {
        let model = engine.pipeline().identity();
        let network = engine.pipeline().network();
        if i == 0 {
            terminal.note(&format!("model    {} {} (sha256 {})", model.id, model.version, &model.digest[..12]));
        }
        terminal.note(&format!("backend  {}: {} ({})", engine.device(), network.backend().device().name, engine.why()));
        tuning::describe(&network.tuning()).iter().for_each(|line| terminal.note(line));
    }
}

/// How the results of a batch are written.
pub struct Results<'a> {
    /// Names of exporters.
    pub formats: &'a [String],
    /// The folder.
    pub out: &'a Path,
    /// Replaces every identifier, when results must name nobody.
    pub deidentifier: Option<Deidentifier>,
    /// Who has read the results, as far as they are read.
    pub interpreter: Option<Interpreter>,
    /// One table of all findings of the batch.
    pub table: Option<&'a Path>,
    /// What the formats show beside the findings themselves.
    pub detail: Detail,
}

impl<'a> Results<'a> {
    /// In these formats, into this folder.
    pub fn new(formats: &'a [String], out: &'a Path) -> Self {
        Self { formats, out, deidentifier: None, interpreter: None, table: None, detail: Detail::default() }
    }
}

/// Runs a model on everything that can be read under `inputs`; a failure is reported and the batch goes on.
pub fn batch(
    engines: &[Engine],
    inputs: &[PathBuf],
    results: &Results<'_>,
    terminal: &Terminal,
) -> anyhow::Result<ExitCode> {
    let out = results.out;
    std::fs::create_dir_all(out).map_err(|e| Error::io(out, e))?;
    let line = Line::new(terminal);
    let mut outcomes = Vec::new();
    netra::spread(
        engines,
        cases(inputs),
        |engine, case| work(engine, case, results, &line),
        |event| match event {
            Event::Retired { engine, why } => {
                let device = engines[engine].device();
                line.beside(|| terminal.error(&format!("{device} failed and is used no more: {why}")));
            }
            Event::Done { case, result } => {
                let ended = match case.scan.and(result) {
                    Ok(ended) => ended,
                    Err(error) => vec![failed(case.name, &error)],
                };
                line.beside(|| ended.iter().for_each(|outcome| print(outcome, terminal)));
                outcomes.extend(ended.into_iter().map(|outcome| (case.place, outcome)));
            }
        },
    );
    drop(line);
    outcomes.sort_by_key(|(place, _)| *place);
    let outcomes: Vec<Outcome> = outcomes.into_iter().map(|(_, outcome)| outcome).collect();
    if let Some(path) = results.table {
        let rows = outcomes.iter().filter_map(|outcome| match outcome {
            Outcome::Done { rows, .. } => Some(rows.as_slice()),
            Outcome::Failed { .. } => None,
        });
        table::write(&rows.flatten().cloned().collect::<Vec<_>>(), path)?;
        terminal.line(&format!("wrote {}", path.display()));
    }
    terminal.document(&outcomes)?;
    Ok(exit_code(&outcomes))
}

/// The cases under the inputs, each input opened when the batch comes to it.
fn cases(inputs: &[PathBuf]) -> impl Iterator<Item = Case> + Send {
    // How many scans of each name there were: files of one name in two folders must not share a result.
    let mut names: HashMap<String, usize> = HashMap::new();
    let all = inputs.iter().flat_map(|input| found(input).into_iter().map(move |found| (input.clone(), found)));
    all.enumerate().map(move |(place, (input, (name, scan)))| {
        let name = match &scan {
            Err(_) => name,
            Ok(_) => {
                let seen = names.entry(name.clone()).or_default();
                *seen += 1;
                if *seen == 1 { name } else { format!("{name}~{seen}") }
            }
        };
        Case { place, name, input, scan }
    })
}

fn found(input: &Path) -> Vec<(String, netra::Result<Scan>)> {
    let shown = || input.display().to_string();
    match netra::open(input) {
        Err(error) => vec![(shown(), Err(error))],
        Ok(collection) if collection.scans.is_empty() && collection.refused.is_empty() => {
            vec![(shown(), Err(Error::invalid("no scan in there")))]
        }
        Ok(collection) => {
            let refused = collection.refused.into_iter().map(|(path, error)| (path.display().to_string(), Err(error)));
            refused.chain(collection.scans.into_iter().map(|scan| (scan.id(), Ok(scan)))).collect()
        }
    }
}

/// Runs the model on a case and writes what it found. What could not be read has no outcome here.
fn work(engine: &Engine, case: &Case, results: &Results<'_>, line: &Line) -> netra::Result<Vec<Outcome>> {
    let Ok(scan) = &case.scan else { return Ok(Vec::new()) };
    let progress = |stage: Stage, done: usize, total: usize| line.tell(case.place, &case.name, stage, done, total);
    let mut options = RunOptions::default();
    options.progress = Some(&progress);
    options.detail = results.detail;
    let result = match &results.deidentifier {
        Some(deidentifier) => engine.run_deidentified(scan, &options, deidentifier),
        None => engine.run_with(scan, &options),
    };
    line.end(case.place);
    let readings = result?;
    let mut files = scan.digests(&options.limits)?;
    let (mut name, mut path) = (case.name.clone(), Some(case.input.display().to_string()));
    if let Some(deidentifier) = &results.deidentifier {
        // Paths and file names may tell who it is; the digests tell which files they were to whoever has them.
        path = None;
        name = deidentifier.uid(&name);
        files.iter_mut().flat_map(|file| &mut file.sop_instance_uid).for_each(|uid| *uid = deidentifier.uid(uid));
    }
    let several = readings.len() > 1;
    let mut outcomes = Vec::new();
    for (i, reading) in readings.into_iter().enumerate() {
        let stem = if several { format!("{name}-{}", i + 1) } else { name.clone() };
        let input = ReceiptInput { path: path.clone(), scan: name.clone(), reading: i, files: files.clone() };
        write(&reading, Receipt::new(engine, &reading, input), stem, results, &mut outcomes)?;
    }
    Ok(outcomes)
}

/// Writes a reading in every format, and its receipt beside them.
fn write(
    reading: &Reading<'_>,
    mut receipt: Receipt,
    stem: String,
    results: &Results<'_>,
    outcomes: &mut Vec<Outcome>,
) -> netra::Result<()> {
    let Results { formats, out, .. } = *results;
    let (mut files, mut left_out) = (Vec::new(), Vec::new());
    let mut set = ResultSet::new(formats)?;
    if results.deidentifier.is_none() {
        set = set.with_inputs(receipt.input.files.clone());
    }
    if let Some(interpreter) = &results.interpreter {
        set = set.with_interpreter(interpreter.clone());
    }
    for format in formats {
        let written = netra::export::exporter(format).and_then(|exporter| {
            if !exporter.shows(&reading.findings.finding) {
                return Ok(None);
            }
            let file = exporter.file_name(&stem);
            let path = out.join(&file);
            exporter.write(&reading.findings, &reading.source(), &set, &path)?;
            receipt.outputs.push(ReceiptOutput { format: format.clone(), file, sha256: file_sha256(&path)? });
            Ok(Some(path))
        });
        match written {
            Ok(Some(path)) => files.push(path),
            Ok(None) => left_out.push(format.clone()),
            Err(error) => outcomes.push(failed(format!("{stem} as {format}"), &error)),
        }
    }
    let device = receipt.device.clone();
    match receipts::write(receipt, out, &stem) {
        Ok(path) => files.push(path),
        Err(error) => outcomes.push(failed(format!("{stem} as receipt"), &error)),
    }
    outcomes.push(Outcome::Done {
        input: stem,
        device,
        summary: summary(&reading.findings.finding),
        files,
        left_out,
        seconds: reading.findings.timings.iter().map(|t| t.seconds).sum(),
        warnings: reading.findings.warnings.clone(),
        // A generated picture has no row.
        rows: results.table.and_then(|_| table::rows(&reading.findings, &reading.source()).ok()).unwrap_or_default(),
    });
    Ok(())
}

fn failed(input: String, error: &Error) -> Outcome {
    let kind = error.kind();
    Outcome::Failed { input, kind: format!("{kind:?}"), error: error.to_string(), code: exit::of_kind(kind) }
}

fn print(outcome: &Outcome, terminal: &Terminal) {
    match outcome {
        Outcome::Failed { input, error, .. } => terminal.error(&format!("{input}: {error}")),
        Outcome::Done { input, device, summary, files, left_out, seconds, warnings, .. } => {
            terminal.line(&format!("{input}: {summary} ({seconds:.2} s on {device})"));
            for warning in warnings {
                terminal.note(&format!("  warning {}: {}", warning.code, warning.message));
            }
            for file in files {
                terminal.line(&format!("  wrote {}", file.display()));
            }
            if !left_out.is_empty() {
                terminal.line(&format!("  nothing was found, so no {}", left_out.join(", ")));
            }
        }
    }
}

fn exit_code(outcomes: &[Outcome]) -> ExitCode {
    let codes: Vec<u8> = outcomes
        .iter()
        .filter_map(|outcome| match outcome {
            Outcome::Failed { code, .. } => Some(*code),
            Outcome::Done { .. } => None,
        })
        .collect();
    exit::of_batch(&codes, outcomes.len())
}

/// A finding in one line.
fn summary(finding: &Finding) -> String {
    match finding {
        Finding::Classes(classes) => {
            let each = classes.iter().map(|c| format!("{} {:.3}", c.label, c.probability));
            each.collect::<Vec<_>>().join(", ")
        }
        Finding::Segmentation { labels, extents } => {
            let each = labels.segments().iter().zip(extents).map(|(segment, (_, extent))| {
                let size = match extent {
                    ExtentMeasure::VolumeMm3(mm3) => format!("{:.1} ml", mm3 / 1000.0),
                    ExtentMeasure::AreaMm2(mm2) => format!("{:.1} cm2", mm2 / 100.0),
                    ExtentMeasure::PixelShare(share) => format!("{:.1} % of the picture", share * 100.0),
                };
                format!("{} {size}", segment.label)
            });
            each.collect::<Vec<_>>().join(", ")
        }
        Finding::Generated(picture) => format!("a picture of {:?}", picture.shape()),
        _ => "a finding".into(),
    }
}
