//! Functions about the session and the server.

use crate::error::{Error, Result, SqlState};
use crate::query::postgres::catalog::Value;
use crate::query::postgres::description::POSTGRESQL_VERSION;
use crate::query::postgres::functions::{Bool, Call, Function, Int, Text};

const NONE: &[&[super::Kind]] = &[&[]];
/// The number of a session, and how long to wait for its end, which takes no time.
const PROCESS: &[&[super::Kind]] = &[&[Int], &[Int, Int]];

pub(super) const ALL: &[Function] = &[
    Function::new("version", NONE, "text", version),
    Function::new("current_database", NONE, "name", current_database),
    Function::new("current_catalog", NONE, "name", current_database),
    Function::new("current_schema", NONE, "name", current_schema),
    Function::new("current_schemas", &[&[Bool]], "_name", current_schemas),
    Function::new("current_user", NONE, "name", current_user),
    Function::new("current_role", NONE, "name", current_user),
    Function::new("session_user", NONE, "name", session_user),
    Function::new("user", NONE, "name", current_user),
    Function::new("current_setting", &[&[Text], &[Text, Bool]], "text", current_setting),
    Function::new("set_config", &[&[Text, Text, Bool]], "text", set_config).takes_nulls().acts(),
    Function::new("pg_backend_pid", NONE, "int4", |it| Ok(it.description.backend_pid.into())),
    Function::new("pg_is_in_recovery", NONE, "bool", |_| Ok(false.into())),
    Function::new("pg_cancel_backend", PROCESS, "bool", |it| Ok(signal(it, false))).acts(),
    Function::new("pg_terminate_backend", PROCESS, "bool", |it| Ok(signal(it, true))).acts(),
    Function::new("pg_is_wal_replay_paused", NONE, "bool", not_in_recovery),
    Function::new("pg_blocking_pids", &[&[Int]], "_int4", |_| Ok(Vec::<i32>::new().into())),
    Function::new("pg_postmaster_start_time", NONE, "timestamptz", started_at),
    Function::new("pg_conf_load_time", NONE, "timestamptz", started_at),
    Function::new("txid_current", NONE, "int8", |_| Ok(1_i64.into())),
    Function::new("inet_server_addr", NONE, "text", |_| Ok(Value::Null)),
    Function::new("inet_server_port", NONE, "int4", |_| Ok(Value::Null)),
    Function::new("inet_client_addr", NONE, "text", client_address),
    Function::new("inet_client_port", NONE, "int4", client_port),
    Function::new("pg_my_temp_schema", NONE, "oid", |_| Ok(0.into())),
    Function::new("pg_is_other_temp_schema", &[&[Int]], "bool", |_| Ok(false.into())),
    Function::new("getdatabaseencoding", NONE, "name", |_| Ok("UTF8".into())),
    Function::new("pg_client_encoding", NONE, "name", |_| Ok("UTF8".into())),
    Function::new("pg_encoding_to_char", &[&[Int]], "name", encoding_name).pure(),
    Function::new("pg_char_to_encoding", &[&[Text]], "int4", encoding_number).pure(),
    Function::new("pg_advisory_unlock_all", NONE, "void", |_| Ok("".into())),
];

/// Encodings by their numbers; only those that clients ask about.
const ENCODINGS: &[(i64, &str)] = &[(0, "SQL_ASCII"), (6, "UTF8"), (8, "LATIN1"), (24, "WIN1252")];

fn version(call: &Call<'_>) -> Result<Value> {
    let own = &call.description.version;
    Ok(format!("PostgreSQL {POSTGRESQL_VERSION} (Selfsame {own})").into())
}

fn current_database(call: &Call<'_>) -> Result<Value> {
    Ok((&call.description.database).into())
}

fn current_schema(call: &Call<'_>) -> Result<Value> {
    Ok(call.description.search_path().into_iter().next().into())
}

fn current_schemas(call: &Call<'_>) -> Result<Value> {
    let implicit = call.is_true(0).then(|| "pg_catalog".to_owned());
    Ok(implicit.into_iter().chain(call.description.search_path()).collect::<Vec<_>>().into())
}

fn current_user(call: &Call<'_>) -> Result<Value> {
    Ok((&call.description.user).into())
}

fn session_user(call: &Call<'_>) -> Result<Value> {
    Ok((&call.description.session_user).into())
}

fn current_setting(call: &Call<'_>) -> Result<Value> {
    let name = call.text(0);
    match call.description.setting(name) {
        Some(setting) => Ok(setting.value.into()),
        None if call.is_true(1) => Ok(Value::Null),
        None => {
            let message = format!("unrecognized configuration parameter \"{name}\"");
            Err(Error::new(SqlState::UNDEFINED_OBJECT, message))
        }
    }
}

/// A null value resets the setting.
fn set_config(call: &Call<'_>) -> Result<Value> {
    let Some(name) = call.argument(0).as_text() else {
        return Err(Error::new(SqlState("22004"), "SET requires parameter name"));
    };
    call.source.set(name, call.argument(1).as_text(), call.is_true(2)).map(Value::from)
}

fn signal(call: &Call<'_>, ends: bool) -> Value {
    let number = i32::try_from(call.int(0));
    number.is_ok_and(|number| call.source.signal(number, ends)).into()
}

fn not_in_recovery(_: &Call<'_>) -> Result<Value> {
    Err(Error::new(SqlState("55000"), "recovery is not in progress")
        .hint("Recovery control functions can only be executed during recovery."))
}

fn started_at(call: &Call<'_>) -> Result<Value> {
    Ok(Value::Micros(call.description.started_at_us))
}

fn client_address(call: &Call<'_>) -> Result<Value> {
    let pid = call.description.backend_pid;
    let own = call.description.sessions.iter().find(|session| session.pid == pid);
    Ok(own.and_then(|session| session.client_address.as_ref()).into())
}

fn client_port(call: &Call<'_>) -> Result<Value> {
    let pid = call.description.backend_pid;
    let own = call.description.sessions.iter().find(|session| session.pid == pid);
    Ok(own.filter(|it| it.client_address.is_some()).map(|session| session.client_port).into())
}

fn encoding_name(call: &Call<'_>) -> Result<Value> {
    let found = ENCODINGS.iter().find(|(number, _)| *number == call.int(0));
    Ok(found.map_or("", |(_, name)| name).into())
}

fn encoding_number(call: &Call<'_>) -> Result<Value> {
    let plain = |name: &str| name.replace(['-', '_'], "").to_lowercase();
    let found = ENCODINGS.iter().find(|(_, name)| plain(name) == plain(call.text(0)));
    Ok(found.map_or(-1, |(number, _)| *number).into())
}
