//! `pg_description` and `pg_shdescription`: the comments of everything.

use crate::query::postgres::catalog::{Filler, Rows};
use crate::query::postgres::description::{Description, PUBLIC_OID, class};

pub(super) const ALL: &[Filler] = &[Filler { schema: "pg_catalog", name: "pg_description", fill }];

/// A comment: number of the object, catalog that lists it, column or 0, text.
pub type Comment<'a> = (u32, u32, i32, &'a str);

/// All comments of objects; the functions that answer `obj_description` read them here too.
pub fn comments(description: &Description) -> Vec<Comment<'_>> {
    let mut comments = Vec::new();
    for (oid, name) in description.numbered_schemas() {
        let own = description.schemas.iter().find(|(schema, _)| *schema == name);
        let comment = own.and_then(|(_, comment)| comment.as_deref());
        let standard = (oid == PUBLIC_OID).then_some("standard public schema");
        comments.extend(comment.or(standard).map(|text| (oid, class::NAMESPACE, 0, text)));
    }
    for relation in &description.relations {
        let comment = relation.comment.as_deref();
        comments.extend(comment.map(|text| (relation.oid, class::CLASS, 0, text)));
        for (at, column) in relation.columns.iter().enumerate() {
            let comment = column.comment.as_deref();
            comments.extend(comment.map(|it| (relation.oid, class::CLASS, at as i32 + 1, it)));
        }
    }
    let functions = description.numbered_functions().into_iter();
    let described = functions.filter(|(_, entry)| !entry.description.is_empty());
    comments.extend(described.map(|(oid, it)| (oid, class::PROC, 0, it.description.as_str())));
    comments
}

fn fill(description: &Description, rows: &mut Rows) {
    for (object, class, column, text) in comments(description) {
        rows.add([
            ("objoid", object.into()),
            ("classoid", class.into()),
            ("objsubid", column.into()),
            ("description", text.into()),
        ]);
    }
}
