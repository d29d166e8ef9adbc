//! Text to numbers and booleans, by PostgreSQL's input rules, without allocating.
//!
//! Knows no column and words no message: a [`Flaw`] says what is wrong, the caller says where.

use crate::ingest::fault::Flaw;

/// A boolean: `t true y yes on 1` or `f false n no off 0`, in any case, with spaces around.
pub(crate) fn boolean(text: &str) -> Result<bool, Flaw> {
    let text = text.trim_ascii();
    let is = |words: &[&str]| words.iter().any(|word| text.eq_ignore_ascii_case(word));
    match text {
        _ if is(&["t", "true", "1", "y", "yes", "on"]) => Ok(true),
        _ if is(&["f", "false", "0", "n", "no", "off"]) => Ok(false),
        _ => Err(Flaw::Syntax),
    }
}

/// An integer from `min` to `max`, with spaces around.
pub(crate) fn integer(text: &str, min: i64, max: i64) -> Result<i64, Flaw> {
    let (negative, digits) = signed(text.trim_ascii().as_bytes());
    if digits.is_empty() {
        return Err(Flaw::Syntax);
    }
    // Counted downwards, because the least integer has no positive counterpart.
    let mut value = Some(0i64);
    for byte in digits {
        let digit = byte.wrapping_sub(b'0');
        if digit > 9 {
            return Err(Flaw::Syntax);
        }
        value = value.and_then(|value| value.checked_mul(10)?.checked_sub(i64::from(digit)));
    }
    let value = value.and_then(|value| if negative { Some(value) } else { value.checked_neg() });
    value.filter(|value| (min..=max).contains(value)).ok_or(Flaw::Range)
}

/// A 64-bit floating point number, `NaN` and `Infinity` included.
pub(crate) fn double(text: &str) -> Result<f64, Flaw> {
    let text = text.trim_ascii();
    let value: f64 = text.parse().map_err(|_| Flaw::Syntax)?;
    representable(text, value.is_infinite(), value == 0.0).map(|()| value)
}

/// A 32-bit floating point number, `NaN` and `Infinity` included.
pub(crate) fn real(text: &str) -> Result<f32, Flaw> {
    let text = text.trim_ascii();
    let value: f32 = text.parse().map_err(|_| Flaw::Syntax)?;
    representable(text, value.is_infinite(), value == 0.0).map(|()| value)
}

/// Refuses digits that became infinity or zero only because the type is too small for them.
fn representable(text: &str, infinite: bool, zero: bool) -> Result<(), Flaw> {
    let overflown = infinite && text.bytes().any(|byte| byte.is_ascii_digit());
    let mantissa = || text.bytes().take_while(|byte| !matches!(byte, b'e' | b'E'));
    let vanished = zero && mantissa().any(|byte| matches!(byte, b'1'..=b'9'));
    if overflown || vanished { Err(Flaw::Range) } else { Ok(()) }
}

/// A decimal as an integer of units of its scale.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Decimal {
    pub(crate) units: i128,
    /// Whether nothing but zeros was rounded away.
    pub(crate) exact: bool,
}

/// A decimal of at most `precision` digits, rounded half away from zero to `scale` of them after
/// the point; accepts exponents.
pub(crate) fn decimal(text: &str, precision: u8, scale: i8) -> Result<Decimal, Flaw> {
    let text = text.trim_ascii();
    let (negative, rest) = signed(text.as_bytes());
    if ["nan", "infinity", "inf"].iter().any(|word| rest.eq_ignore_ascii_case(word.as_bytes())) {
        // Values in PostgreSQL, but Arrow's decimals have no place for them.
        return Err(Flaw::Range);
    }
    let (whole, rest) = digits(rest);
    let (fraction, rest) = match rest {
        [b'.', rest @ ..] => digits(rest),
        rest => (&rest[..0], rest),
    };
    if whole.is_empty() && fraction.is_empty() {
        return Err(Flaw::Syntax);
    }
    let exponent = exponent(rest)?;
    let shift = exponent - fraction.len() as i64 + i64::from(scale);
    let all = whole.iter().chain(fraction).skip_while(|byte| **byte == b'0');
    let Decimal { units, exact } = scaled(all, whole.len() + fraction.len(), shift)?;
    if units >= 10i128.pow(u32::from(precision)) {
        return Err(Flaw::Range);
    }
    Ok(Decimal { units: if negative { -units } else { units }, exact })
}

/// The most digits that any 128-bit decimal holds.
const DIGITS_MAX: i64 = 38;

/// `digits` times ten to the power of `shift`, rounded half up; leading zeros are skipped already,
/// `count_max` bounds the number of digits left.
fn scaled<'a>(
    digits: impl Iterator<Item = &'a u8> + Clone,
    count_max: usize,
    shift: i64,
) -> Result<Decimal, Flaw> {
    let count = if count_max as i64 + shift > DIGITS_MAX || shift < 0 {
        digits.clone().count() as i64
    } else {
        count_max as i64
    };
    if count == 0 {
        return Ok(Decimal { units: 0, exact: true });
    }
    let kept = if shift < 0 { count + shift } else { count };
    if kept + shift.max(0) > DIGITS_MAX {
        return Err(Flaw::Range);
    }
    let mut units = 0i128;
    let mut exact = true;
    for (at, byte) in digits.enumerate() {
        let digit = i128::from(byte - b'0');
        match (at as i64).cmp(&kept) {
            std::cmp::Ordering::Less => units = units * 10 + digit,
            std::cmp::Ordering::Equal => {
                units += i128::from(digit >= 5);
                exact &= digit == 0;
            }
            std::cmp::Ordering::Greater => exact &= digit == 0,
        }
    }
    exact &= kept >= 0;
    Ok(Decimal { units: units * 10i128.pow(shift.max(0) as u32), exact })
}

