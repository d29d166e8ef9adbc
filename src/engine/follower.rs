//! The follower: one thread in the place of the writer, which does what another process has done.
//!
//! It reads the manifest and the records of the log as they become durable, and applies each as recovery would:
//! whole, in order, and visible only then. When the writer has moved the tail into segments, the same rows are
//! found in them by their fragment ids and the parts exchanged; if anything else changed, the store is read anew
//! from the new manifest, while queries go on with what they have. It writes nothing anywhere.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::time::Duration;

use arrow::array::{Array, Int64Array};
use bytes::Bytes;
use hashbrown::HashSet;

use crate::engine::database::{Options, Shared};
use crate::engine::recovery::empty;
use crate::engine::replication::Role;
use crate::engine::state::State;
use crate::engine::writer::{Request, Writer};
use crate::env::clock::Stopwatch;
use crate::env::disk::Disk;
use crate::env::progress::Progress;
use crate::error::{Error, Result, SqlState};
use crate::storage::manifest::{Manifest, SegmentEntry};
use crate::storage::part::Part;
use crate::storage::record::Record;
use crate::storage::store::Store;
use crate::storage::tail::LogTail;

/// Records that become visible by one snapshot.
const GROUP_MAX: usize = 256;

/// Groups that are applied before requests are answered again.
const GROUPS_MAX: usize = 16;

/// How often opening is tried while the writer replaces what is being opened.
const ATTEMPTS_MAX: usize = 10;

pub(crate) struct Follower {
    disk: Arc<dyn Disk>,
    /// What recovery needs; it has no log of its own.
    writer: Writer,
    /// The manifest that the state comes from, and as it is stored.
    manifest: Manifest,
    stored: Bytes,
    tail: LogTail,
    poll: Duration,
    /// Whether the state must be read anew, as applying a record went wrong half-way.
    broken: bool,
}

impl Follower {
    /// Opens a store that another process writes.
    pub(crate) fn open(options: &Options, poll: Duration) -> Result<Self> {
        let disk = Arc::clone(&options.disk);
        let (stored, manifest, tail) = attempt(&disk, |_, _| Ok(()))?;
        let store = Store::follow(Arc::clone(&disk), options.cache_bytes, manifest.clone());
        let writer = empty(store, options);
        writer.shared.replication.lock().role = Role::Follower;
        let mut follower = Self { disk, writer, manifest, stored, tail, poll, broken: true };
        while !follower.try_poll()? {}
        Ok(follower)
    }

    pub(crate) fn shared(&self) -> &Arc<Shared> {
        &self.writer.shared
    }

    /// Polls, and refuses requests, until asked to close.
    pub(crate) fn run(mut self, requests: &Receiver<Request>) {
        let mut wait = self.poll;
        loop {
            let watch = Stopwatch::start();
            match requests.recv_timeout(wait) {
                Ok(Request::Close(reply)) => return drop(reply.send(Ok(()))),
                Ok(request) => {
                    let refusal = self.shared().replication.lock().refusal();
                    request.refuse(refusal.unwrap_or_else(|| Error::internal("no follower")));
                    wait = wait.saturating_sub(Duration::from_secs_f64(watch.seconds()));
                    continue;
                }
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => return,
            }
            let caught_up = self.try_poll();
            wait = if matches!(caught_up, Ok(false)) { Duration::ZERO } else { self.poll };
            self.tell(caught_up.err());
        }
    }

    /// Makes an error known, once.
    fn tell(&self, error: Option<Error>) {
        let mut replication = self.shared().replication.lock();
        let message = error.as_ref().map(|error| error.message().to_owned());
        if replication.error == message {
            return;
        }
        match error {
            Some(error) => tracing::error!(%error, "cannot follow the writer; trying again"),
            None => tracing::info!("following the writer again"),
        }
        replication.error = message;
    }

    /// Looks for news; gives whether everything that was durable before is now visible.
    fn try_poll(&mut self) -> Result<bool> {
        let asked_at = self.shared().clock.now_micros();
        let stored = stored(&self.disk)?;
        let caught_up = match self.broken {
            true => self.reopen().map(|()| false)?,
            false => self.drain()? && self.follow_manifest(stored)?,
        };
        let mut replication = self.writer.shared.replication.lock();
        replication.writer.clone_from(&self.manifest.writer);
        replication.epoch = self.manifest.epoch;
        replication.log_number = self.tail.number();
        replication.log_position = self.tail.record_count();
        if caught_up {
            replication.caught_up_at = Some(asked_at);
        }
        Ok(caught_up)
    }

