//! Apache Parquet, for statistics: the columns have types, what is unknown is null, and no text needs to be quoted.

use std::io::{self, Write};
use std::path::Path;
use std::sync::Arc;

use netra_core::{Error, Result};
use parquet::data_type::{BoolType, ByteArray, ByteArrayType, DataType, DoubleType, Int64Type};
use parquet::errors::Result as Written;
use parquet::file::properties::WriterProperties;
use parquet::file::writer::{SerializedColumnWriter, SerializedFileWriter};
use parquet::schema::parser::parse_message_type;
use parquet::schema::types::Type;

use super::{Cell, Row};
use crate::atomic;

/// Writes `rows` as one row group, uncompressed; a text that repeats is stored once.
pub(super) fn write(rows: &[Row], out: &Path) -> Result<()> {
    atomic::write(out, |file| put(rows, file).map_err(|e| Error::io(out, io::Error::other(e))))
}

fn put(rows: &[Row], out: impl Write + Send) -> Written<()> {
    let mut file = SerializedFileWriter::new(out, Arc::new(schema()?), Arc::new(WriterProperties::default()))?;
    let rows: Vec<_> = rows.iter().map(Row::cells).collect();
    let mut group = file.next_row_group()?;
    for (index, (_, kind)) in Row::default().cells().into_iter().enumerate() {
        let Some(mut column) = group.next_column()? else { break };
        let cells = rows.iter().map(|row| &row[index].1);
        match kind {
            Cell::Text(_) => fill::<ByteArrayType>(&mut column, cells, |cell| match cell {
                Cell::Text(text) if !text.is_empty() => Some(ByteArray::from(*text)),
                _ => None,
            }),
            Cell::Whole(_) => fill::<Int64Type>(&mut column, cells, |cell| match cell {
                Cell::Whole(value) => *value,
                _ => None,
            }),
            Cell::Real(_) => fill::<DoubleType>(&mut column, cells, |cell| match cell {
                Cell::Real(value) => *value,
                _ => None,
            }),
            Cell::Truth(_) => fill::<BoolType>(&mut column, cells, |cell| match cell {
                Cell::Truth(value) => *value,
                _ => None,
            }),
        }?;
        column.close()?;
    }
    group.close()?;
    file.close()?;
    Ok(())
}

/// Fills a column with the values of its cells, null where there is none.
fn fill<'c, T: DataType>(
    column: &mut SerializedColumnWriter<'_>,
    cells: impl Iterator<Item = &'c Cell<'c>>,
    value: impl Fn(&Cell<'_>) -> Option<T::T>,
) -> Written<usize> {
    let values: Vec<Option<T::T>> = cells.map(value).collect();
    let levels: Vec<i16> = values.iter().map(|value| i16::from(value.is_some())).collect();
    let known: Vec<T::T> = values.into_iter().flatten().collect();
    column.typed::<T>().write_batch(&known, Some(&levels), None)
}

/// The columns: the cells of any row tell their names and types.
fn schema() -> Written<Type> {
    let columns = Row::default().cells().map(|(name, cell)| match cell {
        Cell::Text(_) => format!("optional binary {name} (STRING);"),
        Cell::Whole(_) => format!("optional int64 {name};"),
        Cell::Real(_) => format!("optional double {name};"),
        Cell::Truth(_) => format!("optional boolean {name};"),
    });
    parse_message_type(&format!("message findings {{ {} }}", columns.join(" ")))
}
