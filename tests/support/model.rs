//! The naive model: spec 5.1 to 5.3 in memory, slow and plain, to check the real thing against.
//!
//! Independent on purpose: it shares the definitions of `selfsame::model` with the product and no
//! line of its graph or merge. Every answer is computed anew from the accepted rows.

// Each test binary that includes this file uses a part of it.
#![allow(dead_code)]

use std::cmp::{Ordering, Reverse};
use std::collections::{BTreeMap, BTreeSet};

use selfsame::model::column::ColumnType;
use selfsame::model::dataset::{Dataset, DatasetKind, Upsert};
use selfsame::model::namespace::{IDENTITIES_PER_ROW_MAX, Kind, Namespace};
use selfsame::model::policy::{Argument, MergePolicy, Stitch, StrategyCall};

/// A value of any column.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Value {
    /// No value.
    Null,
    /// `BOOLEAN`.
    Bool(bool),
    /// Any integer.
    Int(i64),
    /// `REAL` and `DOUBLE PRECISION`.
    Double(Float),
    /// `NUMERIC`: the number without its point, and the digits after it.
    Decimal(i128, i8),
    /// `DATE`: days since 1970.
    Date(i32),
    /// `TIMESTAMP` and `TIMESTAMPTZ`: microseconds since 1970.
    Timestamp(i64),
    /// `TEXT`.
    Text(String),
    /// An array.
    List(Vec<Value>),
}

/// A floating point number with a total order.
#[derive(Clone, Copy, Debug)]
pub struct Float(pub f64);

impl Ord for Float {
    fn cmp(&self, other: &Self) -> Ordering {
        self.0.total_cmp(&other.0)
    }
}

impl PartialOrd for Float {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Float {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}

impl Eq for Float {}

impl Value {
    /// A text.
    pub fn text(text: &str) -> Self {
        Self::Text(text.to_owned())
    }

    fn is_null(&self) -> bool {
        *self == Self::Null
    }

    fn number(&self) -> f64 {
        match self {
            Self::Int(value) => *value as f64,
            Self::Double(value) => value.0,
            other => panic!("{other:?} is no number"),
        }
    }

    /// The value in the type of its attribute, which holds it without loss.
    fn widened(&self, ty: &ColumnType) -> Self {
        match (self, ty) {
            (Self::Int(value), ColumnType::Numeric { scale, .. }) => {
                Self::Decimal(i128::from(*value) * 10_i128.pow(*scale as u32), *scale)
            }
            (Self::Decimal(value, from), ColumnType::Numeric { scale, .. }) => {
                Self::Decimal(value * 10_i128.pow((scale - from) as u32), *scale)
            }
            (Self::Int(value), ColumnType::Real | ColumnType::Double) => {
                Self::Double(Float(*value as f64))
            }
            (Self::List(items), ColumnType::Array(element)) => {
                Self::List(items.iter().map(|item| item.widened(element)).collect())
            }
            _ => self.clone(),
        }
    }
}

/// A namespace's name and a normalised value.
pub type Identity = (String, String);

/// What became of a row.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// It is a fragment, of this number.
    Accepted(i64),
    /// Its event id was there before.
    Repeated,
    /// It is refused, with the code that `rejects` shows.
    Refused(&'static str),
}

/// One accepted row.
#[derive(Clone, Debug)]
pub struct Row {
    /// Its number, in the order of ingestion.
    pub fragment_id: i64,
    /// Position of its dataset.
    pub dataset: usize,
    /// Its usable identities, the primary one first.
    pub identities: Vec<Identity>,
    /// The source's time, or of ingestion where the dataset declares none; `None`: null.
    pub observed_at: Option<i64>,
    /// When it was accepted.
    pub ingested_at: i64,
    /// Its values by column, identities normalised.
    pub values: Vec<Value>,
}

/// One merged profile.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Profile {
    /// The merged attributes.
    pub attributes: BTreeMap<String, Value>,
    /// How many rows of record datasets it has, of the policy's or not.
    pub fragment_count: usize,
    /// How many events.
    pub event_count: usize,
    /// The least time of any of its rows.
    pub first_seen_at: Option<i64>,
    /// The greatest.
    pub last_seen_at: Option<i64>,
    /// The datasets of its rows.
    pub datasets: BTreeSet<String>,
}

