//! Simulation: what the graph would be, by the code of the live one, with nothing changed.
//!
//! [`simulate`] folds rows in memory under definitions of their own; [`State::changes_under`] folds the
//! rows of the store under other settings. Functions call both; both cost what the live graph costs.

use std::sync::Arc;

use hashbrown::HashMap;

use crate::catalog::Catalog;
use crate::engine::intake::{NO_IDENTITY, TOO_MANY_IDENTITIES, UNIQUE_NAMESPACE};
use crate::engine::snapshot::Snapshot;
use crate::engine::state::{State, rules_of};
use crate::error::Result;
use crate::graph::changes::{ProfileChange, changes};
use crate::graph::dictionary::Dictionary;
use crate::graph::fold::{Effects, Moment};
use crate::graph::identity_graph::{IdentityGraph, RowSource, Unsettled};
use crate::graph::links::{Evidence, Links};
use crate::graph::rules::Context;
use crate::model::namespace::IDENTITIES_PER_ROW_MAX;

/// Microseconds between a row without a time and the row before it.
const STEP_MICROS: i64 = 1_000_000;

/// A row to be taken in.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SimulatedRow {
    /// Its time in microseconds; without one it comes a second after the row before it.
    pub observed_at: Option<i64>,
    /// Namespaces and raw values of its identities, the primary one first.
    pub identities: Vec<(String, String)>,
}

/// A row that would not be accepted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// Which row, from 1.
    pub row: i64,
    /// The code, as in `rejects`.
    pub code: &'static str,
    /// Why.
    pub message: String,
}

/// What came of rows.
#[derive(Debug)]
pub struct Simulation {
    /// The graph and its names; it has no rows. Fragment ids of the graph are numbers of rows, from 1.
    pub snapshot: Snapshot,
    /// The pairs that accepted rows name together, in ascending order.
    pub links: Vec<((u32, u32), Evidence)>,
    /// The other rows.
    pub refused: Vec<Refusal>,
}

/// Takes rows in under the namespaces and the capacity of a catalog.
///
/// # Errors
/// `42704` if a row names an unknown namespace, `54000` beyond the limits of a store.
pub fn simulate(catalog: Catalog, rows: &[SimulatedRow]) -> Result<Simulation> {
    let mut graph = IdentityGraph::new(rules_of(&catalog));
    let names = Dictionary::default();
    let context = Context { rules: &rules_of(&catalog), names: &names };
    let (mut accepted, mut refused, mut links) =
        (Accepted::default(), Vec::new(), Links::default());
    let (mut unsettled, mut effects) = (Unsettled::default(), Effects::default());
    let mut time = -STEP_MICROS;
    for (row, number) in rows.iter().zip(1..) {
        time = row.observed_at.unwrap_or(time + STEP_MICROS);
        let named = numbers(row, &catalog, &names)?;
        let mut identities = named.clone();
        let mut seen = hashbrown::HashSet::new();
        identities.retain(|identity| seen.insert(*identity));
        if let Some((code, message)) = refusal(&named, &identities, &catalog, context) {
            refused.push(Refusal { row: number, code, message });
            continue;
        }
        let moment = Moment { time, fragment_id: number };
        let traits: Vec<u32> =
            identities.iter().map(|identity| context.traits(*identity)).collect();
        graph.take(&identities, &traits, moment, &mut unsettled, &mut effects);
        links.add(&identities, Some(time), |set| set);
        accepted.add(identities, moment);
    }
    graph.settle(&unsettled, &names, &accepted, &mut effects)?;
    let mut state = State::default();
    state.catalog = Arc::new(catalog);
    state.graph = graph;
    let snapshot = Snapshot { state, dictionary: Arc::new(names), views: None };
    Ok(Simulation { snapshot, links: links.into_sorted(), refused })
}

/// The usable identities of a row, with repetitions.
fn numbers(row: &SimulatedRow, catalog: &Catalog, names: &Dictionary) -> Result<Vec<u32>> {
    let mut numbers = Vec::with_capacity(row.identities.len());
    for (namespace, raw) in &row.identities {
        let namespace = catalog.namespace(namespace)?;
        if let Some(value) = namespace.identity(raw) {
            numbers.push(names.intern(namespace.id, &value)?);
        }
    }
    Ok(numbers)
}

/// Why a row is not accepted, if it is not; `identities` are those named, each once.
fn refusal(
    named: &[u32],
    identities: &[u32],
    catalog: &Catalog,
    context: Context<'_>,
) -> Option<(&'static str, String)> {
    if named.is_empty() {
        return Some((NO_IDENTITY, "no usable identity".to_owned()));
    }
    if named.len() > IDENTITIES_PER_ROW_MAX {
        let count = named.len();
        let message = format!("{count} identities, at most {IDENTITIES_PER_ROW_MAX} are allowed");
        return Some((TOO_MANY_IDENTITIES, message));
    }
    let namespace = context.repeated_unique(identities)?;
    let name = catalog.namespace_by_id(namespace).map_or("?", |found| found.name.as_str());
    Some((UNIQUE_NAMESPACE, format!("two different identities of unique namespace \"{name}\"")))
}

/// Accepted rows, which the graph may ask for again.
#[derive(Debug, Default)]
struct Accepted {
    rows: Vec<(Vec<u32>, Moment)>,
    by_primary: HashMap<u32, Vec<usize>>,
}

