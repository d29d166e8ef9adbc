//! Erasure: a person ceases to exist, in one commit and from everything at once.
//!
//! The person is a graph: its identities, every row that names one of them, every decision about one, every
//! entry of the log of changes that is of its profile, and every refused row in which one of its values stands.
//! Rows of others that name an identity of the person, which only rules or decisions kept apart, go too, since
//! the identity would stay with them.
//!
//! First the writer flushes, so that the log says nothing of the person; then the state without the person
//! goes into one manifest: a crash leaves all or nothing of it. Rows are marked as deleted, and the numbers
//! of the identities kept as pending, until the segments and the files of names are written anew without
//! them, which is done at once if that was asked for, and else by the next flush. Numbers are not given again.
//!
//! Of whoever is not to come back, hashes are kept, salted by the store: the intake refuses rows whose
//! identities have one of them.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use arrow::array::{Array, AsArray, Int64Array, StringViewArray, UInt32Array};
use arrow::compute::cast;
use arrow::datatypes::DataType;
use hashbrown::HashSet;
use parking_lot::RwLock;
use sha2::{Digest, Sha256};

use crate::engine::database::{Database, Shared};
use crate::engine::deletion::FoundRows;
use crate::engine::index::RowLocation;
use crate::engine::internal::{CHANGES, ERASURES, REJECTS};
use crate::engine::receipt::{Receipt, erasure_batch};
use crate::engine::rows::RowFacts;
use crate::engine::state::{Change, State};
use crate::engine::step::{EventChanges, Stage, event_ids_of};
use crate::engine::writer::{Request, Writer, open_part, schema_of};
use crate::env::random::random_u64;
use crate::error::{Error, Result};
use crate::graph::changes::changes;
use crate::graph::dictionary::Dictionary;
use crate::model::dataset::{Dataset, DatasetKind};
use crate::model::decision::Decision;
use crate::model::definition::{Definition, Existence};
use crate::storage::manifest::Erased;
use crate::storage::part::Part;
use crate::storage::record::{CommitPart, FileReference, PartRows};

/// Code of a row that names somebody who is not to come back.
pub const FORGOTTEN: &str = "forgotten";

/// Bytes of a hash of an identity that is refused: enough that no two are taken for one.
const HASH_BYTES: usize = 16;

/// Who is to be forgotten, and how.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Erasure {
    /// A namespace of the person.
    pub namespace: String,
    /// A value in it, as a user writes it.
    pub value: String,
    /// Whether files are written anew at once.
    pub now: bool,
    /// Whether rows that name the person are refused from now on.
    pub block: bool,
    /// Who asks.
    pub requested_by: String,
}

/// Hashes of identities that are refused.
#[derive(Debug, Default)]
pub(crate) struct Blocked {
    salt: String,
    hashes: HashSet<[u8; HASH_BYTES]>,
}

/// The cell of what is refused, shared by all who take rows in.
pub(crate) type BlockedCell = RwLock<Arc<Blocked>>;

impl Blocked {
    /// What a manifest says.
    ///
    /// # Errors
    /// `XX001` if a hash is none.
    pub(crate) fn of(erased: &Erased) -> Result<Self> {
        let hashes = erased.blocked.iter().map(|text| unhex(text)).collect::<Option<_>>();
        let hashes = hashes.ok_or_else(|| Error::corrupted("a hash of the manifest is none"))?;
        Ok(Self { salt: erased.salt.clone(), hashes })
    }

    /// Whether nothing is refused.
    pub(crate) fn is_empty(&self) -> bool {
        self.hashes.is_empty()
    }

    /// Whether an identity is refused.
    pub(crate) fn has(&self, namespace: u32, value: &str) -> bool {
        self.hashes.contains(&hash(&self.salt, namespace, value))
    }
}

fn hash(salt: &str, namespace: u32, value: &str) -> [u8; HASH_BYTES] {
    let digest = Sha256::new()
        .chain_update(salt.as_bytes())
        .chain_update(namespace.to_le_bytes())
        .chain_update(value.as_bytes())
        .finalize();
    let mut short = [0; HASH_BYTES];
    short.copy_from_slice(&digest[..HASH_BYTES]);
    short
}

