//! `loyalty`: the club, whose members write their own names and forget to tell that they have moved.

use crate::demo::calendar::{DAY, YEAR_START, before_arrival, record_clock};
use crate::demo::cell::{Cell, Row, row};
use crate::demo::mess;
use crate::demo::shop::TIERS;
use crate::demo::story;
use crate::demo::table::{FileFormat, Place, Table};
use crate::model::column::ColumnType::{self, Boolean, Date, Integer, Text, TimestampTz};

/// Share of people with a card, in thousandths.
pub(crate) const MEMBERS_PER_MILLE: u64 = 450;

pub(crate) static TABLE: Table = Table {
    name: "loyalty",
    doc: "members of the loyalty club and their points",
    format: FileFormat::Parquet,
    rows_per_thousand: 500,
    columns,
    story: story::loyalty,
    row,
    spoiled: &[],
};

fn columns() -> Vec<(&'static str, ColumnType)> {
    vec![
        ("member_no", Text),
        ("mail", Text),
        ("given_name", Text),
        ("family_name", Text),
        ("street", Text),
        ("city", Text),
        ("postcode", Text),
        ("country", Text),
        ("tier", Text),
        ("points", Integer),
        ("email_consent", Boolean),
        ("joined_on", Date),
        ("updated_at", TimestampTz),
    ]
}

fn row(place: &Place) -> Row {
    let place = place.delivered(5, 90);
    let dice = place.dice();
    let person = place.company.member("loyalty", place.row, MEMBERS_PER_MILLE);
    let at = before_arrival(place.arrival(), dice);
    // Two in five have never told the club a change since they joined.
    let stale = dice.of("stale").per_mille(400);
    let home = person.home(if stale { YEAR_START - 1 } else { at });
    let no_address = dice.of("no address").per_mille(600);
    let points = dice.of("points").skewed(100_000);
    row![
        person.loyalty_id(),
        dice.unless_missing("email", 100, || mess::email(&person, at, dice)),
        dice.unless_missing("first name", 200, || mess::name(person.first_name(), dice)),
        dice.unless_missing("last name", 200, || mess::name(person.last_name(at), dice)),
        (!no_address).then_some(home.street),
        (!no_address).then_some(home.city),
        (!no_address && dice.of("postcode").per_mille(700)).then_some(home.postcode),
        dice.unless_missing("country", 500, || home.country),
        dice.unless_missing("tier", 20, || TIERS[dice.of("tier").skewed(4) as usize]),
        dice.unless_missing("points", 50, || Cell::Integer(points as i32)),
        dice.unless_missing("consent", 500, || dice.of("consent").per_mille(700)),
        Cell::Date((YEAR_START / DAY) as i32 - person.dice.of("joined").below(1500) as i32),
        dice.unless_missing("updated", 5, || Cell::Time(record_clock(at, dice))),
    ]
}
