//! What the sample promises: the same bytes however it is cut, and every trouble at its rate.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use arrow::compute::concat_batches;
use proptest::prelude::*;

use crate::demo::cell::{Cell, Row};
use crate::demo::table::Table;
use crate::demo::{ALL, Company, DDL, TOUR, calendar, mess, person, table};
use crate::model::namespace::{Kind, Namespace, Normalization};

const COMPANY: Company = Company { people: 3_000, seed: 7 };

fn rows(company: Company, name: &str) -> Vec<Row> {
    let table = table(name).expect("the table exists");
    table.rows(company, 0..company.row_count(table)).collect()
}

/// The texts of one column, null as `None`.
fn column(name: &str, column: &str) -> Vec<Option<String>> {
    let at = place(table(name).expect("the table exists"), column);
    rows(COMPANY, name).iter().map(|row| row[at].text()).collect()
}

fn place(table: &Table, column: &str) -> usize {
    let columns = (table.columns)();
    columns.iter().position(|(name, _)| *name == column).expect("the column exists")
}

fn text(company: Company, table: &Table, cuts: &[u64]) -> (String, String) {
    let (mut csv, mut ndjson) = (Vec::new(), Vec::new());
    for cut in cuts.windows(2) {
        company.write_csv(table, cut[0]..cut[1], &mut csv).unwrap();
        company.write_ndjson(table, cut[0]..cut[1], &mut ndjson).unwrap();
    }
    (String::from_utf8(csv).unwrap(), String::from_utf8(ndjson).unwrap())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]
    #[test]
    fn cutting_changes_nothing(people in 1_u64..400, seed: u64, cut: [prop::sample::Index; 2]) {
        let company = Company { people, seed };
        for table in ALL {
            let count = company.row_count(table);
            let mut cuts = cut.map(|cut| cut.index(count as usize + 1) as u64);
            cuts.sort_unstable();
            let [low, high] = cuts;
            let parts = [0..low, low..high, high..count].map(|rows| company.batch(table, rows));
            let whole = company.batch(table, 0..count);
            prop_assert_eq!(&whole, &concat_batches(&table.schema(), &parts).unwrap());
            prop_assert_eq!(whole.num_rows() as u64, count);
            let cut = text(company, table, &[0, low, high, count]);
            prop_assert!(cut == text(company, table, &[0, count]), "text of {}", table.name);
        }
    }
}

#[test]
fn a_seed_is_a_company() {
    let other = Company { seed: 8, ..COMPANY };
    for table in ALL {
        let story = (table.story)().len() as u64;
        let at = story..story + 50;
        assert_ne!(COMPANY.batch(table, at.clone()), other.batch(table, at), "{}", table.name);
        assert_eq!(COMPANY.batch(table, 0..story), other.batch(table, 0..story), "{}", table.name);
    }
}

#[test]
fn the_sample_stays_the_same_from_version_to_version() {
    let line = |name: &str| {
        let row = rows(Company::default(), name).swap_remove(20);
        let texts: Vec<_> = row.iter().map(|cell| cell.text().unwrap_or_default()).collect();
        texts.join("|")
    };
    let lines: Vec<_> = ALL.iter().map(|table| line(table.name)).collect();
    assert_eq!(lines.join("\n"), include_str!("golden.txt").trim_end());
}

#[test]
fn columns_are_those_of_the_definitions() {
    for table in ALL {
        let (_, rest) = DDL.split_once(&format!("DATASET {} (\n", table.name)).unwrap();
        let (body, _) = rest.split_once("\n);").unwrap();
        let declared: Vec<_> = body.lines().map(|line| line.trim().trim_end_matches(',')).collect();
        let columns = (table.columns)();
        assert_eq!(declared.len(), columns.len(), "{}", table.name);
        for (line, (name, ty)) in declared.iter().zip(&columns) {
            let words: Vec<_> = line.split_whitespace().collect();
            let line = words.join(" ");
            let expected = format!("{name} {ty}");
            assert!(line == expected || line.starts_with(&format!("{expected} ")), "{line}");
        }
        let types = columns.iter().map(|(_, ty)| ty.to_arrow());
        let batch = COMPANY.batch(table, 0..9);
        assert!(batch.schema().fields().iter().map(|field| field.data_type().clone()).eq(types));
        assert!(DDL.to_lowercase().contains(table.doc), "{} is not explained", table.name);
    }
}