fn hex(hash: &[u8; HASH_BYTES]) -> String {
    hash.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn unhex(text: &str) -> Option<[u8; HASH_BYTES]> {
    let bytes = (0..text.len() / 2)
        .map(|at| u8::from_str_radix(text.get(2 * at..2 * at + 2)?, 16).ok())
        .collect::<Option<Vec<u8>>>()?;
    bytes.try_into().ok()
}

/// Everything that is of one person.
#[derive(Debug, Default)]
struct Person {
    profile: Option<u32>,
    identities: BTreeSet<u32>,
    /// Namespace numbers and values, those named by the user included.
    names: BTreeSet<(u32, String)>,
    /// Fragment ids by dataset, ascending.
    rows: BTreeMap<u32, Vec<i64>>,
    links: BTreeSet<(u32, u32)>,
    decisions: Vec<Decision>,
    /// Texts by which refused rows and statements are recognised, in lower case.
    needles: BTreeSet<String>,
}

impl Person {
    fn find(state: &State, dictionary: &Dictionary, namespace: &str, value: &str) -> Result<Self> {
        let namespace = state.catalog.namespace(namespace)?;
        let mut person = Self::default();
        let normalised = namespace.identity(value).map(std::borrow::Cow::into_owned);
        let values = normalised.iter().map(String::as_str).chain([value]);
        let known = values
            .filter_map(|value| dictionary.get(namespace.id, value))
            .find(|number| state.graph.contains(*number));
        if let Some(identity) = known {
            person.profile = state.graph.profile_of(identity);
            person.identities = state.graph.members(identity).collect();
            person.find_rows(state, identity)?;
        }
        let reader = dictionary.reader();
        let names = person.identities.iter().filter_map(|number| reader.get(*number));
        person.names = names.map(|(namespace, text)| (namespace, text.to_owned())).collect();
        drop(reader);
        person.names.extend(normalised.map(|value| (namespace.id, value)));
        let texts = person.names.iter().map(|(_, text)| text.as_str()).chain([value.trim()]);
        let needles = texts.filter(|text| !text.is_empty()).map(str::to_lowercase);
        person.needles = needles.collect();
        let named = |number: u32, namespace: u32, value: &str| {
            person.identities.contains(&number)
                || person.names.contains(&(namespace, value.to_owned()))
        };
        let about = |decision: &&Decision| {
            [&decision.left, &decision.right]
                .iter()
                .any(|it| named(it.number, it.namespace, &it.value))
        };
        person.decisions = state.catalog.decisions.unordered().filter(about).cloned().collect();
        Ok(person)
    }

    /// The rows of the cluster that name an identity of the person.
    fn find_rows(&mut self, state: &State, identity: u32) -> Result<()> {
        let mut locations: Vec<RowLocation> = Vec::new();
        for member in state.graph.cluster(identity) {
            locations.extend(state.index.records(member));
            locations.extend(state.index.events(member));
        }
        locations.sort_unstable();
        let mut open: Option<(u32, usize, RowFacts, Int64Array)> = None;
        let mut named = Vec::new();
        for location in locations {
            let part = state.slots.get(location.slot);
            let part = part.ok_or_else(|| Error::internal("a row is in an empty slot"))?;
            let (group, row) = part.locate(location.row as usize);
            if !matches!(&open, Some((slot, at, ..)) if *slot == location.slot && *at == group) {
                let dataset = state.catalog.dataset_by_id(part.dataset);
                let dataset = dataset.ok_or_else(|| Error::internal("rows of no dataset"))?;
                let facts = RowFacts::read(part, group, dataset)?;
                open = Some((location.slot, group, facts, part.fragment_ids(group)?));
            }
            let Some((.., facts, fragment_ids)) = &open else { continue };
            facts.all(row, &mut named);
            if named.iter().any(|it| self.identities.contains(it)) {
                self.rows.entry(part.dataset).or_default().push(fragment_ids.value(row));
                self.add_links(&named);
            }
        }
        for ids in self.rows.values_mut() {
            ids.sort_unstable();
            ids.dedup();
        }
        Ok(())
    }

    fn add_links(&mut self, named: &[u32]) {
        for (at, left) in named.iter().enumerate() {
            let others = named[at + 1..].iter().filter(|right| *right != left);
            self.links.extend(others.map(|right| (*left.min(right), *left.max(right))));
        }
    }

    /// Whether a text names the person: a value of it stands there, not as a part of a longer word.
    fn is_named_in(&self, text: &str) -> bool {
        let text = text.to_lowercase();
        self.needles.iter().any(|needle| stands_in(&text, needle))
    }

    /// Refused rows that name the person.
    fn rejects(&self, state: &State) -> Result<Vec<FoundRows>> {
        found(state, REJECTS, |part, group| {
            let texts = [texts_of(part, group, "raw")?, texts_of(part, group, "message")?];
            Ok(Box::new(move |row| {
                texts.iter().any(|text| text.is_valid(row) && self.is_named_in(text.value(row)))
            }))
        })
    }

    /// Entries of the log of changes that are of the person's profile, or of a statement that names it.
    fn changes(&self, state: &State) -> Result<Vec<FoundRows>> {
        found(state, CHANGES, |part, group| {
            let identity = part.column(group, "identity", &DataType::UInt32)?;
            let profiles = ["from_profile_id", "to_profile_id"]
                .map(|name| part.column(group, name, &DataType::Int64));
            let [from, to] = profiles;
            let (from, to) = (from?, to?);
            let statements = texts_of(part, group, "statement")?;
            Ok(Box::new(move |row| {
                let one = identity.as_any().downcast_ref::<UInt32Array>();
                let of_identity = one.is_some_and(|one| {
                    one.is_valid(row) && self.identities.contains(&one.value(row))
                });
                let of_profile = [&from, &to].iter().any(|column| {
                    let ids = column.as_any().downcast_ref::<Int64Array>();
                    let id = ids.and_then(|ids| u32::try_from(ids.value(row)).ok());
                    id.is_some_and(|id| self.identities.contains(&id))
                });
                let said = statements.is_valid(row) && self.is_named_in(statements.value(row));
                of_identity || of_profile || said
            }))
        })
    }

    fn receipt(&self, state: &State, erasure: &Erasure) -> Result<Receipt> {
        let (mut datasets, mut row_counts) = (Vec::new(), [0; 2]);
        for (id, rows) in &self.rows {
            let dataset = dataset_of(state, *id)?;
            let count = rows.len() as u64;
            row_counts[usize::from(dataset.kind == DatasetKind::Event)] += count;
            datasets.push((dataset.name.clone(), count));
        }
        datasets.sort_unstable();
        let count =
            |found: Vec<FoundRows>| found.iter().map(FoundRows::count).sum::<usize>() as u64;
        Ok(Receipt {
            namespace: erasure.namespace.clone(),
            profile_id: self.profile.map(i64::from),
            datasets,
            row_counts,
            identity_count: self.identities.len() as u64,
            link_count: self.links.len() as u64,
            decision_count: self.decisions.len() as u64,
            reject_count: count(self.rejects(state)?),
            change_count: count(self.changes(state)?),
            blocked: erasure.block,
            requested_by: erasure.requested_by.clone(),
            ..Receipt::default()
        })
    }
}

fn dataset_of(state: &State, id: u32) -> Result<Dataset> {
    let dataset = state.catalog.dataset_by_id(id).cloned();
    dataset.ok_or_else(|| Error::internal("rows of no dataset"))
}

/// Whether a word stands in a text.
fn stands_in(text: &str, word: &str) -> bool {
    let is_part = |letter: Option<char>| letter.is_some_and(char::is_alphanumeric);
    text.match_indices(word).any(|(at, _)| {
        let (before, after) =
            (text[..at].chars().next_back(), text[at + word.len()..].chars().next());
        let glued_before = is_part(before) && is_part(word.chars().next());
        let glued_after = is_part(after) && is_part(word.chars().next_back());
        !glued_before && !glued_after
    })
}

fn texts_of(part: &Part, group: usize, name: &str) -> Result<StringViewArray> {
    let column = part.column(group, name, &DataType::Utf8View)?;
    let column =
        cast(&column, &DataType::Utf8View).map_err(|error| Error::internal(error.to_string()))?;
    Ok(column.as_string_view().clone())
}

/// Tells of a row of a group whether it is meant.
type Meant<'a> = Box<dyn Fn(usize) -> bool + 'a>;

/// Rows of one of the store's own datasets that live and are meant.
fn found<'a>(
    state: &State,
    dataset: u32,
    meant: impl Fn(&Part, usize) -> Result<Meant<'a>>,
) -> Result<Vec<FoundRows>> {
    let mut all = Vec::new();
    for (slot, part) in state.parts(dataset) {
        for group in 0..part.group_count() {
            let meant = meant(part, group)?;
            let rows: Vec<u32> = (0..part.group_rows(group))
                .filter(|row| part.is_live(group, *row) && meant(*row))
                .map(|row| row as u32)
                .collect();
            if !rows.is_empty() {
                all.push(FoundRows::new(slot, part, group, rows));
            }
        }
    }
    Ok(all)
}

