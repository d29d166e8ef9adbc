//! Relations of users that are no datasets: views, and scratch tables.
//!
//! A scratch table holds rows that are about nobody: no identities, no fragments, no part in profiles.
//! A view is a query under a name. Both are in a schema; schemas of users hold nothing else.

use arrow::datatypes::DataType;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::model::definition::Existence;
use crate::model::names::quote_name;

/// Numbers of scratch tables are from here on; those of datasets are below.
pub const SCRATCH_MIN: u32 = 1 << 31;

/// Numbers of one session's temporary tables are from here on.
pub const TEMPORARY_MIN: u32 = 3 << 30;

/// Numbers of the store's own datasets are from here on.
const OWN_MIN: u32 = u32::MAX - 1_000;

/// The schema of a session's temporary relations.
pub const TEMPORARY_SCHEMA: &str = "pg_temp";

/// Whether rows of this number are a scratch table's.
pub fn is_scratch(id: u32) -> bool {
    (SCRATCH_MIN..OWN_MIN).contains(&id)
}

/// Whether rows of this number are a temporary table's.
pub fn is_temporary(id: u32) -> bool {
    (TEMPORARY_MIN..OWN_MIN).contains(&id)
}

/// A relation's name with its schema.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct RelationName {
    /// The schema.
    pub schema: String,
    /// The name.
    pub name: String,
}

impl RelationName {
    /// A name in a schema.
    pub fn new(schema: impl Into<String>, name: impl Into<String>) -> Self {
        Self { schema: schema.into(), name: name.into() }
    }

    /// As it is written in SQL.
    pub fn quoted(&self) -> String {
        format!("{}.{}", quote_name(&self.schema), quote_name(&self.name))
    }

    /// As messages show it: without the schema that everybody has.
    pub fn shown(&self) -> String {
        match self.schema.as_str() {
            "public" | TEMPORARY_SCHEMA => quote_name(&self.name),
            _ => self.quoted(),
        }
    }
}

/// A column of a relation.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RelationColumn {
    /// Its name.
    pub name: String,
    /// Of a table, its name in stored rows, which stays when it is renamed; of a view, the name of the
    /// query's column.
    pub source: String,
    /// The Arrow type of its values.
    #[serde(serialize_with = "write_type", deserialize_with = "read_type")]
    pub ty: DataType,
    /// PostgreSQL's name of its type, where the Arrow type does not tell.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub type_name: Option<String>,
    /// Whether it may not be null.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub not_null: bool,
    /// What it is for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub comment: Option<String>,
}

fn write_type<S: Serializer>(ty: &DataType, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(&ty.to_string())
}

fn read_type<'de, D: Deserializer<'de>>(deserializer: D) -> Result<DataType, D::Error> {
    String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
}

/// The query of a view: SQL with places for the relations that it reads, so that these can be renamed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ViewQuery {
    /// The text before, between and after the places; one more than there are places.
    pub pieces: Vec<String>,
    /// What is in the places.
    pub uses: Vec<RelationName>,
    /// Where names were looked up when it was defined.
    pub search_path: Vec<String>,
}

impl ViewQuery {
    /// The query as SQL.
    pub fn text(&self) -> String {
        let mut text = self.pieces.first().cloned().unwrap_or_default();
        for (used, piece) in self.uses.iter().zip(self.pieces.iter().skip(1)) {
            text.push_str(&used.quoted());
            text.push_str(piece);
        }
        text
    }
}

/// What a relation is made of.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RelationBody {
    /// Rows of its own.
    Table,
    /// The rows of a query.
    View(ViewQuery),
}

/// A kind of relation, as statements name it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RelationKind {
    /// `TABLE`.
    Table,
    /// `VIEW`.
    View,
}

impl RelationKind {
    /// The word for it.
    pub fn word(self) -> &'static str {
        match self {
            Self::Table => "table",
            Self::View => "view",
        }
    }
}

/// A view or a scratch table.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Relation {
    /// Its number; rows are stored under a table's.
    pub id: u32,
    /// Its columns.
    pub columns: Vec<RelationColumn>,
    /// What it is made of.
    pub body: RelationBody,
    /// What it is for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub comment: Option<String>,
    /// How many columns a table has had.
    #[serde(default)]
    pub columns_made: u32,
}

impl Relation {
    /// Table or view.
    pub fn kind(&self) -> RelationKind {
        match self.body {
            RelationBody::Table => RelationKind::Table,
            RelationBody::View(_) => RelationKind::View,
        }
    }

