//! `/openapi.json`: what there is, for those who generate clients; with a path for each dataset, whose
//! columns it has.

use axum::extract::State;
use axum::http::StatusCode;
use serde_json::{Map, Value, json};

use crate::catalog::Catalog;
use crate::model::column::ColumnType;
use crate::model::dataset::{Column, Dataset, Role};
use crate::web::answer::{Answer, json_response};
use crate::web::door::Web;
use crate::web::routes::{Handler, ROUTES, Route};
use crate::web::rows::CONTENT_TYPES;

/// The description of the interface as the definitions are now.
pub(crate) async fn description(State(web): State<Web>) -> Answer {
    let snapshot = web.server()?.database().snapshot();
    Ok(json_response(StatusCode::OK, document(snapshot.catalog()).to_string()))
}

fn document(catalog: &Catalog) -> Value {
    let mut paths = Map::new();
    for route in ROUTES {
        paths.insert(route.path.to_owned(), path_item(route, &operation(route)));
        if route.handler == Handler::Rows {
            for dataset in catalog.datasets_in_order() {
                let path = route.path.replace("{name}", &escaped(&dataset.name));
                paths.insert(path, path_item(route, &rows_operation(route, dataset)));
            }
        }
    }
    let schemas: Map<String, Value> = catalog
        .datasets_in_order()
        .into_iter()
        .map(|dataset| (format!("dataset.{}", dataset.name), row_schema(dataset)))
        .chain([
            ("receipt".to_owned(), receipt_schema()),
            ("error".to_owned(), error_schema()),
            ("profile".to_owned(), profile_schema(catalog)),
        ])
        .collect();
    json!({
        "openapi": "3.1.0",
        "info": { "title": "Selfsame", "version": env!("CARGO_PKG_VERSION") },
        "paths": paths,
        "components": {
            "schemas": schemas,
            "securitySchemes": { "token": { "type": "http", "scheme": "bearer" } },
        },
    })
}

/// A name as a part of a path.
fn escaped(name: &str) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~".contains(&byte);
    let each = |byte: u8| match plain(byte) {
        true => char::from(byte).to_string(),
        false => format!("%{byte:02X}"),
    };
    name.bytes().map(each).collect()
}

fn path_item(route: &Route, operation: &Value) -> Value {
    let mut item = Map::new();
    item.insert(route.method.to_ascii_lowercase(), operation.clone());
    Value::Object(item)
}

fn reference(schema: &str) -> Value {
    json!({ "$ref": format!("#/components/schemas/{schema}") })
}

fn json_body(description: &str, schema: &str) -> Value {
    let content = json!({ "application/json": { "schema": reference(schema) } });
    json!({ "description": description, "content": content })
}

fn parameter(name: &str, place: &str, description: &str) -> Value {
    let schema = json!({ "type": "string" });
    json!({
        "name": name, "in": place, "required": place == "path",
        "description": description, "schema": schema,
    })
}

fn operation(route: &Route) -> Value {
    let mut operation = json!({ "summary": route.summary });
    if route.scope.is_some() {
        operation["security"] = json!([{ "token": [] }]);
    }
    let (parameters, answer) = match route.handler {
        Handler::Rows => {
            operation["requestBody"] = body(None);
            let name = parameter("name", "path", "the dataset");
            let mut all = vec![name];
            all.extend(rows_parameters());
            (all, json_body("what became of the rows", "receipt"))
        }
        Handler::Profile => {
            let all = vec![
                parameter("namespace", "path", "the namespace of the identity"),
                parameter("value", "path", "the identity, as anybody would write it"),
                parameter("policy", "query", "the merge policy, if not the default one"),
            ];
            (all, json_body("the merged profile", "profile"))
        }
        _ => (Vec::new(), json!({ "description": "the answer" })),
    };
    operation["parameters"] = Value::Array(parameters);
    operation["responses"] = json!({ "200": answer, "default": json_body("an error", "error") });
    operation
}

fn rows_parameters() -> Vec<Value> {
    vec![
        parameter("Idempotency-Key", "header", "makes sending the same rows again harmless"),
        parameter("max_rejects", "query", "beyond so many refused rows nothing is taken"),
        parameter("columns", "query", "the columns that the rows have, between commas"),
    ]
}