impl Database {
    /// Erases a person; returns when that is durable and visible, with what was erased.
    ///
    /// # Errors
    /// `42704` if there is no such namespace, or what the disk says; then nothing has changed.
    pub fn forget(&self, erasure: Erasure) -> Result<Receipt> {
        // Whom it is about is not told.
        let statement = format!("FORGET {}", erasure.namespace);
        let operation = self.operations().begin("forget", Some(&statement), None, "rows");
        let receipt = self.ask(|reply| Request::Forget(Box::new(erasure), reply));
        operation.conclude(&receipt, |receipt| {
            Some(format!("erasure {}: {}", receipt.erasure_id, receipt.datasets_text()))
        });
        receipt
    }

    /// What [`Database::forget`] would erase now.
    ///
    /// # Errors
    /// `42704` if there is no such namespace.
    pub fn preview_forget(&self, erasure: &Erasure) -> Result<Receipt> {
        let snapshot = self.snapshot();
        let (state, names) = (&snapshot.state, &snapshot.dictionary);
        let person = Person::find(state, names, &erasure.namespace, &erasure.value)?;
        person.receipt(state, erasure)
    }
}

impl Writer {
    /// Erases a person, in one manifest.
    ///
    /// # Errors
    /// As [`Database::forget`].
    pub(super) fn forget(&mut self, erasure: &Erasure) -> Result<Receipt> {
        self.flush()?;
        let (state, erased) = (self.state.clone(), self.erased.clone());
        let files = self.identity_files.clone();
        let forgotten = self.shared.forgotten.read().clone();
        let blocked = Arc::clone(&self.shared.blocked.read());
        let kept = self.try_forget(erasure);
        if kept.is_err() {
            (self.state, self.erased) = (state, erased);
            self.identity_files = files;
            *self.shared.forgotten.write() = forgotten;
            *self.shared.blocked.write() = blocked;
        }
        kept
    }

