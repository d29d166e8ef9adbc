//! Look-ups: filters that name people, answered through the dictionary instead of a scan.
//!
//! `profile_id = 17`, `profile_id IN (...)` and `email = 'a@x.com'` (an attribute that is an identity
//! wherever it occurs) lead to few profiles. The filter still runs on their rows, so that a look-up can
//! only save work, never change an answer.

use datafusion::common::ScalarValue;
use datafusion::logical_expr::{BinaryExpr, Expr, Operator};

use crate::engine::Snapshot;
use crate::model::policy::Stitch;

/// The most profiles that one look-up names; more are scanned.
pub const PROFILES_MAX: usize = 1_024;

/// A column whose equality leads to profiles.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LookupColumn {
    /// Its name.
    pub column: String,
    /// The namespace whose identities it shows; `None`: it shows profile ids.
    pub namespace: Option<u32>,
    /// Whose profiles.
    pub stitch: Stitch,
}

impl LookupColumn {
    /// The column of profile ids.
    pub fn profile_id() -> Self {
        Self { column: "profile_id".to_owned(), namespace: None, stitch: Stitch::Graph }
    }
}

/// Profiles that filters lead to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Lookup {
    /// The profiles, ascending.
    pub profiles: Vec<u32>,
    /// The filter that led there, for EXPLAIN.
    pub text: String,
}

/// Constants that a column must be equal to one of, as a filter says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Choice {
    /// The column.
    pub column: String,
    /// The constants.
    pub values: Vec<String>,
    /// The filter that says so, for EXPLAIN.
    pub text: String,
}

/// The choices that filters make of these columns of texts, the first of each.
pub fn choices(filters: &[Expr], columns: &[&str]) -> Vec<Choice> {
    let chosen = |column: &&str| {
        filters.iter().find_map(|filter| {
            let (name, values) = equality(filter).filter(|(name, _)| name == column)?;
            let values = values.iter().filter_map(|value| value.try_as_str().flatten());
            let values = values.map(str::to_owned).collect();
            Some(Choice { column: name.to_owned(), values, text: filter.to_string() })
        })
    };
    columns.iter().filter_map(chosen).collect()
}

/// The first look-up among filters that must all hold.
pub fn find(filters: &[Expr], columns: &[LookupColumn], snapshot: &Snapshot) -> Option<Lookup> {
    filters.iter().find_map(|filter| {
        let (name, values) = equality(filter)?;
        let column = columns.iter().find(|column| column.column == name)?;
        if values.len() > PROFILES_MAX {
            return None;
        }
        let mut profiles: Vec<u32> =
            values.iter().flat_map(|value| people(column, value, snapshot)).collect();
        profiles.sort_unstable();
        profiles.dedup();
        if profiles.len() > PROFILES_MAX {
            return None;
        }
        Some(Lookup { profiles, text: filter.to_string() })
    })
}

/// Whether a filter is of a form that [`find`] understands.
pub fn is_lookup(filter: &Expr, columns: &[LookupColumn]) -> bool {
    equality(filter).is_some_and(|(name, _)| columns.iter().any(|column| column.column == name))
}

/// The column and the values that it must be equal to one of.
fn equality(filter: &Expr) -> Option<(&str, Vec<&ScalarValue>)> {
    match filter {
        Expr::BinaryExpr(BinaryExpr { left, op: Operator::Eq, right }) => {
            match (bare(left), bare(right)) {
                (Expr::Column(column), Expr::Literal(value, _))
                | (Expr::Literal(value, _), Expr::Column(column)) => {
                    Some((&column.name, vec![value]))
                }
                _ => None,
            }
        }
        Expr::BinaryExpr(BinaryExpr { left, op: Operator::Or, right }) => {
            let (name, mut values) = equality(left)?;
            let (other, more) = equality(right)?;
            values.extend(more);
            (name == other).then_some((name, values))
        }
        Expr::InList(list) if !list.negated => {
            let Expr::Column(column) = bare(&list.expr) else { return None };
            let literal = |item| match bare(item) {
                Expr::Literal(value, _) => Some(value),
                _ => None,
            };
            let values = list.list.iter().map(literal).collect::<Option<Vec<_>>>()?;
            Some((&column.name, values))
        }
        _ => None,
    }
}

/// An expression without its alias. Casts stay: a value that a cast changed leads nowhere.
fn bare(expr: &Expr) -> &Expr {
    match expr {
        Expr::Alias(alias) => bare(&alias.expr),
        _ => expr,
    }
}

/// The people whom a row with the value in the column may be of.
pub fn people(column: &LookupColumn, value: &ScalarValue, snapshot: &Snapshot) -> Vec<u32> {
    match column.namespace {
        None => integer(value).and_then(|it| u32::try_from(it).ok()).into_iter().collect(),
        Some(namespace) => match value.try_as_str().flatten() {
            Some(value) => snapshot.people_naming(column.stitch, namespace, value),
            None => Vec::new(),
        },
    }
}

fn integer(value: &ScalarValue) -> Option<i64> {
    match value {
        ScalarValue::Int64(value) => *value,
        ScalarValue::Int32(value) => value.map(i64::from),
        ScalarValue::Int16(value) => value.map(i64::from),
        _ => None,
    }
}
