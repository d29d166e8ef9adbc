//! The patterns of numbers in `to_char`: digits, separators, signs, and text before or after them. Moments are the
//! parent's.

/// A number by a pattern such as `FM999,990.00`.
pub(super) fn written(value: f64, pattern: &str) -> String {
    let picture = Picture::of(pattern);
    if picture.is_scientific {
        return scientific(value, &picture);
    }
    let digits = format!("{:.*}", picture.fraction.len(), value.abs());
    let (whole, fraction) = digits.split_once('.').unwrap_or((&digits, ""));
    let is_zero = digits.bytes().all(|it| !(b'1'..=b'9').contains(&it));
    let is_negative = value < 0.0 && !is_zero;
    let wanted = picture.whole.iter().filter(|it| it.is_digit()).count();
    let whole = if whole == "0" && wanted > 0 { "" } else { whole };
    let body = match whole.len() > wanted {
        true => "#".repeat(wanted + picture.separators()),
        false => whole_part(&picture, whole, wanted),
    };
    let body = body + &fraction_part(&picture, fraction, whole.len() > wanted);
    signed(&picture, &body, is_negative)
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Place {
    /// `9`: a digit, or a space before the number.
    Digit,
    /// `0`: a digit always.
    Zero,
    /// `,` or `G`.
    Separator,
}

impl Place {
    fn is_digit(self) -> bool {
        self != Self::Separator
    }
}

#[derive(Debug, Default)]
struct Picture {
    whole: Vec<Place>,
    fraction: Vec<Place>,
    has_point: bool,
    is_filled: bool,
    is_scientific: bool,
    sign: Sign,
    /// Text before and after the number.
    before: String,
    after: String,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Sign {
    /// A minus before a negative number, a space before others.
    #[default]
    Plain,
    /// `S` at the start: plus or minus.
    Before,
    /// `S` or `MI` at the end.
    After { shows_plus: bool },
    /// `PR`: angle brackets.
    Brackets,
}

impl Picture {
    fn of(pattern: &str) -> Self {
        let mut picture = Self { is_filled: true, ..Self::default() };
        let mut rest = pattern;
        while let Some(character) = rest.chars().next() {
            let taken = picture.take(rest).unwrap_or_else(|| {
                let target =
                    if picture.has_digits() { &mut picture.after } else { &mut picture.before };
                target.push(character);
                character.len_utf8()
            });
            rest = &rest[taken..];
        }
        picture
    }

    fn has_digits(&self) -> bool {
        !self.whole.is_empty() || self.has_point
    }

    fn separators(&self) -> usize {
        self.whole.iter().filter(|it| !it.is_digit()).count()
    }

    /// Reads one piece of a pattern; how many bytes it has.
    fn take(&mut self, rest: &str) -> Option<usize> {
        let upper = rest.get(..4).unwrap_or(rest).to_uppercase();
        let places = if self.has_point { &mut self.fraction } else { &mut self.whole };
        match upper.as_bytes() {
            [b'F', b'M', ..] => {
                self.is_filled = false;
                return Some(2);
            }
            [b'E', b'E', b'E', b'E'] => {
                self.is_scientific = true;
                return Some(4);
            }
            [b'P', b'R', ..] => {
                self.sign = Sign::Brackets;
                return Some(2);
            }
            [b'M', b'I', ..] => {
                self.sign = Sign::After { shows_plus: false };
                return Some(2);
            }
            [b'S', ..] => {
                self.sign = match self.has_digits() {
                    true => Sign::After { shows_plus: true },
                    false => Sign::Before,
                };
            }
            [b'9', ..] => places.push(Place::Digit),
            [b'0', ..] => places.push(Place::Zero),
            [b',' | b'G', ..] => places.push(Place::Separator),
            [b'.' | b'D', ..] => self.has_point = true,
            [b'"', ..] => {
                let end = rest[1..].find('"')? + 1;
                let text = rest[1..end].to_owned();
                let target = if self.has_digits() { &mut self.after } else { &mut self.before };
                *target += &text;
                return Some(end + 1);
            }
            _ => return None,
        }
        Some(1)
    }
}

fn whole_part(picture: &Picture, whole: &str, wanted: usize) -> String {
    let padded = format!("{whole:>wanted$}");
    let mut digits = padded.chars();
    let mut text = String::new();
    let mut has_begun = false;
    for place in &picture.whole {
        match place {
            Place::Separator => text.push(if has_begun { ',' } else { ' ' }),
            Place::Digit | Place::Zero => {
                let digit = digits.next().unwrap_or(' ');
                has_begun |= digit != ' ' || *place == Place::Zero;
                text.push(if digit == ' ' && has_begun { '0' } else { digit });
            }
        }
    }
    // A number below one has its zero where the pattern ends in digits alone.
    if !has_begun && !picture.has_point && text.ends_with(' ') {
        text.pop();
        text.push('0');
    }
    text
}

fn fraction_part(picture: &Picture, fraction: &str, is_overflow: bool) -> String {
    if !picture.has_point {
        return String::new();
    }
    let mut text = match is_overflow {
        true => "#".repeat(picture.fraction.len()),
        false => fraction.to_owned(),
    };
    if !picture.is_filled {
        let kept =
            picture.fraction.iter().rposition(|it| *it == Place::Zero).map_or(0, |it| it + 1);
        while text.len() > kept && text.ends_with('0') {
            text.pop();
        }
    }
    format!(".{text}")
}

fn signed(picture: &Picture, body: &str, is_negative: bool) -> String {
    let trimmed = body.trim_start_matches(' ');
    let blanks = &body[..body.len() - trimmed.len()];
    let (open, close) = match (picture.sign, is_negative) {
        (Sign::Plain, true) => ("-", ""),
        (Sign::Plain, false) => (" ", ""),
        (Sign::Before, true) => ("-", ""),
        (Sign::Before, false) => ("+", ""),
        (Sign::After { .. }, true) => ("", "-"),
        (Sign::After { shows_plus: true }, false) => ("", "+"),
        (Sign::After { .. }, false) => ("", " "),
        (Sign::Brackets, true) => ("<", ">"),
        (Sign::Brackets, false) => (" ", " "),
    };
    let text = match picture.is_filled {
        true => format!("{blanks}{open}{trimmed}{close}"),
        false => format!("{}{trimmed}{}", open.trim(), close.trim()),
    };
    format!("{}{text}{}", picture.before, picture.after)
}

fn scientific(value: f64, picture: &Picture) -> String {
    let text = format!("{:.*e}", picture.fraction.len(), value);
    let (mantissa, exponent) = text.split_once('e').unwrap_or((&text, "0"));
    let exponent: i32 = exponent.parse().unwrap_or(0);
    let sign = if exponent < 0 { '-' } else { '+' };
    let blank = if value < 0.0 || !picture.is_filled { "" } else { " " };
    format!("{blank}{mantissa}e{sign}{:02}", exponent.abs())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_written_as_in_postgresql() {
        let check = |value: f64, pattern: &str, expected: &str| {
            assert_eq!(written(value, pattern), expected, "{value} {pattern}");
        };
        check(1234.5, "999,999.99", "   1,234.50");
        check(-1234.5, "FM999,990.00", "-1,234.50");
        check(0.5, "FM990.00", "0.50");
        check(0.5, "9.99", "  .50");
        check(12.0, "99", " 12");
        check(0.0, "999", "   0");
        check(-12.0, "99", "-12");
        check(12.0, "FM00000", "00012");
        check(12.0, "00000", " 00012");
        check(1234.0, "99", " ##");
        check(485.8, "\"about \"FM999.9\" kg\"", "about 485.8 kg");
        check(12.5, "FM999.99", "12.5");
        check(-7.0, "99PR", " <7>");
        check(7.0, "S99", " +7");
        check(1_500_000.0, "9.9EEEE", " 1.5e+06");
    }
}
