//! Idempotency keys: a client that never heard the answer may send the same rows again.
//!
//! A key is stored in the record of the load that it came with, as columns of `selfsame.ingests`, so that
//! rows and key become durable together or not at all. This is the list of those that are remembered, by
//! dataset and key: built from the newest loads when a store is opened, bounded by age and by number.
//! A key whose load goes on is held, and its second bearer told to come back; one whose load failed is
//! free again, since nothing of that load remains. `load` is the only user.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;

use arrow::array::{Array, AsArray, StringViewArray};
use arrow::datatypes::{DataType, Int64Type, TimestampMicrosecondType};
use parking_lot::Mutex;

use crate::engine::internal::INGESTS;
use crate::engine::state::State;
use crate::error::{Error, Result, SqlState};
use crate::storage::part::{Part, time_type};

/// How long a key is remembered: a client that retries for longer has other troubles.
pub const KEY_AGE_MAX_MICROS: i64 = 24 * 3600 * 1_000_000;

/// How many keys are remembered: some tens of megabytes at most, a key a second for a day.
pub const KEYS_MAX: usize = 100_000;

/// The most bytes of a key, as in other interfaces that have them.
pub const KEY_BYTES_MAX: usize = 255;

/// The columns of `selfsame.ingests` as stored that say what the key was, of which dataset, and what came
/// with it.
pub const KEY_COLUMNS: [&str; 3] = ["idempotency_key", "key_dataset_id", "fingerprint"];

/// What a load with a key did.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Remembered {
    /// Its number.
    pub ingest_id: i64,
    /// Rows accepted, refused, and skipped.
    pub counts: [u64; 3],
    /// What tells other rows apart from these.
    pub fingerprint: String,
    finished_at: i64,
}

#[derive(Debug)]
enum Slot {
    Held,
    Done(Remembered),
}

type Name = (u32, String);

#[derive(Debug, Default)]
struct Keys {
    slots: HashMap<Name, Slot>,
    /// Those that are done, oldest first.
    order: VecDeque<(i64, Name)>,
}

impl Keys {
    fn remember(&mut self, name: Name, done: Remembered) {
        self.order.push_back((done.finished_at, name.clone()));
        self.slots.insert(name, Slot::Done(done));
    }

    /// Forgets what is too old or too much.
    fn forget(&mut self, now: i64) {
        while let Some((finished_at, _)) = self.order.front() {
            let old = *finished_at < now.saturating_sub(KEY_AGE_MAX_MICROS);
            if !old && self.order.len() <= KEYS_MAX {
                return;
            }
            if let Some((_, name)) = self.order.pop_front() {
                self.slots.remove(&name);
            }
        }
    }
}

/// The keys of one database.
#[derive(Debug, Default)]
pub(crate) struct IdempotencyKeys(Arc<Mutex<Keys>>);

/// What a key comes to.
pub(crate) enum Claim {
    /// The load may go on; the key is free again unless it is kept.
    Granted(Held),
    /// A load with it was done.
    Known(Remembered),
}

/// A key that a load holds.
pub(crate) struct Held {
    keys: Arc<Mutex<Keys>>,
    name: Option<Name>,
}

impl Held {
    /// The load is done and durable.
    pub(crate) fn keep(
        mut self,
        ingest_id: i64,
        counts: [u64; 3],
        fingerprint: String,
        finished_at: i64,
    ) {
        if let Some(name) = self.name.take() {
            let done = Remembered { ingest_id, counts, fingerprint, finished_at };
            let mut keys = self.keys.lock();
            keys.remember(name, done);
            keys.forget(finished_at);
        }
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        if let Some(name) = self.name.take() {
            self.keys.lock().slots.remove(&name);
        }
    }
}

/// Refuses what cannot be a key.
///
/// # Errors
/// `22023` if it is empty, too long, or has characters that nobody could see.
pub fn check_key(key: &str) -> Result<()> {
    let wrong = |what: &str| {
        Err(Error::new(SqlState::INVALID_PARAMETER_VALUE, format!("idempotency key {what}")))
    };
    match key {
        "" => wrong("is empty"),
        _ if key.len() > KEY_BYTES_MAX => wrong(&format!("is longer than {KEY_BYTES_MAX} bytes")),
        _ if key.chars().any(char::is_control) => wrong("has control characters"),
        _ => Ok(()),
    }
}

impl IdempotencyKeys {
    /// Takes a key for a load.
    ///
    /// # Errors
    /// `55006` while another load has it.
    pub(crate) fn claim(&self, dataset: u32, key: &str, now: i64) -> Result<Claim> {
        let mut keys = self.0.lock();
        keys.forget(now);
        let name = (dataset, key.to_owned());
        match keys.slots.get(&name) {
            Some(Slot::Done(done)) => Ok(Claim::Known(done.clone())),
            Some(Slot::Held) => {
                let message = format!("a request with idempotency key \"{key}\" is still running");
                Err(Error::new(SqlState::OBJECT_IN_USE, message)
                    .hint("try again when it has ended"))
            }
            None => {
                keys.slots.insert(name.clone(), Slot::Held);
                Ok(Claim::Granted(Held { keys: Arc::clone(&self.0), name: Some(name) }))
            }
        }
    }

