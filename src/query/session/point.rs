//! The short path: a query that is one look-up of a person, answered from the merged profiles themselves.
//!
//! `SELECT columns FROM profiles WHERE profile_id = $1`, or `email = $1` where the attribute shows an
//! identity, needs no plan of its own for each execution: the key leads through the dictionary to rows of
//! the view that is there, as of the very snapshot that the statement reads. Whatever is not so simple (a
//! view that is not up to date, the past, another filter) goes the ordinary way, which gives the same rows:
//! this path can only be faster. A view that many look-ups would have liked to have is made behind them.

use std::sync::atomic::Ordering;
use std::sync::{Arc, Weak};

use arrow::array::{Array, ArrayRef, AsArray, RecordBatch, RecordBatchOptions};
use arrow::datatypes::{DataType, SchemaRef};
use datafusion::catalog::default_table_source::source_as_provider;
use datafusion::common::ScalarValue;
use datafusion::logical_expr::{BinaryExpr, Expr, FetchType, LogicalPlan, Operator, SkipType};

use crate::engine::Snapshot;
use crate::engine::profiles::ProfileView;
use crate::query::session::Inner;
use crate::query::session::prepare::{Body, Prepared, versions};
use crate::query::session::transaction::TransactionStatus;
use crate::query::tables::lookup::{LookupColumn, people};
use crate::query::tables::provider::Provider;

/// Look-ups on one snapshot that find no view before one is made for them: merging every profile must pay.
const MISSES_MAX: u32 = 32;

/// Texts longer than this are never looked up by their shape.
const TEXT_BYTES_MAX: usize = 4 << 10;

/// One look-up, as the plan has it.
#[derive(Debug)]
pub(super) struct PointPlan {
    /// The policy that the table names; `None`: the session's.
    policy: Option<String>,
    /// The column that must be equal to the key.
    column: LookupColumn,
    /// Where it is in the table.
    column_at: usize,
    key: Key,
    /// The columns that are shown, by their places in the table.
    projection: Vec<usize>,
    /// The most rows.
    fetch: usize,
}

/// What the column must be equal to.
#[derive(Debug)]
enum Key {
    /// A parameter, from 0, and what it is cast to.
    Parameter(usize, Option<DataType>),
    /// A constant.
    Value(ScalarValue),
}

/// The rows of a look-up.
#[derive(Debug)]
pub struct PointRows {
    /// Names and types of the columns, as clients see them.
    pub schema: SchemaRef,
    /// The rows, one a batch; they have the names of the table.
    pub rows: Vec<RecordBatch>,
}

/// The view that the session looked into last, while it is there.
#[derive(Default)]
pub(super) struct LastView {
    snapshot: Weak<Snapshot>,
    policy: String,
    view: Weak<ProfileView>,
    misses: u32,
}

impl PointPlan {
    /// The look-up that an optimised plan is, if it is one.
    pub(super) fn of(plan: &LogicalPlan, schema: &SchemaRef) -> Option<Self> {
        let (mut node, mut fetch, mut shown) = (plan, usize::MAX, None::<Vec<String>>);
        let scan = loop {
            match node {
                LogicalPlan::Limit(limit) => {
                    match (limit.get_skip_type().ok()?, limit.get_fetch_type().ok()?) {
                        (SkipType::Literal(0), FetchType::Literal(Some(count))) => {
                            fetch = fetch.min(count);
                        }
                        _ => return None,
                    }
                    node = &limit.input;
                }
                LogicalPlan::SubqueryAlias(alias) => node = &alias.input,
                LogicalPlan::Projection(projection) if shown.is_none() => {
                    let name = |expression: &Expr| column_name(expression).map(str::to_owned);
                    shown = Some(projection.expr.iter().map(name).collect::<Option<_>>()?);
                    node = &projection.input;
                }
                LogicalPlan::TableScan(scan) => break scan,
                _ => return None,
            }
        };
        let provider = source_as_provider(&scan.source).ok()?;
        let provider = (provider.as_ref() as &dyn std::any::Any).downcast_ref::<Provider>()?;
        let policy = provider.merged_under()?;
        let [filter] = scan.filters.as_slice() else { return None };
        let (column, key) = equality(filter)?;
        let table = datafusion::catalog::TableProvider::schema(provider);
        let column_at = table.index_of(column).ok()?;
        let column = provider.lookups().iter().find(|it| it.column == column)?.clone();
        let projection = match shown {
            Some(names) => {
                names.iter().map(|name| table.index_of(name).ok()).collect::<Option<_>>()?
            }
            None => match &scan.projection {
                Some(places) => places.clone(),
                None => (0..table.fields().len()).collect(),
            },
        };
        let fetch = fetch.min(scan.fetch.unwrap_or(usize::MAX));
        let point = Self { policy, column, column_at, key, projection, fetch };
        point.gives(&table, schema).then_some(point)
    }