#[test]
fn rows_come_in_the_numbers_of_the_yardstick() {
    let company = Company { people: 100_000, seed: 1 };
    let counts = ALL.iter().map(|table| {
        let story = (table.story)().len() as u64;
        (table.name, company.row_count(table) - story)
    });
    let expected = [
        ("crm", 105_000),
        ("loyalty", 50_000),
        ("web_profile", 90_000),
        ("third_party", 40_000),
        ("web_events", 600_000),
        ("purchases", 115_000),
    ];
    assert!(counts.eq(expected));
    for table in ALL {
        let smallest = Company { people: 1, seed: 0 };
        let count = smallest.row_count(table);
        assert_eq!(smallest.batch(table, 0..count).num_rows() as u64, count);
    }
}

#[test]
fn rows_past_the_end_are_refused() {
    let past = || COMPANY.batch(ALL[0], 0..COMPANY.row_count(ALL[0]) + 1);
    let panic = std::panic::catch_unwind(past).unwrap_err();
    let message = panic.downcast_ref::<String>().unwrap();
    assert_eq!(message, "table \"crm\" has 3152 rows only");
}

fn check_share(what: &str, column: &[Option<String>], test: impl Fn(&str) -> bool, expected: f64) {
    let known: Vec<_> = column.iter().flatten().collect();
    let share = known.iter().filter(|text| test(text)).count() as f64 / known.len() as f64;
    let room = (expected * 0.4).max(0.004);
    assert!((share - expected).abs() <= room, "{what}: {share:.4} instead of {expected}");
}

fn check_nulls(name: &str, of: &str, expected: f64) {
    let marked = column(name, of);
    let marked: Vec<_> = marked.iter().map(|text| Some(text.is_none().to_string())).collect();
    check_share(&format!("nulls of {name}.{of}"), &marked, |text| text == "true", expected);
}

#[test]
fn troubles_come_at_their_rates() {
    let emails = [column("crm", "email"), column("loyalty", "mail"), column("purchases", "email")];
    let emails = emails.concat();
    let written = |text: &str| mess::NO_EMAILS.contains(&text);
    check_share("no e-mail addresses", &emails, written, 0.01);
    check_share("capitals", &emails, |text| text.chars().any(char::is_uppercase), 0.065);
    check_share("blanks", &emails, |text| text != text.trim(), 0.03);
    check_share("guests", &emails, |text| text.starts_with("guest-"), 0.05 * 0.42);
    let phones = column("crm", "phone");
    check_share("no phones", &phones, |text| mess::NO_PHONES.contains(&text), 0.02);
    let digests = column("third_party", "email_sha256");
    check_share("digests in capitals", &digests, |text| text.contains(char::is_uppercase), 0.05);
    let updated = column("crm", "updated_at");
    check_share("days only", &updated, |text| text.ends_with("T00:00:00Z"), 0.3);
    let clicked = column("web_events", "clicked_at");
    check_share("whole seconds", &clicked, |text| !text.contains('.'), 0.5);
    check_nulls("crm", "updated_at", 0.005);
    check_nulls("crm", "phone", 0.25);
    check_nulls("web_profile", "email", 0.55);
    check_nulls("web_events", "device_id", 0.81);
}

#[test]
fn some_rows_are_delivered_again() {
    let company = Company { people: 12_000, seed: 7 };
    for (name, except_last, expected) in
        [("crm", 0, 0.005), ("web_profile", 0, 0.005), ("purchases", 1, 0.01)]
    {
        let rows = rows(company, name);
        // A redelivery is the same but for the time of receipt, which is the last column of events.
        let content = |row: &Row| format!("{:?}", &row[..row.len() - except_last]);
        let distinct: BTreeSet<_> = rows.iter().map(content).collect();
        let share = 1.0 - distinct.len() as f64 / rows.len() as f64;
        assert!((expected * 0.6..expected * 1.4).contains(&share), "{name}: {share}");
    }
    let ids = rows(company, "purchases").into_iter().map(|row| format!("{:?}", row[0]));
    let ids: Vec<_> = ids.collect();
    let distinct = ids.iter().collect::<BTreeSet<_>>().len();
    assert!((100..200).contains(&(ids.len() - distinct)), "{distinct} of {}", ids.len());
}

