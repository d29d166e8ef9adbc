//! Functions and operators of `json` and `jsonb`, and the reading of `uuid`.

use std::sync::Arc;

use arrow::array::{
    Array, ArrayRef, AsArray, BooleanArray, Int32Array, ListBuilder, StringArray, StringBuilder,
};
use arrow::compute::cast;
use arrow::datatypes::{DataType, Field, FieldRef};
use datafusion::common::{ScalarValue, exec_err};
use datafusion::logical_expr::{
    ColumnarValue, ReturnFieldArgs, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature,
    TypeSignature, Volatility,
};

use crate::error::{Error, Result, SqlState};
use crate::query::error::external;
use crate::query::postgres::json::value::{
    canonical, contains, elements, get, members, plain_number, put, quote, raw, read, text,
};
use crate::query::postgres::types::{METADATA_KEY, PgType};

/// What a function gives.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Gives {
    /// Texts of this PostgreSQL type.
    Of(&'static str),
    /// What its first argument is, `json` or `jsonb`.
    Same,
    Boolean,
    Integer,
    /// Lists of texts of this type.
    ListOf(&'static str),
}

type Run = fn(&Row<'_>) -> Result<Option<Made>>;

/// One value that a function made.
enum Made {
    Text(String),
    Boolean(bool),
    Integer(i32),
    List(Vec<Option<String>>),
}

/// One row of arguments.
struct Row<'a> {
    arrays: &'a [ArrayRef],
    fields: &'a [FieldRef],
    at: usize,
}

impl Row<'_> {
    fn is_null(&self, argument: usize) -> bool {
        let array = &self.arrays[argument];
        array.is_null(self.at) || *array.data_type() == DataType::Null
    }

    /// A text, or a number as text.
    fn text(&self, argument: usize) -> Result<String> {
        let one = self.arrays[argument].slice(self.at, 1);
        let texts = cast(&one, &DataType::Utf8);
        let texts = texts.map_err(|error| crate::query::error::from_arrow(&error))?;
        Ok(texts.as_string::<i32>().value(0).to_owned())
    }

    /// The texts of a list, or of a literal such as `{a,b}`.
    fn path(&self, argument: usize) -> Result<Vec<String>> {
        match self.arrays[argument].as_list_opt::<i32>() {
            Some(lists) => {
                let items = cast(&lists.value(self.at), &DataType::Utf8);
                let items = items.map_err(|error| crate::query::error::from_arrow(&error))?;
                Ok(items.as_string::<i32>().iter().flatten().map(str::to_owned).collect())
            }
            None => {
                let text = self.text(argument)?;
                let inner = text.trim().trim_start_matches('{').trim_end_matches('}');
                let items = inner.split(',').map(|item| item.trim().trim_matches('"').to_owned());
                Ok(if inner.is_empty() { Vec::new() } else { items.collect() })
            }
        }
    }

    fn rest(&self, first: usize) -> Result<Vec<String>> {
        (first..self.arrays.len()).map(|argument| self.text(argument)).collect()
    }

    fn put(&self, out: &mut String, argument: usize) -> Result<()> {
        put(out, &self.arrays[argument], &self.fields[argument], self.at)
    }

    fn is_number(&self, argument: usize) -> bool {
        self.arrays[argument].data_type().is_integer()
    }
}

/// A function: its names, what it gives, whether a null makes it null, and what it does.
struct Listed {
    names: &'static [&'static str],
    gives: Gives,
    strict: bool,
    run: Run,
}

const fn listed(names: &'static [&'static str], gives: Gives, run: Run) -> Listed {
    Listed { names, gives, strict: true, run }
}

const fn of_nulls(names: &'static [&'static str], gives: Gives, run: Run) -> Listed {
    Listed { names, gives, strict: false, run }
}

