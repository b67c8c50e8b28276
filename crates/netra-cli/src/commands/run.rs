//! `netra run`: a model on a batch of scans.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use netra::core::ExtentMeasure;
use netra::pipeline::Stage;
use netra::{Engine, Finding, Reading, RunOptions, Scan};
use serde::Serialize;

use crate::args::RunArgs;
use crate::terminal::Terminal;
use crate::{exit, resolve, tuning};

/// What became of one picture, volume or unreadable file.
#[derive(Serialize)]
#[serde(rename_all = "snake_case")]
enum Outcome {
    Done { input: String, summary: String, files: Vec<PathBuf>, seconds: f64 },
    Failed { input: String, kind: String, error: String },
}

/// Runs the command.
pub fn run(args: &RunArgs, terminal: &Terminal) -> anyhow::Result<ExitCode> {
    let engine = args.backend.engine(&resolve::model(&args.model)?)?;
    announce(&engine, terminal);
    batch(&engine, &args.inputs, &args.emit, &args.out, terminal)
}

/// Says which model runs where, and why there.
pub fn announce(engine: &Engine, terminal: &Terminal) {
    let model = engine.pipeline().identity();
    let backend = engine.pipeline().network().backend();
    terminal.note(&format!("model    {} {} (sha256 {})", model.id, model.version, &model.digest[..12]));
    terminal.note(&format!("backend  {}: {} ({})", backend.name(), backend.device().name, engine.why()));
    tuning::describe(&engine.pipeline().network().tuning()).iter().for_each(|line| terminal.note(line));
}

/// Runs a model on everything that can be read under `inputs`; a failure is reported and the batch goes on.
pub fn batch(
    engine: &Engine,
    inputs: &[PathBuf],
    formats: &[String],
    out: &Path,
    terminal: &Terminal,
) -> anyhow::Result<ExitCode> {
    for format in formats {
        netra::export::exporter(format)?;
    }
    std::fs::create_dir_all(out).map_err(|e| netra::core::Error::io(out, e))?;
    let mut job =
        Batch { engine, formats, out, terminal, outcomes: Vec::new(), codes: Vec::new(), names: HashMap::new() };
    for input in inputs {
        match netra::open(input) {
            Err(error) => job.failed(&input.display().to_string(), &error),
            Ok(collection) => {
                for (path, error) in &collection.refused {
                    job.failed(&path.display().to_string(), error);
                }
                if collection.scans.is_empty() && collection.refused.is_empty() {
                    job.failed(&input.display().to_string(), &netra::Error::invalid("no scan in there"));
                }
                for scan in &collection.scans {
                    job.scan(scan);
                }
            }
        }
    }
    terminal.document(&job.outcomes)?;
    Ok(job.exit_code())
}

struct Batch<'a> {
    engine: &'a Engine,
    formats: &'a [String],
    out: &'a Path,
    terminal: &'a Terminal,
    outcomes: Vec<Outcome>,
    /// Exit codes of the failures.
    codes: Vec<u8>,
    /// How many scans of each name there were: files of one name in two folders must not share a result.
    names: HashMap<String, usize>,
}

impl Batch<'_> {
    fn scan(&mut self, scan: &Scan) {
        let name = self.unique(scan.id());
        let bar = self.terminal.bar(&name);
        let progress = |stage: Stage, done: usize, total: usize| {
            bar.set_message(format!("{name} {}", stage.name()));
            bar.set_length(total as u64);
            bar.set_position(done as u64);
        };
        let mut options = RunOptions::default();
        options.progress = Some(&progress);
        let result = self.engine.run_with(scan, &options);
        bar.finish_and_clear();
        match result {
            Err(error) => self.failed(&name, &error),
            Ok(readings) => {
                let several = readings.len() > 1;
                for (i, reading) in readings.iter().enumerate() {
                    let stem = if several { format!("{name}-{}", i + 1) } else { name.clone() };
                    self.reading(reading, &stem);
                }
            }
        }
    }

    fn unique(&mut self, name: String) -> String {
        let seen = self.names.entry(name.clone()).or_default();
        *seen += 1;
        if *seen == 1 { name } else { format!("{name}~{seen}") }
    }

    fn reading(&mut self, reading: &Reading<'_>, stem: &str) {
        let mut files = Vec::new();
        for format in self.formats {
            let written = netra::export::exporter(format).and_then(|exporter| {
                let path = self.out.join(exporter.file_name(stem));
                exporter.write(&reading.findings, &reading.source(), &path)?;
                Ok(path)
            });
            match written {
                Ok(path) => files.push(path),
                Err(error) => self.failed(&format!("{stem} as {format}"), &error),
            }
        }
        let seconds = reading.findings.timings.iter().map(|t| t.seconds).sum();
        let summary = summary(&reading.findings.finding);
        self.terminal.line(&format!("{stem}: {summary} ({seconds:.2} s)"));
        for warning in &reading.findings.warnings {
            self.terminal.note(&format!("  warning {}: {}", warning.code, warning.message));
        }
        for file in &files {
            self.terminal.line(&format!("  wrote {}", file.display()));
        }
        self.outcomes.push(Outcome::Done { input: stem.to_owned(), summary, files, seconds });
    }

    fn failed(&mut self, input: &str, error: &netra::Error) {
        self.terminal.error(&format!("{input}: {error}"));
        self.codes.push(exit::of_kind(error.kind()));
        self.outcomes.push(Outcome::Failed {
            input: input.to_owned(),
            kind: format!("{:?}", error.kind()),
            error: error.to_string(),
        });
    }

    /// 0 when nothing failed; 1 when something was done; else the failures' own code when they agree on one.
    fn exit_code(&self) -> ExitCode {
        let done = self.outcomes.iter().any(|o| matches!(o, Outcome::Done { .. }));
        ExitCode::from(match self.codes.as_slice() {
            [] => 0,
            _ if done => exit::PARTIAL,
            [first, rest @ ..] if rest.iter().all(|c| c == first) => *first,
            _ => 3,
        })
    }
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
