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

/// The same for what lies at a path.
pub fn judged_at(path: &Path) -> Option<Refusal> {
    let output = Command::new(std::env::current_exe().expect("this test"))
        .args(["--exact", "child", "--nocapture"])
        .env("NETRA_HOSTILE", path)
        .output()
        .expect("starts");
    let said = String::from_utf8_lossy(&output.stdout);
    let verdict = said.lines().find_map(|line| line.split_once("verdict\t").map(|(_, rest)| rest));
    let Some(verdict) = verdict.filter(|_| output.status.success()) else {
        panic!("{}: {}\n{said}{}", path.display(), output.status, String::from_utf8_lossy(&output.stderr));
    };
    let [millis, peak, kind, message] = verdict.splitn(4, '\t').collect::<Vec<_>>()[..] else { panic!("{verdict}") };
    let (millis, peak): (u128, u64) = (millis.parse().expect("a number"), peak.parse().expect("a number"));
    let allowed = MEMORY + 4 * std::fs::metadata(path).map_or(0, |meta| meta.len() / 1024);
    assert!(millis <= netra_testkit::patience().as_millis(), "{} took {millis} ms", path.display());
    assert!(peak <= allowed, "{} took {} MB", path.display(), peak >> 10);
    let kind = KINDS.into_iter().find(|known| format!("{known:?}") == kind)?;
    Some(Refusal { kind, message: message.to_owned() })
}

/// The body of the test `child`, which every file with hostile tests has: it judges when it is started to, and is nothing else.
pub fn child() {
    let Some(path) = std::env::var_os("NETRA_HOSTILE") else { return };
    let start = Instant::now();
    let result = all(Path::new(&path));
    let millis = start.elapsed().as_millis();
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap_or("0 kB");
    let peak = peak.split_whitespace().next().unwrap_or("0");
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