impl Accepted {
    fn add(&mut self, identities: Vec<u32>, moment: Moment) {
        self.by_primary.entry(identities[0]).or_default().push(self.rows.len());
        self.rows.push((identities, moment));
    }
}

impl RowSource for Accepted {
    fn rows_of(&self, primaries: &[u32], each: &mut dyn FnMut(&[u32], Moment)) -> Result<()> {
        for at in primaries.iter().filter_map(|primary| self.by_primary.get(primary)).flatten() {
            let (identities, moment) = &self.rows[*at];
            each(identities, *moment);
        }
        Ok(())
    }
}

impl State {
    /// What would become of profiles if a catalog with other ranks, unique namespaces or capacity took
    /// the place of this state's; each change with the first identity of those that it concerns.
    ///
    /// # Errors
    /// `XX001` or `58030` if a segment cannot be read.
    pub fn changes_under(
        &self,
        catalog: &Catalog,
        names: &Dictionary,
    ) -> Result<Vec<(ProfileChange, u32)>> {
        let (mut graph, mut effects) = (self.graph.clone(), Effects::default());
        graph.restate(rules_of(catalog), names, &self.rows(), &mut effects, &mut |_, _| ())?;
        let concerned = |change: &ProfileChange| {
            let (from, to) = (change.from_profile, change.to_profile);
            let goes = |member: &u32| graph.profile_of(*member) == Some(to);
            self.graph.members(from).filter(goes).min().unwrap_or(from)
        };
        let all = changes(&self.graph, &graph, &effects.suspects).into_iter();
        Ok(all.map(|it| (it, it.identity.unwrap_or_else(|| concerned(&it)))).collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::definition::{Definition, Existence};
    use crate::model::namespace::{Kind, Normalization};

    fn catalog(names: &str) -> Catalog {
        names.split(' ').fold(Catalog::default(), |catalog, name| {
            let definition = Definition::CreateNamespace {
                name: name.trim_end_matches('!').to_owned(),
                kind: Kind::Person,
                rank: None,
                unique: name.ends_with('!'),
                normalization: Normalization::Lower,
                blocked: Vec::new(),
                existence: Existence::Strict,
            };
            catalog.apply(&definition).unwrap().catalog.unwrap()
        })
    }

    /// Rows such as `a:1 b:2`, with `@5` for a time of five seconds.
    fn read(text: &str) -> Vec<SimulatedRow> {
        let one = |row: &str| {
            let mut read = SimulatedRow::default();
            for word in row.split_whitespace() {
                match (word.strip_prefix('@'), word.split_once(':')) {
                    (Some(time), _) => {
                        read.observed_at = Some(time.parse::<i64>().unwrap() * STEP_MICROS);
                    }
                    (_, Some((namespace, value))) => {
                        read.identities.push((namespace.to_owned(), value.to_owned()));
                    }
                    _ => panic!("{word}"),
                }
            }
            read
        };
        text.split(',').map(one).collect()
    }

    fn check(namespaces: &str, rows: &str, expected: &str) {
        let simulation = simulate(catalog(namespaces), &read(rows)).unwrap();
        let snapshot = &simulation.snapshot;
        let graph = &snapshot.state.graph;
        let shown = |profile: u32| {
            let mut members: Vec<u32> = graph.members(profile).collect();
            members.sort_unstable();
            let key = |member: &u32| snapshot.identity_key(*member);
            let texts = members.iter().map(key).map(|(name, value)| format!("{name}:{value}"));
            texts.collect::<Vec<_>>().join(" ")
        };
        let mut lines: Vec<String> = graph.profiles().map(shown).collect();
        lines.extend(simulation.refused.iter().map(|it| format!("{} {}", it.row, it.code)));
        assert_eq!(lines.join(", "), expected, "{namespaces}: {rows}");
    }

    #[test]
    fn rows_are_folded_as_the_store_folds_them() {
        check("p e", "p:1 e:A, p:2 e:a", "p:1 e:a p:2");
        check("p! e", "p:1 e:a, p:2 e:a", "p:1, e:a p:2");
        check("p! e", "@9 p:1 e:a, @5 p:2 e:a", "p:1 e:a, p:2");
        check("p! e", "@9 p:1 e:a, p:2 e:a", "p:1, e:a p:2");
        check("p! e", "p:1 p:2, e:none, e:a", "e:a, 1 unique_namespace, 2 no_identity");
        check("p! e", "p:1 p:1 e:a", "p:1 e:a");
    }

    #[test]
    fn rows_have_the_limits_of_the_store() {
        let row = |count: usize| (0..count).map(|at| format!("e:{at}x ")).collect::<String>();
        let most = simulate(catalog("e"), &read(&row(IDENTITIES_PER_ROW_MAX))).unwrap();
        assert_eq!(most.refused, []);
        assert_eq!(most.links.len(), IDENTITIES_PER_ROW_MAX * (IDENTITIES_PER_ROW_MAX - 1) / 2);
        let more = simulate(catalog("e"), &read(&row(IDENTITIES_PER_ROW_MAX + 1))).unwrap();
        assert_eq!(more.refused[0].code, TOO_MANY_IDENTITIES);
        assert_eq!(more.snapshot.state.graph.identity_count(), 0);
    }
}
