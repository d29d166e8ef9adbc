//! The one error type of the crate: an SQLSTATE, a message, and the way out.
//!
//! Errors are worded in PostgreSQL's manner: lower case, no full stop, user's names in double quotes,
//! with an optional detail (what exactly), hint (what to do) and position (where in the statement).
//! This file knows nothing of any library; foreign errors are converted where they arise.

use std::fmt;

/// A result whose error is [`Error`].
pub type Result<T> = std::result::Result<T, Error>;

/// A five-character SQLSTATE code, as in PostgreSQL's appendix A.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct SqlState(pub &'static str);

impl SqlState {
    /// `02000`: there is no such row.
    pub const NO_DATA: Self = Self("02000");
    /// `08P01`: the client broke the protocol.
    pub const PROTOCOL_VIOLATION: Self = Self("08P01");
    /// `0A000`: valid, but not supported.
    pub const FEATURE_NOT_SUPPORTED: Self = Self("0A000");
    /// `21000`: a statement gave more rows than it may.
    pub const CARDINALITY_VIOLATION: Self = Self("21000");
    /// `22001`: a text is longer than it may be.
    pub const STRING_TOO_LONG: Self = Self("22001");
    /// `22003`: a number does not fit its type.
    pub const NUMERIC_OUT_OF_RANGE: Self = Self("22003");
    /// `22007`: a date or time cannot be read.
    pub const INVALID_DATETIME: Self = Self("22007");
    /// `22012`: division by zero.
    pub const DIVISION_BY_ZERO: Self = Self("22012");
    /// `22021`: bytes that are no valid UTF-8.
    pub const CHARACTER_NOT_IN_REPERTOIRE: Self = Self("22021");
    /// `22023`: a parameter has a value it may not have.
    pub const INVALID_PARAMETER_VALUE: Self = Self("22023");
    /// `22P02`: a text that is no value of the type.
    pub const INVALID_TEXT_REPRESENTATION: Self = Self("22P02");
    /// `22P04`: a file that is not in the format it should be in.
    pub const BAD_COPY_FILE_FORMAT: Self = Self("22P04");
    /// `23505`: two where there may be one.
    pub const UNIQUE_VIOLATION: Self = Self("23505");
    /// `23514`: a row breaks a rule of its dataset.
    pub const CHECK_VIOLATION: Self = Self("23514");
    /// `25001`: not inside a transaction block.
    pub const ACTIVE_TRANSACTION: Self = Self("25001");
    /// `25006`: a write where only reading is allowed.
    pub const READ_ONLY: Self = Self("25006");
    /// `25P02`: the transaction block has failed.
    pub const IN_FAILED_TRANSACTION: Self = Self("25P02");
    /// `26000`: no prepared statement of that name.
    pub const INVALID_STATEMENT_NAME: Self = Self("26000");
    /// `2BP01`: other objects depend on it.
    pub const DEPENDENT_OBJECTS: Self = Self("2BP01");
    /// `34000`: no cursor or portal of that name.
    pub const INVALID_CURSOR_NAME: Self = Self("34000");
    /// `3F000`: no such schema.
    pub const INVALID_SCHEMA_NAME: Self = Self("3F000");
    /// `40001`: something changed meanwhile; try again.
    pub const SERIALIZATION_FAILURE: Self = Self("40001");
    /// `42501`: not allowed.
    pub const INSUFFICIENT_PRIVILEGE: Self = Self("42501");
    /// `42601`: syntax error.
    pub const SYNTAX_ERROR: Self = Self("42601");
    /// `428C9`: a value for a column that is always computed.
    pub const GENERATED_ALWAYS: Self = Self("428C9");
    /// `42602`: a name that is none.
    pub const INVALID_NAME: Self = Self("42602");
    /// `42701`: a column is there twice.
    pub const DUPLICATE_COLUMN: Self = Self("42701");
    /// `42702`: a column name means two columns.
    pub const AMBIGUOUS_COLUMN: Self = Self("42702");
    /// `42703`: no such column.
    pub const UNDEFINED_COLUMN: Self = Self("42703");
    /// `42704`: no such object.
    pub const UNDEFINED_OBJECT: Self = Self("42704");
    /// `42710`: an object of that name exists.
    pub const DUPLICATE_OBJECT: Self = Self("42710");
    /// `42803`: a column is neither grouped nor aggregated.
    pub const GROUPING_ERROR: Self = Self("42803");
    /// `42804`: the type does not fit.
    pub const DATATYPE_MISMATCH: Self = Self("42804");
    /// `42883`: no such function.
    pub const UNDEFINED_FUNCTION: Self = Self("42883");
    /// `42939`: the name is reserved.
    pub const RESERVED_NAME: Self = Self("42939");
    /// `42P01`: no such table.
    pub const UNDEFINED_TABLE: Self = Self("42P01");
    /// `42P02`: no such parameter.
    pub const UNDEFINED_PARAMETER: Self = Self("42P02");
    /// `42P07`: a table of that name exists.
    pub const DUPLICATE_TABLE: Self = Self("42P07");
    /// `42P10`: a column that cannot be meant here.
    pub const INVALID_COLUMN_REFERENCE: Self = Self("42P10");
    /// `42P16`: a definition that cannot be.
    pub const INVALID_TABLE_DEFINITION: Self = Self("42P16");
    /// `42P17`: an object definition that cannot be.
    pub const INVALID_OBJECT_DEFINITION: Self = Self("42P17");
    /// `53100`: the disk is full.
    pub const DISK_FULL: Self = Self("53100");
    /// `53200`: a memory budget is used up.
    pub const OUT_OF_MEMORY: Self = Self("53200");
    /// `53300`: too many connections.
    pub const TOO_MANY_CONNECTIONS: Self = Self("53300");
    /// `54000`: a named limit was reached.
    pub const PROGRAM_LIMIT_EXCEEDED: Self = Self("54000");
    /// `54001`: a statement is nested too deeply.
    pub const STATEMENT_TOO_COMPLEX: Self = Self("54001");
    /// `55000`: the object is not in the state that this needs.
    pub const OBJECT_NOT_IN_STATE: Self = Self("55000");
    /// `55006`: somebody else is using it.
    pub const OBJECT_IN_USE: Self = Self("55006");
    /// `57014`: cancelled, or timed out.
    pub const QUERY_CANCELED: Self = Self("57014");
    /// `57P01`: the server is shutting down.
    pub const ADMIN_SHUTDOWN: Self = Self("57P01");
    /// `57P03`: the server is starting or stopping; try again.
    pub const CANNOT_CONNECT_NOW: Self = Self("57P03");
    /// `58030`: the disk or the network failed.
    pub const IO_ERROR: Self = Self("58030");
    /// `58P01`: no such file.
    pub const UNDEFINED_FILE: Self = Self("58P01");
    /// `58P02`: there is such a file already.
    pub const DUPLICATE_FILE: Self = Self("58P02");
    /// `XX000`: our bug.
    pub const INTERNAL_ERROR: Self = Self("XX000");
    /// `XX001`: stored data is damaged.
    pub const DATA_CORRUPTED: Self = Self("XX001");
}