    /// Whether the columns have the types that the client was told.
    fn gives(&self, table: &SchemaRef, schema: &SchemaRef) -> bool {
        let types = self.projection.iter().map(|at| table.field(*at).data_type());
        self.projection.len() == schema.fields().len()
            && types.eq(schema.fields().iter().map(|field| field.data_type()))
    }

    /// The rows that a view has; `None` if the key is nothing that this path can look up.
    fn rows(
        &self,
        snapshot: &Snapshot,
        view: &ProfileView,
        values: &[ScalarValue],
    ) -> Option<Vec<RecordBatch>> {
        let key = match &self.key {
            Key::Value(value) => value.clone(),
            Key::Parameter(at, None) => values.get(*at)?.clone(),
            Key::Parameter(at, Some(ty)) => values.get(*at)?.cast_to(ty).ok()?,
        };
        let mut rows = Vec::new();
        for person in people(&self.column, &key, snapshot) {
            let Some((chunk, row)) = view.find(person) else { continue };
            let batch = &view.chunks.get(chunk)?.rows;
            if self.column.namespace.is_some()
                && !shows(batch.column(self.column_at), row, key.try_as_str()??)
            {
                continue;
            }
            if rows.len() == self.fetch {
                break;
            }
            rows.push(self.row(batch, row)?);
        }
        Some(rows)
    }

    fn row(&self, batch: &RecordBatch, row: usize) -> Option<RecordBatch> {
        let columns: Vec<ArrayRef> =
            self.projection.iter().map(|at| batch.column(*at).slice(row, 1)).collect();
        let schema = batch.schema_ref().project(&self.projection).ok()?;
        let options = RecordBatchOptions::new().with_row_count(Some(1));
        RecordBatch::try_new_with_options(Arc::new(schema), columns, &options).ok()
    }
}

fn column_name(expression: &Expr) -> Option<&str> {
    match expression {
        Expr::Column(column) => Some(&column.name),
        Expr::Alias(alias) => column_name(&alias.expr),
        _ => None,
    }
}

/// The column and the key of a filter that is an equality of the two.
fn equality(filter: &Expr) -> Option<(&str, Key)> {
    let Expr::BinaryExpr(BinaryExpr { left, op: Operator::Eq, right }) = filter else {
        return None;
    };
    match (left.as_ref(), right.as_ref()) {
        (Expr::Column(column), other) | (other, Expr::Column(column)) => {
            Some((&column.name, key(other)?))
        }
        _ => None,
    }
}

fn key(expression: &Expr) -> Option<Key> {
    let parameter = |id: &str| id.strip_prefix('$')?.parse::<usize>().ok()?.checked_sub(1);
    match expression {
        Expr::Literal(value, _) => Some(Key::Value(value.clone())),
        Expr::Placeholder(placeholder) => Some(Key::Parameter(parameter(&placeholder.id)?, None)),
        Expr::Cast(cast) => match cast.expr.as_ref() {
            Expr::Placeholder(placeholder) => {
                let ty = cast.field.data_type().clone();
                Some(Key::Parameter(parameter(&placeholder.id)?, Some(ty)))
            }
            _ => None,
        },
        _ => None,
    }
}

/// Whether a column of texts shows this one.
fn shows(column: &ArrayRef, row: usize, text: &str) -> bool {
    match column.as_string_view_opt() {
        Some(texts) => !texts.is_null(row) && texts.value(row) == text,
        None => false,
    }
}

/// Answers a prepared statement, if it is a look-up and the view for it is there.
pub(super) fn answer(
    session: &Arc<Inner>,
    prepared: &Prepared,
    values: &[ScalarValue],
) -> Option<PointRows> {
    if session.derived.lock().shows_past
        || session.transaction.lock().status == TransactionStatus::Failed
    {
        return None;
    }
    if session.server.audit.wants_reads() {
        // Notes of who read what are made on the ordinary way.
        return None;
    }
    let planned = prepared.planned();
    if !planned.is_current(versions(session)) {
        return None;
    }
    let Body::Query(query) = &planned.body else { return None };
    let point = query.point()?;
    let snapshot = session.snapshot();
    let policy = match &point.policy {
        Some(policy) => policy.clone(),
        None => session.binding.policy_of(&snapshot),
    };
    let view = view(session, &snapshot, &policy)?;
    let rows = point.rows(&snapshot, &view, values)?;
    Some(PointRows { schema: Arc::clone(&query.schema), rows })
}

