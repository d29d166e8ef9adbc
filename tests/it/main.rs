//! Tests of the whole engine through its public interface, in one binary: linking is what costs.

#[path = "../support/model.rs"]
mod model;
#[path = "../support/values.rs"]
mod values;

mod against_model;
mod bad_input;
mod concurrency;
mod derived;
mod driver;
mod recovery;
mod wire;
