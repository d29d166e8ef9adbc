//! Every limit, reached.

use std::io::Read;

use super::{check, describe, read, stream};
use crate::ingest::{
    BATCH_BYTES_MAX, FILE_COLUMNS_MAX, Input, PARQUET_STREAM_BYTES_MAX, RAW_BYTES_MAX,
    RECORD_BYTES_MAX,
};

#[test]
fn a_record_that_is_too_long_is_skipped_to_the_next_line() {
    let long = "x".repeat(RECORD_BYTES_MAX);
    let message = format!("2! 54000 record is longer than {RECORD_BYTES_MAX} bytes");
    for (format, text, rows) in [
        ("csv", format!("a,b\n1,{long}\n2,y\n"), "3: 2|y\n"),
        ("csv", format!("a,b\n1,\"{long}\"\n2,y\n"), "3: 2|y\n"),
        ("csv", format!("a,b\n1,\"x\n{long}\n2,y\n"), "4: 2|y\n"),
        ("csv", format!("a,b\n1,{long}"), ""),
        ("text header=on", format!("a\tb\n1\t{long}\n2\ty\n"), "3: 2|y\n"),
        (
            "ndjson",
            format!("\n{{\"a\":1,\"b\":\"{long}\"}}\n{{\"a\":2,\"b\":\"y\"}}\n"),
            "3: 2|y\n",
        ),
    ] {
        let outcome = check(format, "a int4;b text", &text);
        assert!(outcome.starts_with(&format!("{rows}{message}")), "{format} {}", &outcome[..200]);
        assert!(outcome.len() < RAW_BYTES_MAX + 300, "{}", outcome.len());
    }
}

#[test]
fn a_record_of_just_the_limit_is_read() {
    let text = format!("a\n{}\n", "x".repeat(RECORD_BYTES_MAX));
    let input = stream(text);
    let sink = read("csv", "a text", input).unwrap();
    assert_eq!(sink.rows[0].1.len(), RECORD_BYTES_MAX);
    assert_eq!(sink.raws[0].len(), RAW_BYTES_MAX);
}

#[test]
fn a_batch_ends_at_its_bytes() {
    let value = "x".repeat(BATCH_BYTES_MAX / 4);
    let text = format!("a\n{value}\n{value}\n{value}\n{value}\n{value}\n");
    let input = stream(text);
    let sink = read("csv", "a text", input).unwrap();
    let sizes: Vec<_> = sink.batches.iter().map(|batch| batch.num_rows()).collect();
    assert_eq!(sizes, [4, 1]);
}

#[test]
fn columns_of_a_file_are_limited() {
    let header = |count: usize| {
        let names: Vec<_> = (0..count).map(|at| format!("c{at}")).collect();
        check("csv", "c0 text", names.join(",") + "\n")
    };
    assert!(header(FILE_COLUMNS_MAX).starts_with("notice: columns \"c1\""));
    let expected =
        format!("error 54000: header: a file can have at most {FILE_COLUMNS_MAX} columns");
    assert_eq!(header(FILE_COLUMNS_MAX + 1), expected);
    let separators = format!("c0\n{}\nx\n", ",".repeat(1 << 20));
    assert!(check("csv", "c0 text", separators).starts_with("3: x\n2! 22P04 extra data"));
}

#[test]
fn keys_of_ndjson_are_remembered_up_to_a_limit() {
    let line = |at: usize| format!("{{\"a\":{at},\"k{at}{}\":1}}\n", "x".repeat(300));
    let text: String = (0..5000).map(line).collect();
    let outcome = check("ndjson", "a int4", &text);
    assert!(
        outcome.contains(" and 4046 more of the file are not in the dataset"),
        "{}",
        &outcome[..99]
    );
    assert!(outcome.ends_with("5000: 4999"));
}

#[test]
fn a_parquet_stream_is_limited() {
    let endless = "PAR1".as_bytes().chain(std::io::repeat(0));
    let error = read("parquet", "a int4", Input::Stream(Box::new(endless))).err().unwrap();
    let expected =
        format!("error 54000: a Parquet stream can have at most {PARQUET_STREAM_BYTES_MAX} bytes");
    assert_eq!(describe(&error), expected);
}

#[test]
fn memory_does_not_grow_with_the_file() {
    use crate::error::Result;
    use crate::ingest::{Options, Reject, Rows, Sink, format_named};
    /// Keeps nothing but a count, as rows are meant to be handled.
    struct Counter(usize);
    impl Sink for Counter {
        fn rows(&mut self, rows: Rows<'_>) -> Result<()> {
            assert!(rows.batch.get_array_memory_size() < 4 << 20);
            self.0 += rows.batch.num_rows();
            Ok(())
        }
        fn reject(&mut self, _: Reject) -> Result<()> {
            unreachable!("all rows are good")
        }
        fn notice(&mut self, _: String) {}
    }
    let line = b"1,some text that is long enough to be kept aside\n";
    let body = std::iter::repeat_n(line.as_slice(), 100_000);
    struct Lines<I>(I);
    impl<'a, I: Iterator<Item = &'a [u8]>> Read for Lines<I> {
        fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
            let line = self.0.next().unwrap_or_default();
            buffer[..line.len()].copy_from_slice(line);
            Ok(line.len())
        }
    }
    let mut options = Options::default();
    options.set("header", "false").unwrap();
    let mut counter = Counter(0);
    let columns = super::target("a int4;b text");
    let input = Input::Stream(Box::new(Lines(body)));
    format_named("csv").unwrap().read(input, &columns, &options, &mut counter).unwrap();
    assert_eq!(counter.0, 100_000);
}
