//! Tests of the whole engine through its public interface, in one binary: linking is what costs.

#[path = "../support/kill.rs"]
mod kill;
#[path = "../support/model.rs"]
mod model;
#[path = "../slt/render.rs"]
mod render;
#[path = "../support/values.rs"]
mod values;

mod against_model;
mod bad_input;
mod bucket;
mod changes;
mod concurrency;
mod deletion;
mod derived;
mod driver;
mod erasure;
mod faults;
mod format;
mod freshness;
mod functions;
mod graph;
mod http;
mod lineage;
mod objects;
mod oracle;
mod policies;
mod process;
mod recovery;
mod secured;
mod security;
mod simulation;
mod startup;
mod time_travel;
mod transactions;
mod upkeep;
mod wire;
