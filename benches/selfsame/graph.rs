//! The identity graph alone: from the texts of identities to profile ids, in memory. Elements are rows,
//! each of which names two or three identities of synthetic people (a customer number, an address, a
//! device). `SELFSAME_BENCH_LINKS` says how many rows (a million).
//!
//! A share of people is *contested*: their device was used by the next person too, and customer numbers
//! are UNIQUE, so that the rule of spec 5.2 has to choose.

use criterion::measurement::WallTime;
use criterion::{BatchSize, BenchmarkGroup, Criterion, SamplingMode, Throughput};
use selfsame::error::Result;
use selfsame::graph::dictionary::Dictionary;
use selfsame::graph::fold::{Effects, Moment};
use selfsame::graph::identity_graph::{IdentityGraph, RowSource, Unsettled};
use selfsame::graph::rules::Rules;
use selfsame::model::namespace::{Kind, Namespace, Normalization};

const ROWS_DEFAULT: usize = 1_000_000;

/// Rows of one person, all in all.
const ROWS_PER_PERSON: usize = 5;

/// Rows of one commit of those that come later.
const LATER_ROWS: usize = 1_000;

fn namespaces(unique: bool) -> Vec<Namespace> {
    let namespace = |(at, (name, kind)): (usize, (&str, Kind))| Namespace {
        id: at as u32,
        name: name.to_owned(),
        kind,
        rank: at as u32 + 1,
        unique: unique && at == 0,
        normalization: Normalization::Trim,
        blocked: Default::default(),
    };
    let all = [("customer", Kind::Person), ("email", Kind::Email), ("device", Kind::Device)];
    all.into_iter().enumerate().map(namespace).collect()
}

/// Texts of the identities of row `at`: namespace and value. Of a hundred people, `contested` lend
/// their device to the next.
fn row(at: usize, contested: usize) -> Vec<(u32, String)> {
    let (person, turn) = (at / ROWS_PER_PERSON, at % ROWS_PER_PERSON);
    let customer = (0, format!("C{person:09}"));
    let email = (1, format!("person.{person}@example.com"));
    let device = (2, format!("{:016x}", (person as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15)));
    match turn {
        0 => vec![customer, email],
        1 | 2 => vec![device, email],
        3 if person % 100 < contested => {
            vec![device, (0, format!("C{:09}", person + 1))]
        }
        _ => vec![device, customer],
    }
}

/// A graph and the rows that it is of.
#[derive(Clone)]
struct World {
    graph: IdentityGraph,
    rows: Vec<(Vec<u32>, Moment)>,
    /// Rows by primary identity.
    by_primary: Vec<Vec<u32>>,
}

struct Rows<'a>(&'a World);

impl RowSource for Rows<'_> {
    fn rows_of(&self, primaries: &[u32], each: &mut dyn FnMut(&[u32], Moment)) -> Result<()> {
        for primary in primaries {
            for row in self.0.by_primary.get(*primary as usize).into_iter().flatten() {
                let (identities, moment) = &self.0.rows[*row as usize];
                each(identities, *moment);
            }
        }
        Ok(())
    }
}

impl World {
    fn new(rules: Rules) -> Self {
        let graph = IdentityGraph::new(rules);
        Self { graph, rows: Vec::new(), by_primary: Vec::new() }
    }

    /// Takes rows in as one commit, from their texts.
    fn take(&mut self, rows: &[Vec<(u32, String)>], names: &Dictionary) {
        let (mut unsettled, mut effects) = (Unsettled::default(), Effects::default());
        for row in rows {
            let number = |(namespace, value): &(u32, String)| {
                names.intern(*namespace, value).expect("fewer than there may be")
            };
            let identities: Vec<u32> = row.iter().map(number).collect();
            let rules = self.graph.rules();
            let traits: Vec<u32> = row.iter().map(|(of, _)| rules.traits(*of)).collect();
            let at = self.rows.len();
            let moment = Moment { time: at as i64, fragment_id: at as i64 };
            self.graph.take(&identities, &traits, moment, &mut unsettled, &mut effects);
            let primary = identities[0] as usize;
            if self.by_primary.len() <= primary {
                self.by_primary.resize_with(primary + 1, Vec::new);
            }
            self.by_primary[primary].push(at as u32);
            self.rows.push((identities, moment));
        }
        let mut graph = self.graph.clone();
        graph.settle(&unsettled, names, &Rows(self), &mut effects).expect("rows in memory");
        self.graph = graph;
    }
}

