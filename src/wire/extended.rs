//! The extended protocol: statements that are prepared, portals that hold their values and their rows.
//!
//! A portal that was asked for some of its rows keeps its plan running, held up by the few chunks that
//! may wait, until it is asked again or closed.

use std::collections::BTreeMap;
use std::sync::Arc;

use arrow::datatypes::{DataType, Schema};
use datafusion::common::ScalarValue;
use pgwire::messages::data::{FieldDescription, NoData, ParameterDescription};
use pgwire::messages::extendedquery::{
    BindComplete, CloseComplete, ParseComplete, PortalSuspended,
};
use tokio::io::{AsyncRead, AsyncWrite};

use crate::error::{Error, Result, SqlState};
use crate::query::postgres::types::PgType;
use crate::query::session::{Kept, Prepared, origin};
use crate::wire::connection::Connection;
use crate::wire::decode::parameter;
use crate::wire::encode::Format;
use crate::wire::error::clean;
use crate::wire::messages::{Bind, Target};
use crate::wire::produce::{Chunk, Event, Producer, Work};
use crate::wire::vigil::{Attended, Vigil};

/// The most portals of a connection: each may hold a running plan.
pub(crate) const PORTALS_MAX: usize = 1_000;

/// The number of the type `unknown`, which clients give when they do not care.
const UNKNOWN: u32 = 705;

/// The portals of a connection by name.
#[derive(Default)]
pub(crate) struct Portals(BTreeMap<String, Portal>);

/// A statement with values.
struct Portal {
    prepared: Arc<Prepared>,
    formats: Vec<i16>,
    state: State,
}

enum State {
    /// Not asked for rows yet.
    Bound(Vec<ScalarValue>),
    /// Asked for some of its rows.
    Running(Box<Running>),
    /// Has no more rows.
    Finished,
}

struct Running {
    producer: Producer,
    vigil: Vigil,
    /// Rows that were made but not asked for.
    rest: Chunk,
    /// The command tag, once the plan is done.
    tag: Option<String>,
}

impl Portals {
    /// Forgets a portal.
    pub(crate) fn close(&mut self, name: &str) {
        self.0.remove(name);
    }

    /// Forgets all portals.
    pub(crate) fn clear(&mut self) {
        self.0.clear();
    }

    fn get(&mut self, name: &str) -> Result<&mut Portal> {
        self.0.get_mut(name).ok_or_else(|| {
            let message = format!("portal \"{name}\" does not exist");
            Error::new(SqlState::INVALID_CURSOR_NAME, message)
        })
    }

    fn add(&mut self, name: String, portal: Portal) -> Result<()> {
        if !name.is_empty() && self.0.contains_key(&name) {
            let message = format!("cursor \"{name}\" already exists");
            return Err(Error::new(SqlState("42P03"), message));
        }
        if self.0.len() >= PORTALS_MAX && !self.0.contains_key(&name) {
            let message = format!("a connection can have at most {PORTALS_MAX} portals");
            return Err(Error::new(SqlState::PROGRAM_LIMIT_EXCEEDED, message));
        }
        self.0.insert(name, portal);
        Ok(())
    }
}

/// Describes columns.
pub(crate) fn fields(schema: &Schema, formats: &[Format]) -> Vec<FieldDescription> {
    let field = |(field, format): (&Arc<arrow::datatypes::Field>, &Format)| {
        let ty = PgType::of_field(field);
        let name = clean(field.name());
        let (table, column) = origin::of_field(field);
        FieldDescription::new(name, table, column, ty.oid, ty.length(), ty.typmod, format.code())
    };
    schema.fields().iter().zip(formats).map(field).collect()
}

/// The Arrow types of the types that a client declared.
fn declared(oids: &[u32]) -> Result<Vec<Option<DataType>>> {
    let one = |oid: &u32| match *oid {
        0 | UNKNOWN => Ok(None),
        oid => PgType::to_arrow(oid).map(Some).ok_or_else(|| {
            let name = PgType::new(oid).format();
            Error::unsupported(format!("parameters of type {name} ({oid}) are not supported"))
        }),
    };
    oids.iter().map(one).collect()
}

