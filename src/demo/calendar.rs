//! When things happen in the sample: the year before a fixed day, in the order in which rows arrive.
//!
//! No clock: the year is always the same one, so that the sample is too.

use crate::demo::random::Dice;

/// A time of the sample: microseconds since 1970 in UTC.
pub(crate) type Micros = i64;

/// Microseconds of a second.
pub(crate) const SECOND: Micros = 1_000_000;

/// Microseconds of an hour.
pub(crate) const HOUR: Micros = 3600 * SECOND;

/// Microseconds of a day.
pub(crate) const DAY: Micros = 24 * HOUR;

/// 2026-01-01: the sample's today. Everything in it has happened before.
pub const REFERENCE_DAY: i32 = 20_454;

/// The sample's year begins here, at 2025-01-01.
pub(crate) const YEAR_START: Micros = YEAR_END - 365 * DAY;

/// The sample's year ends here, at the reference day.
pub(crate) const YEAR_END: Micros = REFERENCE_DAY as Micros * DAY;

/// The most days that a row comes late.
pub(crate) const LATE_DAYS_MAX: u64 = 10;

/// When row `row` of `count` arrives: rows come in order, evenly over the year.
pub(crate) fn arrival(row: u64, count: u64) -> Micros {
    let span = (YEAR_END - YEAR_START) as u128;
    let offset = span * u128::from(row) / u128::from(count.max(1));
    YEAR_START + offset.min(span - 1) as Micros
}

/// When something happened that arrived at a time: 3 % come days late, 12 % hours, the rest within a minute.
pub(crate) fn before_arrival(arrived: Micros, dice: Dice) -> Micros {
    let lateness = dice.of("lateness");
    let delay = match dice.of("late").below(1000) {
        0..30 => DAY + lateness.below((LATE_DAYS_MAX - 1) * DAY as u64) as Micros,
        30..150 => HOUR + lateness.below(11 * HOUR as u64) as Micros,
        _ => lateness.below(60 * SECOND as u64) as Micros,
    };
    arrived - delay
}

/// The same time as a source with a coarse clock has it: half the events at whole seconds, so that some tie.
pub(crate) fn event_clock(time: Micros, dice: Dice) -> Micros {
    if dice.of("clock").per_mille(500) { floor(time, SECOND) } else { time }
}

/// The same time as a source of records has it: 30 % know the day only, the rest the second.
pub(crate) fn record_clock(time: Micros, dice: Dice) -> Micros {
    floor(time, if dice.of("clock").per_mille(300) { DAY } else { SECOND })
}

fn floor(time: Micros, unit: Micros) -> Micros {
    time - time.rem_euclid(unit)
}

#[cfg(test)]
mod tests {
    use super::{DAY, YEAR_END, YEAR_START, arrival, before_arrival, event_clock, record_clock};
    use crate::demo::random::Dice;

    #[test]
    fn rows_arrive_in_order_within_the_year() {
        for count in [1, 7, 100_000, u64::MAX] {
            let times: Vec<_> = (0..7).map(|part| arrival(count / 7 * part, count)).collect();
            assert!(times.is_sorted(), "{count}: {times:?}");
            assert_eq!(times[0], YEAR_START);
            assert!(arrival(count - 1, count) < YEAR_END);
        }
    }

    #[test]
    fn some_are_late_and_some_clocks_are_coarse() {
        let share = |test: &dyn Fn(Dice) -> bool| {
            (0..10_000).filter(|&at| test(Dice::new(5).at(at))).count() as f64 / 10_000.0
        };
        let late = |dice| YEAR_END - before_arrival(YEAR_END, dice);
        for (name, measured, expected) in [
            ("days", share(&|dice| late(dice) >= DAY), 0.03),
            ("hours", share(&|dice| (DAY / 24..DAY).contains(&late(dice))), 0.12),
            ("seconds", share(&|dice| event_clock(YEAR_END - 1, dice) < YEAR_END - 1), 0.5),
            ("days only", share(&|dice| record_clock(YEAR_END - 1, dice) % DAY == 0), 0.3),
        ] {
            assert!((measured - expected).abs() < 0.02, "{name}: {measured} for {expected}");
        }
    }
}
