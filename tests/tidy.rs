//! The house rules that a compiler does not know, held by a program: layers, owners of foreign crates, seams to
//! the outside world, sizes, headers, registries.
//!
//! It reads the sources as text, links nothing of the product, and therefore runs in a second. Comments and the
//! insides of literals are blanked first, so that prose may name what code may not. Each check is a function from
//! sources to complaints, with a toy that passes and a toy that does not; CONTRIBUTING.md gives the reasons.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

/// Modules by layer: one may name modules of lower layers, itself, and `error`. ARCHITECTURE.md has the same table.
const LAYERS: &[(u8, &[&str])] = &[
    (7, &["main"]),
    (6, &["server"]),
    (5, &["config", "wire", "web"]),
    (4, &["query"]),
    (3, &["engine"]),
    (2, &["catalog", "storage"]),
    (1, &["graph", "merge", "ingest", "demo"]),
    (0, &["error", "model", "env", "metrics"]),
];

/// Foreign crates whose replacement must not touch more than these modules.
const OWNERS: &[(&str, &[&str])] = &[
    ("datafusion", &["query", "wire"]),
    ("pgwire", &["wire"]),
    ("parquet", &["ingest", "storage"]),
    (
        "arrow",
        &[
            "model", "merge", "ingest", "graph", "catalog", "storage", "engine", "query", "wire",
            "demo", "server", "web",
        ],
    ),
    ("axum", &["web"]),
    ("prometheus_client", &["metrics"]),
    ("object_store", &["env"]),
];

/// Modules that may see clocks, randomness, files and threads, so that everything else can be replayed.
const OUTSIDE_WORLD: &[&str] = &["env", "main", "server"];

/// Modules whose work is to print.
const PRINTERS: &[&str] = &["main", "server"];

/// Folders whose `mod.rs` has a registry `ALL`, each entry in a file of its own.
const REGISTRIES: &[&str] = &["src/merge", "src/query/statements", "src/ingest"];

/// A longer file has more than one subject.
const FILE_LINES_MAX: usize = 1000;

/// A longer function does more than one thing.
const FUNCTION_LINES_MAX: usize = 70;

/// Functions that may be longer: file, name, lines. The numbers may only fall.
const LONG_FUNCTIONS: &[(&str, &str, usize)] = &[];

/// One Rust file, seen three ways that have the same lines.
struct Source {
    /// From the root of the package, with slashes.
    path: String,
    text: String,
    /// The text with comments and the insides of literals blanked.
    code: String,
    /// The code with tests blanked too.
    product: String,
}

impl Source {
    fn new(path: &str, text: &str) -> Self {
        let code = blank_prose(text);
        let is_test = !path.starts_with("src/")
            || path.ends_with("tests.rs")
            || path.ends_with("/testing.rs")
            || path.contains("/tests/");
        let product = if is_test { blank(&code) } else { blank_tests(&code) };
        Self { path: path.to_owned(), text: text.to_owned(), code, product }
    }

    /// The module of the first level: `query` for `src/query/statements/split.rs`; `None` outside and for the root.
    fn module(&self) -> Option<&str> {
        let inside = self.path.strip_prefix("src/")?;
        let name = inside.split('/').next()?;
        Some(name.strip_suffix(".rs").unwrap_or(name)).filter(|name| *name != "lib")
    }

    fn complain(&self, line: usize, what: &str) -> String {
        format!("{}:{line}: {what}", self.path)
    }
}

// Reading sources.

fn is_word(character: char) -> bool {
    character.is_alphanumeric() || character == '_'
}

fn blank(text: &str) -> String {
    text.chars().map(|character| if character == '\n' { '\n' } else { ' ' }).collect()
}