    /// Learns the keys of the newest loads of a store; stops reading at the first part that is too old.
    ///
    /// # Errors
    /// `XX001` if what is stored is damaged.
    pub(crate) fn restore(&self, state: &State, now: i64) -> Result<()> {
        let parts: Vec<&Arc<Part>> = state.parts(INGESTS).map(|(_, part)| part).collect();
        let mut found = Vec::new();
        'parts: for part in parts.into_iter().rev() {
            for group in (0..part.group_count()).rev() {
                let newest = keys_of(part, group, &mut found)?;
                if newest < now.saturating_sub(KEY_AGE_MAX_MICROS) || found.len() >= KEYS_MAX {
                    break 'parts;
                }
            }
        }
        found.sort_by_key(|(_, done)| done.finished_at);
        let mut keys = self.0.lock();
        found.into_iter().for_each(|(name, done)| keys.remember(name, done));
        keys.forget(now);
        Ok(())
    }
}

/// Adds the keys of a row group of loads; gives when the last of them was done.
fn keys_of(part: &Part, group: usize, found: &mut Vec<(Name, Remembered)>) -> Result<i64> {
    let times = part.column(group, "finished_at", &time_type())?;
    let times = times.as_primitive_opt::<TimestampMicrosecondType>().ok_or_else(damaged)?;
    let newest = times.values().iter().copied().fold(i64::MIN, i64::max);
    let text = |name: &str| part.column(group, name, &DataType::Utf8View);
    let number = |name: &str| part.column(group, name, &DataType::Int64);
    let [key, dataset, fingerprint] = KEY_COLUMNS;
    let (key, fingerprint) = (text(key)?, text(fingerprint)?);
    if key.null_count() == key.len() {
        return Ok(newest);
    }
    let (key, fingerprint) = (texts(&key)?, texts(&fingerprint)?);
    let names = ["ingest_id", "accepted_count", "rejected_count", "duplicate_count", dataset];
    let numbers = names.iter().map(|name| number(name)).collect::<Result<Vec<_>>>()?;
    let at = |column: usize, row: usize| {
        let numbers = numbers[column].as_primitive_opt::<Int64Type>().ok_or_else(damaged)?;
        Ok::<i64, Error>(numbers.value(row))
    };
    for row in (0..key.len()).filter(|row| key.is_valid(*row)) {
        let dataset = u32::try_from(at(4, row)?).map_err(|_| damaged())?;
        let counts = [at(1, row)? as u64, at(2, row)? as u64, at(3, row)? as u64];
        let done = Remembered {
            ingest_id: at(0, row)?,
            counts,
            fingerprint: fingerprint.value(row).to_owned(),
            finished_at: times.value(row),
        };
        found.push(((dataset, key.value(row).to_owned()), done));
    }
    Ok(newest)
}

fn texts(array: &dyn Array) -> Result<&StringViewArray> {
    array.as_string_view_opt().ok_or_else(damaged)
}

fn damaged() -> Error {
    Error::corrupted("the record of loads has other columns")
}

#[cfg(test)]
mod tests {
    use super::{Claim, Held, IdempotencyKeys, KEY_AGE_MAX_MICROS, KEYS_MAX, check_key};
    use crate::error::Result;

    /// What a claim comes to: `granted`, the number of the load that was done, or the code.
    fn check(claim: &Result<Claim>, expected: &str) {
        let found = match claim {
            Ok(Claim::Granted(_)) => "granted".to_owned(),
            Ok(Claim::Known(done)) => done.ingest_id.to_string(),
            Err(error) => error.code().0.to_owned(),
        };
        assert_eq!(found, expected);
    }

    fn held(keys: &IdempotencyKeys, key: &str, now: i64) -> Held {
        match keys.claim(7, key, now) {
            Ok(Claim::Granted(held)) => held,
            _ => panic!("{key} is not free"),
        }
    }

    #[test]
    fn a_key_is_held_then_known_and_free_after_a_failure() {
        let keys = IdempotencyKeys::default();
        let first = held(&keys, "a", 0);
        check(&keys.claim(7, "a", 0), "55006");
        check(&keys.claim(8, "a", 0), "granted");
        drop(first);
        held(&keys, "a", 0).keep(5, [1, 0, 0], "f".into(), 10);
        check(&keys.claim(7, "a", 11), "5");
    }

    #[test]
    fn keys_are_forgotten_by_age_and_by_number() {
        let keys = IdempotencyKeys::default();
        held(&keys, "old", 0).keep(1, [0; 3], String::new(), 0);
        check(&keys.claim(7, "old", KEY_AGE_MAX_MICROS), "1");
        check(&keys.claim(7, "old", KEY_AGE_MAX_MICROS + 1), "granted");
        for at in 0..=KEYS_MAX {
            held(&keys, &format!("k{at}"), 9).keep(at as i64, [0; 3], String::new(), 9);
        }
        check(&keys.claim(7, "k1", 9), "1");
        check(&keys.claim(7, "k0", 9), "granted");
    }

    #[test]
    fn what_cannot_be_a_key_is_refused() {
        let long = "x".repeat(256);
        for (key, good) in
            [("a", true), ("4f-é", true), ("", false), ("a\nb", false), (&long, false)]
        {
            assert_eq!(check_key(key).is_ok(), good, "{key}");
        }
        assert!(check_key(&long[1..]).is_ok());
    }
}
