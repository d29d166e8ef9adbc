//! Our own SQL statements: from the text of a query string to what the user said.
//!
//! [`split()`] cuts a query string into statements. [`parse`] looks at the first words of one: if they are
//! those of a statement in [`ALL`], a [`Cursor`] over its tokens goes to that statement's file and comes
//! back as a [`Parsed`]; any other statement is plain SQL, at the price of that look. Nothing here knows
//! what exists: whether a definition may be is for `catalog` to say, and `session` runs it.
//!
//! One statement is one file, named verb and noun; `phrases` holds what several of them share.

pub mod cursor;
mod phrases;
mod split;
mod unsupported;

mod access_statement;
mod alter_dataset;
mod alter_default_privileges;
mod alter_merge_policy;
mod alter_namespace;
mod alter_role;
mod alter_system;
mod backup_to;
mod copy_from;
mod copy_to;
mod create_dataset;
mod create_merge_policy;
mod create_namespace;
mod create_role;
mod drop_dataset;
mod drop_link;
mod drop_merge_policy;
mod drop_namespace;
mod drop_owned;
mod drop_role;
mod drop_unlink;
mod explain_forget;
mod explain_profile;
mod explain_retention;
mod forget;
mod grant;
mod link;
mod reassign_owned;
mod revoke;
mod show_create;
mod unlink;

use crate::error::Result;
use crate::model::access::AccessChange;
use crate::model::decision::DecisionKind;
use crate::model::definition::Definition;

pub use crate::query::statements::access_statement::AccessStatement;
pub use crate::query::statements::backup_to::BackupTo;
pub use crate::query::statements::copy_from::{CopyFrom, CopySource};
pub use crate::query::statements::copy_to::{CopyLayout, CopyTo, ForceQuote, copy_to};
pub(crate) use crate::query::statements::create_dataset::expression_positions;
pub(crate) use crate::query::statements::create_merge_policy::{policy_of_clauses, query_position};
pub use crate::query::statements::cursor::Cursor;
pub use crate::query::statements::explain_profile::ExplainProfile;
pub use crate::query::statements::forget::Forget;
pub use crate::query::statements::phrases::decided::{StatedDecision, StatedText};
pub use crate::query::statements::phrases::privileges::{StatedObjects, StatedPrivilege};
pub use crate::query::statements::phrases::role::{RoleAttribute, RoleName};
pub use crate::query::statements::show_create::ObjectKind;
pub use crate::query::statements::split::{Piece, STATEMENT_BYTES_MAX, STATEMENTS_MAX, split};

/// One of our statements, as the user said it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Parsed {
    /// `CREATE`, `ALTER` or `DROP` of a namespace, a dataset or a merge policy; `ALTER SYSTEM`.
    Define(Definition),
    /// `LINK`, `UNLINK` and their removal, whose values may be parameters.
    Decide(StatedDecision),
    /// `SHOW CREATE`.
    ShowCreate {
        /// What is to be shown.
        kind: ObjectKind,
        /// Its name.
        name: String,
    },
    /// `COPY ... FROM`.
    CopyFrom(CopyFrom),
    /// `EXPLAIN PROFILE`.
    ExplainProfile(ExplainProfile),
    /// `BACKUP TO`.
    BackupTo(BackupTo),
    /// Statements about roles and privileges.
    Access(AccessStatement),
    /// `FORGET` and `EXPLAIN FORGET`.
    Forget(Forget),
    /// `EXPLAIN RETENTION`.
    ExplainRetention,
}

impl Parsed {
    /// The command tag, with which a server says what it has done.
    pub fn tag(&self) -> &'static str {
        match self {
            Self::Define(definition) => definition_tag(definition),
            Self::Decide(decision) => decision.tag(),
            Self::ShowCreate { .. } => "SHOW CREATE",
            Self::CopyFrom(_) => "COPY",
            Self::ExplainProfile(_) => "EXPLAIN",
            Self::BackupTo(_) => "BACKUP",
            Self::Access(statement) => statement.tag(),
            Self::Forget(forget) if forget.explain => "EXPLAIN",
            Self::Forget(_) => "FORGET",
            Self::ExplainRetention => "EXPLAIN",
        }
    }
}

