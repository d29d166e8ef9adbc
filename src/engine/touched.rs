//! Which profiles commits touched: what a reader must re-merge, and no more.

use std::collections::VecDeque;
use std::sync::Arc;

/// Beyond so many profiles of one commit, everything counts as touched: re-merging all costs about as
/// much as that many one by one.
const TOUCHED_MAX: usize = 100_000;

/// How many commits are remembered; a reader further behind re-merges all.
const COMMITS_MAX: usize = 4_096;

/// Profiles that one commit touched. Repetitions are allowed.
#[derive(Clone, Debug, Default)]
pub struct Touched {
    profiles: Vec<u32>,
    all: bool,
}

impl Touched {
    /// Every profile.
    pub fn all() -> Self {
        Self { profiles: Vec::new(), all: true }
    }

    /// Adds a profile.
    pub fn add(&mut self, profile: u32) {
        if self.all || self.profiles.last() == Some(&profile) {
            return;
        }
        self.profiles.push(profile);
        if self.profiles.len() > TOUCHED_MAX {
            self.profiles.sort_unstable();
            self.profiles.dedup();
            if self.profiles.len() > TOUCHED_MAX / 2 {
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
    pub fn note(&mut self, commit: u64, touched: Touched) {
        self.commits.push_back((commit, Arc::new(touched)));
        while self.commits.len() > COMMITS_MAX {
            self.floor = self.commits.pop_front().map_or(self.floor, |(commit, _)| commit);
        }
    }

    /// Profiles touched after one commit and up to another, ascending; `None`: any may be.
    pub fn between(&self, after: u64, up_to: u64) -> Option<Vec<u32>> {
        if after < self.floor {
            return None;
        }
        let mut profiles = Vec::new();
        let between = |commit: u64| commit > after && commit <= up_to;
        for (_, touched) in self.commits.iter().filter(|(commit, _)| between(*commit)) {
            if touched.all {
                return None;
            }
            profiles.extend_from_slice(&touched.profiles);
        }
        profiles.sort_unstable();
        profiles.dedup();
        (profiles.len() <= TOUCHED_MAX).then_some(profiles)
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
        assert_eq!(log.between(10, 12), Some(vec![1, 5, 9]));
        assert_eq!(log.between(11, 12), Some(vec![1, 9]));
        assert_eq!(log.between(12, 12), Some(vec![]));
        assert_eq!((log.between(9, 12), log.between(12, 13)), (None, None));
    }

    #[test]
    fn limits_are_kept() {
        let many: Vec<u32> = (0..=TOUCHED_MAX as u32).collect();
        assert!(touched(&many).all);
        let mut log = TouchedLog::starting_at(0);
        for commit in 1..=COMMITS_MAX as u64 + 1 {
            log.note(commit, touched(&[1]));
        }
        assert_eq!((log.between(0, 5), log.between(1, 5)), (None, Some(vec![1])));
    }
}
