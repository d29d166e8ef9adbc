//! `pg_stat_*`: sessions, and what is known of the activity on relations.

use crate::model::access::MONITOR;
use crate::query::postgres::catalog::{Filler, Rows, Value};
use crate::query::postgres::description::{DATABASE_OID, Description, OWNER_OID, SessionEntry};

const fn filler(name: &'static str, fill: fn(&Description, &mut Rows)) -> Filler {
    Filler { schema: "pg_catalog", name, fill }
}

pub(super) const ALL: &[Filler] = &[
    filler("pg_stat_activity", fill_activity),
    filler("pg_stat_all_tables", fill_tables),
    filler("pg_stat_database", fill_databases),
    filler("pg_stat_ssl", fill_ssl),
    filler("pg_stat_user_tables", fill_tables),
    filler("pg_statio_all_tables", fill_blocks),
    filler("pg_statio_user_tables", fill_blocks),
];

fn micros(at: Option<i64>) -> Value {
    at.map_or(Value::Null, Value::Micros)
}

/// What PostgreSQL shows in place of a query that one may not see.
const HIDDEN: &str = "<insufficient privilege>";

fn fill_activity(description: &Description, rows: &mut Rows) {
    let roles = description.numbered_roles();
    let who = description.authority(None);
    for session in &description.sessions {
        let mut session = session.clone();
        // What others ask is for those to see who watch the server.
        let own = session.user == description.session_user || session.user == description.user;
        if !own && !who.has(MONITOR) {
            HIDDEN.clone_into(&mut session.query);
            session.client_address = None;
            session.state.clear();
        }
        let role = roles.iter().find(|(_, name)| **name == session.user);
        add_activity(rows, &session, role.map_or(OWNER_OID, |(oid, _)| *oid));
    }
}

fn add_activity(rows: &mut Rows, session: &SessionEntry, role: u32) {
    let is_active = session.state == "active" || session.state == "idle in transaction";
    rows.add([
        ("datid", DATABASE_OID.into()),
        ("datname", (&session.database).into()),
        ("pid", session.pid.into()),
        ("usesysid", role.into()),
        ("usename", (&session.user).into()),
        ("application_name", (&session.application_name).into()),
        ("client_addr", session.client_address.as_ref().into()),
        ("client_port", session.client_port.into()),
        ("backend_start", micros(session.started_at_us)),
        ("xact_start", micros(session.query_started_at_us.filter(|_| is_active))),
        ("query_start", micros(session.query_started_at_us)),
        ("state_change", micros(session.state_changed_at_us)),
        ("wait_event_type", (!is_active).then_some("Client").into()),
        ("wait_event", (!is_active).then_some("ClientRead").into()),
        ("state", (&session.state).into()),
        ("query", (&session.query).into()),
        ("backend_type", "client backend".into()),
    ]);
}

/// Only the estimate of the rows is known; counters that nobody counts are null.
fn fill_tables(description: &Description, rows: &mut Rows) {
    for relation in description.relations.iter().filter(|relation| !relation.is_view()) {
        rows.add([
            ("relid", relation.oid.into()),
            ("schemaname", (&relation.schema).into()),
            ("relname", (&relation.name).into()),
            ("n_live_tup", relation.row_estimate.and_then(|it| i64::try_from(it).ok()).into()),
        ]);
    }
}

fn fill_blocks(description: &Description, rows: &mut Rows) {
    for relation in description.relations.iter().filter(|relation| !relation.is_view()) {
        rows.add([
            ("relid", relation.oid.into()),
            ("schemaname", (&relation.schema).into()),
            ("relname", (&relation.name).into()),
        ]);
    }
}

fn fill_databases(description: &Description, rows: &mut Rows) {
    rows.add([
        ("datid", DATABASE_OID.into()),
        ("datname", (&description.database).into()),
        ("numbackends", (description.sessions.len() as i32).into()),
    ]);
}

fn fill_ssl(description: &Description, rows: &mut Rows) {
    for session in &description.sessions {
        rows.add([("pid", session.pid.into())]);
    }
}
