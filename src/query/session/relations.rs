//! Views and scratch tables in statements: from names to what they stand for.
//!
//! A session's schemas are those of the virtual tables, with the relations of users beside them, and
//! `pg_temp`, which is the session's own. A view is planned when a statement names it, in the search
//! path of its definition; it reads what its reader's tables read.

use std::sync::{Arc, Weak};

use async_trait::async_trait;
use datafusion::catalog::view::ViewTable;
use datafusion::catalog::{SchemaProvider, TableProvider};
use datafusion::error::Result as PlanResult;
use datafusion::logical_expr::{Expr, LogicalPlanBuilder};
use sqlparser::ast::{Ident, ObjectName, ObjectNamePart};

use crate::catalog::relations::Relations;
use crate::error::{Error, Result, SqlState};
use crate::model::relation::{Relation, RelationBody, RelationName, TEMPORARY_SCHEMA, ViewQuery};
use crate::query::error::{external, from_datafusion};
use crate::query::session::Inner;
use crate::query::session::command::{self, Command};
use crate::query::session::guard;
use crate::query::session::plan::Planner;
use crate::query::tables::provider::of_scratch;

/// A schema as one session sees it.
pub(super) struct UserSchema {
    session: Weak<Inner>,
    name: String,
    /// The virtual tables in it.
    fixed: Option<Arc<dyn SchemaProvider>>,
}

impl std::fmt::Debug for UserSchema {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("UserSchema").field("name", &self.name).finish_non_exhaustive()
    }
}

impl UserSchema {
    /// The schema of that name, if there is one.
    pub(super) fn find(
        session: &Weak<Inner>,
        name: &str,
        fixed: Option<Arc<dyn SchemaProvider>>,
    ) -> Option<Arc<dyn SchemaProvider>> {
        let known = || session.upgrade().is_some_and(|session| session.has_schema(name));
        if fixed.is_none() && !known() {
            return None;
        }
        Some(Arc::new(Self { session: Weak::clone(session), name: name.to_owned(), fixed }))
    }

    fn relation(&self, name: &str) -> Option<(Arc<Inner>, Relation)> {
        let session = self.session.upgrade()?;
        let relation = session.relation(&RelationName::new(&self.name, name))?;
        Some((session, relation))
    }
}

#[async_trait]
impl SchemaProvider for UserSchema {
    fn table_names(&self) -> Vec<String> {
        let mut names = self.fixed.as_ref().map_or_else(Vec::new, |fixed| fixed.table_names());
        if let Some(session) = self.session.upgrade() {
            let all = session.relations(&self.name);
            names.extend(all.into_iter().map(|(name, _)| name.name));
        }
        names
    }

    async fn table(&self, name: &str) -> PlanResult<Option<Arc<dyn TableProvider>>> {
        if let Some(fixed) = &self.fixed
            && let Some(table) = fixed.table(name).await?
        {
            return Ok(Some(table));
        }
        let Some((session, relation)) = self.relation(name) else { return Ok(None) };
        match &relation.body {
            RelationBody::Table => {
                let name = RelationName::new(&self.name, name);
                of_scratch(&session.binding, &name, relation, false).map(Some)
            }
            RelationBody::View(query) => {
                let table =
                    plan_view(&session, &RelationName::new(&self.name, name), &relation, query)
                        .await;
                Ok(Some(table.map_err(external)?))
            }
        }
    }

    fn table_exist(&self, name: &str) -> bool {
        self.fixed.as_ref().is_some_and(|fixed| fixed.table_exist(name))
            || self.relation(name).is_some()
    }
}

async fn plan_view(
    session: &Arc<Inner>,
    view: &RelationName,
    relation: &Relation,
    query: &ViewQuery,
) -> Result<Arc<dyn TableProvider>> {
    let text = query.text();
    let name = &view.name;
    let of_view = |error: Error| {
        let error = error.detail(format!("this is in the query of view \"{name}\""));
        error.hint("replace the view, or drop it: CREATE OR REPLACE VIEW, DROP VIEW")
    };
    let Command::Query(parsed) = command::read(&text).map_err(of_view)? else {
        return Err(Error::internal("a view is a query"));
    };
    let planner = Planner {
        zone: None,
        state: &session.planning.state,
        search_path: &query.search_path,
        source: session.planning.source.as_ref(),
        target: None,
    };
    let planned = planner.plan(*parsed, &text, &[]).await.map_err(of_view)?;
    guard::check_view(session, view, &planned.uses, planned.analysed())?;
    let schema = Arc::clone(&planned.schema);
    let plan = planned.into_analysed();
    let mut columns = Vec::with_capacity(relation.columns.len());
    for (at, column) in relation.columns.iter().enumerate() {
        // The query may have come to give more columns than when the view was defined.
        let here = schema.fields().get(at).is_some_and(|field| *field.name() == column.source);
        let place = if here { Some(at) } else { schema.index_of(&column.source).ok() };
        let place = place.ok_or_else(|| {
            let message = format!("column \"{}\" does not exist", column.source);
            of_view(Error::new(SqlState::UNDEFINED_COLUMN, message))
        })?;
        let (qualifier, field) = plan.schema().qualified_field(place);
        let reference = Expr::Column((qualifier, field).into());
        columns.push(reference.alias(&column.name));
    }
    let convert = |error| from_datafusion(&error, "");
    let plan = LogicalPlanBuilder::from(plan).project(columns).map_err(convert)?;
    let plan = plan.build().map_err(convert)?;
    Ok(Arc::new(ViewTable::new(plan, Some(text))))
}