fn signed(text: &[u8]) -> (bool, &[u8]) {
    match text {
        [b'-', rest @ ..] => (true, rest),
        [b'+', rest @ ..] => (false, rest),
        rest => (false, rest),
    }
}

fn digits(text: &[u8]) -> (&[u8], &[u8]) {
    text.split_at(text.iter().take_while(|byte| byte.is_ascii_digit()).count())
}

/// An exponent, or nothing; saturates far beyond what any type holds.
fn exponent(text: &[u8]) -> Result<i64, Flaw> {
    let [b'e' | b'E', rest @ ..] = text else {
        return if text.is_empty() { Ok(0) } else { Err(Flaw::Syntax) };
    };
    let (negative, rest) = signed(rest);
    let (digits, rest) = digits(rest);
    if digits.is_empty() || !rest.is_empty() {
        return Err(Flaw::Syntax);
    }
    let add = |sum: i64, byte: &u8| (sum * 10 + i64::from(byte - b'0')).min(1 << 40);
    let exponent = digits.iter().fold(0, add);
    Ok(if negative { -exponent } else { exponent })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn booleans() {
        for text in ["t", "TRUE", " yes ", "y", "on", "1"] {
            assert_eq!(boolean(text), Ok(true), "{text}");
        }
        for text in ["f", "False", "no", "N", "OFF", "0 "] {
            assert_eq!(boolean(text), Ok(false), "{text}");
        }
        for text in ["", "2", "o", "truee"] {
            assert_eq!(boolean(text), Err(Flaw::Syntax), "{text}");
        }
    }

    #[test]
    fn integers() {
        let check = |text| integer(text, i64::MIN, i64::MAX);
        assert_eq!(check(" +17 "), Ok(17));
        assert_eq!(check("-9223372036854775808"), Ok(i64::MIN));
        assert_eq!(check("9223372036854775807"), Ok(i64::MAX));
        assert_eq!(check("9223372036854775808"), Err(Flaw::Range));
        assert_eq!(check("-99999999999999999999999"), Err(Flaw::Range));
        for text in ["", "-", "1.0", "1e3", "0x10", "1 2", "99999999999999999999999x", "١"] {
            assert_eq!(check(text), Err(Flaw::Syntax), "{text}");
        }
        assert_eq!(integer("32768", -32768, 32767), Err(Flaw::Range));
        assert_eq!(integer("-32768", -32768, 32767), Ok(-32768));
    }

    #[test]
    fn floats() {
        assert_eq!(double(" 1.5e3 "), Ok(1500.0));
        assert_eq!(double("-Infinity"), Ok(f64::NEG_INFINITY));
        assert!(double("nan").is_ok_and(f64::is_nan));
        assert_eq!(double("1e400"), Err(Flaw::Range));
        assert_eq!(double("1e-400"), Err(Flaw::Range));
        assert_eq!(double("0e-400"), Ok(0.0));
        assert_eq!(double("1,5"), Err(Flaw::Syntax));
        assert_eq!(real("1e39"), Err(Flaw::Range));
        assert_eq!(real("0.1"), Ok(0.1));
    }

    fn check_decimal(text: &str, precision: u8, scale: i8) -> String {
        match decimal(text, precision, scale) {
            Ok(Decimal { units, exact }) => format!("{units}{}", if exact { "" } else { "~" }),
            Err(flaw) => format!("{flaw:?}"),
        }
    }

    #[test]
    fn decimals_round_half_away_from_zero() {
        for (text, units) in [
            ("1", "100"),
            ("-1.5", "-150"),
            ("+.5", "50"),
            ("5.", "500"),
            ("0.005", "1~"),
            ("0.004", "0~"),
            ("-0.005", "-1~"),
            ("0.0050000", "1~"),
            ("1.0000000", "100"),
            ("0.0000000000000000000000000000000000000000000000001", "0~"),
            ("1e3", "100000"),
            ("12345e-3", "1235~"),
            ("0e999999999999999999999", "0"),
            ("1e-999999999999999999999", "0~"),
            ("00000000000000000000000000000000000000000000000001", "100"),
            ("99999999.99", "9999999999"),
            ("99999999.995", "Range"),
            ("100000000", "Range"),
            ("1e999999999999999999999", "Range"),
            ("NaN", "Range"),
            ("-infinity", "Range"),
            ("", "Syntax"),
            (".", "Syntax"),
            ("1e", "Syntax"),
            ("1.2.3", "Syntax"),
            ("1,5", "Syntax"),
            ("- 1", "Syntax"),
        ] {
            assert_eq!(check_decimal(text, 10, 2), units, "{text}");
        }
    }

    #[test]
    fn decimals_hold_38_digits() {
        let nines = "9".repeat(38);
        assert_eq!(check_decimal(&nines, 38, 0), nines);
        assert_eq!(check_decimal(&format!("{nines}.4"), 38, 0), format!("{nines}~"));
        assert_eq!(check_decimal(&format!("{nines}.5"), 38, 0), "Range");
        assert_eq!(check_decimal(&format!("0.{nines}"), 38, 38), nines);
        assert_eq!(check_decimal(&format!("{nines}0"), 38, 0), "Range");
    }
}