    /// Applies what the log has; gives whether that was all.
    fn drain(&mut self) -> Result<bool> {
        for _ in 0..GROUPS_MAX {
            let mut touched = Vec::new();
            let applied = self.apply_group(&mut touched);
            if applied.is_err() {
                self.broken = true;
                return applied;
            }
            if !touched.is_empty() {
                self.writer.publish(touched);
            }
            if applied? {
                return Ok(true);
            }
        }
        Ok(false)
    }

    fn apply_group(
        &mut self,
        touched: &mut Vec<(u64, crate::engine::touched::Touched)>,
    ) -> Result<bool> {
        while touched.len() < GROUP_MAX {
            let Some(payload) = self.tail.next_record()? else { return Ok(true) };
            touched.extend(self.writer.replay(Record::decode(&payload)?)?);
        }
        Ok(false)
    }

    /// Goes on to a manifest that was in force before the log was read to its end; gives whether nothing
    /// is left to be done.
    fn follow_manifest(&mut self, stored: Bytes) -> Result<bool> {
        if stored == self.stored {
            return Ok(true);
        }
        let manifest = Manifest::decode(&stored)?;
        let same_people = manifest.erased == self.manifest.erased;
        if manifest.log_number == self.tail.number()
            && manifest.segments == self.manifest.segments
            && same_people
        {
            // Another writer has claimed the store, and goes on with its log.
            (self.manifest, self.stored) = (manifest, stored);
            return Ok(true);
        }
        let exchanged = || self.exchanged(&manifest).unwrap_or_default();
        let next = if same_people { exchanged() } else { None };
        let tail = LogTail::open(&self.disk, manifest.log_number);
        if let (Ok(tail), Some(next)) = (tail, next) {
            self.writer.state = next;
            self.writer.logged_segments.clear();
            self.writer.unflushed.clear();
            (self.manifest, self.stored, self.tail) = (manifest, stored, tail);
            self.writer.publish(Vec::new());
        } else {
            self.reopen()?;
        }
        Ok(false)
    }

    /// Reads the store anew; queries see the old state until the new one is complete.
    fn reopen(&mut self) -> Result<()> {
        let watch = Stopwatch::start();
        let before = self.writer.state.clone();
        let (disk, writer) = (Arc::clone(&self.disk), &mut self.writer);
        let opened = attempt(&disk, |manifest, tail| {
            writer.state = State::default();
            writer.logged_segments.clear();
            writer.unflushed.clear();
            forget_absent(writer, manifest)?;
            writer.load_manifest(manifest, &Progress::default())?;
            // Nobody is to see less than before.
            while let Some(payload) = tail.next_record()? {
                writer.replay(Record::decode(&payload)?)?;
            }
            Ok(())
        });
        let (stored, manifest, tail) = match opened {
            Ok(opened) => opened,
            Err(error) => {
                self.writer.state = before;
                return Err(error);
            }
        };
        // Views are known by their commits: this must be none that there was.
        self.writer.state.commit += before.commit + 1;
        (self.manifest, self.stored, self.tail) = (manifest, stored, tail);
        self.broken = false;
        self.writer.publish_anew();
        tracing::info!(
            segments = self.manifest.segments.len(),
            log = self.manifest.log_number,
            seconds = watch.seconds(),
            "read the store that is followed"
        );
        Ok(())
    }

    /// The state with the parts that a manifest names, if these are the same rows.
    fn exchanged(&self, manifest: &Manifest) -> Result<Option<State>> {
        let mut next = self.writer.state.clone();
        let catalog = serde_json::to_value(next.catalog.as_ref());
        if catalog.map_err(|error| Error::internal(error.to_string()))? != manifest.catalog {
            return Ok(None);
        }
        let mut entries: BTreeMap<u32, Vec<&SegmentEntry>> = BTreeMap::new();
        for dataset in next.datasets.keys() {
            entries.entry(*dataset).or_default();
        }
        for entry in &manifest.segments {
            entries.entry(entry.dataset).or_default().push(entry);
        }
        for (dataset, entries) in entries {
            if !self.exchange(&mut next, dataset, &entries)? {
                return Ok(None);
            }
        }
        Ok(Some(next))
    }

