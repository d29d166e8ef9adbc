//! How long rows of a dataset are kept, and what moment that is counted back from now.
//!
//! Months and years are those of the calendar, as in PostgreSQL's intervals.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::error::{Error, Result, SqlState};

const MICROS_PER_DAY: i64 = 86_400_000_000;

/// The longest time that can be asked for: beyond it nothing would ever expire.
pub const RETENTION_YEARS_MAX: u32 = 1_000;

/// A unit of time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RetentionUnit {
    /// Hours.
    Hour,
    /// Days.
    Day,
    /// Weeks.
    Week,
    /// Months of the calendar.
    Month,
    /// Years of the calendar.
    Year,
}

impl RetentionUnit {
    const ALL: [(&'static str, Self, u32); 5] = [
        ("hour", Self::Hour, 24 * 366),
        ("day", Self::Day, 366),
        ("week", Self::Week, 53),
        ("month", Self::Month, 12),
        ("year", Self::Year, 1),
    ];

    /// How many of it there can be.
    fn amount_max(self) -> u32 {
        let per_year = Self::ALL.iter().find(|(_, unit, _)| *unit == self).map_or(1, |it| it.2);
        per_year * RETENTION_YEARS_MAX
    }

    fn name(self) -> &'static str {
        Self::ALL.iter().find(|(_, unit, _)| *unit == self).map_or("", |it| it.0)
    }
}

/// How long rows are kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Retention {
    /// How many units.
    pub amount: u32,
    /// The unit.
    pub unit: RetentionUnit,
}

impl Retention {
    /// The moment before which rows are not kept, in microseconds, as of another.
    pub fn cutoff(self, now: i64) -> i64 {
        let amount = i64::from(self.amount);
        match self.unit {
            RetentionUnit::Hour => now - amount * (MICROS_PER_DAY / 24),
            RetentionUnit::Day => now - amount * MICROS_PER_DAY,
            RetentionUnit::Week => now - amount * 7 * MICROS_PER_DAY,
            RetentionUnit::Month => months_before(now, amount),
            RetentionUnit::Year => months_before(now, amount * 12),
        }
    }
}

impl FromStr for Retention {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let wrong = || {
            let message = format!("invalid value for option \"retention\": \"{text}\"");
            Error::new(SqlState::INVALID_PARAMETER_VALUE, message).hint(
                "write a number and a unit, such as '2 years', '90 days', '12 hours', or 'none'",
            )
        };
        let lower = text.trim().to_lowercase();
        let (amount, unit) = lower.split_once(char::is_whitespace).ok_or_else(wrong)?;
        let unit = unit.trim();
        let unit = RetentionUnit::ALL
            .iter()
            .find(|(name, ..)| unit == *name || unit.strip_suffix('s') == Some(name))
            .map(|(_, unit, _)| *unit)
            .ok_or_else(wrong)?;
        let amount = amount.parse().ok().filter(|it| (1..=unit.amount_max()).contains(it));
        Ok(Self { amount: amount.ok_or_else(wrong)?, unit })
    }
}

impl fmt::Display for Retention {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let plural = if self.amount == 1 { "" } else { "s" };
        write!(f, "{} {}{plural}", self.amount, self.unit.name())
    }
}

/// The same time of day so many months before; of a month that is shorter, its last day.
fn months_before(now: i64, months: i64) -> i64 {
    let (days, time) = (now.div_euclid(MICROS_PER_DAY), now.rem_euclid(MICROS_PER_DAY));
    let (year, month, day) = date_of(days);
    let count = year * 12 + (month - 1) - months;
    let (year, month) = (count.div_euclid(12), count.rem_euclid(12) + 1);
    let next = if month == 12 { (year + 1, 1) } else { (year, month + 1) };
    let length = days_of(next.0, next.1, 1) - days_of(year, month, 1);
    days_of(year, month, day.min(length)) * MICROS_PER_DAY + time
}

/// Days since 1970-01-01 of a date of the Gregorian calendar. Years begin in March here, so that the day
/// that is there in some years only is the last.
fn days_of(year: i64, month: i64, day: i64) -> i64 {
    let year = if month <= 2 { year - 1 } else { year };
    let (era, of_era) = (year.div_euclid(400), year.rem_euclid(400));
    let of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    era * 146_097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year - 719_468
}

/// The date of a day: year, month, day of the month.
fn date_of(days: i64) -> (i64, i64, i64) {
    let days = days + 719_468;
    let (era, of_era) = (days.div_euclid(146_097), days.rem_euclid(146_097));
    let year = (of_era - of_era / 1_460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year + year / 4 - year / 100);
    let shifted = (5 * of_year + 2) / 153;
    let (day, month) = (of_year - (153 * shifted + 2) / 5 + 1, (shifted + 2) % 12 + 1);
    (era * 400 + year + i64::from(month <= 2), month, day)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_and_days_are_each_other() {
        for (date, days) in [
            ((1970, 1, 1), 0),
            ((2000, 2, 29), 11_016),
            ((1969, 12, 31), -1),
            ((2026, 3, 1), 20_513),
        ] {
            assert_eq!((days_of(date.0, date.1, date.2), date_of(days)), (days, date));
        }
        assert!((-200_000..200_000).all(|days| {
            let (year, month, day) = date_of(days);
            days_of(year, month, day) == days
        }));
    }

    /// From a date to the one that long before, or why not.
    fn check(text: &str, from: (i64, i64, i64), expected: &str) {
        let noon = days_of(from.0, from.1, from.2) * MICROS_PER_DAY + MICROS_PER_DAY / 2;
        let found = match text.parse::<Retention>() {
            Ok(retention) => {
                assert_eq!(retention.to_string().parse::<Retention>(), Ok(retention));
                let (year, month, day) = date_of(retention.cutoff(noon).div_euclid(MICROS_PER_DAY));
                format!("{retention}: {year}-{month}-{day}")
            }
            Err(error) => error.code().0.to_owned(),
        };
        assert_eq!(found, expected, "{text}");
    }

    #[test]
    fn retention_counts_by_the_calendar() {
        check("2 years", (2026, 11, 24), "2 years: 2024-11-24");
        check(" 1  Year ", (2024, 2, 29), "1 year: 2023-2-28");
        check("1 month", (2026, 3, 31), "1 month: 2026-2-28");
        check("14 months", (2026, 1, 15), "14 months: 2024-11-15");
        check("90 days", (2026, 3, 1), "90 days: 2025-12-1");
        check("2 weeks", (2026, 3, 1), "2 weeks: 2026-2-15");
        check("36 hours", (2026, 3, 2), "36 hours: 2026-3-1");
        check("1000 years", (2026, 3, 2), "1000 years: 1026-3-2");
        for wrong in
            ["", "years", "2", "0 days", "-1 days", "2 fortnights", "1001 years", "1.5 days"]
        {
            check(wrong, (2026, 1, 1), "22023");
        }
    }
}
