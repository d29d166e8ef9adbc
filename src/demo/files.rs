//! The sample as text: CSV and NDJSON, with a few rows in them that cannot be loaded.
//!
//! The spoiled rows are there to be refused: each is a copy of the row before which it stands, with one
//! value that is none of its column's type. Batches do not have them. Parquet is the caller's business.

use std::io::Write;
use std::ops::Range;

use crate::demo::Company;
use crate::demo::cell::Row;
use crate::demo::table::Table;
use crate::error::{Error, Result};

/// Which column of a spoiled row is what it may not be.
type Spoil = (usize, &'static str);

impl Company {
    /// Writes rows as CSV; the header goes before row 0, so that parts in order make one file.
    ///
    /// Null is an empty field and empty text is `""`, as in PostgreSQL.
    ///
    /// # Errors
    /// Whatever `out` fails with.
    pub fn write_csv(&self, table: &Table, rows: Range<u64>, out: &mut dyn Write) -> Result<()> {
        let first = rows.start == 0 && !rows.is_empty();
        let header = || (table.columns)().iter().map(|(name, _)| *name).collect::<Vec<_>>();
        let header = if first { header().join(",") + "\n" } else { String::new() };
        out.write_all(header.as_bytes()).map_err(failed)?;
        self.each_line(table, rows, out, &|row, spoiled| {
            let texts = row.iter().enumerate().map(|(at, cell)| match spoiled {
                Some((column, text)) if column == at => csv_field(Some(text.to_owned())),
                _ => csv_field(cell.text()),
            });
            texts.collect::<Vec<_>>().join(",")
        })
    }

    /// Writes rows as NDJSON: an object a line, without its null members.
    ///
    /// # Errors
    /// Whatever `out` fails with.
    pub fn write_ndjson(&self, table: &Table, rows: Range<u64>, out: &mut dyn Write) -> Result<()> {
        let columns = (table.columns)();
        self.each_line(table, rows, out, &|row, spoiled| {
            let values = row.iter().enumerate().map(|(at, cell)| match spoiled {
                Some((column, text)) if column == at => text.into(),
                _ => cell.json(),
            });
            let members = columns.iter().zip(values).filter(|(_, value)| !value.is_null());
            let object = members.map(|((name, _), value)| ((*name).to_owned(), value)).collect();
            serde_json::Value::Object(object).to_string()
        })
    }

    /// The number of rows in a table's file that are there to be refused.
    pub fn spoiled_count(&self, table: &Table) -> u64 {
        let count = self.row_count(table);
        (0..table.spoiled.len()).filter(|&at| spoiled_row(table, at, count) < count).count() as u64
    }

    fn each_line(
        &self,
        table: &Table,
        rows: Range<u64>,
        out: &mut dyn Write,
        line: &dyn Fn(&Row, Option<Spoil>) -> String,
    ) -> Result<()> {
        let count = self.row_count(table);
        let columns = (table.columns)();
        for (at, row) in rows.clone().zip(table.rows(*self, rows)) {
            for (spoil, (name, text)) in table.spoiled.iter().enumerate() {
                if spoiled_row(table, spoil, count) == at {
                    let place = columns.iter().position(|(column, _)| column == name);
                    let place = place.expect("a spoiled column is one of the table's");
                    writeln!(out, "{}", line(&row, Some((place, text)))).map_err(failed)?;
                }
            }
            writeln!(out, "{}", line(&row, None)).map_err(failed)?;
        }
        Ok(())
    }
}

/// The row before which a spoiled one stands: they divide the file evenly.
fn spoiled_row(table: &Table, spoil: usize, count: u64) -> u64 {
    let parts = table.spoiled.len() as u64 + 1;
    (u128::from(count) * (spoil as u128 + 1) / u128::from(parts)) as u64
}

fn csv_field(text: Option<String>) -> String {
    match text {
        None => String::new(),
        Some(text) if text.is_empty() || text.contains([',', '"', '\n', '\r']) => {
            format!("\"{}\"", text.replace('"', "\"\""))
        }
        Some(text) => text,
    }
}

fn failed(error: std::io::Error) -> Error {
    Error::io("write the sample", &error)
}
