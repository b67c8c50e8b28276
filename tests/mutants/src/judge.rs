//! The child: reads one mutant after another, and tells what came of it, how long it took and how much memory.

use std::io::Write;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use netra_dicom::{ImageOptions, Limits, Scan, open};

use crate::{Family, mutant, seeds};

/// Panics so far, those that were caught inside the library included.
static PANICS: AtomicUsize = AtomicUsize::new(0);
static LAST: Mutex<String> = Mutex::new(String::new());

/// What came of one mutant.
#[derive(Clone, Debug)]
pub struct Verdict {
    pub number: u64,
    /// `read`, a kind of error, `panic` or `size`.
    pub outcome: String,
    pub time: Duration,
    /// Peak of resident memory, kB.
    pub peak: u64,
    /// Bytes of the mutant, and of the pixels it gave as `f32`, kB.
    pub file: u64,
    pub pixels: u64,
    /// Panics of other people's decoders that the library caught.
    pub caught: u64,
    /// Of a panic or a wrong size.
    pub message: String,
}

impl Verdict {
    fn line(&self) -> String {
        let Self { number, outcome, time, peak, file, pixels, caught, message } = self;
        let message = message.replace(['\n', '\t'], " ");
        format!("{number}\t{outcome}\t{}\t{peak}\t{file}\t{pixels}\t{caught}\t{message}", time.as_micros())
    }

    pub fn parse(line: &str) -> Option<Self> {
        let fields: Vec<&str> = line.splitn(8, '\t').collect();
        let &[number, outcome, time, peak, file, pixels, caught, message] = fields.as_slice() else { return None };
        Some(Self {
            number: number.parse().ok()?,
            outcome: outcome.to_owned(),
            time: Duration::from_micros(time.parse().ok()?),
            peak: peak.parse().ok()?,
            file: file.parse().ok()?,
            pixels: pixels.parse().ok()?,
            caught: caught.parse().ok()?,
            message: message.to_owned(),
        })
    }
}

/// Judges the mutants `numbers` of a seed, a line on standard output for each.
pub fn child(family: Family, name: &str, numbers: std::ops::Range<u64>, chance: u64) -> Result<()> {
    std::panic::set_hook(Box::new(|info| {
        PANICS.fetch_add(1, Ordering::Relaxed);
        if let Ok(mut last) = LAST.lock() {
            *last = info.to_string();
        }
    }));
    let seed = seeds::all()?.into_iter().find(|seed| seed.name == name).context("no such seed")?;
    let bytes = seed.load()?;
    drop(seed);
    let folder = tempfile::tempdir()?;
    let mut out = std::io::stdout().lock();
    for number in numbers {
        let changed = mutant(family, name, &bytes, number, chance);
        // A new file each time: some file systems wait for the disk where an old one is overwritten.
        let path = folder.path().join(format!("mutant-{number}"));
        std::fs::write(&path, &changed)?;
        let file = changed.len() as u64 / 1024;
        drop(changed);
        let verdict = judge(number, family, &path, file)?;
        std::fs::remove_file(&path)?;
        writeln!(out, "{}", verdict.line())?;
        out.flush()?;
    }
    Ok(())
}

/// Judges any file, and says so on standard output.
pub fn file(path: &Path) -> Result<()> {
    let size = std::fs::metadata(path)?.len() / 1024;
    let verdict = judge(0, Family::Structure, path, size)?;
    let Verdict { outcome, time, peak, pixels, message, .. } = verdict;
    writeln!(std::io::stdout(), "{outcome}, {time:?}, peak {peak} kB of which pixels {pixels} kB {message}")?;
    Ok(())
}

fn judge(number: u64, family: Family, path: &Path, file: u64) -> Result<Verdict> {
    // Starts the peak anew (proc(5)).
    std::fs::write("/proc/self/clear_refs", "5")?;
    let (start, panics) = (Instant::now(), PANICS.load(Ordering::Relaxed));
    let result = catch_unwind(AssertUnwindSafe(|| if family == Family::Trap { trap(number) } else { all(path) }));
    let time = start.elapsed();
    let mut caught = (PANICS.load(Ordering::Relaxed) - panics) as u64;
    let (outcome, pixels, message) = result.unwrap_or_else(|_| {
        caught = caught.saturating_sub(1);
        ("panic".to_owned(), 0, LAST.lock().map(|last| last.clone()).unwrap_or_default())
    });
    Ok(Verdict { number, outcome, time, peak: peak()?, file, pixels: pixels / 1024, caught, message })
}

/// Peak of resident memory, kB.
fn peak() -> Result<u64> {
    let status = std::fs::read_to_string("/proc/self/status")?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).context("no VmHWM")?;
    line.split_whitespace().next().context("no number")?.parse().context("no number")
}

/// Does all that can be done with a file. Gives the outcome, the bytes of the larger of volumes and images, and what is wrong
/// with their sizes.
fn all(path: &Path) -> (String, u64, String) {
    let limits = Limits::default();
    let collection = match open(path, &limits) {
        Ok(collection) => collection,
        Err(e) => return (format!("{:?}", e.kind()), 0, String::new()),
    };
    let mut failed = collection.refused.first().map(|(_, e)| e.kind());
    let (mut most, mut wrong) = (0u64, String::new());
    for scan in &collection.scans {
        let _ = (scan.summary(), scan.warnings(), scan.id(), scan.acquisition());
        if scan.is_volume() {
            match scan.volume(&limits) {
                Ok(volume) => {
                    most = most.max(4 * volume.voxels().len() as u64);
                    check(scan, volume.voxels().shape(), 1, &mut wrong);
                }
                Err(e) if matches!(scan, Scan::Nifti(_)) => failed = failed.or(Some(e.kind())),
                Err(_) => {}
            }
        }
        if matches!(scan, Scan::Nifti(_)) {
            continue;
        }
        match scan.images(&ImageOptions::default(), &limits) {
            Ok(images) => {
                most = most.max(images.iter().map(|image| 4 * image.pixels().len() as u64).sum());
                images.iter().for_each(|image| check(scan, image.pixels().shape(), images.len(), &mut wrong));
            }
            Err(e) => failed = failed.or(Some(e.kind())),
        }
    }
    let outcome = match failed {
        _ if !wrong.is_empty() => "size".to_owned(),
        Some(kind) => format!("{kind:?}"),
        None if collection.scans.is_empty() => "nothing".to_owned(),
        None => "read".to_owned(),
    };
    (outcome, most, wrong)
}

/// Compares the size of what was decoded with what the header states.
fn check(scan: &Scan, shape: &[usize], count: usize, wrong: &mut String) {
    let Scan::Dicom(series) = scan else { return };
    let formats = || series.instances.iter().filter_map(|instance| instance.pixel_format());
    let frames: usize = formats().map(|format| format.frames).sum();
    let sizes = formats().any(|format| [format.rows, format.columns] == shape[1..]);
    if !sizes || (count > 1 && count != frames) {
        *wrong = format!("{count} images of {shape:?} where the headers state another size");
    }
}

fn trap(number: u64) -> (String, u64, String) {
    match number {
        0 => panic!("a trap"),
        1 => std::process::abort(),
        2 => std::thread::sleep(Duration::from_secs(600)),
        _ => drop(std::hint::black_box(vec![1u8; 384 << 20])),
    }
    ("read".to_owned(), 0, String::new())
}