    fn try_forget(&mut self, erasure: &Erasure) -> Result<Receipt> {
        let names = Arc::clone(&self.shared.dictionary);
        let (namespace, value) = (&erasure.namespace, &erasure.value);
        let person = Person::find(&self.state, &names, namespace, value)?;
        let mut receipt = person.receipt(&self.state, erasure)?;
        receipt.erasure_id = self.state.row_count(ERASURES) as i64 + 1;
        receipt.forgotten_at = self.shared.clock.now_micros();
        if erasure.block {
            self.block(&person)?;
        }
        let before = self.state.clone();
        let mut change = Change::default();
        let events = self.erase(&person, &names, &mut change)?;
        self.note_others(&before, &person, &change, namespace)?;
        self.state.commit += 1;
        receipt.commit_id = self.state.commit;
        self.keep_receipt(&receipt)?;
        let numbers = self.numbers_of(&person, &names);
        self.erased.pending.extend(&numbers);
        let bound = numbers.iter().max().map_or(0, |last| last + 1);
        self.erased.next_identity = self.erased.next_identity.max(bound);
        self.shared.forgotten.write().extend(&numbers);
        let mut next = self.flushed_state_unwatched()?;
        if erasure.now {
            self.purge(&mut next)?;
        }
        self.replace_manifest(next, &BTreeSet::new())?;
        for (dataset, hashes) in events {
            self.shared.event_ids(&dataset).into_iter().for_each(|it| it.remove(hashes.clone()));
        }
        numbers.iter().for_each(|number| names.forget(*number));
        self.publish(vec![(self.state.commit, change.touched)]);
        if erasure.now {
            // What was saved is of files that are gone, and may name the person in a decision.
            self.save_if_changed();
        }
        Ok(receipt)
    }

