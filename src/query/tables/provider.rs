//! How DataFusion reaches the virtual tables: one catalog, its schemas, and a provider for each table.

use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;

use arrow::datatypes::{Field, Schema, SchemaRef};
use async_trait::async_trait;
use datafusion::catalog::{CatalogProvider, SchemaProvider, Session, TableProvider};
use datafusion::common::stats::Precision;
use datafusion::common::{DFSchema, DataFusionError, Result, Statistics};
use datafusion::logical_expr::{Expr, TableProviderFilterPushDown, TableType};
use datafusion::physical_plan::ExecutionPlan;

use crate::engine::Snapshot;
use crate::model::relation::{Relation, RelationName};
use crate::query::error::external;
use crate::query::tables::dataset::DatasetTable;
use crate::query::tables::lookup;
use crate::query::tables::mask::{Mask, nullable};
use crate::query::tables::profiles::Profiles;
use crate::query::tables::scan::{ScanExec, ScanParts};
use crate::query::tables::scratch::ScratchTable;
use crate::query::tables::{Binding, VirtualTable, fixed};

/// Key of the metadata of schemas and fields that holds a comment.
pub const COMMENT: &str = "comment";

/// Key of the metadata of fields that holds the expression of a computed column.
pub const GENERATED: &str = "generated";

/// Key of the metadata of schemas that holds the names of the columns that identify a row.
pub const KEY: &str = "key";

/// What the comment of a column says that is masked for some.
const SENSITIVE: &str = "(sensitive: null without selfsame_read_sensitive)";

/// The schemas whose tables are virtual tables.
pub const SCHEMAS: &[(&str, &str)] = &[
    ("public", "datasets, and everything derived from them"),
    ("profiles_by", "profiles under each merge policy"),
    ("selfsame", "definitions and operations"),
];

/// The tables of a snapshot in one schema: name and table.
pub fn tables(binding: &Binding, schema: &str) -> Vec<(String, Arc<dyn VirtualTable>)> {
    let snapshot = binding.snapshot();
    let catalog = snapshot.catalog();
    let mut all: Vec<(String, Arc<dyn VirtualTable>)> = fixed()
        .into_iter()
        .filter(|(of, _, _)| *of == schema)
        .map(|(_, name, table)| (name.to_owned(), table))
        .collect();
    match schema {
        "public" => all.extend(catalog.datasets.keys().map(|name| {
            let table = DatasetTable { name: name.clone(), with_fragment_ids: false };
            (name.clone(), Arc::new(table) as Arc<dyn VirtualTable>)
        })),
        "profiles_by" => all.extend(catalog.policies.keys().map(|name| {
            let policy = Some(name.clone());
            let table: Arc<dyn VirtualTable> = Arc::new(Profiles { policy });
            (name.clone(), table)
        })),
        _ => {}
    }
    all.sort_by(|(left, _), (right, _)| left.cmp(right));
    all
}

/// The table of a dataset with one more column at its end, [`crate::storage::part::FRAGMENT_ID`]:
/// what DELETE plans against.
///
/// # Errors
/// If there is no such dataset.
pub fn deletable(binding: &Arc<Binding>, dataset: &str) -> Result<Arc<dyn TableProvider>> {
    let table = DatasetTable { name: dataset.to_owned(), with_fragment_ids: true };
    Ok(Arc::new(Provider::try_new(binding, "public", dataset, Arc::new(table))?))
}

/// A scratch table, perhaps with the numbers of its rows in one more column at its end.
///
/// # Errors
/// None that a table which was defined gives.
pub fn of_scratch(
    binding: &Arc<Binding>,
    name: &RelationName,
    relation: Relation,
    with_row_numbers: bool,
) -> Result<Arc<dyn TableProvider>> {
    let table = Arc::new(ScratchTable { relation, with_row_numbers });
    Ok(Arc::new(Provider::try_new(binding, &name.schema, &name.name, table)?))
}

/// The catalog of virtual tables. The session adds `pg_catalog` and `information_schema` to it.
pub fn catalog(binding: Arc<Binding>) -> Arc<dyn CatalogProvider> {
    Arc::new(Catalog(binding))
}