#[test]
fn times_lie_in_the_year_and_some_are_late() {
    let earliest = calendar::YEAR_START - (calendar::LATE_DAYS_MAX as i64 + 1) * calendar::DAY;
    for (name, of) in
        [("crm", "updated_at"), ("web_events", "clicked_at"), ("purchases", "ordered_at")]
    {
        let at = place(table(name).unwrap(), of);
        for row in rows(COMPANY, name) {
            match row[at] {
                Cell::Time(time) => {
                    assert!((earliest..calendar::YEAR_END).contains(&time), "{row:?}")
                }
                ref other => assert_eq!(*other, Cell::Null),
            }
        }
    }
    let story = (table("web_events").unwrap().story)().len();
    let events = rows(COMPANY, "web_events").split_off(story);
    let late = |row: &Row| match row[row.len() - 2..] {
        [Cell::Time(clicked), Cell::Time(received)] => received - clicked,
        _ => panic!("an event without its times: {row:?}"),
    };
    let share = |range: std::ops::Range<i64>| {
        events.iter().filter(|row| range.contains(&late(row))).count() as f64 / events.len() as f64
    };
    let (days, hours) = (share(calendar::DAY..i64::MAX), share(calendar::HOUR..calendar::DAY));
    // Redelivered events come up to 5,000 rows later, which is more than a day in a small company.
    assert!((0.02..0.05).contains(&days) && (0.10..0.14).contains(&hours), "{days} {hours}");
}

#[test]
fn names_come_in_many_scripts() {
    let names: String = column("crm", "fname").into_iter().flatten().collect();
    for (script, range) in [
        ("Latin with accents", 'À'..='ſ'),
        ("Greek", 'Α'..='ω'),
        ("Cyrillic", 'А'..='я'),
        ("Hebrew", 'א'..='ת'),
        ("Arabic", 'ء'..='ي'),
        ("Devanagari", 'अ'..='ह'),
        ("Hiragana", 'ぁ'..='ん'),
        ("Katakana", 'ァ'..='ン'),
        ("Han", '一'..='龥'),
        ("Hangul", '가'..='힣'),
        ("Vietnamese", 'Ạ'..='ỹ'),
        ("combining accents", '\u{300}'..='\u{36f}'),
        ("emoji", '\u{1f300}'..='\u{1faff}'),
    ] {
        assert!(names.chars().any(|character| range.contains(&character)), "no {script}");
    }
}

#[test]
fn identities_are_nobody_elses() {
    let people = 20_000;
    let company = Company { people, seed: 3 };
    let free: Vec<_> = (company.chained().end..people).map(|at| company.person(at)).collect();
    let distinct = |of: &dyn Fn(&person::Person) -> String| {
        free.iter().map(of).collect::<BTreeSet<_>>().len() as f64 / free.len() as f64
    };
    for (what, share, expected) in [
        ("customer numbers", distinct(&|person| person.crm_id()), 1.0),
        ("cards", distinct(&|person| person.loyalty_id()), 1.0),
        ("addresses", distinct(&|person| person.email(calendar::YEAR_END)), 1.0),
        ("second cookies", distinct(&|person| person.cookie(1)), 1.0),
        ("first cookies", distinct(&|person| person.cookie(0)), 0.985),
        ("phones", distinct(&|person| person.phone()), 0.99),
    ] {
        let room = if expected < 1.0 { 0.004 } else { 0.0 };
        assert!((share - expected).abs() <= room, "{what}: {share}");
    }
    let moved = |person: &&person::Person| {
        person.email(calendar::YEAR_START - 1) != person.email(calendar::YEAR_END)
    };
    let share = free.iter().filter(moved).count() as f64 / free.len() as f64;
    assert!((0.07..0.09).contains(&share), "{share} change their e-mail address");
}

