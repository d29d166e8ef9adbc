//! `SHOW CREATE`: the statement that would define an object again.
//!
//! `SHOW CREATE TABLE` is DataFusion's, and stays so.

use crate::error::Result;
use crate::query::statements::cursor::Cursor;
use crate::query::statements::phrases::name::dataset_name;
use crate::query::statements::{Parsed, StatementParser};

/// What `SHOW CREATE` can show.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ObjectKind {
    /// A namespace.
    Namespace,
    /// A dataset, of records or events.
    Dataset,
    /// A merge policy.
    MergePolicy,
}

/// `SHOW CREATE`.
pub(crate) struct ShowCreate;

impl StatementParser for ShowCreate {
    fn name(&self) -> &'static str {
        "SHOW CREATE"
    }

    fn grammar(&self) -> &'static str {
        "SHOW CREATE NAMESPACE | DATASET | MERGE POLICY name"
    }

    fn begins(&self, words: &[&str]) -> bool {
        let is = |at: usize, keyword: &str| {
            words.get(at).is_some_and(|word: &&str| word.eq_ignore_ascii_case(keyword))
        };
        is(0, "SHOW")
            && is(1, "CREATE")
            && (is(2, "NAMESPACE") || is(2, "DATASET") || (is(2, "MERGE") && is(3, "POLICY")))
    }

    fn parse(&self, cursor: &mut Cursor<'_>) -> Result<Option<Parsed>> {
        cursor.expect_keywords(&["SHOW", "CREATE"])?;
        let (kind, name) = if cursor.optional_keywords(&["NAMESPACE"]) {
            (ObjectKind::Namespace, cursor.identifier()?)
        } else if cursor.optional_keywords(&["DATASET"]) {
            (ObjectKind::Dataset, dataset_name(cursor)?)
        } else {
            cursor.expect_keywords(&["MERGE", "POLICY"])?;
            (ObjectKind::MergePolicy, cursor.identifier()?)
        };
        Ok(Some(Parsed::ShowCreate { kind, name }))
    }
}