/// Blanks comments and the insides of strings and characters; quotes and line ends stay.
fn blank_prose(text: &str) -> String {
    let characters: Vec<char> = text.chars().collect();
    let mut code = String::with_capacity(text.len());
    let mut at = 0;
    while at < characters.len() {
        let end = prose_end(&characters, at);
        if end == at {
            code.push(characters[at]);
            at += 1;
            continue;
        }
        let quotes = characters[at] != '/';
        for (offset, character) in characters[at..end].iter().enumerate() {
            let edge = quotes && (offset == 0 || at + offset + 1 == end);
            code.push(if edge || *character == '\n' { *character } else { ' ' });
        }
        at = end;
    }
    code
}

/// Where the comment or literal that starts here ends; here, if none does.
fn prose_end(text: &[char], at: usize) -> usize {
    let next = |offset: usize| text.get(at + offset).copied().unwrap_or('\0');
    let before = text[..at].strip_suffix(&['b']).unwrap_or(&text[..at]);
    let starts_word = before.last().is_none_or(|character| !is_word(*character));
    match text[at] {
        '/' if next(1) == '/' => find(text, at, |rest| rest[0] == '\n'),
        '/' if next(1) == '*' => block_comment_end(text, at),
        '"' => quoted_end(text, at, '"'),
        'r' if starts_word => raw_string_end(text, at),
        '\'' if next(1) == '\\' || next(2) == '\'' => quoted_end(text, at, '\''),
        _ => at,
    }
}

fn find(text: &[char], from: usize, found: impl Fn(&[char]) -> bool) -> usize {
    (from..text.len()).find(|at| found(&text[*at..])).unwrap_or(text.len())
}

fn block_comment_end(text: &[char], at: usize) -> usize {
    let (mut depth, mut at) = (0_usize, at);
    while at < text.len() {
        match text[at..] {
            ['/', '*', ..] => (depth, at) = (depth + 1, at + 2),
            ['*', '/', ..] if depth == 1 => return at + 2,
            ['*', '/', ..] => (depth, at) = (depth - 1, at + 2),
            _ => at += 1,
        }
    }
    at
}

fn quoted_end(text: &[char], at: usize, quote: char) -> usize {
    let mut at = at + 1;
    while at < text.len() && text[at] != quote {
        at += if text[at] == '\\' { 2 } else { 1 };
    }
    (at + 1).min(text.len())
}

fn raw_string_end(text: &[char], at: usize) -> usize {
    let hashes = text[at + 1..].iter().take_while(|character| **character == '#').count();
    if text.get(at + 1 + hashes) != Some(&'"') {
        return at;
    }
    let closing: Vec<char> = std::iter::once('"').chain(vec!['#'; hashes]).collect();
    let end = find(text, at + 2 + hashes, |rest| rest.starts_with(&closing));
    (end + closing.len()).min(text.len())
}

/// Blanks every item under `#[cfg(test)]` or `#[test]`.
fn blank_tests(code: &str) -> String {
    let mut rest = code;
    let mut product = String::with_capacity(code.len());
    while let Some(at) = ["#[cfg(test)]", "#[test]"].iter().filter_map(|a| rest.find(a)).min() {
        let end = at + item_end(&rest[at..]);
        product.push_str(&rest[..at]);
        product.push_str(&blank(&rest[at..end]));
        rest = &rest[end..];
    }
    product + rest
}

/// Where the item that starts with attributes here ends: behind its body, or its semicolon.
fn item_end(code: &str) -> usize {
    let (mut braces, mut others) = (0_usize, 0_usize);
    for (at, character) in code.char_indices() {
        match character {
            '{' => braces += 1,
            '}' if braces <= 1 => return at + 1,
            '}' => braces -= 1,
            '(' | '[' => others += 1,
            ')' | ']' => others = others.saturating_sub(1),
            ';' if braces == 0 && others == 0 => return at + 1,
            _ => {}
        }
    }
    code.len()
}

fn line_of(code: &str, at: usize) -> usize {
    code[..at].matches('\n').count() + 1
}

/// Where a path or word stands as such, and not as a part of a longer word.
fn places(code: &str, needle: &str) -> Vec<usize> {
    let ends_open = needle.chars().next_back().is_some_and(is_word);
    let starts_open = needle.chars().next().is_some_and(is_word);
    let whole = |at: &usize| {
        let before = code[..*at].chars().next_back();
        let after = code[at + needle.len()..].chars().next();
        !(starts_open && before.is_some_and(is_word) || ends_open && after.is_some_and(is_word))
    };
    code.match_indices(needle).map(|(at, _)| at).filter(whole).collect()
}