/// Everything accepted so far.
#[derive(Clone)]
pub struct Model {
    /// The namespaces.
    pub namespaces: Vec<Namespace>,
    /// The datasets, in order of creation.
    pub datasets: Vec<Dataset>,
    /// The accepted rows, in order of ingestion.
    pub rows: Vec<Row>,
    /// The time at which the next row is ingested, in microseconds since 1970.
    pub now: i64,
    /// The most identities of one graph; 0 for no limit.
    pub graph_identities_max: usize,
    /// What stewards decided, by pair.
    pub decisions: BTreeMap<Pair, Decided>,
    event_ids: BTreeSet<(usize, Value)>,
    next_fragment_id: i64,
}

/// Two identities, the lesser first.
pub type Pair = (Identity, Identity);

/// What a steward decided of a pair.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Decided {
    /// They are one person; the greater number is the newer decision.
    Linked(u64),
    /// Never by evidence.
    Unlinked,
}

/// What the fold came to.
#[derive(Clone, Debug, Default)]
pub struct Links {
    /// Links that live, and when they were last seen.
    pub live: BTreeMap<Pair, Option<i64>>,
    /// Those that do not, and why.
    pub dropped: BTreeMap<Pair, String>,
}

impl Model {
    /// A model with nothing in it.
    pub fn new(namespaces: Vec<Namespace>, datasets: Vec<Dataset>) -> Self {
        Self {
            namespaces,
            datasets,
            rows: Vec::new(),
            now: 0,
            graph_identities_max: 50,
            decisions: BTreeMap::new(),
            event_ids: BTreeSet::new(),
            next_fragment_id: 1,
        }
    }

    fn namespace(&self, name: &str) -> &Namespace {
        self.namespaces.iter().find(|namespace| namespace.name == name).expect("a known namespace")
    }

    /// Takes a row in, by the rules of spec 5.1.
    pub fn accept(&mut self, dataset: &str, mut values: Vec<Value>) -> Outcome {
        let position = self.datasets.iter().position(|other| other.name == dataset);
        let position = position.expect("a known dataset");
        let dataset = self.datasets[position].clone();
        let mut identities: Vec<Identity> = Vec::new();
        for (column, namespace) in dataset.identity_columns() {
            let raw = match &values[column] {
                Value::Null => continue,
                Value::Int(number) => number.to_string(),
                Value::Text(text) => text.clone(),
                other => panic!("{other:?} cannot be an identity"),
            };
            let usable = self.namespace(namespace).identity(&raw).map(|value| value.into_owned());
            values[column] = match (&usable, &values[column]) {
                (Some(value), Value::Text(_)) => Value::text(value),
                (Some(_), number) => number.clone(),
                (None, _) => Value::Null,
            };
            let identity = usable.map(|value| (namespace.to_owned(), value));
            identities.extend(identity.filter(|identity| !identities.contains(identity)));
        }
        if let Some(code) = self.refusal(&dataset, &identities) {
            return Outcome::Refused(code);
        }
        if let Some(event_id) = dataset.event_id().map(|column| values[column].clone())
            && !event_id.is_null()
            && !self.event_ids.insert((position, event_id))
        {
            return Outcome::Repeated;
        }
        let observed_at = match dataset.observed_at().map(|column| &values[column]) {
            None => Some(self.now),
            Some(Value::Timestamp(micros)) => Some(*micros),
            Some(Value::Date(days)) => Some(i64::from(*days) * 86_400_000_000),
            Some(_) => None,
        };
        let fragment_id = self.next_fragment_id;
        self.next_fragment_id += 1;
        let ingested_at = self.now;
        let dataset = position;
        self.rows.push(Row { fragment_id, dataset, identities, observed_at, ingested_at, values });
        Outcome::Accepted(fragment_id)
    }

