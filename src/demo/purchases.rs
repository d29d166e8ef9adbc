//! `purchases`: orders from the tills and the web shop, some of them placed by guests.

use crate::demo::calendar::{before_arrival, event_clock};
use crate::demo::cell::{Cell, Row, row};
use crate::demo::loyalty::MEMBERS_PER_MILLE;
use crate::demo::mess;
use crate::demo::person::Person;
use crate::demo::random::Dice;
use crate::demo::shop::{PRODUCTS, STORES, currency};
use crate::demo::story;
use crate::demo::table::{FileFormat, Place, Table};
use crate::model::column::ColumnType::{self, Integer, Numeric, Text, TimestampTz};

pub(crate) static TABLE: Table = Table {
    name: "purchases",
    doc: "orders of shops, site and app",
    format: FileFormat::Parquet,
    rows_per_thousand: 1150,
    columns,
    story: story::purchases,
    row,
    spoiled: &[],
};

fn columns() -> Vec<(&'static str, ColumnType)> {
    vec![
        ("order_no", Text),
        ("email", Text),
        ("crm_id", Text),
        ("loyalty_id", Text),
        ("ecid", Text),
        ("product", Text),
        ("quantity", Integer),
        ("amount", Numeric { precision: 12, scale: 2 }),
        ("currency", Text),
        ("store", Text),
        ("ordered_at", TimestampTz),
        ("received_at", TimestampTz),
    ]
}

fn row(place: &Place) -> Row {
    let order = place.delivered(10, 5_000);
    let dice = order.dice();
    let person = order.company.active_person(dice);
    let at = before_arrival(order.arrival(), dice);
    let (product, price) = PRODUCTS[dice.of("product").skewed(PRODUCTS.len() as u64) as usize];
    let quantity = 1 + dice.of("quantity").skewed(5);
    let [email, crm_id, loyalty_id, ecid] = identities(&person, at, dice);
    row![
        format!("{:016X}{:08X}", dice.of("id").bits(), dice.of("id end").bits() >> 32),
        email,
        crm_id,
        loyalty_id,
        ecid,
        product,
        Cell::Integer(quantity as i32),
        Cell::Hundredths(price * quantity as i64),
        currency(person.home(at).country),
        STORES[dice.of("store").skewed(STORES.len() as u64) as usize],
        Cell::Time(event_clock(at, dice)),
        Cell::Time(place.arrival()),
    ]
}

/// E-mail address, customer number, card and cookie. A guest leaves an address that is used once.
fn identities(person: &Person, at: i64, dice: Dice) -> [Option<String>; 4] {
    if dice.of("guest").per_mille(50) {
        let number = dice.of("guest number").bits();
        return [Some(format!("guest-{number:016x}@guest.example")), None, None, None];
    }
    let shows = |what: &str, per_mille| dice.of(what).per_mille(per_mille);
    let is_member = person.is_member("loyalty", MEMBERS_PER_MILLE);
    let number = dice.of("which cookie").skewed(person.cookie_count());
    [
        dice.unless_missing("email", 30, || mess::email(person, at, dice)),
        (person.is_customer() && shows("crm", 600)).then(|| person.crm_id()),
        (is_member && shows("card", 600)).then(|| person.loyalty_id()),
        shows("cookie", 500).then(|| person.cookie(number)),
    ]
}
