//! Settings of the whole server that a statement can change: `ALTER SYSTEM SET`.
//!
//! They are definitions like others: the catalog holds them, and they survive restart. Settings of
//! the process (addresses, budgets) are `config`'s.

use serde::{Deserialize, Serialize};

/// Name of the setting that limits graphs.
pub const GRAPH_IDENTITIES_MAX: &str = "graph_identities_max";

/// What a graph holds at most unless the server says otherwise: people have few identities, and what
/// has more is a shared device or a junk value (spec 2).
pub const GRAPH_IDENTITIES_MAX_DEFAULT: u32 = 50;

/// The greatest value of `graph_identities_max`: a graph of more is no person, and folding one takes
/// time in proportion. No limit at all is 0.
pub const GRAPH_IDENTITIES_MAX_BOUND: u32 = 1_000_000;

/// One setting with its new value; without one it goes back to its default.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ServerSetting {
    /// How many identities a graph holds at most; 0 for no limit.
    GraphIdentitiesMax(Option<u32>),
}