/// The same operation for one dataset, with the schema of its rows.
fn rows_operation(route: &Route, dataset: &Dataset) -> Value {
    let mut operation = operation(route);
    operation["summary"] = json!(format!("Take rows into \"{}\"", dataset.name));
    operation["parameters"] = Value::Array(rows_parameters());
    operation["requestBody"] = body(Some(&dataset.name));
    operation
}

fn body(dataset: Option<&str>) -> Value {
    let row =
        dataset.map_or(json!({ "type": "object" }), |name| reference(&format!("dataset.{name}")));
    let schema = |format: &str| match format {
        "json" => json!({ "type": "array", "items": row }),
        "ndjson" => row.clone(),
        _ => json!({ "type": "string", "format": "binary" }),
    };
    let content: Map<String, Value> = CONTENT_TYPES
        .iter()
        .map(|(name, format)| ((*name).to_owned(), json!({ "schema": schema(format) })))
        .collect();
    json!({ "required": true, "content": content })
}

fn row_schema(dataset: &Dataset) -> Value {
    let given = dataset.columns.iter().filter(|column| !column.is_derived());
    let properties: Map<String, Value> =
        given.map(|column| (column.name.clone(), column_schema(column))).collect();
    json!({ "type": "object", "properties": properties })
}

fn column_schema(column: &Column) -> Value {
    let mut schema = type_schema(&column.ty);
    let role = match &column.role {
        Role::Identity(namespace) => Some(format!("an identity of {namespace}")),
        Role::EventId => Some("the id by which a repeated event is recognised".to_owned()),
        Role::ObservedAt => Some("the source's own time of the row".to_owned()),
        Role::Value => None,
    };
    if let Some(role) = role {
        schema["description"] = json!(role);
    }
    schema
}

fn type_schema(ty: &ColumnType) -> Value {
    match ty {
        ColumnType::Text => json!({ "type": ["string", "null"] }),
        ColumnType::Boolean => json!({ "type": ["boolean", "null"] }),
        ColumnType::SmallInt | ColumnType::Integer => {
            json!({ "type": ["integer", "null"], "format": "int32" })
        }
        ColumnType::BigInt => json!({ "type": ["integer", "null"], "format": "int64" }),
        ColumnType::Real | ColumnType::Double | ColumnType::Numeric { .. } => {
            json!({ "type": ["number", "null"] })
        }
        ColumnType::Date => json!({ "type": ["string", "null"], "format": "date" }),
        ColumnType::Timestamp | ColumnType::TimestampTz => {
            json!({ "type": ["string", "null"], "format": "date-time" })
        }
        ColumnType::Array(element) => {
            json!({ "type": ["array", "null"], "items": type_schema(element) })
        }
        #[allow(
            unreachable_patterns,
            reason = "a type that is new is a text until it is told apart"
        )]
        _ => json!({ "type": ["string", "null"] }),
    }
}

fn profile_schema(catalog: &Catalog) -> Value {
    let attributes = catalog.attributes();
    let mut properties = Map::new();
    properties.insert("profile_id".to_owned(), json!({ "type": "integer", "format": "int64" }));
    for attribute in attributes {
        properties.insert(attribute.name.clone(), type_schema(&attribute.ty));
    }
    json!({ "type": "object", "properties": properties })
}

fn receipt_schema() -> Value {
    let count = json!({ "type": "integer", "format": "int64" });
    let text = json!({ "type": "string" });
    let reject = json!({ "type": "object", "properties": {
        "line": count, "code": text, "message": text, "raw": text,
    }});
    json!({ "type": "object", "properties": {
        "ingest_id": count,
        "dataset": text,
        "accepted": count,
        "rejected": count,
        "duplicates": count,
        "replayed": { "type": "boolean" },
        "rejects": { "type": "array", "items": reject },
        "rejects_complete": { "type": "boolean" },
        "notices": { "type": "array", "items": text },
    }})
}

fn error_schema() -> Value {
    let text = json!({ "type": "string" });
    let perhaps = json!({ "type": ["string", "null"] });
    json!({ "type": "object", "properties": { "error": { "type": "object", "properties": {
        "code": text, "message": text, "detail": perhaps, "hint": perhaps,
    }}}})
}