/// The word that starts here.
fn word(code: &str) -> &str {
    let code = code.trim_start();
    &code[..code.find(|character| !is_word(character)).unwrap_or(code.len())]
}

// The checks.

fn layer(module: &str) -> Option<u8> {
    LAYERS.iter().find(|(_, modules)| modules.contains(&module)).map(|(layer, _)| *layer)
}

fn check_layers(source: &Source) -> Vec<String> {
    let Some(module) = source.module() else { return Vec::new() };
    let Some(from) = layer(module) else {
        return vec![source.complain(1, &format!("module {module} has no layer"))];
    };
    let mut complaints = Vec::new();
    for at in places(&source.code, "crate::") {
        let target = word(&source.code[at + "crate::".len()..]);
        let allowed = target == module
            || target == "error"
            || target.is_empty()
            || layer(target).is_some_and(|to| to < from);
        if !allowed {
            let what = format!("{module} must not name {target}: not of a lower layer");
            complaints.push(source.complain(line_of(&source.code, at), &what));
        }
    }
    complaints.extend(check_super_of_root(source, module));
    complaints
}

/// In the root file of a module, `super` is the crate, and would hide what it names.
fn check_super_of_root(source: &Source, module: &str) -> Vec<String> {
    let roots = [format!("src/{module}.rs"), format!("src/{module}/mod.rs")];
    if !roots.contains(&source.path) {
        return Vec::new();
    }
    let what = "super is the crate here: write crate::";
    let places = places(&source.product, "super::").into_iter();
    places.map(|at| source.complain(line_of(&source.product, at), what)).collect()
}

/// The layers that a document shows: lines such as `L2  catalog  storage  (strangers to each other)`.
fn layers_of_document(text: &str) -> BTreeMap<u8, BTreeSet<String>> {
    let mut layers = BTreeMap::new();
    for line in text.lines() {
        let line = line.split('(').next().unwrap_or_default();
        let mut words = line.split_whitespace();
        let number = words.next().and_then(|word| word.strip_prefix('L')?.parse::<u8>().ok());
        if let Some(number) = number {
            layers.entry(number).or_insert_with(|| words.map(str::to_owned).collect());
        }
    }
    layers
}

fn check_document(text: &str) -> Vec<String> {
    let name = |name: &&str| (*name).to_owned();
    let ours: BTreeMap<u8, BTreeSet<String>> = LAYERS
        .iter()
        .map(|(layer, modules)| (*layer, modules.iter().map(name).collect()))
        .collect();
    let theirs = layers_of_document(text);
    if ours == theirs {
        return Vec::new();
    }
    vec![format!("ARCHITECTURE.md: layers are {theirs:?}, but tests/tidy.rs has {ours:?}")]
}

fn check_owners(source: &Source) -> Vec<String> {
    let Some(module) = source.module() else { return Vec::new() };
    let mut complaints = Vec::new();
    for (foreign, owners) in OWNERS.iter().filter(|(_, owners)| !owners.contains(&module)) {
        for at in places(&source.code, foreign) {
            let (before, after) = (&source.code[..at], &source.code[at + foreign.len()..]);
            // A module of ours may bear the name of the crate that it wraps.
            let path = after.starts_with("::") || before.ends_with("use ");
            if path && !before.ends_with("::") {
                let what = format!("{foreign} belongs to {}", owners.join(", "));
                complaints.push(source.complain(line_of(&source.code, at), &what));
            }
        }
    }
    complaints
}

