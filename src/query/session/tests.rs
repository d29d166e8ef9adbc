//! Tests of whole statements.
