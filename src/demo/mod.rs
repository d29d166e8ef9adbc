//! The sample company: an outdoor shop with too many systems, made up row by row.
//!
//! Six datasets describe the same people and disagree, as real ones do: people share telephones and
//! browsers, change their e-mail address and their name, move house; sources write `N/A` where they
//! know nothing, come late, send twice and forget the time. One [`Table`] a dataset ([`ALL`]), each in
//! its own file, built from `person` (the truth), `mess` (how sources write it) and `calendar`;
//! a few first rows of each tell the `story` of one woman whom the tour looks up by name.
//!
//! Every value is a function of the seed, the dataset and the row's number, so the same company comes
//! out in any batches on any number of threads. Nothing here opens a file or reads a clock: `server`
//! writes the files, and loads them as any user would.

mod calendar;
mod cell;
mod crm;
mod cultures;
mod files;
mod loyalty;
mod mess;
mod person;
mod purchases;
mod random;
mod shop;
mod story;
mod table;
mod third_party;
mod web_events;
mod web_profile;

#[cfg(test)]
mod tests;

use std::ops::Range;

use arrow::array::RecordBatch;

pub use crate::demo::calendar::REFERENCE_DAY;
pub use crate::demo::table::{FileFormat, Table};

/// The definitions of the sample: namespaces, datasets, a merge policy.
pub const DDL: &str = include_str!("../../sql/demo/schema.sql");

/// A guided tour of the sample in commented queries.
pub const TOUR: &str = include_str!("../../sql/demo/tour.sql");

/// How many people unless told otherwise: some 100,000 rows, loaded in seconds.
pub const PEOPLE_DEFAULT: u64 = 10_000;

/// The seed unless told otherwise.
pub const SEED_DEFAULT: u64 = 1;

/// The most people: customer and card numbers have eight digits of their own.
pub const PEOPLE_MAX: u64 = 100_000_000;

/// The tables, in the order in which a tour would show them.
pub static ALL: &[&Table] = &[
    &crm::TABLE,
    &loyalty::TABLE,
    &web_profile::TABLE,
    &third_party::TABLE,
    &web_events::TABLE,
    &purchases::TABLE,
];

/// A company of some size; companies of one seed and size are equal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Company {
    /// How many people its systems know, 1 to [`PEOPLE_MAX`].
    pub people: u64,
    /// What all chance in it follows from.
    pub seed: u64,
}

impl Default for Company {
    fn default() -> Self {
        Self { people: PEOPLE_DEFAULT, seed: SEED_DEFAULT }
    }
}

impl Company {
    /// All its tables.
    pub fn tables() -> &'static [&'static Table] {
        ALL
    }

    /// How many rows a table has.
    pub fn row_count(&self, table: &Table) -> u64 {
        table.row_count(*self)
    }

    /// Rows of a table as their sources wrote them, in the Arrow types of the dataset's columns.
    ///
    /// # Panics
    /// If the range goes beyond [`Company::row_count`].
    pub fn batch(&self, table: &Table, rows: Range<u64>) -> RecordBatch {
        table.batch(*self, rows)
    }
}

/// The table of that name.
pub fn table(name: &str) -> Option<&'static Table> {
    ALL.iter().copied().find(|table| table.name == name)
}
