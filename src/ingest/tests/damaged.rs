//! Damaged input: what is refused row by row, with which words, and what ends the load.

use std::io::{Cursor, Read, Write};

use super::{check, describe, outcome, read, stream};
use crate::error::{Error, SqlState};
use crate::ingest::Input;

/// Types, a row of CSV in them, and what comes of it.
const VALUES: &[(&str, &str, &str)] = &[
    ("int2", "32768", "22003 value \"32768\" is out of range for type smallint"),
    ("int4", "12.5", "22P02 invalid input syntax for type integer: \"12.5\""),
    ("int4", "\"\"", "22P02 invalid input syntax for type integer: \"\""),
    (
        "int8",
        "9223372036854775808",
        "22003 value \"9223372036854775808\" is out of range for type bigint",
    ),
    ("float4", "1e39", "22003 value \"1e39\" is out of range for type real"),
    ("float8", "1,5", "22P04"),
    ("float8", "\"1,5\"", "22P02 invalid input syntax for type double precision: \"1,5\""),
    (
        "numeric",
        "10000000000",
        "22003 numeric field overflow: \"10000000000\" does not fit numeric(12,2)",
    ),
    ("numeric", "NaN", "22003 numeric field overflow: \"NaN\" does not fit numeric(12,2)"),
    ("numeric", "1 000", "22P02 invalid input syntax for type numeric: \"1 000\""),
    ("bool", "maybe", "22P02 invalid input syntax for type boolean: \"maybe\""),
    ("date", "31.12.99", "22007 invalid input syntax for type date: \"31.12.99\""),
    ("date", "2024-02-30", "22008 date/time field value out of range: \"2024-02-30\""),
    ("date", "0000-01-01", "22008 date/time field value out of range: \"0000-01-01\""),
    ("timestamp", "now", "22007 invalid input syntax for type timestamp: \"now\""),
    (
        "timestamptz",
        "2024-01-01 12:00 CET",
        "22007 invalid input syntax for type timestamp with time zone: \"2024-01-01 12:00 CET\"",
    ),
    (
        "timestamptz",
        "2024-01-01 99:00",
        "22008 date/time field value out of range: \"2024-01-01 99:00\"",
    ),
    ("text", "a\0b", "22021 invalid byte sequence for encoding \"UTF8\": 0x00"),
    ("text[]", "a", "22P02 malformed array literal: \"a\""),
    ("text[]", "{a", "22P02 malformed array literal: \"{a\""),
    ("date[]", "{x}", "22007 invalid input syntax for type date: \"x\""),
];

#[test]
fn bad_values_are_refused_in_postgresqls_words() {
    for (ty, value, expected) in VALUES {
        let outcome = check("csv header=false", &format!("v {ty}"), format!("{value}\n"));
        let expected =
            expected.split_once(' ').map_or((*expected).to_owned(), |(code, message)| {
                format!("1! {code} column \"v\": {message} <")
            });
        assert!(outcome.contains(&expected), "{ty} {value}: {outcome}");
    }
}