/// Text that must not be: what, where it is looked for, and why.
fn forbidden(source: &Source) -> Vec<(&'static str, &str, &'static str)> {
    let (code, product) = (source.code.as_str(), source.product.as_str());
    let mut list = vec![
        ("use crate::{", code, "one path per line: the layers are read from them"),
        ("super::super", code, "write the path from crate::"),
        ("#[ignore", code, "a test runs or goes"),
        ("should_panic", code, "assert the error"),
        ("dbg!", code, "left over"),
        ("todo!", code, "finish it"),
        ("unimplemented!", code, "finish it"),
        ("use super::*", product, "name what is used"),
        (".unwrap()", product, "use ? or expect(\"why it cannot fail\")"),
    ];
    let module = source.module().unwrap_or_default();
    if !PRINTERS.contains(&module) {
        let printing = ["println!", "eprintln!", "print!", "eprint!"];
        list.extend(printing.map(|what| (what, product, "return it, or trace it")));
    }
    if !OUTSIDE_WORLD.contains(&module) {
        let outside = [
            "SystemTime::now",
            "Instant::now",
            "std::fs",
            "fs::",
            "tokio::fs",
            "thread::spawn",
            "thread::sleep",
            "thread::Builder",
            "rand::",
        ];
        list.extend(outside.map(|what| (what, product, "the outside world is seen through env")));
    }
    list
}

fn check_forbidden(source: &Source) -> Vec<String> {
    let mut complaints = BTreeSet::new();
    for (what, code, why) in forbidden(source) {
        for at in places(code, what) {
            // `std::fs::` is one offence, and `self::fs::` of a module of ours is none.
            if !(what.starts_with("fs::") && code[..at].ends_with("::")) {
                complaints.insert(source.complain(line_of(code, at), &format!("{what}: {why}")));
            }
        }
    }
    complaints.into_iter().collect()
}

fn check_header(source: &Source) -> Vec<String> {
    if source.text.starts_with("//! ") {
        return Vec::new();
    }
    vec![source.complain(1, "does not open with //! and what the file is")]
}

fn check_file_length(source: &Source) -> Vec<String> {
    let lines = source.text.lines().count();
    if lines <= FILE_LINES_MAX {
        return Vec::new();
    }
    vec![source.complain(lines, &format!("has {lines} lines, {FILE_LINES_MAX} is the most"))]
}

/// Functions with their first line and their length in lines.
fn functions(code: &str) -> Vec<(&str, usize, usize)> {
    let mut functions = Vec::new();
    for at in places(code, "fn ") {
        let name = word(&code[at + "fn ".len()..]);
        let end = at + item_end(&code[at..]);
        if !name.is_empty() && code[..end].ends_with('}') {
            let (first, last) = (line_of(code, at), line_of(code, end));
            functions.push((name, first, last - first + 1));
        }
    }
    functions
}

fn check_function_lengths(source: &Source, allowed: &[(&str, &str, usize)]) -> Vec<String> {
    let mut complaints = Vec::new();
    for (name, line, lines) in functions(&source.code) {
        let exception =
            allowed.iter().find(|(path, function, _)| *path == source.path && *function == name);
        let most = exception.map_or(FUNCTION_LINES_MAX, |(_, _, lines)| *lines);
        if lines > most {
            let what = format!("function {name} has {lines} lines, {most} is the most");
            complaints.push(source.complain(line, &what));
        } else if exception.is_some() && lines < most {
            let what = format!("function {name} has {lines} lines now: lower its exception");
            complaints.push(source.complain(line, &what));
        }
    }
    complaints
}

/// Exceptions of functions that are no more.
fn check_exceptions(sources: &[Source], allowed: &[(&str, &str, usize)]) -> Vec<String> {
    let exists = |path: &str, name: &str| {
        let mut files = sources.iter().filter(|source| source.path == path);
        files.any(|source| functions(&source.code).iter().any(|(found, _, _)| *found == name))
    };
    let gone = allowed.iter().filter(|(path, name, _)| !exists(path, name));
    gone.map(|(path, name, _)| format!("{path}: function {name} is gone: remove its exception"))
        .collect()
}

