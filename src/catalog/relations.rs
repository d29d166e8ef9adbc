//! Views and scratch tables of a catalog: which there are, and what may be done with them.
//!
//! A view names what it reads. What a view reads cannot go without it: a drop is refused, or takes the
//! view with it. Renaming a relation renames it in the views that read it.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use crate::error::{Error, Result, SqlState};
use crate::model::definition::Existence;
use crate::model::names::{check_name, quote_name};
use crate::model::relation::{
    Commented, Relation, RelationBody, RelationChange, RelationColumn, RelationDefinition,
    RelationKind, RelationName, SCRATCH_MIN, TEMPORARY_MIN, TEMPORARY_SCHEMA,
};

/// The most relations of a catalog, which is copied with every change.
pub const RELATIONS_MAX: usize = 10_000;

/// The most columns of a relation, as in PostgreSQL.
pub const RELATION_COLUMNS_MAX: usize = 1_600;

/// How many views may be on top of each other: a query of the last is planned through all.
pub const VIEW_DEPTH_MAX: usize = 64;

/// Schemas that are always there and take no relations of users.
const FIXED_SCHEMAS: &[&str] = &["profiles_by", "selfsame", "pg_catalog", "information_schema"];

/// What there is in a schema.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Schema {
    /// What it is for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub comment: Option<String>,
    /// Views and tables by name.
    pub relations: BTreeMap<String, Relation>,
}

/// All views and scratch tables.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Relations {
    /// Schemas of users, and `public`.
    pub schemas: BTreeMap<String, Schema>,
    /// Number of the next relation.
    pub next_id: u32,
}

impl Default for Relations {
    fn default() -> Self {
        let schemas = BTreeMap::from([("public".to_owned(), Schema::default())]);
        Self { schemas, next_id: SCRATCH_MIN }
    }
}

/// What a change did: whether anything changed, and what the user should know.
type Changed = (bool, Option<String>);

impl Relations {
    /// No relations yet, of one session.
    pub fn temporary() -> Self {
        let schemas = BTreeMap::from([(TEMPORARY_SCHEMA.to_owned(), Schema::default())]);
        Self { schemas, next_id: TEMPORARY_MIN }
    }

    /// A relation by name.
    pub fn get(&self, name: &RelationName) -> Option<&Relation> {
        self.schemas.get(&name.schema)?.relations.get(&name.name)
    }

    /// A relation by its number.
    pub fn by_id(&self, id: u32) -> Option<&Relation> {
        self.all().map(|(_, relation)| relation).find(|relation| relation.id == id)
    }

    /// All relations with their names.
    pub fn all(&self) -> impl Iterator<Item = (RelationName, &Relation)> {
        self.schemas.iter().flat_map(|(schema, found)| {
            let named = move |(name, relation)| (RelationName::new(schema, name), relation);
            found.relations.iter().map(named)
        })
    }

    /// A relation that must be there.
    ///
    /// # Errors
    /// `42P01`.
    pub fn existing(&self, name: &RelationName) -> Result<&Relation> {
        self.get(name).ok_or_else(|| {
            let message = format!("relation \"{}\" does not exist", plain(name));
            Error::new(SqlState::UNDEFINED_TABLE, message)
        })
    }

    /// The views that read a relation, and those that read them.
    pub fn dependents(&self, name: &RelationName) -> Vec<RelationName> {
        let (mut found, mut open) = (Vec::new(), vec![name.clone()]);
        while let Some(used) = open.pop() {
            for (user, relation) in self.all() {
                if relation.uses().contains(&used) && !found.contains(&user) {
                    open.push(user.clone());
                    found.push(user);
                }
            }
        }
        found
    }

    /// Refuses to let something go that views read.
    ///
    /// # Errors
    /// `2BP01`.
    pub fn check_unused(&self, what: &str, name: &RelationName) -> Result<()> {
        let dependents = self.dependents(name);
        if dependents.is_empty() { Ok(()) } else { Err(used(what, &dependents)) }
    }