/// One schema.
#[derive(Debug)]
struct NamedSchema {
    name: &'static str,
    binding: Arc<Binding>,
}

impl NamedSchema {
    fn find(&self, name: &str) -> Option<Arc<dyn VirtualTable>> {
        tables(&self.binding, self.name)
            .into_iter()
            .find_map(|(table, found)| (table == name).then_some(found))
    }
}

#[async_trait]
impl SchemaProvider for NamedSchema {
    fn table_names(&self) -> Vec<String> {
        tables(&self.binding, self.name).into_iter().map(|(name, _)| name).collect()
    }

    async fn table(&self, name: &str) -> Result<Option<Arc<dyn TableProvider>>, DataFusionError> {
        let Some(table) = self.find(name) else { return Ok(None) };
        let provider = Provider::try_new(&self.binding, self.name, name, table)?;
        Ok(Some(Arc::new(provider)))
    }

    fn table_exist(&self, name: &str) -> bool {
        self.find(name).is_some()
    }
}

/// The catalog: all schemas over one binding.
#[derive(Debug)]
struct Catalog(Arc<Binding>);

impl CatalogProvider for Catalog {
    fn schema_names(&self) -> Vec<String> {
        SCHEMAS.iter().map(|(name, _)| (*name).to_owned()).collect()
    }

    fn schema(&self, name: &str) -> Option<Arc<dyn SchemaProvider>> {
        let (name, _) = SCHEMAS.iter().find(|(known, _)| *known == name)?;
        Some(Arc::new(NamedSchema { name, binding: Arc::clone(&self.0) }))
    }
}

/// A virtual table as DataFusion sees it: its columns are those of the snapshot at planning, its
/// rows those of the snapshot pinned when the physical plan is made.
pub struct Provider {
    binding: Arc<Binding>,
    name: String,
    table: Arc<dyn VirtualTable>,
    schema: SchemaRef,
    facts: HashMap<String, String>,
    lookups: Vec<lookup::LookupColumn>,
    /// What the session may not see of it.
    mask: Option<Mask>,
}

/// The table that a function gives.
///
/// # Errors
/// If the definitions do not allow it to be shown.
pub(in crate::query) fn of_function(
    binding: &Arc<Binding>,
    name: &str,
    table: Arc<dyn VirtualTable>,
) -> Result<Arc<dyn TableProvider>> {
    let mut provider = Provider::try_new(binding, "public", name, table)?;
    // Calls have the name of their function; what tells one from another for the planner is what it shows.
    let schema = provider.schema.as_ref().clone().with_metadata(provider.facts.clone());
    provider.schema = Arc::new(schema);
    Ok(Arc::new(provider))
}

impl Provider {
    fn try_new(
        binding: &Arc<Binding>,
        schema_name: &str,
        name: &str,
        table: Arc<dyn VirtualTable>,
    ) -> Result<Self> {
        let snapshot = binding.snapshot();
        let schema = table.bound_schema(binding, &snapshot).map_err(external)?;
        // Not in the schema itself: plans mix those of several tables, and want them to be alike.
        let facts =
            [(COMMENT.to_owned(), table.comment()), (KEY.to_owned(), table.key().join(","))];
        let schema = Arc::new(said_sensitive(schema.as_ref(), &snapshot, table.as_ref()));
        let mask = binding.mask();
        let mask = mask.and_then(|mask| Mask::of(&mask, &schema, table.dataset()));
        let name = match schema_name {
            "public" => name.to_owned(),
            _ => format!("{schema_name}.{name}"),
        };
        let mut lookups = table.lookups(binding, &snapshot);
        // What is looked up by a masked value would tell who has it.
        let hides = |column: &str| mask.as_ref().is_some_and(|mask| mask.hides(&schema, column));
        lookups.retain(|lookup| !hides(&lookup.column));
        let facts = facts.into();
        Ok(Self { binding: Arc::clone(binding), name, table, schema, facts, lookups, mask })
    }

    /// What is known of the table as a whole, under [`COMMENT`] and [`KEY`].
    pub fn facts(&self) -> &HashMap<String, String> {
        &self.facts
    }
}