/// Functions that give a row for each element: the list that is taken apart, and the column's name.
pub const LISTS: &[(&str, &str, &str)] = &[
    ("json_array_elements", "json_elements", "value"),
    ("json_array_elements_text", "json_element_texts", "value"),
    ("json_object_keys", "json_keys", "json_object_keys"),
    ("jsonb_array_elements", "jsonb_elements", "value"),
    ("jsonb_array_elements_text", "json_element_texts", "value"),
    ("jsonb_object_keys", "json_keys", "jsonb_object_keys"),
];

const ALL: &[Listed] = &[
    listed(&["json_in"], Gives::Of("json"), |row| {
        let given = row.text(0)?;
        read(&given)?;
        Ok(Some(Made::Text(given)))
    }),
    listed(&["jsonb_in"], Gives::Of("jsonb"), |row| {
        canonical(&row.text(0)?).map(|made| Some(Made::Text(made)))
    }),
    listed(&["uuid_in"], Gives::Of("uuid"), |row| uuid(&row.text(0)?).map(Some)),
    listed(&["json_get"], Gives::Same, |row| found(row, raw_of)),
    listed(&["json_get_text"], Gives::Of("text"), |row| found(row, text_of)),
    listed(&["json_path"], Gives::Same, |row| along(row, &row.path(1)?, raw_of)),
    listed(&["json_path_text"], Gives::Of("text"), |row| along(row, &row.path(1)?, text_of)),
    listed(&["json_extract_path", "jsonb_extract_path"], Gives::Same, |row| {
        along(row, &row.rest(1)?, raw_of)
    }),
    listed(&["json_extract_path_text", "jsonb_extract_path_text"], Gives::Of("text"), |row| {
        along(row, &row.rest(1)?, text_of)
    }),
    listed(&["jsonb_contains"], Gives::Boolean, |row| {
        let (whole, part) = (row.text(0)?, row.text(1)?);
        Ok(Some(Made::Boolean(contains(&read(&whole)?, &read(&part)?))))
    }),
    listed(&["jsonb_exists"], Gives::Boolean, |row| exists(row, &[row.text(1)?], false)),
    listed(&["jsonb_exists_any"], Gives::Boolean, |row| exists(row, &row.path(1)?, false)),
    listed(&["jsonb_exists_all"], Gives::Boolean, |row| exists(row, &row.path(1)?, true)),
    listed(&["json_typeof", "jsonb_typeof"], Gives::Of("text"), |row| {
        use crate::ingest::json::Kind;
        let given = row.text(0)?;
        let name = match read(&given)?.kind {
            Kind::Null => "null",
            Kind::True | Kind::False => "boolean",
            Kind::Number => "number",
            Kind::String { .. } => "string",
            Kind::Array => "array",
            Kind::Object => "object",
        };
        Ok(Some(Made::Text(name.to_owned())))
    }),
    listed(&["json_array_length", "jsonb_array_length"], Gives::Integer, |row| {
        let given = row.text(0)?;
        let count = elements(&array(&given, "get array length of")?).len();
        Ok(Some(Made::Integer(i32::try_from(count).unwrap_or(i32::MAX))))
    }),
    listed(&["json_elements"], Gives::ListOf("json"), |row| each(row, |it| Some(raw(it)))),
    listed(&["jsonb_elements"], Gives::ListOf("jsonb"), |row| each(row, |it| Some(raw(it)))),
    listed(&["json_element_texts"], Gives::ListOf("text"), |row| each(row, text)),
    listed(&["json_keys"], Gives::ListOf("text"), |row| {
        let given = row.text(0)?;
        let value = read(&given)?;
        if value.kind != crate::ingest::json::Kind::Object {
            return Err(wrong_kind("cannot call json_object_keys on a value that is no object"));
        }
        Ok(Some(Made::List(members(&value).into_iter().map(|(name, _)| Some(name)).collect())))
    }),
    listed(&["to_json", "row_to_json"], Gives::Of("json"), |row| {
        let mut out = String::new();
        row.put(&mut out, 0)?;
        Ok(Some(Made::Text(out)))
    }),
    listed(&["to_jsonb"], Gives::Of("jsonb"), |row| {
        let mut out = String::new();
        row.put(&mut out, 0)?;
        canonical(&out).map(|made| Some(Made::Text(made)))
    }),
    of_nulls(&["json_build_array"], Gives::Of("json"), |row| build_array(row).map(text_made)),
    of_nulls(&["jsonb_build_array"], Gives::Of("jsonb"), |row| {
        canonical(&build_array(row)?).map(text_made)
    }),
    of_nulls(&["json_build_object"], Gives::Of("json"), |row| build_object(row).map(text_made)),
    of_nulls(&["jsonb_build_object"], Gives::Of("jsonb"), |row| {
        canonical(&build_object(row)?).map(text_made)
    }),
    listed(&["jsonb_pretty"], Gives::Of("text"), |row| {
        let given = row.text(0)?;
        let mut out = String::new();
        pretty(&mut out, &read(&given)?, 0);
        Ok(Some(Made::Text(out)))
    }),
];