    /// Applies a definition. `is_taken` tells of names that are taken by what is no relation of users.
    ///
    /// # Errors
    /// Each refusal has its own SQLSTATE and says what to do.
    pub fn apply(
        &mut self,
        definition: &RelationDefinition,
        is_taken: &dyn Fn(&RelationName) -> bool,
    ) -> Result<Changed> {
        match definition {
            RelationDefinition::CreateSchema { name, existence } => {
                self.create_schema(name, *existence)
            }
            RelationDefinition::DropSchema { name, existence, cascade } => {
                self.drop_schema(name, *existence, *cascade)
            }
            RelationDefinition::Create { name, columns, body, existence } => {
                self.create(name, columns, body, *existence, is_taken)
            }
            RelationDefinition::Drop { name, kind, existence, cascade } => {
                self.drop_relation(name, *kind, *existence, *cascade)
            }
            RelationDefinition::Alter { name, change, existence } => {
                if let (Err(error), Existence::Lenient) = (self.existing(name), *existence) {
                    return Ok((false, Some(format!("{}, skipping", error.message()))));
                }
                self.existing(name)?;
                self.alter(name, change, is_taken)
            }
            RelationDefinition::Comment { on, text } => self.comment(on, text.clone()),
        }
    }

    fn create_schema(&mut self, name: &str, existence: Existence) -> Result<Changed> {
        if self.schemas.contains_key(name) || FIXED_SCHEMAS.contains(&name) {
            let message = format!("schema \"{name}\" already exists");
            return match existence {
                Existence::Lenient => Ok((false, Some(format!("{message}, skipping")))),
                _ => Err(Error::new(SqlState("42P06"), message)),
            };
        }
        check_name("schema", name)?;
        if name.starts_with("pg_") {
            let message = format!("unacceptable schema name \"{name}\"");
            return Err(Error::new(SqlState("42939"), message)
                .detail("The prefix \"pg_\" is reserved for system schemas."));
        }
        self.check_count()?;
        self.schemas.insert(name.to_owned(), Schema::default());
        Ok((true, None))
    }

    fn check_count(&self) -> Result<()> {
        let count: usize = self.schemas.values().map(|schema| schema.relations.len() + 1).sum();
        if count < RELATIONS_MAX {
            return Ok(());
        }
        let message = format!("there can be at most {RELATIONS_MAX} schemas, tables and views");
        Err(Error::new(SqlState::PROGRAM_LIMIT_EXCEEDED, message))
    }

    fn drop_schema(&mut self, name: &str, existence: Existence, cascade: bool) -> Result<Changed> {
        if name == "public" || FIXED_SCHEMAS.contains(&name) || name == TEMPORARY_SCHEMA {
            let message = format!("cannot drop schema {name}: it is always there");
            return Err(Error::new(SqlState("2BP01"), message));
        }
        let Some(schema) = self.schemas.get(name) else {
            let message = format!("schema \"{name}\" does not exist");
            return match existence {
                Existence::Lenient => Ok((false, Some(format!("{message}, skipping")))),
                _ => Err(Error::new(SqlState::INVALID_SCHEMA_NAME, message)),
            };
        };
        let inside: Vec<RelationName> =
            schema.relations.keys().map(|relation| RelationName::new(name, relation)).collect();
        let mut gone: BTreeSet<RelationName> = inside.iter().cloned().collect();
        inside.iter().for_each(|relation| gone.extend(self.dependents(relation)));
        if !gone.is_empty() && !cascade {
            let lines: Vec<String> = inside
                .iter()
                .map(|relation| format!("{} depends on schema {name}", self.described(relation)))
                .collect();
            return Err(refused(&format!("schema {name}"), &lines));
        }
        let notice = self.remove(&gone.into_iter().collect::<Vec<_>>());
        self.schemas.remove(name);
        Ok((true, notice))
    }

    /// `table x`, `view y`.
    fn described(&self, name: &RelationName) -> String {
        let kind = self.get(name).map_or("relation", |relation| relation.kind().word());
        format!("{kind} {}", name.shown())
    }

    /// Removes relations that go with another; tells of them.
    fn remove(&mut self, names: &[RelationName]) -> Option<String> {
        let described: Vec<String> = names.iter().map(|name| self.described(name)).collect();
        for name in names {
            if let Some(schema) = self.schemas.get_mut(&name.schema) {
                schema.relations.remove(&name.name);
            }
        }
        match &described[..] {
            [] => None,
            [one] => Some(format!("drop cascades to {one}")),
            all => {
                Some(format!("drop cascades to {} other objects: {}", all.len(), all.join(", ")))
            }
        }
    }

