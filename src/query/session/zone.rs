//! The session's time zone: how `SET TimeZone` reads it, and the offset it has at a moment.
//!
//! Names come from the IANA database that Arrow carries. It formats nothing: `wire` writes times,
//! and asks here for the offset.

use std::cell::Cell;
use std::str::FromStr;

use arrow::array::timezone::Tz;
use arrow::datatypes::TimestampMicrosecondType;
use arrow::temporal_conversions::as_datetime_with_timezone;

use crate::error::{Error, Result, SqlState};

/// Seconds for which an offset is taken as constant: zones change theirs at quarters of an hour.
const STEP_SECONDS: i64 = 900;

/// The furthest offset from UTC, as in PostgreSQL: just below 168 hours.
const OFFSET_SECONDS_MAX: i64 = 167 * 3600 + 59 * 60 + 59;

/// A time zone.
#[derive(Clone, Copy, Debug)]
pub enum Zone {
    /// Always the same number of seconds east of UTC.
    Fixed(i32),
    /// A named zone, whose offset changes with the seasons.
    Named(Tz),
}

impl Zone {
    /// UTC.
    pub const UTC: Self = Self::Fixed(0);

    /// Reads a zone as `SET TimeZone` does: a name, or a POSIX offset (which counts *west*).
    ///
    /// # Errors
    /// `22023` if there is no such zone.
    pub fn parse(text: &str) -> Result<Self> {
        let name = text.trim();
        if ["utc", "gmt", "z", "etc/utc", "default", "localtime"]
            .contains(&name.to_ascii_lowercase().as_str())
        {
            return Ok(Self::UTC);
        }
        if let Some(seconds) = posix_offset(name) {
            return Ok(Self::Fixed(seconds));
        }
        let known = !name.starts_with(['+', '-']);
        Tz::from_str(name).ok().filter(|_| known).map(Self::Named).ok_or_else(|| {
            let message = format!("invalid value for parameter \"TimeZone\": \"{text}\"");
            Error::new(SqlState::INVALID_PARAMETER_VALUE, message)
                .hint("use a name such as 'UTC' or 'Europe/Berlin'")
        })
    }

    /// Seconds east of UTC at a moment, given in microseconds since 1970 UTC.
    pub fn offset_seconds(self, micros: i64) -> i32 {
        match self {
            Self::Fixed(seconds) => seconds,
            Self::Named(tz) => as_datetime_with_timezone::<TimestampMicrosecondType>(micros, tz)
                .map_or(0, |time| {
                    let local = time.naive_local().and_utc().timestamp();
                    i32::try_from(local - time.timestamp()).unwrap_or(0)
                }),
        }
    }

    /// Microseconds since 1970 UTC of a local time, given as if it were UTC.
    ///
    /// Of two moments with that local time the earlier counts; a local time that a zone skips is read
    /// with the offset before the gap.
    pub fn to_utc(self, local_micros: i64) -> i64 {
        let back = |seconds: i32| local_micros.saturating_sub(i64::from(seconds) * 1_000_000);
        let day = 86_400_000_000;
        let before = back(self.offset_seconds(local_micros.saturating_sub(day)));
        let after = back(self.offset_seconds(local_micros.saturating_add(day)));
        let fits = |micros: i64| back(self.offset_seconds(micros)) == micros;
        if fits(before) || !fits(after) { before } else { after }
    }
}

/// A zone that remembers its last answer, for a column of times that lie close together.
#[derive(Debug)]
pub struct ZoneCache {
    zone: Zone,
    last: Cell<(i64, i32)>,
}

impl ZoneCache {
    /// A cache for a zone.
    pub fn new(zone: Zone) -> Self {
        Self { zone, last: Cell::new((i64::MIN, 0)) }
    }

    /// Seconds east of UTC at a moment.
    pub fn offset_seconds(&self, micros: i64) -> i32 {
        let step = micros.div_euclid(1_000_000 * STEP_SECONDS);
        let (last, offset) = self.last.get();
        if last == step {
            return offset;
        }
        let offset = self.zone.offset_seconds(micros);
        self.last.set((step, offset));
        offset
    }
}

/// `+02`, `-3:30`, `GMT+1`, `<+02>-2`: seconds *east*, of an offset that POSIX counts west.
fn posix_offset(text: &str) -> Option<i32> {
    let rest = match text.strip_prefix('<') {
        Some(quoted) => quoted.split_once('>')?.1,
        None => text.trim_start_matches(|letter: char| letter.is_ascii_alphabetic()),
    };
    let west = rest.starts_with('+') || rest.starts_with(|digit: char| digit.is_ascii_digit());
    let digits = rest.trim_start_matches(['+', '-']);
    if digits.is_empty() || rest.len() - digits.len() > 1 {
        return None;
    }
    let mut seconds = 0;
    for (part, unit) in digits.splitn(3, ':').zip([3600, 60, 1]) {
        seconds += part.parse::<u32>().ok().map(i64::from)? * unit;
    }
    let seconds = i32::try_from(seconds.min(OFFSET_SECONDS_MAX + 1)).ok()?;
    (i64::from(seconds) <= OFFSET_SECONDS_MAX).then_some(if west { -seconds } else { seconds })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(zone: &str, micros: i64, expected: i32) {
        assert_eq!(Zone::parse(zone).expect(zone).offset_seconds(micros), expected, "{zone}");
    }

    /// 2026-01-15 and 2026-07-15, noon UTC.
    const WINTER: i64 = 1_768_478_400_000_000;
    const SUMMER: i64 = 1_784_116_800_000_000;

    #[test]
    fn zones_have_offsets() {
        check("UTC", WINTER, 0);
        check("Europe/Berlin", WINTER, 3600);
        check("Europe/Berlin", SUMMER, 7200);
        check("+02", WINTER, -7200);
        check("-3:30", WINTER, 12_600);
        check("GMT-01:00", WINTER, 3600);
        check("<+02>-2", WINTER, 7200);
        for wrong in ["Mars/Olympus", "+", "++2", "2:x", "+999"] {
            let error = Zone::parse(wrong).expect_err(wrong);
            assert_eq!(error.code(), SqlState::INVALID_PARAMETER_VALUE, "{wrong}");
        }
    }

    #[test]
    fn local_times_become_utc() {
        let berlin = Zone::parse("Europe/Berlin").expect("a zone");
        assert_eq!(berlin.to_utc(WINTER + 3_600_000_000), WINTER);
        assert_eq!(berlin.to_utc(SUMMER + 7_200_000_000), SUMMER);
        // 2026-10-25 02:30 happens twice: the earlier one, in summer time, is 00:30 UTC.
        let twice = 1_792_895_400_000_000;
        assert_eq!(berlin.to_utc(twice), twice - 7_200_000_000);
        // 2026-03-29 02:30 never happens: the winter offset makes it 01:30 UTC.
        let never = 1_774_751_400_000_000;
        assert_eq!(berlin.to_utc(never), never - 3_600_000_000);
    }

    #[test]
    fn the_cache_agrees_with_the_zone() {
        let zone = Zone::parse("America/New_York").expect("a zone");
        let cache = ZoneCache::new(zone);
        for step in 0..2000 {
            let micros = WINTER + step * 7_919_000_000;
            assert_eq!(cache.offset_seconds(micros), zone.offset_seconds(micros));
        }
    }
}