/// The entries of `const ALL: ... = &[...];`, if the code has it.
fn registry(code: &str) -> Option<Vec<&str>> {
    let declared = |at: &usize| {
        let before = code[..*at].trim_end();
        before.ends_with("const") || before.ends_with("static")
    };
    let at = places(code, "ALL").into_iter().find(declared)?;
    let list = &code[at + code[at..].find('=')?..];
    let list = &list[list.find('[')? + 1..];
    let entries = list[..list.find("];")?].split(',').map(str::trim);
    Some(entries.filter(|entry| !entry.is_empty()).collect())
}

/// The file of a registry's entry: `latest` for `&latest::Latest`.
fn module_of_entry(entry: &str) -> Option<&str> {
    let path = entry.trim_start_matches(|character| !is_word(character));
    let path = &path[..path.find(|c| !is_word(c) && c != ':').unwrap_or(path.len())];
    path.rsplit("::").nth(1)
}

fn check_registry(folder: &str, sources: &[Source]) -> Vec<String> {
    let root = format!("{folder}/mod.rs");
    let Some(source) = sources.iter().find(|source| source.path == root) else {
        return Vec::new();
    };
    let Some(entries) = registry(&source.code) else {
        return vec![source.complain(1, "has no registry ALL")];
    };
    let mut seen = BTreeSet::new();
    let mut complaints = Vec::new();
    for entry in entries {
        let Some(module) = module_of_entry(entry) else {
            complaints.push(source.complain(1, &format!("ALL: write {entry} as file::Name")));
            continue;
        };
        let files = [format!("{folder}/{module}.rs"), format!("{folder}/{module}/mod.rs")];
        if !sources.iter().any(|source| files.contains(&source.path)) {
            complaints.push(source.complain(1, &format!("ALL: {entry} has no file {}", files[0])));
        }
        if !seen.insert(module) {
            complaints.push(source.complain(1, &format!("ALL: {module} has two entries")));
        }
    }
    complaints
}

/// Files that the `mod` lines of a file lead to, one of each pair.
fn children(source: &Source) -> Vec<[String; 2]> {
    let (folder, name) = source.path.rsplit_once('/').unwrap_or(("", &source.path));
    let folder = match name {
        "mod.rs" | "lib.rs" | "main.rs" => folder.to_owned(),
        _ => format!("{folder}/{}", name.trim_end_matches(".rs")),
    };
    let declared = |at: &usize| {
        let rest = source.code[at + "mod ".len()..].trim_start();
        rest[word(rest).len()..].starts_with(';')
    };
    places(&source.code, "mod ")
        .into_iter()
        .filter(declared)
        .map(|at| word(&source.code[at + "mod ".len()..]))
        .map(|name| [format!("{folder}/{name}.rs"), format!("{folder}/{name}/mod.rs")])
        .collect()
}

fn check_reachable(sources: &[Source]) -> Vec<String> {
    let mut reached: BTreeSet<String> = BTreeSet::new();
    let mut pending = vec!["src/lib.rs".to_owned(), "src/main.rs".to_owned()];
    while let Some(path) = pending.pop() {
        let source = sources.iter().find(|source| source.path == path);
        if let Some(source) = source.filter(|_| reached.insert(path)) {
            pending.extend(children(source).into_iter().flatten());
        }
    }
    let inside = sources.iter().filter(|source| source.path.starts_with("src/"));
    let lost = inside.filter(|source| !reached.contains(&source.path));
    lost.map(|source| source.complain(1, "no mod line leads here")).collect()
}

// The tree.

fn collect(root: &Path, folder: &str, sources: &mut Vec<Source>) {
    let Ok(entries) = fs::read_dir(root.join(folder)) else { return };
    let mut names: Vec<_> = entries
        .map(|entry| entry.expect("the folder can be read").file_name())
        .map(|name| name.into_string().expect("file names are UTF-8"))
        .collect();
    names.sort();
    for name in names {
        let path = format!("{folder}/{name}");
        if root.join(&path).is_dir() {
            collect(root, &path, sources);
        } else if path.ends_with(".rs") {
            let text = fs::read_to_string(root.join(&path)).expect("sources are UTF-8");
            sources.push(Source::new(&path, &text));
        }
    }
}

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn tree() -> Vec<Source> {
    let mut sources = Vec::new();
    collect(root(), "src", &mut sources);
    collect(root(), "tests", &mut sources);
    assert!(sources.len() > 2, "no sources in {}", root().display());
    sources
}

