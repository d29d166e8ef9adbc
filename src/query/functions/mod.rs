//! The product's own SQL functions: one a file, listed in [`ALL`].
//!
//! A scalar function is called per row; a table function stands in FROM. Both are plain code over a
//! [`Context`], which is bound to the snapshot of the execution: [`scalar`] and [`call`] are DataFusion's
//! side of them. All parameters are texts, and a null argument gives null, or no rows. What PostgreSQL
//! has is in `postgres`, merge strategies are in `aggregates`.

pub mod call;
pub mod execution;
pub mod graph_settings_diff;
pub mod identity_path;
pub mod policy_diff;
pub mod policy_diff_counts;
pub mod policy_preview;
pub mod profile;
pub mod profile_history;
pub mod profile_of;
pub mod relation;
pub mod scalar;
pub mod simulate_graph;
pub mod simulate_links;
pub mod simulate_rejects;
mod simulation_input;
pub mod why_not;

use std::fmt::Debug;
use std::sync::Arc;

use arrow::array::{ArrayRef, RecordBatch};
use arrow::compute::concat_batches;
use arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use datafusion::error::DataFusionError;

use crate::catalog::access::sensitive::Sensitive;
use crate::engine::{Database, Snapshot};
use crate::error::{Error, Result, SqlState};
use crate::model::access::READ_SENSITIVE;
use crate::query::error::{external, from_arrow};
use crate::query::postgres::PgType;
use crate::query::session::zone::Zone;
use crate::query::tables::{Binding, NoDirectory, VirtualTable};

/// What a function is called, takes and gives.
#[derive(Debug)]
pub struct Signature {
    /// Its name.
    pub name: &'static str,
    /// Names of its parameters, which are all texts.
    pub parameters: &'static [&'static str],
    /// How many of them must be given.
    pub required_count: usize,
    /// Its result in SQL.
    pub result: &'static str,
    /// What it answers.
    pub comment: &'static str,
    /// A call of it.
    pub example: &'static str,
}

impl Signature {
    /// The parameters in SQL.
    pub fn arguments(&self) -> String {
        let each = self.parameters.iter().enumerate().map(|(at, name)| {
            let default = if at < self.required_count { "" } else { " DEFAULT NULL" };
            format!("{name} text{default}")
        });
        each.collect::<Vec<_>>().join(", ")
    }

    /// Refuses calls that it has no parameters for.
    ///
    /// # Errors
    /// `42883`, as PostgreSQL.
    fn check(&self, given: &[DataType]) -> std::result::Result<(), DataFusionError> {
        let fits = (self.required_count..=self.parameters.len()).contains(&given.len())
            && given.iter().all(|ty| ty.is_string() || ty.is_null());
        if fits {
            return Ok(());
        }
        let shown = |ty: &DataType| match ty {
            DataType::Null => "unknown".to_owned(),
            ty => PgType::of(ty, &Default::default()).format(),
        };
        let shown: Vec<_> = given.iter().map(shown).collect();
        let message = format!("function {}({}) does not exist", self.name, shown.join(", "));
        let hint = format!("there is {}({})", self.name, self.arguments());
        Err(external(Error::new(SqlState::UNDEFINED_FUNCTION, message).hint(hint)))
    }
}

/// What one execution of a function reads.
#[derive(Clone)]
pub struct Context {
    /// The database, for what it keeps besides snapshots.
    pub database: Arc<Database>,
    /// What is visible.
    pub snapshot: Arc<Snapshot>,
    /// The session's merge policy.
    pub policy: String,
    /// The session's zone, in which moments are shown.
    pub zone: Zone,
    /// What the session may not see.
    pub mask: Option<Arc<Sensitive>>,
}

impl Debug for Context {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Context").field("policy", &self.policy).finish_non_exhaustive()
    }
}

impl Context {
    /// What a statement that is executed now reads.
    pub fn of(binding: &Binding) -> Self {
        Self {
            database: Arc::clone(binding.database()),
            snapshot: binding.snapshot(),
            policy: binding.policy(),
            zone: binding.zone(),
            mask: binding.mask(),
        }
    }

    /// Refuses to say anything about a value that the session may not see: an answer would tell whether
    /// somebody has it.
    ///
    /// # Errors
    /// `42501`.
    fn check_arguments(&self, signature: &Signature, arguments: &[&str]) -> Result<()> {
        check_arguments(self.mask.as_deref(), signature, arguments)
    }
}

fn check_arguments(
    mask: Option<&Sensitive>,
    signature: &Signature,
    arguments: &[&str],
) -> Result<()> {
    let Some(mask) = mask else { return Ok(()) };
    for (parameter, argument) in signature.parameters.iter().zip(arguments) {
        if parameter.contains("namespace") && mask.namespaces.contains(*argument) {
            let message = format!("permission denied for values of namespace \"{argument}\"");
            return Err(Error::new(SqlState::INSUFFICIENT_PRIVILEGE, message)
                .detail("They are sensitive.")
                .hint(format!("they are for members of \"{READ_SENSITIVE}\"")));
        }
    }
    Ok(())
}