    /// Rows cease to exist, and their events may come again. Numbers are not given twice.
    pub fn delete(&mut self, fragment_ids: &BTreeSet<i64>) {
        let (gone, left): (Vec<Row>, Vec<Row>) =
            self.rows.drain(..).partition(|row| fragment_ids.contains(&row.fragment_id));
        self.rows = left;
        for row in gone {
            if let Some(column) = self.datasets[row.dataset].event_id() {
                self.event_ids.remove(&(row.dataset, row.values[column].clone()));
            }
        }
    }

    /// The model of those rows only that were observed, and accepted, up to these moments (spec 5.5).
    pub fn at(&self, as_of: Option<i64>, known_at: Option<i64>) -> Self {
        let mut past = self.clone();
        past.rows.retain(|row| {
            let late = |last: i64| row.observed_at.is_some_and(|time| time > last);
            !as_of.is_some_and(late) && known_at.is_none_or(|last| row.ingested_at <= last)
        });
        past
    }

    fn refusal(&self, dataset: &Dataset, identities: &[Identity]) -> Option<&'static str> {
        let unique = |name: &str| self.namespace(name).unique;
        let names: Vec<_> = identities.iter().map(|(name, _)| name).collect();
        if identities.is_empty() && !dataset.options.accept_anonymous {
            Some("no_identity")
        } else if identities.len() > IDENTITIES_PER_ROW_MAX {
            Some("too_many_identities")
        } else if names
            .iter()
            .enumerate()
            .any(|(at, name)| unique(name) && names[..at].contains(name))
        {
            Some("unique_namespace")
        } else {
            None
        }
    }

    /// Every identity ever named, in graphs (spec 5.2).
    pub fn graphs(&self) -> Vec<BTreeSet<Identity>> {
        components(&self.identities(), self.fold().live.keys())
    }

    fn identities(&self) -> BTreeSet<Identity> {
        self.rows.iter().flat_map(|row| row.identities.iter().cloned()).collect()
    }

    /// The fold of spec 5.2, over all rows from the first.
    pub fn fold(&self) -> Links {
        let mut rows: Vec<_> = self.rows.iter().filter(|row| row.identities.len() > 1).collect();
        rows.sort_by_key(|row| (row.observed_at, row.fragment_id));
        let mut links = self.decided_links();
        let mut first_linked: BTreeMap<Identity, usize> = BTreeMap::new();
        for (step, row) in rows.into_iter().enumerate() {
            if let Some(namespace) = self.repeated_unique(&row.identities) {
                let pairs = pairs(&row.identities).into_iter();
                for pair in pairs.filter(|pair| !links.live.contains_key(pair)) {
                    links.dropped.insert(pair, format!("unique {namespace}"));
                }
                continue;
            }
            for identity in &row.identities {
                first_linked.entry(identity.clone()).or_insert(step);
            }
            let (parted, own): (Vec<Pair>, Vec<Pair>) = pairs(&row.identities)
                .into_iter()
                .partition(|pair| self.decisions.get(pair) == Some(&Decided::Unlinked));
            let unlinked = parted.into_iter().map(|pair| (pair, "unlinked".to_owned()));
            links.dropped.extend(unlinked);
            let own: BTreeMap<Pair, Option<i64>> =
                own.into_iter().map(|pair| (pair, row.observed_at)).collect();
            let mut candidates = links.live.clone();
            candidates.extend(own.clone());
            if self.broken(candidates.keys()).is_some() {
                candidates = self.replay(&mut links, &own);
            }
            links.dropped.retain(|pair, _| !candidates.contains_key(pair));
            links.live = candidates;
            self.shrink(&mut links, &first_linked);
        }
        links
    }

    /// Stewards' links between identities that rows name, the newest first.
    fn decided_links(&self) -> Links {
        let named = self.identities();
        let mut linked: Vec<_> = self
            .decisions
            .iter()
            .filter(|((left, right), _)| named.contains(left) && named.contains(right))
            .filter_map(|(pair, decided)| match decided {
                Decided::Linked(sequence) => Some((Reverse(*sequence), pair)),
                Decided::Unlinked => None,
            })
            .collect();
        linked.sort();
        let mut links = Links::default();
        for (_, pair) in linked {
            links.live.insert(pair.clone(), None);
            if let Some(namespace) = self.broken(links.live.keys()) {
                links.live.remove(pair);
                links.dropped.insert(pair.clone(), format!("unique {namespace}"));
            }
        }
        links
    }

    fn repeated_unique(&self, identities: &[Identity]) -> Option<String> {
        let names: Vec<_> = identities.iter().map(|(name, _)| name).collect();
        let twice = |(at, name): (usize, &&String)| {
            names[..at].contains(name) && self.namespace(name).unique
        };
        let repeated = names.iter().enumerate().filter(|(at, name)| twice((*at, name)));
        self.most_trusted(repeated.map(|(_, name)| (*name).clone()).collect())
    }

    fn most_trusted(&self, names: BTreeSet<String>) -> Option<String> {
        names.into_iter().min_by_key(|name| (self.namespace(name).rank, name.clone()))
    }

    /// The most trusted unique namespace of which a graph has two identities.
    fn broken<'a>(&self, links: impl Iterator<Item = &'a Pair> + Clone) -> Option<String> {
        let mut found = BTreeSet::new();
        for graph in components(&BTreeSet::new(), links) {
            let names: Vec<_> = graph.iter().map(|(name, _)| name).collect();
            for (at, name) in names.iter().enumerate() {
                if names[..at].contains(name) && self.namespace(name).unique {
                    found.insert((*name).clone());
                }
            }
        }
        self.most_trusted(found)
    }

    fn rank_sum(&self, pair: &Pair) -> u32 {
        self.namespace(&pair.0.0).rank + self.namespace(&pair.1.0).rank
    }

    fn replay(
        &self,
        links: &mut Links,
        own: &BTreeMap<Pair, Option<i64>>,
    ) -> BTreeMap<Pair, Option<i64>> {
        let others = links.live.iter().filter(|(pair, _)| !own.contains_key(pair));
        let turn = |pair: &Pair, turn: u8| match self.decisions.get(pair) {
            Some(Decided::Linked(sequence)) => (0, Reverse(*sequence)),
            _ => (turn, Reverse(0)),
        };
        let mut queue: Vec<_> = own
            .iter()
            .map(|(pair, seen)| (turn(pair, 1), self.rank_sum(pair), Reverse(None), pair, *seen))
            .chain(others.map(|(pair, seen)| {
                (turn(pair, 2), self.rank_sum(pair), Reverse(Some(*seen)), pair, *seen)
            }))
            .collect();
        queue.sort();
        let (mut kept, mut dropped) = (BTreeMap::new(), Vec::new());
        for (_, _, _, pair, seen) in queue {
            kept.insert(pair.clone(), seen);
            if let Some(namespace) = self.broken(kept.keys()) {
                kept.remove(pair);
                dropped.push((pair.clone(), format!("unique {namespace}")));
            }
        }
        links.dropped.extend(dropped);
        kept
    }

    /// The capacity rule.
    fn shrink(&self, links: &mut Links, first_linked: &BTreeMap<Identity, usize>) {
        if self.graph_identities_max == 0 {
            return;
        }
        let class = |identity: &Identity| {
            let linked = |(pair, decided): (&Pair, &Decided)| {
                matches!(decided, Decided::Linked(_))
                    && (pair.0 == *identity || pair.1 == *identity)
            };
            let kind = match self.namespace(&identity.0).kind {
                Kind::Cookie => 0,
                Kind::Device => 1,
                _ => 2,
            };
            (self.decisions.iter().any(linked), kind)
        };
        let first = |identity: &Identity| first_linked.get(identity).copied().unwrap_or(usize::MAX);
        let too_large = |live: &BTreeMap<Pair, _>| {
            let graphs = components(&BTreeSet::new(), live.keys());
            graphs.into_iter().find(|graph| graph.len() > self.graph_identities_max)
        };
        while let Some(graph) = too_large(&links.live) {
            let victim = graph.iter().min_by_key(|id| (class(id), first(id), *id));
            let victim = victim.expect("a graph that is too large has members").clone();
            let gone: Vec<Pair> = links
                .live
                .keys()
                .filter(|(left, right)| *left == victim || *right == victim)
                .cloned()
                .collect();
            for pair in gone {
                links.live.remove(&pair);
                links.dropped.insert(pair, "capacity".to_owned());
            }
        }
    }

    /// Every pair that rows name together or a steward linked, and why it does not live, if not.
    pub fn links(&self) -> BTreeMap<Pair, Option<String>> {
        let folded = self.fold();
        let live = folded.live.into_keys().map(|pair| (pair, None));
        live.chain(folded.dropped.into_iter().map(|(pair, why)| (pair, Some(why)))).collect()
    }

    /// The attributes: names and types of the union of record datasets, in order of appearance.
    pub fn attributes(&self) -> Vec<(String, ColumnType)> {
        let mut found: Vec<(String, ColumnType)> = Vec::new();
        let records = self.datasets.iter().filter(|dataset| dataset.kind == DatasetKind::Record);
        for (_, column) in records.flat_map(Dataset::attributes) {
            match found.iter_mut().find(|(name, _)| name == column.attribute_name()) {
                Some((_, ty)) => *ty = ty.union(&column.ty).expect("types that have a union"),
                None => found.push((column.attribute_name().to_owned(), column.ty.clone())),
            }
        }
        found
    }

    /// The value of an attribute in a row; `None` if its dataset lacks it.
    pub fn cell(&self, row: &Row, attribute: &str, ty: &ColumnType) -> Option<Value> {
        let mut columns = self.datasets[row.dataset].attributes();
        let (column, _) = columns.find(|(_, column)| column.attribute_name() == attribute)?;
        Some(row.values[column].widened(ty))
    }

    /// Who is one person: each graph, or each primary identity of a row.
    fn people(&self, stitch: Stitch) -> Vec<BTreeSet<Identity>> {
        match stitch {
            Stitch::Graph => self.graphs(),
            Stitch::None => {
                let primaries: BTreeSet<_> =
                    self.rows.iter().filter_map(|row| row.identities.first()).collect();
                primaries.into_iter().map(|one| BTreeSet::from([one.clone()])).collect()
            }
        }
    }

    /// All profiles under a policy, each by its identities. Anonymous rows belong to none.
    pub fn profiles(&self, policy: &MergePolicy) -> BTreeMap<BTreeSet<Identity>, Profile> {
        let attributes = self.attributes();
        self.people(policy.stitch)
            .into_iter()
            .map(|graph| {
                let within =
                    |row: &&Row| row.identities.first().is_some_and(|id| graph.contains(id));
                let rows: Vec<_> = self.rows.iter().filter(within).collect();
                let profile = self.profile(policy, &attributes, &rows);
                (graph, profile)
            })
            .collect()
    }

    fn profile(
        &self,
        policy: &MergePolicy,
        attributes: &[(String, ColumnType)],
        rows: &[&Row],
    ) -> Profile {
        let is_event = |row: &&&Row| self.datasets[row.dataset].kind == DatasetKind::Event;
        let merged = |(name, ty): &(String, ColumnType)| {
            (name.clone(), self.merged(policy, attributes, name, ty, rows))
        };
        let event_count = rows.iter().filter(is_event).count();
        Profile {
            attributes: attributes.iter().map(merged).collect(),
            fragment_count: rows.len() - event_count,
            event_count,
            first_seen_at: rows.iter().filter_map(|row| row.observed_at).min(),
            last_seen_at: rows.iter().filter_map(|row| row.observed_at).max(),
            datasets: rows.iter().map(|row| self.datasets[row.dataset].name.clone()).collect(),
        }
    }

    /// One attribute of one profile (spec 5.3).
    fn merged(
        &self,
        policy: &MergePolicy,
        attributes: &[(String, ColumnType)],
        attribute: &str,
        ty: &ColumnType,
        rows: &[&Row],
    ) -> Value {
        let rule = policy.rule(attribute);
        let call = rule.map_or(&policy.default, |rule| &rule.strategy);
        let history = call.over_history || ["earliest", "collect_list"].contains(&&*call.name);
        let rows = self.taking_part(policy, rows, history);
        let together = match rule.filter(|rule| rule.together) {
            Some(rule) => rule.attributes.clone(),
            None => vec![attribute.to_owned()],
        };
        let types: BTreeMap<_, _> = attributes.iter().cloned().collect();
        let cells = |row: &Row| -> Vec<Value> {
            together.iter().filter_map(|name| self.cell(row, name, &types[name])).collect()
        };
        let own = |row: &Row| self.cell(row, attribute, ty).unwrap_or(Value::Null);
        // What decides is any of the attributes merged together; what is given is this one's value.
        let spoken = |row: &&Row| cells(row).iter().any(|value| !value.is_null());
        let rank = |row: &Row| {
            let name = Argument::Name(self.datasets[row.dataset].name.clone());
            let listed = call.arguments.iter().position(|argument| *argument == name);
            listed.unwrap_or(usize::MAX)
        };
        let mut candidates: Vec<&Row> = rows.iter().copied().filter(spoken).collect();
        match call.name.as_str() {
            "latest" => candidates.last().map_or(Value::Null, |row| own(row)),
            "earliest" => candidates.first().map_or(Value::Null, |row| own(row)),
            "latest_or_null" => {
                let last = rows.iter().rev().find(|row| !cells(row).is_empty());
                last.map_or(Value::Null, |row| own(row))
            }
            "precedence" => {
                // A stable sort: within one rank the last stays the last.
                candidates.sort_by_key(|row| Reverse(rank(row)));
                candidates.last().map_or(Value::Null, |row| own(row))
            }
            _ => {
                if !history {
                    candidates = newest_of_sources(candidates);
                }
                combined(call, candidates.into_iter().map(own).collect(), ty)
            }
        }
    }

    /// The rows of the policy's record datasets that count, ascending in the order of spec 5.3.
    fn taking_part<'a>(
        &self,
        policy: &MergePolicy,
        rows: &[&'a Row],
        history: bool,
    ) -> Vec<&'a Row> {
        let place = |row: &Row| {
            let name = &self.datasets[row.dataset].name;
            match &policy.datasets {
                Some(listed) => listed.iter().position(|listed| listed == name),
                None => Some(row.dataset),
            }
        };
        let record = |row: &Row| self.datasets[row.dataset].kind == DatasetKind::Record;
        let mut rows: Vec<_> =
            rows.iter().copied().filter(|row| record(row) && place(row).is_some()).collect();
        rows.sort_by_key(|row| (row.observed_at, Reverse(place(row)), row.fragment_id));
        let replaced = |at: usize| {
            let same = |other: &&Row| source(other) == source(rows[at]);
            let replaces = self.datasets[rows[at].dataset].options.upsert == Upsert::Replace;
            !history && replaces && rows[at + 1..].iter().any(same)
        };
        (0..rows.len()).filter(|at| !replaced(*at)).map(|at| rows[at]).collect()
    }
}

