//! `pg_proc`: the caller's functions in schema `public`, and in `pg_catalog` those of PostgreSQL that are
//! here too (`pg_proc.txt`), the support functions of types among them.

use std::sync::LazyLock;

use crate::query::postgres::catalog::{Filler, Rows, Value};
use crate::query::postgres::description::{
    Description, FunctionEntry, OWNER_OID, PG_CATALOG_OID, PUBLIC_OID,
};
use crate::query::postgres::types;

pub(super) const ALL: &[Filler] = &[Filler { schema: "pg_catalog", name: "pg_proc", fill }];

/// Language `internal`.
const INTERNAL_OID: u32 = 12;

/// A function of PostgreSQL's own, as `pg_proc.txt` lists it.
#[derive(Debug)]
pub struct SystemFunction {
    /// Its number.
    pub oid: u32,
    /// Its name.
    pub name: &'static str,
    /// `f`, `a` or `w`.
    pub kind: &'static str,
    /// `i` immutable, `s` stable, `v` volatile.
    pub volatility: &'static str,
    /// Whether a null argument makes it null.
    pub is_strict: bool,
    /// Whether it gives many rows.
    pub is_set: bool,
    /// Type of its result.
    pub result: u32,
    /// Types of its arguments.
    pub arguments: Vec<u32>,
}

/// PostgreSQL's functions that are here too.
pub static SYSTEM_FUNCTIONS: LazyLock<Vec<SystemFunction>> = LazyLock::new(|| {
    let lines = include_str!("pg_proc.txt").lines();
    lines.filter(|line| !line.starts_with('#')).map(parse).collect()
});

fn parse(line: &'static str) -> SystemFunction {
    let words: Vec<&'static str> = line.split(' ').collect();
    let number = |word: &str| word.parse().expect("pg_proc.txt has a number here");
    SystemFunction {
        oid: number(words[0]),
        name: words[1],
        kind: words[2],
        volatility: words[3],
        is_strict: words[4] == "t",
        is_set: words[5] == "t",
        result: number(words[6]),
        arguments: words[7..].iter().map(|word| number(word)).collect(),
    }
}

/// The types of a list of arguments in SQL, such as `value text, rank integer DEFAULT NULL`.
pub fn argument_types(arguments: &str) -> Vec<u32> {
    let arguments = arguments.split(',').map(str::trim).filter(|argument| !argument.is_empty());
    let without_name = |argument: &str| {
        let (_, rest) = argument.split_once(' ')?;
        types::by_name(rest)
    };
    arguments
        .map(|argument| argument.split(" DEFAULT ").next().unwrap_or(argument))
        .filter_map(|argument| types::by_name(argument).or_else(|| without_name(argument)))
        .map(|entry| entry.oid)
        .collect()
}

fn fill(description: &Description, rows: &mut Rows) {
    for (oid, entry) in description.numbered_functions() {
        add_own(rows, oid, entry);
    }
    for function in SYSTEM_FUNCTIONS.iter() {
        add_system(rows, function);
    }
}

fn add_own(rows: &mut Rows, oid: u32, entry: &FunctionEntry) {
    let arguments = argument_types(&entry.arguments);
    rows.add([
        ("oid", oid.into()),
        ("proname", (&entry.name).into()),
        ("pronamespace", PUBLIC_OID.into()),
        ("proowner", OWNER_OID.into()),
        ("prolang", INTERNAL_OID.into()),
        ("procost", 1.into()),
        ("prokind", entry.kind.into()),
        ("provolatile", "s".into()),
        ("proparallel", "s".into()),
        ("pronargs", (arguments.len() as i16).into()),
        ("pronargdefaults", (entry.arguments.matches(" DEFAULT ").count() as i16).into()),
        ("proretset", entry.result.starts_with("TABLE").into()),
        ("prorettype", types::by_name(&entry.result).map_or(2249, |it| it.oid).into()),
        ("proargtypes", arguments.into()),
        ("prosrc", (&entry.name).into()),
    ]);
}

fn add_system(rows: &mut Rows, function: &SystemFunction) {
    rows.add([
        ("oid", function.oid.into()),
        ("proname", function.name.into()),
        ("pronamespace", PG_CATALOG_OID.into()),
        ("proowner", OWNER_OID.into()),
        ("prolang", INTERNAL_OID.into()),
        ("procost", 1.into()),
        ("prokind", function.kind.into()),
        ("proisstrict", function.is_strict.into()),
        ("proretset", function.is_set.into()),
        ("provolatile", function.volatility.into()),
        ("proparallel", "s".into()),
        ("pronargs", (function.arguments.len() as i16).into()),
        ("prorettype", function.result.into()),
        ("proargtypes", Value::from(function.arguments.clone())),
        ("prosrc", function.name.into()),
    ]);
}