    /// Numbers that stand for the person, although no row may name them.
    fn numbers_of(&self, person: &Person, names: &Dictionary) -> BTreeSet<u32> {
        let mut numbers = person.identities.clone();
        let named = person.names.iter();
        numbers.extend(named.filter_map(|(namespace, value)| names.get(*namespace, value)));
        // An identity that rows of somebody else bring is not this person's.
        numbers.retain(|number| !self.state.graph.contains(*number));
        numbers
    }

    /// Refuses the person's identities from now on.
    fn block(&mut self, person: &Person) -> Result<()> {
        if self.erased.salt.is_empty() {
            self.erased.salt = format!("{:016x}{:016x}", random_u64(), random_u64());
        }
        let mut all: BTreeSet<String> =
            std::mem::take(&mut self.erased.blocked).into_iter().collect();
        for (namespace, value) in &person.names {
            all.insert(hex(&hash(&self.erased.salt, *namespace, value)));
        }
        self.erased.blocked = all.into_iter().collect();
        *self.shared.blocked.write() = Arc::new(Blocked::of(&self.erased)?);
        Ok(())
    }

    /// Takes everything of a person out of the state; gives the event ids that are to be forgotten.
    fn erase(
        &mut self,
        person: &Person,
        names: &Dictionary,
        change: &mut Change,
    ) -> Result<Vec<(Dataset, Vec<u128>)>> {
        for decision in &person.decisions {
            let definition = Definition::Undecide {
                kind: decision.kind,
                left: decision.left.clone(),
                right: decision.right.clone(),
                existence: Existence::Strict,
            };
            if let Some(catalog) = self.state.catalog.apply(&definition)?.catalog {
                self.state.define(catalog, &definition, names, change, &mut |_, _| ())?;
            }
        }
        let mut events = Vec::new();
        for (id, rows) in &person.rows {
            let dataset = dataset_of(&self.state, *id)?;
            let found = self.state.find_rows(*id, rows)?;
            events.push((dataset.clone(), event_ids_of(&self.shared, &dataset, &found)?));
            self.state.delete(&dataset, &found, names, change)?;
        }
        let (rejects, entries) = (person.rejects(&self.state)?, person.changes(&self.state)?);
        self.state.delete_internal(REJECTS, &rejects);
        self.state.delete_internal(CHANGES, &entries);
        Ok(events)
    }

    /// Notes what became of others, whom rows of the person had held together or apart.
    fn note_others(
        &mut self,
        before: &State,
        person: &Person,
        change: &Change,
        namespace: &str,
    ) -> Result<()> {
        let mut all = changes(&before.graph, &self.state.graph, &change.effects.suspects);
        let is_of_person = |number: u32| person.identities.contains(&number);
        all.retain(|it| {
            !is_of_person(it.from_profile)
                && !is_of_person(it.to_profile)
                && !it.identity.is_some_and(is_of_person)
        });
        let (shared, events) = (Arc::clone(&self.shared), EventChanges::default());
        let committed_at = shared.clock.now_micros();
        let mut stage =
            Stage { shared: &shared, state: &mut self.state, events: &events, committed_at };
        stage.note_statement(&all, &format!("FORGET {namespace}")).map(drop)
    }

    fn keep_receipt(&mut self, receipt: &Receipt) -> Result<()> {
        let rows = PartRows::Batch(erasure_batch(receipt)?);
        let part = CommitPart { dataset: ERASURES, first_fragment_id: receipt.erasure_id, rows };
        let part = open_part(&self.shared, &part, receipt.forgotten_at)?;
        self.state.apply(Arc::new(part), &mut Change::default())
    }

