//! SELECT lists: columns that are shown as names, system columns, and functions that give many rows.

use std::ops::ControlFlow;

use sqlparser::ast::{
    Expr, Ident, ObjectName, ObjectNamePart, Query, Select, SelectItem,
    SelectItemQualifiedWildcardKind, VisitMut, VisitorMut,
};

use crate::error::Result;
use crate::query::postgres::rewrite::scope::Entry;
use crate::query::postgres::rewrite::{Rewriter, build, casts, functions, outputs, relations};

/// Functions that give one row per element of a list.
const SETS: &[&str] = &["generate_series", "generate_subscripts", "_pg_expandarray"];

/// Rewrites the items of a SELECT, which have their names by now.
///
/// # Errors
/// If a literal names no object.
pub fn rewrite(rewriter: &Rewriter<'_>, select: &mut Select) -> Result<()> {
    for item in &mut select.projection {
        let (expr, alias) = match item {
            SelectItem::UnnamedExpr(expr) => {
                let alias = build::ident(&outputs::name(expr));
                (expr, alias)
            }
            SelectItem::ExprWithAlias { expr, alias } => (expr, alias.clone()),
            SelectItem::QualifiedWildcard(SelectItemQualifiedWildcardKind::ObjectName(name), _) => {
                qualify(rewriter, name);
                continue;
            }
            _ => continue,
        };
        let is_changed = show(rewriter, expr)?;
        let _ = expr.visit(&mut Unnest { query_depth: 0, is_inside: false });
        if is_changed {
            let expr = std::mem::replace(expr, build::null());
            *item = SelectItem::ExprWithAlias { expr, alias };
        }
    }
    Ok(())
}

/// `columns.*` over `information_schema.columns` needs the whole name.
fn qualify(rewriter: &Rewriter<'_>, name: &mut ObjectName) {
    let [ObjectNamePart::Identifier(alias)] = name.0.as_slice() else { return };
    let alias = build::folded(alias);
    let mut entries = rewriter.scopes().iter().rev().flat_map(|scope| scope.entries.iter());
    if let Some(Entry { written: Some(written), relation: Some((schema, _)), .. }) =
        entries.find(|entry| entry.alias == alias)
    {
        *name = written.clone();
        if name.0.len() == 1 && schema == "pg_catalog" {
            name.0.insert(0, ObjectNamePart::Identifier(Ident::new("pg_catalog")));
        }
    }
}

/// A name of an object shows as text; a system column is not there to be selected.
fn show(rewriter: &Rewriter<'_>, expr: &mut Expr) -> Result<bool> {
    // In a relation it stays a number, for the query around it to compare; that one knows what it is.
    let is_relation = rewriter.relations.last().copied().unwrap_or(false);
    if let Some(name) = rewriter.object_column(expr).filter(|_| !is_relation) {
        *expr = build::call(&format!("{name}out"), vec![build::take(expr)]);
        return Ok(true);
    }
    if let Some(shows) = finder(expr) {
        let found = std::mem::replace(expr, build::null());
        *expr = build::call(shows, vec![found]);
        return Ok(true);
    }
    Ok(casts::show(rewriter, expr)?
        || system_column(rewriter, expr)
        || functions::rewrite_keyword(rewriter, expr))
}

/// `to_regclass` and its like give an object; what shows it.
fn finder(expr: &Expr) -> Option<&'static str> {
    let Expr::Function(function) = expr else { return None };
    match build::function_name(function).as_str() {
        "to_regclass" => Some("regclassout"),
        "to_regnamespace" => Some("regnamespaceout"),
        "to_regproc" => Some("regprocout"),
        "to_regrole" => Some("regroleout"),
        "to_regtype" => Some("regtypeout"),
        _ => None,
    }
}

/// `tableoid` is the number of the relation, and `xmin` and its like are all 1: rows have one version.
pub fn system_column(rewriter: &Rewriter<'_>, expr: &mut Expr) -> bool {
    let (qualifier, column) = match &*expr {
        Expr::Identifier(column) => (None, build::folded(column)),
        Expr::CompoundIdentifier(names) => match names.as_slice() {
            [.., qualifier, column] => (Some(build::folded(qualifier)), build::folded(column)),
            _ => return false,
        },
        _ => return false,
    };
    let is_version = matches!(column.as_str(), "xmin" | "xmax" | "cmin" | "cmax");
    if !is_version && column != "tableoid" {
        return false;
    }
    if rewriter.column_type(expr).is_some() {
        return false;
    }
    let Some(oid) = rewriter.relation_oid(qualifier.as_deref()) else { return false };
    let number = if is_version { 1 } else { i64::from(oid) };
    *expr = build::call("oidin", vec![build::number(number)]);
    true
}

/// Puts `unnest` around functions that give lists here and rows in PostgreSQL.
struct Unnest {
    query_depth: usize,
    is_inside: bool,
}

impl VisitorMut for Unnest {
    type Break = ();

    fn pre_visit_query(&mut self, _: &mut Query) -> ControlFlow<()> {
        self.query_depth += 1;
        ControlFlow::Continue(())
    }

    fn post_visit_query(&mut self, _: &mut Query) -> ControlFlow<()> {
        self.query_depth -= 1;
        ControlFlow::Continue(())
    }

    fn pre_visit_expr(&mut self, expr: &mut Expr) -> ControlFlow<()> {
        let is_inside = std::mem::take(&mut self.is_inside);
        let Expr::Function(function) = expr else { return ControlFlow::Continue(()) };
        let name = build::function_name(function);
        if self.query_depth > 0 {
            return ControlFlow::Continue(());
        }
        if name == "generate_subscripts"
            && let Some(arguments) = build::take_arguments(function)
        {
            let bounds = relations::subscript_bounds(arguments);
            *expr = build::call("generate_series", bounds);
        }
        if SETS.contains(&name.as_str()) && !is_inside {
            let taken = std::mem::replace(expr, build::null());
            *expr = build::call("unnest", vec![taken]);
            self.is_inside = true;
        } else if name == "unnest" {
            self.is_inside = true;
        }
        ControlFlow::Continue(())
    }
}
