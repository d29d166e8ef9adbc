//! What well-formed files mean: nulls, quotes, headers, names, arrays, lines, batches.

use super::{Collector, check, describe, read, stream, target};
use crate::ingest::{Input, Options, format_named};

#[test]
fn csv_tells_null_from_empty_text() {
    let text = "a,b\n1,\n2,\"\"\n3,\"NULL\"\n,x\n";
    assert_eq!(check("csv", "a int4;b text", text), "2: 1|-\n3: 2|\n4: 3|NULL\n5: -|x");
    let text = "a,b\n1,NULL\n2,\"NULL\"\n3,\n";
    assert_eq!(check("csv null=NULL", "a int4;b text", text), "2: 1|-\n3: 2|NULL\n4: 3|");
}

#[test]
fn csv_quotes_as_postgresql_does() {
    let text = "a,b\r\n\"x,\"\"y\"\"\",\"l1\r\nl2\nl3\"\r\np\"q,r\"s,z\r\n\"a\"b,\"\"\r\n";
    let expected = "2: x,\"y\"|l1\r\nl2\nl3\n5: pq,rs|z\n6: ab|";
    assert_eq!(check("csv", "a text;b text", text), expected);
    let text = "a;b\n'x\\'y;\\\\';z\\z\n";
    let format = "csv delimiter=; quote=' escape=\\";
    assert_eq!(check(format, "a text;b text", text), "2: x'y;\\|z\\z");
}

#[test]
fn csv_headers_and_line_ends() {
    assert_eq!(check("csv", "a int4", "\u{feff}a\n1"), "2: 1");
    assert_eq!(check("csv", "a int4;b text", "a,b\r1,x\r2,\"y\nz\"\r"), "2: 1|x\n3: 2|y\nz");
    assert_eq!(check("csv header=false", "a int4;b text", "1,x\n\n2,y\n"), "1: 1|x\n3: 2|y");
    assert_eq!(check("csv header=false", "a text", "x\n\n\"\"\n"), "1: x\n2: -\n3: ");
    assert_eq!(check("csv header=false", "a text", "\\.\nx\n"), "1: \\.\n2: x");
    assert_eq!(check("csv header=false", "a text", ""), "");
    assert_eq!(check("csv", "a text", ""), "notice: the input is empty: it has not even a header");
    assert_eq!(check("csv", "a text", "a\n"), "");
}

#[test]
fn names_match_exactly_else_but_for_case() {
    let text = "B,ID,b,Straße\n1,2,3,4\n";
    assert_eq!(
        check("csv", "id text;b text;B text;STRASSE text", text),
        "notice: column \"Straße\" of the file is not in the dataset: ignored\nnotice: column \"STRASSE\" of the dataset is not in the file: null\n2: 2|3|1|-"
    );
    assert_eq!(check("csv", "ähre text", "ÄHRE\n1\n"), "2: 1");
    assert_eq!(
        check("csv", "a text", "a,,\n1,2,3\n"),
        "notice: columns \"\", \"\" of the file are not in the dataset: ignored\n2: 1"
    );
    assert_eq!(
        check("csv", "a text;b text", "c,d\n1,2\n"),
        "error 42703: the file has no column in common with the dataset (the file has \"c\", \"d\"; the dataset has \"a\", \"b\")"
    );
    assert_eq!(
        check("csv", "a text", "a,b,b\n1,2,3\n"),
        "error 42701: column \"b\" is in the file more than once"
    );
    assert_eq!(
        check("csv", "name text", "Name,NAME\n1,2\n"),
        "error 42702: column \"name\" is ambiguous in the file (it has \"Name\" and \"NAME\")"
    );
}

#[test]
fn a_column_list_is_called_so() {
    let mut listed = target("a text");
    listed.listed = true;
    let input = Input::Stream(Box::new("b\n1\n".as_bytes()));
    let mut sink = Collector::default();
    let csv = format_named("csv").unwrap();
    let error = csv.read(input, &listed, &Options::default(), &mut sink).unwrap_err();
    assert!(describe(&error).contains("in common with the column list"));
}

#[test]
fn text_format() {
    let text = "1\ta\\tb\\\\\n2\t\\N\n3\t\\\\N\n4\tx\\\ny\n5\t\\x41\\102\n\\.\nrubbish\n";
    let expected = "1: 1|a\tb\\\n2: 2|-\n3: 3|\\N\n4: 4|x\ny\n6: 5|AB";
    assert_eq!(check("text", "a int4;b text", text), expected);
    let text = "b|a\nx|1\n\\||\n";
    let format = "text header=on delimiter=| null=";
    assert!(check(format, "a int4;b text", text).ends_with("2: 1|x\n3: -||"));
}

#[test]
fn contradicting_options_are_refused() {
    for (format, message) in [
        ("csv delimiter=\"", "COPY delimiter and quote must be different"),
        ("csv null=a\"", "CSV quote character must not appear in the NULL specification"),
        ("csv null=a,b", "COPY delimiter character must not appear in the NULL specification"),
        ("text delimiter=n", "COPY delimiter cannot be \"n\""),
        ("text quote='", "COPY quote and escape require CSV mode"),
    ] {
        assert_eq!(check(format, "a text", "a\n"), format!("error 22023: {message}"));
    }
}

