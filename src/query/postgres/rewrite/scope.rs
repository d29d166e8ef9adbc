//! Which relations a name can mean at a place in a statement, and the types of their columns.

use std::sync::{Arc, OnceLock};

use sqlparser::ast::{
    Expr, Ident, ObjectName, Query, Select, SelectItem, TableAlias, TableFactor, TableWithJoins,
};

use crate::query::postgres::catalog;
use crate::query::postgres::description::Description;
use crate::query::postgres::rewrite::{build, outputs};
use crate::query::postgres::types::PgType;

/// A relation in a FROM list.
#[derive(Clone, Debug)]
pub struct Entry {
    /// The name by which columns are qualified.
    pub alias: String,
    /// Schema and name, unless it is a subquery or a function.
    pub relation: Option<(String, String)>,
    /// Its name as it is written, if it has no alias.
    pub written: Option<ObjectName>,
    /// The columns of a subquery, if all of them are named in it.
    derived: Option<Arc<Derived>>,
}

/// The columns of a subquery in a FROM list.
#[derive(Debug)]
struct Derived {
    items: Vec<(String, Expr)>,
    scope: Scope,
    types: OnceLock<Vec<(String, PgType)>>,
}

/// The type of a column of which no type is known.
const UNKNOWN: PgType = PgType::new(705);

impl Derived {
    fn of(
        query: &Query,
        alias: Option<&TableAlias>,
        is_cte: &dyn Fn(&str) -> bool,
    ) -> Option<Arc<Self>> {
        let select = build::only_select(query)?;
        let names = alias.map_or(&[][..], |alias| &alias.columns);
        let item = |(at, item): (usize, &SelectItem)| {
            let (name, expr) = match item {
                SelectItem::UnnamedExpr(expr) => (outputs::name(expr), expr),
                SelectItem::ExprWithAlias { expr, alias } => (build::folded(alias), expr),
                _ => return None,
            };
            Some((names.get(at).map_or(name, |it| build::folded(&it.name)), expr.clone()))
        };
        let items = select.projection.iter().enumerate().map(item).collect::<Option<Vec<_>>>()?;
        let scope = Scope::of(select, is_cte);
        Some(Arc::new(Self { items, scope, types: OnceLock::new() }))
    }

    fn columns(&self, description: &Description) -> &[(String, PgType)] {
        self.types.get_or_init(|| {
            let scopes = std::slice::from_ref(&self.scope);
            let ty = |expr| column(scopes, expr, description).map_or(UNKNOWN, |found| found.ty);
            self.items.iter().map(|(name, expr)| (name.clone(), ty(expr))).collect()
        })
    }
}

/// The relations of one SELECT.
#[derive(Clone, Debug, Default)]
pub struct Scope {
    /// In the order of the FROM list.
    pub entries: Vec<Entry>,
}

/// Schema and name of a relation that is named like this; catalog relations need no schema.
pub fn resolve(name: &ObjectName, is_cte: &dyn Fn(&str) -> bool) -> Option<(String, String)> {
    match build::parts(name)?.as_slice() {
        [name] if is_cte(name) => None,
        [name] if catalog::by_name("pg_catalog", name).is_some() => {
            Some(("pg_catalog".to_owned(), name.clone()))
        }
        [name] => Some((String::new(), name.clone())),
        [schema, name] | [_, schema, name] => Some((schema.clone(), name.clone())),
        _ => None,
    }
}

impl Scope {
    /// The relations of a SELECT.
    pub fn of(select: &Select, is_cte: &dyn Fn(&str) -> bool) -> Self {
        let mut scope = Self::default();
        select.from.iter().for_each(|table| scope.add_joined(table, is_cte));
        scope
    }

    /// One relation alone.
    pub fn of_factor(factor: &TableFactor, is_cte: &dyn Fn(&str) -> bool) -> Self {
        let mut scope = Self::default();
        scope.add(factor, is_cte);
        scope
    }

    fn add_joined(&mut self, table: &TableWithJoins, is_cte: &dyn Fn(&str) -> bool) {
        self.add(&table.relation, is_cte);
        table.joins.iter().for_each(|join| self.add(&join.relation, is_cte));
    }

