//! CREATE, ALTER, DROP and COMMENT of views, scratch tables and schemas; CREATE TABLE AS, TRUNCATE.
//!
//! sqlparser reads them; here they become definitions for the catalog, or for the session's own one if
//! they are about temporary relations. A view's query is kept as text with places for the relations that
//! it reads, so that it follows when these are renamed.

use std::collections::BTreeSet;
use std::ops::ControlFlow;
use std::sync::Arc;

use datafusion::common::ScalarValue;
use sqlparser::ast::{
    AlterTable, AlterTableOperation, ColumnDef, ColumnOption, CommentObject, CreateTable,
    CreateView, DataType, DropBehavior, Ident, ObjectName, ObjectNamePart, ObjectType, OnCommit,
    Query, RenameTableNameKind, SchemaName, SetExpr, Statement, TableAlias, TableFactor, Truncate,
    Visit, VisitMut, Visitor, VisitorMut,
};

use crate::error::{Error, Result, SqlState};
use crate::model::access::{AccessChange, Privilege};
use crate::model::definition::{Definition, Existence};
use crate::model::names::quote_name;
use crate::model::relation::{
    Commented, RelationBody, RelationChange, RelationColumn, RelationDefinition, RelationKind,
    RelationName, TEMPORARY_SCHEMA, ViewQuery,
};
use crate::query::session::command::{self, Command};
use crate::query::session::relations::folded;
use crate::query::session::scratch::{self, column_of};
use crate::query::session::transaction::CommitGate;
use crate::query::session::{Inner, Notice, Outcome, prepare};

/// What is around the number of a place in a query's text: no name of a relation has it in it.
const MARK: char = '\u{1}';

/// Statements of this file; `None` for others.
pub(super) fn is_ours(statement: &Statement) -> bool {
    match statement {
        Statement::CreateView(_)
        | Statement::CreateTable(_)
        | Statement::CreateSchema { .. }
        | Statement::AlterTable(_)
        | Statement::Truncate(_)
        | Statement::Comment { .. } => true,
        Statement::Drop { object_type, .. } => matches!(
            object_type,
            ObjectType::Table
                | ObjectType::View
                | ObjectType::Schema
                | ObjectType::MaterializedView
        ),
        _ => false,
    }
}

/// Runs one.
///
/// # Errors
/// `0A000` for forms that are not supported, and what the catalog refuses.
pub(super) async fn run(
    session: &Arc<Inner>,
    gate: &Arc<CommitGate>,
    statement: &Statement,
    values: Vec<ScalarValue>,
    sql: &str,
) -> Result<Outcome> {
    match statement {
        Statement::CreateView(view) => create_view(session, gate, view).await,
        Statement::CreateTable(table) => create_table(session, gate, table, values, sql).await,
        Statement::CreateSchema { schema_name, if_not_exists, .. } => {
            create_schema(session, gate, schema_name, *if_not_exists).await
        }
        Statement::AlterTable(alter) => alter_table(session, gate, alter, sql).await,
        Statement::Truncate(truncate) => truncate_tables(session, gate, truncate).await,
        Statement::Comment { object_type, object_name, comment, .. } => {
            let on = commented(session, object_type, object_name)?;
            let definition = RelationDefinition::Comment { on, text: comment.clone() };
            define(session, gate, "COMMENT", vec![definition]).await
        }
        Statement::Drop { object_type, if_exists, names, cascade, .. } => {
            drop_objects(session, gate, object_type, *if_exists, names, *cascade).await
        }
        _ => Err(Error::internal("a statement was executed without its plan")),
    }
}

fn existence(lenient: bool) -> Existence {
    if lenient { Existence::Lenient } else { Existence::Strict }
}

/// Whether a definition is about the session's own relations.
fn is_temporary(definition: &RelationDefinition) -> bool {
    let name = match definition {
        RelationDefinition::Create { name, .. }
        | RelationDefinition::Drop { name, .. }
        | RelationDefinition::Alter { name, .. }
        | RelationDefinition::Comment {
            on: Commented::Relation(name) | Commented::Column(name, _),
            ..
        } => name,
        _ => return false,
    };
    name.schema == TEMPORARY_SCHEMA
}

fn is_own(definition: &Definition) -> bool {
    matches!(definition, Definition::Relation(definition) if is_temporary(definition))
}