impl Inner {
    /// The relations of users in a schema.
    pub(super) fn relations(&self, schema: &str) -> Vec<(RelationName, Relation)> {
        let of = |relations: &Relations| {
            let all = relations.all().filter(|(name, _)| name.schema == schema);
            all.map(|(name, relation)| (name, relation.clone())).collect()
        };
        if schema == TEMPORARY_SCHEMA {
            return of(self.binding.temporary().relations());
        }
        of(&self.binding.snapshot().catalog().relations)
    }

    fn relation(&self, name: &RelationName) -> Option<Relation> {
        if name.schema == TEMPORARY_SCHEMA {
            return self.binding.temporary().relations().get(name).cloned();
        }
        self.binding.snapshot().catalog().relations.get(name).cloned()
    }

    fn has_schema(&self, name: &str) -> bool {
        name == TEMPORARY_SCHEMA
            || self.binding.snapshot().catalog().relations.schemas.contains_key(name)
    }

    /// Where names without a schema are looked up: temporary relations come first.
    pub(super) fn search_path(&self) -> Vec<String> {
        let mut path = self.variables.lock().search_path();
        let temporary = self.binding.temporary();
        if temporary.relations().all().next().is_some()
            && !path.iter().any(|schema| schema == TEMPORARY_SCHEMA)
        {
            path.insert(0, TEMPORARY_SCHEMA.to_owned());
        }
        path
    }

    /// The relation of users that a name stands for, if it stands for one.
    ///
    /// # Errors
    /// `0A000` for one of another database.
    pub(super) fn find_relation(
        &self,
        name: &ObjectName,
    ) -> Result<Option<(RelationName, Relation)>> {
        self.binding.pin(self.snapshot());
        let (schema, name) = self.parts_of(name)?;
        let path = schema.map_or_else(|| self.search_path(), |schema| vec![schema]);
        let names = path.into_iter().map(|schema| RelationName::new(schema, &name));
        let mut found = names.filter_map(|name| Some((name.clone(), self.relation(&name)?)));
        Ok(found.next())
    }

    /// A relation's schema, if it is said, and its name.
    ///
    /// # Errors
    /// `0A000` for one of another database, `42601` for what is no name.
    pub(super) fn parts_of(&self, name: &ObjectName) -> Result<(Option<String>, String)> {
        let idents = name.0.iter().map(ObjectNamePart::as_ident).collect::<Option<Vec<_>>>();
        let idents: Vec<String> = idents.into_iter().flatten().map(folded).collect();
        match &idents[..] {
            [name] => Ok((None, name.clone())),
            [schema, name] => Ok((Some(schema.clone()), name.clone())),
            [database, schema, name] if *database == self.database_name => {
                Ok((Some(schema.clone()), name.clone()))
            }
            [_, _, _] => {
                let message = format!("cross-database references are not implemented: \"{name}\"");
                Err(Error::unsupported(message))
            }
            _ => {
                let message = format!("improper qualified name: {name}");
                Err(Error::new(SqlState::SYNTAX_ERROR, message))
            }
        }
    }

    /// The name of a relation to be made.
    ///
    /// # Errors
    /// As [`Inner::parts_of`]; `3F000` if the search path has no schema for it, `42P16` for a temporary
    /// one in a schema.
    pub(super) fn new_name(&self, name: &ObjectName, temporary: bool) -> Result<RelationName> {
        let (schema, name) = self.parts_of(name)?;
        let is_own = |schema: &str| schema == TEMPORARY_SCHEMA;
        if let Some(schema) = schema {
            if temporary && !is_own(&schema) {
                let message = "cannot create temporary relation in non-temporary schema";
                return Err(Error::new(SqlState("42P16"), message));
            }
            return Ok(RelationName { schema, name });
        }
        if temporary {
            return Ok(RelationName::new(TEMPORARY_SCHEMA, name));
        }
        let snapshot = self.snapshot();
        let schemas = &snapshot.catalog().relations.schemas;
        let mut path = self.variables.lock().search_path().into_iter();
        match path.find(|schema| schemas.contains_key(schema)) {
            Some(schema) => Ok(RelationName { schema, name }),
            None => {
                let message = "no schema has been selected to create in";
                Err(Error::new(SqlState::INVALID_SCHEMA_NAME, message))
            }
        }
    }

    /// What an existing relation is called that a statement is about; if there is none, what it would be.
    ///
    /// # Errors
    /// As [`Inner::parts_of`].
    pub(super) fn known_name(&self, name: &ObjectName) -> Result<RelationName> {
        if let Some((name, _)) = self.find_relation(name)? {
            return Ok(name);
        }
        let (schema, name) = self.parts_of(name)?;
        Ok(RelationName { schema: schema.unwrap_or_else(|| "public".to_owned()), name })
    }

    /// Which relation a query reads under a name; nothing, if it is a system's or there is none.
    pub(super) fn used_name(&self, name: &ObjectName) -> Result<Option<RelationName>> {
        let (schema, name) = self.parts_of(name)?;
        let path = schema.map_or_else(|| self.search_path(), |schema| vec![schema]);
        let state = &self.planning.state;
        let catalog = state.catalog_list().catalog(&self.database_name);
        let Some(catalog) = catalog else { return Ok(None) };
        let exists = |schema: &String| {
            let found = catalog.schema(schema);
            found.is_some_and(|schema| schema.table_exist(&name))
                || crate::query::views::named(schema, &name).is_some()
        };
        let system = ["pg_catalog", "information_schema"];
        let found = path.into_iter().find(exists);
        let found = found.filter(|schema| !system.contains(&schema.as_str()));
        Ok(found.map(|schema| RelationName { schema, name }))
    }
}

/// A name as PostgreSQL folds it.
pub(super) fn folded(ident: &Ident) -> String {
    match ident.quote_style {
        Some(_) => ident.value.clone(),
        None => ident.value.to_lowercase(),
    }
}
