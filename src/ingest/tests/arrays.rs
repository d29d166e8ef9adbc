//! JSON arrays and Arrow streams: cut where they should be, and refused where they are damaged.

use arrow::array::{ArrayRef, DictionaryArray, Int64Array, RecordBatch, StringArray};
use arrow::datatypes::Int32Type;
use arrow::ipc::writer::{FileWriter, StreamWriter};
use std::sync::Arc;

use super::{check, outcome, stream};
use crate::ingest::RECORD_BYTES_MAX;

#[test]
fn arrays_are_cut_into_their_elements() {
    for (text, expected) in [
        (r#"[]"#, ""),
        (r#" [ { "a" : 1 } , {"a":2} ] "#, "1: 1\n2: 2"),
        (
            r#"[{"a":1}
            ,{"a":2}]"#,
            "1: 1\n2: 2",
        ),
        ("\u{feff}[{\"a\":1}]", "1: 1"),
        // What does not begin with a bracket is read line by line.
        ("\n{\"a\":1}\n{\"a\":2}", "2: 1\n3: 2"),
        ("", ""),
    ] {
        assert_eq!(check("json", "a int4", text), expected, "{text}");
    }
    let brackets = r#"[{"b":"}],[{\"\\","a":1},{"b":"[,","a":2}]"#;
    assert_eq!(check("json", "a int4;b text", brackets), "1: 1|}],[{\"\\\n2: 2|[,");
}

#[test]
fn a_bad_element_is_refused_and_the_others_taken() {
    for broken in ["}", "]"] {
        let text =
            format!(r#"[{{"a":1}},{{"a":"x"}},7,[{{"a":2}}],{{"a":{broken},{{"a":3}},{{"a" 4}}]"#);
        let bad = check("json", "a int4", &text);
        let lines: Vec<&str> = bad.lines().map(|line| line.split(' ').next().unwrap()).collect();
        assert_eq!(lines, ["1:", "6:", "2!", "3!", "4!", "5!", "7!"], "{bad}");
    }
}

#[test]
fn a_damaged_array_is_refused_as_a_whole() {
    for text in [
        "[",
        "[{\"a\":1}",
        "[{\"a\":1},",
        "[{\"a\":1},]",
        "[,{\"a\":1}]",
        "[{\"a\":1}] {",
        "[{\"a\":\"",
        "[{\"a\":1}}",
    ] {
        let told = check("json", "a int4", text);
        assert!(told.starts_with("error 22P04: the JSON array is damaged"), "{text} {told}");
    }
}

#[test]
fn an_element_that_is_too_long_ends_the_load() {
    let text = format!("[{{\"a\":\"{}\"}}]", "x".repeat(RECORD_BYTES_MAX));
    assert!(check("json", "a text", text).starts_with("error 54000: element 1 of the array"));
}

fn batch() -> RecordBatch {
    let a: ArrayRef = Arc::new(Int64Array::from(vec![Some(1), None, Some(99_999_999_999)]));
    let b: DictionaryArray<Int32Type> = vec!["x", "y", "x"].into_iter().collect();
    let c: ArrayRef = Arc::new(StringArray::from(vec!["p", "q", "r"]));
    RecordBatch::try_from_iter([("c", c), ("a", a), ("b", Arc::new(b))]).unwrap()
}

#[test]
fn arrow_streams_and_files_are_read_alike() {
    let batch = batch();
    let mut written = StreamWriter::try_new(Vec::new(), &batch.schema()).unwrap();
    let mut file = FileWriter::try_new(Vec::new(), &batch.schema()).unwrap();
    for _ in 0..2 {
        written.write(&batch).unwrap();
        file.write(&batch).unwrap();
    }
    let expected = "notice: columns \"c\" of the file are not columns of the target: ignored";
    for bytes in [written.into_inner().unwrap(), file.into_inner().unwrap()] {
        let told = check("arrow batch_rows=2", "b text;a int4", bytes);
        let lines: Vec<&str> = told.lines().skip(1).collect();
        assert_eq!(lines[..4], ["1: x|1", "2: y|-", "4: x|1", "5: y|-"], "{told} {expected}");
        assert!(lines[4].starts_with("3! 22003 column \"a\""), "{told}");
        assert!(lines[5].starts_with("6! 22003 column \"a\""), "{told}");
    }
}

#[test]
fn what_a_damaged_arrow_stream_says_is_not_believed() {
    let batch = batch();
    let mut writer = StreamWriter::try_new(Vec::new(), &batch.schema()).unwrap();
    writer.write(&batch).unwrap();
    let whole = writer.into_inner().unwrap();
    let read = |bytes: &[u8]| outcome("arrow", "b text;a int4", stream(bytes));
    for at in 0..whole.len() {
        for value in [0xff, 0x7f, whole[at] ^ 1] {
            let mut damaged = whole.clone();
            damaged[at] = value;
            // Values may be damaged without anybody noticing; the process must go on.
            let told = read(&damaged);
            assert!(!told.contains("XX000"), "byte {at}: {told}");
        }
    }
    for length in 1..whole.len() - 8 {
        // A stream may end behind any message.
        let told = read(&whole[..length]);
        assert!(told.starts_with("error 22P04") || !told.contains(": x|1"), "{length}: {told}");
    }
}
