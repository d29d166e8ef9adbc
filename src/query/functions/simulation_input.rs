//! What simulations take: rows and namespaces as two JSON texts, read into what the engine takes.
//!
//! Everything that is not understood is an error with its place in the text. Definitions go through
//! the catalog, which has the last word on them as it has on statements.

use std::borrow::Cow;

use crate::catalog::Catalog;
use crate::engine::simulation::{SimulatedRow, Simulation, simulate};
use crate::error::{Error, Result, SqlState};
use crate::ingest::fault::Fault;
use crate::ingest::json::{Json, Kind as JsonKind, elements, members, value};
use crate::ingest::time::timestamp;
use crate::model::definition::{Definition, Existence};
use crate::model::namespace::{Kind, Normalization, RANK_MAX};
use crate::model::server_setting::{ServerSetting, check_graph_identities_max};

/// The most rows of a simulation: its answer is computed within one statement, in memory.
pub(super) const SIMULATED_ROWS_MAX: usize = 100_000;

/// The most namespaces of a simulation: each is added to a copy of those before it.
pub(super) const SIMULATED_NAMESPACES_MAX: usize = 1_000;

/// The most characters of a text that an error shows.
const SHOWN_CHARS_MAX: usize = 60;

/// The parameters of all simulations.
pub(super) const PARAMETERS: &[&str] = &["rows", "namespaces"];

/// An example of arguments.
macro_rules! example {
    ($name:literal) => {
        concat!(
            "SELECT * FROM ",
            $name,
            r#"('[{"identities": {"crm_id": "1", "ecid": "x"}}, {"identities": {"crm_id": "2", "ecid": "x"}}]', "#,
            r#"'[{"name": "crm_id", "unique": true}, {"name": "ecid", "kind": "cookie"}]')"#
        )
    };
}
pub(super) use example;

/// Simulates what the arguments of a function say.
///
/// # Errors
/// `22P02` for what is no JSON, `22023` for what is not understood, `54000` beyond the limits, and what
/// the catalog says of the namespaces.
pub(super) fn simulated(arguments: &[&str]) -> Result<Simulation> {
    let [rows, namespaces] = *arguments else {
        return Err(Error::internal("a simulation was called with other arguments"));
    };
    let catalog = read_catalog(&Argument { name: "namespaces", text: namespaces })?;
    let rows = read_rows(&Argument { name: "rows", text: rows }, &catalog)?;
    simulate(catalog, &rows)
}

/// An argument and what it is called.
struct Argument<'a> {
    name: &'static str,
    text: &'a str,
}

/// The members of an object, in order.
type Members<'a> = Vec<(Json<'a>, Cow<'a, str>, Json<'a>)>;

impl<'a> Argument<'a> {
    fn no_json(&self, fault: impl Into<Fault>) -> Error {
        let message = format!("{}: {}", self.name, fault.into().message);
        Error::new(SqlState::INVALID_TEXT_REPRESENTATION, message)
    }

    /// An error about a part of the text.
    fn wrong(&self, at: Json<'a>, message: impl std::fmt::Display) -> Error {
        self.refused(at, SqlState::INVALID_PARAMETER_VALUE, message)
    }

    fn refused(&self, at: Json<'a>, code: SqlState, message: impl std::fmt::Display) -> Error {
        Error::new(code, format!("{}: {message}", self.name)).detail(self.place(at))
    }

    fn place(&self, at: Json<'a>) -> String {
        // What the scanner gives are parts of the text.
        let byte = at.text.as_ptr().addr().saturating_sub(self.text.as_ptr().addr());
        let before = self.text.get(..byte).unwrap_or_default();
        let mut shown: String = at.text.chars().take(SHOWN_CHARS_MAX).collect();
        if shown.len() < at.text.len() {
            shown.push_str(" ...");
        }
        format!("at character {} of the argument: {shown}", before.chars().count() + 1)
    }

