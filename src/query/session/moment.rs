//! Moments in texts: how `SET as_of` and functions of time read them, and how SHOW gives them back.

use std::fmt::Write;

use bytes::BytesMut;

use crate::error::{Error, SqlState};
use crate::ingest;
use crate::query::postgres::text::put_timestamptz;
use crate::query::session::zone::Zone;

/// What to write instead of a text that is no moment.
pub const HINT: &str = "write a moment such as '2026-01-31', which is its midnight, \
                        '2026-01-31 18:00' or '2026-01-31 18:00:00+01'";

/// Microseconds since 1970 of a date or timestamp as PostgreSQL reads it, in a zone unless it names its
/// own.
pub fn read(text: &str, zone: Zone) -> Option<i64> {
    let (micros, is_zoned) = ingest::moment(text)?;
    Some(if is_zoned { micros } else { zone.to_utc(micros) })
}

/// A moment that reads as the same one in every zone.
pub fn shown(micros: i64, zone: Zone) -> String {
    let in_zone = |offset_seconds: i32| {
        let mut text = BytesMut::new();
        put_timestamptz(&mut text, micros, offset_seconds);
        String::from_utf8_lossy(&text).into_owned()
    };
    let text = in_zone(zone.offset_seconds(micros));
    // Offsets of long ago have seconds, and the last days of the calendar end in another year.
    if read(&text, Zone::UTC) == Some(micros) { text } else { in_zone(0) }
}

/// The error of a text that is no moment.
pub fn invalid(what: &str, text: &str) -> Error {
    let mut message = String::from("invalid value for ");
    let _ = write!(message, "{what}: \"{text}\"");
    Error::new(SqlState::INVALID_DATETIME, message).hint(HINT)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn moments_are_read_in_a_zone_and_shown_to_be_read_again() {
        let berlin = Zone::parse("Europe/Berlin").expect("a zone");
        let check = |text: &str, zone: Zone, expected: Option<&str>| {
            let micros = read(text, zone);
            let shown = micros.map(|micros| shown(micros, zone));
            assert_eq!(shown.as_deref(), expected, "{text}");
            if let Some(shown) = shown {
                assert_eq!(read(&shown, Zone::UTC), micros, "{shown}");
            }
        };
        check("2026-01-31", Zone::UTC, Some("2026-01-31 00:00:00+00"));
        check("2026-01-31", berlin, Some("2026-01-31 00:00:00+01"));
        check("2026-07-31T12:30:00.5", berlin, Some("2026-07-31 12:30:00.5+02"));
        check("2026-01-31 12:00Z", berlin, Some("2026-01-31 13:00:00+01"));
        check("20260131", Zone::UTC, Some("2026-01-31 00:00:00+00"));
        // Berlin was 53 minutes and 28 seconds ahead, which the text of a moment cannot say.
        check("1880-01-01", berlin, Some("1879-12-31 23:06:32+00"));
        check("9999-12-31 23:59:59.999999", Zone::UTC, Some("9999-12-31 23:59:59.999999+00"));
        for wrong in ["", "soon", "2026-02-30", "infinity", "2026-01-31 25:00", "31.1.2026"] {
            check(wrong, Zone::UTC, None);
        }
    }
}
