//! Checking a store: its files, what its rows say, and that derived state is what all rows give.
//!
//! Nothing is changed: the store is opened over a disk whose changes stay in memory. `storage::check` looks
//! at the files; here the rows are read as recovery reads them, and, if asked for, once more without saved
//! derived state, and the two are compared.

use std::collections::BTreeMap;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::Arc;

use arrow::array::{Array, Int64Array, UInt32Array};
use arrow::row::{RowConverter, SortField};
use hashbrown::HashMap;

use crate::engine::database::{Database, Options};
use crate::engine::index::RowLocation;
use crate::engine::snapshot::Snapshot;
use crate::env::disk::Disk;
use crate::env::overlay_disk::OverlayDisk;
use crate::error::{Error, Result, SqlState};
use crate::model::dataset::Dataset;
use crate::storage::check::{CheckedFiles, Finding, RECOMPUTE, Severity, Watch, check_files};
use crate::storage::derived;
use crate::storage::part::Part;

/// The most findings of one kind: damage that is everywhere is told once in a while, not row by row.
pub const FINDINGS_MAX: usize = 20;

/// How a database is opened: by whoever knows what computes columns and policies.
pub type Open<'a> = &'a dyn Fn(Options) -> Result<Arc<Database>>;

/// The first and the last fragment id of a group of a part.
type Range = (i64, i64, Arc<Part>, usize);

/// What a check found.
#[derive(Debug, Default)]
pub struct CheckReport {
    /// Everything found.
    pub findings: Vec<Finding>,
    /// Files read.
    pub file_count: usize,
    /// Bytes read.
    pub byte_count: u64,
    /// Rows of datasets that live.
    pub row_count: u64,
    /// Identities that rows name.
    pub identity_count: u64,
    /// Profiles.
    pub profile_count: u64,
}

impl CheckReport {
    /// How much of what was found is damage.
    pub fn damage_count(&self) -> usize {
        self.findings.iter().filter(|it| it.severity == Severity::Damage).count()
    }
}

/// Checks a store: every file; what rows refer to; and, if `deep`, that graph, index and profiles are what
/// all rows give.
///
/// # Errors
/// `58P01` if there is no store, `58030` if the disk fails. That the store is damaged is no error, but a
/// finding.
pub fn check(
    options: &Options,
    deep: bool,
    open: Open<'_>,
    watch: &mut dyn Watch,
) -> Result<CheckReport> {
    let files = check_files(&options.disk, watch)?;
    let ground_is_damaged =
        files.findings.iter().any(|it| it.severity == Severity::Damage && it.path != derived::PATH);
    let CheckedFiles { findings, file_count, byte_count, .. } = files;
    let mut report = CheckReport { findings, file_count, byte_count, ..CheckReport::default() };
    if ground_is_damaged {
        return Ok(report);
    }
    watch.begin("rows");
    let Some(database) = report.opened(options, open)? else { return Ok(report) };
    let snapshot = database.snapshot();
    report.check_rows(&snapshot)?;
    if deep && report.damage_count() == 0 {
        watch.begin("derived state");
        let without: Arc<dyn Disk> = Arc::new(OverlayDisk::new(Arc::clone(&options.disk)));
        without.remove(derived::PATH)?;
        let again = open(Options { disk: without, ..options.clone() })?;
        report.compare(&snapshot, &again.snapshot())?;
        report.compare_profiles(&database, &again)?;
    }
    Ok(report)
}

impl CheckReport {
    fn opened(&mut self, options: &Options, open: Open<'_>) -> Result<Option<Arc<Database>>> {
        let overlay: Arc<dyn Disk> = Arc::new(OverlayDisk::new(Arc::clone(&options.disk)));
        match open(Options { disk: overlay, ..options.clone() }) {
            Ok(database) => Ok(Some(database)),
            Err(error) if error.code() == SqlState::IO_ERROR => Err(error),
            Err(error) => {
                let message = format!("the store cannot be opened: {}", error.message());
                self.findings.push(Finding::damage("manifest", message));
                Ok(None)
            }
        }
    }

