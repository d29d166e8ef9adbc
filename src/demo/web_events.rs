//! `web_events`: every click on the site and in the app, delivered at least once, robots' included.

use crate::demo::calendar::{before_arrival, event_clock};
use crate::demo::cell::{Cell, Row, row};
use crate::demo::mess;
use crate::demo::person::{Person, cookie};
use crate::demo::random::Dice;
use crate::demo::shop::{EVENT_TYPES, PRODUCTS};
use crate::demo::story;
use crate::demo::table::{FileFormat, Place, Table};
use crate::model::column::ColumnType::{self, Numeric, Text, TimestampTz};

pub(crate) static TABLE: Table = Table {
    name: "web_events",
    doc: "clicks on the site and in the app",
    format: FileFormat::Ndjson,
    rows_per_thousand: 6000,
    columns,
    story: story::web_events,
    row,
    spoiled: &[("value", "free")],
};

fn columns() -> Vec<(&'static str, ColumnType)> {
    vec![
        ("click_id", Text),
        ("ecid", Text),
        ("email", Text),
        ("device_id", Text),
        ("event_type", Text),
        ("product", Text),
        ("url", Text),
        ("value", Numeric { precision: 10, scale: 2 }),
        ("clicked_at", TimestampTz),
        ("received_at", TimestampTz),
    ]
}

fn row(place: &Place) -> Row {
    let event = place.delivered(10, 5_000);
    let dice = event.dice();
    let person = event.company.active_person(dice);
    let at = before_arrival(event.arrival(), dice);
    let (event_type, needs_product) = event_type(dice.of("type"));
    let (product, price) = PRODUCTS[dice.of("product").skewed(PRODUCTS.len() as u64) as usize];
    let path = if needs_product { product.replace(' ', "-") } else { String::new() };
    let [ecid, email, device_id] = identities(&person, at, dice);
    row![
        format!("{:016x}{:08x}", dice.of("id").bits(), dice.of("id end").bits() >> 32),
        ecid,
        email,
        device_id,
        event_type,
        needs_product.then_some(product),
        format!("https://shop.example/{event_type}/{path}"),
        (event_type == "add_to_cart").then_some(Cell::Hundredths(price)),
        Cell::Time(event_clock(at, dice)),
        Cell::Time(place.arrival()),
    ]
}

/// Cookie, e-mail address and device: what is known of whoever clicked. Robots have a cookie of their own each time.
fn identities(person: &Person, at: i64, dice: Dice) -> [Option<String>; 3] {
    if dice.of("robot").per_mille(50) {
        return [Some(cookie(dice.of("robot"))), None, None];
    }
    let number = dice.of("cookie").skewed(person.cookie_count());
    let cookie = match dice.of("cookie refused").below(1000) {
        0..2 => None,
        2..4 => Some(dice.choose(mess::NO_COOKIES).to_owned()),
        _ => Some(person.cookie(number)),
    };
    let has_account = person.dice.of("account").per_mille(600);
    let logged_in = has_account && dice.of("login").per_mille(150);
    let in_app = dice.of("app").per_mille(200);
    let device = u64::from(dice.of("second device").per_mille(200));
    [
        cookie,
        logged_in.then(|| mess::email(person, at, dice)),
        in_app.then(|| person.device_id(device)),
    ]
}

/// What was done, and whether it was done to a product.
fn event_type(dice: Dice) -> (&'static str, bool) {
    let total = EVENT_TYPES.iter().map(|(_, weight)| weight).sum();
    let mut left = dice.below(total);
    let chosen = EVENT_TYPES.iter().find(|(_, weight)| {
        let found = left < *weight;
        left = left.saturating_sub(*weight);
        found
    });
    let name = chosen.map_or("page_view", |(name, _)| *name);
    (name, matches!(name, "product_view" | "add_to_cart" | "remove_from_cart"))
}
