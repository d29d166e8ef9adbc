//! `pg_get_*def` and other functions that describe one object in words.

use crate::error::Result;
use crate::model::names::quote_name;
use crate::query::postgres::catalog::{Value, pg_proc, views};
use crate::query::postgres::description::{Description, Relation};
use crate::query::postgres::functions::{Any, Bool, Call, Function, Int, Object, Text};
use crate::query::postgres::types::PgType;

const OID: &[&[super::Kind]] = &[&[Int]];
const OID_PRETTY: &[&[super::Kind]] = &[&[Int], &[Int, Bool]];
const TYPE: &[&[super::Kind]] = &[&[Int, Int]];

pub(super) const ALL: &[Function] = &[
    Function::new("format_type", TYPE, "text", format_type).takes_nulls().pure(),
    Function::new("pg_get_expr", &[&[Text, Int], &[Text, Int, Bool]], "text", unknown),
    Function::new("pg_get_viewdef", &[&[Object], &[Object, Any]], "text", view),
    Function::new("pg_get_indexdef", &[&[Int], &[Int, Int, Bool]], "text", index),
    Function::new("pg_get_constraintdef", OID_PRETTY, "text", constraint),
    Function::new("pg_get_function_result", OID, "text", result),
    Function::new("pg_get_function_arguments", OID, "text", arguments),
    Function::new("pg_get_function_identity_arguments", OID, "text", arguments),
    Function::new("pg_get_function_sqlbody", OID, "text", unknown),
    Function::new("pg_get_functiondef", OID, "text", function),
    Function::new("pg_get_ruledef", OID_PRETTY, "text", rule),
    Function::new("pg_get_triggerdef", OID_PRETTY, "text", unknown),
    Function::new("pg_get_partkeydef", OID, "text", unknown),
    Function::new("pg_get_partition_constraintdef", OID, "text", unknown),
    Function::new("pg_get_statisticsobjdef", OID, "text", unknown),
    Function::new("pg_get_statisticsobjdef_columns", OID, "text", unknown),
    Function::new("pg_get_serial_sequence", &[&[Text, Text]], "text", unknown),
    Function::new("pg_describe_object", &[&[Int, Int, Int]], "text", unknown),
    Function::new("pg_relation_is_publishable", &[&[Object]], "bool", is_own_table),
    Function::new("pg_relation_is_updatable", &[&[Object, Bool]], "int4", updatable_events),
    Function::new("pg_relation_filenode", &[&[Object]], "oid", |_| Ok(Value::Null)),
    Function::new("pg_tablespace_location", OID, "text", |_| Ok("".into())),
    Function::new("pg_indexam_has_property", &[&[Int, Text]], "bool", |_| Ok(Value::Null)),
    Function::new("pg_index_has_property", &[&[Object, Text]], "bool", |_| Ok(Value::Null)),
    Function::new("pg_index_column_has_property", &[&[Object, Int, Text]], "bool", index_property),
    Function::new("pg_typeof", &[&[Any]], "text", type_of).takes_nulls().pure(),
    Function::new("_pg_char_max_length", TYPE, "int4", text_length).pure(),
    Function::new("_pg_char_octet_length", TYPE, "int4", text_bytes).pure(),
    Function::new("_pg_numeric_precision", TYPE, "int4", |it| digits(it, 0)).pure(),
    Function::new("_pg_numeric_precision_radix", TYPE, "int4", |it| digits(it, 1)).pure(),
    Function::new("_pg_numeric_scale", TYPE, "int4", |it| digits(it, 2)).pure(),
    Function::new("_pg_datetime_precision", TYPE, "int4", second_digits).pure(),
];

fn unknown(_: &Call<'_>) -> Result<Value> {
    Ok(Value::Null)
}

fn ty(call: &Call<'_>) -> PgType {
    let typmod = call.argument(1).as_int().and_then(|it| i32::try_from(it).ok());
    PgType { oid: call.oid(0), typmod: typmod.unwrap_or(-1) }
}

fn format_type(call: &Call<'_>) -> Result<Value> {
    match call.argument(0) {
        Value::Null => Ok(Value::Null),
        Value::Int(0) => Ok("-".into()),
        _ => Ok(ty(call).format().into()),
    }
}

fn view(call: &Call<'_>) -> Result<Value> {
    let relation = call.description.relation(call.relation_oid(0)?);
    let definition = relation.and_then(|relation| relation.definition.as_ref());
    Ok(definition.map(|text| format!(" {};", text.trim().trim_end_matches(';'))).into())
}

fn keyed(description: &Description, oid: u32, number: fn(&Relation) -> u32) -> Option<&Relation> {
    description.relations.iter().find(|relation| relation.has_key() && number(relation) == oid)
}

fn index(call: &Call<'_>) -> Result<Value> {
    let Some(relation) = keyed(call.description, call.oid(0), Relation::index_oid) else {
        return Ok(Value::Null);
    };
    match usize::try_from(call.int(1)).unwrap_or_default() {
        0 => {
            let is_short = call.is_true(2) && call.description.sees_schema(&relation.schema);
            Ok(views::index_definition(relation, !is_short).into())
        }
        column => Ok(relation.primary_key.get(column - 1).map(|name| quote_name(name)).into()),
    }
}

fn constraint(call: &Call<'_>) -> Result<Value> {
    let relation = keyed(call.description, call.oid(0), Relation::constraint_oid);
    let columns = relation.map(|relation| {
        relation.primary_key.iter().map(|name| quote_name(name)).collect::<Vec<_>>().join(", ")
    });
    Ok(columns.map(|columns| format!("PRIMARY KEY ({columns})")).into())
}

