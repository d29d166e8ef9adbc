//! Errors and notices as messages.

use pgwire::messages::response::{ErrorResponse, NoticeResponse};

use crate::error::Error;
use crate::query::session::Notice;

/// The message of an error; a fatal one ends the connection.
pub(crate) fn response(error: &Error, fatal: bool) -> ErrorResponse {
    let severity = if fatal { "FATAL" } else { "ERROR" };
    let mut fields = head(severity, error.code().0, error.message());
    let rest = [
        (b'D', error.get_detail().map(str::to_owned)),
        (b'H', error.get_hint().map(str::to_owned)),
        (b'P', error.get_position().map(|position| position.to_string())),
    ];
    fields.extend(rest.into_iter().filter_map(|(kind, text)| Some((kind, clean(&text?)))));
    ErrorResponse::new(fields)
}

/// The message of a notice.
pub(crate) fn notice(notice: &Notice) -> NoticeResponse {
    let mut fields = head(notice.severity, notice.code.0, &notice.message);
    fields.extend(notice.hint.iter().map(|hint| (b'H', clean(hint))));
    NoticeResponse::new(fields)
}

/// Severity, severity that is never translated, SQLSTATE, message.
fn head(severity: &str, code: &str, message: &str) -> Vec<(u8, String)> {
    vec![
        (b'S', severity.to_owned()),
        (b'V', severity.to_owned()),
        (b'C', code.to_owned()),
        (b'M', clean(message)),
    ]
}

/// Texts of the protocol end with NUL and can hold none.
pub(crate) fn clean(text: &str) -> String {
    text.replace('\0', "\u{fffd}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::SqlState;

    #[test]
    fn all_that_is_known_is_told() {
        let error =
            Error::new(SqlState::UNDEFINED_COLUMN, "no \"a\0b\"").detail("why").hint("how").at(7);
        let shown: String = response(&error, false)
            .fields
            .into_iter()
            .map(|(kind, text)| format!("{}={text};", char::from(kind)))
            .collect();
        assert_eq!(shown, "S=ERROR;V=ERROR;C=42703;M=no \"a\u{fffd}b\";D=why;H=how;P=7;");
        assert_eq!(response(&error, true).fields[0].1, "FATAL");
    }
}
