//! What the tests of this folder share: a description, a session over it, and results as text.

use std::sync::Arc;

use datafusion::arrow::util::display::{ArrayFormatter, FormatOptions};
use datafusion::catalog::{
    CatalogProvider, MemTable, MemoryCatalogProvider, MemorySchemaProvider, SchemaProvider,
};
use datafusion::execution::context::SessionContext;
use datafusion::prelude::SessionConfig;
use sqlparser::parser::Parser;

use crate::query::dialect::Postgres;
use crate::query::postgres::description::{
    Description, FunctionEntry, Relation, RelationColumn, RelationKind, SessionEntry, Setting,
    Source,
};
use crate::query::postgres::rewrite;
use crate::query::postgres::types::PgType;

#[derive(Debug)]
pub(super) struct Fixed(Arc<Description>);

impl Source for Fixed {
    fn describe(&self) -> Arc<Description> {
        Arc::clone(&self.0)
    }

    fn set(&self, _: &str, value: Option<&str>, _: bool) -> crate::error::Result<String> {
        Ok(value.unwrap_or_default().to_owned())
    }

    fn signal(&self, _: i32, _: bool) -> bool {
        false
    }
}

pub(super) fn source() -> Arc<dyn Source> {
    Arc::new(Fixed(Arc::new(description())))
}

fn column(name: &str, ty: PgType) -> RelationColumn {
    RelationColumn { name: name.to_owned(), ty, not_null: false, comment: None, generated: None }
}

fn relation(oid: u32, schema: &str, name: &str, columns: Vec<RelationColumn>) -> Relation {
    Relation {
        oid,
        schema: schema.to_owned(),
        name: name.to_owned(),
        kind: RelationKind::Table,
        comment: None,
        columns,
        row_estimate: None,
        primary_key: Vec::new(),
        definition: None,
        uses: Vec::new(),
        is_temporary: false,
    }
}

fn setting(name: &str, value: &str, default: &str) -> Setting {
    Setting {
        name: name.to_owned(),
        value: value.to_owned(),
        default: default.to_owned(),
        description: format!("Sets {name}."),
        is_server: false,
    }
}

fn relations() -> Vec<Relation> {
    let mut crm = relation(
        16_385,
        "public",
        "crm",
        vec![
            column("customer_no", PgType::TEXT),
            column("email", PgType::TEXT),
            column("tags", PgType::TEXT.array()),
            column("birth_date", PgType::DATE),
            column("spend", PgType::numeric(12, 2)),
            column("opted_in", PgType::BOOL),
            column("updated_at", PgType::TIMESTAMPTZ),
        ],
    );
    crm.comment = Some("rows of dataset crm".to_owned());
    crm.columns[0].not_null = true;
    crm.columns[1].comment = Some("an address".to_owned());
    crm.primary_key = vec!["customer_no".to_owned()];
    crm.row_estimate = Some(3);
    let purchases = relation(
        16_392,
        "public",
        "purchases",
        vec![
            column("order_id", PgType::TEXT),
            column("amount", PgType::numeric(12, 2)),
            column("ts", PgType::TIMESTAMP),
            column("n", PgType::INT4),
            column("b", PgType::INT8),
        ],
    );
    let columns = vec![column("profile_id", PgType::INT8), column("first_name", PgType::TEXT)];
    let mut profiles = relation(16_397, "public", "profiles", columns.clone());
    profiles.kind = RelationKind::View;
    profiles.definition = Some("SELECT 1::bigint AS profile_id, 'x' AS first_name".to_owned());
    let mut trusted = relation(16_402, "profiles_by", "trusted", columns[..1].to_vec());
    trusted.kind = RelationKind::View;
    vec![crm, purchases, profiles, trusted]
}

pub(super) fn description() -> Description {
    Description {
        database: "selfsame".to_owned(),
        user: "selfsame".to_owned(),
        session_user: "selfsame".to_owned(),
        owner: "selfsame".to_owned(),
        is_superuser: true,
        access: Arc::default(),
        version: "0.1.0".to_owned(),
        backend_pid: 4242,
        started_at_us: 1_700_000_000_000_000,
        schemas: vec![
            ("public".to_owned(), None),
            ("profiles_by".to_owned(), Some("profiles under each policy".to_owned())),
        ],
        relations: relations(),
        settings: vec![
            setting("search_path", "\"$user\", public", "\"$user\", public"),
            setting("application_name", "psql", ""),
            setting("jit", "off", "off"),
        ],
        functions: vec![FunctionEntry {
            name: "latest".to_owned(),
            arguments: "value text, observed_at timestamp with time zone".to_owned(),
            result: "text".to_owned(),
            kind: 'a',
            description: "The newest value.".to_owned(),
        }],
        sessions: vec![SessionEntry {
            pid: 4242,
            database: "selfsame".to_owned(),
            user: "selfsame".to_owned(),
            application_name: "psql".to_owned(),
            client_port: -1,
            started_at_us: Some(1_700_000_000_000_000),
            state: "active".to_owned(),
            query: "SELECT 1".to_owned(),
            ..SessionEntry::default()
        }],
    }
}