/// What is known of an argument when a call is planned.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Argument {
    /// It is a parameter, or differs by execution.
    Open,
    /// It is null.
    Null,
    /// It is this.
    Text(String),
}

/// A function that gives rows.
pub trait TableFunction: Send + Sync + Debug {
    /// What it is called, takes and gives.
    fn signature(&self) -> &'static Signature;

    /// Its columns, as far as arguments decide them.
    ///
    /// # Errors
    /// What the arguments that are known have wrong.
    fn schema(&self, context: &Context, arguments: &[Argument]) -> Result<SchemaRef>;

    /// What it gives for these arguments as a table of which filters can choose rows, if it is one.
    /// It is in the place of the call if all arguments are constants.
    fn table(&self, _arguments: &[&str]) -> Option<Arc<dyn VirtualTable>> {
        None
    }

    /// Its rows for arguments none of which is null.
    ///
    /// # Errors
    /// What the arguments have wrong, and what reading rows may give.
    fn rows(&self, context: &Context, arguments: &[&str]) -> Result<RecordBatch>;
}

/// A function that gives one bigint or null for arguments none of which is null.
pub trait ScalarFunction: Send + Sync + Debug {
    /// What it is called, takes and gives.
    fn signature(&self) -> &'static Signature;

    /// Its value.
    ///
    /// # Errors
    /// What the arguments have wrong.
    fn value(&self, snapshot: &Snapshot, arguments: &[&str]) -> Result<Option<i64>>;
}

/// A function of ours.
#[derive(Clone, Copy, Debug)]
pub enum Function {
    /// Called per row.
    Scalar(&'static dyn ScalarFunction),
    /// Stands in FROM.
    Table(&'static dyn TableFunction),
}

impl Function {
    /// What it is called, takes and gives.
    pub fn signature(self) -> &'static Signature {
        match self {
            Self::Scalar(function) => function.signature(),
            Self::Table(function) => function.signature(),
        }
    }
}

/// All functions of ours.
pub const ALL: &[Function] = &[
    Function::Table(&graph_settings_diff::GraphSettingsDiff),
    Function::Table(&identity_path::IdentityPath),
    Function::Table(&policy_diff::PolicyDiff),
    Function::Table(&policy_diff_counts::PolicyDiffCounts),
    Function::Table(&policy_preview::PolicyPreview),
    Function::Table(&profile::Profile),
    Function::Table(&profile_history::ProfileHistory),
    Function::Scalar(&profile_of::ProfileOf),
    Function::Table(&simulate_graph::SimulateGraph),
    Function::Table(&simulate_links::SimulateLinks),
    Function::Table(&simulate_rejects::SimulateRejects),
    Function::Table(&why_not::WhyNot),
];

/// The function of a name.
pub fn named(name: &str) -> Option<Function> {
    ALL.iter().copied().find(|function| function.signature().name == name)
}

/// Refuses names of policies that do not exist, as far as they are known.
fn check_policies(context: &Context, arguments: &[Argument]) -> Result<()> {
    for argument in arguments {
        if let Argument::Text(policy) = argument {
            context.snapshot.catalog().policy(policy)?;
        }
    }
    Ok(())
}

/// All rows of what a function gives as a table, for arguments that were open when it was planned.
fn all_rows(context: &Context, table: Option<Arc<dyn VirtualTable>>) -> Result<RecordBatch> {
    let table =
        table.ok_or_else(|| Error::internal("a function was called with other arguments"))?;
    let binding = Binding::new(Arc::clone(&context.database), Arc::new(NoDirectory));
    binding.pin(Arc::clone(&context.snapshot));
    let schema = table.schema(&context.snapshot)?;
    let mut batches = Vec::new();
    for group in table.groups(&binding, None)? {
        let group = group.open()?.unwrap_or(group);
        let columns = (0..schema.fields().len()).map(|at| group.column(at));
        let fields = schema.fields().iter().map(|field| field.as_ref().clone()).collect();
        batches.push(batch(fields, columns.collect::<Result<_>>()?)?);
    }
    concat_batches(&schema, &batches).map_err(|error| from_arrow(&error))
}

/// Columns as the rows of a function.
fn batch(fields: Vec<Field>, columns: Vec<ArrayRef>) -> Result<RecordBatch> {
    RecordBatch::try_new(Arc::new(Schema::new(fields)), columns)
        .map_err(|error| Error::internal(format!("the rows of a function do not fit: {error}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_function_is_documented_and_has_a_script_that_tests_it() {
        let mut names = std::collections::BTreeSet::new();
        for signature in ALL.iter().map(|function| function.signature()) {
            let name = signature.name;
            assert!(names.insert(name), "{name} is there twice");
            assert!(!signature.comment.is_empty() && !signature.result.is_empty(), "{name}");
            assert!(signature.example.contains(&format!("{name}(")), "{name}");
            assert!(signature.required_count <= signature.parameters.len(), "{name}");
            let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/slt");
            let script = folder.join("functions").join(name).with_extension("slt");
            assert!(script.is_file(), "{} is not there", script.display());
        }
    }
}