/// A format, bytes for `a int4;b text`, and what comes of them.
const RECORDS: &[(&str, &[u8], &str)] = &[
    ("csv", b"a,b\n1\n2,y\n", "3: 2|y\n2! 22P04 missing data for column \"b\" <1>"),
    ("csv", b"a,b\n1,x,\n2,y\n", "3: 2|y\n2! 22P04 extra data after last expected column <1,x,>"),
    (
        "csv",
        b"a,b\n1,\xff\xfe\n2,y\n",
        "3: 2|y\n2! 22021 invalid byte sequence for encoding \"UTF8\": 0xff <1,\u{fffd}\u{fffd}>",
    ),
    (
        "csv",
        b"a,b\n1,\xc3\n2,y\n",
        "3: 2|y\n2! 22021 invalid byte sequence for encoding \"UTF8\": 0xc3 <1,\u{fffd}>",
    ),
    (
        "csv",
        b"a,b\n1,x\n2,\"y\n3,z\n",
        "2: 1|x\n3! 22P04 unterminated CSV quoted field (lines 3 to 5) <2,\\\"y\\n3,z\\n>",
    ),
    (
        "csv",
        b"a,b\n1,x\ry\n2,y\n",
        "3: 2|y\n2! 22P04 unquoted carriage return or newline found in data <1,x\\ry>",
    ),
    (
        "csv",
        b"a,b\r1,x\ny\r2,y\r",
        "3: 2|y\n2! 22P04 unquoted carriage return or newline found in data <1,x\\ny>",
    ),
    ("csv", b"a,\"b\n1,x\n", "error 22P04: header: unterminated CSV quoted field (lines 1 to 3)"),
    (
        "csv",
        b"a,\xff\n1,x\n",
        "error 22021: header: invalid byte sequence for encoding \"UTF8\": 0xff",
    ),
    ("csv", b"\xff\xfea\0,\0b\0\n\0", "error 22P04: the input is encoded in UTF-16"),
    ("csv", b"PAR1xxxxPAR1", "error 22P04: the input is a Parquet file"),
    ("csv", b"PK\x03\x04xxxx", "error 22P04: the input is a ZIP archive (or a spreadsheet)"),
    ("text", b"1\n2\ty\n", "2: 2|y\n1! 22P04 missing data for column \"b\" <1>"),
    ("text", b"1\tx\t\n", "1! 22P04 extra data after last expected column <1\\tx\\t>"),
    (
        "text",
        b"1\t\\xff\n",
        "1! 22021 column \"b\": invalid byte sequence for encoding \"UTF8\": 0xff <1\\t\\\\xff>",
    ),
    (
        "text",
        b"1\ta\\0b\n",
        "1! 22021 column \"b\": invalid byte sequence for encoding \"UTF8\": 0x00 <1\\ta\\\\0b>",
    ),
    (
        "ndjson",
        b"{\"a\":1,\"b\":\"x\"\n{\"a\":2,\"b\":\"y\"}\n",
        "2: 2|y\n1! 22P02 invalid input syntax for type json: \",\" or \"}\" expected at byte 15 <{\\\"a\\\":1,\\\"b\\\":\\\"x\\\">",
    ),
    (
        "ndjson",
        b"[{\"a\":1}]\n",
        "1! 22P02 each line must be one JSON object, but this is an array <[{\\\"a\\\":1}]>",
    ),
    (
        "ndjson",
        b"[\n",
        "1! 22P02 each line must be one JSON object, but this is the start of an array <[>",
    ),
    ("ndjson", b"a,b\n", "1! 22P02 each line must be one JSON object, but this is no JSON <a,b>"),
    ("ndjson", b"17\n", "1! 22P02 each line must be one JSON object, but this is a number <17>"),
    (
        "ndjson",
        b"{\"a\":1,\"b\":\"x\"} {}\n",
        "1! 22P02 invalid input syntax for type json: end of input expected at byte 17 <{\\\"a\\\":1,\\\"b\\\":\\\"x\\\"} {}>",
    ),
    (
        "ndjson",
        b"{\"a\":1.5,\"b\":1}\n",
        "1! 22P02 column \"a\": invalid input syntax for type integer: \"1.5\" <{\\\"a\\\":1.5,\\\"b\\\":1}>",
    ),
    (
        "ndjson",
        b"{\"a\":true,\"b\":1}\n",
        "1! 22P02 column \"a\": invalid input syntax for type integer: \"true\" <{\\\"a\\\":true,\\\"b\\\":1}>",
    ),
    (
        "ndjson",
        b"{\"a\":[1],\"b\":1}\n",
        "1! 22P02 column \"a\": invalid input syntax for type integer: \"[1]\" <{\\\"a\\\":[1],\\\"b\\\":1}>",
    ),
    (
        "ndjson",
        b"{\"a\":3000000000,\"b\":1}\n",
        "1! 22003 column \"a\": value \"3000000000\" is out of range for type integer <{\\\"a\\\":3000000000,\\\"b\\\":1}>",
    ),
    (
        "ndjson",
        b"{\"a\":1,\"b\":\"\\u0000\"}\n",
        "1! 22021 column \"b\": invalid byte sequence for encoding \"UTF8\": 0x00 <{\\\"a\\\":1,\\\"b\\\":\\\"\\\\u0000\\\"}>",
    ),
    (
        "ndjson",
        b"{\"a\":1,\"b\":\"\xff\"}\n",
        "1! 22021 invalid byte sequence for encoding \"UTF8\": 0xff <{\\\"a\\\":1,\\\"b\\\":\\\"\u{fffd}\\\"}>",
    ),
    (
        "ndjson",
        b"{\"a\":1,\"b\":\"\\ud800\"}\n",
        "1! 22P02 column \"b\": invalid input syntax for type json: lone Unicode surrogate <{\\\"a\\\":1,\\\"b\\\":\\\"\\\\ud800\\\"}>",
    ),
    ("ndjson", b"{\"A\":1,\"b\":1}\n{\"B\":1,\"a\":1}\n", "1: 1|1\n2: 1|1"),
    (
        "parquet",
        b"",
        "error 22P04: Parquet file is damaged or none (EOF: Parquet file too small. Size is 0 but need 8)",
    ),
    (
        "parquet",
        b"a,b\n1,2\n",
        "error 22P04: Parquet file is damaged or none (Parquet error: Invalid Parquet file. Corrupt footer)",
    ),
];

