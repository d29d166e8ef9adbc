//! PostgreSQL's binary `numeric`: digits of base 10,000 around a point, and back.
//!
//! ```text
//! i16 digit count | i16 weight of the first digit | u16 sign | u16 digits after the point | i16 digits
//! ```
//! The weight is the power of 10,000 of the first digit. Signs: 0x0000 plus, 0x4000 minus, 0xC000 NaN,
//! 0xD000 and 0xF000 infinities, which Arrow's decimals do not have.

use bytes::{Buf, BufMut, BytesMut};

use crate::error::{Error, Result, SqlState};

const MINUS: u16 = 0x4000;

/// Digits of base 10,000 that hold any `i128` aligned to any of Arrow's scales.
const DIGITS_MAX: usize = 24;

/// The greatest scale of a value that is read: what Arrow's decimals can have.
const SCALE_MAX: u16 = 38;

/// Appends a value.
pub(crate) fn put_binary(out: &mut BytesMut, value: i128, scale: i8) {
    let places = u32::from(scale.max(0).unsigned_abs());
    let mut magnitude = value.unsigned_abs();
    // A negative scale is zeros before the point; Arrow keeps them within 38 digits in all.
    magnitude = magnitude.saturating_mul(10_u128.saturating_pow(u32::from((-scale).max(0) as u8)));
    let unit = 10_u128.pow(places);
    let (mut whole, fraction) = (magnitude / unit, magnitude % unit);
    let mut digits = [0_i16; DIGITS_MAX];
    let mut first = DIGITS_MAX / 2;
    let point = first;
    while whole > 0 {
        first -= 1;
        digits[first] = digit(whole);
        whole /= 10_000;
    }
    let mut end = point;
    let (mut rest, mut left) = (fraction, places);
    while rest > 0 {
        let step = left.min(4);
        let below = 10_u128.pow(left - step);
        digits[end] = digit(rest / below * 10_u128.pow(4 - step));
        end += 1;
        rest %= below;
        left -= step;
    }
    while first < end && digits[first] == 0 {
        first += 1;
    }
    while end > first && digits[end - 1] == 0 {
        end -= 1;
    }
    let count = end - first;
    let weight = if count == 0 { 0 } else { signed(point) - signed(first) - 1 };
    out.put_i16(signed(count));
    out.put_i16(weight);
    out.put_u16(if value < 0 { MINUS } else { 0 });
    out.put_u16(u16::try_from(places).unwrap_or(0));
    for digit in &digits[first..end] {
        out.put_i16(*digit);
    }
}

fn digit(value: u128) -> i16 {
    i16::try_from(value % 10_000).unwrap_or(0)
}

fn signed(count: usize) -> i16 {
    i16::try_from(count).unwrap_or(i16::MAX)
}

/// Reads a value: the unscaled number and its scale.
///
/// # Errors
/// `22P03` if the bytes are no numeric, `22003` if it has more than 38 digits or is not finite.
pub(crate) fn from_binary(mut bytes: &[u8]) -> Result<(i128, u8)> {
    let broken = || Error::new(SqlState("22P03"), "invalid binary format of a numeric");
    if bytes.len() < 8 {
        return Err(broken());
    }
    let count = usize::from(bytes.get_u16());
    let (weight, sign, scale) = (bytes.get_i16(), bytes.get_u16(), bytes.get_u16());
    if bytes.len() != count * 2 {
        return Err(broken());
    }
    if sign != 0 && sign != MINUS {
        let message = "numeric values must be finite here";
        return Err(Error::new(SqlState::NUMERIC_OUT_OF_RANGE, message));
    }
    let scale = scale.min(SCALE_MAX);
    let mut value = 0_i128;
    let mut power = i32::from(weight) * 4 + i32::from(scale);
    for _ in 0..count {
        let digit = bytes.get_i16();
        if !(0..10_000).contains(&digit) {
            return Err(broken());
        }
        value = add_digit(value, digit, power).ok_or_else(too_large)?;
        power -= 4;
    }
    let value = if sign == MINUS { -value } else { value };
    Ok((value, u8::try_from(scale).unwrap_or(0)))
}

/// Adds `digit * 10^power`; what lies below the scale is cut, as PostgreSQL's own digits never do.
fn add_digit(value: i128, digit: i16, power: i32) -> Option<i128> {
    if digit == 0 {
        return Some(value);
    }
    let exponent = power.unsigned_abs();
    let amount = if power >= 0 {
        10_i128.checked_pow(exponent)?.checked_mul(i128::from(digit))?
    } else {
        i128::from(digit) / 10_i128.checked_pow(exponent)?
    };
    value.checked_add(amount)
}

fn too_large() -> Error {
    Error::new(SqlState::NUMERIC_OUT_OF_RANGE, "value overflows numeric format")
        .detail("numbers can have at most 38 digits")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(value: i128, scale: i8, expected: &[i16]) {
        let mut out = BytesMut::new();
        put_binary(&mut out, value, scale);
        let words: Vec<i16> =
            out.chunks(2).map(|pair| i16::from_be_bytes([pair[0], pair[1]])).collect();
        assert_eq!(words, expected, "{value} {scale}");
        assert_eq!(from_binary(&out).expect("a numeric"), (value, scale.unsigned_abs()));
    }

    #[test]
    fn values_are_written_and_read() {
        check(0, 2, &[0, 0, 0, 2]);
        check(1_234_567, 2, &[3, 1, 0, 2, 1, 2345, 6700]);
        check(-5, 2, &[1, -1, 0x4000, 2, 500]);
        check(10_000, 0, &[1, 1, 0, 0, 1]);
        check(1, 10, &[1, -3, 0, 10, 100]);
        check(99_999_999, 4, &[2, 0, 0, 4, 9999, 9999]);
    }

    #[test]
    fn extremes_survive() {
        for (value, scale) in [(i128::MAX, 38), (i128::MAX, 0), (-(10_i128.pow(38) - 1), 19)] {
            let mut out = BytesMut::new();
            put_binary(&mut out, value, scale);
            assert_eq!(from_binary(&out).expect("a numeric"), (value, scale.unsigned_abs()));
        }
    }

    #[test]
    fn broken_bytes_are_refused() {
        for bytes in [&b""[..], &[0, 1, 0, 0, 0, 0, 0, 0], &[0, 1, 0, 0, 0, 0, 0, 0, 0x7f, 0xff]] {
            assert_eq!(from_binary(bytes).expect_err("broken").code().0, "22P03");
        }
        let nan = [0, 0, 0, 0, 0xc0, 0, 0, 0];
        assert_eq!(from_binary(&nan).expect_err("not finite").code().0, "22003");
    }
}