    /// Fragment ids are unique and below the next one, and identities have names.
    fn check_rows(&mut self, snapshot: &Arc<Snapshot>) -> Result<()> {
        let state = &snapshot.state;
        self.identity_count = state.graph.identity_count() as u64;
        self.profile_count = state.graph.profile_count() as u64;
        let mut ranges = Vec::new();
        for dataset in snapshot.catalog().datasets.values() {
            self.row_count += state.row_count(dataset.id) as u64;
            for (_, part) in state.parts(dataset.id) {
                let path = path_of(part);
                for group in 0..part.group_count() {
                    let ids = part.fragment_ids(group)?;
                    self.check_ascending(&ids, &path);
                    if let (Some(first), Some(last)) = (ids.iter().next(), ids.iter().last()) {
                        let bounds = (first.unwrap_or_default(), last.unwrap_or_default());
                        ranges.push((bounds.0, bounds.1, Arc::clone(part), group));
                    }
                    self.check_identities(snapshot, dataset, part, group, &path)?;
                }
            }
        }
        self.check_ranges(ranges, state.next_fragment_id)
    }

    fn add(&mut self, finding: Finding) {
        let same =
            |it: &&Finding| it.message.split(':').next() == finding.message.split(':').next();
        if self.findings.iter().filter(same).count() < FINDINGS_MAX {
            self.findings.push(finding);
        }
    }

    fn check_ascending(&mut self, ids: &Int64Array, path: &str) {
        if let Some(pair) = ids.values().windows(2).find(|pair| pair[0] >= pair[1]) {
            let message = format!("fragment ids do not ascend: {} before {}", pair[0], pair[1]);
            self.add(Finding::damage(path, message));
        }
    }

    /// Ids of groups of rows may interleave, as datasets are written at the same time, but none is there
    /// twice; groups whose ranges are apart need not be read again.
    fn check_ranges(&mut self, mut ranges: Vec<Range>, next: i64) -> Result<()> {
        ranges.sort_unstable_by_key(|(first, last, ..)| (*first, *last));
        for (first, last, part, _) in &ranges {
            if *first < 1 || *last >= next {
                let message =
                    format!("fragment ids are out of range: {first} to {last}, of {next}");
                self.add(Finding::damage(&path_of(part), message));
            }
        }
        let mut from = 0;
        while from < ranges.len() {
            let (mut to, mut last) = (from + 1, ranges[from].1);
            while to < ranges.len() && ranges[to].0 <= last {
                last = last.max(ranges[to].1);
                to += 1;
            }
            if to > from + 1 {
                self.check_once(&ranges[from..to])?;
            }
            from = to;
        }
        Ok(())
    }

    fn check_once(&mut self, ranges: &[Range]) -> Result<()> {
        let mut all = Vec::new();
        for (_, _, part, group) in ranges {
            all.extend_from_slice(part.fragment_ids(*group)?.values());
        }
        all.sort_unstable();
        if let Some(pair) = all.windows(2).find(|pair| pair[0] == pair[1]) {
            let message = format!("fragment ids are there twice: {}", pair[0]);
            self.add(Finding::damage(&path_of(&ranges[0].2), message));
        }
        Ok(())
    }

    /// Each number has a name, in the namespace of its column.
    fn check_identities(
        &mut self,
        snapshot: &Snapshot,
        dataset: &Dataset,
        part: &Part,
        group: usize,
        path: &str,
    ) -> Result<()> {
        for (at, namespace) in dataset.identity_columns() {
            let name = &dataset.columns[at].name;
            let expected = snapshot.catalog().namespace(namespace)?.id;
            let numbers: UInt32Array = part.identities(group, name)?;
            let reader = snapshot.dictionary.reader();
            let named = |number: &u32| reader.get(*number).is_some_and(|it| it.0 == expected);
            let wrong = (0..numbers.len())
                .filter(|row| numbers.is_valid(*row) && part.is_live(group, *row))
                .map(|row| numbers.value(row))
                .find(|number| !named(number));
            drop(reader);
            if let Some(number) = wrong {
                let message = format!("identities have no name: {number} in column \"{name}\"");
                self.add(Finding::damage(path, message));
            }
        }
        Ok(())
    }

    fn compare(&mut self, saved: &Arc<Snapshot>, computed: &Arc<Snapshot>) -> Result<()> {
        let (left, right) = (identity_sums(saved)?, identity_sums(computed)?);
        let keys = left.keys().chain(right.keys()).copied();
        let differs = |identity: &u32| left.get(identity) != right.get(identity);
        if let Some(identity) = keys.filter(differs).min() {
            let (namespace, value) = saved.identity_key(identity);
            let message = format!(
                "graph or index is not what all rows give, first for {namespace} \"{value}\" (identity {identity})"
            );
            self.add(Finding::damage(derived::PATH, message).advise(RECOMPUTE));
        }
        Ok(())
    }