/// Refuses what the session's role may not do, and makes it the owner of what is new.
///
/// # Errors
/// `42501`.
pub(super) fn checked(
    session: &Inner,
    definitions: Vec<RelationDefinition>,
) -> Result<Vec<Definition>> {
    let mut checked = Vec::with_capacity(definitions.len());
    for definition in definitions {
        let temporary = is_temporary(&definition);
        let created = match &definition {
            RelationDefinition::Create { name, .. } if !temporary => owned(session, name),
            _ => None,
        };
        let definition = Definition::Relation(definition);
        if !temporary {
            session.check_definition(&definition)?;
        }
        checked.push(definition);
        checked.extend(created.map(Definition::Access));
    }
    Ok(checked)
}

/// What makes the session's role the owner of a relation that is to be made.
fn owned(session: &Inner, name: &RelationName) -> Option<AccessChange> {
    let is_there = session.snapshot().catalog().relations.get(name).is_some();
    let owner = session.authority().role.clone();
    let is_role = session.latest().catalog().access.roles.contains_key(&owner);
    let (schema, name) = (name.schema.clone(), name.name.clone());
    (is_role && !is_there).then_some(AccessChange::SetOwner { schema, name, owner })
}

/// Applies definitions, all or none where they are of the catalog.
async fn define(
    session: &Arc<Inner>,
    gate: &Arc<CommitGate>,
    tag: &str,
    definitions: Vec<RelationDefinition>,
) -> Result<Outcome> {
    session.check_may_write(tag)?;
    let definitions = checked(session, definitions)?;
    let (own, shared): (Vec<_>, Vec<_>) = definitions.into_iter().partition(is_own);
    let mut notices = Vec::new();
    if !own.is_empty() {
        let mut temporary = session.binding.temporary().as_ref().clone();
        for definition in own {
            let Definition::Relation(definition) = definition else { continue };
            let defined = temporary.define(&session.server.database, definition)?;
            notices.extend(defined.notice);
        }
        session.set_temporary(temporary);
    }
    if !shared.is_empty() {
        let told = scratch::transact(session, gate, move |transaction| {
            let mut notices = Vec::new();
            for definition in shared {
                notices.extend(transaction.define(definition)?.notice);
            }
            Ok(notices)
        });
        notices.extend(told.await?);
    }
    notices.into_iter().for_each(|notice| session.notice(Notice::new(notice)));
    Ok(Outcome::Done { tag: tag.to_owned() })
}

async fn create_schema(
    session: &Arc<Inner>,
    gate: &Arc<CommitGate>,
    name: &SchemaName,
    lenient: bool,
) -> Result<Outcome> {
    let name = match name {
        SchemaName::Simple(name) | SchemaName::NamedAuthorization(name, _) => {
            schema_name(session, name)?
        }
        SchemaName::UnnamedAuthorization(user) => folded(user),
    };
    let existence = existence(lenient);
    let definition = RelationDefinition::CreateSchema { name, existence };
    define(session, gate, "CREATE SCHEMA", vec![definition]).await
}

/// A schema's name, perhaps after the database's.
fn schema_name(session: &Inner, name: &ObjectName) -> Result<String> {
    match session.parts_of(name)? {
        (None, name) => Ok(name),
        (Some(database), name) if database == session.database_name => Ok(name),
        _ => {
            let message = format!("cross-database references are not implemented: \"{name}\"");
            Err(Error::unsupported(message))
        }
    }
}

async fn drop_objects(
    session: &Arc<Inner>,
    gate: &Arc<CommitGate>,
    object_type: &ObjectType,
    lenient: bool,
    names: &[ObjectName],
    cascade: bool,
) -> Result<Outcome> {
    let existence = existence(lenient);
    let mut definitions = Vec::with_capacity(names.len());
    for name in names {
        definitions.push(match object_type {
            ObjectType::Schema => {
                let name = schema_name(session, name)?;
                RelationDefinition::DropSchema { name, existence, cascade }
            }
            ObjectType::MaterializedView => {
                let (_, name) = session.parts_of(name)?;
                let message = format!("materialized view \"{name}\" does not exist");
                if !lenient {
                    return Err(Error::new(SqlState::UNDEFINED_TABLE, message));
                }
                session.notice(Notice::new(format!("{message}, skipping")));
                continue;
            }
            of => {
                let kind = match of {
                    ObjectType::View => RelationKind::View,
                    _ => RelationKind::Table,
                };
                let name = session.known_name(name)?;
                check_no_dataset(session, &name)?;
                RelationDefinition::Drop { name, kind, existence, cascade }
            }
        });
    }
    define(session, gate, &format!("DROP {object_type}"), definitions).await
}

