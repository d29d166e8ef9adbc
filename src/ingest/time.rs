//! Text to dates and timestamps: ISO 8601 as PostgreSQL writes and reads it.
//!
//! No locale, no clock, no named zones but UTC: what a text means depends on nothing else.

use crate::ingest::fault::Flaw;

/// The first year that a date may have: PostgreSQL has no year zero.
pub const YEAR_MIN: i64 = 1;

/// The last year that a date may have: later ones need a sign in ISO 8601, most clients cannot
/// read them back, and they come from values in a wrong unit far more often than from calendars.
pub const YEAR_MAX: i64 = 9999;

/// Microseconds of a day.
pub(crate) const DAY_MICROS: i64 = 86_400_000_000;

/// Days from 1970 to the first day of [`YEAR_MIN`].
pub(crate) const DAYS_MIN: i64 = days_of(YEAR_MIN, 1, 1);

/// Days from 1970 to the last day of [`YEAR_MAX`].
pub(crate) const DAYS_MAX: i64 = days_of(YEAR_MAX, 12, 31);

/// Zones reach this far from UTC, as in PostgreSQL.
const ZONE_HOURS_MAX: i64 = 15;

/// Days since 1970: from a date, or from a timestamp of which the time is ignored.
pub(crate) fn date(text: &str) -> Result<i32, Flaw> {
    let bytes = text.trim_ascii().as_bytes();
    let (days, rest) = day(bytes)?;
    if !rest.is_empty() {
        micros_of_day(rest)?;
    }
    // Within 32 bits because the year is checked.
    Ok(days as i32)
}

/// Microseconds since 1970 in UTC; without a zone the time is UTC, a bare date is midnight.
pub(crate) fn timestamp(text: &str) -> Result<i64, Flaw> {
    let (days, rest) = day(text.trim_ascii().as_bytes())?;
    let micros = if rest.is_empty() { 0 } else { micros_of_day(rest)? };
    in_range(days * DAY_MICROS + micros)
}

/// A moment as `timestamp` reads it, and whether the text names its zone; `None` if it is none.
pub fn moment(text: &str) -> Option<(i64, bool)> {
    let text = text.trim_ascii();
    let micros = timestamp(text).ok()?;
    // Past the date there is a sign, or a letter at the end, only in a zone.
    let time = text.get(10..).unwrap_or_default();
    let is_zoned = time.contains(['+', '-']) || time.ends_with(|it: char| it.is_ascii_alphabetic());
    Some((micros, is_zoned))
}

/// The same instant, if its year is one that a timestamp may have.
pub(crate) fn in_range(micros: i64) -> Result<i64, Flaw> {
    let days = micros.div_euclid(DAY_MICROS);
    if (DAYS_MIN..=DAYS_MAX).contains(&days) { Ok(micros) } else { Err(Flaw::Range) }
}

/// Days from 1970 to a day of the Gregorian calendar.
///
/// Years are taken to start in March, so that the leap day is the last one.
const fn days_of(year: i64, month: i64, day: i64) -> i64 {
    let year = if month <= 2 { year - 1 } else { year };
    let month = (month + 9) % 12;
    let (era, year) = (year.div_euclid(400), year.rem_euclid(400));
    let day_of_year = (153 * month + 2) / 5 + day - 1;
    era * 146_097 + year * 365 + year / 4 - year / 100 + day_of_year - 719_468
}

fn days_in_month(year: i64, month: i64) -> i64 {
    match month {
        2 if year % 4 == 0 && (year % 100 != 0 || year % 400 == 0) => 29,
        2 => 28,
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    }
}

/// `YYYY-MM-DD` or `YYYYMMDD`, and what follows it.
fn day(text: &[u8]) -> Result<(i64, &[u8]), Flaw> {
    if is_endless(text) {
        return Err(Flaw::Range);
    }
    let (year, rest) = digits(text, 4)?;
    let dashed = rest.first() == Some(&b'-');
    let (month, rest) = digits(&rest[usize::from(dashed)..], 2)?;
    let rest = match rest {
        [b'-', rest @ ..] if dashed => rest,
        rest if !dashed => rest,
        _ => return Err(Flaw::Syntax),
    };
    let (day, rest) = digits(rest, 2)?;
    if rest.first().is_some_and(|byte| !matches!(byte, b' ' | b'T' | b't')) {
        return Err(Flaw::Syntax);
    }
    let known = (YEAR_MIN..=YEAR_MAX).contains(&year) && (1..=12).contains(&month);
    if !known || !(1..=days_in_month(year, month)).contains(&day) {
        return Err(Flaw::Range);
    }
    Ok((days_of(year, month, day), rest))
}