fn definition_tag(definition: &Definition) -> &'static str {
    match definition {
        Definition::CreateNamespace { .. } => "CREATE NAMESPACE",
        Definition::AlterNamespace { .. } => "ALTER NAMESPACE",
        Definition::DropNamespace { .. } => "DROP NAMESPACE",
        Definition::CreateDataset { .. } => "CREATE DATASET",
        Definition::AlterDataset { .. } => "ALTER DATASET",
        Definition::DropDataset { .. } => "DROP DATASET",
        Definition::CreateMergePolicy { .. } => "CREATE MERGE POLICY",
        Definition::SetDefaultMergePolicy { .. } => "ALTER MERGE POLICY",
        Definition::DropMergePolicy { .. } => "DROP MERGE POLICY",
        Definition::Decide { kind: DecisionKind::Link, .. } => "LINK",
        Definition::Decide { kind: DecisionKind::Unlink, .. } => "UNLINK",
        Definition::Undecide { kind: DecisionKind::Link, .. } => "DROP LINK",
        Definition::Undecide { kind: DecisionKind::Unlink, .. } => "DROP UNLINK",
        Definition::AlterSystem { .. } => "ALTER SYSTEM",
        Definition::Relation(_) => "RELATION",
        Definition::Access(change) => access_tag(change),
    }
}

fn access_tag(change: &AccessChange) -> &'static str {
    match change {
        AccessChange::Sensitive { .. } => "ALTER DATASET",
        _ => "GRANT",
    }
}

/// A statement of ours: how it begins, how it goes on, and what it means.
pub trait StatementParser: Sync {
    /// The keywords that it begins with, such as `CREATE NAMESPACE`; unique.
    fn name(&self) -> &'static str;

    /// Its grammar, as the documentation shows it.
    fn grammar(&self) -> &'static str;

    /// Whether these first words of a statement are its own. `CREATE` may have modifiers before the noun.
    fn begins(&self, words: &[&str]) -> bool {
        begins_with(self.name(), words)
    }

    /// Reads it from its first token; `None` if it is plain SQL after all.
    ///
    /// # Errors
    /// `42601` with a position, or what the clause at fault has to say.
    fn parse(&self, cursor: &mut Cursor<'_>) -> Result<Option<Parsed>>;
}

/// All statements of ours.
pub const ALL: &[&dyn StatementParser] = &[
    &create_namespace::CreateNamespace,
    &alter_namespace::AlterNamespace,
    &drop_namespace::DropNamespace,
    &create_dataset::CreateDataset,
    &alter_dataset::AlterDataset,
    &drop_dataset::DropDataset,
    &create_merge_policy::CreateMergePolicy,
    &alter_merge_policy::AlterMergePolicy,
    &drop_merge_policy::DropMergePolicy,
    &show_create::ShowCreate,
    &copy_from::CopyFromParser,
    &link::Link,
    &unlink::Unlink,
    &drop_link::DropLink,
    &drop_unlink::DropUnlink,
    &alter_system::AlterSystem,
    &explain_profile::ExplainProfileParser,
    &backup_to::BackupToParser,
    &create_role::CreateRole,
    &alter_role::AlterRole,
    &drop_role::DropRole,
    &grant::Grant,
    &revoke::Revoke,
    &alter_default_privileges::AlterDefaultPrivileges,
    &reassign_owned::ReassignOwned,
    &drop_owned::DropOwned,
    &forget::ForgetParser,
    &explain_forget::ExplainForgetParser,
    &explain_retention::ExplainRetention,
];

/// How many words decide whose a statement is: `CREATE OR REPLACE DEFAULT MERGE POLICY`.
const HEAD_WORDS_MAX: usize = 6;

/// Parses a statement if it is ours; `None` if it is plain SQL.
///
/// # Errors
/// `42601` with the position of the token at fault; `0A000` for what is not supported; otherwise what
/// the clause at fault has to say.
pub fn parse(text: &str) -> Result<Option<Parsed>> {
    let (words, count) = split::leading_words::<HEAD_WORDS_MAX>(text);
    let words = &words[..count];
    let Some(statement) = ALL.iter().find(|statement| statement.begins(words)) else {
        return unsupported::refuse(text, words).map(|()| None);
    };
    let mut cursor = Cursor::try_new(text)?;
    let parsed = statement.parse(&mut cursor)?;
    if parsed.is_some() {
        cursor.end()?;
    }
    Ok(parsed)
}

/// Whether a statement begins with a name's keywords, modifiers between verb and noun left aside.
fn begins_with(name: &str, words: &[&str]) -> bool {
    const MODIFIERS: &[&str] = &["OR", "REPLACE", "DEFAULT", "EVENT"];
    let is = |word: &str, keyword: &str| word.eq_ignore_ascii_case(keyword);
    let mut keywords = name.split(' ');
    let (Some(verb), Some((first, mut rest))) = (keywords.next(), words.split_first()) else {
        return false;
    };
    if !is(first, verb) {
        return false;
    }
    while let Some((word, after)) = rest.split_first()
        && MODIFIERS.iter().any(|modifier| is(word, modifier))
    {
        rest = after;
    }
    let mut rest = rest.iter();
    keywords.all(|keyword| rest.next().is_some_and(|word| is(word, keyword)))
}

#[cfg(test)]
mod tests;
