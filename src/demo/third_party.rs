//! `third_party`: what a data broker claims to know, under digests of e-mail addresses.

use crate::demo::calendar::{before_arrival, record_clock};
use crate::demo::cell::{Cell, Row, row};
use crate::demo::mess;
use crate::demo::random::Dice;
use crate::demo::shop::{INCOME_BANDS, SEGMENTS};
use crate::demo::story;
use crate::demo::table::{FileFormat, Place, Table};
use crate::model::column::ColumnType::{self, Array, Double, Text, TimestampTz};

/// Share of people whom the broker knows, in thousandths.
const KNOWN_PER_MILLE: u64 = 350;

/// The most segments of one row.
const SEGMENTS_MAX: u64 = 6;

pub(crate) static TABLE: Table = Table {
    name: "third_party",
    doc: "segments bought from a data broker",
    format: FileFormat::Parquet,
    rows_per_thousand: 400,
    columns,
    story: story::third_party,
    row,
    spoiled: &[],
};

fn columns() -> Vec<(&'static str, ColumnType)> {
    vec![
        ("email_sha256", Text),
        ("phone", Text),
        ("segments", Array(Box::new(Text))),
        ("income_band", Text),
        ("interest_score", Double),
        ("updated_at", TimestampTz),
    ]
}

fn row(place: &Place) -> Row {
    let place = place.delivered(5, 90);
    let dice = place.dice();
    let person = place.company.member("broker", place.row, KNOWN_PER_MILLE);
    let at = before_arrival(place.arrival(), dice);
    row![
        dice.unless_missing("digest", 150, || mess::email_digest(&person.email(at), dice)),
        dice.unless_missing("phone", 500, || mess::phone(&person, dice)),
        dice.unless_missing("segments", 50, || Cell::Texts(segments(dice.of("segments")))),
        dice.unless_missing("income", 200, || person.dice.of("income").choose(INCOME_BANDS)),
        // Eighths are exact in binary, so that adding them up in any order gives the same.
        Cell::Double(dice.of("interest").below(9) as f64 / 8.0),
        dice.unless_missing("updated", 5, || Cell::Time(record_clock(at, dice))),
    ]
}

/// None to six, each at most once.
fn segments(dice: Dice) -> Vec<String> {
    let mut segments = Vec::new();
    for at in 0..dice.of("how many").below(SEGMENTS_MAX + 1) {
        let segment = SEGMENTS[dice.at(at).skewed(SEGMENTS.len() as u64) as usize];
        if !segments.iter().any(|known| known == segment) {
            segments.push(segment.to_owned());
        }
    }
    segments
}
