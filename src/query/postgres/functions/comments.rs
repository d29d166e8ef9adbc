//! `obj_description` and its like: the comments of `pg_description`, one at a time.

use crate::error::Result;
use crate::query::postgres::catalog::{self, Value, pg_description};
use crate::query::postgres::description::class;
use crate::query::postgres::functions::{Call, Function, Int, Object, Text};

pub(super) const ALL: &[Function] = &[
    Function::new("obj_description", &[&[Int], &[Int, Text]], "text", of_object),
    Function::new("col_description", &[&[Object, Int]], "text", of_column),
    Function::new("shobj_description", &[&[Int, Text]], "text", |_| Ok(Value::Null)),
];

fn find(call: &Call<'_>, object: u32, class: Option<u32>, column: i64) -> Value {
    let comments = pg_description::comments(call.description);
    let found = comments.into_iter().find(|comment| {
        comment.0 == object
            && class.is_none_or(|class| class == comment.1)
            && i64::from(comment.2) == column
    });
    found.map(|comment| comment.3).into()
}

fn of_object(call: &Call<'_>) -> Result<Value> {
    let class = match call.arguments.len() {
        1 => None,
        _ => match catalog::by_name("pg_catalog", call.text(1)) {
            Some(relation) => Some(relation.oid),
            None => return Ok(Value::Null),
        },
    };
    Ok(find(call, call.oid(0), class, 0))
}

fn of_column(call: &Call<'_>) -> Result<Value> {
    Ok(find(call, call.relation_oid(0)?, Some(class::CLASS), call.int(1)))
}