/// The types of a statement's parameters, as the client knows them.
fn parameter_oids(kept: &Kept) -> Vec<u32> {
    let mut oids = kept.prepared.parameter_oids();
    for (oid, declared) in oids.iter_mut().zip(&kept.oids) {
        if !matches!(*declared, 0 | UNKNOWN) {
            *oid = *declared;
        }
    }
    oids
}

impl<S: AsyncRead + AsyncWrite> Connection<S> {
    /// Prepares a statement.
    pub(crate) async fn parse(&mut self, name: &str, sql: &str, oids: Vec<u32>) -> Attended<()> {
        if name.is_empty() {
            self.session.close_statement("");
        }
        let declared = declared(&oids)?;
        let prepared = match self.session.remembered(sql, &declared) {
            Some(prepared) => {
                self.check_transaction(&prepared)?;
                prepared
            }
            None => {
                let mut vigil = self.watch(sql);
                let (session, text) = (vigil.statement().clone(), sql.to_owned());
                let prepare = async { Ok(session.prepare(&text, &declared).await?) };
                vigil.attend(&mut self.incoming, prepare).await?
            }
        };
        self.session.keep_statement(name, Kept { prepared, oids })?;
        Ok(self.outgoing.put(&ParseComplete::new())?)
    }

    /// A failed block accepts only what ends it.
    fn check_transaction(&self, prepared: &Prepared) -> Result<()> {
        if prepared.ends_transaction() { Ok(()) } else { self.session.check_transaction() }
    }

    /// Makes a portal.
    pub(crate) fn bind(&mut self, bind: Bind) -> Attended<()> {
        let kept = self.session.statement(&bind.statement)?;
        self.check_transaction(&kept.prepared)?;
        let types = kept.prepared.parameters();
        if bind.parameters.len() != types.len() {
            let message = format!(
                "bind message supplies {} parameters, but prepared statement \"{}\" requires {}",
                bind.parameters.len(),
                bind.statement,
                types.len()
            );
            return Err(Error::new(SqlState::PROTOCOL_VIOLATION, message).into());
        }
        let formats = Format::of_columns(&bind.parameter_formats, types.len())?;
        let (oids, zone) = (parameter_oids(&kept), self.session.zone());
        let mut values = Vec::with_capacity(types.len());
        for (at, (bytes, ty)) in bind.parameters.iter().zip(&types).enumerate() {
            let value = parameter(bytes.as_deref(), formats[at], oids[at], ty, zone);
            values.push(value.map_err(|error| match error.get_detail() {
                None => error.detail(format!("this is parameter ${}", at + 1)),
                Some(_) => error,
            })?);
        }
        if let Some(schema) = kept.prepared.schema() {
            Format::of_columns(&bind.result_formats, schema.fields().len())?;
        }
        let (prepared, formats) = (kept.prepared, bind.result_formats);
        self.portals.add(bind.portal, Portal { prepared, formats, state: State::Bound(values) })?;
        Ok(self.outgoing.put(&BindComplete::new())?)
    }

    /// Describes a statement's parameters and columns, or a portal's columns.
    pub(crate) fn describe(&mut self, target: &Target) -> Attended<()> {
        let (schema, codes) = match target {
            Target::Statement(name) => {
                let kept = self.session.statement(name)?;
                self.outgoing.put(&ParameterDescription::new(parameter_oids(&kept)))?;
                (kept.prepared.schema(), Vec::new())
            }
            // A cursor of SQL is a portal too: clients describe it before they FETCH.
            Target::Portal(name) => match self.portals.get(name) {
                Ok(portal) => (portal.prepared.schema(), portal.formats.clone()),
                Err(error) => (Some(self.session.cursor_schema(name).ok_or(error)?), Vec::new()),
            },
        };
        match schema {
            Some(schema) => self.describe_columns(&schema, &codes)?,
            None => self.outgoing.put(&NoData::new())?,
        }
        Ok(())
    }

    /// Forgets a statement or portal.
    pub(crate) fn close(&mut self, target: &Target) -> Attended<()> {
        match target {
            Target::Statement(name) => self.session.close_statement(name),
            Target::Portal(name) => self.portals.close(name),
        }
        Ok(self.outgoing.put(&CloseComplete::new())?)
    }

