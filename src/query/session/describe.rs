//! What exists, told to the catalog relations: the session's tables, settings and neighbours.
//!
//! Tables are described from their own schemas, once per version of the catalog; the comments of
//! tables and columns are metadata of those schemas under [`COMMENT`]. Views tell theirs themselves.

use std::sync::atomic::Ordering;
use std::sync::{Arc, Weak};

use datafusion::catalog::{CatalogProvider, TableProvider};
use datafusion::execution::SessionState;
use datafusion::logical_expr::AggregateUDF;
use futures::FutureExt;
use parking_lot::Mutex;

use crate::error::{Error, Result};
use crate::model::access::BOOTSTRAP;
use crate::model::relation::{RelationBody, TEMPORARY_SCHEMA};
use crate::query::aggregates;
use crate::query::functions;
use crate::query::postgres::types::PgType;
use crate::query::postgres::{
    Description, FunctionEntry, RELATION_OID_MAX, RELATION_OID_MIN, Relation, RelationColumn,
    RelationKind, SessionEntry, Setting, Source,
};
use crate::query::session::command::Set;
use crate::query::session::execute::set_config;
use crate::query::session::settings::{Kind, Known};
use crate::query::session::views::plan as plan_of;
use crate::query::session::{Inner, SessionInfo};
use crate::query::tables::provider::{COMMENT, GENERATED, KEY, Provider, SCHEMAS};
use crate::query::tables::scratch::field_of;
use crate::query::tables::{AuditRow, Directory, SessionRow};
use crate::query::views;

/// Versions of catalog and settings, and the relations as of them.
type Described = ((u64, u64), Vec<Relation>);

/// Describes what one session sees.
pub(super) struct Describer {
    session: Weak<Inner>,
    tables: Arc<dyn CatalogProvider>,
    relations: Mutex<Option<Described>>,
}

impl std::fmt::Debug for Describer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Describer").finish_non_exhaustive()
    }
}

impl Describer {
    pub(super) fn new(session: Weak<Inner>, tables: Arc<dyn CatalogProvider>) -> Self {
        Self { session, tables, relations: Mutex::default() }
    }

    fn relations(&self, version: (u64, u64), session: &Inner) -> Vec<Relation> {
        let mut kept = self.relations.lock();
        match kept.as_ref() {
            Some((made, relations)) if *made == version => relations.clone(),
            _ => {
                let mut relations = relations_of(self.tables.as_ref());
                add_views(&session.planning.state, &mut relations);
                add_of_users(session, &mut relations);
                *kept = Some((version, relations.clone()));
                relations
            }
        }
    }
}

impl Source for Describer {
    fn describe(&self) -> Arc<Description> {
        let Some(session) = self.session.upgrade() else {
            return Arc::new(Description::default());
        };
        let snapshot = session.binding.snapshot();
        // What is temporary changes with the settings' version.
        let settings = session.settings_version.load(Ordering::Relaxed);
        let version = (snapshot.catalog().version, settings);
        let comment =
            |(name, comment): &(&str, &str)| ((*name).to_owned(), Some((*comment).to_owned()));
        let mut schemas: Vec<_> = SCHEMAS.iter().map(comment).collect();
        let of_users = snapshot.catalog().relations.schemas.iter();
        let of_users = of_users.filter(|(name, _)| *name != "public");
        schemas.extend(of_users.map(|(name, schema)| (name.clone(), schema.comment.clone())));
        if session.binding.temporary().relations().all().next().is_some() {
            schemas.push((TEMPORARY_SCHEMA.to_owned(), None));
        }
        let schemas = SCHEMAS.iter().map(comment).collect();
        let session_user = session.variables.lock().value("session_authorization");
        let is_superuser = session.authority().superuser;
        Arc::new(Description {
            database: session.database_name.clone(),
            user: session.current_user(),
            session_user,
            owner: if session.implicit { session.user.clone() } else { BOOTSTRAP.to_owned() },
            is_superuser,
            access: Arc::new(session.latest().catalog().access.clone()),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            backend_pid: session.process_id,
            started_at_us: session.server.started_at_micros,
            schemas,
            relations: self.relations(version, &session),
            settings: settings_of(&session),
            functions: functions(),
            sessions: session.server.sessions().into_iter().map(entry_of).collect(),
        })
    }

