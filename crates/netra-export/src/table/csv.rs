//! CSV (RFC 4180) in UTF-8, for spreadsheets.

use std::io::Write;
use std::path::Path;

use netra_core::{Error, Findings, Result};

use super::{Cell, Row, rows};
use crate::{Exporter, ResultSet, Source, atomic};

/// The table of one result.
#[derive(Clone, Copy, Debug)]
pub struct Csv;

impl Exporter for Csv {
    fn name(&self) -> &'static str {
        "csv"
    }

    fn file_name(&self, stem: &str) -> String {
        format!("{stem}.csv")
    }

    fn write(&self, findings: &Findings, source: &Source<'_>, _: &ResultSet, out: &Path) -> Result<()> {
        write(&rows(findings, source).map_err(|e| e.at(out.display()))?, out)
    }
}

/// Writes `rows` under one header: lines end with CR LF, numbers have a point, and cells that a spreadsheet would take for a
/// formula begin with an apostrophe.
pub(super) fn write(rows: &[Row], out: &Path) -> Result<()> {
    let mut table = Row::default().cells().map(|(name, _)| name).join(",") + "\r\n";
    for row in rows {
        table += &row.cells().map(|(_, cell)| written(cell)).join(",");
        table += "\r\n";
    }
    atomic::write(out, |file| file.write_all(table.as_bytes()).map_err(|e| Error::io(out, e)))
}

fn written(cell: Cell<'_>) -> String {
    match cell {
        Cell::Text(value) => text(value),
        Cell::Whole(value) => value.map(|value| value.to_string()).unwrap_or_default(),
        Cell::Real(value) => value.map(|value| value.to_string()).unwrap_or_default(),
        Cell::Truth(value) => value.map(|value| value.to_string()).unwrap_or_default(),
    }
}

/// A text as a cell. One that begins like a formula gets an apostrophe in front, which spreadsheets do not show; one with a
/// separator, a quotation mark or a line end is quoted.
fn text(text: &str) -> String {
    let formula = text.starts_with(['=', '+', '-', '@', '\t', '\r', '\n']);
    let safe = if formula { format!("'{text}") } else { text.to_owned() };
    if safe.contains([',', '"', '\r', '\n']) { format!("\"{}\"", safe.replace('"', "\"\"")) } else { safe }
}

#[cfg(test)]
mod tests {
    use super::text;

    #[test]
    fn no_cell_is_a_formula_or_breaks_its_line() {
        for (plain, cell) in [
            ("Lung", "Lung"),
            ("Lung, left", "\"Lung, left\""),
            ("so-called \"mass\"", "\"so-called \"\"mass\"\"\""),
            ("=HYPERLINK(\"x\",\"y\")", "\"'=HYPERLINK(\"\"x\"\",\"\"y\"\")\""),
            ("+1", "'+1"),
            ("-1", "'-1"),
            ("@SUM(A1)", "'@SUM(A1)"),
            ("\t=1", "'\t=1"),
            ("two\nlines", "\"two\nlines\""),
        ] {
            assert_eq!(text(plain), cell);
        }
    }
}