    /// Gives a portal's next rows; 0 is all of them.
    pub(crate) async fn execute(&mut self, name: &str, row_count_max: usize) -> Attended<()> {
        let portal = self.portals.get(name)?;
        let prepared = Arc::clone(&portal.prepared);
        let formats = portal.formats.clone();
        // A portal that fails is of no more use.
        let state = std::mem::replace(&mut portal.state, State::Finished);
        self.check_transaction(&prepared)?;
        let mut running = match state {
            State::Bound(values) => {
                let limit = if row_count_max == 0 { usize::MAX } else { row_count_max };
                if let Some(found) = self.session.point(&prepared, &values)
                    && found.rows.len() < limit
                {
                    return Ok(self.answer_point(prepared.sql(), &found, &formats)?);
                }
                let vigil = self.watch(prepared.sql());
                let work = Work::Bound(Arc::clone(&prepared), values, formats);
                let producer = Producer::start(vigil.statement(), work);
                Box::new(Running { producer, vigil, rest: Chunk::default(), tag: None })
            }
            State::Running(mut running) => {
                // The time limit is for each request; the plan itself goes on.
                let limit = self.session.limit("statement_timeout");
                running.vigil.renew(limit);
                running
            }
            State::Finished => {
                let tag = if prepared.schema().is_some() { "SELECT 0" } else { "" };
                return Ok(self.complete(tag)?);
            }
        };
        let limit = if row_count_max == 0 { usize::MAX } else { row_count_max };
        match self.give(&mut running, limit).await? {
            Given::All(tag) => Ok(self.complete(&tag)?),
            Given::Nothing => Ok(self.complete_empty()?),
            Given::Some => {
                if let Ok(portal) = self.portals.get(name) {
                    portal.state = State::Running(running);
                }
                self.session.end_statement();
                Ok(self.outgoing.put(&PortalSuspended::new())?)
            }
        }
    }

    /// Sends rows of a running portal, at most so many.
    async fn give(&mut self, running: &mut Running, limit: usize) -> Attended<Given> {
        let mut left = limit;
        loop {
            let chunk = running.rest.take(left);
            left -= chunk.ends.len();
            self.rows(&chunk);
            self.send_much(&mut running.vigil).await?;
            if left == 0 {
                // Whether there are more rows is for the next request to find out, as in PostgreSQL.
                return Ok(Given::Some);
            }
            if let Some(tag) = running.tag.take() {
                return Ok(Given::All(tag));
            }
            let next = running.producer.next();
            match running.vigil.attend(&mut self.incoming, next).await? {
                Event::Columns(..) => {}
                Event::CopyOut(binary, count) => {
                    // The rows of a COPY are one answer, however many were asked for.
                    self.copy_out(binary, count)?;
                    left = usize::MAX;
                }
                Event::Rows(chunk) => running.rest = chunk,
                Event::CopiedOut(chunk, tag) => {
                    self.copy_done(&chunk)?;
                    return Ok(Given::All(tag));
                }
                Event::Done(chunk, tag) => {
                    running.rest = chunk;
                    running.tag = Some(counted(tag, limit, left, &running.rest));
                }
                Event::CopyIn(copy) => {
                    let tag = self.receive(copy, &mut running.vigil).await?;
                    return Ok(Given::All(tag));
                }
                Event::Empty => return Ok(Given::Nothing),
            }
        }
    }
}

/// The tag with the number of rows that this request gives, which is what clients add up.
fn counted(tag: String, limit: usize, left: usize, rest: &Chunk) -> String {
    match tag.strip_prefix("SELECT ").or_else(|| tag.strip_prefix("FETCH ")) {
        Some(_) if limit != usize::MAX => {
            let word = tag.split(' ').next().unwrap_or_default();
            format!("{word} {}", limit - left + rest.ends.len())
        }
        _ => tag,
    }
}

/// What an Execute came to.
enum Given {
    /// The portal's last rows; the command tag.
    All(String),
    /// As many rows as were asked for.
    Some,
    /// There was nothing in the statement.
    Nothing,
}
