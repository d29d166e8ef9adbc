//! `json` and `jsonb`: values are texts that their fields mark as one of the two.
//!
//! A cast checks a text (`jsonb` brings it into its own form, `value`), after which it is passed on as it is;
//! operators and functions look into it with the scanner that reads NDJSON. No column is stored as either.
//! `rewrite` turns operators into calls of these functions.

mod aggregate;
mod function;
mod value;

pub use aggregate::aggregates;
pub use function::{LISTS, scalar_functions};
pub use value::plain_number;