fn rule(call: &Call<'_>) -> Result<Value> {
    let views = call.description.relations.iter().filter(|relation| relation.is_view());
    let relation = views.into_iter().find(|relation| relation.rule_oid() == call.oid(0));
    let definition = relation.and_then(|it| Some((it, it.definition.as_ref()?)));
    Ok(definition
        .map(|(relation, query)| {
            let name = format!("{}.{}", quote_name(&relation.schema), quote_name(&relation.name));
            let query = query.trim().trim_end_matches(';');
            format!("CREATE RULE \"_RETURN\" AS\n    ON SELECT TO {name} DO INSTEAD {query};")
        })
        .into())
}

fn system(oid: u32) -> Option<&'static pg_proc::SystemFunction> {
    pg_proc::SYSTEM_FUNCTIONS.iter().find(|function| function.oid == oid)
}

fn result(call: &Call<'_>) -> Result<Value> {
    let functions = call.description.numbered_functions();
    let own = functions.get(&call.oid(0)).map(|entry| entry.result.clone());
    let system = || {
        let function = system(call.oid(0))?;
        let set = if function.is_set { "SETOF " } else { "" };
        Some(format!("{set}{}", PgType::new(function.result).format()))
    };
    Ok(own.or_else(system).into())
}

fn arguments(call: &Call<'_>) -> Result<Value> {
    let functions = call.description.numbered_functions();
    let own = functions.get(&call.oid(0)).map(|entry| entry.arguments.clone());
    let system = || {
        let types = system(call.oid(0))?.arguments.iter();
        Some(types.map(|oid| PgType::new(*oid).format()).collect::<Vec<_>>().join(", "))
    };
    Ok(own.or_else(system).into())
}

fn function(call: &Call<'_>) -> Result<Value> {
    let functions = call.description.numbered_functions();
    let own = functions.get(&call.oid(0)).map(|entry| {
        let name = quote_name(&entry.name);
        let (arguments, result) = (&entry.arguments, &entry.result);
        format!(
            "CREATE OR REPLACE FUNCTION public.{name}({arguments})\n RETURNS {result}\n \
             LANGUAGE internal\n STABLE\nAS $function${}$function$\n",
            entry.name
        )
    });
    let system = || {
        let function = system(call.oid(0))?;
        let types = function.arguments.iter().map(|oid| PgType::new(*oid).format());
        let arguments = types.collect::<Vec<_>>().join(", ");
        let result = PgType::new(function.result).format();
        Some(format!(
            "CREATE OR REPLACE FUNCTION pg_catalog.{0}({arguments})\n RETURNS {result}\n \
             LANGUAGE internal\nAS $function${0}$function$\n",
            function.name
        ))
    };
    Ok(own.or_else(system).into())
}

fn is_own_table(call: &Call<'_>) -> Result<Value> {
    let relation = call.description.relation(call.relation_oid(0)?);
    Ok(relation.is_some_and(|relation| !relation.is_view()).into())
}

/// Which commands a relation takes, as bits 1 << 2 (update), 1 << 3 (insert), 1 << 4 (delete).
fn updatable_events(call: &Call<'_>) -> Result<Value> {
    let relation = call.description.relation(call.relation_oid(0)?);
    let takes_rows = relation.is_some_and(|relation| !relation.is_view());
    Ok(if takes_rows { (1 << 3) | (1 << 4) } else { 0 }.into())
}

fn index_property(call: &Call<'_>) -> Result<Value> {
    let relation = keyed(call.description, call.oid(0), Relation::index_oid);
    let answer = match call.text(2) {
        "asc" | "orderable" | "nulls_last" | "returnable" | "search_array" | "search_nulls" => true,
        "desc" | "nulls_first" | "distance_orderable" => false,
        _ => return Ok(Value::Null),
    };
    Ok(relation.map(|_| answer).into())
}

fn type_of(call: &Call<'_>) -> Result<Value> {
    let field = call.fields.first();
    Ok(field.map(|field| PgType { typmod: -1, ..PgType::of_field(field) }.format()).into())
}

fn text_length(call: &Call<'_>) -> Result<Value> {
    let ty = ty(call);
    let has_length = matches!(ty.name(), "varchar" | "bpchar") && ty.typmod > 4;
    Ok(has_length.then_some(ty.typmod - 4).into())
}

fn text_bytes(call: &Call<'_>) -> Result<Value> {
    let ty = ty(call);
    let is_text = matches!(ty.name(), "text" | "varchar" | "bpchar");
    let bytes = if ty.typmod > 4 { (ty.typmod - 4) * 4 } else { 1_073_741_824 };
    Ok(is_text.then_some(bytes).into())
}

/// Precision, radix and scale of a number.
fn digits(call: &Call<'_>, which: usize) -> Result<Value> {
    let ty = ty(call);
    let digits = match ty.name() {
        "int2" => [Some(16), Some(2), Some(0)],
        "int4" => [Some(32), Some(2), Some(0)],
        "int8" => [Some(64), Some(2), Some(0)],
        "float4" => [Some(24), Some(2), None],
        "float8" => [Some(53), Some(2), None],
        "numeric" => {
            let (precision, scale) = ty.precision_and_scale().unzip();
            [precision, Some(10), scale]
        }
        _ => [None; 3],
    };
    Ok(digits[which].into())
}

fn second_digits(call: &Call<'_>) -> Result<Value> {
    Ok(match ty(call).name() {
        "date" => Some(0),
        "time" | "timetz" | "timestamp" | "timestamptz" | "interval" => Some(6),
        _ => None,
    }
    .into())
}