/// The view of a policy as of a snapshot, if it is there.
fn view(session: &Arc<Inner>, snapshot: &Arc<Snapshot>, policy: &str) -> Option<Arc<ProfileView>> {
    let mut last = session.last_view.lock();
    let same = last.policy == policy && last.snapshot.as_ptr() == Arc::as_ptr(snapshot);
    if same && let Some(view) = last.view.upgrade() {
        return Some(view);
    }
    let found = session.server.database.profiles_at_hand(snapshot, policy);
    let misses = if same && found.is_none() { last.misses + 1 } else { 0 };
    *last = LastView {
        snapshot: Arc::downgrade(snapshot),
        policy: policy.to_owned(),
        view: found.as_ref().map(Arc::downgrade).unwrap_or_default(),
        misses,
    };
    if misses == MISSES_MAX && session.transaction.lock().status == TransactionStatus::Idle {
        make(session, snapshot, policy);
    }
    found
}

/// Brings a view up to date behind the session's back; one at a time, for all sessions.
fn make(session: &Arc<Inner>, snapshot: &Arc<Snapshot>, policy: &str) {
    let server = Arc::clone(&session.server);
    if server.making_view.swap(true, Ordering::Relaxed) {
        return;
    }
    let (snapshot, policy) = (Arc::clone(snapshot), policy.to_owned());
    session.server.runtime().spawn_blocking(move || {
        if let Err(error) = server.database.profiles(&snapshot, &policy) {
            tracing::debug!(%error, policy, "could not merge profiles ahead of look-ups");
        }
        server.making_view.store(false, Ordering::Relaxed);
    });
}

/// The shape of a text that ends with `= constant`: the text with a parameter in its place, and the constant.
pub(super) fn shape(sql: &str) -> Option<(String, ScalarValue)> {
    if sql.len() > TEXT_BYTES_MAX {
        return None;
    }
    let text = sql.trim_end().trim_end_matches(';').trim_end();
    let (head, value) = match text.strip_suffix('\'') {
        Some(rest) => {
            let (head, value) = rest.rsplit_once('\'')?;
            let plain = !value.contains('\\');
            (head, plain.then(|| ScalarValue::Utf8View(Some(value.to_owned())))?)
        }
        None => {
            let head = text.trim_end_matches(|letter: char| letter.is_ascii_digit());
            let number = text[head.len()..].parse::<i64>().ok()?;
            (head, ScalarValue::Int64(Some(number)))
        }
    };
    let before = head.trim_end().strip_suffix('=')?;
    let column = before
        .trim_end()
        .ends_with(|letter: char| letter.is_ascii_alphanumeric() || matches!(letter, '_' | '"'));
    let strange = ["'", "$", "--", "/*", ";", "\\"].iter().any(|part| before.contains(part));
    let query = before.trim_start().get(..6)?.eq_ignore_ascii_case("select");
    (column && query && !strange).then(|| (format!("{head}$1"), value))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(sql: &str, expected: Option<(&str, &str)>) {
        let shown = shape(sql).map(|(text, value)| (text, value.to_string()));
        let shown = shown.as_ref().map(|(text, value)| (text.as_str(), value.as_str()));
        assert_eq!(shown, expected, "{sql}");
    }

    #[test]
    fn texts_that_end_with_a_constant_have_a_shape() {
        check("SELECT a FROM p WHERE b = 17;\n", Some(("SELECT a FROM p WHERE b = $1", "17")));
        check("select * from p where \"B\"='x y'", Some(("select * from p where \"B\"=$1", "x y")));
        for sql in [
            "SELECT a FROM p WHERE b >= 17",
            "SELECT a FROM p WHERE b = -17",
            "SELECT a FROM p WHERE b = 1.7",
            "SELECT a FROM p WHERE b = 99999999999999999999",
            "SELECT a FROM p WHERE b = 'it''s'",
            "SELECT a FROM p WHERE b = E'a\\n'",
            "SELECT a FROM p WHERE c = 'x' AND b = 1",
            "SELECT a -- = \n FROM p WHERE b = 1",
            "SELECT $1 FROM p WHERE b = 1",
            "DELETE FROM p WHERE b = 1",
            "",
        ] {
            check(sql, None);
        }
    }
}
