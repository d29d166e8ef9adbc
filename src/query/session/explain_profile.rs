//! Answers EXPLAIN PROFILE: each attribute with its winner and the losers, in lines for people.
//!
//! What it prints is what `profile_candidates` has as rows.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray};
use arrow::datatypes::SchemaRef;

use crate::engine::profiles::lineage::{AttributeCandidates, PolicyReader};
use crate::error::{Error, Result, SqlState};
use crate::merge::lineage::Reason;
use crate::query::postgres::text_form::texts;
use crate::query::session::execute::blocking;
use crate::query::session::prepare::text_columns;
use crate::query::session::zone::Zone;
use crate::query::session::{Inner, Outcome, show};
use crate::query::statements::ExplainProfile;

/// The most fragments that are told of each attribute; a person may have thousands, and the rest is in
/// `profile_candidates`.
const FRAGMENTS_MAX: usize = 20;

/// The columns of the answer.
pub(super) fn schema() -> SchemaRef {
    text_columns(&["EXPLAIN PROFILE"])
}

/// Answers the statement.
///
/// # Errors
/// `42704` for an unknown namespace or policy, `42703` for an unknown attribute.
pub(super) async fn run(session: &Arc<Inner>, statement: &ExplainProfile) -> Result<Outcome> {
    let snapshot = session.pin_shown()?;
    let policy = statement.policy.clone().unwrap_or_else(|| session.binding.policy());
    let zone = session.variables.lock().zone();
    let statement = statement.clone();
    let database = Arc::clone(&session.server.database);
    let lines = blocking(move || {
        let reader = PolicyReader::new(&database, &snapshot, &policy)?;
        reader.check_told()?;
        let attributes = attributes(&reader, statement.attribute.as_deref())?;
        let (namespace, value) = (&statement.namespace, &statement.value);
        let profile = snapshot.person_of(reader.definition(), namespace, value)?;
        let Some(profile) = profile else {
            return Ok(vec![format!("Nobody is known by {namespace} {value}")]);
        };
        let mut lines = vec![
            format!("Profile {profile}, known by {namespace} {value}"),
            format!("Policy: {policy}"),
        ];
        for attribute in attributes {
            explain(&reader, profile, attribute, zone, &mut lines)?;
        }
        Ok(lines)
    });
    let rows = lines.await?.into_iter().map(|line| vec![line]).collect();
    show::texts(schema(), rows, "EXPLAIN")
}

fn attributes(reader: &PolicyReader, named: Option<&str>) -> Result<Vec<usize>> {
    let all = reader.attributes();
    let Some(name) = named else { return Ok((0..all.len()).collect()) };
    let found = all.iter().position(|attribute| attribute.name == name);
    found.map(|at| vec![at]).ok_or_else(|| {
        let message = format!("attribute \"{name}\" does not exist");
        Error::new(SqlState::UNDEFINED_COLUMN, message)
    })
}

/// The lines of one attribute.
fn explain(
    reader: &PolicyReader,
    profile: u32,
    attribute: usize,
    zone: Zone,
    lines: &mut Vec<String>,
) -> Result<()> {
    let values = reader.values(&[attribute], &[profile])?;
    let value = shown(&texts(&values[0], zone)?, 0);
    let mut found = reader.candidates(&[attribute], &[profile])?;
    let Some(found) = found.pop() else { return Ok(()) };
    let candidate = |reason: &&Option<Reason>| reason.is_none_or(Reason::is_candidate);
    let count = found.reasons.iter().filter(candidate).count();
    let names = |at: &usize| reader.attributes()[*at].name.as_str();
    let together = match reader.together(attribute) {
        [_] => String::new(),
        several => format!(" of ({})", several.iter().map(names).collect::<Vec<_>>().join(", ")),
    };
    let strategy = reader.strategy_name(attribute);
    let plural = if count == 1 { "" } else { "s" };
    let name = names(&attribute);
    lines.push(format!("{name} = {value}  ({strategy}{together}, {count} candidate{plural})"));
    fragments(reader, &found, zone, lines)
}

/// The lines of what became of fragments: winners, then those that lost, the newest first in both.
fn fragments(
    reader: &PolicyReader,
    found: &AttributeCandidates,
    zone: Zone,
    lines: &mut Vec<String>,
) -> Result<()> {
    let lost = |reason: Option<Reason>| reason.is_some_and(|it| it != Reason::Contributes);
    let mut order: Vec<usize> = (0..found.reasons.len()).collect();
    order.sort_by_key(|at| lost(found.reasons[*at]));
    let values = texts(&found.values, zone)?;
    let times: ArrayRef = Arc::new(found.fragments.observed_at.clone());
    let times = texts(&times, zone)?;
    let namespaces = reader.snapshot().identity_namespaces(&found.fragments.primaries)?;
    let identities = reader.snapshot().identity_texts(&found.fragments.primaries)?;
    for at in order.iter().copied().take(FRAGMENTS_MAX) {
        let (what, why) = match found.reasons[at] {
            None => ("won", String::new()),
            Some(Reason::Contributes) => ("gave", String::new()),
            Some(reason) => ("lost", format!(": {}", reason.text())),
        };
        let value = shown(&values, at);
        let dataset = found.fragments.datasets.value(at);
        let fragment = found.fragments.fragment_ids.value(at);
        let time = match times.is_null(at) {
            true => "without a time".to_owned(),
            false => format!("at {}", times.as_string_view().value(at)),
        };
        let who = format!("{} {}", namespaces.value(at), identities.value(at));
        lines.push(format!("  {what} {value}  {dataset} {fragment} of {who} {time}{why}"));
    }
    if order.len() > FRAGMENTS_MAX {
        let more = order.len() - FRAGMENTS_MAX;
        lines.push(format!("  and {more} more, which are in profile_candidates"));
    }
    Ok(())
}

fn shown(texts: &ArrayRef, row: usize) -> String {
    match texts.is_null(row) {
        true => "NULL".to_owned(),
        false => texts.as_string_view().value(row).to_owned(),
    }
}
