//! Wall time a stage.

use std::time::Instant;

use netra_core::StageTiming;

/// Adds up the time that stages take; a stage entered again adds to its entry.
#[derive(Default)]
pub(crate) struct Clock(Vec<StageTiming>);

impl Clock {
    /// Runs `work` and books its time on `stage`.
    pub(crate) fn time<T>(&mut self, stage: &str, work: impl FnOnce() -> T) -> T {
        let start = Instant::now();
        let result = work();
        self.add(stage, start.elapsed().as_secs_f64());
        result
    }

    pub(crate) fn add(&mut self, stage: &str, seconds: f64) {
        match self.0.iter_mut().find(|t| t.stage == stage) {
            Some(timing) => timing.seconds += seconds,
            None => self.0.push(StageTiming { stage: stage.to_owned(), seconds }),
        }
    }

    pub(crate) fn into_timings(self) -> Vec<StageTiming> {
        self.0
    }
}
