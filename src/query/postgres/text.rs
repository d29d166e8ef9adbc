//! Values as PostgreSQL writes them in text: numbers, dates, times, intervals, bytes.
//!
//! Each function appends to a buffer and allocates nothing. Which function a column needs is
//! `text_form`'s choice; there is no Arrow here.

use std::fmt::Write;

use bytes::{BufMut, BytesMut};

/// Microseconds of a day.
pub(crate) const DAY_MICROS: i64 = 86_400_000_000;

/// Appends an integer.
pub(crate) fn put_integer(out: &mut BytesMut, value: i64) {
    if value < 0 {
        out.put_u8(b'-');
    }
    put_digits(out, u128::from(value.unsigned_abs()), 1);
}

/// Appends a number with at least so many digits.
fn put_digits(out: &mut BytesMut, mut value: u128, width: usize) {
    // 39 digits hold every u128.
    let mut digits = [b'0'; 39];
    let mut at = digits.len();
    while value > 0 {
        at -= 1;
        digits[at] = b'0' + u8::try_from(value % 10).unwrap_or(0);
        value /= 10;
    }
    let at = at.min(digits.len() - width);
    out.put_slice(&digits[at..]);
}

/// Appends an exact decimal.
pub(crate) fn put_decimal(out: &mut BytesMut, value: i128, scale: i8) {
    if value < 0 {
        out.put_u8(b'-');
    }
    let magnitude = value.unsigned_abs();
    let places = usize::from(scale.unsigned_abs());
    if scale <= 0 {
        put_digits(out, magnitude, 1);
        if magnitude > 0 {
            out.put_bytes(b'0', places);
        }
        return;
    }
    let unit = 10_u128.pow(u32::from(scale.unsigned_abs()));
    put_digits(out, magnitude / unit, 1);
    out.put_u8(b'.');
    put_digits(out, magnitude % unit, places);
}

/// Appends a 64-bit float in the fewest digits that read back the same.
pub(crate) fn put_double(out: &mut BytesMut, value: f64) {
    let mut text = Short::default();
    write!(text, "{value:e}").expect("24 bytes hold every f64");
    put_float(out, value.is_finite(), value.is_sign_negative(), value.is_nan(), text.as_str(), 15);
}

/// Appends a 32-bit float in the fewest digits that read back the same.
pub(crate) fn put_real(out: &mut BytesMut, value: f32) {
    let mut text = Short::default();
    write!(text, "{value:e}").expect("24 bytes hold every f32");
    put_float(out, value.is_finite(), value.is_sign_negative(), value.is_nan(), text.as_str(), 6);
}

/// Rewrites Rust's `1.5e-7` as PostgreSQL does: an exponent below -4 or from `limit` on, else places.
fn put_float(out: &mut BytesMut, finite: bool, negative: bool, nan: bool, text: &str, limit: i32) {
    if !finite {
        out.put_slice(match (nan, negative) {
            (true, _) => b"NaN",
            (false, true) => b"-Infinity",
            (false, false) => b"Infinity",
        });
        return;
    }
    let (mantissa, exponent) = text.split_once('e').unwrap_or((text, "0"));
    let exponent: i32 = exponent.parse().unwrap_or(0);
    let unsigned = mantissa.strip_prefix('-').unwrap_or(mantissa);
    if unsigned.len() < mantissa.len() {
        out.put_u8(b'-');
    }
    if exponent < -4 || exponent >= limit {
        out.put_slice(unsigned.as_bytes());
        out.put_slice(if exponent < 0 { b"e-" } else { b"e+" });
        put_digits(out, u128::from(exponent.unsigned_abs()), 2);
        return;
    }
    let digits = || unsigned.bytes().filter(u8::is_ascii_digit);
    let count = digits().count();
    if exponent < 0 {
        out.put_slice(b"0.");
        out.put_bytes(b'0', usize::try_from(-exponent - 1).unwrap_or(0));
        out.extend(digits());
        return;
    }
    let whole = usize::try_from(exponent + 1).unwrap_or(1);
    out.extend(digits().take(whole));
    out.put_bytes(b'0', whole.saturating_sub(count));
    if count > whole {
        out.put_u8(b'.');
        out.extend(digits().skip(whole));
    }
}

/// A buffer on the stack for one float.
#[derive(Default)]
struct Short {
    bytes: [u8; 32],
    length: usize,
}

impl Short {
    fn as_str(&self) -> &str {
        std::str::from_utf8(&self.bytes[..self.length]).unwrap_or_default()
    }
}

impl Write for Short {
    fn write_str(&mut self, text: &str) -> std::fmt::Result {
        let end = self.length + text.len();
        self.bytes
            .get_mut(self.length..end)
            .ok_or(std::fmt::Error)?
            .copy_from_slice(text.as_bytes());
        self.length = end;
        Ok(())
    }
}