impl fmt::Display for SqlState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0)
    }
}

/// What went wrong, for whom, and what to do about it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Error(Box<Inner>);

#[derive(Clone, Debug, PartialEq, Eq)]
struct Inner {
    code: SqlState,
    message: String,
    detail: Option<String>,
    hint: Option<String>,
    position: Option<usize>,
}

impl Error {
    /// An error with its SQLSTATE and primary message.
    pub fn new(code: SqlState, message: impl Into<String>) -> Self {
        let message = message.into();
        Self(Box::new(Inner { code, message, detail: None, hint: None, position: None }))
    }

    /// An error that can only come from a mistake of ours.
    pub fn internal(message: impl Into<String>) -> Self {
        Self::new(SqlState::INTERNAL_ERROR, message)
    }

    /// Something valid that this version does not do.
    pub fn unsupported(message: impl Into<String>) -> Self {
        Self::new(SqlState::FEATURE_NOT_SUPPORTED, message)
    }

    /// Stored data whose checksum or structure is wrong.
    pub fn corrupted(message: impl Into<String>) -> Self {
        Self::new(SqlState::DATA_CORRUPTED, message)
    }

    /// A failure of the disk, with what was being done.
    pub fn io(what: impl fmt::Display, error: &std::io::Error) -> Self {
        let code = match error.kind() {
            std::io::ErrorKind::NotFound => SqlState::UNDEFINED_FILE,
            std::io::ErrorKind::PermissionDenied => SqlState::INSUFFICIENT_PRIVILEGE,
            std::io::ErrorKind::StorageFull => SqlState::DISK_FULL,
            _ => SqlState::IO_ERROR,
        };
        Self::new(code, format!("could not {what}: {error}"))
    }

    /// The same error with a detail.
    #[must_use]
    pub fn detail(mut self, detail: impl Into<String>) -> Self {
        self.0.detail = Some(detail.into());
        self
    }

    /// The same error with a hint.
    #[must_use]
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.0.hint = Some(hint.into());
        self
    }

    /// The same error with the 1-based character of the statement it is about.
    #[must_use]
    pub fn at(mut self, position: usize) -> Self {
        self.0.position = Some(position);
        self
    }

    /// The same without a position: that of a text which the user has not written.
    #[must_use]
    pub fn without_position(mut self) -> Self {
        self.0.position = None;
        self
    }

    /// The SQLSTATE.
    pub fn code(&self) -> SqlState {
        self.0.code
    }

    /// The primary message.
    pub fn message(&self) -> &str {
        &self.0.message
    }

    /// The detail, if there is one.
    pub fn get_detail(&self) -> Option<&str> {
        self.0.detail.as_deref()
    }

    /// The hint, if there is one.
    pub fn get_hint(&self) -> Option<&str> {
        self.0.hint.as_deref()
    }

    /// The 1-based character position in the statement, if known.
    pub fn get_position(&self) -> Option<usize> {
        self.0.position
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.message)
    }
}

impl std::error::Error for Error {}