#[test]
fn sources_disagree() {
    let mut told: BTreeMap<&str, (u32, u32)> = BTreeMap::new();
    let by_email = |name: &str, email: &str, of: &str| -> HashMap<String, String> {
        let pairs = column(name, email).into_iter().zip(column(name, of));
        pairs.filter_map(|(email, value)| Some((email?.trim().to_lowercase(), value?))).collect()
    };
    for (what, crm, loyalty) in [
        ("first names", "fname", "given_name"),
        ("cities", "city", "city"),
        ("consents", "email_consent", "email_consent"),
    ] {
        let ours = by_email("crm", "email", crm);
        for (email, theirs) in by_email("loyalty", "mail", loyalty) {
            if let Some(ours) = ours.get(&email) {
                let (same, other) = told.entry(what).or_default();
                *(if *ours == theirs { same } else { other }) += 1;
            }
        }
    }
    for (what, (same, other)) in told {
        assert!(same > 20 && other > 10, "{what}: {same} agree, {other} do not");
    }
}

/// Groups of usable identities that rows name together, by the namespaces of the definitions.
struct Groups {
    parents: Vec<usize>,
    numbers: HashMap<String, usize>,
}

impl Groups {
    fn number(&mut self, identity: String) -> usize {
        let next = self.parents.len();
        let number = *self.numbers.entry(identity).or_insert(next);
        if number == next {
            self.parents.push(next);
        }
        number
    }

    fn root(&self, mut at: usize) -> usize {
        while self.parents[at] != at {
            at = self.parents[at];
        }
        at
    }

    fn of(company: Company) -> Self {
        let mut groups = Self { parents: Vec::new(), numbers: HashMap::new() };
        for table in ALL {
            let spaces = namespaces(table);
            for row in rows(company, table.name) {
                let texts = row.iter().map(Cell::text);
                let ids = spaces.iter().zip(texts).filter_map(|(space, text)| {
                    let space = space.as_ref()?;
                    let value = text?;
                    Some(format!("{}:{}", space.name, space.identity(&value)?))
                });
                let ids: Vec<_> = ids.collect();
                let roots: Vec<_> = ids.into_iter().map(|id| groups.number(id)).collect();
                for pair in roots.windows(2) {
                    let (left, right) = (groups.root(pair[0]), groups.root(pair[1]));
                    groups.parents[left.max(right)] = left.min(right);
                }
            }
        }
        groups
    }

    fn members(&self, identity: &str) -> Vec<&str> {
        let root = self.root(self.numbers[identity]);
        let same = |(_, number): &(&String, &usize)| self.root(**number) == root;
        self.numbers.iter().filter(same).map(|(identity, _)| identity.as_str()).collect()
    }
}

/// The namespace of each column of a table, read from the definitions.
fn namespaces(table: &Table) -> Vec<Option<Namespace>> {
    let (_, body) = DDL.split_once(&format!("DATASET {} (\n", table.name)).unwrap();
    let lines = body.lines().take((table.columns)().len());
    let name = |line: &str| {
        let (_, rest) = line.split_once(" IDENTITY ")?;
        rest.split([' ', ',']).next().map(str::to_owned)
    };
    lines.map(|line| name(line).map(|name| namespace(&name))).collect()
}

fn namespace(name: &str) -> Namespace {
    let (_, definition) = DDL.split_once(&format!("CREATE NAMESPACE {name} ")).unwrap();
    let definition = definition.split(';').next().unwrap();
    let after = |word: &str| definition.split_once(word).map(|(_, rest)| rest.trim());
    let normalization = after("NORMALIZE ").map(|rest| rest.split_whitespace().next().unwrap());
    let known = |word: &str| Normalization::ALL.iter().find(|(name, _)| *name == word).unwrap().1;
    let blocked = after("BLOCK (").map_or("", |rest| rest.trim_end_matches(')'));
    Namespace {
        id: 0,
        name: name.to_owned(),
        kind: Kind::Person,
        rank: 1,
        unique: false,
        normalization: normalization.map_or(Normalization::Trim, known),
        blocked: blocked.split(", ").map(|text| text.trim_matches('\'').to_owned()).collect(),
    }
}

#[test]
fn people_stay_apart_but_for_the_hub_and_the_chains() {
    for (people, seed) in [(3_000, 7), (2_000, 1), (1_000, 2)] {
        check_groups(Company { people, seed });
    }
}

