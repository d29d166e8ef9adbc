//! `policy_preview(policy)`: what a merge policy would change, before there is one.

use std::sync::Arc;

use arrow::array::RecordBatch;
use arrow::datatypes::{Schema, SchemaRef};

use crate::error::{Error, Result, SqlState};
use crate::model::definition::Definition;
use crate::model::policy::MergePolicy;
use crate::query::functions::{Argument, Context, Signature, TableFunction};
use crate::query::session::policy_query::resolved;
use crate::query::statements::{self, Parsed, policy_of_clauses};
use crate::query::tables::policy_diff::{count_fields, preview};

/// The function.
#[derive(Debug)]
pub struct PolicyPreview;

const SIGNATURE: Signature = Signature {
    name: "policy_preview",
    parameters: &["policy"],
    required_count: 1,
    result: "TABLE(attribute text, differing bigint, only_left bigint, only_right bigint, \
             profiles bigint)",
    comment: "how many values a merge policy would change, against the session's: a statement that \
              would create it, its clauses, or its query",
    example: "SELECT * FROM policy_preview('MERGE BY latest MERGE spend BY max')",
};

/// How much of a policy an error shows: enough to find the place by.
const NEAR_CHARACTERS: usize = 40;

impl TableFunction for PolicyPreview {
    fn signature(&self) -> &'static Signature {
        &SIGNATURE
    }

    fn schema(&self, context: &Context, arguments: &[Argument]) -> Result<SchemaRef> {
        if let Some(Argument::Text(text)) = arguments.first() {
            proposed(context, text)?;
        }
        Ok(Arc::new(Schema::new(count_fields())))
    }

    fn rows(&self, context: &Context, arguments: &[&str]) -> Result<RecordBatch> {
        let [text] = *arguments else {
            return Err(Error::internal("policy_preview() was called with other arguments"));
        };
        let policy = proposed(context, text)?;
        preview(&context.database, &context.snapshot, &context.policy, &policy)
    }
}

/// The policy that a text proposes, checked as if it were created.
fn proposed(context: &Context, text: &str) -> Result<MergePolicy> {
    try_proposed(context, text).map_err(|error| placed(error, text))
}

fn try_proposed(context: &Context, text: &str) -> Result<MergePolicy> {
    let mut policy = read(text)?;
    if let Some(query) = &mut policy.query {
        *query = resolved(&context.snapshot, &query.text)?;
    }
    context.snapshot.catalog().check_policy(&policy)?;
    Ok(policy)
}

fn read(text: &str) -> Result<MergePolicy> {
    let first = text.split_whitespace().next().unwrap_or_default().to_ascii_uppercase();
    match first.as_str() {
        "SELECT" => Ok(MergePolicy::of_query("", text.trim_end().trim_end_matches(';'))),
        "CREATE" => match statements::parse(text)? {
            Some(Parsed::Define(Definition::CreateMergePolicy { policy, .. })) => Ok(policy),
            _ => Err(Error::new(
                SqlState::INVALID_PARAMETER_VALUE,
                "the text defines no merge policy",
            )
            .hint("for example MERGE BY latest MERGE spend BY max, or SELECT profile_id, ...")),
        },
        _ => policy_of_clauses(text),
    }
}

/// An error whose position is in the argument, where the statement's reader cannot find it: the detail
/// shows what is there instead.
fn placed(error: Error, text: &str) -> Error {
    let mut placed = Error::new(error.code(), error.message());
    let near = error.get_position().map(|at| {
        let rest: String = text.chars().skip(at - 1).take(NEAR_CHARACTERS).collect();
        match rest.is_empty() {
            true => "in the policy, at its end".to_owned(),
            false => format!("in the policy, at character {at}: {rest}"),
        }
    });
    if let Some(detail) = error.get_detail().map(str::to_owned).or(near) {
        placed = placed.detail(detail);
    }
    if let Some(hint) = error.get_hint() {
        placed = placed.hint(hint);
    }
    placed
}
