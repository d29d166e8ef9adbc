//! The first rows of each table: María García, the same in every company, whom the tour is about.
//!
//! She orders and moves, and her sources disagree about her name, her address and her consent; the
//! comments say what each row is there to show. Times are when the row was true, in UTC.

use arrow::datatypes::{Date32Type, TimestampMicrosecondType};

use crate::demo::cell::{Cell, Row, row};
use crate::model::namespace::Normalization;

const OLD_EMAIL: &str = "maria.garcia@mail.example";
const NEW_EMAIL: &str = "maria@garcia.example";
const PHONE: &str = "+34600100200";
const CRM_ID: &str = "C-1001";
const CARD: &str = "7000-1001";
const LAPTOP: &str = "5a17e5a17e5a17e5a17e5a17e0000001";
const TABLET: &str = "5a17e5a17e5a17e5a17e5a17e0000002";
const APP: &str = "5A17E000-0000-4000-8000-000000000001";

pub(crate) fn crm() -> Vec<Row> {
    vec![
        // Before she moves; the address has capitals, the telephone blanks.
        row![
            CRM_ID,
            "Maria.Garcia@Mail.example",
            "+34 600 100 200",
            None::<&str>,
            "María",
            "García",
            "Calle Mayor 7",
            "Madrid",
            "28013",
            "ES",
            date("1988-04-12"),
            Cell::Hundredths(125_040),
            true,
            false,
            "es",
            time("2025-02-03 10:15:00"),
        ],
        // After: a new address of both kinds, and the telephone in another notation.
        row![
            CRM_ID,
            NEW_EMAIL,
            "0034 600-100-200",
            None::<&str>,
            "María",
            "García",
            "Carrer de Mallorca 250",
            "Barcelona",
            "08008",
            "ES",
            None::<&str>,
            Cell::Hundredths(181_000),
            None::<bool>,
            true,
            "es",
            time("2025-07-01 09:00:00"),
        ],
    ]
}

pub(crate) fn loyalty() -> Vec<Row> {
    // Newer than the customer database and wrong: no accent, the old address without its postcode.
    // Under `latest` the postcode of Barcelona stays beside the street of Madrid.
    vec![row![
        CARD,
        OLD_EMAIL,
        "Maria",
        "Garcia",
        "Calle Mayor 7",
        "Madrid",
        None::<&str>,
        "ES",
        "gold",
        Cell::Integer(5_400),
        false,
        date("2024-11-30"),
        time("2025-09-10 00:00:00"),
    ]]
}

pub(crate) fn web_profile() -> Vec<Row> {
    vec![
        row![
            LAPTOP,
            OLD_EMAIL,
            "es",
            "ES",
            "Madrid",
            "desktop",
            "/products/hiking-boots",
            Cell::BigInt(310),
            false,
            time("2025-05-20 21:40:00"),
        ],
        // A holiday: the newest country is not where she lives.
        row![
            TABLET,
            NEW_EMAIL,
            "en",
            "FR",
            "Paris",
            "tablet",
            "/products/rain-jacket",
            Cell::BigInt(42),
            true,
            time("2025-11-20 19:05:00"),
        ],
    ]
}

pub(crate) fn third_party() -> Vec<Row> {
    let digest = |email: &str| Normalization::Sha256OfLower.apply(email).into_owned();
    let segments = |names: &[&str]| Cell::Texts(names.iter().map(|&name| name.into()).collect());
    vec![
        row![
            digest(OLD_EMAIL),
            PHONE,
            segments(&["outdoor", "cyclist"]),
            "40-70k",
            Cell::Double(0.5),
            time("2025-03-15 00:00:00"),
        ],
        row![
            digest(NEW_EMAIL),
            PHONE,
            segments(&["outdoor", "frequent flyer"]),
            None::<&str>,
            Cell::Double(0.75),
            time("2025-10-15 00:00:00"),
        ],
    ]
}

pub(crate) fn web_events() -> Vec<Row> {
    let none = None::<&str>;
    let jacket = "rain jacket";
    let event = |id: &str, who: [Option<&str>; 3], what: &str, product: Option<&str>, at: &str| {
        let [ecid, email, device] = who;
        let url = format!("https://shop.example/{what}/");
        row![id, ecid, email, device, what, product, url, none, time(at), time(at)]
    };
    let (laptop, tablet, app) = (Some(LAPTOP), Some(TABLET), Some(APP));
    vec![
        // Two clicks before anybody knew that it was she.
        event("story-1", [laptop, none, none], "page_view", none, "2025-01-28 20:00:00"),
        event("story-2", [laptop, none, none], "product_view", Some(jacket), "2025-01-28 20:01:00"),
        event("story-3", [laptop, Some(OLD_EMAIL), none], "login", none, "2025-02-01 18:30:00"),
        event("story-4", [tablet, none, none], "product_view", Some(jacket), "2025-11-18 08:10:00"),
        event("story-5", [tablet, Some(NEW_EMAIL), app], "login", none, "2025-11-19 08:12:00"),
        // The same again: an event id is accepted once.
        event("story-5", [tablet, Some(NEW_EMAIL), app], "login", none, "2025-11-19 08:12:00"),
    ]
}

pub(crate) fn purchases() -> Vec<Row> {
    let order = |id: &str, who: [Option<&str>; 4], product: &str, hundredths, at: &str| {
        let [email, crm_id, card, ecid] = who;
        let (quantity, amount) = (Cell::Integer(1), Cell::Hundredths(hundredths));
        let (ordered, received) = (time(at), time(at));
        row![
            id, email, crm_id, card, ecid, product, quantity, amount, "EUR", "web", ordered,
            received,
        ]
    };
    vec![
        order(
            "STORY-1",
            [Some(OLD_EMAIL), Some(CRM_ID), None, Some(LAPTOP)],
            "hiking boots",
            16_990,
            "2025-02-01 18:45:00",
        ),
        // The card is known to the customer database through this order alone.
        order(
            "STORY-2",
            [Some(OLD_EMAIL), Some(CRM_ID), Some(CARD), None],
            "rucksack 30 l",
            11_900,
            "2025-06-07 12:00:00",
        ),
        order(
            "STORY-3",
            [Some(NEW_EMAIL), None, None, Some(TABLET)],
            "rain jacket",
            18_900,
            "2025-11-19 08:20:00",
        ),
    ]
}

fn time(text: &str) -> Cell {
    use arrow::compute::kernels::cast_utils::Parser;
    Cell::Time(TimestampMicrosecondType::parse(text).expect("a time of the story is one"))
}

fn date(text: &str) -> Cell {
    use arrow::compute::kernels::cast_utils::Parser;
    Cell::Date(Date32Type::parse(text).expect("a date of the story is one"))
}
