//! Settings of the whole server that a statement can change: `ALTER SYSTEM SET`.
//!
//! They are definitions like others: the catalog holds them, and they survive restart. Settings of
//! the process (addresses, budgets) are `config`'s.

use serde::{Deserialize, Serialize};

use crate::error::{Error, Result, SqlState};

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

/// A value of `graph_identities_max`.
///
/// # Errors
/// `22023` outside of 0 to [`GRAPH_IDENTITIES_MAX_BOUND`].
pub fn check_graph_identities_max(value: i128) -> Result<u32> {
    let fits = u32::try_from(value).ok().filter(|value| *value <= GRAPH_IDENTITIES_MAX_BOUND);
    fits.ok_or_else(|| {
        let message = format!(
            "{value} is outside the valid range for parameter \"{GRAPH_IDENTITIES_MAX}\" (0 .. {GRAPH_IDENTITIES_MAX_BOUND})"
        );
        Error::new(SqlState::INVALID_PARAMETER_VALUE, message).hint("0 means no limit")
    })
}