fn source(row: &Row) -> (usize, Option<&Identity>) {
    (row.dataset, row.identities.first())
}

/// Of ascending rows, the last of each source.
fn newest_of_sources(rows: Vec<&Row>) -> Vec<&Row> {
    let newest =
        |at: &usize| !rows[at + 1..].iter().any(|other| source(other) == source(rows[*at]));
    (0..rows.len()).filter(newest).map(|at| rows[at]).collect()
}

fn pairs(identities: &[Identity]) -> Vec<Pair> {
    let mut sorted = identities.to_vec();
    sorted.sort();
    let with_later = |at: usize| {
        let left = sorted[at].clone();
        sorted[at + 1..].iter().map(move |right| (left.clone(), right.clone())).collect::<Vec<_>>()
    };
    (0..sorted.len()).flat_map(with_later).collect()
}

/// Connected components, by joining sets until nothing changes.
fn components<'a>(
    identities: &BTreeSet<Identity>,
    links: impl Iterator<Item = &'a Pair>,
) -> Vec<BTreeSet<Identity>> {
    let mut graphs: Vec<BTreeSet<Identity>> =
        identities.iter().map(|identity| BTreeSet::from([identity.clone()])).collect();
    for (left, right) in links {
        let mut joined = BTreeSet::from([left.clone(), right.clone()]);
        graphs.retain(|graph| {
            let apart = !graph.contains(left) && !graph.contains(right);
            if !apart {
                joined.extend(graph.iter().cloned());
            }
            apart
        });
        graphs.push(joined);
    }
    graphs.sort();
    graphs
}

