//! Datasets: a named, typed stream of rows of one origin, and the roles its columns play.
//!
//! A dataset of *records* describes states and contributes attributes; one of *events* describes
//! things that happened and contributes none (spec 5.4).

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::error::{Error, Result, SqlState};
use crate::model::column::ColumnType;
use crate::model::definition::Definition;
use crate::model::names::{RESERVED_COLUMNS, RESERVED_TABLES, check_name, quote_name};
use crate::model::retention::Retention;

/// The most columns of a dataset, as in PostgreSQL.
pub const COLUMNS_MAX: usize = 1600;

/// Whether rows describe states or things that happened.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DatasetKind {
    /// States: their columns are attributes and are merged.
    Record,
    /// Happenings: never merged, only counted and listed.
    Event,
}

/// What a column is for, besides holding its values.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Role {
    /// A plain value.
    Value,
    /// An identity of the named namespace.
    Identity(String),
    /// The id by which a repeated event is recognised.
    EventId,
    /// The source's own time of the row.
    ObservedAt,
}

/// One column of a dataset.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Column {
    /// Its name in the dataset.
    pub name: String,
    /// Its type.
    #[serde(rename = "type")]
    pub ty: ColumnType,
    /// What it is for.
    pub role: Role,
    /// Its name in the union of attributes, if another.
    pub attribute: Option<String>,
    /// The SQL expression that its values are computed from, as written, if they are not given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub derived: Option<String>,
}

impl Column {
    /// Its name in the union of attributes (or of event columns).
    pub fn attribute_name(&self) -> &str {
        self.attribute.as_deref().unwrap_or(&self.name)
    }

    /// Whether its values are computed from the other columns, so that nobody may give them.
    pub fn is_derived(&self) -> bool {
        self.derived.is_some()
    }

    /// Checks what can only be if values are given, or only if they are computed.
    fn check_derived(&self) -> Result<()> {
        if !self.is_derived() {
            return Ok(());
        }
        if !matches!(self.role, Role::Identity(_)) {
            let message =
                format!("column \"{}\" cannot be computed: only identities can", self.name);
            return Err(Error::unsupported(message)
                .hint("mark it as one: name TEXT IDENTITY namespace AS (expression)"));
        }
        if self.ty != ColumnType::Text {
            let message = format!(
                "computed identity column \"{}\" cannot have type {}: use TEXT",
                self.name, self.ty
            );
            return Err(Error::new(SqlState::INVALID_TABLE_DEFINITION, message));
        }
        Ok(())
    }
}

/// How a row relates to earlier rows of the same primary identity.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Upsert {
    /// Columns patch each other: the newest non-null value counts.
    #[default]
    Patch,
    /// Only the greatest fragment counts, nulls and all.
    Replace,
}

/// A dataset's settings (`WITH (...)`, `ALTER DATASET ... SET (...)`).
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct DatasetOptions {
    /// Keeps rows without any usable identity, with a null profile, instead of refusing them.
    pub accept_anonymous: bool,
    /// How rows of one primary identity relate.
    pub upsert: Upsert,
    /// How long rows are kept; `None`: for ever.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retention: Option<Retention>,
}

/// A dataset.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Dataset {
    /// Small number that stands for the dataset in storage, in order of creation; never used again.
    pub id: u32,
    /// Its name.
    pub name: String,
    /// Records or events.
    pub kind: DatasetKind,
    /// Its columns, in the order declared.
    pub columns: Vec<Column>,
    /// Its settings.
    pub options: DatasetOptions,
}

impl Dataset {
    /// The dataset that a `CREATE DATASET` describes, with no number and the default settings; `None`
    /// of any other definition.
    pub fn of_definition(definition: &Definition) -> Option<Self> {
        let Definition::CreateDataset { name, kind, columns, .. } = definition else { return None };
        let (name, columns) = (name.clone(), columns.clone());
        Some(Self { id: 0, name, kind: *kind, columns, options: DatasetOptions::default() })
    }