/// One device that everybody signs in on: rows that come on time, after as many as there were before.
fn hub(group: &mut BenchmarkGroup<'_, WallTime>, size: usize) {
    let (mut world, names) = (World::new(Rules::new(&namespaces(true), 50)), Dictionary::default());
    let row = |at: usize| vec![(2, "kiosk".to_owned()), (0, format!("C{at:09}"))];
    let mut next = size;
    world.take(&(0..size).map(row).collect::<Vec<_>>(), &names);
    group.throughput(Throughput::Elements(LATER_ROWS as u64));
    group.bench_function(
        format!("{LATER_ROWS} rows more, one a commit, on a hub of {size}"),
        |bencher| {
            let later = || {
                next += LATER_ROWS;
                (next - LATER_ROWS..next).map(row).collect::<Vec<_>>()
            };
            let take = |rows: Vec<Vec<(u32, String)>>| {
                for row in rows {
                    world.take(&[row], &names);
                }
                assert!(world.graph.is_contested(0));
            };
            bencher.iter_batched(later, take, BatchSize::PerIteration);
        },
    );
}

fn row_count() -> usize {
    let set = std::env::var("SELFSAME_BENCH_LINKS").ok();
    set.map_or(ROWS_DEFAULT, |text| text.parse().expect("SELFSAME_BENCH_LINKS is a number"))
}

/// Measures bulk, increments on graphs of two sizes, and changed rules.
pub fn bench(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("graph");
    group.sampling_mode(SamplingMode::Flat);
    let count = row_count();
    for contested in [0, 1, 10] {
        let rows: Vec<_> = (0..count).map(|at| row(at, contested)).collect();
        group.throughput(Throughput::Elements(count as u64));
        group.bench_function(format!("bulk of {count} rows, {contested} % contested"), |bencher| {
            let fresh = || (World::new(Rules::new(&namespaces(true), 50)), Dictionary::default());
            let load = |(mut world, names): (World, Dictionary)| {
                world.take(&rows, &names);
                assert!(world.graph.profile_count() >= count / ROWS_PER_PERSON);
                (world, names)
            };
            bencher.iter_batched(fresh, load, BatchSize::PerIteration);
        });
    }
    for size in [count / 10, count] {
        let (mut world, names) =
            (World::new(Rules::new(&namespaces(true), 50)), Dictionary::default());
        let rows: Vec<_> = (0..size).map(|at| row(at, 10)).collect();
        world.take(&rows, &names);
        drop(rows);
        group.throughput(Throughput::Elements(LATER_ROWS as u64));
        let mut next = 0;
        group.bench_function(format!("{LATER_ROWS} rows more on {size}"), |bencher| {
            let later = || {
                next += 1;
                // Of people spread over the store: a new address for each.
                let row = |at: usize| {
                    let person = (at * 7_919 + next) % (size / ROWS_PER_PERSON);
                    vec![(0, format!("C{person:09}")), (1, format!("new.{next}.{at}@example.com"))]
                };
                (0..LATER_ROWS).map(row).collect::<Vec<_>>()
            };
            // A reader holds the snapshot before, as readers do.
            bencher.iter_batched(
                later,
                |rows| {
                    let held = world.graph.clone();
                    world.take(&rows, &names);
                    held
                },
                BatchSize::PerIteration,
            );
        });
    }
    hub(&mut group, count / 10);
    let (mut world, names) =
        (World::new(Rules::new(&namespaces(false), 50)), Dictionary::default());
    let rows: Vec<_> = (0..count).map(|at| row(at, 10)).collect();
    world.take(&rows, &names);
    drop(rows);
    group.throughput(Throughput::Elements(count as u64));
    group.bench_function(format!("SET UNIQUE over {count} rows, 10 % contested"), |bencher| {
        let restated = |mut graph: IdentityGraph| {
            let (rules, mut effects) = (Rules::new(&namespaces(true), 50), Effects::default());
            graph
                .restate(rules, &names, &Rows(&world), &mut effects, &mut |_, _| ())
                .expect("rows in memory");
            graph
        };
        bencher.iter_batched(|| world.graph.clone(), restated, BatchSize::PerIteration);
    });
    group.finish();
}