/// The strategies that look at values: ascending candidates in, one value out.
fn combined(call: &StrategyCall, candidates: Vec<Value>, ty: &ColumnType) -> Value {
    let all = |wanted: bool| candidates.iter().all(|value| *value == Value::Bool(wanted));
    let distinct: BTreeSet<_> = candidates.iter().cloned().collect();
    let elements: Vec<_> = candidates
        .iter()
        .flat_map(|value| match value {
            Value::List(items) => items.clone(),
            scalar => vec![scalar.clone()],
        })
        .filter(|value| !value.is_null())
        .collect();
    let sorted: BTreeSet<_> = elements.iter().cloned().collect();
    if call.name == "count_distinct" {
        return Value::Int(distinct.len() as i64);
    }
    let Some(last) = candidates.last() else { return Value::Null };
    match call.name.as_str() {
        "min" => distinct.first().cloned().unwrap_or(Value::Null),
        "max" => distinct.last().cloned().unwrap_or(Value::Null),
        "unanimous" => {
            if distinct.len() == 1 {
                last.clone()
            } else {
                Value::Null
            }
        }
        "most_frequent" => {
            let count = |value: &&Value| candidates.iter().filter(|other| other == value).count();
            candidates.iter().max_by_key(count).cloned().unwrap_or(Value::Null)
        }
        "longest" => {
            let length = |value: &&Value| match value {
                Value::Text(text) => text.chars().count(),
                other => panic!("{other:?} is no text"),
            };
            candidates.iter().max_by_key(length).cloned().unwrap_or(Value::Null)
        }
        "all_true" | "most_restrictive" => Value::Bool(all(true)),
        "any_true" => Value::Bool(!all(false)),
        "collect_set" => Value::List(sorted.into_iter().collect()),
        "collect_list" => Value::List(elements),
        "listagg" => {
            let [Argument::Text(separator)] = call.arguments.as_slice() else {
                panic!("listagg takes a separator");
            };
            let texts: Vec<_> = sorted
                .into_iter()
                .map(|value| match value {
                    Value::Text(text) => text,
                    other => panic!("{other:?} is no text"),
                })
                .collect();
            Value::Text(texts.join(separator))
        }
        "sum" => sum(candidates, ty),
        "average" => average(candidates, ty),
        other => panic!("no strategy {other}"),
    }
}