#[test]
fn bad_records_are_refused_and_the_rest_is_read() {
    for (format, bytes, expected) in RECORDS {
        let outcome = check(format, "a int4;b text", bytes);
        assert_eq!(outcome, *expected, "{format} {}", bytes.escape_ascii());
    }
}

#[test]
fn two_spellings_of_a_column_in_one_object_are_refused() {
    let text =
        "{\"Name\": 1, \"NAME\": 2}\n{\"Name\": 1}\n{\"NAME\": 2}\n{\"Name\": 1, \"Name\": 3}\n";
    let outcome = check("ndjson", "name text", text);
    let expected =
        "2: 1\n3: 2\n4: 3\n1! 42702 keys \"Name\" and \"NAME\" both mean column \"name\" <";
    assert!(outcome.starts_with(expected), "{outcome}");
}

fn gzip(text: &str) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    encoder.write_all(text.as_bytes()).unwrap();
    encoder.finish().unwrap()
}

fn zstd(text: &str) -> Vec<u8> {
    let mut encoder = zstd::Encoder::new(Vec::new(), 1).unwrap();
    encoder.include_checksum(true).unwrap();
    encoder.write_all(text.as_bytes()).unwrap();
    encoder.finish().unwrap()
}

#[test]
fn compressed_input_is_unpacked() {
    for pack in [gzip, zstd] {
        assert_eq!(check("csv", "a int4", pack("a\n1\n2\n")), "2: 1\n3: 2");
        assert_eq!(check("csv", "a int4", pack("\u{feff}a\n1\n")), "2: 1");
        assert_eq!(check("ndjson", "a int4", pack("{\"a\":1}\n")), "1: 1");
        let two = [pack("a\n1"), pack("2\n3\n")].concat();
        assert_eq!(check("csv", "a int4", two), "2: 12\n3: 3");
        assert_eq!(check("csv header=false", "a int4", pack("")), "");
        let outcome = check("csv", "a int4", pack("PAR1"));
        assert_eq!(outcome, "error 22P04: the input is a Parquet file");
    }
}

#[test]
fn files_are_read_like_streams() {
    use std::io::Seek;
    let mut file = tempfile::tempfile().unwrap();
    file.write_all(&gzip("a\n1\n")).unwrap();
    file.rewind().unwrap();
    assert_eq!(read("csv", "a int4", Input::File(file)).unwrap().text(), "2: 1");
}

#[test]
fn every_cut_and_every_flipped_byte_of_a_compressed_stream_ends_the_load() {
    let text: String =
        std::iter::once("a\n".into()).chain((0..99).map(|n| format!("{n}\n"))).collect();
    for (pack, name) in [(gzip as fn(&str) -> Vec<u8>, "gzip"), (zstd, "zstd")] {
        let whole = pack(&text);
        let intact = check("csv", "a int4", &whole);
        for length in 4..whole.len() {
            let outcome = check("csv", "a int4", &whole[..length]);
            let expected = format!("error 22P04: {name} stream is cut short");
            assert!(outcome.starts_with(&expected), "{name} cut to {length}: {outcome}");
        }
        for at in 4..whole.len() {
            let mut bytes = whole.clone();
            bytes[at] ^= 0x55;
            let outcome = outcome("csv", "a int4", stream(&bytes));
            // What was unpacked wrongly may fail before its checksum does; some bytes of the
            // headers (times, systems) mean nothing to the content.
            let told = outcome.starts_with("error ");
            assert!(told || outcome == intact, "{name} flipped at {at}: {outcome}");
        }
        let trailing = [whole.as_slice(), b"rubbish"].concat();
        let outcome = check("csv", "a int4", trailing);
        assert!(outcome.starts_with("error 22P04"), "{name} with rubbish behind: {outcome}");
    }
}

/// Fails after its text.
struct Failing(Cursor<&'static [u8]>, fn() -> std::io::Error);

impl Read for Failing {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        match self.0.read(buffer)? {
            0 => Err(self.1()),
            count => Ok(count),
        }
    }
}

#[test]
fn a_failing_reader_is_not_mistaken_for_damage() {
    let disk = || std::io::Error::from(std::io::ErrorKind::UnexpectedEof);
    let cancel =
        || std::io::Error::other(Error::new(SqlState::QUERY_CANCELED, "canceling statement"));
    for (format, bytes) in
        [("csv", &b"a\n1\n"[..]), ("csv", b"\x1f\x8b\x08\0"), ("parquet", b"PAR1")]
    {
        let outcome = |fail: fn() -> std::io::Error| {
            let input = Input::Stream(Box::new(Failing(Cursor::new(bytes), fail)));
            describe(&read(format, "a int4", input).err().unwrap())
        };
        let message = "error 58030: could not read the input: unexpected end of file";
        assert_eq!(outcome(disk), message, "{format}");
        assert_eq!(outcome(cancel), "error 57014: canceling statement", "{format}");
    }
}