/// What is a dataset's is said in its own words.
fn check_no_dataset(session: &Inner, name: &RelationName) -> Result<()> {
    let snapshot = session.snapshot();
    let is_dataset =
        name.schema == "public" && snapshot.catalog().datasets.contains_key(&name.name);
    if !is_dataset {
        return Ok(());
    }
    let message = format!("\"{}\" is a dataset", name.name);
    let name = quote_name(&name.name);
    Err(Error::new(SqlState("42809"), message)
        .hint(format!("DROP DATASET {name}, ALTER DATASET {name} ..., DELETE FROM {name}")))
}

fn commented(session: &Inner, object_type: &CommentObject, name: &ObjectName) -> Result<Commented> {
    Ok(match object_type {
        CommentObject::Table | CommentObject::View => {
            Commented::Relation(session.known_name(name)?)
        }
        CommentObject::Schema => Commented::Schema(schema_name(session, name)?),
        CommentObject::Column => {
            let Some((last, relation)) = name.0.split_last() else {
                return Err(Error::internal("a name of nothing"));
            };
            let column = last.as_ident().map(folded).unwrap_or_default();
            if relation.is_empty() {
                let message = "column name must be qualified";
                return Err(Error::new(SqlState::SYNTAX_ERROR, message));
            }
            let relation = session.known_name(&ObjectName(relation.to_vec()))?;
            Commented::Column(relation, column)
        }
        other => return Err(Error::unsupported(format!("COMMENT ON {other} is not supported"))),
    })
}

async fn truncate_tables(
    session: &Arc<Inner>,
    gate: &Arc<CommitGate>,
    truncate: &Truncate,
) -> Result<Outcome> {
    session.check_may_write("TRUNCATE TABLE")?;
    for target in &truncate.table_names {
        let name = session.known_name(&target.name)?;
        check_no_dataset(session, &name)?;
        let (name, relation) = scratch::table(session, &target.name, "truncate")?;
        session.check_relation(&name, &[], Privilege::Truncate)?;
        scratch::clear(session, gate, name, relation).await?;
    }
    Ok(Outcome::Done { tag: "TRUNCATE TABLE".to_owned() })
}

async fn alter_table(
    session: &Arc<Inner>,
    gate: &Arc<CommitGate>,
    alter: &AlterTable,
    sql: &str,
) -> Result<Outcome> {
    let name = session.known_name(&alter.name)?;
    check_no_dataset(session, &name)?;
    let mut definitions = Vec::new();
    let mut now = name;
    for operation in &alter.operations {
        for change in changes(session, operation).await? {
            let next = match &change {
                RelationChange::Rename(to) => RelationName::new(&now.schema, to),
                _ => now.clone(),
            };
            let (name, existence) = (now, existence(alter.if_exists));
            definitions.push(RelationDefinition::Alter { name, change, existence });
            now = next;
        }
    }
    let is_view = command::first_words(sql, 2).ends_with("view");
    define(session, gate, if is_view { "ALTER VIEW" } else { "ALTER TABLE" }, definitions).await
}

async fn changes(
    session: &Arc<Inner>,
    operation: &AlterTableOperation,
) -> Result<Vec<RelationChange>> {
    Ok(match operation {
        AlterTableOperation::RenameTable {
            table_name: RenameTableNameKind::To(name) | RenameTableNameKind::As(name),
        } => match session.parts_of(name)? {
            (None, to) => vec![RelationChange::Rename(to)],
            _ => {
                let message = "a relation is renamed within its schema";
                return Err(Error::new(SqlState::SYNTAX_ERROR, message));
            }
        },
        AlterTableOperation::RenameColumn { old_column_name, new_column_name } => {
            let (from, to) = (folded(old_column_name), folded(new_column_name));
            vec![RelationChange::RenameColumn { from, to }]
        }
        AlterTableOperation::AddColumn { if_not_exists, column_def, .. } => {
            let column = columns(session, std::slice::from_ref(column_def)).await?.remove(0);
            if column.not_null {
                let message = "ADD COLUMN ... NOT NULL is not supported: rows have no value for it";
                return Err(Error::unsupported(message));
            }
            let existence = existence(*if_not_exists);
            vec![RelationChange::AddColumn { column, existence }]
        }
        AlterTableOperation::DropColumn { column_names, if_exists, drop_behavior, .. } => {
            let cascade = matches!(drop_behavior, Some(DropBehavior::Cascade));
            let existence = existence(*if_exists);
            let one = |name| RelationChange::DropColumn { name: folded(name), existence, cascade };
            column_names.iter().map(one).collect()
        }
        AlterTableOperation::OwnerTo { .. } => Vec::new(),
        other => {
            let text = other.to_string();
            let words: Vec<&str> = text.split_whitespace().take(2).collect();
            let message = format!("ALTER TABLE ... {} is not supported", words.join(" "));
            return Err(Error::unsupported(message));
        }
    })
}