    /// Puts segments in the place of a dataset's tail; gives whether they are the same rows.
    fn exchange(&self, next: &mut State, dataset: u32, entries: &[&SegmentEntry]) -> Result<bool> {
        let mut fresh: BTreeMap<&str, &SegmentEntry> =
            entries.iter().map(|entry| (entry.file.path.as_str(), *entry)).collect();
        let parts: Vec<(u32, Arc<Part>)> =
            next.parts(dataset).map(|(slot, part)| (slot, Arc::clone(part))).collect();
        let mut tail = Vec::new();
        for (slot, part) in parts {
            let Some(segment) = part.segment_file() else {
                tail.push((slot, part));
                continue;
            };
            match fresh.remove(segment.file().path.as_str()) {
                Some(entry) => {
                    let deleted = entry.deletions.as_ref().map_or(0, |file| file.row_count);
                    if deleted != (part.row_count() - part.live_count()) as u64 {
                        return Ok(false);
                    }
                }
                None if part.live_count() == 0 => next.drop_part(dataset, slot),
                None => return Ok(false),
            }
        }
        let mut fresh = fresh.into_values();
        match (fresh.next(), fresh.next()) {
            (None, _) if tail.iter().all(|(_, part)| part.live_count() == 0) => {
                tail.iter().for_each(|(slot, _)| next.drop_part(dataset, *slot));
                Ok(true)
            }
            (Some(entry), None) => self.exchange_tail(next, dataset, &tail, entry),
            _ => Ok(false),
        }
    }

    fn exchange_tail(
        &self,
        next: &mut State,
        dataset: u32,
        tail: &[(u32, Arc<Part>)],
        entry: &SegmentEntry,
    ) -> Result<bool> {
        let part = self.writer.stored_part(entry)?;
        let (mut old, mut ids) = (Vec::new(), Vec::new());
        for (slot, part) in tail {
            old.push((*slot, ids.len() as u32));
            live_ids(part, &mut ids)?;
        }
        let mut stored = Vec::new();
        live_ids(&part, &mut stored)?;
        let same = ids == stored && part.row_count() == ids.len();
        if same {
            next.replace_slots(dataset, &old, Arc::new(part));
        }
        Ok(same)
    }
}

/// Forgets identities that a manifest names no more: who was forgotten and comes back has another number.
fn forget_absent(writer: &Writer, manifest: &Manifest) -> Result<()> {
    if manifest.erased.is_empty() {
        return Ok(());
    }
    let mut present: HashSet<u32> = HashSet::new();
    for file in &manifest.identities {
        writer.shared.files.read_identities(file, |number, _, _| {
            present.insert(number);
            Ok(())
        })?;
    }
    let dictionary = &writer.shared.dictionary;
    let absent = (0..dictionary.bound()).filter(|number| !present.contains(number));
    absent.for_each(|number| dictionary.forget(number));
    Ok(())
}

/// Adds the fragment ids of a part's rows that live.
fn live_ids(part: &Part, ids: &mut Vec<i64>) -> Result<()> {
    for group in 0..part.group_count() {
        let column = part.live_column(group, Arc::new(part.fragment_ids(group)?))?;
        let column = column.as_any().downcast_ref::<Int64Array>();
        let column = column.ok_or_else(|| Error::corrupted("fragment ids are not numbers"))?;
        ids.extend_from_slice(column.values());
    }
    Ok(())
}

fn stored(disk: &Arc<dyn Disk>) -> Result<Bytes> {
    Manifest::stored(disk)?.ok_or_else(|| {
        Error::new(SqlState::UNDEFINED_FILE, "there is no store to follow")
            .hint("start the server that writes it first")
    })
}

/// Opens what a manifest names; if that fails and another manifest is in force by then, tries again.
fn attempt(
    disk: &Arc<dyn Disk>,
    mut open: impl FnMut(&Manifest, &mut LogTail) -> Result<()>,
) -> Result<(Bytes, Manifest, LogTail)> {
    let mut contents = stored(disk)?;
    for _ in 1..ATTEMPTS_MAX {
        let manifest = Manifest::decode(&contents)?;
        let tail = LogTail::open(disk, manifest.log_number);
        let error = match tail.and_then(|mut tail| open(&manifest, &mut tail).map(|()| tail)) {
            Ok(tail) => return Ok((contents, manifest, tail)),
            Err(error) => error,
        };
        let newer = stored(disk)?;
        if newer == contents {
            return Err(error);
        }
        contents = newer;
    }
    Err(Error::new(SqlState::OBJECT_IN_USE, "the store changes faster than it can be read")
        .hint("try again"))
}