    fn compare_profiles(&mut self, saved: &Arc<Database>, computed: &Arc<Database>) -> Result<()> {
        let policies: Vec<String> = saved.snapshot().catalog().policies.keys().cloned().collect();
        for policy in policies {
            let (left, right) = (profile_sums(saved, &policy), profile_sums(computed, &policy));
            // A policy that cannot be computed, such as a sum that overflows, is the same both times.
            let (Ok(left), Ok(right)) = (left, right) else { continue };
            let keys = left.keys().chain(right.keys()).copied();
            if let Some(profile) = keys.filter(|it| left.get(it) != right.get(it)).min() {
                let message = format!(
                    "profiles under policy \"{policy}\" are not what all rows give, first profile {profile}"
                );
                self.add(Finding::damage(derived::PATH, message).advise(RECOMPUTE));
            }
        }
        Ok(())
    }
}

fn path_of(part: &Part) -> String {
    let segment = part.segment_file();
    segment.map_or_else(|| "log".to_owned(), |segment| segment.file().path.clone())
}

/// What graph and index say of each identity, in one number.
fn identity_sums(snapshot: &Snapshot) -> Result<BTreeMap<u32, u64>> {
    let state = &snapshot.state;
    let mut fragments = FragmentIds { snapshot, groups: HashMap::new() };
    let mut sums = BTreeMap::new();
    for identity in state.graph.identities() {
        let mut hasher = DefaultHasher::new();
        state.graph.profile_of(identity).hash(&mut hasher);
        let mut dropped: Vec<String> =
            state.graph.dropped_of(identity).map(|it| format!("{it:?}")).collect();
        dropped.sort_unstable();
        dropped.hash(&mut hasher);
        let totals = state.index.totals(identity);
        (totals.fragment_count, totals.event_count).hash(&mut hasher);
        (totals.first_seen_at, totals.last_seen_at).hash(&mut hasher);
        state.index.sets.get(totals.datasets).hash(&mut hasher);
        fragments.of(state.index.records(identity))?.hash(&mut hasher);
        fragments.of(state.index.events(identity))?.hash(&mut hasher);
        sums.insert(identity, hasher.finish());
    }
    Ok(sums)
}

/// Fragment ids by where rows are.
struct FragmentIds<'a> {
    snapshot: &'a Snapshot,
    groups: HashMap<(u32, usize), Int64Array>,
}

impl FragmentIds<'_> {
    /// Those of some rows, ascending.
    fn of(&mut self, rows: impl Iterator<Item = RowLocation>) -> Result<Vec<i64>> {
        let mut ids = rows.map(|location| self.at(location)).collect::<Result<Vec<_>>>()?;
        ids.sort_unstable();
        Ok(ids)
    }

    fn at(&mut self, location: RowLocation) -> Result<i64> {
        let part = self.snapshot.state.slots.get(location.slot);
        let part = part.ok_or_else(|| Error::internal("the index names an empty slot"))?;
        let (group, row) = part.locate(location.row as usize);
        let key = (location.slot, group);
        if !self.groups.contains_key(&key) {
            self.groups.insert(key, part.fragment_ids(group)?);
        }
        Ok(self.groups.get(&key).map_or(0, |ids| ids.value(row)))
    }
}

/// What each merged profile is under a policy, in one number.
fn profile_sums(database: &Arc<Database>, policy: &str) -> Result<BTreeMap<i64, u64>> {
    let view = database.profiles(&database.snapshot(), policy)?;
    let internal = |error: arrow::error::ArrowError| Error::internal(error.to_string());
    let fields = view.schema.fields().iter();
    let fields: Vec<SortField> =
        fields.map(|field| SortField::new(field.data_type().clone())).collect();
    let converter = RowConverter::new(fields).map_err(internal)?;
    let mut sums = BTreeMap::new();
    for chunk in &view.chunks {
        let columns = (0..view.schema.fields().len())
            .map(|at| chunk.column(at))
            .collect::<Result<Vec<_>>>()?;
        let ids = columns[0].as_any().downcast_ref::<Int64Array>().cloned();
        let ids = ids.ok_or_else(|| Error::internal("profile ids are not numbers"))?;
        let rows = converter.convert_columns(&columns).map_err(internal)?;
        for (id, row) in ids.values().iter().zip(rows.iter()) {
            let mut hasher = DefaultHasher::new();
            row.as_ref().hash(&mut hasher);
            sums.insert(*id, hasher.finish());
        }
    }
    Ok(sums)
}
