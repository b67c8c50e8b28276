//! Where the time of a warm run goes, by step and by kernel.

use std::collections::BTreeMap;

use netra::graph::{Executable, Profile, TensorView};
use netra::package::from_graph;
use serde::Serialize;

use crate::terminal::Terminal;

/// Profiled runs; the fastest is shown, for it was disturbed least.
const TRIES: usize = 3;
/// Steps in the table; JSON has all.
const SHOWN: usize = 20;

/// One step.
#[derive(Serialize)]
pub struct StepRow {
    step: String,
    kernel: String,
    shape: Vec<usize>,
    ms: f64,
    share: f64,
    gflop: Option<f64>,
    gflop_per_s: Option<f64>,
}

/// All steps with one kernel.
#[derive(Serialize)]
pub struct KernelRow {
    kernel: String,
    steps: usize,
    ms: f64,
    share: f64,
    gflop: Option<f64>,
    gflop_per_s: Option<f64>,
}

/// A profiled run.
#[derive(Serialize)]
pub struct Steps {
    /// The whole run, in milliseconds.
    whole_ms: f64,
    /// Convolutions and products together.
    gflop: f64,
    /// By kernel, largest share first.
    kernels: Vec<KernelRow>,
    /// In the order in which they ran.
    steps: Vec<StepRow>,
}

/// Profiles a warm executable. `None` where the backend does not time its steps.
pub fn profile(executable: &dyn Executable, inputs: &[TensorView<'_>]) -> netra::Result<Option<Steps>> {
    let mut best: Option<Profile> = None;
    for _ in 0..TRIES {
        let next = match executable.profile(inputs) {
            Err(error) if error.kind() == netra::graph::ErrorKind::Unsupported => return Ok(None),
            other => other.map_err(from_graph)?,
        };
        if best.as_ref().is_none_or(|b| next.nanoseconds < b.nanoseconds) {
            best = Some(next);
        }
    }
    Ok(best.map(summary))
}

fn summary(profile: Profile) -> Steps {
    let whole_ms = profile.nanoseconds as f64 / 1e6;
    let share = |ms: f64| if whole_ms > 0.0 { ms / whole_ms } else { 0.0 };
    let steps: Vec<StepRow> = profile
        .steps
        .into_iter()
        .map(|step| {
            let ms = step.nanoseconds as f64 / 1e6;
            let gflop = step.flops.map(|n| n as f64 / 1e9);
            StepRow {
                step: step.step,
                kernel: step.kernel,
                shape: step.shape,
                ms,
                share: share(ms),
                gflop,
                gflop_per_s: rate(gflop, ms),
            }
        })
        .collect();
    let mut groups: BTreeMap<&str, (usize, f64, Option<f64>)> = BTreeMap::new();
    for step in &steps {
        let (count, ms, gflop) = groups.entry(&step.kernel).or_default();
        *count += 1;
        *ms += step.ms;
        *gflop = step.gflop.map(|g| g + gflop.unwrap_or(0.0)).or(*gflop);
    }
    let row = |(kernel, (steps, ms, gflop)): (&str, (usize, f64, Option<f64>))| KernelRow {
        kernel: kernel.to_owned(),
        steps,
        ms,
        share: share(ms),
        gflop,
        gflop_per_s: rate(gflop, ms),
    };
    let mut kernels: Vec<KernelRow> = groups.into_iter().map(row).collect();
    kernels.sort_by(|a, b| b.ms.total_cmp(&a.ms));
    Steps { whole_ms, gflop: steps.iter().filter_map(|s| s.gflop).sum(), kernels, steps }
}

/// GFLOP/s, where there is arithmetic to count.
fn rate(gflop: Option<f64>, ms: f64) -> Option<f64> {
    gflop.filter(|_| ms > 0.0).map(|g| g / ms * 1e3)
}

impl Steps {
    /// The tables: every kernel, and the slowest steps.
    pub fn print(&self, terminal: &Terminal) {
        let speed = |rate: Option<f64>| rate.map_or_else(|| "-".to_owned(), |r| format!("{r:.0}"));
        terminal.line(&format!(
            "\n{:<26} {:>5} {:>10} {:>7} {:>9} {:>8}",
            "kernel", "steps", "ms", "share", "GFLOP", "GFLOP/s"
        ));
        for k in &self.kernels {
            let gflop = k.gflop.map_or_else(|| "-".to_owned(), |g| format!("{g:.2}"));
            let share = k.share * 100.0;
            terminal.line(&format!(
                "{:<26} {:>5} {:>10.3} {share:>6.1}% {gflop:>9} {:>8}",
                k.kernel,
                k.steps,
                k.ms,
                speed(k.gflop_per_s)
            ));
        }
        let counted: f64 = self.kernels.iter().map(|k| k.ms).sum();
        terminal.line(&format!("outside the steps: {:.3} ms of {:.3} ms", self.whole_ms - counted, self.whole_ms));

        let mut slowest: Vec<&StepRow> = self.steps.iter().collect();
        slowest.sort_by(|a, b| b.ms.total_cmp(&a.ms));
        terminal
            .line(&format!("\n{:>10} {:>7} {:>8}  {:<24} {:<24} step", "ms", "share", "GFLOP/s", "kernel", "output"));
        for s in slowest.iter().take(SHOWN) {
            let shape = s.shape.iter().map(usize::to_string).collect::<Vec<_>>().join("x");
            let (share, speed) = (s.share * 100.0, speed(s.gflop_per_s));
            terminal.line(&format!("{:>10.3} {share:>6.1}% {speed:>8}  {:<24} {shape:<24} {}", s.ms, s.kernel, s.step));
        }
        if slowest.len() > SHOWN {
            terminal.line(&format!("and {} faster steps (--json has all)", slowest.len() - SHOWN));
        }
    }
}
