//! `crm`: the customer database, kept by hand, the most trusted and never quite up to date.

use crate::demo::calendar::{Micros, before_arrival, record_clock};
use crate::demo::cell::{Cell, Row, row};
use crate::demo::mess;
use crate::demo::person::{Person, RESELLER_EMAIL};
use crate::demo::random::Dice;
use crate::demo::story;
use crate::demo::table::{FileFormat, Place, Table};
use crate::model::column::ColumnType::{self, Boolean, Date, Numeric, Text, TimestampTz};

pub(crate) static TABLE: Table = Table {
    name: "crm",
    doc: "customers as the sales department keeps them",
    format: FileFormat::Csv,
    rows_per_thousand: 1050,
    columns,
    story: story::crm,
    row,
    spoiled: &[
        ("birth_date", "1990-02-30"),
        ("lifetime_value", "12.50 EUR"),
        ("email_consent", "perhaps"),
    ],
};

fn columns() -> Vec<(&'static str, ColumnType)> {
    vec![
        ("crm_id", Text),
        ("email", Text),
        ("phone", Text),
        ("email_sha256", Text),
        ("fname", Text),
        ("lname", Text),
        ("street", Text),
        ("city", Text),
        ("postcode", Text),
        ("country", Text),
        ("birth_date", Date),
        ("lifetime_value", Numeric { precision: 12, scale: 2 }),
        ("email_consent", Boolean),
        ("sms_consent", Boolean),
        ("language", Text),
        ("updated_at", TimestampTz),
    ]
}

fn row(place: &Place) -> Row {
    // A row that comes again takes the place of one that never comes; those of hub and chains all do.
    let certain = place.company.customer(place.row).is_in_hub_or_chain();
    let place = if certain { *place } else { place.delivered(5, 90) };
    let dice = place.dice();
    let person = place.company.customer(place.row);
    let at = before_arrival(place.arrival(), dice);
    let home = person.home(at);
    let missing = |what: &str, per_mille| dice.of("missing").of(what).per_mille(per_mille);
    row![
        person.crm_id(),
        email(&person, at, dice),
        phone(&person, dice),
        dice.unless_missing("digest", 400, || mess::email_digest(&person.email(at), dice)),
        dice.unless_missing("first name", 30, || person.first_name().0),
        dice.unless_missing("last name", 30, || person.last_name(at).0),
        (!missing("address", 100)).then_some(home.street),
        (!missing("address", 80)).then_some(home.city),
        (!missing("address", 150)).then_some(home.postcode),
        dice.unless_missing("country", 50, || home.country),
        dice.unless_missing("birth date", 300, || Cell::Date(person.birth_date())),
        dice.unless_missing("value", 200, || {
            Cell::Hundredths(dice.of("value").skewed(2_000_000) as i64)
        }),
        dice.unless_missing("consent", 100, || person.dice.of("consent").per_mille(600)),
        dice.unless_missing("sms", 150, || dice.of("sms").per_mille(300)),
        dice.unless_missing("language", 400, || person.language()),
        dice.unless_missing("updated", 5, || Cell::Time(record_clock(at, dice))),
    ]
}

/// In a chain it is always known, so that the chain holds.
fn email(person: &Person, at: Micros, dice: Dice) -> Option<String> {
    if person.is_reseller_customer() {
        Some(RESELLER_EMAIL.to_owned())
    } else if person.is_chained() {
        Some(person.email(at))
    } else {
        dice.unless_missing("email", 80, || mess::email(person, at, dice))
    }
}

/// In a chain it is always known, so that the chain holds.
fn phone(person: &Person, dice: Dice) -> Option<String> {
    if person.is_chained() {
        Some(person.phone())
    } else {
        dice.unless_missing("phone", 250, || mess::phone(person, dice))
    }
}