/// Values in PostgreSQL, but Arrow has no place for them.
fn is_endless(text: &[u8]) -> bool {
    let text = text.strip_prefix(b"-").unwrap_or(text);
    text.eq_ignore_ascii_case(b"infinity")
}

fn digits(text: &[u8], count: usize) -> Result<(i64, &[u8]), Flaw> {
    let (digits, rest) = text.split_at_checked(count).ok_or(Flaw::Syntax)?;
    let mut value = 0;
    for byte in digits {
        if !byte.is_ascii_digit() {
            return Err(Flaw::Syntax);
        }
        value = value * 10 + i64::from(byte - b'0');
    }
    Ok((value, rest))
}

/// A space or `T`, a time of day, and perhaps a zone: microseconds from midnight UTC.
fn micros_of_day(text: &[u8]) -> Result<i64, Flaw> {
    let (hour, rest) = digits(&text[1..], 2)?;
    let colons = rest.first() == Some(&b':');
    let (minute, rest) = digits(&rest[usize::from(colons)..], 2)?;
    let (second, rest) = match rest {
        [b':', rest @ ..] if colons => digits(rest, 2)?,
        [b'0'..=b'9', ..] if !colons => digits(rest, 2)?,
        rest => (0, rest),
    };
    let (micros, rest) = fraction(rest)?;
    let offset_seconds = zone(rest)?;
    // 24:00:00 is the end of the day, and :60 a leap second; both as in PostgreSQL.
    let end = hour == 24 && minute == 0 && second == 0 && micros == 0;
    if !(end || hour < 24) || minute > 59 || second > 60 {
        return Err(Flaw::Range);
    }
    Ok(((hour * 60 + minute) * 60 + second - offset_seconds) * 1_000_000 + micros)
}

/// A point and up to nine digits, rounded to microseconds.
fn fraction(text: &[u8]) -> Result<(i64, &[u8]), Flaw> {
    let [b'.', rest @ ..] = text else { return Ok((0, text)) };
    let count = rest.iter().take_while(|byte| byte.is_ascii_digit()).count();
    if !(1..=9).contains(&count) {
        return Err(Flaw::Syntax);
    }
    let (value, rest) = digits(rest, count)?;
    let nanos = value * 10i64.pow(9 - count as u32);
    Ok(((nanos + 500) / 1000, rest))
}

/// `Z`, `UTC`, `+02`, `+0200`, `+02:00`, or nothing: seconds east of UTC.
fn zone(text: &[u8]) -> Result<i64, Flaw> {
    let text = text.trim_ascii_start();
    let (sign, rest) = match text {
        [b'+', rest @ ..] => (1, rest),
        [b'-', rest @ ..] => (-1, rest),
        [] => return Ok(0),
        text if text.eq_ignore_ascii_case(b"z") || text.eq_ignore_ascii_case(b"utc") => {
            return Ok(0);
        }
        _ => return Err(Flaw::Syntax),
    };
    let (hours, rest) = digits(rest, 2)?;
    let (minutes, rest) = match rest {
        [] => (0, rest),
        [b':', rest @ ..] => digits(rest, 2)?,
        rest => digits(rest, 2)?,
    };
    if !rest.is_empty() {
        return Err(Flaw::Syntax);
    }
    if hours > ZONE_HOURS_MAX || minutes > 59 {
        return Err(Flaw::Range);
    }
    Ok(sign * (hours * 60 + minutes) * 60)
}

#[cfg(test)]
mod tests {
    use arrow::compute::kernels::cast_utils::string_to_timestamp_nanos;

    use super::*;

