//! How long a large result takes to write and to read, and what memory it costs. Slow, and about time: run by hand.
#![allow(clippy::print_stderr, clippy::unwrap_used)] // helpers of tests may panic and print

mod common;

use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use common::peers::python;
use common::{Case, set};
use ndarray::Array3;
use netra_export::exporter;

/// Peak resident memory since the last [`reset`], in bytes, as Linux counts it.
fn peak() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find(|line| line.starts_with("VmHWM")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse::<u64>().unwrap() * 1024
}

fn reset() -> u64 {
    std::fs::write("/proc/self/clear_refs", "5").unwrap();
    peak()
}

/// Every voxel of an ellipsoid belongs to the nearest of `segments` points in it: lumps that touch each other, like organs.
fn lumps(side: usize, segments: u16) -> Array3<u16> {
    let mut state = 1u32;
    let mut random = || {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (state >> 8) as f32 / (1 << 24) as f32 * side as f32
    };
    let centres: Vec<[f32; 3]> = (0..segments).map(|_| [random(), random(), random()]).collect();
    let half = side as f32 / 2.0;
    Array3::from_shape_fn((side, side, side), |(s, r, c)| {
        let at = [s as f32, r as f32, c as f32];
        let inside = (0..3).map(|i| ((at[i] - half) / half / [0.95, 0.7, 0.9][i]).powi(2)).sum::<f32>() < 1.0;
        let distance = |centre: &[f32; 3]| (0..3).map(|i| (at[i] - centre[i]).powi(2)).sum::<f32>();
        let nearest = (1u16..).zip(&centres).min_by(|a, b| distance(a.1).total_cmp(&distance(b.1)));
        if inside { nearest.unwrap().0 } else { 0 }
    })
}

#[test]
#[ignore = "asserts on wall time: cargo test --release -p netra-export --test size -- --ignored --nocapture"]
fn a_hundred_segments_are_written_and_opened_in_seconds() {
    let folder = tempfile::tempdir().unwrap();
    let scan = folder.path().join("scan");
    std::fs::create_dir(&scan).unwrap();
    common::write_series(&scan, [256; 3]);
    let case = Case::open("large", &scan);
    for segments in [98u16, 104] {
        let numbers: Vec<u16> = (1..=segments).collect();
        let mut findings = common::findings(lumps(256, segments), &numbers);
        case.measure(&mut findings);
        for name in ["seg", "seg-native", "seg-binary", "sr", "ko", "pr"] {
            let out = folder.path().join(format!("{segments}-{name}.dcm"));
            let (before, start) = (reset(), Instant::now());
            exporter(name).unwrap().write(&findings, &case.source(), &set(), &out).unwrap();
            let (taken, extra) = (start.elapsed(), peak().saturating_sub(before));
            let size = out.metadata().unwrap().len();
            eprintln!("{segments} segments as {name}: {taken:.2?}, {} MB extra, {} MB", extra >> 20, size >> 20);
            assert!(taken < Duration::from_secs(2), "{name} took {taken:?}");
            assert!(extra < 3_000_000 * u64::from(segments), "{name} took {extra} bytes");
            if name == "seg" || name == "seg-native" {
                open_with_highdicom(&out);
            }
        }
    }
}

/// highdicom opens a label map, and gives all of it, within 10 seconds.
fn open_with_highdicom(file: &Path) {
    let Some(python) = python() else { return };
    let script =
        "import sys, time, highdicom as hd; t = time.time(); seg = hd.seg.segread(sys.argv[1]); o = time.time() - t
v = seg.get_volume(combine_segments=True, skip_overlap_checks=True); print(f'{o:.1f} {time.time() - t:.1f}', v.shape)";
    let output = Command::new(python).args(["-c", script]).arg(file).output().unwrap();
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    eprintln!("    highdicom opens it, and reads all of it, in (s): {}", text.trim());
    let opened: f64 = text.split_whitespace().next().unwrap().parse().unwrap();
    assert!(opened < 10.0, "highdicom took {opened} s");
}
