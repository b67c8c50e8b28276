//! Dates and times as the standard writes them.

use chrono::{Datelike, Local, Timelike};

/// A local date and time, taken once so that every attribute of an object agrees.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Moment {
    /// `YYYYMMDD` (DA).
    pub date: String,
    /// `HHMMSS.FFFFFF` (TM).
    pub time: String,
    /// Local time less UTC, as `+HHMM` or `-HHMM` (Timezone Offset From UTC).
    pub offset: String,
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
            offset: now.format("%z").to_string(),
        }
    }

    /// Date and time in one value (DT).
    pub fn date_time(&self) -> String {
        format!("{}{}", self.date, self.time)
    }

    /// Date, time and offset as RFC 3339 writes them: `2024-05-01T10:15:00.250000+05:30`.
    pub fn rfc3339(&self) -> String {
        fn part(text: &str, range: impl std::slice::SliceIndex<str, Output = str>) -> &str {
            text.get(range).unwrap_or_default()
        }
        let (date, time, offset) = (&self.date, &self.time, &self.offset);
        let (year, month, day) = (part(date, ..4), part(date, 4..6), part(date, 6..));
        let (hour, minute, second) = (part(time, ..2), part(time, 2..4), part(time, 4..));
        let (east, minutes) = (part(offset, ..3), part(offset, 3..));
        format!("{year}-{month}-{day}T{hour}:{minute}:{second}{east}:{minutes}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_moment_reads_as_rfc_3339() {
        let moment =
            Moment { date: "20240501".to_owned(), time: "101500.250000".to_owned(), offset: "+0530".to_owned() };
        assert_eq!(moment.rfc3339(), "2024-05-01T10:15:00.250000+05:30");
        assert!(chrono::DateTime::parse_from_rfc3339(&Moment::now().rfc3339()).is_ok());
    }
}
