//! Which profiles commits touched: what a reader must re-merge, and no more.

use std::collections::VecDeque;
use std::sync::Arc;

/// Beyond so many profiles of one commit, everything counts as touched: re-merging all costs about as
/// much as that many one by one.
const TOUCHED_MAX: usize = 100_000;

/// How many commits are remembered; a reader further behind re-merges all.
const COMMITS_MAX: usize = 4_096;

/// What a commit touched may be asked for in two ways.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Profiles that came, went or changed.
    Profiles,
    /// Identities of whose rows, as their primary one, some came or went.
    Primaries,
}

/// What one commit touched. Repetitions are allowed.
#[derive(Clone, Debug, Default)]
pub struct Touched {
    profiles: Numbers,
    primaries: Numbers,
}

/// Numbers of one kind.
#[derive(Clone, Debug, Default)]
struct Numbers {
    listed: Vec<u32>,
    all: bool,
}

impl Touched {
    /// Everything.
    pub fn all() -> Self {
        Self { profiles: Numbers::all(), primaries: Numbers::all() }
    }

    /// Adds a profile.
    pub fn add(&mut self, profile: u32) {
        self.profiles.add(profile);
    }

    /// Adds the primary identity of a row.
    pub fn add_primary(&mut self, identity: u32) {
        self.primaries.add(identity);
    }

    fn of(&self, kind: Kind) -> &Numbers {
        match kind {
            Kind::Profiles => &self.profiles,
            Kind::Primaries => &self.primaries,
        }
    }
}

impl Numbers {
    fn all() -> Self {
        Self { listed: Vec::new(), all: true }
    }

    fn add(&mut self, number: u32) {
        if self.all || self.listed.last() == Some(&number) {
            return;
        }
        self.listed.push(number);
        if self.listed.len() > TOUCHED_MAX {
            self.listed.sort_unstable();
            self.listed.dedup();
            if self.listed.len() > TOUCHED_MAX / 2 {
                *self = Self::all();
            }
        }
    }
}

/// What the last commits touched.
#[derive(Debug, Default)]
pub struct TouchedLog {
    commits: VecDeque<(u64, Arc<Touched>)>,
    /// Nothing is known of commits up to this one.
    floor: u64,
}

impl TouchedLog {
    /// A log that knows of nothing up to a commit.
    pub fn starting_at(commit: u64) -> Self {
        Self { commits: VecDeque::new(), floor: commit }
    }

    /// Notes what a commit touched.
    pub fn note(&mut self, commit: u64, touched: impl Into<Arc<Touched>>) {
        self.commits.push_back((commit, touched.into()));
        while self.commits.len() > COMMITS_MAX {
            self.floor = self.commits.pop_front().map_or(self.floor, |(commit, _)| commit);
        }
    }

    /// What was touched after one commit and up to another, ascending; `None`: anything may be.
    pub fn between(&self, kind: Kind, after: u64, up_to: u64) -> Option<Vec<u32>> {
        if after < self.floor {
            return None;
        }
        let mut numbers = Vec::new();
        let between = |commit: u64| commit > after && commit <= up_to;
        for (_, touched) in self.commits.iter().filter(|(commit, _)| between(*commit)) {
            let touched = touched.of(kind);
            if touched.all {
                return None;
            }
            numbers.extend_from_slice(&touched.listed);
        }
        numbers.sort_unstable();
        numbers.dedup();
        (numbers.len() <= TOUCHED_MAX).then_some(numbers)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn touched(profiles: &[u32]) -> Touched {
        let mut touched = Touched::default();
        profiles.iter().for_each(|profile| touched.add(*profile));
        touched
    }

    #[test]
    fn lists_what_came_between() {
        let mut log = TouchedLog::starting_at(10);
        log.note(11, touched(&[5, 1]));
        log.note(12, touched(&[1, 9]));
        log.note(13, Touched::all());
        let between = |after, up_to| log.between(Kind::Profiles, after, up_to);
        assert_eq!(between(10, 12), Some(vec![1, 5, 9]));
        assert_eq!(between(11, 12), Some(vec![1, 9]));
        assert_eq!(between(12, 12), Some(vec![]));
        assert_eq!((between(9, 12), between(12, 13)), (None, None));
        let primaries = |after, up_to| log.between(Kind::Primaries, after, up_to);
        assert_eq!((primaries(10, 12), primaries(12, 13)), (Some(vec![]), None));
    }

    #[test]
    fn limits_are_kept() {
        let many: Vec<u32> = (0..=TOUCHED_MAX as u32).collect();
        assert!(touched(&many).profiles.all);
        let mut log = TouchedLog::starting_at(0);
        for commit in 1..=COMMITS_MAX as u64 + 1 {
            log.note(commit, touched(&[1]));
        }
        let between = |after, up_to| log.between(Kind::Profiles, after, up_to);
        assert_eq!((between(0, 5), between(1, 5)), (None, Some(vec![1])));
    }
}