    fn value(&self) -> Result<Json<'a>> {
        value(self.text).map_err(|wrong| self.no_json(wrong))
    }

    fn elements(&self, of: Json<'a>, what: &str) -> Result<Vec<Json<'a>>> {
        if of.kind != JsonKind::Array {
            return Err(self.wrong(of, format!("an array of {what} is expected")));
        }
        let mut found = Vec::new();
        elements(of.text, |element| found.push(element)).map_err(|wrong| self.no_json(wrong))?;
        Ok(found)
    }

    fn members(&self, of: Json<'a>, what: &str) -> Result<Members<'a>> {
        if of.kind != JsonKind::Object {
            return Err(self.wrong(of, format!("{what} is expected to be an object")));
        }
        let mut found = Vec::new();
        members(of.text, |key, value| found.push((key, value)))
            .map_err(|wrong| self.no_json(wrong))?;
        let member = |(key, value): (Json<'a>, Json<'a>)| Ok((key, self.decoded(key)?, value));
        found.into_iter().map(member).collect()
    }

    /// The members of an object of which these keys are known, each at most once.
    fn known(&self, of: Json<'a>, what: &str, keys: &[&str]) -> Result<Members<'a>> {
        let all = self.members(of, what)?;
        for (at, (key, name, _)) in all.iter().enumerate() {
            if !keys.contains(&name.as_ref()) {
                let error = self.wrong(*key, format!("{what} has no \"{name}\""));
                return Err(error.hint(format!("it has: {}", keys.join(", "))));
            }
            if all[..at].iter().any(|(_, other, _)| other == name) {
                return Err(self.wrong(*key, format!("\"{name}\" is there twice")));
            }
        }
        Ok(all)
    }

    fn decoded(&self, of: Json<'a>) -> Result<Cow<'a, str>> {
        of.decode().map_err(|fault| self.no_json(fault))
    }

    fn string(&self, of: Json<'a>, what: &str) -> Result<Cow<'a, str>> {
        match of.kind {
            JsonKind::String { .. } => self.decoded(of),
            _ => Err(self.wrong(of, format!("{what} is expected to be a string"))),
        }
    }

    fn whole_number(&self, of: Json<'a>, what: &str) -> Result<i128> {
        let number = (of.kind == JsonKind::Number).then(|| of.text.parse().ok()).flatten();
        number.ok_or_else(|| self.wrong(of, format!("{what} is expected to be a whole number")))
    }

    fn boolean(&self, of: Json<'a>, what: &str) -> Result<bool> {
        match of.kind {
            JsonKind::True => Ok(true),
            JsonKind::False => Ok(false),
            _ => Err(self.wrong(of, format!("{what} is expected to be true or false"))),
        }
    }

    /// One of several names, in upper or lower case.
    fn choice<T: Copy>(&self, of: Json<'a>, what: &str, all: &[(&str, T)]) -> Result<T> {
        let word = self.string(of, what)?;
        let found = all.iter().find(|(name, _)| name.eq_ignore_ascii_case(&word));
        found.map(|(_, value)| *value).ok_or_else(|| {
            let names: Vec<_> = all.iter().map(|(name, _)| name.to_lowercase()).collect();
            let error = self.wrong(of, format!("unknown {what} \"{word}\""));
            error.hint(format!("known are: {}", names.join(", ")))
        })
    }

    fn check_count(&self, count: usize, max: usize) -> Result<()> {
        if count <= max {
            return Ok(());
        }
        let message = format!("a simulation can have at most {max} {}", self.name);
        Err(Error::new(SqlState::PROGRAM_LIMIT_EXCEEDED, message))
    }
}

/// An array of namespaces, or an object that has it under `namespaces` and the capacity besides.
fn read_catalog(argument: &Argument<'_>) -> Result<Catalog> {
    let top = argument.value()?;
    let mut catalog = Catalog::default();
    if top.kind != JsonKind::Object {
        return add_namespaces(argument, top, catalog);
    }
    for (_, name, found) in
        argument.known(top, "settings", &["namespaces", "graph_identities_max"])?
    {
        catalog = match name.as_ref() {
            "namespaces" => add_namespaces(argument, found, catalog)?,
            name => {
                let max = argument.whole_number(found, name)?;
                let max = check_graph_identities_max(max)
                    .map_err(|error| argument.wrong(found, error.message()))?;
                let setting = ServerSetting::GraphIdentitiesMax(Some(max));
                applied(catalog, &Definition::AlterSystem { setting })?
            }
        };
    }
    Ok(catalog)
}

fn add_namespaces<'a>(
    argument: &Argument<'a>,
    list: Json<'a>,
    mut catalog: Catalog,
) -> Result<Catalog> {
    let all = argument.elements(list, "namespaces")?;
    argument.check_count(all.len(), SIMULATED_NAMESPACES_MAX)?;
    for one in all {
        let definition = read_namespace(argument, one)?;
        catalog = applied(catalog, &definition)
            .map_err(|error| argument.refused(one, error.code(), error.message()))?;
    }
    Ok(catalog)
}

fn applied(catalog: Catalog, definition: &Definition) -> Result<Catalog> {
    Ok(catalog.apply(definition)?.catalog.unwrap_or(catalog))
}

fn read_namespace<'a>(argument: &Argument<'a>, of: Json<'a>) -> Result<Definition> {
    let (mut name, mut kind, mut rank) = (None, Kind::default(), None);
    let (mut unique, mut normalization, mut blocked) =
        (false, Normalization::default(), Vec::new());
    let keys = ["name", "rank", "unique", "kind", "normalize", "block"];
    for (_, key, found) in argument.known(of, "a namespace", &keys)? {
        match key.as_ref() {
            "name" => name = Some(argument.string(found, "name")?.into_owned()),
            "rank" => rank = Some(read_rank(argument, found)?),
            "unique" => unique = argument.boolean(found, "unique")?,
            "kind" => kind = argument.choice(found, "kind", Kind::ALL)?,
            "normalize" => {
                normalization = argument.choice(found, "normalization", Normalization::ALL)?;
            }
            _ => {
                for blocks in argument.elements(found, "values")? {
                    blocked.push(argument.string(blocks, "a value")?.into_owned());
                }
            }
        }
    }
    let name = name.ok_or_else(|| argument.wrong(of, "a namespace must have a name"))?;
    let existence = Existence::Strict;
    Ok(Definition::CreateNamespace { name, kind, rank, unique, normalization, blocked, existence })
}

fn read_rank<'a>(argument: &Argument<'a>, of: Json<'a>) -> Result<u32> {
    let number = argument.whole_number(of, "rank")?;
    let rank = u32::try_from(number).ok().filter(|rank| (1..=RANK_MAX).contains(rank));
    rank.ok_or_else(|| {
        let error = argument.wrong(of, format!("rank {number} is out of range"));
        error.hint(format!("ranks are 1, the most trusted, to {RANK_MAX}"))
    })
}

fn read_rows(argument: &Argument<'_>, catalog: &Catalog) -> Result<Vec<SimulatedRow>> {
    let all = argument.elements(argument.value()?, "rows")?;
    argument.check_count(all.len(), SIMULATED_ROWS_MAX)?;
    all.into_iter().map(|row| read_row(argument, row, catalog)).collect()
}

fn read_row<'a>(argument: &Argument<'a>, of: Json<'a>, catalog: &Catalog) -> Result<SimulatedRow> {
    let mut row = SimulatedRow::default();
    let mut has_identities = false;
    for (_, key, found) in argument.known(of, "a row", &["identities", "observed_at"])? {
        if key == "identities" {
            has_identities = true;
            row.identities = read_identities(argument, found, catalog)?;
        } else if found.kind != JsonKind::Null {
            let text = argument.string(found, "observed_at")?;
            let time = timestamp(&text).map_err(|_| {
                argument.wrong(found, format!("\"{text}\" is no timestamp that can be read"))
            })?;
            row.observed_at = Some(time);
        }
    }
    if has_identities { Ok(row) } else { Err(argument.wrong(of, "a row must have identities")) }
}