    fn create(
        &mut self,
        name: &RelationName,
        columns: &[RelationColumn],
        body: &RelationBody,
        existence: Existence,
        is_taken: &dyn Fn(&RelationName) -> bool,
    ) -> Result<Changed> {
        self.check_schema(&name.schema)?;
        let known = self.get(name);
        if known.is_some() || is_taken(name) {
            match (existence, known) {
                (Existence::Lenient, _) => {
                    let notice = format!("relation \"{}\" already exists, skipping", name.name);
                    return Ok((false, Some(notice)));
                }
                (Existence::Replace, Some(known)) if known.kind() == RelationKind::View => {
                    check_replacement(known, columns)?;
                }
                (Existence::Replace, _) => {
                    let message = format!("\"{}\" is not a view", name.name);
                    return Err(Error::new(SqlState("42809"), message));
                }
                (Existence::Strict, _) => return Err(taken(name)),
            }
        }
        check_name("relation", &name.name)?;
        check_columns(columns)?;
        self.check_count()?;
        let (id, comment) = match self.get(name) {
            Some(known) => (known.id, known.comment.clone()),
            None => (self.next_id, None),
        };
        let columns_made = columns.len() as u32;
        let relation =
            Relation { id, columns: columns.to_vec(), body: body.clone(), comment, columns_made };
        self.next_id = self.next_id.max(id + 1);
        if let Some(schema) = self.schemas.get_mut(&name.schema) {
            schema.relations.insert(name.name.clone(), relation);
        }
        self.check_depth(name)?;
        Ok((true, None))
    }

    fn check_schema(&self, schema: &str) -> Result<()> {
        if self.schemas.contains_key(schema) {
            return Ok(());
        }
        if FIXED_SCHEMAS.contains(&schema) {
            let message = format!("permission denied for schema {schema}");
            return Err(Error::new(SqlState::INSUFFICIENT_PRIVILEGE, message).hint(
                "tables and views go into public, or a schema of yours: CREATE SCHEMA name",
            ));
        }
        let message = format!("schema \"{schema}\" does not exist");
        Err(Error::new(SqlState::INVALID_SCHEMA_NAME, message))
    }

    /// Refuses a view that would read itself, and towers of views.
    fn check_depth(&self, name: &RelationName) -> Result<()> {
        let mut level = vec![name.clone()];
        for _ in 0..VIEW_DEPTH_MAX {
            let used = level.iter().filter_map(|used| self.get(used)).flat_map(Relation::uses);
            level = used.cloned().collect::<BTreeSet<_>>().into_iter().collect();
            if level.contains(name) {
                let message =
                    format!("infinite recursion detected in rules for relation \"{}\"", name.name);
                return Err(Error::new(SqlState("42P17"), message));
            }
            if level.is_empty() {
                return Ok(());
            }
        }
        let message = format!("more than {VIEW_DEPTH_MAX} views on top of each other");
        Err(Error::new(SqlState::PROGRAM_LIMIT_EXCEEDED, message))
    }

    fn drop_relation(
        &mut self,
        name: &RelationName,
        kind: RelationKind,
        existence: Existence,
        cascade: bool,
    ) -> Result<Changed> {
        let Some(known) = self.get(name) else {
            let message = format!("{} \"{}\" does not exist", kind.word(), plain(name));
            return match existence {
                Existence::Lenient => Ok((false, Some(format!("{message}, skipping")))),
                _ => Err(Error::new(SqlState::UNDEFINED_TABLE, message)),
            };
        };
        if known.kind() != kind {
            let article = format!("\"{}\" is not a {}", name.name, kind.word());
            let word = known.kind().word();
            return Err(Error::new(SqlState("42809"), article)
                .hint(format!("Use DROP {} to remove a {word}.", word.to_uppercase())));
        }
        let dependents = self.dependents(name);
        if !dependents.is_empty() && !cascade {
            return Err(used(&self.described(name), &dependents));
        }
        let notice = self.remove(&dependents);
        self.remove(std::slice::from_ref(name));
        Ok((true, notice))
    }

    fn alter(
        &mut self,
        name: &RelationName,
        change: &RelationChange,
        is_taken: &dyn Fn(&RelationName) -> bool,
    ) -> Result<Changed> {
        match change {
            RelationChange::Rename(to) => {
                self.rename(name, &RelationName::new(&name.schema, to), is_taken)
            }
            RelationChange::SetSchema(to) => {
                self.rename(name, &RelationName::new(to, &name.name), is_taken)
            }
            RelationChange::RenameColumn { from, to } => self.rename_column(name, from, to),
            RelationChange::AddColumn { column, existence } => {
                self.add_column(name, column, *existence)
            }
            RelationChange::DropColumn { name: column, existence, cascade } => {
                self.drop_column(name, column, *existence, *cascade)
            }
        }
    }