    /// Checks everything about a dataset that needs no other definition.
    ///
    /// # Errors
    /// `42939`, `42701`, `42P16`, `42602`, `54000`: each names the column.
    pub fn check(&self) -> Result<()> {
        check_name("dataset", &self.name)?;
        if RESERVED_TABLES.contains(&self.name.as_str()) {
            let message = format!("dataset name \"{}\" is reserved", self.name);
            return Err(Error::new(SqlState::RESERVED_NAME, message));
        }
        if self.columns.len() > COLUMNS_MAX {
            let message = format!("a dataset can have at most {COLUMNS_MAX} columns");
            return Err(Error::new(SqlState::PROGRAM_LIMIT_EXCEEDED, message));
        }
        for (at, column) in self.columns.iter().enumerate() {
            self.check_column(column)?;
            if self.columns[..at].iter().any(|other| other.name == column.name) {
                let message = format!("column \"{}\" specified more than once", column.name);
                return Err(Error::new(SqlState::DUPLICATE_COLUMN, message));
            }
            let twice = |other: &Column| other.attribute_name() == column.attribute_name();
            if self.columns[..at].iter().any(twice) {
                let name = column.attribute_name();
                let message = format!("attribute \"{name}\" specified more than once");
                return Err(Error::new(SqlState::DUPLICATE_COLUMN, message));
            }
        }
        if self.identity_columns().next().is_none() {
            let message = format!("dataset \"{}\" has no identity column", self.name);
            return Err(Error::new(SqlState::INVALID_TABLE_DEFINITION, message)
                .hint("mark at least one column: name TYPE IDENTITY namespace"));
        }
        for (role, word) in [(Role::ObservedAt, "OBSERVED AT"), (Role::EventId, "EVENT ID")] {
            if self.columns.iter().filter(|column| column.role == role).count() > 1 {
                let message = format!("dataset \"{}\" has two {word} columns", self.name);
                return Err(Error::new(SqlState::INVALID_TABLE_DEFINITION, message));
            }
        }
        Ok(())
    }

    fn check_column(&self, column: &Column) -> Result<()> {
        check_name("column", &column.name)?;
        for name in [&column.name, &column.attribute_name().to_owned()] {
            // A column called `dataset` may be kept if its attribute has another name.
            let shown = name != &column.name || column.attribute.is_none();
            if shown && RESERVED_COLUMNS.contains(&name.as_str()) && column.role != Role::ObservedAt
            {
                let message = format!("column name \"{name}\" is reserved");
                return Err(Error::new(SqlState::RESERVED_NAME, message).hint(format!(
                    "rename it in the union of attributes: {} {} ATTRIBUTE other_name",
                    quote_name(&column.name),
                    column.ty
                )));
            }
        }
        column.check_derived()?;
        let wrong = |message: String| Err(Error::new(SqlState::INVALID_TABLE_DEFINITION, message));
        match (&column.role, &column.ty) {
            (Role::Identity(_), ColumnType::Text | ColumnType::BigInt | ColumnType::Integer) => {}
            (Role::Identity(_), ty) => {
                return wrong(format!(
                    "identity column \"{}\" cannot have type {ty}: use TEXT, INTEGER or BIGINT",
                    column.name
                ));
            }
            (Role::EventId, ty) if self.kind == DatasetKind::Record => {
                return wrong(format!(
                    "column \"{}\" {ty} EVENT ID is for event datasets only",
                    column.name
                ));
            }
            (Role::EventId, ColumnType::Text | ColumnType::BigInt | ColumnType::Integer) => {}
            (Role::EventId, ty) => {
                return wrong(format!(
                    "event id column \"{}\" cannot have type {ty}: use TEXT, INTEGER or BIGINT",
                    column.name
                ));
            }
            (
                Role::ObservedAt,
                ColumnType::TimestampTz | ColumnType::Timestamp | ColumnType::Date,
            ) => {}
            (Role::ObservedAt, ty) => {
                return wrong(format!(
                    "column \"{}\" of type {ty} cannot be OBSERVED AT: use TIMESTAMPTZ",
                    column.name
                ));
            }
            (Role::Value, _) => {}
        }
        Ok(())
    }

