//! Dates and times as the standard writes them.

use chrono::{Datelike, Local, Timelike};

/// A local date and time, taken once so that every attribute of an object agrees.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Moment {
    /// `YYYYMMDD` (DA).
    pub date: String,
    /// `HHMMSS.FFFFFF` (TM).
    pub time: String,
}

impl Moment {
    /// Now, in the machine's time zone, as other equipment of a department writes it.
    pub fn now() -> Self {
        let now = Local::now();
        Self {
            date: format!("{:04}{:02}{:02}", now.year(), now.month(), now.day()),
            // A leap second has a nanosecond field above 999,999,999.
            time: format!(
                "{:02}{:02}{:02}.{:06}",
                now.hour(),
                now.minute(),
                now.second(),
                (now.nanosecond() / 1000).min(999_999)
            ),
        }
    }

    /// Date and time in one value (DT).
    pub fn date_time(&self) -> String {
        format!("{}{}", self.date, self.time)
    }
}