fn text_made(text: String) -> Option<Made> {
    Some(Made::Text(text))
}

fn wrong_kind(message: &str) -> Error {
    Error::new(SqlState::INVALID_PARAMETER_VALUE, message)
}

type Value<'a> = crate::ingest::json::Json<'a>;

fn raw_of(value: &Value<'_>) -> Option<String> {
    Some(raw(value))
}

fn text_of(value: &Value<'_>) -> Option<String> {
    text(value)
}

/// `->` and `->>`: names lead into objects, numbers into arrays.
fn found(row: &Row<'_>, shown: fn(&Value<'_>) -> Option<String>) -> Result<Option<Made>> {
    let (given, key) = (row.text(0)?, row.text(1)?);
    let number = if row.is_number(1) { key.parse().ok() } else { None };
    let value = read(&given)?;
    let is_array = value.kind == crate::ingest::json::Kind::Array;
    if is_array != number.is_some() {
        return Ok(None);
    }
    Ok(get(&value, &key, number).as_ref().and_then(shown).map(Made::Text))
}

/// `#>` and `#>>`.
fn along(
    row: &Row<'_>,
    path: &[String],
    shown: fn(&Value<'_>) -> Option<String>,
) -> Result<Option<Made>> {
    let given = row.text(0)?;
    let mut value = read(&given)?;
    for step in path {
        match get(&value, step, step.parse().ok()) {
            Some(next) => value = next,
            None => return Ok(None),
        }
    }
    Ok(shown(&value).map(Made::Text))
}

/// Whether one of the names is a member or a string of the value, or all are.
fn exists(row: &Row<'_>, names: &[String], all: bool) -> Result<Option<Made>> {
    let given = row.text(0)?;
    let value = read(&given)?;
    let strings = elements(&value);
    let known: Vec<String> = members(&value)
        .into_iter()
        .map(|(name, _)| name)
        .chain(strings.iter().chain(std::iter::once(&value)).filter_map(|it| {
            let string = matches!(it.kind, crate::ingest::json::Kind::String { .. });
            if string { text(it) } else { None }
        }))
        .collect();
    let mut found = names.iter().map(|name| known.contains(name));
    let exists = if all { found.all(|it| it) } else { found.any(|it| it) };
    Ok(Some(Made::Boolean(exists)))
}

fn array<'a>(given: &'a str, deed: &str) -> Result<Value<'a>> {
    let value = read(given)?;
    match value.kind {
        crate::ingest::json::Kind::Array => Ok(value),
        crate::ingest::json::Kind::Object => Err(wrong_kind(&format!("cannot {deed} an object"))),
        _ => Err(wrong_kind(&format!("cannot {deed} a scalar"))),
    }
}

fn each(row: &Row<'_>, shown: fn(&Value<'_>) -> Option<String>) -> Result<Option<Made>> {
    let given = row.text(0)?;
    let value = array(&given, "extract elements from")?;
    Ok(Some(Made::List(elements(&value).iter().map(shown).collect())))
}