/// A session with the catalog, and the described relations as empty tables.
pub(super) fn context() -> SessionContext {
    let config = SessionConfig::new()
        .with_default_catalog_and_schema("selfsame", "public")
        .with_information_schema(false)
        .with_create_default_catalog_and_schema(false)
        .with_target_partitions(1);
    let context = SessionContext::new_with_config(config);
    let source = source();
    let database = MemoryCatalogProvider::new();
    let register = |name: &str, schema: Arc<dyn SchemaProvider>| {
        database.register_schema(name, schema).expect("schemas are distinct");
    };
    for (name, _) in &source.describe().schemas {
        let schema = MemorySchemaProvider::new();
        for relation in source.describe().relations.iter().filter(|it| it.schema == *name) {
            let table = empty_table(relation);
            schema.register_table(relation.name.clone(), table).expect("names are distinct");
        }
        register(name, Arc::new(schema));
    }
    register("pg_catalog", super::pg_catalog(Arc::clone(&source)));
    register("information_schema", super::information_schema(Arc::clone(&source)));
    context.register_catalog("selfsame", Arc::new(database));
    for function in super::scalar_functions(Arc::clone(&source)) {
        context.register_udf(function);
    }
    for function in super::aggregate_functions() {
        context.register_udaf(function);
    }
    for (name, function) in super::table_functions(source) {
        context.register_udtf(&name, function);
    }
    context
}

fn empty_table(relation: &Relation) -> Arc<MemTable> {
    use arrow::datatypes::{Field, Schema};
    let fields = relation.columns.iter().map(|column| {
        let data_type = PgType::to_arrow(column.ty.oid).expect("the tests' types have Arrow types");
        Field::new(&column.name, data_type, !column.not_null)
    });
    let schema = Arc::new(Schema::new(fields.collect::<Vec<_>>()));
    Arc::new(MemTable::try_new(schema, vec![vec![]]).expect("no rows fit any schema"))
}

/// Runs a statement as the session would, and shows names, types and rows, one a line.
pub(super) async fn run(context: &SessionContext, sql: &str) -> String {
    match try_run(context, sql).await {
        Ok(text) => text,
        Err(error) => format!("ERROR {error}"),
    }
}

async fn try_run(context: &SessionContext, sql: &str) -> Result<String, String> {
    let mut statements = Parser::new(&Postgres)
        .with_recursion_limit(500)
        .try_with_sql(sql)
        .and_then(|mut parser| parser.parse_statements())
        .map_err(|error| error.to_string())?;
    let mut statement = statements.pop().ok_or("no statement")?;
    let source = source();
    let rewritten =
        rewrite(&mut statement, &*source).map_err(|error| format!("{}: {error}", error.code()))?;
    let shown = statement.to_string();
    let again = rewrite(&mut statement, &*source).map_err(|error| error.to_string())?;
    assert_eq!(statement.to_string(), shown, "rewriting twice changes the statement");
    drop(again);
    let wrapped = datafusion::sql::parser::Statement::Statement(Box::new(statement));
    let plan = context.state().statement_to_plan(wrapped).await;
    let plan = plan.map_err(|error| format!("{} in {shown}", error.strip_backtrace()))?;
    let frame = context.execute_logical_plan(plan).await;
    let frame = frame.map_err(|error| format!("{} in {shown}", error.strip_backtrace()))?;
    let schema = Arc::clone(frame.schema().inner());
    let batches = frame.collect().await;
    let batches = batches.map_err(|error| format!("{} in {shown}", error.strip_backtrace()))?;
    let names: Vec<_> = match rewritten.output_names {
        Some(names) => names
            .into_iter()
            .zip(schema.fields())
            .map(|(name, field)| name.unwrap_or_else(|| field.name().clone()))
            .collect(),
        None => {
            let shown = schema.fields().iter().map(|it| rewrite::shown_name(it.name()).to_owned());
            shown.collect()
        }
    };
    let header: Vec<_> = names
        .iter()
        .zip(schema.fields())
        .map(|(name, field)| format!("{name}:{}", PgType::of_field(field).name()))
        .collect();
    let mut lines = vec![header.join("|")];
    let options = FormatOptions::default().with_null("");
    for batch in batches {
        let formatters: Vec<_> = batch
            .columns()
            .iter()
            .map(|column| ArrayFormatter::try_new(column, &options))
            .collect::<Result<_, _>>()
            .map_err(|error| error.to_string())?;
        for row in 0..batch.num_rows() {
            let cells: Vec<_> = formatters.iter().map(|it| it.value(row).to_string()).collect();
            lines.push(cells.join("|"));
        }
    }
    Ok(lines.join("\n"))
}

/// Name of the variable that makes golden tests write what they got instead of comparing.
const REWRITE: &str = "SELFSAME_REWRITE_GOLDEN";

/// Lines of an answer that are kept in a golden file; of the others the count is.
const LINES_MAX: usize = 16;

/// Runs each statement of a file of this folder's `golden/`, and compares with what follows it there.
///
/// A block is `=== name`, the statement, `---`, then names with types, and rows.
pub(super) async fn check_golden(file: &str) {
    let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("src/query/postgres/golden")
        .join(file);
    let expected = std::fs::read_to_string(&path).expect("the golden file is there");
    let context = context();
    let mut got = String::new();
    for block in expected.split("=== ").skip(1) {
        let (head, _) = block.split_once("\n---\n").expect("a block has a line of dashes");
        let (_, sql) = head.split_once('\n').expect("a block has a name");
        let answer = run(&context, sql).await;
        let mut lines: Vec<_> = answer.lines().map(str::to_owned).collect();
        if lines.len() > LINES_MAX {
            lines.push(format!("... {} rows", lines.len() - 1));
            lines.drain(LINES_MAX..lines.len() - 1);
        }
        got += &format!("=== {head}\n---\n{}\n\n", lines.join("\n"));
    }
    if std::env::var_os(REWRITE).is_some() {
        std::fs::write(&path, got).expect("the golden file can be written");
        return;
    }
    for (got, expected) in got.split("=== ").zip(expected.split("=== ")) {
        assert_eq!(got, expected);
    }
    assert!(!got.contains("\nERROR "), "a golden answer of {file} is an error");
}