    fn set(&self, name: &str, value: Option<&str>, is_local: bool) -> Result<String> {
        let gone = || Error::internal("the session of a running statement is gone");
        let session = self.session.upgrade().ok_or_else(gone)?;
        let name = name.to_owned();
        let set = Set { name, value: value.map(str::to_owned), local: is_local };
        set_config(&session, &set)
    }

    fn signal(&self, process_id: i32, ends: bool) -> bool {
        self.session.upgrade().is_some_and(|session| match ends {
            true => session.server.terminate_session(process_id),
            false => session.server.cancel_session(process_id),
        })
    }
}

/// The functions that PostgreSQL does not have: the product's own, and the strategies as aggregates.
fn functions() -> Vec<FunctionEntry> {
    let own = functions::ALL.iter().map(|function| {
        let signature = function.signature();
        FunctionEntry {
            name: signature.name.to_owned(),
            arguments: signature.arguments(),
            result: signature.result.to_owned(),
            kind: 'f',
            description: format!("{}: {}", signature.comment, signature.example),
        }
    });
    let entry = |function: AggregateUDF| {
        let documentation = function.documentation();
        let syntax = documentation.map_or("", |found| found.syntax_example.as_str());
        let arguments = syntax.split_once('(').map_or("", |(_, rest)| rest.trim_end_matches(')'));
        FunctionEntry {
            name: function.name().to_owned(),
            arguments: arguments.to_owned(),
            result: "anyelement".to_owned(),
            kind: 'a',
            description: documentation.map_or_else(String::new, |found| found.description.clone()),
        }
    };
    own.chain(aggregates::all().into_iter().map(entry)).collect()
}

/// What a session's tables may know of the server.
pub(super) struct Neighbours(pub(super) Weak<Inner>);

impl Directory for Neighbours {
    fn sessions(&self) -> Vec<SessionRow> {
        let Some(session) = self.0.upgrade() else { return Vec::new() };
        let now = session.server.clock.now_micros();
        let row = |info: SessionInfo| SessionRow {
            process_id: info.process_id,
            user: info.user,
            application_name: info.application_name,
            state: info.state.to_owned(),
            query: info.statement,
            started_at: info.started_at_micros,
            client_address: info.client.map(|client| client.to_string()),
            statement_started_at: info.statement_started_at_micros,
            state_changed_at: info.state_changed_at_micros,
            now,
        };
        session.server.sessions().into_iter().map(row).collect()
    }

    fn audit(&self) -> Vec<AuditRow> {
        self.0.upgrade().map(|session| session.server.audit.rows()).unwrap_or_default()
    }

    fn settings(&self) -> Vec<(String, String, String)> {
        let Some(session) = self.0.upgrade() else { return Vec::new() };
        let values = session.settings();
        let row = |(known, value): (&'static Known, String)| {
            (known.name.to_owned(), value, known.doc.to_owned())
        };
        values.into_iter().map(row).collect()
    }
}

fn settings_of(session: &Inner) -> Vec<Setting> {
    let values = session.settings();
    values
        .into_iter()
        .map(|(known, value)| Setting {
            name: known.name.to_owned(),
            value,
            default: known.default.to_owned(),
            description: known.doc.to_owned(),
            is_server: matches!(known.kind, Kind::Server),
        })
        .collect()
}

fn entry_of(info: SessionInfo) -> SessionEntry {
    SessionEntry {
        pid: info.process_id,
        database: info.database_name,
        user: info.user,
        application_name: info.application_name,
        client_address: info.client.map(|client| client.ip().to_string()),
        client_port: info.client.map_or(-1, |client| i32::from(client.port())),
        started_at_us: Some(info.started_at_micros),
        query_started_at_us: info.statement_started_at_micros,
        state_changed_at_us: Some(info.state_changed_at_micros),
        state: info.state.to_owned(),
        query: info.statement,
    }
}

fn relations_of(tables: &dyn CatalogProvider) -> Vec<Relation> {
    let mut relations: Vec<Relation> = Vec::new();
    for schema_name in tables.schema_names() {
        let Some(schema) = tables.schema(&schema_name) else { continue };
        let mut names = schema.table_names();
        names.sort();
        for name in names {
            // The engine's tables are there at once; one that is not cannot be described.
            let table = schema.table(&name).now_or_never().and_then(|found| found.ok()).flatten();
            if let Some(table) = table {
                let oid = number(&schema_name, &name, &relations);
                relations.push(relation_of(oid, &schema_name, name, table.as_ref()));
            }
        }
    }
    relations
}

