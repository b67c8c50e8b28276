//! Judges a hostile path in a process of its own: time, peak memory, and that there is an answer at all.
#![allow(dead_code, reason = "each test file uses its share")]

use std::fmt;
use std::path::Path;
use std::process::Command;
use std::time::Instant;

use crate::common::Bytes;
use netra_core::{Error, ErrorKind, Result};
use netra_dicom::{Collection, ImageOptions, Limits, Scan, open};

/// Peak of resident memory that no hostile file may exceed, kB; four times the file comes on top.
const MEMORY: u64 = 256 << 10;
const KINDS: [ErrorKind; 5] =
    [ErrorKind::Io, ErrorKind::Malformed, ErrorKind::Unsupported, ErrorKind::Limit, ErrorKind::InvalidInput];

/// Why a path was refused.
#[derive(Debug)]
pub struct Refusal {
    pub kind: ErrorKind,
    message: String,
}

impl Refusal {
    pub fn kind(&self) -> ErrorKind {
        self.kind
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

/// Opens the bytes and does all that can be done with them. The first error; there must be one.
pub fn refusal(name: &str, bytes: &[u8]) -> Refusal {
    judged(name, bytes).unwrap_or_else(|| panic!("{name} was read"))
}

/// As [`refusal`]; `None` for a file that was read.
pub fn judged(name: &str, bytes: &[u8]) -> Option<Refusal> {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join(name);
    std::fs::write(&path, bytes).expect("written");
    judged_at(&path)
}

/// The same for what lies at a path. The best of three tries counts: the machine may have other work.
pub fn judged_at(path: &Path) -> Option<Refusal> {
    let allowed = MEMORY + 4 * std::fs::metadata(path).map_or(0, |meta| meta.len() / 1024);
    let mut offence = String::new();
    for _ in 0..3 {
        let (millis, peak, refusal) = judge(path);
        if millis <= netra_testkit::patience().as_millis() && peak <= allowed {
            return refusal;
        }
        offence = format!("{} took {millis} ms and {} MB", path.display(), peak >> 10);
    }
    panic!("{offence}");
}

/// Milliseconds, peak of memory in kB, and the refusal.
fn judge(path: &Path) -> (u128, u64, Option<Refusal>) {
    let said = start(path, "1");
    let verdict = said.lines().find_map(|line| line.split_once("verdict\t")).expect("a verdict").1;
    let [millis, peak, kind, message] = verdict.splitn(4, '\t').collect::<Vec<_>>()[..] else { panic!("{verdict}") };
    let kind = KINDS.into_iter().find(|known| format!("{known:?}") == kind);
    let refusal = kind.map(|kind| Refusal { kind, message: message.to_owned() });
    (millis.parse().expect("a number"), peak.parse().expect("a number"), refusal)
}

/// Reads a path, so many times, in a process of its own. What that says.
fn start(path: &Path, times: &str) -> String {
    let output = Command::new(std::env::current_exe().expect("this test"))
        .args(["--exact", "child", "--nocapture"])
        .env("NETRA_HOSTILE", path)
        .env("NETRA_HOSTILE_TIMES", times)
        .output()
        .expect("starts");
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    let failed = || format!("{}: {}\n{said}{}", path.display(), output.status, String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{}", failed());
    said
}

/// How much memory stays, kB, where a file is refused a thousand times: what the last nine hundred add.
pub fn growth(name: &str, bytes: &[u8]) -> u64 {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join(name);
    std::fs::write(&path, bytes).expect("written");
    let said = start(&path, "1000");
    let grown = said.lines().find_map(|line| line.split_once("grown\t")).expect("a number").1;
    grown.parse().expect("a number")
}

/// A line of `/proc/self/status`, kB.
fn memory(line: &str) -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let value = status.lines().find_map(|known| known.strip_prefix(line)).unwrap_or_default();
    value.split_whitespace().next().and_then(|number| number.parse().ok()).unwrap_or(0)
}

/// Processor time of this process: user and system, in ticks of 10 ms (proc(5)).
fn processor_millis() -> u128 {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap_or_default();
    // The name before them is in parentheses.
    let fields = stat.rsplit(')').next().unwrap_or_default().split_whitespace();
    fields.skip(11).take(2).filter_map(|ticks| ticks.parse::<u128>().ok()).sum::<u128>() * 10
}

/// The body of the test `child`, which every file with hostile tests has: it judges when it is started to, and is nothing else.
#[allow(clippy::print_stdout, reason = "what the parent reads")]
pub fn child() {
    let Some(path) = std::env::var_os("NETRA_HOSTILE") else { return };
    if std::env::var("NETRA_HOSTILE_TIMES").is_ok_and(|times| times != "1") {
        let after = |times| (0..times).for_each(|_| drop(all(Path::new(&path)).expect_err("refused")));
        after(100);
        let before = memory("VmRSS:");
        after(900);
        return println!("\ngrown\t{}", memory("VmRSS:").saturating_sub(before));
    }
    let (start, busy) = (Instant::now(), processor_millis());
    let result = all(Path::new(&path));
    // Where the machine has other work, the clock counts that too.
    let millis = start.elapsed().as_millis().min(processor_millis() - busy);
    let peak = memory("VmHWM:");
    let (kind, message) = match &result {
        Ok(()) => ("read".to_owned(), String::new()),
        Err(e) => (format!("{:?}", e.kind()), e.to_string()),
    };
    println!("\nverdict\t{millis}\t{peak}\t{kind}\t{message}");
}

/// All there is to do with a path; the first error.
fn all(path: &Path) -> Result<()> {
    let limits = Limits::default();
    let Collection { scans, mut refused, .. } = open(path, &limits)?;
    for scan in &scans {
        let _ = (scan.summary(), scan.warnings(), scan.id());
        if scan.is_volume() {
            scan.volume(&limits)?;
        }
        if !matches!(scan, Scan::Nifti(_)) {
            scan.images(&ImageOptions::default(), &limits)?;
        }
    }
    refused.pop().map_or(Ok(()), |(_, error): (_, Error)| Err(error))
}

/// The start of an image of 16 bits, up to its pixel data.
pub fn image(rows: u16, columns: u16, frames: &str) -> Bytes {
    Bytes::default()
        .text(0x08, 0x60, "CS", "OT")
        .short(0x28, 0x02, 1)
        .text(0x28, 0x04, "CS", "MONOCHROME2")
        .text(0x28, 0x08, "IS", frames)
        .short(0x28, 0x10, rows)
        .short(0x28, 0x11, columns)
        .short(0x28, 0x100, 16)
        .short(0x28, 0x101, 16)
        .short(0x28, 0x102, 15)
        .short(0x28, 0x103, 0)
}

/// The file of an image whose start is given, one fragment a frame.
pub fn frames(start: Bytes, syntax: &str, frames: &[Vec<u8>]) -> Vec<u8> {
    let open = start.head(0x7FE0, 0x10, "OB", u32::MAX).item(0xE000, 0);
    let filled = frames.iter().fold(open, |file, frame| {
        let size = frame.len().next_multiple_of(2);
        file.item(0xE000, size as u32).raw(frame).raw(&vec![0; size - frame.len()])
    });
    filled.item(0xE0DD, 0).file(syntax)
}

/// The start of an image of 8 bits.
pub fn image8(rows: u16, columns: u16, frames: &str, samples: u16, photometric: &str) -> Bytes {
    Bytes::default()
        .text(0x08, 0x60, "CS", "OT")
        .short(0x28, 0x02, samples)
        .text(0x28, 0x04, "CS", photometric)
        .text(0x28, 0x08, "IS", frames)
        .short(0x28, 0x10, rows)
        .short(0x28, 0x11, columns)
        .short(0x28, 0x100, 8)
        .short(0x28, 0x101, 8)
        .short(0x28, 0x102, 7)
        .short(0x28, 0x103, 0)
}