    /// Writes segments anew that have deleted rows, and files of names that have forgotten ones.
    ///
    /// # Errors
    /// What the disk says.
    pub(super) fn purge(&mut self, next: &mut State) -> Result<()> {
        let marked: Vec<(u32, u32, Arc<Part>)> = next
            .datasets
            .keys()
            .flat_map(|dataset| {
                next.parts(*dataset).map(move |(slot, part)| (*dataset, slot, part))
            })
            .filter(|(.., part)| part.deletions().is_some())
            .map(|(dataset, slot, part)| (dataset, slot, Arc::clone(part)))
            .collect();
        for (dataset, slot, part) in marked {
            if let Some(rewritten) = self.without_deleted(next, &part)? {
                next.replace_slots(dataset, &[(slot, 0)], Arc::new(rewritten));
            }
        }
        let gone: BTreeSet<u32> = self.erased.pending.iter().copied().collect();
        let kept: Vec<FileReference> =
            self.shared.files.identities_without(&self.identity_files, &gone)?;
        self.identity_files = kept;
        self.erased.pending.clear();
        Ok(())
    }

    /// A segment with the rows of a part that live; `None` for rows of a dataset that is no more.
    fn without_deleted(&self, state: &State, part: &Part) -> Result<Option<Part>> {
        let Some(schema) = schema_of(&state.catalog, part.dataset) else { return Ok(None) };
        let files = &self.shared.files;
        let (mut writer, mut rows) = (None, 0);
        for group in 0..part.group_count() {
            let batch = part.group_with_columns(group, &schema)?;
            if batch.num_rows() == 0 {
                continue;
            }
            rows += batch.num_rows() as u64;
            if writer.is_none() {
                writer = Some(files.create_segment(part.dataset, batch.schema())?);
            }
            writer.iter_mut().try_for_each(|writer| writer.write(&batch))?;
        }
        let Some(writer) = writer else { return Ok(None) };
        let file = writer.finish(rows)?;
        files.sync_segments(part.dataset)?;
        let segment = files.open_segment(file)?;
        let (first, at) = (part.first_fragment_id, part.committed_at);
        Ok(Some(Part::segment(part.dataset, first, at, segment)))
    }
}

/// Whether a part that is about to be accepted names somebody who was forgotten since its rows were made
/// ready.
///
/// # Errors
/// `XX001` or `58030` if a segment cannot be read.
pub(crate) fn names_forgotten(shared: &Shared, part: &Part, dataset: &Dataset) -> Result<bool> {
    let forgotten = shared.forgotten.read();
    if forgotten.is_empty() || part.dataset != dataset.id {
        return Ok(false);
    }
    for (at, _) in dataset.identity_columns() {
        for group in 0..part.group_count() {
            let numbers = part.identities(group, &dataset.columns[at].name)?;
            if numbers.iter().flatten().any(|number| forgotten.contains(&number)) {
                return Ok(true);
            }
        }
    }
    Ok(false)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_recognised_where_they_stand_alone() {
        for (text, word, expected) in [
            ("17,a@x.com,rome", "17", true),
            ("117,a@x.com", "17", false),
            ("{\"id\":\"17\"}", "17", true),
            ("170", "17", false),
            ("17", "17", true),
            ("aa@x.com", "a@x.com", false),
            ("mailto:a@x.com", "a@x.com", true),
            ("a@x.com.au", "a@x.com", true),
            ("1717 17", "17", true),
            ("", "17", false),
            ("+49 170", "+49 170", true),
        ] {
            assert_eq!(stands_in(text, word), expected, "{word} in {text}");
        }
    }

    #[test]
    fn hashes_survive_being_written() {
        let sum = hash("salt", 3, "a@x");
        assert_eq!(unhex(&hex(&sum)), Some(sum));
        assert_ne!(sum, hash("pepper", 3, "a@x"));
        assert_ne!(sum, hash("salt", 4, "a@x"));
        assert_eq!((unhex("xy"), unhex("é0")), (None, None));
        let erased =
            Erased { salt: "salt".to_owned(), blocked: vec![hex(&sum)], ..Erased::default() };
        let blocked = Blocked::of(&erased).unwrap();
        assert!(blocked.has(3, "a@x") && !blocked.has(3, "b@x") && !blocked.is_empty());
    }
}
