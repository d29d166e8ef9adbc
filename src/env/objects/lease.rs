//! The lease: an object that says who writes a store, and by its changes that it lives.
//!
//! It keeps nobody from writing: that is the fence's work (`pieces`, and the manifest's condition). It keeps
//! somebody from taking a store away from a living server by mistake. Whether the other lives is told from
//! changes of the object while this process watches, so that no clocks are compared. The object is JSON.

use std::sync::Weak;
use std::time::Duration;

use bytes::Bytes;
use parking_lot::Mutex;
use serde::{Deserialize, Serialize};

use crate::env::clock::Stopwatch;
use crate::env::objects::bucket::{Bucket, Condition, Version, Written};
use crate::env::objects::pieces::Author;
use crate::error::{Error, Result, SqlState};

const PATH: &str = "writer";

/// How often a writer says that it lives: often enough to be found dead soon, at little cost.
pub const HEARTBEAT: Duration = Duration::from_secs(5);

/// A writer that said nothing for so long is dead: three times in a row is no accident.
pub const LEASE: Duration = Duration::from_secs(15);

/// How often the object is looked at while it is watched.
const LOOK: Duration = Duration::from_millis(200);

/// What the object says.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct Holder {
    /// What the writer calls itself.
    name: String,
    /// Its number, which no other process has.
    number: u64,
    /// How often it has said that it lives.
    beat: u64,
    /// Whether it has closed the store.
    released: bool,
}

impl Holder {
    fn encode(&self) -> Result<Bytes> {
        let json = serde_json::to_vec(self).map_err(|error| Error::internal(error.to_string()))?;
        Ok(json.into())
    }
}

/// The lease of this process, once it has one.
#[derive(Debug, Default)]
pub(super) struct Lease(Mutex<Option<(Holder, Version)>>);

/// What became of a lease.
pub(super) enum Held {
    /// It is held.
    Yes,
    /// It was given back or never taken.
    No,
    /// Somebody else has it.
    Lost(Author),
}

impl Lease {
    /// Takes the lease, if nobody who lives has it.
    ///
    /// # Errors
    /// `55006` if somebody has, or what the bucket says.
    pub(super) fn take(
        &self,
        bucket: &Bucket,
        author: &Author,
        patience: Option<Duration>,
    ) -> Result<()> {
        if let Some(lease) = patience {
            watch(bucket, lease)?;
        }
        let (name, number) = (author.name.clone(), author.number);
        let holder = Holder { name, number, beat: 0, released: false };
        let version = bucket.put(PATH, holder.encode()?)?;
        *self.0.lock() = Some((holder, version));
        Ok(())
    }

    /// Says that the writer lives, or that it does not write any more.
    ///
    /// # Errors
    /// What the bucket says.
    pub(super) fn say(&self, bucket: &Bucket, released: bool) -> Result<Held> {
        let mut held = self.0.lock();
        let Some((holder, version)) = held.as_mut() else { return Ok(Held::No) };
        let next = Holder { beat: holder.beat + 1, released, ..holder.clone() };
        match bucket.put_exactly(PATH, &next.encode()?, &Condition::Still(version.clone()))? {
            Written::Done(_) if released => *held = None,
            Written::Done(version) => *held = Some((next, version)),
            Written::Taken(stored) => {
                *held = None;
                let name = serde_json::from_slice::<Holder>(&stored);
                let name = name.map_or("?".to_owned(), |holder| holder.name);
                return Ok(Held::Lost(Author { epoch: 0, number: 0, name }));
            }
        }
        Ok(Held::Yes)
    }
}

/// Waits until it is clear that nobody who lives has the lease.
fn watch(bucket: &Bucket, lease: Duration) -> Result<()> {
    let first = match bucket.get(PATH) {
        Ok(object) => object,
        Err(error) if error.code() == SqlState::UNDEFINED_FILE => return Ok(()),
        Err(error) => return Err(error),
    };
    // Who cannot be understood may live all the same.
    let holder = serde_json::from_slice::<Holder>(&first.bytes).ok();
    if holder.as_ref().is_some_and(|holder| holder.released) {
        return Ok(());
    }
    let name = holder.map_or("another process".to_owned(), |holder| holder.name);
    tracing::info!(writer = name, "the store was not closed; waiting whether its writer lives");
    let begun = Stopwatch::start();
    while begun.seconds() < lease.as_secs_f64() {
        bucket.pause(LOOK.min(lease))?;
        let Some(newer) = bucket.get_newer(PATH, &first.version)? else { continue };
        let released = serde_json::from_slice::<Holder>(&newer.bytes).is_ok_and(|it| it.released);
        if released {
            return Ok(());
        }
        let message = format!("the store \"{}\" is in use", bucket.location());
        return Err(Error::new(SqlState::OBJECT_IN_USE, message)
            .detail(format!("\"{name}\" writes it"))
            .hint("stop that server first, follow it with --follow, or take the store away from it with --take-over"));
    }
    Ok(())
}

/// Lets a writer say again and again that it lives, until `say` says that it is enough.
pub(super) fn beat<T: Send + Sync + 'static>(
    bucket: &Bucket,
    every: Duration,
    of: Weak<T>,
    say: fn(&T) -> bool,
) -> Result<()> {
    bucket.later(every, move |bucket| {
        let Some(alive) = of.upgrade() else { return };
        if say(&alive)
            && let Err(error) = beat(bucket, every, of, say)
        {
            tracing::error!(%error, "the lease is not kept up any more");
        }
    })
}