    /// Columns that hold identities, with their position and namespace, in the order declared.
    pub fn identity_columns(&self) -> impl Iterator<Item = (usize, &str)> {
        self.columns.iter().enumerate().filter_map(|(at, column)| match &column.role {
            Role::Identity(namespace) => Some((at, namespace.as_str())),
            _ => None,
        })
    }

    /// Position of the column with the source's time, if declared.
    pub fn observed_at(&self) -> Option<usize> {
        self.columns.iter().position(|column| column.role == Role::ObservedAt)
    }

    /// Position of the event id column, if declared.
    pub fn event_id(&self) -> Option<usize> {
        self.columns.iter().position(|column| column.role == Role::EventId)
    }

    /// Columns whose values are given, with their position: all that are not computed.
    pub fn given_columns(&self) -> impl Iterator<Item = (usize, &Column)> {
        self.columns.iter().enumerate().filter(|(_, column)| !column.is_derived())
    }

    /// Refuses a column that cannot be read from files.
    ///
    /// # Errors
    /// `42P10` if it is computed.
    pub fn check_given(&self, at: usize) -> Result<()> {
        if !self.columns[at].is_derived() {
            return Ok(());
        }
        let message = format!("column \"{}\" is a generated column", self.columns[at].name);
        Err(Error::new(SqlState::INVALID_COLUMN_REFERENCE, message)
            .detail("Generated columns cannot be used in COPY."))
    }

    /// Columns whose values are computed, with their position and expression.
    pub fn derived_columns(&self) -> impl Iterator<Item = (usize, &str)> {
        let all = self.columns.iter().enumerate();
        all.filter_map(|(at, column)| Some((at, column.derived.as_deref()?)))
    }

    /// Position of a column by its name.
    pub fn column(&self, name: &str) -> Option<usize> {
        self.columns.iter().position(|column| column.name == name)
    }

    /// Columns that appear in the union of attributes (or event columns): all but the roles that
    /// have a column of their own there, which are the source's time and the event id.
    pub fn attributes(&self) -> impl Iterator<Item = (usize, &Column)> {
        let shown = |role: &Role| !matches!(role, Role::ObservedAt | Role::EventId);
        self.columns.iter().enumerate().filter(move |(_, column)| shown(&column.role))
    }
}

impl fmt::Display for Dataset {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let event = if self.kind == DatasetKind::Event { "EVENT " } else { "" };
        write!(f, "CREATE {event}DATASET {} (", quote_name(&self.name))?;
        for (at, column) in self.columns.iter().enumerate() {
            write!(f, "{}\n    {}", if at > 0 { "," } else { "" }, column)?;
        }
        f.write_str("\n)")?;
        let mut options = Vec::new();
        if self.options.accept_anonymous {
            options.push("accept_anonymous = true");
        }
        if self.options.upsert == Upsert::Replace {
            options.push("upsert = 'replace'");
        }
        let retention = self.options.retention.map(|it| format!("retention = '{it}'"));
        options.extend(retention.as_deref());
        if !options.is_empty() {
            write!(f, " WITH ({})", options.join(", "))?;
        }
        Ok(())
    }
}

impl fmt::Display for Column {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", quote_name(&self.name), self.ty)?;
        match &self.role {
            Role::Value => {}
            Role::Identity(namespace) => write!(f, " IDENTITY {}", quote_name(namespace))?,
            Role::EventId => f.write_str(" EVENT ID")?,
            Role::ObservedAt => f.write_str(" OBSERVED AT")?,
        }
        if let Some(expression) = &self.derived {
            write!(f, " AS ({expression})")?;
        }
        match &self.attribute {
            Some(name) => write!(f, " ATTRIBUTE {}", quote_name(name)),
            None => Ok(()),
        }
    }
}
