//! Phrases that several statements share: names, existence, columns, options.
//!
//! Each is a function over a cursor; none knows which statement it is part of.

pub(crate) mod column;
pub(crate) mod column_type;
pub(crate) mod dataset_options;
pub(crate) mod decided;
pub(crate) mod existence;
pub(crate) mod name;
pub(crate) mod namespace;
pub(crate) mod privileges;
pub(crate) mod role;