/// Columns as they are declared. The planner says what their types are.
async fn columns(session: &Arc<Inner>, declared: &[ColumnDef]) -> Result<Vec<RelationColumn>> {
    if declared.is_empty() {
        return Ok(Vec::new());
    }
    let cast = |column: &ColumnDef| {
        let name = quote_name(&folded(&column.name));
        format!("CAST(NULL AS {}) AS {name}", column.data_type)
    };
    declared.iter().try_for_each(|column| check_type(&column.data_type))?;
    let casts: Vec<String> = declared.iter().map(cast).collect();
    let sql = format!("SELECT {}", casts.join(", "));
    let Command::Query(query) = command::read(&sql)? else {
        return Err(Error::new(SqlState::SYNTAX_ERROR, "a type is expected"));
    };
    let planned = prepare::plan_query(session, &query, &sql, &[]).await;
    let planned = planned.map_err(|error| error.without_position())?;
    let fields = planned.schema.fields().iter().zip(declared).enumerate();
    fields
        .map(|(at, (field, declared))| {
            let mut column = column_of(at, field)?;
            column.name = folded(&declared.name);
            column.type_name = column.type_name.or_else(|| type_name(&declared.data_type));
            for option in &declared.options {
                match &option.option {
                    ColumnOption::NotNull => column.not_null = true,
                    ColumnOption::Null => {}
                    ColumnOption::Comment(text) => column.comment = Some(text.clone()),
                    other => {
                        let message = format!("{other} is not supported: scratch tables have no constraints but NOT NULL");
                        return Err(Error::unsupported(message)
                            .hint("leave it out; check the rows with a query"));
                    }
                }
            }
            Ok(column)
        })
        .collect()
}

/// Types whose values are texts to the engine, by PostgreSQL's names.
fn type_name(ty: &DataType) -> Option<String> {
    let name = match ty {
        DataType::Uuid => "uuid",
        DataType::JSON => "json",
        DataType::JSONB => "jsonb",
        DataType::Varchar(_) | DataType::CharacterVarying(_) => "varchar",
        _ => return None,
    };
    Some(name.to_owned())
}

/// Refuses types that are none.
fn check_type(ty: &DataType) -> Result<()> {
    let DataType::Custom(name, _) = ty else { return Ok(()) };
    let name = name.to_string();
    if ["serial", "bigserial", "smallserial"].contains(&name.to_lowercase().as_str()) {
        return Err(Error::unsupported(format!("type {name} is not supported"))
            .hint("scratch tables have no sequences; number rows with row_number()"));
    }
    let known = crate::query::postgres::types::by_name(&name.to_lowercase());
    if known.is_some() {
        return Ok(());
    }
    let message = format!("type \"{name}\" does not exist");
    Err(Error::new(SqlState::UNDEFINED_OBJECT, message))
}

/// What happens to a temporary table at the end of a transaction, as a statement says it.
fn at_commit(table: &CreateTable) -> OnCommit {
    table.on_commit.unwrap_or(OnCommit::PreserveRows)
}

