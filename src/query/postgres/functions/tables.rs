//! Functions that give rows: `pg_show_all_settings()`, `pg_get_keywords()` and others that views wrap.

use std::sync::Arc;

use arrow::array::{RecordBatch, StringArray};
use arrow::datatypes::{DataType, Field, Schema};
use datafusion::catalog::{MemTable, TableFunctionArgs, TableFunctionImpl, TableProvider};
use datafusion::common::{Result, plan_err};

use crate::query::postgres::catalog;
use crate::query::postgres::description::Source;

/// Functions whose rows are those of a catalog relation.
const OVER_RELATIONS: &[(&str, &str)] = &[
    ("pg_show_all_settings", "pg_settings"),
    ("pg_lock_status", "pg_locks"),
    ("pg_stat_get_activity", "pg_stat_activity"),
    ("pg_timezone_names", "pg_timezone_names"),
    ("pg_timezone_abbrevs", "pg_timezone_abbrevs"),
    ("pg_prepared_statement", "pg_prepared_statements"),
    ("pg_prepared_xact", "pg_prepared_xacts"),
    ("pg_cursor", "pg_cursors"),
    ("pg_available_extensions", "pg_available_extensions"),
    ("pg_show_all_file_settings", "pg_file_settings"),
];

/// Words that clients must quote; `R` in PostgreSQL's own classification.
const RESERVED: &[&str] = &[
    "all",
    "analyse",
    "analyze",
    "and",
    "any",
    "array",
    "as",
    "asc",
    "asymmetric",
    "both",
    "case",
    "cast",
    "check",
    "collate",
    "column",
    "constraint",
    "create",
    "current_catalog",
    "current_date",
    "current_role",
    "current_time",
    "current_timestamp",
    "current_user",
    "default",
    "deferrable",
    "desc",
    "distinct",
    "do",
    "else",
    "end",
    "except",
    "false",
    "fetch",
    "for",
    "foreign",
    "from",
    "grant",
    "group",
    "having",
    "in",
    "initially",
    "intersect",
    "into",
    "lateral",
    "leading",
    "limit",
    "localtime",
    "localtimestamp",
    "not",
    "null",
    "offset",
    "on",
    "only",
    "or",
    "order",
    "placing",
    "primary",
    "references",
    "returning",
    "select",
    "session_user",
    "some",
    "symmetric",
    "table",
    "then",
    "to",
    "trailing",
    "true",
    "union",
    "unique",
    "user",
    "using",
    "variadic",
    "when",
    "where",
    "window",
    "with",
];

/// Words that clients must quote unless they name a function or a type; `T` there.
const OF_FUNCTIONS: &[&str] = &[
    "authorization",
    "binary",
    "collation",
    "concurrently",
    "cross",
    "current_schema",
    "freeze",
    "full",
    "ilike",
    "inner",
    "is",
    "isnull",
    "join",
    "left",
    "like",
    "natural",
    "notnull",
    "outer",
    "overlaps",
    "right",
    "similar",
    "tablesample",
    "verbose",
];

/// The words of our own statements, which need no quotes.
const UNRESERVED: &[&str] = &[
    "attribute",
    "audience",
    "block",
    "dataset",
    "event",
    "forget",
    "history",
    "identity",
    "kind",
    "link",
    "merge",
    "namespace",
    "normalize",
    "observed",
    "policy",
    "rank",
    "stitch",
    "unblock",
    "unlink",
];

/// All table functions by name, over one session's source.
pub fn table_functions(source: &Arc<dyn Source>) -> Vec<(String, Arc<dyn TableFunctionImpl>)> {
    let over = OVER_RELATIONS.iter().map(|(name, relation)| {
        let function = OverRelation { name, relation, source: Arc::clone(source) };
        ((*name).to_owned(), Arc::new(function) as Arc<dyn TableFunctionImpl>)
    });
    let keywords = Arc::new(Keywords) as Arc<dyn TableFunctionImpl>;
    over.chain([("pg_get_keywords".to_owned(), keywords)]).collect()
}

#[derive(Debug)]
struct OverRelation {
    name: &'static str,
    relation: &'static str,
    source: Arc<dyn Source>,
}

impl TableFunctionImpl for OverRelation {
    /// `pg_stat_get_activity(null)` means all sessions; a number would mean one, which no client asks.
    fn call_with_args(&self, args: TableFunctionArgs<'_, '_>) -> Result<Arc<dyn TableProvider>> {
        if args.exprs().len() > usize::from(self.name == "pg_stat_get_activity") {
            return plan_err!("function {} does not take arguments", self.name);
        }
        let table = catalog::table("pg_catalog", self.relation, &self.source);
        Ok(table.expect("these relations are in the catalog"))
    }
}

#[derive(Debug)]
struct Keywords;

impl TableFunctionImpl for Keywords {
    fn call_with_args(&self, _: TableFunctionArgs<'_, '_>) -> Result<Arc<dyn TableProvider>> {
        let reserved = RESERVED.iter().map(|word| (*word, "R", "reserved"));
        let described = "reserved (can be function or type)";
        let of_functions = OF_FUNCTIONS.iter().map(|word| (*word, "T", described));
        let unreserved = UNRESERVED.iter().map(|word| (*word, "U", "unreserved"));
        let mut words: Vec<_> = reserved.chain(of_functions).chain(unreserved).collect();
        words.sort_unstable();
        let column = |at: fn(&(&'static str, &'static str, &'static str)) -> &'static str| {
            Arc::new(words.iter().map(|word| Some(at(word))).collect::<StringArray>()) as _
        };
        let field = |name| Field::new(name, DataType::Utf8, true);
        let schema = Arc::new(Schema::new(vec![field("word"), field("catcode"), field("catdesc")]));
        let columns = vec![column(|it| it.0), column(|it| it.1), column(|it| it.2)];
        let batch = RecordBatch::try_new(Arc::clone(&schema), columns)?;
        Ok(Arc::new(MemTable::try_new(schema, vec![vec![batch]])?))
    }
}
