//! Metadata statements of drivers and BI tools.