impl Provider {
    /// The columns whose equality leads to profiles.
    pub fn lookups(&self) -> &[lookup::LookupColumn] {
        &self.lookups
    }

    /// As [`VirtualTable::merged_under`].
    pub fn merged_under(&self) -> Option<Option<String>> {
        // A look-up on the short path shows rows as they are.
        if self.mask.is_some() { None } else { self.table.merged_under() }
    }
}

/// A schema that says of columns that they are sensitive, and may therefore be null for some.
fn said_sensitive(schema: &Schema, snapshot: &Snapshot, table: &dyn VirtualTable) -> Schema {
    let sensitive = snapshot.catalog().sensitive();
    if sensitive.is_empty() {
        return schema.clone();
    }
    let Some(mask) = Mask::of(&sensitive, schema, table.dataset()) else { return schema.clone() };
    let field = |field: &Arc<Field>| {
        if !mask.hides(schema, field.name()) {
            return field.as_ref().clone();
        }
        let mut field = nullable(field);
        let comment = field.metadata().get(COMMENT).cloned().unwrap_or_default();
        field.metadata_mut().insert(COMMENT.to_owned(), format!("{comment} {SENSITIVE}"));
        field
    };
    Schema::new(schema.fields().iter().map(field).collect::<Vec<_>>())
}

impl fmt::Debug for Provider {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Provider").field("name", &self.name).finish_non_exhaustive()
    }
}

#[async_trait]
impl TableProvider for Provider {
    fn schema(&self) -> SchemaRef {
        Arc::clone(&self.schema)
    }

    fn table_type(&self) -> TableType {
        TableType::Base
    }

    fn supports_filters_pushdown(
        &self,
        filters: &[&Expr],
    ) -> Result<Vec<TableProviderFilterPushDown>> {
        let simple = |filter: &Expr| !filter.is_volatile() && filter.column_refs().len() <= 4;
        let kind = |filter: &&Expr| match simple(filter) {
            true => TableProviderFilterPushDown::Exact,
            false => TableProviderFilterPushDown::Unsupported,
        };
        Ok(filters.iter().map(kind).collect())
    }

    fn statistics(&self) -> Option<Statistics> {
        let rows = self.table.row_count(&self.binding.snapshot())?;
        let mut statistics = Statistics::new_unknown(&self.schema);
        statistics.num_rows = Precision::Inexact(rows);
        Some(statistics)
    }

    async fn scan(
        &self,
        state: &dyn Session,
        projection: Option<&Vec<usize>>,
        filters: &[Expr],
        limit: Option<usize>,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        let snapshot = self.table.snapshot(&self.binding).map_err(external)?;
        let found = lookup::find(filters, &self.lookups, &snapshot);
        let profiles = found.as_ref().map(|lookup| lookup.profiles.as_slice());
        let hides = |column: &&&str| match &self.mask {
            Some(mask) => !mask.hides(&self.schema, column),
            None => true,
        };
        let choosing: Vec<&str> = self.table.choosing().iter().filter(hides).copied().collect();
        let choices = lookup::choices(filters, &choosing);
        let groups = self.table.chosen_groups(&self.binding, profiles, &choices);
        let mut groups = groups.map_err(external)?;
        if let Some(mask) = &self.mask {
            groups = groups.into_iter().map(|group| mask.group(&self.schema, group)).collect();
        }
        let schema = DFSchema::try_from(Arc::clone(&self.schema))?;
        let physical = |filter: &Expr| state.create_physical_expr(filter.clone(), &schema);
        let scan = ScanExec::try_new(ScanParts {
            table: self.name.clone(),
            schema: Arc::clone(&self.schema),
            projection: match projection {
                Some(columns) => columns.clone(),
                None => (0..self.schema.fields().len()).collect(),
            },
            filters: filters.iter().map(physical).collect::<Result<_>>()?,
            lookup: found.map(|lookup| lookup.text),
            choices: choices.into_iter().map(|choice| choice.text).collect(),
            limit,
            groups,
            partitions: state.config_options().execution.target_partitions,
        })?;
        Ok(Arc::new(scan))
    }
}
