//! Output: text or JSON on standard output, progress and notes on standard error.

use std::io::{IsTerminal, Write};
use std::time::Duration;

use indicatif::{ProgressBar, ProgressStyle};
use serde::Serialize;

/// How to talk to whoever started the program.
pub struct Terminal {
    json: bool,
    quiet: bool,
    bars: bool,
}

impl Terminal {
    /// Bars are drawn on a terminal only.
    pub fn new(json: bool, quiet: bool) -> Self {
        Self { json, quiet, bars: !quiet && std::io::stderr().is_terminal() }
    }

    /// A line of the answer; not with `--json`.
    pub fn line(&self, text: &str) {
        if !self.json && !self.quiet {
            say(text);
        }
    }

    /// The answer as JSON; only with `--json`.
    pub fn document(&self, value: &impl Serialize) -> anyhow::Result<()> {
        if self.json {
            say(&serde_json::to_string_pretty(value)?);
        }
        Ok(())
    }

    /// A remark beside the answer.
    pub fn note(&self, text: &str) {
        if !self.quiet {
            eprintln!("{text}");
        }
    }

    /// Why something failed.
    pub fn error(&self, text: &str) {
        eprintln!("error: {text}");
    }

    /// A bar for one scan: drawn on a terminal, silent elsewhere (each scan's end is a plain line anyway).
    pub fn bar(&self, label: &str) -> ProgressBar {
        if !self.bars {
            return ProgressBar::hidden();
        }
        let style = ProgressStyle::with_template("{spinner} {msg} [{bar:30}] {pos}/{len} {elapsed}")
            .unwrap_or_else(|_| ProgressStyle::default_bar());
        let bar = ProgressBar::new(0).with_style(style).with_message(label.to_owned());
        bar.enable_steady_tick(Duration::from_millis(120));
        bar
    }
}

/// Writes a line to standard output. A reader that has gone away (`| head`) is no reason to stop: results are files.
fn say(text: &str) {
    let _ = writeln!(std::io::stdout(), "{text}");
}

/// Bytes in the unit that people read.
pub fn bytes(n: u64) -> String {
    let mut value = n as f64;
    let mut unit = "B";
    for larger in ["KiB", "MiB", "GiB", "TiB"] {
        if value < 1024.0 {
            break;
        }
        value /= 1024.0;
        unit = larger;
    }
    if unit == "B" { format!("{n} B") } else { format!("{value:.1} {unit}") }
}
