//! The worked cases of `tests/conformance/identity.jsonl` on the graph alone: in every order of arrival
//! of up to six rows, in two hundred orders of more, one row at a time and all at once.

use std::collections::BTreeSet;

use crate::error::Result;
use crate::graph::dictionary::Dictionary;
use crate::graph::fold::{Effects, Moment};
use crate::graph::identity_graph::{IdentityGraph, RowSource, Unsettled};
use crate::graph::rules::Rules;
use crate::model::namespace::{Kind, Namespace, Normalization};

/// Rows in memory: identities, the primary one first, and place.
#[derive(Default)]
struct Rows(Vec<(Vec<u32>, Moment)>);

impl RowSource for Rows {
    fn rows_of(&self, primaries: &[u32], each: &mut dyn FnMut(&[u32], Moment)) -> Result<()> {
        let of = self.0.iter().filter(|(identities, _)| primaries.contains(&identities[0]));
        of.for_each(|(identities, moment)| each(identities, *moment));
        Ok(())
    }
}

struct Case {
    id: String,
    rules: Rules,
    names: Dictionary,
    /// Rows that are not refused.
    rows: Vec<(Vec<u32>, Vec<u32>, Moment)>,
    graphs: BTreeSet<BTreeSet<u32>>,
}

fn texts(value: &serde_json::Value) -> Vec<String> {
    let items = value.as_array().into_iter().flatten();
    items.map(|item| item.as_str().expect("a text").to_owned()).collect()
}

fn namespaces(json: &serde_json::Value) -> Vec<Namespace> {
    let plain = texts(&json["config"]).into_iter().map(|name| (name, Kind::Person));
    let kinds = json["types"].as_object().into_iter().flatten().map(|(name, kind)| {
        let kind = match kind.as_str() {
            Some("cookie") => Kind::Cookie,
            Some("device") => Kind::Device,
            _ => Kind::Person,
        };
        (name.clone(), kind)
    });
    let namespace = |(at, (name, kind)): (usize, (String, Kind))| Namespace {
        id: at as u32,
        name: name.trim_end_matches('!').to_owned(),
        kind,
        rank: at as u32 + 1,
        unique: name.ends_with('!'),
        normalization: Normalization::None,
        blocked: BTreeSet::new(),
    };
    plain.chain(kinds).enumerate().map(namespace).collect()
}

fn case(line: &str) -> Case {
    let json: serde_json::Value = serde_json::from_str(line).expect("a case");
    let namespaces = namespaces(&json);
    let rules = Rules::new(&namespaces, json["cap"].as_u64().unwrap_or(0) as usize);
    let names = Dictionary::default();
    let identity = |text: &str| {
        let (name, value) = text.trim().split_once(':').expect("a namespace and a value");
        let namespace = namespaces.iter().find(|namespace| namespace.name == name);
        let namespace = namespace.expect("a known namespace").id;
        (names.intern(namespace, value).expect("few"), rules.traits(namespace))
    };
    let mut rows = Vec::new();
    let refused = json["rejected"].as_array().into_iter().flatten();
    let refused: Vec<u64> = refused.map(|row| row.as_u64().expect("a number")).collect();
    for (at, text) in texts(&json["events"]).iter().enumerate() {
        let (identities, traits): (Vec<u32>, Vec<u32>) = text.split(',').map(identity).unzip();
        if !refused.contains(&(at as u64 + 1)) {
            rows.push((identities, traits, Moment { time: at as i64, fragment_id: 0 }));
        }
    }
    let graph = |json: &serde_json::Value| texts(json).iter().map(|it| identity(it).0).collect();
    let graphs = json["graphs"].as_array().into_iter().flatten().map(graph).collect();
    let id = json["id"].as_str().expect("a name").to_owned();
    Case { id, rules, names, rows, graphs }
}

/// The graphs of two or more identities, of rows that arrive in an order, `batch` at a time.
fn graphs(case: &Case, order: &[usize], batch: usize) -> BTreeSet<BTreeSet<u32>> {
    let (mut graph, mut rows) = (IdentityGraph::new(case.rules.clone()), Rows::default());
    let mut effects = Effects::default();
    for arrived in order.chunks(batch) {
        let mut unsettled = Unsettled::default();
        for at in arrived {
            let (identities, traits, moment) = &case.rows[*at];
            let fragment_id = rows.0.len() as i64 + 1;
            let moment = Moment { fragment_id, ..*moment };
            graph.take(identities, traits, moment, &mut unsettled, &mut effects);
            rows.0.push((identities.clone(), moment));
        }
        graph.settle(&unsettled, &case.names, &rows, &mut effects).expect("rows in memory");
    }
    let profiles: Vec<u32> = graph.profiles().collect();
    assert_eq!(profiles.len(), graph.profile_count(), "{}", case.id);
    let members = |profile: u32| graph.members(profile).collect::<BTreeSet<u32>>();
    profiles.into_iter().map(members).filter(|graph| graph.len() > 1).collect()
}

/// All permutations of up to six rows, or two hundred of more.
fn orders(rows: usize) -> Vec<Vec<usize>> {
    let mut all = vec![(0..rows).collect::<Vec<usize>>()];
    if rows <= 6 {
        for at in 0..rows {
            for order in all.clone() {
                for other in at + 1..rows {
                    let mut swapped = order.clone();
                    swapped.swap(at, other);
                    all.push(swapped);
                }
            }
        }
        return all;
    }
    let mut seed = 1_u64;
    while all.len() < 200 {
        let mut order: Vec<usize> = (0..rows).collect();
        for at in (1..rows).rev() {
            seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            order.swap(at, (seed >> 33) as usize % (at + 1));
        }
        all.push(order);
    }
    all
}

#[test]
fn worked_cases_hold_in_every_order() {
    let mut count = 0;
    for line in include_str!("../../tests/conformance/identity.jsonl").lines() {
        let case = case(line);
        for order in orders(case.rows.len()) {
            for batch in [1, 2, order.len()] {
                let found = graphs(&case, &order, batch);
                assert_eq!(found, case.graphs, "{} in order {order:?} by {batch}", case.id);
                count += 1;
            }
        }
    }
    assert!(count > 5_000, "{count} runs");
}