async fn create_table(
    session: &Arc<Inner>,
    gate: &Arc<CommitGate>,
    table: &CreateTable,
    values: Vec<ScalarValue>,
    sql: &str,
) -> Result<Outcome> {
    let tag = if table.query.is_some() { "CREATE TABLE AS" } else { "CREATE TABLE" };
    session.check_may_write(tag)?;
    check_form(table)?;
    let name = session.new_name(&table.name, table.temporary)?;
    let there = session.find_relation(&qualified(&name))?.is_some();
    if there && table.if_not_exists {
        let notice = format!("relation \"{}\" already exists, skipping", name.name);
        session.notice(Notice::new(notice));
        return Ok(Outcome::Done { tag: tag.to_owned() });
    }
    let mut definition = RelationDefinition::Create {
        name: name.clone(),
        columns: Vec::new(),
        body: RelationBody::Table,
        existence: existence(table.if_not_exists),
    };
    let outcome = match &table.query {
        None => {
            let made = columns(session, &table.columns).await?;
            if let RelationDefinition::Create { columns, .. } = &mut definition {
                *columns = numbered(made);
            }
            define(session, gate, tag, vec![definition]).await?
        }
        Some(query) => {
            let names: Vec<String> = table.columns.iter().map(|it| folded(&it.name)).collect();
            let made = scratch::Made { name: name.clone(), names, definition };
            scratch::create_as(session, gate, query, made, values, sql).await?
        }
    };
    if name.schema == TEMPORARY_SCHEMA {
        session.at_commit(&name.name, at_commit(table));
        session.end_statement_alone()?;
    }
    Ok(outcome)
}

/// Gives stored columns their names.
fn numbered(mut columns: Vec<RelationColumn>) -> Vec<RelationColumn> {
    for (at, column) in columns.iter_mut().enumerate() {
        column.source = format!("c{}", at + 1);
    }
    columns
}

fn check_form(table: &CreateTable) -> Result<()> {
    let refused = if !table.constraints.is_empty() {
        "with constraints"
    } else if table.or_replace {
        "OR REPLACE"
    } else if table.like.is_some() {
        "LIKE"
    } else if table.inherits.is_some() {
        "INHERITS"
    } else if table.partition_by.is_some() || table.partition_of.is_some() {
        "PARTITION"
    } else if table.external || table.location.is_some() || table.file_format.is_some() {
        "of a file"
    } else if table.clone.is_some() {
        "CLONE"
    } else {
        return Ok(());
    };
    Err(Error::unsupported(format!("CREATE TABLE {refused} is not supported"))
        .hint("scratch tables have columns with types, and NOT NULL; people's data goes into datasets: CREATE DATASET"))
}

/// A name with its schema, as statements have it.
fn qualified(name: &RelationName) -> ObjectName {
    let part = |text: &String| ObjectNamePart::Identifier(Ident::with_quote('"', text));
    ObjectName(vec![part(&name.schema), part(&name.name)])
}

async fn create_view(
    session: &Arc<Inner>,
    gate: &Arc<CommitGate>,
    view: &CreateView,
) -> Result<Outcome> {
    if view.materialized {
        return Err(Error::unsupported("CREATE MATERIALIZED VIEW is not supported")
            .hint("CREATE TABLE name AS query keeps the rows of a query"));
    }
    session.check_may_write("CREATE VIEW")?;
    session.binding.pin(session.snapshot());
    let mut query = view.query.as_ref().clone();
    let places = places(session, &mut query)?;
    let body = with_places(&query.to_string(), &places, session.search_path())?;
    let own = body.uses.iter().any(|used| used.schema == TEMPORARY_SCHEMA);
    let name = session.new_name(&view.name, view.temporary || own)?;
    if own && !view.temporary {
        let notice = format!("view \"{}\" will be a temporary view", name.name);
        session.notice(Notice::new(notice));
    }
    let columns = view_columns(session, view, &body).await?;
    let existence = match (view.or_replace, view.if_not_exists) {
        (true, _) => Existence::Replace,
        (false, lenient) => existence(lenient),
    };
    let body = RelationBody::View(body);
    let definition = RelationDefinition::Create { name, columns, body, existence };
    define(session, gate, "CREATE VIEW", vec![definition]).await
}

/// The columns of a view's query, under the names that a list gives them.
async fn view_columns(
    session: &Arc<Inner>,
    view: &CreateView,
    body: &ViewQuery,
) -> Result<Vec<RelationColumn>> {
    let text = body.text();
    let Command::Query(query) = command::read(&text)? else {
        return Err(Error::internal("a view is a query"));
    };
    let planned = prepare::plan_query(session, &query, &text, &[]).await;
    let planned = planned.map_err(|error| error.without_position())?;
    if !planned.parameters.is_empty() {
        let message = "there is no parameter $1";
        return Err(Error::new(SqlState::UNDEFINED_PARAMETER, message));
    }
    let fields = planned.schema.fields();
    if view.columns.len() > fields.len() {
        let message = "CREATE VIEW specifies more column names than columns";
        return Err(Error::new(SqlState::SYNTAX_ERROR, message));
    }
    let mut columns = Vec::with_capacity(fields.len());
    for (at, field) in fields.iter().enumerate() {
        let mut column = column_of(at, field)?;
        column.source.clone_from(field.name());
        if let Some(named) = view.columns.get(at) {
            column.name = folded(&named.name);
        }
        columns.push(column);
    }
    Ok(columns)
}