fn relation_of(oid: u32, schema_name: &str, name: String, table: &dyn TableProvider) -> Relation {
    let schema = table.schema();
    let columns = schema.fields().iter().map(|field| RelationColumn {
        name: field.name().clone(),
        ty: PgType::of_field(field),
        not_null: !field.is_nullable(),
        comment: field.metadata().get(COMMENT).cloned(),
        generated: field.metadata().get(GENERATED).cloned(),
    });
    let fact = |key| {
        let provider = (table as &dyn std::any::Any).downcast_ref::<Provider>()?;
        provider.facts().get(key).cloned()
    };
    let key = fact(KEY).unwrap_or_default();
    let rows = table.statistics().and_then(|found| found.num_rows.get_value().copied());
    Relation {
        oid,
        schema: schema_name.to_owned(),
        name,
        kind: RelationKind::Table,
        comment: fact(COMMENT),
        columns: columns.collect(),
        row_estimate: rows.map(|rows| rows as u64),
        primary_key: key.split(',').filter(|name| !name.is_empty()).map(str::to_owned).collect(),
        definition: None,
        uses: Vec::new(),
        is_temporary: false,
    }
}

/// Adds the built-in views.
fn add_views(state: &SessionState, relations: &mut Vec<Relation>) {
    for view in views::ALL {
        // As with tables: one that cannot be planned at once cannot be described.
        let Some(Ok(plan)) = plan_of(state, view).now_or_never() else { continue };
        let comment = |name: &str| {
            view.columns().find(|(column, _)| *column == name).map(|(_, text)| text.to_owned())
        };
        let columns = plan.schema().fields().iter().map(|field| RelationColumn {
            name: field.name().clone(),
            ty: PgType::of_field(field),
            not_null: false,
            comment: comment(field.name()),
            generated: None,
        });
        relations.push(Relation {
            oid: number(view.schema, view.name, relations),
            schema: view.schema.to_owned(),
            name: view.name.to_owned(),
            kind: RelationKind::View,
            comment: Some(view.comment().to_owned()),
            columns: columns.collect(),
            row_estimate: None,
            primary_key: Vec::new(),
            definition: Some(view.query().to_owned()),
            uses: Vec::new(),
            is_temporary: false,
        });
    }
}

/// Adds views and scratch tables of users.
fn add_of_users(session: &Inner, relations: &mut Vec<Relation>) {
    let snapshot = session.binding.snapshot();
    let temporary = session.binding.temporary();
    let shared = snapshot.catalog().relations.all().map(|found| (found, &snapshot.state));
    let own = temporary.relations().all().map(|found| (found, temporary.state()));
    for ((name, relation), state) in shared.chain(own) {
        let columns = relation.columns.iter().map(|column| RelationColumn {
            name: column.name.clone(),
            ty: PgType::of_field(&field_of(column)),
            not_null: column.not_null,
            comment: column.comment.clone(),
            generated: None,
        });
        let (kind, rows, definition) = match &relation.body {
            RelationBody::Table => {
                (RelationKind::Table, Some(state.row_count(relation.id) as u64), None)
            }
            RelationBody::View(query) => (RelationKind::View, None, Some(query.text())),
        };
        let uses = relation.uses().iter().map(|used| (used.schema.clone(), used.name.clone()));
        relations.push(Relation {
            oid: number(&name.schema, &name.name, relations),
            kind,
            comment: relation.comment.clone(),
            columns: columns.collect(),
            row_estimate: rows,
            primary_key: Vec::new(),
            definition,
            uses: uses.collect(),
            is_temporary: name.schema == TEMPORARY_SCHEMA,
            schema: name.schema,
            name: name.name,
        });
    }
}

/// A number for a table, from its name, so that it is the same in every session.
fn number(schema: &str, name: &str, taken: &[Relation]) -> u32 {
    let bytes = schema.bytes().chain([b'.']).chain(name.bytes());
    let hash = bytes
        .fold(0x811c_9dc5_u32, |hash, byte| (hash ^ u32::from(byte)).wrapping_mul(0x0100_0193));
    let span = RELATION_OID_MAX - RELATION_OID_MIN;
    (0..)
        .map(|step| RELATION_OID_MIN + hash.wrapping_add(step) % span)
        .find(|oid| !taken.iter().any(|relation| relation.oid == *oid))
        .expect("there are fewer tables than numbers")
}