    fn rename(
        &mut self,
        from: &RelationName,
        to: &RelationName,
        is_taken: &dyn Fn(&RelationName) -> bool,
    ) -> Result<Changed> {
        self.check_schema(&to.schema)?;
        check_name("relation", &to.name)?;
        if self.get(to).is_some() || is_taken(to) {
            return Err(taken(to));
        }
        let schema = self.schemas.get_mut(&from.schema);
        let moved = schema.and_then(|schema| schema.relations.remove(&from.name));
        if let (Some(relation), Some(schema)) = (moved, self.schemas.get_mut(&to.schema)) {
            schema.relations.insert(to.name.clone(), relation);
        }
        for relation in self.schemas.values_mut().flat_map(|it| it.relations.values_mut()) {
            if let RelationBody::View(query) = &mut relation.body {
                let same = query.uses.iter_mut().filter(|used| *used == from);
                same.for_each(|used| used.clone_from(to));
            }
        }
        Ok((true, None))
    }

    fn relation_mut(&mut self, name: &RelationName) -> Result<&mut Relation> {
        let schema = self.schemas.get_mut(&name.schema);
        let found = schema.and_then(|schema| schema.relations.get_mut(&name.name));
        found.ok_or_else(|| {
            let message = format!("relation \"{}\" does not exist", plain(name));
            Error::new(SqlState::UNDEFINED_TABLE, message)
        })
    }

    fn table_mut(&mut self, name: &RelationName) -> Result<&mut Relation> {
        let relation = self.relation_mut(name)?;
        if relation.kind() != RelationKind::Table {
            let message = format!("\"{}\" is not a table", name.name);
            return Err(Error::new(SqlState("42809"), message));
        }
        Ok(relation)
    }

    fn rename_column(&mut self, name: &RelationName, from: &str, to: &str) -> Result<Changed> {
        check_name("column", to)?;
        if let Some(user) = self.dependents(name).first() {
            let message = format!("view {} reads {}", user.shown(), name.shown());
            return Err(Error::unsupported(format!("cannot rename column \"{from}\": {message}"))
                .hint("drop the view, and define it again afterwards"));
        }
        let relation = self.relation_mut(name)?;
        let at = relation.column(from).ok_or_else(|| no_column(from, &name.name))?;
        if relation.column(to).is_some() {
            return Err(double_column(to, &name.name));
        }
        to.clone_into(&mut relation.columns[at].name);
        Ok((true, None))
    }

    fn add_column(
        &mut self,
        name: &RelationName,
        column: &RelationColumn,
        existence: Existence,
    ) -> Result<Changed> {
        check_name("column", &column.name)?;
        let relation = self.table_mut(name)?;
        if relation.column(&column.name).is_some() {
            let error = double_column(&column.name, &name.name);
            return match existence {
                Existence::Lenient => Ok((false, Some(format!("{}, skipping", error.message())))),
                _ => Err(error),
            };
        }
        relation.columns_made += 1;
        let source = format!("c{}", relation.columns_made);
        relation.columns.push(RelationColumn { source, ..column.clone() });
        check_columns(&relation.columns)?;
        Ok((true, None))
    }

    fn drop_column(
        &mut self,
        name: &RelationName,
        column: &str,
        existence: Existence,
        cascade: bool,
    ) -> Result<Changed> {
        let relation = self.table_mut(name)?;
        let Some(at) = relation.column(column) else {
            let error = no_column(column, &name.name);
            return match existence {
                Existence::Lenient => Ok((false, Some(format!("{}, skipping", error.message())))),
                _ => Err(error),
            };
        };
        relation.columns.remove(at);
        let dependents = self.dependents(name);
        if !dependents.is_empty() && !cascade {
            let what = format!("column {} of {}", quote_name(column), self.described(name));
            return Err(used(&what, &dependents));
        }
        let notice = self.remove(&dependents);
        Ok((true, notice))
    }

    fn comment(&mut self, on: &Commented, text: Option<String>) -> Result<Changed> {
        match on {
            Commented::Schema(name) => {
                self.check_schema(name)?;
                if let Some(schema) = self.schemas.get_mut(name) {
                    schema.comment = text;
                }
            }
            Commented::Relation(name) => self.relation_mut(name)?.comment = text,
            Commented::Column(name, column) => {
                let relation = self.relation_mut(name)?;
                let at = relation.column(column).ok_or_else(|| no_column(column, &name.name))?;
                relation.columns[at].comment = text;
            }
        }
        Ok((true, None))
    }
}