/// Appends a date, given in days since 1970.
pub(crate) fn put_date(out: &mut BytesMut, days: i64) {
    let (year, month, day) = civil(days);
    put_year(out, year);
    put_part(out, b'-', month);
    put_part(out, b'-', day);
    put_era(out, year);
}

/// Appends a date and time, given in microseconds since 1970.
pub(crate) fn put_timestamp(out: &mut BytesMut, micros: i64) {
    let year = put_date_and_time(out, micros);
    put_era(out, year);
}

/// Appends a moment in the local time of an offset, with the offset.
pub(crate) fn put_timestamptz(out: &mut BytesMut, micros: i64, offset_seconds: i32) {
    let year = put_date_and_time(out, micros.saturating_add(i64::from(offset_seconds) * 1_000_000));
    put_offset(out, offset_seconds);
    put_era(out, year);
}

/// Appends a time of day, given in microseconds since midnight.
pub(crate) fn put_time(out: &mut BytesMut, micros: i64) {
    let seconds = micros.div_euclid(1_000_000);
    put_digits(out, u128::from((seconds / 3600).unsigned_abs()), 2);
    put_part(out, b':', seconds / 60 % 60);
    put_part(out, b':', seconds % 60);
    put_fraction(out, micros.rem_euclid(1_000_000));
}

fn put_date_and_time(out: &mut BytesMut, micros: i64) -> i64 {
    let (year, month, day) = civil(micros.div_euclid(DAY_MICROS));
    put_year(out, year);
    put_part(out, b'-', month);
    put_part(out, b'-', day);
    out.put_u8(b' ');
    put_time(out, micros.rem_euclid(DAY_MICROS));
    year
}

/// Years before 1 count as `0001 BC`, `0002 BC`, ...
fn put_year(out: &mut BytesMut, year: i64) {
    let shown = if year > 0 { year } else { 1 - year };
    put_digits(out, u128::from(shown.unsigned_abs()), 4);
}

fn put_era(out: &mut BytesMut, year: i64) {
    if year <= 0 {
        out.put_slice(b" BC");
    }
}

fn put_part(out: &mut BytesMut, separator: u8, value: i64) {
    out.put_u8(separator);
    put_digits(out, u128::from(value.unsigned_abs()), 2);
}

fn put_fraction(out: &mut BytesMut, micros: i64) {
    if micros == 0 {
        return;
    }
    out.put_u8(b'.');
    let (mut value, mut width) = (micros.unsigned_abs(), 6);
    while value.is_multiple_of(10) {
        value /= 10;
        width -= 1;
    }
    put_digits(out, u128::from(value), width);
}

fn put_offset(out: &mut BytesMut, seconds: i32) {
    out.put_u8(if seconds < 0 { b'-' } else { b'+' });
    let seconds = i64::from(seconds.unsigned_abs());
    put_digits(out, u128::from((seconds / 3600).unsigned_abs()), 2);
    if seconds % 3600 != 0 {
        put_part(out, b':', seconds / 60 % 60);
    }
    if seconds % 60 != 0 {
        put_part(out, b':', seconds % 60);
    }
}

/// Year, month and day of a number of days since 1970, in the proleptic Gregorian calendar.
///
/// Years are counted from March, so that the leap day is the last: 146,097 days make 400 years, and
/// months of a year from March have 153 days in every five.
pub(crate) fn civil(days: i64) -> (i64, i64, i64) {
    let from_march = days + 719_468;
    let era = from_march.div_euclid(146_097);
    let day_of_era = from_march.rem_euclid(146_097);
    let leaps = day_of_era / 1_460 - day_of_era / 36_524 + day_of_era / 146_096;
    let year_of_era = (day_of_era - leaps) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month + 2) / 5 + 1;
    let (month, carry) = if month < 10 { (month + 3, 0) } else { (month - 9, 1) };
    (era * 400 + year_of_era + carry, month, day)
}

/// Appends an interval in the style `postgres`.
pub(crate) fn put_interval(out: &mut BytesMut, months: i32, days: i32, micros: i64) {
    let start = out.len();
    // A positive part after a negative one needs a plus, to tell it from the sign before.
    let mut after_negative = false;
    for (value, unit) in [(months / 12, "year"), (months % 12, "mon"), (days, "day")] {
        if value == 0 {
            continue;
        }
        if out.len() > start {
            out.put_u8(b' ');
        }
        if after_negative && value > 0 {
            out.put_u8(b'+');
        }
        put_integer(out, i64::from(value));
        out.put_u8(b' ');
        out.put_slice(unit.as_bytes());
        if value != 1 {
            out.put_u8(b's');
        }
        after_negative = value < 0;
    }
    if micros == 0 && out.len() > start {
        return;
    }
    if out.len() > start {
        out.put_u8(b' ');
    }
    if micros < 0 {
        out.put_u8(b'-');
    } else if after_negative {
        out.put_u8(b'+');
    }
    put_time(out, i64::try_from(micros.unsigned_abs()).unwrap_or(i64::MAX));
}