/// An array of pairs of namespace and value, or an object of values by namespace, where an array
/// holds several values.
fn read_identities<'a>(
    argument: &Argument<'a>,
    of: Json<'a>,
    catalog: &Catalog,
) -> Result<Vec<(String, String)>> {
    let mut identities = Vec::new();
    let mut add = |key: Json<'a>, name: Cow<'a, str>, found: Json<'a>| -> Result<()> {
        if !catalog.namespaces.contains_key(name.as_ref()) {
            let known: Vec<_> = catalog.namespaces.keys().map(String::as_str).collect();
            let error = argument.wrong(key, format!("unknown namespace \"{name}\""));
            return Err(error.hint(format!("known are: {}", known.join(", "))));
        }
        let value = match found.kind {
            JsonKind::Null => return Ok(()),
            JsonKind::Number => found.text.to_owned(),
            _ => argument.string(found, "the value of an identity")?.into_owned(),
        };
        identities.push((name.into_owned(), value));
        Ok(())
    };
    if of.kind == JsonKind::Object {
        for (key, name, found) in argument.members(of, "identities")? {
            if found.kind == JsonKind::Array {
                for one in argument.elements(found, "values")? {
                    add(key, name.clone(), one)?;
                }
            } else {
                add(key, name, found)?;
            }
        }
        return Ok(identities);
    }
    for pair in argument.elements(of, "pairs of namespace and value")? {
        let [namespace, found] = argument.elements(pair, "namespace and value")?[..] else {
            return Err(argument.wrong(pair, "an array of namespace and value is expected"));
        };
        add(namespace, argument.string(namespace, "a namespace")?, found)?;
    }
    Ok(identities)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(rows: &str, namespaces: &str, expected: &str) {
        let shown = match simulated(&[rows, namespaces]) {
            Ok(simulation) => {
                let graph = &simulation.snapshot.state.graph;
                format!("{} in {}", graph.identity_count(), graph.profile_count())
            }
            Err(error) => {
                let detail = error.get_detail().map(|it| format!(" | {it}")).unwrap_or_default();
                format!("{} {error}{detail}", error.code())
            }
        };
        assert_eq!(shown, expected, "{rows} {namespaces}");
    }

    #[test]
    fn what_is_not_understood_has_its_place() {
        let of_rows = |rows, expected| check(rows, r#"[{"name": "a"}]"#, expected);
        of_rows(r#"[{"identities": [["a", "1"], ["a", 2], ["a", null]]}]"#, "2 in 1");
        of_rows(r#"[{"identities": {"a": ["1", 2]}}, {"identities": {"a": 3}}]"#, "3 in 2");
        of_rows("[]", "0 in 0");
        of_rows("[}", "22P02 rows: invalid input syntax for type json: a value expected at byte 2");
        of_rows(
            "1",
            "22023 rows: an array of rows is expected | at character 1 of the argument: 1",
        );
        of_rows(
            r#"[{"identities": {"é": 1}}]"#,
            "22023 rows: unknown namespace \"é\" | at character 19 of the argument: é",
        );
        of_rows(
            r#"[{"é": 1, "ids": 1}]"#,
            "22023 rows: a row has no \"é\" | at character 4 of the argument: é",
        );
        of_rows(
            r#"[{"observed_at": "x", "identities": []}]"#,
            "22023 rows: \"x\" is no timestamp that can be read | at character 19 of the argument: x",
        );
        of_rows(
            r#"[{"identities": [], "identities": []}]"#,
            "22023 rows: \"identities\" is there twice | at character 22 of the argument: identities",
        );
        of_rows(
            "[{}]",
            "22023 rows: a row must have identities | at character 2 of the argument: {}",
        );
        of_rows(
            r#"[{"identities": [["a"]]}]"#,
            "22023 rows: an array of namespace and value is expected | at character 18 of the argument: [\"a\"]",
        );
    }

    #[test]
    fn namespaces_are_what_statements_allow() {
        let of_namespaces = |namespaces, expected| check("[]", namespaces, expected);
        of_namespaces(r#"{"namespaces": [{"name": "a", "kind": "Cookie"}]}"#, "0 in 0");
        of_namespaces(
            r#"[{"name": "a", "kind": "robot"}]"#,
            "22023 namespaces: unknown kind \"robot\" | at character 25 of the argument: robot",
        );
        of_namespaces(
            r#"[{"name": "a"}, {"name": "a"}]"#,
            "42710 namespaces: namespace \"a\" already exists | at character 17 of the argument: {\"name\": \"a\"}",
        );
        of_namespaces(
            r#"[{"name": "a", "rank": 0}]"#,
            "22023 namespaces: rank 0 is out of range | at character 24 of the argument: 0",
        );
        of_namespaces(
            r#"{"graph_identities_max": -1}"#,
            "22023 namespaces: -1 is outside the valid range for parameter \"graph_identities_max\" (0 .. 1000000) | at character 26 of the argument: -1",
        );
        of_namespaces(
            r#"{"graph_identities_max": 1.5}"#,
            "22023 namespaces: graph_identities_max is expected to be a whole number | at character 26 of the argument: 1.5",
        );
        of_namespaces(
            "[{}]",
            "22023 namespaces: a namespace must have a name | at character 2 of the argument: {}",
        );
    }

    #[test]
    fn the_limits_are_reached() {
        let list = |one: &str, count: usize| format!("[{}]", vec![one; count].join(","));
        let row = r#"{"identities":{"a":1}}"#;
        let a = r#"[{"name": "a"}]"#;
        check(&list(row, SIMULATED_ROWS_MAX), a, "1 in 1");
        let error = format!("54000 a simulation can have at most {SIMULATED_ROWS_MAX} rows");
        check(&list(row, SIMULATED_ROWS_MAX + 1), a, &error);
        let names = |count: usize| {
            let all: Vec<_> = (0..count).map(|at| format!(r#"{{"name":"n{at}"}}"#)).collect();
            format!("[{}]", all.join(","))
        };
        check("[]", &names(SIMULATED_NAMESPACES_MAX), "0 in 0");
        let error =
            format!("54000 a simulation can have at most {SIMULATED_NAMESPACES_MAX} namespaces");
        check("[]", &names(SIMULATED_NAMESPACES_MAX + 1), &error);
    }
}
