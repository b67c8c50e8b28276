//! The parent: hands the mutants of each seed to a child process, and weighs what it says, or that it says nothing any more.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::Mutex;
use std::sync::mpsc::{RecvTimeoutError, channel};
use std::time::{Duration, Instant};

use anyhow::{Context, Result};

use crate::judge::Verdict;
use crate::{Family, compression, mutant, seeds};

/// What a file may take: so much, four times its own size, and the pixels that it really gave.
const ALLOWANCE: u64 = 256 << 10;
/// Address space of a child, kB: more ends it.
const ADDRESS_SPACE: u64 = 6 << 20;

/// What to run.
#[derive(Clone, Debug)]
pub struct Options {
    /// This program, which is its own child.
    pub program: PathBuf,
    /// How many mutants of each family.
    pub counts: Vec<(Family, u64)>,
    pub chance: u64,
    pub jobs: usize,
    pub limit: Duration,
    /// Where failing mutants are written.
    pub failures: PathBuf,
}

/// A mutant that did not pass.
#[derive(Clone, Debug)]
pub struct Failure {
    pub family: Family,
    pub seed: String,
    pub number: u64,
    pub what: String,
}

/// What came of a run.
#[derive(Debug, Default)]
pub struct Report {
    /// Mutants by outcome and by group: a family or, of codestreams, a transfer syntax.
    pub outcomes: BTreeMap<String, BTreeMap<String, u64>>,
    /// Panics of other people's decoders that the library caught.
    pub caught: u64,
    pub failures: Vec<Failure>,
    /// The longest, and the largest over what its pixels take.
    pub slowest: Option<(String, Duration)>,
    pub largest: Option<(String, u64)>,
}

/// Mutants of one seed.
#[derive(Clone, Debug)]
struct Batch {
    family: Family,
    group: String,
    seed: String,
    numbers: std::ops::Range<u64>,
}

/// Runs the mutants of every seed. `progress` is told how many are done, of how many.
pub fn run(options: &Options, progress: impl Fn(u64, u64) + Sync) -> Result<Report> {
    let batches = plan(options)?;
    let total = batches.iter().map(|batch| batch.numbers.end).sum();
    let queue = Mutex::new(batches.into_iter());
    let (report, done) = (Mutex::new(Report::default()), Mutex::new(0u64));
    let work = || -> Result<()> {
        while let Some(batch) = queue.lock().ok().and_then(|mut queue| queue.next()) {
            run_batch(options, &batch, |verdict| {
                if let (Ok(mut report), Ok(mut done)) = (report.lock(), done.lock()) {
                    report.add(options, &batch, verdict);
                    *done += 1;
                    progress(*done, total);
                }
            })?;
        }
        Ok(())
    };
    std::thread::scope(|scope| {
        let threads: Vec<_> = (0..options.jobs.max(1)).map(|_| scope.spawn(work)).collect();
        threads.into_iter().try_for_each(|thread| thread.join().map_err(|_| anyhow::anyhow!("a thread failed"))?)
    })?;
    report.into_inner().context("a thread failed")
}

/// Spreads the mutants of each family evenly over its seeds.
fn plan(options: &Options) -> Result<Vec<Batch>> {
    let seeds = seeds::all()?;
    let mut batches = Vec::new();
    for &(family, count) in &options.counts {
        let mut names: Vec<(&str, String)> = Vec::new();
        for seed in &seeds {
            let group = match family {
                Family::Structure => Some(family.name().to_owned()),
                Family::Codestream => compression(&seed.load()?),
                Family::Trap => names.is_empty().then(|| family.name().to_owned()),
            };
            names.extend(group.map(|group| (seed.name.as_str(), group)));
        }
        let (each, more) = (count / names.len().max(1) as u64, count % names.len().max(1) as u64);
        let batch = |(i, (name, group)): (usize, &(&str, String))| Batch {
            family,
            group: group.clone(),
            seed: (*name).to_owned(),
            numbers: 0..each + u64::from((i as u64) < more),
        };
        batches.extend(names.iter().enumerate().map(batch).filter(|batch| !batch.numbers.is_empty()));
    }
    Ok(batches)
}

impl Report {
    fn add(&mut self, options: &Options, batch: &Batch, verdict: &Verdict) {
        let name = || format!("{}:{}:{}", batch.family.name(), batch.seed, verdict.number);
        *self.outcomes.entry(batch.group.clone()).or_default().entry(verdict.outcome.clone()).or_default() += 1;
        self.caught += verdict.caught;
        if self.slowest.as_ref().is_none_or(|(_, time)| verdict.time > *time) {
            self.slowest = Some((name(), verdict.time));
        }
        let net = verdict.peak.saturating_sub(verdict.pixels);
        if self.largest.as_ref().is_none_or(|(_, peak)| net > *peak) {
            self.largest = Some((name(), net));
        }
        if let Some(what) = offence(options, verdict) {
            let failure = Failure { family: batch.family, seed: batch.seed.clone(), number: verdict.number, what };
            // The verdict stands even when the disk is full.
            let _ = keep(options, &failure);
            self.failures.push(failure);
        }
    }
}

