//! Tests of the whole engine through its public interface, in one binary: linking is what costs.

mod engine;