fn assert_tidy(complaints: impl IntoIterator<Item = String>) {
    let complaints: Vec<_> = complaints.into_iter().collect();
    assert!(complaints.is_empty(), "\n{}\n", complaints.join("\n"));
}

#[test]
fn modules_name_only_lower_layers() {
    assert_tidy(tree().iter().flat_map(check_layers));
}

#[test]
fn the_architecture_shows_the_same_layers() {
    if let Ok(text) = fs::read_to_string(root().join("ARCHITECTURE.md")) {
        assert_tidy(check_document(&text));
    }
}

#[test]
fn foreign_crates_stay_with_their_owners() {
    assert_tidy(tree().iter().flat_map(check_owners));
}

#[test]
fn nothing_forbidden_is_written() {
    assert_tidy(tree().iter().flat_map(check_forbidden));
}

#[test]
fn files_open_with_what_they_are() {
    assert_tidy(tree().iter().flat_map(check_header));
}

#[test]
fn files_and_functions_are_short() {
    let sources = tree();
    assert_tidy(sources.iter().flat_map(check_file_length));
    assert_tidy(sources.iter().flat_map(|source| check_function_lengths(source, LONG_FUNCTIONS)));
    assert_tidy(check_exceptions(&sources, LONG_FUNCTIONS));
}

#[test]
fn entries_of_registries_have_their_own_files() {
    let sources = tree();
    assert_tidy(REGISTRIES.iter().flat_map(|folder| check_registry(folder, &sources)));
}

#[test]
fn every_file_is_compiled() {
    assert_tidy(check_reachable(&tree()));
}

// The checks, checked on toys.

/// Complaints of a check about one toy file, without the path.
fn toy(path: &str, text: &str, check: impl Fn(&Source) -> Vec<String>) -> String {
    let prefix = format!("{path}:");
    let complaints = check(&Source::new(path, text));
    complaints.iter().map(|line| line.trim_start_matches(&prefix)).collect::<Vec<_>>().join("; ")
}

#[test]
fn prose_is_blanked_and_code_is_not() {
    let check = |text: &str, expected: &str| assert_eq!(blank_prose(text), expected, "{text}");
    check("a // b\nc", "a     \nc");
    check("a /* b /* c */ d */ e", "a                   e");
    check("a(\"b\\\"c\", 'd', '\\'', b'e')", "a(\"    \", ' ', '  ', b' ')");
    check("fn a<'b>(c: &'b str)", "fn a<'b>(c: &'b str)");
    check("r#\"a\"b\"#; r#type", "r      #; r#type");
    check("br\"a\\\"; for", "br   \"; for");
    check("\"a // b\" c", "\"      \" c");
    check("\"a\nb\"", "\" \n \"");
}

#[test]
fn tests_are_blanked_and_the_product_is_not() {
    let check = |code: &str, expected: &str| {
        let product = blank_tests(code);
        assert_eq!(product.len(), code.len());
        assert_eq!(product.split_whitespace().collect::<Vec<_>>().join(" "), expected, "{code}");
    };
    check("fn a() {} #[cfg(test)] mod tests { fn b() { c(); } } fn d() {}", "fn a() {} fn d() {}");
    check("#[cfg(test)] mod tests; fn a() {}", "fn a() {}");
    check("#[test] fn a() { [0; 3]; } fn b() {}", "fn b() {}");
    check("#[cfg(test)] fn a(b: [u8; 3]) {} fn c() {}", "fn c() {}");
}