/// Appends bytes as `\x0a1b`.
pub(crate) fn put_bytes(out: &mut BytesMut, bytes: &[u8]) {
    const HEX: &[u8; 16] = b"0123456789abcdef";
    out.put_slice(b"\\x");
    out.reserve(bytes.len() * 2);
    for byte in bytes {
        out.put_u8(HEX[usize::from(byte >> 4)]);
        out.put_u8(HEX[usize::from(byte & 15)]);
    }
}

/// Appends one element of an array, or field of a record, quoted where it must be.
pub(crate) fn put_quoted(out: &mut BytesMut, text: &[u8], special: &[u8], double_quotes: bool) {
    let plain = !text.is_empty()
        && !text.eq_ignore_ascii_case(b"null")
        && !text.iter().any(|byte| {
            special.contains(byte)
                || matches!(byte, b'"' | b'\\')
                || byte.is_ascii_whitespace()
                || *byte == 0x0b
        });
    if plain {
        out.put_slice(text);
        return;
    }
    out.put_u8(b'"');
    for byte in text {
        match byte {
            b'"' if double_quotes => out.put_u8(b'"'),
            b'"' | b'\\' => out.put_u8(b'\\'),
            _ => {}
        }
        out.put_u8(*byte);
    }
    out.put_u8(b'"');
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(write: impl Fn(&mut BytesMut), expected: &str) {
        let mut out = BytesMut::new();
        write(&mut out);
        assert_eq!(String::from_utf8_lossy(&out), expected);
    }

    #[test]
    fn integers_and_decimals() {
        check(|out| put_integer(out, 0), "0");
        check(|out| put_integer(out, i64::MIN), "-9223372036854775808");
        check(|out| put_decimal(out, 1234, 2), "12.34");
        check(|out| put_decimal(out, -5, 2), "-0.05");
        check(|out| put_decimal(out, 0, 3), "0.000");
        check(|out| put_decimal(out, 12, -2), "1200");
        check(|out| put_decimal(out, i128::MAX, 38), "1.70141183460469231731687303715884105727");
    }

    #[test]
    fn floats_are_short() {
        for (value, expected) in [
            (0.1, "0.1"),
            (-0.0, "-0"),
            (100.0, "100"),
            (1.5e-7, "1.5e-07"),
            (0.0001, "0.0001"),
            (0.00001, "1e-05"),
            (1e15, "1e+15"),
            (123_456_789_012_345.0, "123456789012345"),
            (1.0 / 3.0, "0.3333333333333333"),
            (1e300, "1e+300"),
            (f64::NAN, "NaN"),
            (f64::NEG_INFINITY, "-Infinity"),
        ] {
            check(|out| put_double(out, value), expected);
        }
        check(|out| put_real(out, 1_000_000.0), "1e+06");
        check(|out| put_real(out, 0.1), "0.1");
        check(|out| put_real(out, f32::INFINITY), "Infinity");
    }

    #[test]
    fn dates_and_times() {
        check(|out| put_date(out, 0), "1970-01-01");
        check(|out| put_date(out, 19_782), "2024-02-29");
        check(|out| put_date(out, -719_163), "0001-12-31 BC");
        check(|out| put_timestamp(out, 1_700_000_000_123_400), "2023-11-14 22:13:20.1234");
        check(|out| put_timestamp(out, -1), "1969-12-31 23:59:59.999999");
        check(|out| put_timestamptz(out, 0, 0), "1970-01-01 00:00:00+00");
        check(|out| put_timestamptz(out, 0, -12_600), "1969-12-31 20:30:00-03:30");
        check(|out| put_time(out, 3_661_000_001), "01:01:01.000001");
    }

    #[test]
    fn intervals() {
        check(|out| put_interval(out, 0, 0, 0), "00:00:00");
        check(|out| put_interval(out, 14, 3, 14_706_789_000), "1 year 2 mons 3 days 04:05:06.789");
        check(|out| put_interval(out, -1, 1, -1_000_000), "-1 mons +1 day -00:00:01");
        check(|out| put_interval(out, 0, -1, 1_000_000), "-1 days +00:00:01");
    }

    #[test]
    fn bytes_and_elements() {
        check(|out| put_bytes(out, &[0, 0xab, 0xff]), "\\x00abff");
        let element = |text: &'static str| {
            move |out: &mut BytesMut| put_quoted(out, text.as_bytes(), b"{},", false)
        };
        check(element("plain"), "plain");
        check(element("b c"), "\"b c\"");
        check(element(""), "\"\"");
        check(element("NULL"), "\"NULL\"");
        check(element("a\"b\\c"), "\"a\\\"b\\\\c\"");
    }
}