/// A name as messages quote it.
fn plain(name: &RelationName) -> String {
    match name.schema.as_str() {
        "public" | TEMPORARY_SCHEMA => name.name.clone(),
        schema => format!("{schema}.{}", name.name),
    }
}

fn taken(name: &RelationName) -> Error {
    let message = format!("relation \"{}\" already exists", name.name);
    Error::new(SqlState::DUPLICATE_TABLE, message)
}

fn no_column(column: &str, relation: &str) -> Error {
    let message = format!("column \"{column}\" of relation \"{relation}\" does not exist");
    Error::new(SqlState::UNDEFINED_COLUMN, message)
}

fn double_column(column: &str, relation: &str) -> Error {
    let message = format!("column \"{column}\" of relation \"{relation}\" already exists");
    Error::new(SqlState::DUPLICATE_COLUMN, message)
}

fn used(what: &str, dependents: &[RelationName]) -> Error {
    let line = |name: &RelationName| format!("view {} depends on {what}", name.shown());
    refused(what, &dependents.iter().map(line).collect::<Vec<_>>())
}

fn refused(what: &str, lines: &[String]) -> Error {
    let message = format!("cannot drop {what} because other objects depend on it");
    Error::new(SqlState("2BP01"), message)
        .detail(lines.join("\n"))
        .hint("Use DROP ... CASCADE to drop the dependent objects too.")
}

/// A view may be replaced by one that has its columns, and perhaps more after them.
fn check_replacement(known: &Relation, columns: &[RelationColumn]) -> Result<()> {
    let code = SqlState("42P16");
    if columns.len() < known.columns.len() {
        return Err(Error::new(code, "cannot drop columns from view"));
    }
    for (old, new) in known.columns.iter().zip(columns) {
        if old.name != new.name {
            let message =
                format!("cannot change name of view column \"{}\" to \"{}\"", old.name, new.name);
            return Err(Error::new(code, message).hint(
                "Use ALTER VIEW ... RENAME COLUMN ... to change name of view column instead.",
            ));
        }
        if old.ty != new.ty || old.type_name != new.type_name {
            let message = format!("cannot change data type of view column \"{}\"", old.name);
            return Err(Error::new(code, message).hint("drop the view, and create it again"));
        }
    }
    Ok(())
}