/// What a mutant did that none may do.
fn offence(options: &Options, verdict: &Verdict) -> Option<String> {
    let allowed = ALLOWANCE + 4 * verdict.file + verdict.pixels;
    match verdict.outcome.as_str() {
        "panic" | "size" | "died" | "hang" => Some(format!("{}: {}", verdict.outcome, verdict.message)),
        _ if verdict.peak > allowed => {
            Some(format!("peak of {} MB, {} are allowed", verdict.peak >> 10, allowed >> 10))
        }
        _ if verdict.time > options.limit => Some(format!("took {:?}", verdict.time)),
        _ => None,
    }
}

/// Writes a failing mutant for whoever looks into it.
fn keep(options: &Options, failure: &Failure) -> Result<()> {
    let seed = seeds::all()?.into_iter().find(|seed| seed.name == failure.seed).context("no such seed")?;
    let bytes = mutant(failure.family, &failure.seed, &seed.load()?, failure.number, options.chance);
    std::fs::create_dir_all(&options.failures)?;
    let name = format!("{}-{}-{}", failure.family.name(), failure.seed.replace(['/', ' '], "_"), failure.number);
    Ok(std::fs::write(options.failures.join(name), bytes)?)
}

/// Runs a batch to its end, whatever becomes of its children. What fails by time or memory is tried twice more by itself, and
/// the best try counts: the machine has other work.
fn run_batch(options: &Options, batch: &Batch, mut each: impl FnMut(&Verdict)) -> Result<()> {
    let mut next = batch.numbers.start;
    while next < batch.numbers.end {
        let end = judge(options, &Batch { numbers: next..batch.numbers.end, ..batch.clone() }, |verdict| {
            next = verdict.number + 1;
            each(&again(options, batch, verdict));
        })?;
        if let Some(verdict) = end {
            next = verdict.number + 1;
            each(&again(options, batch, verdict));
        }
    }
    Ok(())
}

fn again(options: &Options, batch: &Batch, mut verdict: Verdict) -> Verdict {
    for _ in 0..2 {
        let retried = !matches!(verdict.outcome.as_str(), "panic" | "size");
        if !retried || offence(options, &verdict).is_none() {
            break;
        }
        let alone = Batch { numbers: verdict.number..verdict.number + 1, ..batch.clone() };
        let mut better = None;
        match judge(options, &alone, |verdict| better = Some(verdict)) {
            Ok(end) => verdict = better.or(end).unwrap_or(verdict),
            Err(_) => break,
        }
    }
    verdict
}

/// Runs one child. Gives the verdict on the mutant that ended it early, if one did.
fn judge(options: &Options, batch: &Batch, mut each: impl FnMut(Verdict)) -> Result<Option<Verdict>> {
    let mut child = start(options, batch)?;
    let (sender, lines) = channel();
    let stdout = BufReader::new(child.stdout.take().context("no output")?);
    let reader =
        std::thread::spawn(move || stdout.lines().map_while(Result::ok).try_for_each(|line| sender.send(line)));
    let mut next = batch.numbers.start;
    // The first has a process to start and its seed to read.
    let mut slack = Duration::from_secs(5);
    let mut last = Instant::now();
    let stopped = loop {
        match lines.recv_timeout(options.limit * 2 + slack) {
            Ok(line) => {
                let verdict = Verdict::parse(&line).with_context(|| format!("not a verdict: {line}"))?;
                next = verdict.number + 1;
                (slack, last) = (Duration::from_secs(1), Instant::now());
                each(verdict);
            }
            Err(RecvTimeoutError::Timeout) => {
                child.kill()?;
                break Some("hang");
            }
            Err(RecvTimeoutError::Disconnected) => break None,
        }
    };
    let status = child.wait()?;
    let _ = reader.join();
    if next >= batch.numbers.end {
        return Ok(None);
    }
    Ok(Some(Verdict {
        number: next,
        outcome: stopped.unwrap_or("died").to_owned(),
        time: last.elapsed(),
        peak: 0,
        file: 0,
        pixels: 0,
        caught: 0,
        message: status.to_string(),
    }))
}

/// A child under a bound on its address space: a bomb ends it, not the machine.
fn start(options: &Options, batch: &Batch) -> Result<Child> {
    let numbers = [batch.numbers.start, batch.numbers.end, options.chance].map(|n| n.to_string());
    Command::new("sh")
        .args(["-c", &format!("ulimit -c 0; ulimit -v {ADDRESS_SPACE}; exec \"$0\" \"$@\"")])
        .arg(&options.program)
        .args(["--child", batch.family.name(), &batch.seed])
        .args(numbers)
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .context("the child does not start")
}
