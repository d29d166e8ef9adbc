//! Numbers that look random and are functions of what they are for.
//!
//! A [`Dice`] has no state to advance: `dice.of("e-mail").at(17)` is the same whenever and wherever it
//! is asked, so that a row does not depend on the rows before it. The mixing function is SplitMix64
//! (Steele, Lea, Flood: "Fast splittable pseudorandom number generators", OOPSLA 2014), used as a hash
//! of a counter. Nothing here is fit for secrets.

/// The golden ratio as a fraction of 2^64: SplitMix64's step from one state to the next.
const GAMMA: u64 = 0x9E37_79B9_7F4A_7C15;

/// SplitMix64's finaliser, a bijection of 64 bits.
fn mix(state: u64) -> u64 {
    let state = (state ^ (state >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    let state = (state ^ (state >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    state ^ (state >> 31)
}

/// One number, and a family of others that follow from it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Dice(u64);

impl Dice {
    /// The dice that everything of one seed follows from.
    pub(crate) fn new(seed: u64) -> Self {
        Self(mix(seed.wrapping_add(GAMMA)))
    }

    /// The dice for one purpose.
    pub(crate) fn of(self, purpose: &str) -> Self {
        let fold = |state: u64, byte| mix(state.wrapping_add(GAMMA)) ^ u64::from(byte);
        Self(mix(purpose.bytes().fold(self.0, fold).wrapping_add(GAMMA)))
    }

    /// The dice of one member of a sequence.
    pub(crate) fn at(self, number: u64) -> Self {
        Self(mix(self.0.wrapping_add(number.wrapping_add(1).wrapping_mul(GAMMA))))
    }

    /// All 64 bits.
    pub(crate) fn bits(self) -> u64 {
        self.0
    }

    /// A number from 0 to `end - 1`; 0 if `end` is 0.
    pub(crate) fn below(self, end: u64) -> u64 {
        ((u128::from(self.0) * u128::from(end)) >> 64) as u64
    }

    /// True so many times in a thousand.
    pub(crate) fn per_mille(self, rate: u64) -> bool {
        self.below(1000) < rate
    }

    /// One of several.
    pub(crate) fn choose<T: Copy>(self, items: &[T]) -> T {
        items[self.below(items.len() as u64) as usize]
    }

    /// A number from 0 to `end - 1`, the small ones far more often: Zipf's law with exponent 0.6.
    ///
    /// Only operations that IEEE 754 rounds exactly are used, so that every machine agrees.
    pub(crate) fn skewed(self, end: u64) -> u64 {
        let unit = (self.0 >> 11) as f64 / (1_u64 << 53) as f64;
        let rank = (unit * unit * unit.sqrt() * end as f64) as u64;
        rank.min(end.saturating_sub(1))
    }
}

/// A shuffle of `0..count` that can be asked for any place, both ways, and holds no list.
///
/// A Feistel network over the next even power of two, walked until the value is in range.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Shuffle {
    dice: Dice,
    count: u64,
    half_bits: u32,
}

/// Four rounds make a Feistel network a good shuffle (Luby and Rackoff, 1988).
const ROUNDS: u64 = 4;

impl Shuffle {
    /// The shuffle of `0..count` that these dice give.
    pub(crate) fn new(dice: Dice, count: u64) -> Self {
        let bits = u64::BITS - count.saturating_sub(1).leading_zeros();
        Self { dice, count, half_bits: bits.div_ceil(2).max(1) }
    }

    /// What stands at a place.
    ///
    /// # Panics
    /// If there is no such place.
    pub(crate) fn at(self, place: u64) -> u64 {
        self.walk(place, |left, right, round| (right, left ^ self.round(round, right)))
    }

    /// The place where a value stands.
    ///
    /// # Panics
    /// If there is no such value.
    pub(crate) fn place_of(self, value: u64) -> u64 {
        self.walk(value, |left, right, round| (right ^ self.round(ROUNDS - 1 - round, left), left))
    }

    fn round(self, round: u64, half: u64) -> u64 {
        self.dice.at(round).at(half).bits() >> (u64::BITS - self.half_bits)
    }

    fn walk(self, start: u64, step: impl Fn(u64, u64, u64) -> (u64, u64)) -> u64 {
        assert!(start < self.count, "{start} is not one of {}", self.count);
        let mask = (1 << self.half_bits) - 1;
        let mut value = start;
        loop {
            let halves = (value >> self.half_bits, value & mask);
            let (left, right) = (0..ROUNDS).fold(halves, |(l, r), round| step(l, r, round));
            value = left << self.half_bits | right;
            if value < self.count {
                return value;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::{Dice, Shuffle, mix};

    #[test]
    fn mixing_is_that_of_the_paper() {
        // The first outputs of SplitMix64 from state 1234567, as published with its reference code.
        let outputs = [6457827717110365317_u64, 3203168211198807973, 9817491932198370423];
        for (at, output) in (1..).zip(outputs) {
            assert_eq!(mix(1234567_u64.wrapping_add(super::GAMMA.wrapping_mul(at))), output);
        }
    }

    #[test]
    fn purposes_and_numbers_are_told_apart() {
        let dice = Dice::new(1);
        let of = |purpose: &str, number| dice.of(purpose).at(number).bits();
        let all = [of("a", 0), of("a", 1), of("b", 0), of("ab", 0), of("ba", 0), of("", 0)];
        for (at, one) in all.iter().enumerate() {
            assert!(!all[..at].contains(one), "number {at} is there twice");
        }
    }

    #[test]
    fn rates_are_kept() {
        let hits = (0..20_000).filter(|&at| Dice::new(3).at(at).per_mille(30)).count();
        assert!((500..700).contains(&hits), "{hits} hits of 600");
        let low = (0..20_000).filter(|&at| Dice::new(3).at(at).skewed(100) < 10).count();
        assert!((7_500..8_500).contains(&low), "{low} of 20,000 in the first tenth");
    }

    proptest! {
        #[test]
        fn a_shuffle_has_everything_once(count in 1_u64..3000, seed: u64) {
            let shuffle = Shuffle::new(Dice::new(seed), count);
            let mut all: Vec<_> = (0..count).map(|place| shuffle.at(place)).collect();
            all.sort_unstable();
            prop_assert!(all.into_iter().eq(0..count));
        }

        #[test]
        fn a_shuffle_knows_its_places(count in 1_u64..=u64::MAX >> 2, at: u64, seed: u64) {
            let shuffle = Shuffle::new(Dice::new(seed), count);
            let place = at % count;
            prop_assert_eq!(shuffle.place_of(shuffle.at(place)), place);
        }

        #[test]
        fn numbers_stay_in_range(end in 1_u64.., seed: u64) {
            prop_assert!(Dice::new(seed).below(end) < end);
            prop_assert!(Dice::new(seed).skewed(end) < end);
        }
    }
}