fn sum(mut candidates: Vec<Value>, ty: &ColumnType) -> Value {
    candidates.sort();
    match ty {
        ColumnType::Numeric { scale, .. } => Value::Decimal(unscaled_sum(&candidates), *scale),
        ColumnType::Real | ColumnType::Double => {
            Value::Double(Float(candidates.iter().map(Value::number).sum()))
        }
        _ => Value::Int(unscaled_sum(&candidates) as i64),
    }
}

fn average(mut candidates: Vec<Value>, ty: &ColumnType) -> Value {
    candidates.sort();
    let count = candidates.len();
    match ty {
        ColumnType::Numeric { scale, .. } => {
            let scale_more = (scale + 4).min(38) - scale;
            let sum = unscaled_sum(&candidates) * 10_i128.pow(scale_more as u32);
            // Rounded half away from zero.
            let half = count as i128 * sum.signum();
            Value::Decimal((2 * sum + half) / (2 * count as i128), scale + scale_more)
        }
        ColumnType::Real | ColumnType::Double => {
            let sum: f64 = candidates.iter().map(Value::number).sum();
            Value::Double(Float(sum / count as f64))
        }
        _ => Value::Double(Float(unscaled_sum(&candidates) as f64 / count as f64)),
    }
}

fn unscaled_sum(candidates: &[Value]) -> i128 {
    let unscaled = |value: &Value| match value {
        Value::Int(value) => i128::from(*value),
        Value::Decimal(value, _) => *value,
        other => panic!("{other:?} has no exact sum"),
    };
    candidates.iter().map(unscaled).sum()
}