fn build_array(row: &Row<'_>) -> Result<String> {
    let mut out = String::from("[");
    for at in 0..row.arrays.len() {
        out.push_str(if at > 0 { ", " } else { "" });
        row.put(&mut out, at)?;
    }
    out.push(']');
    Ok(out)
}

fn build_object(row: &Row<'_>) -> Result<String> {
    if !row.arrays.len().is_multiple_of(2) {
        return Err(wrong_kind("argument list must have even number of elements")
            .hint("the arguments are names and values in turn"));
    }
    let mut out = String::from("{");
    for at in (0..row.arrays.len()).step_by(2) {
        if row.is_null(at) {
            let message = format!("argument {} cannot be null", at + 1);
            return Err(wrong_kind(&message).hint("object keys should be text"));
        }
        out.push_str(if at > 0 { ", " } else { "" });
        quote(&mut out, &row.text(at)?);
        out.push_str(" : ");
        row.put(&mut out, at + 1)?;
    }
    out.push('}');
    Ok(out)
}

/// The value over several lines, as `jsonb_pretty` has it.
fn pretty(out: &mut String, value: &Value<'_>, depth: usize) {
    use crate::ingest::json::Kind;
    let line = |out: &mut String, depth: usize| {
        out.push('\n');
        out.push_str(&"    ".repeat(depth));
    };
    match value.kind {
        Kind::Array => {
            out.push('[');
            for (at, element) in elements(value).iter().enumerate() {
                out.push_str(if at > 0 { "," } else { "" });
                line(out, depth + 1);
                pretty(out, element, depth + 1);
            }
            line(out, depth);
            out.push(']');
        }
        Kind::Object => {
            out.push('{');
            for (at, (name, member)) in members(value).iter().enumerate() {
                out.push_str(if at > 0 { "," } else { "" });
                line(out, depth + 1);
                quote(out, name);
                out.push_str(": ");
                pretty(out, member, depth + 1);
            }
            line(out, depth);
            out.push('}');
        }
        Kind::Number => out.push_str(&plain_number(value.text)),
        _ => out.push_str(&raw(value)),
    }
}

/// A `uuid` in any of its notations, in the usual one.
fn uuid(given: &str) -> Result<Made> {
    let inner = given.trim();
    let inner = inner.strip_prefix('{').and_then(|it| it.strip_suffix('}')).unwrap_or(inner);
    let digits: String = inner.chars().filter(|letter| *letter != '-').collect();
    let grouped = inner.split('-').all(|group| group.len().is_multiple_of(4) && !group.is_empty());
    if digits.len() != 32 || !digits.bytes().all(|byte| byte.is_ascii_hexdigit()) || !grouped {
        let message = format!("invalid input syntax for type uuid: \"{given}\"");
        return Err(Error::new(SqlState::INVALID_TEXT_REPRESENTATION, message));
    }
    let digits = digits.to_ascii_lowercase();
    let parts = [&digits[..8], &digits[8..12], &digits[12..16], &digits[16..20], &digits[20..]];
    Ok(Made::Text(parts.join("-")))
}

/// All functions of this file.
pub fn scalar_functions() -> Vec<ScalarUDF> {
    let of = |listed: &'static Listed, name: &'static str| {
        let any = vec![TypeSignature::VariadicAny, TypeSignature::Nullary];
        let signature = Signature::one_of(any, Volatility::Immutable);
        ScalarUDF::from(JsonFunction { listed, name, signature })
    };
    ALL.iter().flat_map(|listed| listed.names.iter().map(move |name| of(listed, name))).collect()
}

struct JsonFunction {
    listed: &'static Listed,
    name: &'static str,
    signature: Signature,
}

impl std::fmt::Debug for JsonFunction {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "JsonFunction({})", self.name)
    }
}

impl PartialEq for JsonFunction {
    fn eq(&self, other: &Self) -> bool {
        self.name == other.name
    }
}

impl Eq for JsonFunction {}

