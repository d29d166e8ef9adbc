//! `src/storage/FORMAT.md` against a store: its tables are read, and the bytes decoded by them.

use std::collections::BTreeMap;

use selfsame::env::disk::Disk;
use selfsame::env::memory_disk::MemoryDisk;

use crate::driver::Client;

const PAGE: &str = include_str!("../../src/storage/FORMAT.md");

/// What the page says of one field.
struct Field {
    offset: usize,
    /// `None`: as long as another field says.
    length: Option<usize>,
    meaning: String,
}

/// The table below a heading.
fn table(heading: &str) -> Vec<Field> {
    let begin = PAGE.find(&format!("# {heading}\n")).unwrap_or_else(|| panic!("no {heading}"));
    let lines = PAGE[begin..].lines().skip(1).skip_while(|line| !line.starts_with('|'));
    let rows = lines.take_while(|line| line.starts_with('|')).skip(2);
    rows.map(|row| {
        let cells: Vec<&str> = row.trim_matches('|').split('|').map(str::trim).collect();
        Field {
            offset: cells[0].parse().expect("an offset"),
            length: cells[1].parse().ok(),
            meaning: cells[3].to_owned(),
        }
    })
    .collect()
}

/// The values of the fields of a table, by the first word of their meaning; the tables have no gaps.
fn decode(heading: &str, bytes: &[u8]) -> BTreeMap<String, Vec<u8>> {
    let mut next = 0;
    let mut found = BTreeMap::new();
    for field in table(heading) {
        assert_eq!(field.offset, next, "{heading}: {}", field.meaning);
        let Some(length) = field.length else { break };
        next += length;
        let word = field.meaning.split([' ', ':', ',']).next().expect("a word").to_owned();
        let value = bytes[field.offset..next].to_vec();
        if let Some(text) = field.meaning.split('`').nth(1) {
            assert_eq!(value, text.as_bytes(), "{heading}: {}", field.meaning);
        }
        found.insert(word, value);
    }
    found.insert("end".to_owned(), next.to_le_bytes().to_vec());
    found
}

fn integer(bytes: &[u8]) -> usize {
    bytes.iter().rev().fold(0, |value, byte| value << 8 | usize::from(*byte))
}

fn filled() -> MemoryDisk {
    let disk = MemoryDisk::new();
    let client = Client::open(disk.clone()).expect("an empty store");
    client.run("CREATE NAMESPACE n; CREATE DATASET d (id TEXT IDENTITY n)");
    client.run("INSERT INTO d VALUES ('a'); INSERT INTO d VALUES ('b')");
    client.database.flush().expect("a sound disk");
    client.run("INSERT INTO d VALUES ('c'), ('d'); DELETE FROM d WHERE id = 'a'");
    client.run("CREATE NAMESPACE m");
    disk
}

fn bytes(disk: &MemoryDisk, path: &str) -> Vec<u8> {
    disk.read(path).expect("a file").read_all().expect("a file").to_vec()
}

#[test]
fn the_log_is_as_the_page_says() {
    let disk = filled();
    let log = bytes(&disk, "log/0000000002.log");
    let header = decode("Log file", &log);
    assert_eq!(integer(&header["number"]), 2);
    assert_eq!(log.len(), 4 << 20);
    let mut at = integer(&header["end"]);
    let mut kinds = Vec::new();
    for sequence in 0.. {
        let record = &log[at..];
        if record[..4] == [0; 4] {
            break;
        }
        let fields = decode("Log record", record);
        assert_eq!(integer(&fields["sequence"]), sequence);
        assert_eq!(integer(&fields["group"]), at, "each was synced by itself");
        let body = integer(&fields["end"]);
        let payload = &record[body..body + integer(&fields["length"])];
        assert_eq!(record[body + payload.len()], 0xA5);
        let sums = [crc32c::crc32c(payload) as usize, crc32c::crc32c(&record[..24]) as usize];
        assert_eq!([integer(&record[4..8]), integer(&record[24..28])], sums);
        let head = decode("Payload of a record", payload);
        assert_eq!(integer(&head["version"]), 1);
        let (from, length) = (integer(&head["end"]), integer(&head["length"]));
        let json: serde_json::Value =
            serde_json::from_slice(&payload[from..from + length]).expect("JSON");
        kinds.extend(json.as_object().expect("an object").keys().cloned());
        let mut rest = &payload[from + length..];
        while !rest.is_empty() {
            let (batch, after) = rest[4..].split_at(integer(&rest[..4]));
            let mut reader = arrow::ipc::reader::StreamReader::try_new(batch, None).expect("Arrow");
            assert!(reader.next().is_some_and(|batch| batch.is_ok()));
            rest = after;
        }
        at += body + payload.len() + 1;
    }
    assert_eq!(kinds, ["commit", "delete", "define"]);
    assert!(log[at..].iter().all(|byte| *byte == 0));
}

#[test]
fn manifest_and_derived_state_are_as_the_page_says() {
    let disk = filled();
    let manifest = String::from_utf8(bytes(&disk, "./manifest")).expect("text");
    let (title, json) = manifest.split_once('\n').expect("two lines");
    assert_eq!(title, format!("selfsame manifest 1 {:08x}", crc32c::crc32c(json.as_bytes())));
    let json: serde_json::Value = serde_json::from_str(json).expect("JSON");
    for key in json.as_object().expect("an object").keys() {
        assert!(PAGE.contains(&format!("| `{key}` |")), "the page does not tell of {key}");
    }
    for file in json["segments"].as_array().expect("a list").iter().map(|entry| &entry["file"]) {
        let contents = bytes(&disk, file["path"].as_str().expect("a path"));
        assert_eq!(file["byte_count"], contents.len());
        assert_eq!(file["crc32c"], crc32c::crc32c(&contents));
    }
    let derived = bytes(&disk, "derived/state");
    let header = decode("Derived header", &derived);
    assert_eq!(integer(&header["CRC32C"]), crc32c::crc32c(&derived[..12]) as usize);
    let (mut at, mut tags) = (integer(&header["end"]), Vec::new());
    while at < derived.len() {
        let section = decode("Derived section", &derived[at..]);
        let from = at + integer(&section["end"]);
        let payload = &derived[from..from + integer(&section["length"])];
        let sum = crc32c::crc32c_append(crc32c::crc32c(payload), &section["tag"]);
        let sum = crc32c::crc32c_append(sum, &section["length"]);
        assert_eq!(integer(&section["CRC32C"]), sum as usize);
        tags.push(String::from_utf8_lossy(&section["tag"]).into_owned());
        at = from + payload.len();
    }
    assert_eq!(
        (tags.first().map(String::as_str), tags.last().map(String::as_str)),
        (Some("head"), Some("end!"))
    );
}

#[test]
fn the_versions_of_the_page_are_those_of_the_code() {
    let row =
        |kind: &str| PAGE.lines().find(|line| line.starts_with(&format!("| {kind}"))).expect(kind);
    let versions = [
        ("`manifest`", selfsame::storage::manifest::FORMAT),
        ("`log/*.log`", u32::from(selfsame::storage::log::FORMAT)),
        ("`derived/state`", selfsame::storage::derived::FORMAT),
        ("`backups/*.json`", selfsame::storage::backup::FORMAT),
    ];
    for (kind, version) in versions {
        assert!(row(kind).ends_with(&format!("| {version} |")), "{kind}: {}", row(kind));
    }
}