fn check_columns(columns: &[RelationColumn]) -> Result<()> {
    if columns.len() > RELATION_COLUMNS_MAX {
        let message = format!("a relation can have at most {RELATION_COLUMNS_MAX} columns");
        return Err(Error::new(SqlState("54011"), message));
    }
    let mut names = BTreeSet::new();
    for column in columns {
        check_name("column", &column.name)?;
        if !names.insert(&column.name) {
            let message = format!("column \"{}\" specified more than once", column.name);
            return Err(Error::new(SqlState::DUPLICATE_COLUMN, message));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use arrow::datatypes::DataType;

    use super::*;
    use crate::model::relation::ViewQuery;

    fn column(name: &str) -> RelationColumn {
        RelationColumn {
            name: name.to_owned(),
            source: name.to_owned(),
            ty: DataType::Int64,
            type_name: None,
            not_null: false,
            comment: None,
        }
    }

    fn named(name: &str) -> RelationName {
        RelationName::new("public", name)
    }

    /// `t` is a table, `v:a,b` a view of a and b, `v!:a` one that may replace another.
    fn create(relations: &mut Relations, text: &str) -> Result<Changed> {
        let (name, uses) = text.split_once(':').map_or((text, None), |(n, u)| (n, Some(u)));
        let existence = if name.ends_with('!') { Existence::Replace } else { Existence::Strict };
        let body = match uses {
            None => RelationBody::Table,
            Some(uses) => {
                let uses: Vec<_> = uses.split(',').map(named).collect();
                let pieces = vec![String::new(); uses.len() + 1];
                RelationBody::View(ViewQuery { pieces, uses, search_path: Vec::new() })
            }
        };
        let definition = RelationDefinition::Create {
            name: named(name.trim_end_matches('!')),
            columns: vec![column("a")],
            body,
            existence,
        };
        relations.apply(&definition, &|_| false)
    }

    fn all(relations: &Relations) -> String {
        let shown = |(name, relation): (RelationName, &Relation)| {
            let uses: Vec<_> = relation.uses().iter().map(|used| used.name.clone()).collect();
            match uses.is_empty() {
                true => name.name,
                false => format!("{}:{}", name.name, uses.join(",")),
            }
        };
        relations.all().map(shown).collect::<Vec<_>>().join(" ")
    }

    /// Makes relations and then applies a change to them.
    fn check(made: &str, definition: RelationDefinition, expected: &str) {
        let mut relations = Relations::default();
        for text in made.split(' ') {
            create(&mut relations, text).expect("it can be made");
        }
        let shown = match relations.apply(&definition, &|_| false) {
            Ok((_, notice)) => match notice {
                Some(notice) => format!("{} | {notice}", all(&relations)),
                None => all(&relations),
            },
            Err(error) => error.code().to_string(),
        };
        assert_eq!(shown, expected, "{made}: {definition:?}");
    }

    fn drop_of(name: &str, kind: RelationKind, cascade: bool) -> RelationDefinition {
        let (name, existence) = (named(name), Existence::Strict);
        RelationDefinition::Drop { name, kind, existence, cascade }
    }

    fn rename(from: &str, to: &str) -> RelationDefinition {
        let change = RelationChange::Rename(to.to_owned());
        RelationDefinition::Alter { name: named(from), change, existence: Existence::Strict }
    }

    #[test]
    fn what_views_read_goes_with_them_or_not_at_all() {
        check("t v:t", drop_of("t", RelationKind::Table, false), "2BP01");
        check("t v:t", drop_of("v", RelationKind::View, false), "t");
        check("t v:t w:v x:t", drop_of("v", RelationKind::View, false), "2BP01");
        check(
            "t v:t w:v x:t",
            drop_of("v", RelationKind::View, true),
            "t x:t | drop cascades to view w",
        );
        check("t v:t", drop_of("t", RelationKind::View, true), "42809");
        check("t v:t", drop_of("u", RelationKind::View, true), "42P01");
    }

    #[test]
    fn views_follow_what_is_renamed() {
        check("t v:t w:v,t", rename("t", "s"), "s v:s w:v,s");
        check("t v:t w:v,t", rename("v", "s"), "s:t t w:s,t");
        check("t v:t", rename("t", "v"), "42P07");
        check("t v:t", rename("t", ""), "42602");
    }

    #[test]
    fn no_view_reads_itself() {
        let mut relations = Relations::default();
        for text in ["t", "v:t", "w:v"] {
            create(&mut relations, text).expect("it can be made");
        }
        for text in ["v!:v", "v!:w", "v!:t,w"] {
            let error = create(&mut relations.clone(), text).expect_err(text);
            assert_eq!(error.code().0, "42P17", "{text}");
        }
        assert!(create(&mut relations, "w!:t").is_ok());
    }

    #[test]
    fn there_are_limits() {
        let mut relations = Relations::default();
        create(&mut relations, "v0").expect("it can be made");
        for at in 1..VIEW_DEPTH_MAX {
            create(&mut relations, &format!("v{at}:v{}", at - 1)).expect("it can be made");
        }
        let last = format!("v{VIEW_DEPTH_MAX}:v{}", VIEW_DEPTH_MAX - 1);
        assert_eq!(create(&mut relations.clone(), &last).expect_err("deep").code().0, "54000");
        for at in relations.all().count() + 1..RELATIONS_MAX {
            create(&mut relations, &format!("t{at}")).expect("it can be made");
        }
        let error = create(&mut relations.clone(), "more").expect_err("too many");
        assert_eq!(error.code(), SqlState::PROGRAM_LIMIT_EXCEEDED);

        let columns = |count: usize| (0..count).map(|at| column(&format!("c{at}"))).collect();
        let create = |count: usize| RelationDefinition::Create {
            name: named("wide"),
            columns: columns(count),
            body: RelationBody::Table,
            existence: Existence::Strict,
        };
        let apply = |count| Relations::default().apply(&create(count), &|_| false);
        assert!(apply(RELATION_COLUMNS_MAX).is_ok());
        assert_eq!(apply(RELATION_COLUMNS_MAX + 1).expect_err("too many").code().0, "54011");
    }

    #[test]
    fn temporary_relations_have_numbers_of_their_own() {
        let mut relations = Relations::temporary();
        let definition = RelationDefinition::Create {
            name: RelationName::new(TEMPORARY_SCHEMA, "t"),
            columns: vec![column("a")],
            body: RelationBody::Table,
            existence: Existence::Strict,
        };
        relations.apply(&definition, &|_| false).expect("it can be made");
        let made = relations.all().next().expect("it is there").1;
        assert!(crate::model::relation::is_temporary(made.id));
        assert!(Relations::default().apply(&definition, &|_| false).is_err());
    }
}
