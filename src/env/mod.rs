//! The outside world: clock, disk, randomness and threads, each behind a seam.
//!
//! No other module below `server` reads a clock, opens a file, rolls a die or starts a thread by itself
//! (the runtimes of `query` and `wire` are tokio's), so that a test can replay, crash and corrupt a whole
//! database in one process. `disk` has a real and a simulated implementation, and one over object storage;
//! `clock` has a real and a manual one.

pub mod clock;
pub mod disk;
pub mod host;
pub mod memory_disk;
pub mod objects;
pub mod overlay_disk;
pub mod process;
pub mod progress;
pub mod random;
pub mod real_disk;
pub mod threads;
pub mod tls;