fn check_groups(company: Company) {
    let groups = Groups::of(company);
    let mut sizes: HashMap<usize, usize> = HashMap::new();
    for &number in groups.numbers.values() {
        *sizes.entry(groups.root(number)).or_default() += 1;
    }
    let customers = |identity: &str| {
        groups.members(identity).iter().filter(|id| id.starts_with("crm_id:C")).count() as u64
    };
    let hub = format!("email:{}", person::RESELLER_EMAIL);
    assert_eq!(customers(&hub), company.reseller_customers());
    for chain in company.chained().step_by(person::CHAIN_PEOPLE as usize) {
        let customers = customers(&format!("crm_id:{}", company.person(chain).crm_id()));
        assert!(customers >= person::CHAIN_PEOPLE, "a chain of {customers}");
    }
    let special = (0..company.chained().end).filter_map(|at| {
        let identity = format!("crm_id:{}", company.person(at).crm_id());
        groups.numbers.get(&identity).map(|&number| groups.root(number))
    });
    let special: BTreeSet<_> = special.collect();
    let ordinary = sizes.iter().filter(|(root, _)| !special.contains(root));
    let largest = ordinary.map(|(_, size)| *size).max().unwrap_or_default();
    assert!((8..40).contains(&largest), "the largest ordinary group has {largest} identities");
    let alone = sizes.values().filter(|size| **size == 1).count();
    assert!(alone > company.people as usize / 3, "{alone} anonymous cookies and guests");
}

#[test]
fn the_story_is_one_person() {
    let groups = Groups::of(Company { people: 500, seed: 2 });
    let mut members = groups.members("email:maria@garcia.example");
    members.sort_unstable();
    let kinds: Vec<_> =
        members.iter().filter_map(|id| id.split_once(':')).map(|(kind, _)| kind).collect();
    assert_eq!(
        kinds,
        [
            "crm_id",
            "device_id",
            "ecid",
            "ecid",
            "email",
            "email",
            "email_sha256",
            "email_sha256",
            "loyalty_id",
            "phone",
        ],
        "{members:?}"
    );
    let named = |value: &str| TOUR.contains(&format!("'{value}'"));
    assert!(members.iter().filter(|id| named(id.split_once(':').unwrap().1)).count() == 3);
}

#[test]
fn files_have_rows_to_refuse() {
    for table in ALL {
        let count = COMPANY.row_count(table);
        let (csv, ndjson) = text(COMPANY, table, &[0, count]);
        let spoiled = COMPANY.spoiled_count(table);
        assert_eq!(spoiled as usize, table.spoiled.len(), "{}", table.name);
        assert_eq!(ndjson.lines().count() as u64, count + spoiled, "{}", table.name);
        let reader = csv::Reader::from_reader(csv.as_bytes());
        let records: Vec<_> = reader.into_records().map(|record| record.unwrap()).collect();
        assert_eq!(records.len() as u64, count + spoiled, "{}", table.name);
        for (name, bad) in table.spoiled {
            let at = place(table, name);
            let found = records.iter().position(|record| record[at] == **bad).unwrap();
            let differences = records[found].iter().zip(&records[found + 1]);
            assert_eq!(differences.filter(|(left, right)| left != right).count(), 1, "{name}");
            assert!(ndjson.contains(&format!("\"{name}\":\"{bad}\"")));
        }
    }
}

#[test]
fn text_is_as_loaders_read_it() {
    let table = table("third_party").unwrap();
    let (csv, ndjson) = text(COMPANY, table, &[0, 2]);
    let (header, rest) = csv.split_once('\n').unwrap();
    assert_eq!(header, "email_sha256,phone,segments,income_band,interest_score,updated_at");
    let (line, _) = rest.split_once('\n').unwrap();
    let end = r#",+34600100200,"{""outdoor"",""cyclist""}",40-70k,0.5,2025-03-15T00:00:00Z"#;
    assert!(line.ends_with(end), "{line}");
    let object: serde_json::Value = serde_json::from_str(ndjson.lines().nth(1).unwrap()).unwrap();
    assert_eq!(object["segments"], serde_json::json!(["outdoor", "frequent flyer"]));
    assert_eq!(object.get("income_band"), None);
    let crm = text(COMPANY, ALL[0], &[0, COMPANY.row_count(ALL[0])]).0;
    assert!(crm.contains(",\"\",") && crm.contains(",,"), "empty text is not null");
}
