//! Which column of a file fills which column of the target.
//!
//! Names match exactly, else but for case. What matches on neither side is told once for the whole
//! file; a file that has nothing to give is refused, as every row of it would be null.

use std::collections::BTreeSet;

use crate::error::{Error, Result, SqlState};
use crate::ingest::fault::shown;
use crate::ingest::{Sink, Target};

/// The most names that a message lists.
const NAMES_SHOWN_MAX: usize = 50;

/// For each column of the target the file's column that fills it, if there is one.
///
/// # Errors
/// `42701` if the file has a name twice, `42702` if two of its columns differ from the target's
/// only in case, `42703` if none matches.
pub(crate) fn match_columns(
    names: &[String],
    target: &Target,
    sink: &mut dyn Sink,
) -> Result<Vec<Option<usize>>> {
    let mut seen = BTreeSet::new();
    // Spreadsheets export empty columns without a name; they are ignored, however many there are.
    if let Some(name) = names.iter().find(|name| !name.is_empty() && !seen.insert(name.as_str())) {
        let message = format!("column \"{}\" is in the file more than once", shown(name));
        return Err(Error::new(SqlState::DUPLICATE_COLUMN, message));
    }
    let exact = |(name, _): &(String, _)| names.iter().position(|other| other == name);
    let mut matched: Vec<_> = target.columns.iter().map(exact).collect();
    let mut taken: BTreeSet<usize> = matched.iter().flatten().copied().collect();
    for ((name, _), slot) in target.columns.iter().zip(&mut matched) {
        if slot.is_none() {
            *slot = match_in_any_case(names, name, &taken)?;
            taken.extend(*slot);
        }
    }
    let unknown: Vec<_> =
        (0..names.len()).filter(|at| !taken.contains(at)).map(|at| names[at].as_str()).collect();
    let missing: Vec<_> = target.columns.iter().zip(&matched).collect();
    let missing = missing.into_iter().filter(|(_, slot)| slot.is_none());
    let missing: Vec<_> = missing.map(|((name, _), _)| name.as_str()).collect();
    tell(names.len() == unknown.len(), &unknown, &missing, target, sink)?;
    Ok(matched)
}

fn match_in_any_case(
    names: &[String],
    name: &str,
    taken: &BTreeSet<usize>,
) -> Result<Option<usize>> {
    let same = |at: &usize| same_but_for_case(&names[*at], name) && !taken.contains(at);
    let mut found = (0..names.len()).filter(same);
    match (found.next(), found.next()) {
        (Some(one), Some(other)) => Err(Error::new(
            SqlState::AMBIGUOUS_COLUMN,
            format!("column \"{name}\" is ambiguous in the file"),
        )
        .detail(format!("it has \"{}\" and \"{}\"", names[one], names[other]))),
        (one, _) => Ok(one),
    }
}

/// Whether two names differ in nothing but case.
pub(crate) fn same_but_for_case(left: &str, right: &str) -> bool {
    left.eq_ignore_ascii_case(right) || left.to_lowercase() == right.to_lowercase()
}

/// Says which names found no counterpart.
///
/// # Errors
/// `42703` if nothing matched.
pub(crate) fn tell(
    nothing_matched: bool,
    unknown: &[&str],
    missing: &[&str],
    target: &Target,
    sink: &mut dyn Sink,
) -> Result<()> {
    let wanted = if target.listed { "the column list" } else { "the dataset" };
    if nothing_matched {
        let message = format!("the file has no column in common with {wanted}");
        let detail = format!("the file has {}; {wanted} has {}", list(unknown), list(missing));
        return Err(Error::new(SqlState::UNDEFINED_COLUMN, message)
            .detail(detail)
            .hint("if the file has no line with names, use header false"));
    }
    let (these, are) = if unknown.len() == 1 { ("column", "is") } else { ("columns", "are") };
    if !unknown.is_empty() {
        sink.notice(format!(
            "{these} {} of the file {are} not in {wanted}: ignored",
            list(unknown)
        ));
    }
    let (these, are) = if missing.len() == 1 { ("column", "is") } else { ("columns", "are") };
    if !missing.is_empty() {
        sink.notice(format!("{these} {} of {wanted} {are} not in the file: null", list(missing)));
    }
    Ok(())
}

/// Names in quotes, with commas; the rest as a number if there are many.
fn list(names: &[&str]) -> String {
    let quoted = names.iter().take(NAMES_SHOWN_MAX).map(|name| format!("\"{}\"", shown(name)));
    let mut list = quoted.collect::<Vec<_>>().join(", ");
    if names.len() > NAMES_SHOWN_MAX {
        list.push_str(&format!(" and {} more", names.len() - NAMES_SHOWN_MAX));
    }
    if names.is_empty() { "no columns".into() } else { list }
}