#[test]
fn layers_are_checked() {
    let check = |path: &str, text: &str| toy(path, text, check_layers);
    assert_eq!(check("src/query/a.rs", "use crate::engine::A;\nuse crate::error::B;"), "");
    assert_eq!(check("src/query/a.rs", "use crate::query::statements::A;"), "");
    assert_eq!(check("src/engine/a.rs", "// crate::query\nlet a = \"crate::wire\";"), "");
    assert_eq!(check("src/lib.rs", "pub use crate::wire::A;"), "");
    let up = "2: engine must not name query: not of a lower layer";
    assert_eq!(check("src/engine/a.rs", "\nuse crate::query::A;"), up);
    let sideways = "1: catalog must not name storage: not of a lower layer";
    assert_eq!(check("src/catalog.rs", "use crate::storage::A;"), sideways);
    let unknown = "1: query must not name utils: not of a lower layer";
    assert_eq!(check("src/query/a.rs", "use crate::utils::A;"), unknown);
    let in_tests = "1: model must not name engine: not of a lower layer";
    assert_eq!(check("src/model/a.rs", "#[cfg(test)] mod tests { use crate::engine; }"), in_tests);
    assert_eq!(check("src/utils.rs", ""), "1: module utils has no layer");
    assert_eq!(check("src/model/a.rs", "use super::b;"), "");
    let hidden = "1: super is the crate here: write crate::";
    assert_eq!(check("src/model/mod.rs", "use super::engine;"), hidden);
}

#[test]
fn the_document_is_checked() {
    let table = "# Layers\n```text\nL7 main\nL6 server\nL5 config wire   web (strangers (really))\n\
                 L4 query\nL3 engine\nL2 storage catalog\nL1 demo graph merge ingest\n\
                 L0 error model env metrics\n```\n";
    assert_eq!(check_document(table), Vec::<String>::new());
    assert_eq!(check_document(&table.replace("L3 engine\n", "")).len(), 1);
    assert_eq!(check_document(&table.replace("demo ", "")).len(), 1);
    assert_eq!(check_document("# Nothing").len(), 1);
}

#[test]
fn owners_are_checked() {
    let check = |path: &str, text: &str| toy(path, text, check_owners);
    assert_eq!(check("src/wire/a.rs", "use pgwire::api::A;\nuse datafusion::B;"), "");
    assert_eq!(check("src/query/a.rs", "use crate::ingest::parquet::A; let axum = 1;"), "");
    assert_eq!(check("tests/a.rs", "use datafusion::A;"), "");
    assert_eq!(check("src/query/a.rs", "use pgwire::api::A;"), "1: pgwire belongs to wire");
    let inline = "2: datafusion belongs to query, wire";
    assert_eq!(check("src/engine/a.rs", "\nlet a: datafusion::A;"), inline);
    assert_eq!(check("src/merge/a.rs", "use datafusion;"), "1: datafusion belongs to query, wire");
}

#[test]
fn forbidden_text_is_found() {
    let check = |path: &str, text: &str| toy(path, text, check_forbidden);
    let first = |path: &str, text: &str| {
        check(path, text).split(": ").nth(1).unwrap_or_default().to_owned()
    };
    for text in [
        "use crate::{a, b};",
        "use super::super::a;",
        "#[ignore = \"slow\"]",
        "#[should_panic]",
        "dbg!(a)",
        "todo!()",
        "unimplemented!()",
        "use super::*;",
        "a.unwrap()",
        "println!(\"\")",
        "eprint!(\"\")",
        "let a = Instant::now();",
        "std::time::SystemTime::now()",
        "use std::fs::File;",
        "fs::read(a)",
        "std::thread::spawn(a)",
        "rand::random()",
    ] {
        assert!(text.contains(first("src/query/a.rs", text).as_str()), "{text}");
        assert_ne!(first("src/query/a.rs", text), "", "{text}");
    }
    for text in [
        "// dbg!(a)",
        "let a = \"todo!()\";",
        "a.unwrap_or(b)",
        "#[cfg(test)] mod tests { use super::*; fn a() { b.unwrap(); println!(); } }",
        "use crate::a::{b, c};",
        "offs::a(); operand::b(); crate::env::fs::c();",
    ] {
        assert_eq!(check("src/query/a.rs", text), "", "{text}");
    }
    assert_eq!(check("src/main.rs", "println!(); Instant::now(); std::fs::read(a)"), "");
    assert_eq!(first("src/main.rs", "dbg!(a)"), "dbg!");
    assert_eq!(first("src/query/tests.rs", "a.unwrap(); todo!()"), "todo!");
    assert_eq!(first("tests/a.rs", "a.unwrap(); #[ignore]"), "#[ignore");
}