    #[test]
    fn dates() {
        for (text, expected) in [
            ("1970-01-01", Ok(0)),
            ("1969-12-31", Ok(-1)),
            ("20000229", Ok(11016)),
            ("2000-02-29 23:59:59+02", Ok(11016)),
            (" 2000-02-29 ", Ok(11016)),
            ("0001-01-01", Ok(-719_162)),
            ("9999-12-31", Ok(2_932_896)),
            ("0000-01-01", Err(Flaw::Range)),
            ("1900-02-29", Err(Flaw::Range)),
            ("2024-13-01", Err(Flaw::Range)),
            ("2024-00-10", Err(Flaw::Range)),
            ("2024-04-31", Err(Flaw::Range)),
            ("2024-01-00", Err(Flaw::Range)),
            ("infinity", Err(Flaw::Range)),
            ("31.12.99", Err(Flaw::Syntax)),
            ("2024-1-1", Err(Flaw::Syntax)),
            ("2024-0101", Err(Flaw::Syntax)),
            ("202401-01", Err(Flaw::Syntax)),
            ("10000-01-01", Err(Flaw::Syntax)),
            ("2024-01-01x", Err(Flaw::Syntax)),
            ("2024-01-01 soon", Err(Flaw::Syntax)),
            ("", Err(Flaw::Syntax)),
        ] {
            assert_eq!(date(text), expected, "{text}");
        }
    }

    #[test]
    fn timestamps() {
        let noon = 43_200_000_000;
        for (text, expected) in [
            ("1970-01-01", Ok(0)),
            ("1970-01-01 12:00", Ok(noon)),
            ("1970-01-01T12:00:00Z", Ok(noon)),
            ("1970-01-01t12:00:00 utc", Ok(noon)),
            ("19700101T120000Z", Ok(noon)),
            ("1970-01-01 14:00:00+02", Ok(noon)),
            ("1970-01-01 14:30:00+0230", Ok(noon)),
            ("1970-01-01 06:15:00 -05:45", Ok(noon)),
            ("1970-01-01 12:00:00.1", Ok(noon + 100_000)),
            ("1970-01-01 12:00:00.0000005", Ok(noon + 1)),
            ("1970-01-01 12:00:00.000000499", Ok(noon)),
            ("1969-12-31 23:59:59.999999999", Ok(0)),
            ("1970-01-01 24:00:00", Ok(2 * noon)),
            ("1970-01-01 11:59:60", Ok(noon)),
            ("1970-01-01 24:00:01", Err(Flaw::Range)),
            ("1970-01-01 25:00", Err(Flaw::Range)),
            ("1970-01-01 12:60", Err(Flaw::Range)),
            ("1970-01-01 12:00:61", Err(Flaw::Range)),
            ("1970-01-01 12:00+16", Err(Flaw::Range)),
            ("0001-01-01 00:00:00+01", Err(Flaw::Range)),
            ("9999-12-31 23:59:59.9999999", Err(Flaw::Range)),
            ("1970-01-01 12", Err(Flaw::Syntax)),
            ("1970-01-01 12:00:00.", Err(Flaw::Syntax)),
            ("1970-01-01 12:00:00.0000000001", Err(Flaw::Syntax)),
            ("1970-01-01 12:0000", Err(Flaw::Syntax)),
            ("1970-01-01 12:00 CEST", Err(Flaw::Syntax)),
            ("1970-01-01 12:00+2", Err(Flaw::Syntax)),
            ("1970-01-01 12:00+02:00:00", Err(Flaw::Syntax)),
            ("1970-01-01T", Err(Flaw::Syntax)),
            ("1700000000", Err(Flaw::Syntax)),
        ] {
            assert_eq!(timestamp(text), expected, "{text}");
        }
    }

    #[test]
    fn moments_with_and_without_zones() {
        let noon = 43_200_000_000;
        for (text, expected) in [
            ("1970-01-01", Some((0, false))),
            ("19700101", Some((0, false))),
            ("19700101T120000", Some((noon, false))),
            ("19700101T120000Z", Some((noon, true))),
            (" 1970-01-01 12:00:00.5 ", Some((noon + 500_000, false))),
            ("1970-01-01 12:00:00 utc", Some((noon, true))),
            ("1970-01-01 13:00+01", Some((noon, true))),
            ("1970-01-01 11:00-01:00", Some((noon, true))),
            ("1970-01-01 25:00", None),
            ("soon", None),
        ] {
            assert_eq!(moment(text), expected, "{text}");
        }
    }

    #[test]
    fn every_day_of_four_centuries_is_as_arrow_has_it() {
        for year in (1700..2100).step_by(3) {
            for month in 1..=12 {
                for day in [1, 15, days_in_month(year, month)] {
                    let text = format!("{year:04}-{month:02}-{day:02}T01:02:03.456789+01:00");
                    let arrow = string_to_timestamp_nanos(&text).unwrap() / 1000;
                    assert_eq!(timestamp(&text), Ok(arrow), "{text}");
                }
            }
        }
    }
}
