//! Progress of a batch in one line, whatever number of devices works on it.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

use indicatif::ProgressBar;
use netra::pipeline::Stage;

use crate::terminal::Terminal;

/// What is being done, and how much of it.
struct Part {
    text: String,
    done: usize,
    total: usize,
}

/// The line: what each device is at, and the sum of their parts as a bar.
pub struct Line {
    bar: ProgressBar,
    /// By the case's place in the batch.
    running: Mutex<BTreeMap<usize, Part>>,
}

impl Line {
    /// Drawn on a terminal, silent elsewhere.
    pub fn new(terminal: &Terminal) -> Self {
        Self { bar: terminal.bar(""), running: Mutex::default() }
    }

    /// A stage of a case went on.
    pub fn tell(&self, place: usize, name: &str, stage: Stage, done: usize, total: usize) {
        self.change(|running| {
            running.insert(place, Part { text: format!("{name} {}", stage.name()), done, total });
        });
    }

    /// A case ended.
    pub fn end(&self, place: usize) {
        self.change(|running| drop(running.remove(&place)));
    }

    /// Prints something without the line in its way.
    pub fn beside(&self, print: impl FnOnce()) {
        self.bar.suspend(print);
    }

    fn change(&self, change: impl FnOnce(&mut BTreeMap<usize, Part>)) {
        let mut running = self.running.lock().unwrap_or_else(PoisonError::into_inner);
        change(&mut running);
        let texts: Vec<&str> = running.values().map(|part| part.text.as_str()).collect();
        self.bar.set_message(texts.join(", "));
        self.bar.set_length(running.values().map(|part| part.total as u64).sum());
        self.bar.set_position(running.values().map(|part| part.done as u64).sum());
    }
}

impl Drop for Line {
    fn drop(&mut self) {
        self.bar.finish_and_clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_line_tells_of_every_device() {
        let line = Line { bar: ProgressBar::hidden(), running: Mutex::default() };
        line.tell(0, "a", Stage::Network, 3, 8);
        line.tell(2, "c", Stage::Preprocess, 1, 1);
        assert_eq!(line.bar.message(), "a network, c preprocess");
        assert_eq!((line.bar.position(), line.bar.length()), (4, Some(9)));
        line.end(0);
        assert_eq!((line.bar.message().as_str(), line.bar.position(), line.bar.length()), ("c preprocess", 1, Some(1)));
    }
}