#[test]
fn headers_are_checked() {
    let check = |text: &str| toy("src/a.rs", text, check_header);
    assert_eq!(check("//! What it is.\n"), "");
    assert_eq!(check("/// What it is.\n"), "1: does not open with //! and what the file is");
    assert_eq!(check("//!\n"), "1: does not open with //! and what the file is");
}

#[test]
fn lengths_are_checked() {
    let lines = |count: usize| "    a();\n".repeat(count);
    let file = |count: usize| toy("src/a.rs", &lines(count), check_file_length);
    assert_eq!(file(FILE_LINES_MAX), "");
    assert_eq!(file(FILE_LINES_MAX + 1), "1001: has 1001 lines, 1000 is the most");
    let function = |count: usize, allowed: &[(&str, &str, usize)]| {
        let text = format!("type A = fn(u8);\nfn a(b: [u8; 2])\n{{\n{}}}\n", lines(count));
        toy("src/a.rs", &text, |source| check_function_lengths(source, allowed))
    };
    assert_eq!(function(67, &[]), "");
    assert_eq!(function(68, &[]), "2: function a has 71 lines, 70 is the most");
    assert_eq!(function(77, &[("src/a.rs", "a", 80)]), "");
    let grown = "2: function a has 81 lines, 80 is the most";
    assert_eq!(function(78, &[("src/a.rs", "a", 80)]), grown);
    let shrunk = "2: function a has 79 lines now: lower its exception";
    assert_eq!(function(76, &[("src/a.rs", "a", 80)]), shrunk);
    let sources = [Source::new("src/a.rs", "fn a() {}")];
    assert_eq!(check_exceptions(&sources, &[("src/a.rs", "a", 80)]).len(), 0);
    assert_eq!(check_exceptions(&sources, &[("src/a.rs", "b", 80)]).len(), 1);
}

#[test]
fn registries_are_checked() {
    let check = |entries: &str| {
        let text = format!("use x::ALL;\npub const ALL: &[&dyn Strategy] = &[{entries}];");
        let sources = [
            Source::new("src/merge/mod.rs", &text),
            Source::new("src/merge/latest.rs", ""),
            Source::new("src/merge/longest/mod.rs", ""),
        ];
        let complaints = check_registry("src/merge", &sources);
        complaints.join("; ").replace("src/merge/mod.rs:1: ", "")
    };
    assert_eq!(check("&latest::Latest, &crate::merge::longest::Longest,"), "");
    assert_eq!(check("&latest::strategy()"), "");
    assert_eq!(check("&first::First"), "ALL: &first::First has no file src/merge/first.rs");
    assert_eq!(check("&Latest"), "ALL: write &Latest as file::Name");
    assert_eq!(check("&latest::A, &latest::B"), "ALL: latest has two entries");
    let none = [Source::new("src/merge/mod.rs", "")];
    assert_eq!(check_registry("src/merge", &none), ["src/merge/mod.rs:1: has no registry ALL"]);
    assert_eq!(check_registry("src/query/other", &none), Vec::<String>::new());
}

#[test]
fn lost_files_are_found() {
    let sources = [
        Source::new("src/lib.rs", "pub mod a;\n// mod lost;\nmod inline { }"),
        Source::new("src/a/mod.rs", "pub(crate) mod b;"),
        Source::new("src/a/b.rs", "#[cfg(test)]\nmod tests;"),
        Source::new("src/a/b/tests.rs", ""),
        Source::new("src/lost.rs", "mod found_by_a_lost_one;"),
        Source::new("tests/c.rs", ""),
    ];
    assert_eq!(check_reachable(&sources), ["src/lost.rs:1: no mod line leads here"]);
}
