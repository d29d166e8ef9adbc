//! Unit tests of the session live in tests/it.