/// A query's text, cut at its places.
fn with_places(text: &str, places: &[RelationName], search_path: Vec<String>) -> Result<ViewQuery> {
    let lost = || Error::internal("a view's query lost a relation");
    let begin = format!("\"{MARK}");
    let mut rest = text.split(&begin);
    let mut query = ViewQuery {
        pieces: vec![rest.next().unwrap_or_default().to_owned()],
        uses: Vec::new(),
        search_path,
    };
    let end = format!("{MARK}\"");
    for piece in rest {
        let (number, piece) = piece.split_once(&end).ok_or_else(lost)?;
        let number: usize = number.parse().map_err(|_| lost())?;
        query.uses.push(places.get(number).ok_or_else(lost)?.clone());
        query.pieces.push(piece.to_owned());
    }
    if query.uses.len() == places.len() { Ok(query) } else { Err(lost()) }
}

/// Puts numbered places where a query names relations; gives which they are.
fn places(session: &Inner, query: &mut Query) -> Result<Vec<RelationName>> {
    let mut ctes = Ctes::default();
    let _ = Visit::visit(query, &mut ctes);
    let mut found = Places { session, ctes: ctes.0, uses: Vec::new() };
    match VisitMut::visit(query, &mut found) {
        ControlFlow::Break(error) => Err(error),
        ControlFlow::Continue(()) => Ok(found.uses),
    }
}

/// The names of common table expressions, wherever they are in a query.
#[derive(Default)]
struct Ctes(BTreeSet<String>);

impl Visitor for Ctes {
    type Break = ();

    fn pre_visit_query(&mut self, query: &Query) -> ControlFlow<()> {
        let ctes = query.with.iter().flat_map(|with| &with.cte_tables);
        self.0.extend(ctes.map(|cte| folded(&cte.alias.name)));
        ControlFlow::Continue(())
    }
}

struct Places<'a> {
    session: &'a Inner,
    ctes: BTreeSet<String>,
    uses: Vec<RelationName>,
}

impl VisitorMut for Places<'_> {
    type Break = Error;

    fn pre_visit_table_factor(&mut self, factor: &mut TableFactor) -> ControlFlow<Error> {
        let TableFactor::Table { name, alias, args: None, .. } = factor else {
            return ControlFlow::Continue(());
        };
        let last = name.0.last().and_then(ObjectNamePart::as_ident).cloned();
        let Some(last) = last else { return ControlFlow::Continue(()) };
        if name.0.len() == 1 && self.ctes.contains(&folded(&last)) {
            return ControlFlow::Continue(());
        }
        match self.session.used_name(name) {
            Err(error) => ControlFlow::Break(error),
            Ok(None) => ControlFlow::Continue(()),
            Ok(Some(used)) => {
                // Columns may be qualified by the name that goes.
                let called = Ident::with_quote('"', folded(&last));
                alias.get_or_insert_with(|| TableAlias {
                    explicit: true,
                    name: called,
                    columns: Vec::new(),
                    at: None,
                });
                let place = Ident::with_quote('"', format!("{MARK}{}{MARK}", self.uses.len()));
                *name = ObjectName(vec![ObjectNamePart::Identifier(place)]);
                self.uses.push(used);
                ControlFlow::Continue(())
            }
        }
    }
}

/// SELECT INTO as the CREATE TABLE AS that it is; `None` if it is a plain query.
///
/// # Errors
/// `42601` for a name that is none.
pub(super) fn into_table(query: &mut Query) -> Result<Option<CreateTable>> {
    let SetExpr::Select(select) = query.body.as_mut() else { return Ok(None) };
    let Some(into) = select.into.take() else { return Ok(None) };
    let target = &into.name;
    let temporary = if into.temporary { "TEMPORARY " } else { "" };
    let sql = format!("CREATE {temporary}TABLE {target} AS SELECT 1");
    match command::parse_one(&sql)? {
        Statement::CreateTable(mut table) => {
            table.query = Some(Box::new(query.clone()));
            Ok(Some(table))
        }
        _ => Err(Error::internal("SELECT INTO makes a table")),
    }
}
