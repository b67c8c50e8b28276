//! Damages every shared scan and judges what reading makes of each mutant.
//!
//! ```text
//! cargo run --release -p netra-mutants -- --mutants 100000 [--flips 50000] [--chance N] [--jobs N] [--limit-ms 1000]
//! cargo run --release -p netra-mutants -- --only codestream:made/codec.4.90:17
//! cargo run --release -p netra-mutants -- --file PATH
//! ```
//!
//! `--flips`: mutants of compressed pixels, half as many as the others unless said. Failing mutants are named and written to
//! `out/mutants`, and make the exit status 1. `--only` writes one mutant there and judges it, `--file` judges any file.
#![forbid(unsafe_code)]
#![allow(clippy::print_stdout, clippy::print_stderr)]

use std::collections::BTreeSet;
use std::io::Write;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use netra_mutants::run::{Options, Report, run};
use netra_mutants::{Family, judge, mutant, seeds};

fn main() -> Result<ExitCode> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    if let [flag, family, seed, start, end, chance] = arguments.as_slice()
        && flag == "--child"
    {
        let family = Family::named(family).context("no such family")?;
        judge::child(family, seed, start.parse()?..end.parse()?, chance.parse()?)?;
        return Ok(ExitCode::SUCCESS);
    }
    let (mut mutants, mut flips, mut traps, mut only) = (100_000, None, 0, None);
    let mut options = Options {
        program: std::env::current_exe()?,
        counts: Vec::new(),
        chance: 1,
        jobs: std::thread::available_parallelism().map_or(1, usize::from),
        limit: Duration::from_secs(1),
        failures: PathBuf::from("out/mutants"),
    };
    for pair in arguments.chunks(2) {
        let [flag, value] = pair else { bail!("{} needs a value", pair[0]) };
        match flag.as_str() {
            "--mutants" => mutants = value.parse()?,
            "--flips" => flips = Some(value.parse()?),
            "--traps" => traps = value.parse()?,
            "--chance" => options.chance = value.parse()?,
            "--jobs" => options.jobs = value.parse()?,
            "--limit-ms" => options.limit = Duration::from_millis(value.parse()?),
            "--failures" => options.failures = value.into(),
            "--only" => only = Some(value.clone()),
            "--file" => {
                judge::file(value.as_ref())?;
                return Ok(ExitCode::SUCCESS);
            }
            _ => bail!("unknown flag {flag}"),
        }
    }
    if let Some(name) = only {
        return alone(&options, &name);
    }
    let flips = flips.unwrap_or(mutants / 2);
    options.counts = vec![(Family::Structure, mutants), (Family::Codestream, flips), (Family::Trap, traps)];
    let start = Instant::now();
    let report = run(&options, |done, total| {
        if done.is_multiple_of(1000) || done == total {
            eprint!("\r{done} of {total} mutants, {:.0} s ", start.elapsed().as_secs_f64());
            let _ = std::io::stderr().flush();
        }
    })?;
    eprintln!();
    tell(&report, &options);
    Ok(if report.failures.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn tell(report: &Report, options: &Options) {
    let outcomes: BTreeSet<&String> = report.outcomes.values().flat_map(|row| row.keys()).collect();
    let cells = |cells: Vec<String>| println!("| {} |", cells.join(" | "));
    let titles: Vec<String> = outcomes.iter().map(|outcome| outcome.to_string()).collect();
    cells([vec!["mutants".to_owned()], titles].concat());
    cells(vec!["---".to_owned(); outcomes.len() + 1]);
    for (group, row) in &report.outcomes {
        let count = |outcome: &&String| row.get(*outcome).copied().unwrap_or(0).to_string();
        cells([vec![group.clone()], outcomes.iter().map(count).collect()].concat());
    }
    println!("\npanics of other people's decoders, caught: {}", report.caught);
    if let Some((name, time)) = &report.slowest {
        println!("longest: {} ms, {name}", time.as_millis());
    }
    if let Some((name, peak)) = &report.largest {
        println!("largest peak, without the pixels given: {} MB, {name}", peak >> 10);
    }
    println!("failures: {} (chance {})", report.failures.len(), options.chance);
    for failure in &report.failures {
        println!("  {}:{}:{} {}", failure.family.name(), failure.seed, failure.number, failure.what);
    }
}

/// Judges one mutant in this process, and keeps it.
fn alone(options: &Options, name: &str) -> Result<ExitCode> {
    let (family, rest) = name.split_once(':').context("FAMILY:SEED:NUMBER")?;
    let (seed, number) = rest.rsplit_once(':').context("FAMILY:SEED:NUMBER")?;
    let family = Family::named(family).context("no such family")?;
    let number = number.parse()?;
    let bytes = seeds::all()?.into_iter().find(|known| known.name == seed).context("no such seed")?.load()?;
    std::fs::create_dir_all(&options.failures)?;
    let path = options.failures.join("only");
    std::fs::write(&path, mutant(family, seed, &bytes, number, options.chance))?;
    eprintln!("written to {}", path.display());
    judge::child(family, seed, number..number + 1, options.chance)?;
    Ok(ExitCode::SUCCESS)
}