#[test]
fn ndjson() {
    let text = concat!(
        "{\"a\": 9223372036854775807, \"b\": \"x\\ny\"}\n",
        "\n",
        "{\"b\": null, \"A\": 12.0, \"c\": 1234567890.12}\r\n",
        "{\"c\": 1e2, \"a\": 1, \"a\": 2, \"b\": {\"k\":  [1.50]}}\n",
        "{\"b\": true, \"extra\": 1, \"\\u0061\": 7}\n",
        "{\"b\": [1, \"x\"]}"
    );
    let expected = concat!(
        "notice: column \"extra\" of the file is not in the dataset: ignored\n",
        "1: 9223372036854775807|x\ny|-\n",
        "3: 12|-|1234567890.12\n",
        "4: 2|{\"k\":  [1.50]}|100.00\n",
        "5: 7|true|-\n",
        "6: -|[1, \"x\"]|-"
    );
    assert_eq!(check("ndjson", "a int8;b text;c numeric", text), expected);
    assert_eq!(check("ndjson", "a int8", ""), "");
    let expected = "notice: column \"a\" of the dataset is not in the file: null\n1: -";
    assert_eq!(check("ndjson", "a int8", "{}\n"), expected);
    assert_eq!(
        check("ndjson", "a int8", "{\"b\":1}\n"),
        "error 42703: the file has no column in common with the dataset (the file has \"b\"; the dataset has \"a\")"
    );
    let text = "{\"a\": 1, \"A\": 2}\n{\"A\": 3, \"a\": 4}\n";
    let expected = "notice: column \"A\" of the file is not in the dataset: ignored\n1: 1\n2: 4";
    assert_eq!(check("ndjson", "a int8", text), expected);
}

#[test]
fn arrays() {
    let text = "a,b\n\"{1,NULL,3}\",\"{\"\"x y\"\",z}\"\n{},[]\n[1],\"[\"\"a\"\", null]\"\n,\n";
    let expected = "2: [1, -, 3]|[x y, z]\n3: []|[]\n4: [1]|[a, -]\n5: -|-";
    assert_eq!(check("csv", "a int4[];b text[]", text), expected);
    let text = "a\n1|2||4\n\"\"\n\n";
    assert_eq!(check("csv array_delimiter=|", "a int4[]", text), "2: [1, 2, -, 4]\n3: []\n4: -");
    let text = "{\"a\": [1, null, 3.0]}\n{\"a\": \"{4,5}\"}\n{\"a\": null}\n{\"a\": []}\n";
    let expected = "1: [1, -, 3]\n2: [4, 5]\n3: -\n4: []";
    assert_eq!(check("ndjson", "a int8[]", text), expected);
    let text = "{{1,2},{3}}\t[[1],null]\n";
    assert_eq!(check("text", "a int4[][];b int4[][]", text), "1: [[1, 2], [3]]|[[1], -]");
}

#[test]
fn batches_end_where_they_should() {
    let sizes = |rows: usize, bad: &[usize], batch_rows: usize| {
        let line = |row| if bad.contains(&row) { "x\n".into() } else { format!("{row}\n") };
        let text: String = (0..rows).map(line).collect();
        let format = format!("csv header=false batch_rows={batch_rows}");
        let input = stream(text);
        let sink = read(&format, "a int4", input).unwrap();
        assert_eq!(sink.rejects.len(), bad.len());
        assert_eq!(sink.rows.len(), rows - bad.len());
        for ((line, values), raw) in sink.rows.iter().zip(&sink.raws) {
            assert_eq!((line - 1).to_string(), *values, "line");
            assert_eq!(raw, values, "raw");
        }
        sink.batches.iter().map(|batch| batch.num_rows()).collect::<Vec<_>>()
    };
    assert_eq!(sizes(0, &[], 3), [0usize; 0]);
    assert_eq!(sizes(3, &[], 3), [3]);
    assert_eq!(sizes(7, &[], 3), [3, 3, 1]);
    assert_eq!(sizes(7, &[0, 4, 6], 3), [2, 2]);
    assert_eq!(sizes(6, &[0, 1, 2], 3), [3]);
    assert_eq!(sizes(10_000, &[5_000], 8192), [8191, 1808]);
}

#[test]
fn a_row_with_a_bad_value_leaves_no_trace() {
    let text = "a,b,c\n1,\"{1,2}\",x\n2,\"{3,oops}\",y\n3,\"{4}\",z\nq,\"{5}\",w\n";
    let expected = concat!(
        "2: 1|[1, 2]|x\n4: 3|[4]|z\n",
        "3! 22P02 column \"b\": invalid input syntax for type integer: \"oops\" <2,\\\"{3,oops}\\\",y>\n",
        "5! 22P02 column \"a\": invalid input syntax for type integer: \"q\" <q,\\\"{5}\\\",w>"
    );
    assert_eq!(check("csv", "a int4;b int4[];c text", text), expected);
}
