//! `why_not(namespace, value, namespace, value)`: the rule or decision that keeps two identities apart.
//!
//! One row for each dropped link between them: their own, or those on the chain that needs the fewest
//! of them. Chains come from the graph's own links, so that no rows are read but those that it names.

use std::sync::Arc;

use arrow::array::{ArrayRef, Int64Array, RecordBatch};
use arrow::datatypes::{DataType, Field, Schema, SchemaRef};

use crate::engine::Snapshot;
use crate::engine::fragments::Fragment;
use crate::engine::paths::{Connection, cheapest};
use crate::error::{Error, Result};
use crate::graph::fold::{Dropped, Reason};
use crate::graph::identity_graph::LinkState;
use crate::model::decision::{Decision, DecisionKind};
use crate::model::names::{quote_literal, quote_name};
use crate::query::functions::{Argument, Context, Signature, TableFunction, batch};
use crate::query::tables::identities::time_column;
use crate::query::tables::identity_links::reason_text;
use crate::query::tables::{column, texts};
use crate::storage::part::time_type;

/// The function.
#[derive(Debug)]
pub struct WhyNot;

const SIGNATURE: Signature = Signature {
    name: "why_not",
    parameters: &["left_namespace", "left_value", "right_namespace", "right_value"],
    required_count: 4,
    result: "TABLE(reason text, left_namespace text, left_identity text, right_namespace text, \
             right_identity text, fragment_id bigint, dataset text, \
             observed_at timestamp with time zone, decided_by text, comment text, message text)",
    comment: "the rule or decision that keeps two identities from being one person",
    example: "SELECT * FROM why_not('email', 'ann@example.com', 'crm_id', '17')",
};

fn fields() -> Vec<Field> {
    let text = || DataType::Utf8View;
    vec![
        column(
            "reason",
            text(),
            false,
            "one person, unknown identity, no evidence, or why a link was dropped: unique <namespace>, capacity, unlinked",
        ),
        column(
            "left_namespace",
            text(),
            false,
            "namespace of the left identity of the link, or of the pair asked for",
        ),
        column("left_identity", text(), false, "the left identity"),
        column("right_namespace", text(), false, "namespace of the right identity"),
        column("right_identity", text(), false, "the right identity"),
        column("fragment_id", DataType::Int64, true, "the row with which the link was dropped"),
        column("dataset", text(), true, "the dataset of that row"),
        column("observed_at", time_type(), true, "when that row was observed"),
        column("decided_by", text(), true, "the user who said UNLINK"),
        column("comment", text(), true, "why, if it was said"),
        column("message", text(), false, "the same in a sentence"),
    ]
}

/// A namespace and a value.
type Named = (String, String);

/// One row of the answer.
#[derive(Debug, Default)]
struct Finding {
    reason: String,
    left: Named,
    right: Named,
    fragment: Option<(i64, Fragment)>,
    decided_by: Option<String>,
    comment: Option<String>,
    message: String,
}

impl TableFunction for WhyNot {
    fn signature(&self) -> &'static Signature {
        &SIGNATURE
    }

    fn schema(&self, _context: &Context, _arguments: &[Argument]) -> Result<SchemaRef> {
        Ok(Arc::new(Schema::new(fields())))
    }

    fn rows(&self, context: &Context, arguments: &[&str]) -> Result<RecordBatch> {
        let [left_namespace, left, right_namespace, right] = *arguments else {
            return Err(Error::internal("why_not() was called with other arguments"));
        };
        let snapshot = &context.snapshot;
        let asked = [(left_namespace, left), (right_namespace, right)];
        let found =
            [snapshot.identity(left_namespace, left)?, snapshot.identity(right_namespace, right)?];
        let findings = match found {
            [Some(left), Some(right)] => explain(snapshot, left, right)?,
            found => unknown(snapshot, asked, found)?,
        };
        as_batch(&findings)
    }
}

fn as_batch(findings: &[Finding]) -> Result<RecordBatch> {
    let text = |of: fn(&Finding) -> &str| texts(findings.iter().map(|it| Some(of(it).to_owned())));
    let fragment = || findings.iter().map(|finding| finding.fragment.as_ref());
    let time = |it: Option<&(i64, Fragment)>| it.and_then(|(_, it)| it.observed_at);
    let columns: Vec<ArrayRef> = vec![
        text(|finding| &finding.reason),
        text(|finding| &finding.left.0),
        text(|finding| &finding.left.1),
        text(|finding| &finding.right.0),
        text(|finding| &finding.right.1),
        Arc::new(fragment().map(|it| it.map(|(id, _)| *id)).collect::<Int64Array>()),
        texts(fragment().map(|it| it.map(|(_, it)| it.dataset.clone()))),
        time_column(fragment().map(|it| time(it).unwrap_or(i64::MIN)), i64::MIN),
        texts(findings.iter().map(|finding| finding.decided_by.clone())),
        texts(findings.iter().map(|finding| finding.comment.clone())),
        text(|finding| &finding.message),
    ];
    batch(fields(), columns)
}

fn shown((namespace, value): &Named) -> String {
    format!("{} {}", quote_name(namespace), quote_literal(value))
}

/// A row for each of two identities that nothing is known of.
fn unknown(
    snapshot: &Snapshot,
    asked: [(&str, &str); 2],
    found: [Option<u32>; 2],
) -> Result<Vec<Finding>> {
    let (mut named, mut messages) = (Vec::new(), Vec::new());
    for ((name, value), found) in asked.into_iter().zip(found) {
        let namespace = snapshot.catalog().namespace(name)?;
        let normalised = namespace.identity(value).unwrap_or(value.into()).into_owned();
        let one = (name.to_owned(), normalised);
        match (found, namespace.unusable(value)) {
            (Some(_), _) => {}
            (None, None) => messages.push(format!("no accepted row names {}", shown(&one))),
            (None, Some(why)) => messages.push(format!("{} is no identity: {why}", shown(&one))),
        }
        named.push(one);
    }
    let finding = |message| Finding {
        reason: "unknown identity".to_owned(),
        left: named[0].clone(),
        right: named[1].clone(),
        message,
        ..Finding::default()
    };
    Ok(messages.into_iter().map(finding).collect())
}