    /// The position of a column.
    pub fn column(&self, name: &str) -> Option<usize> {
        self.columns.iter().position(|column| column.name == name)
    }

    /// What a view reads; nothing, of a table.
    pub fn uses(&self) -> &[RelationName] {
        match &self.body {
            RelationBody::Table => &[],
            RelationBody::View(query) => &query.uses,
        }
    }
}

/// A change of one relation.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RelationChange {
    /// `RENAME TO`.
    Rename(String),
    /// `SET SCHEMA`.
    SetSchema(String),
    /// `RENAME COLUMN`.
    RenameColumn {
        /// Its name.
        from: String,
        /// Its new name.
        to: String,
    },
    /// `ADD COLUMN`.
    AddColumn {
        /// The column.
        column: RelationColumn,
        /// What if it is there.
        existence: Existence,
    },
    /// `DROP COLUMN`.
    DropColumn {
        /// Its name.
        name: String,
        /// What if it is not there.
        existence: Existence,
        /// Whether views of the table go with it.
        cascade: bool,
    },
}

/// What a comment is on.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Commented {
    /// A schema.
    Schema(String),
    /// A relation.
    Relation(RelationName),
    /// A column of a relation.
    Column(RelationName, String),
}

/// One statement that changes relations.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RelationDefinition {
    /// `CREATE SCHEMA`.
    CreateSchema {
        /// Its name.
        name: String,
        /// What if it is there.
        existence: Existence,
    },
    /// `DROP SCHEMA`.
    DropSchema {
        /// Its name.
        name: String,
        /// What if it is not there.
        existence: Existence,
        /// Whether what is in it goes with it.
        cascade: bool,
    },
    /// `CREATE TABLE`, `CREATE VIEW`.
    Create {
        /// Its name.
        name: RelationName,
        /// Its columns.
        columns: Vec<RelationColumn>,
        /// What it is made of.
        body: RelationBody,
        /// What if it is there.
        existence: Existence,
    },
    /// `DROP TABLE`, `DROP VIEW`.
    Drop {
        /// Its name.
        name: RelationName,
        /// Which of the two.
        kind: RelationKind,
        /// What if it is not there.
        existence: Existence,
        /// Whether views that use it go with it.
        cascade: bool,
    },
    /// `ALTER TABLE`, `ALTER VIEW`.
    Alter {
        /// Its name.
        name: RelationName,
        /// The change.
        change: RelationChange,
        /// What if it is not there.
        existence: Existence,
    },
    /// `COMMENT ON`.
    Comment {
        /// What it is on.
        on: Commented,
        /// The comment; `None` takes it away.
        text: Option<String>,
    },
}

#[cfg(test)]
mod tests {
    use super::*;
    use arrow::datatypes::{Field, TimeUnit};
    use std::sync::Arc;

    #[test]
    fn types_are_written_so_that_they_can_be_read() {
        let list = |item| DataType::List(Arc::new(Field::new("item", item, true)));
        for ty in [
            DataType::Boolean,
            DataType::Int16,
            DataType::Float32,
            DataType::Utf8View,
            DataType::Utf8,
            DataType::Binary,
            DataType::Decimal128(12, 2),
            DataType::Date32,
            DataType::Time64(TimeUnit::Microsecond),
            DataType::Timestamp(TimeUnit::Microsecond, Some("+00:00".into())),
            DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into())),
            DataType::Timestamp(TimeUnit::Nanosecond, None),
            DataType::Interval(arrow::datatypes::IntervalUnit::MonthDayNano),
            list(DataType::Int32),
            list(DataType::Utf8View),
        ] {
            let column = RelationColumn {
                name: "a".to_owned(),
                source: "c1".to_owned(),
                ty,
                type_name: Some("uuid".to_owned()),
                not_null: true,
                comment: None,
            };
            let json = serde_json::to_string(&column).unwrap();
            assert_eq!(serde_json::from_str::<RelationColumn>(&json).unwrap(), column, "{json}");
        }
    }

    #[test]
    fn a_view_follows_what_it_uses() {
        let mut query = ViewQuery {
            pieces: vec!["SELECT * FROM ".to_owned(), " AS a WHERE true".to_owned()],
            uses: vec![RelationName::new("public", "A b")],
            search_path: Vec::new(),
        };
        assert_eq!(query.text(), "SELECT * FROM public.\"A b\" AS a WHERE true");
        query.uses[0].name = "c".to_owned();
        assert_eq!(query.text(), "SELECT * FROM public.c AS a WHERE true");
    }
}