    fn add(&mut self, factor: &TableFactor, is_cte: &dyn Fn(&str) -> bool) {
        let mut written = None;
        let derived = match factor {
            TableFactor::Derived { subquery, alias, .. } => {
                Derived::of(subquery, alias.as_ref(), is_cte)
            }
            _ => None,
        };
        let (alias, relation) = match factor {
            TableFactor::Table { name, alias, args: None, .. } => {
                let last = name.0.last().and_then(|part| part.as_ident()).map(build::folded);
                written = alias.is_none().then(|| name.clone());
                (alias.as_ref().map(|it| build::folded(&it.name)).or(last), resolve(name, is_cte))
            }
            TableFactor::NestedJoin { table_with_joins, alias: None } => {
                return self.add_joined(table_with_joins, is_cte);
            }
            TableFactor::Table { alias, .. }
            | TableFactor::Derived { alias, .. }
            | TableFactor::Function { alias, .. }
            | TableFactor::UNNEST { alias, .. }
            | TableFactor::NestedJoin { alias, .. } => {
                (alias.as_ref().map(|it| build::folded(&it.name)), None)
            }
            _ => (None, None),
        };
        let alias = alias.unwrap_or_default();
        self.entries.push(Entry { alias, relation, written, derived });
    }

    /// Whether a qualifier means one of these relations.
    pub fn has(&self, alias: &str) -> bool {
        self.entries.iter().any(|entry| entry.alias == alias)
    }
}

impl Entry {
    /// Its columns, if it is a relation that exists, or a subquery that names all of its columns.
    pub fn columns(&self, description: &Description) -> Option<Vec<(String, PgType)>> {
        if let Some(derived) = &self.derived {
            return Some(derived.columns(description).to_vec());
        }
        let (schema, name) = self.relation.as_ref()?;
        if let Some(relation) = catalog::by_name(schema, name) {
            let columns = relation.columns.iter();
            return Some(columns.map(|it| (it.name.to_owned(), it.ty)).collect());
        }
        let oid = self.oid(description)?;
        let columns = description.relation(oid)?.columns.iter();
        Some(columns.map(|it| (it.name.clone(), it.ty)).collect())
    }

    /// Its number in `pg_class`.
    pub fn oid(&self, description: &Description) -> Option<u32> {
        let (schema, name) = self.relation.as_ref()?;
        description.class_oid((!schema.is_empty()).then_some(schema), name)
    }
}

/// The column that an expression names: its relation, its name and its type.
pub struct Column<'a> {
    /// Where it comes from.
    pub entry: &'a Entry,
    /// Its name.
    pub name: String,
    /// Its type.
    pub ty: PgType,
}

/// The column that an expression names, looked up from the innermost scope outwards.
pub fn column<'a>(
    scopes: &'a [Scope],
    expr: &Expr,
    description: &Description,
) -> Option<Column<'a>> {
    let (qualifier, name) = match build::bare(expr) {
        Expr::Identifier(column) => (None, build::folded(column)),
        Expr::CompoundIdentifier(names) => {
            let [.., qualifier, column] = names.as_slice() else { return None };
            (Some(build::folded(qualifier)), build::folded(column))
        }
        _ => return None,
    };
    for scope in scopes.iter().rev() {
        let is_meant = |it: &&Entry| qualifier.as_ref().is_none_or(|name| it.alias == *name);
        let mut is_unknown = false;
        for entry in scope.entries.iter().filter(is_meant) {
            let Some(columns) = entry.columns(description) else {
                is_unknown = true;
                continue;
            };
            if let Some((_, ty)) = columns.into_iter().find(|(own, _)| *own == name) {
                return (ty != UNKNOWN).then_some(Column { entry, name, ty });
            }
        }
        if is_unknown || qualifier.as_ref().is_some_and(|name| scope.has(name)) {
            return None;
        }
    }
    None
}

/// Whether the query refers to a relation outside of it, as far as names tell.
pub fn is_outer(
    names: &[Ident],
    inner: &[Scope],
    outer: &[Scope],
    description: &Description,
) -> bool {
    match names {
        [column] => {
            let column = build::folded(column);
            let has = |scope: &Scope| {
                scope.entries.iter().any(|entry| {
                    let columns = entry.columns(description);
                    columns.is_none_or(|it| it.iter().any(|(name, _)| *name == column))
                })
            };
            let known = |scope: &Scope| {
                scope.entries.iter().any(|entry| {
                    let columns = entry.columns(description).unwrap_or_default();
                    columns.iter().any(|(name, _)| *name == column)
                })
            };
            !inner.iter().any(has) && outer.iter().any(known)
        }
        [.., qualifier, _] => {
            let qualifier = build::folded(qualifier);
            !inner.iter().any(|scope| scope.has(&qualifier))
                && outer.iter().any(|scope| scope.has(&qualifier))
        }
        [] => false,
    }
}