/// What keeps two known identities apart.
fn explain(snapshot: &Snapshot, left: u32, right: u32) -> Result<Vec<Finding>> {
    let graph = &snapshot.state.graph;
    let (a, b) = (graph.profile_of(left), graph.profile_of(right));
    let plain = |reason: &str, message| Finding {
        reason: reason.to_owned(),
        left: snapshot.identity_key(left),
        right: snapshot.identity_key(right),
        message,
        ..Finding::default()
    };
    let pair = format!(
        "{} and {}",
        shown(&snapshot.identity_key(left)),
        shown(&snapshot.identity_key(right))
    );
    if let Some(profile) = a.filter(|_| a == b) {
        let mut message = format!("{pair} are one person, profile {profile}");
        if unlinked(snapshot, left, right).is_some() {
            message += ": other links connect them, although UNLINK parted the two";
        }
        return Ok(vec![plain("one person", message)]);
    }
    let mut findings = Vec::new();
    match graph.link_state(left, right) {
        LinkState::Dropped(dropped) => return Ok(vec![of_link(snapshot, left, right, dropped)?]),
        LinkState::Live => {
            let decision = unlinked(snapshot, left, right);
            findings.extend(decision.map(|decision| of_decision(snapshot, left, right, decision)));
        }
    }
    for (left, right) in dropped_between(snapshot, left, right) {
        if let LinkState::Dropped(dropped) = graph.link_state(left, right) {
            findings.push(of_link(snapshot, left, right, dropped)?);
        }
    }
    if findings.is_empty() {
        let message = format!("no chain of rows or decisions connects {pair}");
        findings.push(plain("no evidence", message));
    }
    Ok(findings)
}

fn unlinked(snapshot: &Snapshot, left: u32, right: u32) -> Option<&Decision> {
    let decision = snapshot.catalog().decisions.between(left, right);
    decision.filter(|decision| decision.kind == DecisionKind::Unlink)
}

/// The dropped links on the chain between two identities that has the fewest, in its order.
fn dropped_between(snapshot: &Snapshot, from: u32, to: u32) -> Vec<(u32, u32)> {
    let graph = &snapshot.state.graph;
    let mut connections = Vec::new();
    for left in graph.cluster(from) {
        for right in graph.contested_neighbours(left).filter(|right| left < *right) {
            let is_dropped = graph.link_state(left, right) != LinkState::Live;
            connections.push(Connection { left, right, is_dropped });
        }
    }
    let chain = cheapest(&connections, from, to, |identity| snapshot.identity_key(identity));
    let steps = chain.unwrap_or_default().into_iter();
    let dropped = steps.filter(|step| connections[step.connection].is_dropped);
    dropped.map(|step| (step.left, step.right)).collect()
}

fn of_decision(snapshot: &Snapshot, left: u32, right: u32, decision: &Decision) -> Finding {
    let (left, right) = (snapshot.identity_key(left), snapshot.identity_key(right));
    let because = decision.comment.as_ref().map(|why| format!(": {why}")).unwrap_or_default();
    let message = format!(
        "{} decided that {} and {} are not one person{because}",
        decision.decided_by,
        shown(&left),
        shown(&right)
    );
    Finding {
        reason: reason_text(snapshot, Reason::Unlinked),
        left,
        right,
        fragment: None,
        decided_by: Some(decision.decided_by.clone()),
        comment: decision.comment.clone(),
        message,
    }
}

fn of_link(snapshot: &Snapshot, left: u32, right: u32, dropped: Dropped) -> Result<Finding> {
    let fragment = snapshot.fragment(dropped.fragment_id)?;
    let fragment = fragment.map(|fragment| (dropped.fragment_id, fragment));
    if let (Reason::Unlinked, Some(decision)) = (dropped.reason, unlinked(snapshot, left, right)) {
        return Ok(Finding { fragment, ..of_decision(snapshot, left, right, decision) });
    }
    let because = match dropped.reason {
        Reason::Unique(namespace) => because_unique(snapshot, left, right, namespace),
        Reason::Capacity => format!(
            "a graph holds at most {} identities (graph_identities_max), and theirs held more",
            snapshot.catalog().graph_identities_max
        ),
        Reason::Unlinked => "a decision parted them".to_owned(),
    };
    let (left, right) = (snapshot.identity_key(left), snapshot.identity_key(right));
    let message = format!("{} and {} are linked, but {because}", shown(&left), shown(&right));
    let reason = reason_text(snapshot, dropped.reason);
    Ok(Finding { reason, left, right, fragment, message, ..Finding::default() })
}

fn because_unique(snapshot: &Snapshot, left: u32, right: u32, namespace: u32) -> String {
    let name = snapshot.catalog().namespace_by_id(namespace).map_or("?", |it| it.name.as_str());
    let holder = |of: u32| {
        let mut members = snapshot.state.graph.members(of);
        members.find(|member| snapshot.dictionary.namespace(*member) == Some(namespace))
    };
    let held = match (holder(left), holder(right)) {
        (Some(left), Some(right)) => {
            let texts = [left, right].map(|of| quote_literal(&snapshot.identity_key(of).1));
            format!("both {} and {}", texts[0], texts[1])
        }
        _ => "two of it".to_owned(),
    };
    format!("{} is UNIQUE, and one person would have {held}", quote_name(name))
}
