//! How sources write what they know: in capitals, with blanks, or not at all.

use std::borrow::Cow;

use crate::demo::calendar::Micros;
use crate::demo::person::Person;
use crate::demo::random::Dice;
use crate::model::namespace::Normalization;

/// What is typed where an e-mail address is asked for and not wanted.
pub(crate) const NO_EMAILS: &[&str] =
    &["unknown", "N/A", "test@test.com", "", "  ", "NULL", "none", "Noreply@Example.com"];

/// The same for telephone numbers.
pub(crate) const NO_PHONES: &[&str] = &["0000", "unknown", "N/A", "", " ", "0", "-", "none"];

/// The same for cookies.
pub(crate) const NO_COOKIES: &[&str] = &["undefined", "0", "null", ""];

impl Dice {
    /// Something that is missing so many times in a thousand.
    pub(crate) fn unless_missing<T>(
        self,
        what: &str,
        per_mille: u64,
        value: impl FnOnce() -> T,
    ) -> Option<T> {
        if self.of("missing").of(what).per_mille(per_mille) { None } else { Some(value()) }
    }
}

/// The e-mail address that a source has of somebody: 1 % garbage, 6 % in capitals, 3 % with blanks.
pub(crate) fn email(person: &Person, at: Micros, dice: Dice) -> String {
    written_email(&person.email(at), dice)
}

/// An e-mail address as a source writes it.
pub(crate) fn written_email(email: &str, dice: Dice) -> String {
    let dice = dice.of("written e-mail");
    match dice.below(1000) {
        0..10 => dice.of("which").choose(NO_EMAILS).to_owned(),
        10..40 => email.to_uppercase(),
        40..70 => capitalized(email).into_owned(),
        70..90 => format!("{email} "),
        90..100 => format!("  {email}"),
        _ => email.to_owned(),
    }
}

/// The telephone number that a source has of somebody: 2 % garbage, in one of four notations.
pub(crate) fn phone(person: &Person, dice: Dice) -> String {
    let dice = dice.of("written phone");
    let phone = person.phone();
    let (code, number) = phone[1..].split_at(phone.len() - 10);
    let (first, rest) = number.split_at(3);
    match dice.below(100) {
        0..2 => dice.of("which").choose(NO_PHONES).to_owned(),
        2..15 => format!("00{code}{number}"),
        15..30 => format!("+{code} {first} {rest}"),
        30..40 => format!("+{code} ({first}) {}-{}", &rest[..3], &rest[3..]),
        _ => phone,
    }
}

/// The digest by which data brokers know an e-mail address; one in twenty write it in capitals.
pub(crate) fn email_digest(email: &str, dice: Dice) -> String {
    let digest = Normalization::Sha256OfLower.apply(email).into_owned();
    if dice.of("digest").per_mille(50) { digest.to_uppercase() } else { digest }
}

/// A name as a source has it: a third without its accents and letters, a few in capitals.
pub(crate) fn name(name: crate::demo::cultures::Name, dice: Dice) -> String {
    match dice.of("written name").below(100) {
        0..33 => capitalized(name.1).into_owned(),
        33..40 => name.0.to_uppercase(),
        _ => name.0.to_owned(),
    }
}

fn capitalized(text: &str) -> Cow<'_, str> {
    let mut characters = text.chars();
    match characters.next() {
        Some(first) => format!("{}{}", first.to_uppercase(), characters.as_str()).into(),
        None => text.into(),
    }
}
