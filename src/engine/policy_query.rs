//! Merge policies that are queries: when they run, over whose rows, and what becomes of their results.
//!
//! The engine knows when, not how: queries are SQL, so that the layer above brings a [`CompilePolicy`] that
//! makes programs of them. A program computes some people at a time, as `merge` does for other policies, so
//! that views are built, repaired and looked up alike. Called by `profiles`.

use std::sync::{Arc, OnceLock};

use arrow::array::{ArrayRef, AsArray, RecordBatch, UInt32Array, new_null_array};
use arrow::compute::{concat_batches, take};
use arrow::datatypes::Int64Type;
use hashbrown::HashMap;
use parking_lot::Mutex;

use crate::engine::database::Database;
use crate::engine::snapshot::Snapshot;
use crate::error::{Error, Result};
use crate::model::policy::PolicyQuery;

/// Policies whose programs are kept: more than are in use at a time. Each has a planner's state, of some
/// hundreds of KiB.
const PROGRAMS_MAX: usize = 32;

/// Runs a policy's query.
pub trait PolicyProgram: Send + Sync {
    /// The rows of the query over the fragments of some people: `profile_id`, then the policy's columns in
    /// their types.
    ///
    /// # Errors
    /// What reading rows and computing values may give.
    fn run(&self, snapshot: &Arc<Snapshot>, profiles: &[u32]) -> Result<Vec<RecordBatch>>;
}

/// What makes programs of the queries of policies.
pub trait CompilePolicy: Send + Sync {
    /// The program of a query under the catalog of a snapshot.
    ///
    /// # Errors
    /// What is wrong with the query, with its position in it.
    fn compile(
        &self,
        snapshot: &Arc<Snapshot>,
        query: &PolicyQuery,
    ) -> Result<Arc<dyn PolicyProgram>>;
}

/// A program, and the version of the catalog that it was made under.
type Compiled = (u64, Arc<dyn PolicyProgram>);

/// The programs of the policies in use, as long as the catalog stays as it is.
#[derive(Default)]
pub(crate) struct PolicyPrograms {
    compile: OnceLock<Arc<dyn CompilePolicy>>,
    programs: Mutex<HashMap<String, Compiled>>,
}

impl std::fmt::Debug for PolicyPrograms {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("PolicyPrograms").finish_non_exhaustive()
    }
}

impl PolicyPrograms {
    /// The program of a query.
    pub(crate) fn program(
        &self,
        snapshot: &Arc<Snapshot>,
        query: &PolicyQuery,
    ) -> Result<Arc<dyn PolicyProgram>> {
        let version = snapshot.catalog().version;
        let known = self.programs.lock().get(&query.text).cloned();
        if let Some((_, program)) = known.filter(|(made_for, _)| *made_for == version) {
            return Ok(program);
        }
        let compile = self.compile.get().ok_or_else(|| {
            Error::unsupported("merge policies that are queries need a query engine")
                .hint("open the database with query::open, or make a server of it")
        })?;
        let program = compile.compile(snapshot, query)?;
        let mut kept = self.programs.lock();
        if kept.len() >= PROGRAMS_MAX {
            kept.clear();
        }
        kept.insert(query.text.clone(), (version, Arc::clone(&program)));
        Ok(program)
    }
}

impl Database {
    /// Says how policies that are queries are computed; the first one said counts.
    pub fn compile_policies_with(&self, compile: Arc<dyn CompilePolicy>) {
        // A second server of the same database brings the same.
        let _ = self.policy_programs().compile.set(compile);
    }
}

/// The columns of a policy's query for people, a row each in their order; null where it has no row.
///
/// # Errors
/// Those of the program; `XX000` if it does not keep to its form.
pub(crate) fn columns(
    program: &dyn PolicyProgram,
    query: &PolicyQuery,
    snapshot: &Arc<Snapshot>,
    profiles: &[u32],
) -> Result<Vec<ArrayRef>> {
    let internal = |error: arrow::error::ArrowError| {
        Error::internal(format!("the rows of a policy's query do not fit: {error}"))
    };
    let batches = program.run(snapshot, profiles)?;
    let Some(first) = batches.first() else {
        let null = |column: &crate::model::policy::QueryColumn| {
            new_null_array(&column.ty.to_arrow(), profiles.len())
        };
        return Ok(query.columns.iter().map(null).collect());
    };
    let rows = concat_batches(&first.schema(), &batches).map_err(internal)?;
    let found = rows.column(0).as_primitive::<Int64Type>();
    let mut places: HashMap<i64, u32> = HashMap::with_capacity(found.len());
    for (row, profile) in found.iter().enumerate() {
        // Rows of nobody are in no profile.
        let Some(profile) = profile else { continue };
        if places.insert(profile, row as u32).is_some() {
            return Err(Error::internal("a policy's query has two rows of one person"));
        }
    }
    let places: UInt32Array =
        profiles.iter().map(|profile| places.get(&i64::from(*profile)).copied()).collect();
    let column = |at: usize| take(rows.column(at), &places, None).map_err(internal);
    (1..=query.columns.len()).map(column).collect()
}
