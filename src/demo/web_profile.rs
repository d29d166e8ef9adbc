//! `web_profile`: what the site remembers of each browser, whoever sits before it.

use crate::demo::calendar::{before_arrival, record_clock};
use crate::demo::cell::{Cell, Row, row};
use crate::demo::mess;
use crate::demo::shop::PRODUCTS;
use crate::demo::story;
use crate::demo::table::{FileFormat, Place, Table};
use crate::model::column::ColumnType::{self, BigInt, Boolean, Text, TimestampTz};

/// Share of people with an account on the site or its newsletter, in thousandths.
const VISITORS_PER_MILLE: u64 = 700;

pub(crate) static TABLE: Table = Table {
    name: "web_profile",
    doc: "browsers as the site remembers them",
    format: FileFormat::Parquet,
    rows_per_thousand: 900,
    columns,
    story: story::web_profile,
    row,
    spoiled: &[],
};

fn columns() -> Vec<(&'static str, ColumnType)> {
    vec![
        ("ecid", Text),
        ("email", Text),
        ("language", Text),
        ("country", Text),
        ("geo_city", Text),
        ("device_type", Text),
        ("last_page", Text),
        ("page_views", BigInt),
        ("push_enabled", Boolean),
        ("updated_at", TimestampTz),
    ]
}

fn row(place: &Place) -> Row {
    let place = place.delivered(5, 90);
    let dice = place.dice();
    let person = place.company.member("web", place.row, VISITORS_PER_MILLE);
    let at = before_arrival(place.arrival(), dice);
    let cookie = dice.of("cookie").below(person.cookie_count());
    // The browser's place, not the person's: one in four is travelling, or hides behind a proxy.
    let travelling = dice.of("travelling").per_mille(250);
    let elsewhere = place.company.person(dice.of("elsewhere").below(place.company.people));
    let home = if travelling { elsewhere.home(at) } else { person.home(at) };
    let device_types = ["desktop", "mobile", "tablet"];
    let (product, _) = dice.of("page").choose(PRODUCTS);
    row![
        person.cookie(cookie),
        dice.unless_missing("email", 550, || mess::email(&person, at, dice)),
        dice.unless_missing("language", 100, || person.language()),
        dice.unless_missing("country", 50, || home.country),
        dice.unless_missing("city", 300, || home.city),
        person.dice.of("device type").at(cookie).choose(&device_types),
        format!("/products/{}", product.replace(' ', "-")),
        Cell::BigInt(1 + dice.of("page views").skewed(5_000) as i64),
        dice.unless_missing("push", 400, || dice.of("push").per_mille(200)),
        dice.unless_missing("updated", 5, || Cell::Time(record_clock(at, dice))),
    ]
}