impl std::hash::Hash for JsonFunction {
    fn hash<H: std::hash::Hasher>(&self, state: &mut H) {
        self.name.hash(state);
    }
}

fn marked(name: &str, ty: &'static str) -> Field {
    let metadata = [(METADATA_KEY.to_owned(), ty.to_owned())];
    Field::new(name, DataType::Utf8, true).with_metadata(metadata.into())
}

impl ScalarUDFImpl for JsonFunction {
    fn name(&self) -> &str {
        self.name
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, _: &[DataType]) -> datafusion::common::Result<DataType> {
        Ok(match self.listed.gives {
            Gives::Of(_) | Gives::Same => DataType::Utf8,
            Gives::Boolean => DataType::Boolean,
            Gives::Integer => DataType::Int32,
            Gives::ListOf(ty) => DataType::List(Arc::new(marked("item", ty))),
        })
    }

    fn return_field_from_args(
        &self,
        args: ReturnFieldArgs<'_>,
    ) -> datafusion::common::Result<FieldRef> {
        let first = args.arg_fields.first().map(|field| PgType::of_field(field).name());
        Ok(Arc::new(match self.listed.gives {
            Gives::Of(ty) => marked(self.name, ty),
            Gives::Same => marked(self.name, if first == Some("jsonb") { "jsonb" } else { "json" }),
            _ => Field::new(self.name, self.return_type(&[])?, true),
        }))
    }

    fn invoke_with_args(
        &self,
        args: ScalarFunctionArgs,
    ) -> datafusion::common::Result<ColumnarValue> {
        let is_constant = args.args.iter().all(|it| matches!(it, ColumnarValue::Scalar(_)));
        let row_count = if is_constant { 1 } else { args.number_rows };
        let arrays: Vec<ArrayRef> = args
            .args
            .iter()
            .map(|it| it.to_array(row_count))
            .collect::<datafusion::common::Result<_>>()?;
        let mut made = Vec::with_capacity(row_count);
        for at in 0..row_count {
            let row = Row { arrays: &arrays, fields: &args.arg_fields, at };
            let null =
                self.listed.strict && (0..arrays.len()).any(|argument| row.is_null(argument));
            made.push(if null { None } else { (self.listed.run)(&row).map_err(external)? });
        }
        let array = collected(made, args.return_field.data_type())?;
        Ok(match (is_constant, array.as_list_opt::<i32>()) {
            // What a list's elements are marked as would be lost on the way through a single value.
            (true, Some(list)) => ColumnarValue::Scalar(ScalarValue::List(Arc::new(list.clone()))),
            (true, None) => ColumnarValue::Scalar(ScalarValue::try_from_array(&array, 0)?),
            (false, _) => ColumnarValue::Array(array),
        })
    }
}

fn collected(made: Vec<Option<Made>>, ty: &DataType) -> datafusion::common::Result<ArrayRef> {
    let made = made.into_iter();
    Ok(match ty {
        DataType::Utf8 => {
            let text = |made| if let Made::Text(text) = made { Some(text) } else { None };
            Arc::new(made.map(|made| made.and_then(text)).collect::<StringArray>())
        }
        DataType::Boolean => {
            let truth = |made| if let Made::Boolean(truth) = made { Some(truth) } else { None };
            Arc::new(made.map(|made| made.and_then(truth)).collect::<BooleanArray>())
        }
        DataType::Int32 => {
            let number = |made| if let Made::Integer(number) = made { Some(number) } else { None };
            Arc::new(made.map(|made| made.and_then(number)).collect::<Int32Array>())
        }
        DataType::List(field) => {
            let mut lists = ListBuilder::new(StringBuilder::new()).with_field(Arc::clone(field));
            for made in made {
                match made {
                    Some(Made::List(items)) => lists.append_value(items),
                    _ => lists.append_null(),
                }
            }
            Arc::new(lists.finish())
        }
        other => return exec_err!("no function of JSON gives {other}"),
    })
}
