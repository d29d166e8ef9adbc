//! Laws of merging, held against the naive model: whatever the rows, the policy, their order and
//! their split over batches and partitions, operator and SQL aggregates give what spec 5.3 says.

#[path = "support/model.rs"]
mod model;
#[path = "support/values.rs"]
mod values;

use std::collections::BTreeMap;
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, BooleanArray, Int64Array, RecordBatch};
use arrow::compute::concat_batches;
use datafusion::datasource::MemTable;
use datafusion::prelude::{SessionConfig, SessionContext, col};
use proptest::prelude::*;

use model::{Float, Identity, Model, Outcome, Row, Value};
use selfsame::error::Result;
use selfsame::merge::lineage::{Reason, decided, judged};
use selfsame::merge::operator::{Columns, Fragments, merge};
use selfsame::merge::plan::{Attribute, MergePlan};
use selfsame::merge::{ALL, Rule, Strategy as MergeStrategy};
use selfsame::model::column::ColumnType;
use selfsame::model::dataset::{Column, Dataset, DatasetKind, DatasetOptions, Role, Upsert};
use selfsame::model::namespace::{Kind, Namespace, Normalization};
use selfsame::model::policy::{Argument, MergePolicy, MergeRule, StrategyCall};

// --- the world: three datasets that overlap in attributes and in people -------------------------

fn namespace(id: u32, name: &str, normalization: Normalization) -> Namespace {
    let (kind, blocked) = (Kind::Person, Default::default());
    Namespace { id, name: name.to_owned(), kind, rank: id, unique: false, normalization, blocked }
}

fn dataset(id: u32, name: &str, replace: bool, columns: &[(&str, &str, ColumnType)]) -> Dataset {
    let column = |(name, role, ty): &(&str, &str, ColumnType)| Column {
        name: (*name).to_owned(),
        ty: ty.clone(),
        role: match *role {
            "" => Role::Value,
            "at" => Role::ObservedAt,
            namespace => Role::Identity(namespace.to_owned()),
        },
        attribute: None,
        derived: None,
    };
    let upsert = if replace { Upsert::Replace } else { Upsert::Patch };
    Dataset {
        id,
        name: name.to_owned(),
        kind: DatasetKind::Record,
        columns: columns.iter().map(column).collect(),
        options: DatasetOptions { accept_anonymous: false, upsert, ..DatasetOptions::default() },
    }
}

/// `replace` says per dataset whether rows replace each other.
fn world(replace: [bool; 3]) -> Model {
    use ColumnType::{
        Array, BigInt, Boolean, Date, Double, Integer, Real, SmallInt, Text, Timestamp, TimestampTz,
    };
    let money = |precision, scale| ColumnType::Numeric { precision, scale };
    let tags = || Array(Box::new(Text));
    let crm = [
        ("customer", "crm_id", Text),
        ("email", "email", Text),
        ("name", "", Text),
        ("age", "", Integer),
        ("spend", "", money(12, 2)),
        ("opted_in", "", Boolean),
        ("born", "", Date),
        ("tags", "", tags()),
        ("score", "", Double),
        ("small", "", SmallInt),
        ("ratio", "", Real),
        ("moment", "", Timestamp),
        ("numbers", "", Array(Box::new(BigInt))),
        ("at", "at", TimestampTz),
    ];
    let web = [
        ("email", "email", Text),
        ("name", "", Text),
        ("age", "", BigInt),
        ("opted_in", "", Boolean),
        ("tags", "", tags()),
        ("ratio", "", Real),
        ("numbers", "", Array(Box::new(Integer))),
        ("score", "", Integer),
        ("at", "at", TimestampTz),
    ];
    // Without a time of its own, so observed when ingested.
    let shop = [
        ("customer", "crm_id", Text),
        ("name", "", Text),
        ("spend", "", money(10, 3)),
        ("born", "", Date),
    ];
    let namespaces = vec![
        namespace(1, "crm_id", Normalization::Trim),
        namespace(2, "email", Normalization::Lower),
    ];
    let datasets = vec![
        dataset(1, "crm", replace[0], &crm),
        dataset(2, "web", replace[1], &web),
        dataset(3, "shop", replace[2], &shop),
    ];
    Model::new(namespaces, datasets)
}

/// A row of any of the datasets: what each column would be given.
#[derive(Clone, Debug)]
struct Given {
    dataset: usize,
    by_name: BTreeMap<&'static str, Value>,
}

fn optional(value: impl Strategy<Value = Value>) -> impl Strategy<Value = Value> {
    // Nulls are a third: they are what merging is about.
    prop_oneof![1 => Just(Value::Null), 2 => value]
}

fn one_of(texts: &'static [&'static str]) -> impl Strategy<Value = Value> {
    prop::sample::select(texts).prop_map(Value::text)
}

fn given() -> impl Strategy<Value = Given> {
    // Small domains on purpose, so that equal values, equal times and shared identities are common.
    let names =
        &["", "Al", "Åsa", "al", "a name longer than twelve bytes", "a name longer than that"];
    let colours = &["red", "blue", "green and longer still"];
    let tag = prop_oneof![1 => Just(Value::Null), 4 => one_of(colours)];
    let tags = prop::collection::vec(tag, 0..4).prop_map(Value::List);
    let scores = prop::sample::select(vec![0.1, 0.2, 0.3, 1e16, -1e16, 1.0]);
    (
        (
            0..3_usize,
            optional(one_of(&["1", "2", " 3", "4"])),
            optional(one_of(&["X", "y ", "z", "null"])),
        ),
        optional(one_of(names)),
        optional((-2..3_i64).prop_map(Value::Int)),
        optional((-300..300_i64).prop_map(Value::Int)),
        optional(any::<bool>().prop_map(Value::Bool)),
        optional((0..4).prop_map(Value::Date)),
        optional(tags),
        optional(scores.prop_map(|score| Value::Double(Float(score)))),
        optional((0..4_i64).prop_map(Value::Timestamp)),
    )
        .prop_map(
            |((dataset, customer, email), name, age, spend, opted_in, born, tags, score, at)| {
                let by_name = BTreeMap::from([
                    ("customer", customer),
                    ("email", email),
                    ("name", name),
                    ("age", age),
                    ("spend", spend),
                    ("opted_in", opted_in),
                    ("born", born),
                    ("tags", tags),
                    ("score", score),
                    ("at", at),
                ]);
                Given { dataset, by_name }
            },
        )
}

fn accept(model: &mut Model, given: &Given) -> Outcome {
    let dataset = model.datasets[given.dataset].clone();
    // What has no value of its own has one that follows from another column.
    let source = |column: &Column| match column.name.as_str() {
        "small" | "ratio" | "numbers" => given.by_name["age"].clone(),
        "moment" => given.by_name["at"].clone(),
        name => given.by_name[name].clone(),
    };
    let value = |column: &Column| match (&source(column), &column.ty) {
        (Value::Int(value), ColumnType::Real) => Value::Double(Float(*value as f64 / 4.0)),
        (Value::Int(value), ColumnType::Array(_)) => {
            Value::List(vec![Value::Int(*value), Value::Null, Value::Int(1)])
        }
        (Value::Int(value), ColumnType::Numeric { scale, .. }) => {
            Value::Decimal((*value).into(), *scale)
        }
        (Value::Double(score), ColumnType::Integer) => Value::Int((score.0 * 10.0) as i64 % 100),
        (value, _) => value.clone(),
    };
    let row = dataset.columns.iter().map(value).collect();
    model.now += 1;
    model.accept(&dataset.name, row)
}

fn model_of(replace: [bool; 3], rows: &[Given]) -> Model {
    let mut model = world(replace);
    for row in rows {
        accept(&mut model, row);
    }
    model
}

/// A generator of arbitrary choices, for shuffles that are not worth shrinking.
struct Choices(u64);

impl Choices {
    fn below(&mut self, bound: usize) -> usize {
        self.0 =
            self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) as usize % bound
    }

    fn shuffle<T>(&mut self, items: &mut [T]) {
        for at in (1..items.len()).rev() {
            items.swap(at, self.below(at + 1));
        }
    }
}

// --- the model's rows as the operator wants them ------------------------------------------------

/// Rows split over batches; dataset and rows of each.
struct Batches<'a> {
    model: &'a Model,
    batches: Vec<(usize, Vec<&'a Row>)>,
}

impl Columns for Batches<'_> {
    fn column(&self, batch: u32, attribute: usize) -> Result<Option<ArrayRef>> {
        let (name, ty) = &self.model.attributes()[attribute];
        let cells = self.batches[batch as usize].1.iter().map(|row| self.model.cell(row, name, ty));
        Ok(cells.collect::<Option<Vec<_>>>().map(|cells| values::column(&cells, ty)))
    }

    fn replaces(&self, dataset: u32) -> bool {
        self.model.datasets[dataset as usize].options.upsert == Upsert::Replace
    }
}

/// Shuffles the rows and splits them over up to three batches a dataset.
fn split<'a>(model: &'a Model, seed: u64) -> (Fragments, Batches<'a>) {
    let mut choices = Choices(seed);
    let graphs = model.graphs();
    let group =
        |id: &Identity| graphs.iter().position(|graph| graph.contains(id)).expect("a graph");
    let identities: Vec<_> = graphs.iter().flatten().collect();
    let mut batches: Vec<(usize, Vec<&Row>)> =
        (0..3 * model.datasets.len()).map(|batch| (batch / 3, Vec::new())).collect();
    choices.shuffle(&mut batches);
    let mut rows: Vec<_> = model.rows.iter().collect();
    choices.shuffle(&mut rows);
    let mut fragments = Fragments::default();
    for row in rows {
        let of_dataset: Vec<_> =
            (0..batches.len()).filter(|batch| batches[*batch].0 == row.dataset).collect();
        let batch = of_dataset[choices.below(of_dataset.len())];
        let primary = &row.identities[0];
        fragments.group.push(group(primary) as u32);
        fragments.dataset.push(row.dataset as u32);
        let number = identities.iter().position(|identity| *identity == primary);
        fragments.primary.push(number.expect("an identity") as u32);
        fragments.observed_at.push(row.observed_at.unwrap_or(i64::MIN));
        fragments.fragment_id.push(row.fragment_id);
        fragments.batch.push(batch as u32);
        fragments.row.push(batches[batch].1.len() as u32);
        batches[batch].1.push(row);
    }
    (fragments, Batches { model, batches })
}

fn plan(model: &Model, policy: &MergePolicy) -> Result<MergePlan> {
    let datasets: Vec<_> = model.datasets.iter().map(|dataset| dataset.name.clone()).collect();
    let attributes = model.attributes().into_iter().map(|(name, ty)| Attribute { name, ty });
    MergePlan::try_new(policy, &datasets, &attributes.collect::<Vec<_>>())
}

/// Merged values by graph and attribute, through the operator.
fn operated(model: &Model, policy: &MergePolicy, seed: u64) -> Vec<BTreeMap<String, Value>> {
    let plan = plan(model, policy).expect("a policy that fits");
    let (fragments, batches) = split(model, seed);
    let attributes = model.attributes();
    // In another order than the plan's, as a projection may ask.
    let wanted: Vec<_> = (0..attributes.len()).rev().collect();
    let group_count = model.graphs().len();
    let columns = merge(&plan, &wanted, group_count, &fragments, &batches).expect("a merge");
    for (attribute, column) in wanted.iter().zip(&columns) {
        assert_eq!(column.data_type(), plan.fields()[*attribute].data_type());
        assert_eq!(column.len(), group_count);
    }
    let value = |group: usize| {
        let named = |(attribute, column): (&usize, &ArrayRef)| {
            (attributes[*attribute].0.clone(), values::value(column, group))
        };
        wanted.iter().zip(&columns).map(named).collect()
    };
    (0..group_count).map(value).collect()
}

fn expected(model: &Model, policy: &MergePolicy) -> Vec<BTreeMap<String, Value>> {
    model.profiles(policy).into_values().map(|profile| profile.attributes).collect()
}

// --- policies -----------------------------------------------------------------------------------

/// A call of the strategy, with arguments if it takes some.
fn call(strategy: &dyn MergeStrategy, over_history: bool) -> StrategyCall {
    let name = |name: &str| Argument::Name(name.to_owned());
    let arguments = match strategy.name() {
        "precedence" => vec![name("shop"), name("crm")],
        "listagg" => vec![Argument::Text("; ".to_owned())],
        _ => Vec::new(),
    };
    StrategyCall { name: strategy.name().to_owned(), arguments, over_history }
}

/// Attributes that a strategy fits.
fn fitting(model: &Model, strategy: &dyn MergeStrategy) -> Vec<String> {
    let call = call(strategy, false);
    let fits = |(_, ty): &(String, ColumnType)| strategy.output(&ty.to_arrow(), &call).is_ok();
    model.attributes().into_iter().filter(fits).map(|(name, _)| name).collect()
}

/// Every attribute that the strategy fits by it, the others by `latest`.
fn policy_of(model: &Model, strategy: &dyn MergeStrategy, over_history: bool) -> MergePolicy {
    let attributes = fitting(model, strategy);
    assert!(!attributes.is_empty(), "{} is tested on no attribute", strategy.name());
    let strategy = call(strategy, over_history);
    MergePolicy {
        rules: vec![MergeRule { attributes, together: false, strategy }],
        ..MergePolicy::latest()
    }
}

/// FROM lists: all, some, in another order than that of creation.
const FROM: [Option<&[&str]>; 4] =
    [None, Some(&["shop", "web", "crm"]), Some(&["web", "crm"]), Some(&["shop", "crm"])];

fn from(listed: Option<&[&str]>) -> Option<Vec<String>> {
    listed.map(|names| names.iter().map(|name| (*name).to_owned()).collect())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, ..ProptestConfig::default() })]

    #[test]
    fn operator_gives_what_the_model_gives(
        rows in prop::collection::vec(given(), 0..24),
        replace in any::<[bool; 3]>(),
        seed in any::<u64>(),
        listed in 0..FROM.len(),
    ) {
        let model = model_of(replace, &rows);
        for strategy in ALL {
            for over_history in [false, true] {
                let mut policy = policy_of(&model, *strategy, over_history);
                // The strategy's arguments name datasets, which then must take part.
                if strategy.name() != "precedence" || listed != 2 {
                    policy.datasets = from(FROM[listed]);
                }
                let merged = operated(&model, &policy, seed);
                prop_assert_eq!(merged, expected(&model, &policy), "{}", policy);
            }
        }
    }

    #[test]
    fn attributes_together_come_from_one_fragment(
        rows in prop::collection::vec(given(), 0..24),
        replace in any::<[bool; 3]>(),
        seed in any::<u64>(),
        over_history in any::<bool>(),
    ) {
        let model = model_of(replace, &rows);
        for strategy in ALL.iter().filter(|strategy| matches!(strategy.rule(), Rule::Order(_))) {
            let attributes = ["spend", "name", "tags"].map(str::to_owned).to_vec();
            let strategy = call(*strategy, over_history);
            let rule = MergeRule { attributes, together: true, strategy };
            let policy = MergePolicy { rules: vec![rule], ..MergePolicy::latest() };
            let merged = operated(&model, &policy, seed);
            prop_assert_eq!(merged, expected(&model, &policy), "{}", policy);
        }
    }

    #[test]
    fn lineage_tells_what_merging_does(
        rows in prop::collection::vec(given(), 0..24),
        replace in any::<[bool; 3]>(),
        seed in any::<u64>(),
    ) {
        let model = model_of(replace, &rows);
        let (fragments, batches) = split(&model, seed);
        let group_count = model.graphs().len();
        for strategy in ALL {
            let combines = matches!(strategy.rule(), Rule::Combine(_));
            let policy = policy_of(&model, *strategy, false);
            let plan = plan(&model, &policy).expect("a policy that fits");
            for (attribute, (name, ty)) in model.attributes().iter().enumerate() {
                if !fitting(&model, *strategy).contains(name) {
                    continue;
                }
                let merged = merge(&plan, &[attribute], group_count, &fragments, &batches);
                let merged = merged.expect("a merge");
                let decided = decided(&plan, &[attribute], group_count, &fragments, &batches);
                let decided = decided.expect("decisions").remove(0);
                let judged = judged(&plan, attribute, group_count, &fragments, &batches);
                let judged = judged.expect("judgements");
                let cell = |at: u32| {
                    let (_, rows) = &batches.batches[fragments.batch[at as usize] as usize];
                    model.cell(rows[fragments.row[at as usize] as usize], name, ty)
                };
                for (at, fragment) in judged.fragments.iter().enumerate() {
                    prop_assert_eq!(Some(values::value(&judged.values, at)), cell(*fragment));
                }
                for group in 0..group_count {
                    let merged = values::value(&merged[0], group);
                    prop_assert_eq!(&values::value(&decided.values, group), &merged);
                    let of_group: Vec<_> = judged
                        .fragments
                        .iter()
                        .zip(&judged.reasons)
                        .filter(|(at, _)| fragments.group[**at as usize] as usize == group)
                        .collect();
                    let counts = |reason: &Option<Reason>| reason.is_none_or(Reason::is_candidate);
                    let count = of_group.iter().filter(|(_, reason)| counts(reason)).count();
                    prop_assert_eq!(decided.candidate_counts[group] as usize, count);
                    let winners: Vec<_> =
                        of_group.iter().filter(|(_, reason)| reason.is_none()).collect();
                    prop_assert!(winners.len() <= 1 && (winners.is_empty() || !combines));
                    if let Some((winner, _)) = winners.first() {
                        prop_assert_eq!(decided.fragments[group], Some(**winner));
                    }
                    match decided.fragments[group] {
                        None => prop_assert!(combines || merged == Value::Null),
                        Some(at) if combines => {
                            let contributes = |reason: &Option<Reason>| *reason == Some(Reason::Contributes);
                            let givers: Vec<_> = of_group.iter().filter(|it| contributes(it.1)).collect();
                            prop_assert!(givers.len() == 1 && *givers[0].0 == at);
                        }
                        Some(at) => {
                            prop_assert_eq!(fragments.group[at as usize] as usize, group);
                            prop_assert_eq!(cell(at), Some(merged));
                        }
                    }
                }
            }
        }
    }

    #[test]
    fn rows_sent_again_change_nothing(
        rows in prop::collection::vec(given(), 0..16),
        replace in any::<[bool; 3]>(),
        seed in any::<u64>(),
    ) {
        // A dataset without a time of its own says the same again *later*, which is another row.
        let rows: Vec<_> = rows.into_iter().filter(|row| row.dataset != 2).collect();
        let once = model_of(replace, &rows);
        let twice = model_of(replace, &[rows.clone(), rows].concat());
        for strategy in ALL {
            for over_history in [false, true] {
                // What each source says now is said once, however often it is sent.
                if strategy.laws().idempotent || !(over_history || strategy.history()) {
                    let policy = policy_of(&once, *strategy, over_history);
                    let once = operated(&once, &policy, seed);
                    prop_assert_eq!(once, operated(&twice, &policy, seed), "{}", policy);
                }
            }
        }
    }
}

// --- SQL aggregates -----------------------------------------------------------------------------

/// The SQL expression for a strategy's merge of an attribute over history.
fn aggregate(strategy: &dyn MergeStrategy, attribute: &str) -> String {
    let name = strategy.name();
    let order = "observed_at, place, fragment_id";
    let arguments = match name {
        "precedence" => format!("{attribute}, rank, {order}"),
        "listagg" => format!("{attribute}, '; '"),
        "latest" | "latest_or_null" | "earliest" | "most_frequent" | "longest" | "collect_list" => {
            format!("{attribute}, {order}")
        }
        _ => attribute.to_owned(),
    };
    format!("{name}({arguments}) FILTER (WHERE has_{attribute})")
}

/// One batch of the model's fragments: profile, order, and each attribute with whether the dataset
/// has it.
fn table(model: &Model) -> RecordBatch {
    let graphs = model.graphs();
    let rows = &model.rows;
    let numbers = |number: &dyn Fn(&Row) -> Option<i64>| -> ArrayRef {
        Arc::new(rows.iter().map(number).collect::<Int64Array>())
    };
    let group = |row: &Row| graphs.iter().position(|graph| graph.contains(&row.identities[0]));
    let observed: Vec<_> =
        rows.iter().map(|row| row.observed_at.map_or(Value::Null, Value::Timestamp)).collect();
    // As `precedence(shop, crm)` ranks them.
    let rank = |row: &Row| [Some(1), None, Some(0)][row.dataset];
    let mut columns = vec![
        ("profile".to_owned(), numbers(&|row| group(row).map(|group| group as i64))),
        ("observed_at".to_owned(), values::column(&observed, &ColumnType::TimestampTz)),
        ("place".to_owned(), numbers(&|row| Some(row.dataset as i64))),
        ("fragment_id".to_owned(), numbers(&|row| Some(row.fragment_id))),
        ("rank".to_owned(), numbers(&rank)),
    ];
    for (name, ty) in model.attributes() {
        let cells: Vec<_> = rows.iter().map(|row| model.cell(row, &name, &ty)).collect();
        let has: BooleanArray = cells.iter().map(|cell| Some(cell.is_some())).collect();
        columns.push((format!("has_{name}"), Arc::new(has)));
        let cells: Vec<_> = cells.into_iter().map(|cell| cell.unwrap_or(Value::Null)).collect();
        columns.push((name, values::column(&cells, &ty)));
    }
    let nullable = columns.into_iter().map(|(name, column)| (name, column, true));
    RecordBatch::try_from_iter_with_nullable(nullable).expect("columns of one length")
}

/// How a table lies and how it is aggregated.
#[derive(Clone, Copy, Debug)]
enum Layout {
    /// One partition, by hash.
    One,
    /// Four partitions: partial states, an exchange, final states; and the probe that gives up
    /// partial aggregation at once, which converts rows to states.
    Four { skip_partial: bool },
    /// One partition sorted by profile, so that finished groups are emitted on the way.
    Sorted,
}

const LAYOUTS: [Layout; 4] = [
    Layout::One,
    Layout::Four { skip_partial: false },
    Layout::Four { skip_partial: true },
    Layout::Sorted,
];

fn session(table: &RecordBatch, layout: Layout, seed: u64) -> SessionContext {
    let (partition_count, skip) = match layout {
        Layout::Four { skip_partial } => (4, skip_partial),
        _ => (1, false),
    };
    let config = SessionConfig::new()
        .with_target_partitions(partition_count)
        .with_batch_size(4)
        .set_usize(
            "datafusion.execution.skip_partial_aggregation_probe_rows_threshold",
            if skip { 0 } else { 1 << 20 },
        )
        .set(
            "datafusion.execution.skip_partial_aggregation_probe_ratio_threshold",
            &datafusion::scalar::ScalarValue::Float64(Some(0.0)),
        );
    let session = SessionContext::new_with_config(config);
    for aggregate in selfsame::query::aggregates::all() {
        session.register_udaf(aggregate);
    }
    let mut rows: Vec<_> = (0..table.num_rows()).collect();
    Choices(seed).shuffle(&mut rows);
    if matches!(layout, Layout::Sorted) {
        let profiles = table.column(0);
        rows.sort_by_key(|row| values::value(profiles, *row));
    }
    let mut partitions = vec![Vec::new(); partition_count];
    for (at, chunk) in rows.chunks(3).enumerate() {
        let slices: Vec<_> = chunk.iter().map(|row| table.slice(*row, 1)).collect();
        let batch = concat_batches(&table.schema(), &slices).expect("one schema");
        partitions[at % partition_count].push(batch);
    }
    let mut memory = MemTable::try_new(table.schema(), partitions).expect("one schema");
    if matches!(layout, Layout::Sorted) {
        memory = memory.with_sort_order(vec![vec![col("profile").sort(true, true)]]);
    }
    session.register_table("fragments", Arc::new(memory)).expect("a new name");
    session
}

fn rows_of(session: &SessionContext, sql: &str) -> Vec<Vec<Value>> {
    let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
    let batches = runtime.block_on(async {
        session.sql(sql).await.expect("a plan").collect().await.expect("a result")
    });
    let row = |batch: &RecordBatch, row: usize| {
        batch.columns().iter().map(|column| values::value(column, row)).collect()
    };
    batches.iter().flat_map(|batch| (0..batch.num_rows()).map(move |at| row(batch, at))).collect()
}

/// Strategies with an aggregate that does exactly what they do: SQL's own `sum` of floats, for one,
/// depends on the order of rows.
fn in_sql(strategy: &dyn MergeStrategy, ty: &ColumnType) -> bool {
    *ty != ColumnType::Double || strategy.name() != "sum"
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 12, ..ProptestConfig::default() })]

    #[test]
    fn aggregates_give_what_the_model_gives(
        rows in prop::collection::vec(given(), 1..40),
        seed in any::<u64>(),
    ) {
        let model = model_of([false; 3], &rows);
        let table = table(&model);
        let (mut expressions, mut results) = (Vec::new(), Vec::new());
        for strategy in ALL {
            let policy = policy_of(&model, *strategy, true);
            let merged = expected(&model, &policy);
            for (attribute, ty) in model.attributes() {
                let fits = fitting(&model, *strategy).contains(&attribute);
                if fits && in_sql(*strategy, &ty) {
                    expressions.push(aggregate(*strategy, &attribute));
                    let values = merged.iter().map(|profile| profile[&attribute].clone());
                    results.push(values.collect::<Vec<_>>());
                }
            }
        }
        for layout in LAYOUTS {
            let session = session(&table, layout, seed);
            let sql = format!(
                "SELECT profile, {} FROM fragments GROUP BY profile ORDER BY profile",
                expressions.join(", ")
            );
            let rows = rows_of(&session, &sql);
            prop_assert_eq!(rows.len(), model.graphs().len());
            for (group, row) in rows.iter().enumerate() {
                for (at, expression) in expressions.iter().enumerate() {
                    let expected = &results[at][group];
                    prop_assert_eq!(&row[at + 1], expected, "{} {:?}", expression, layout);
                }
            }
            // Without GROUP BY another kind of accumulator does the work. Where every row was refused
            // there is no profile, and nothing to compare with.
            let sql = format!("SELECT {} FROM fragments WHERE profile = 0", expressions.join(", "));
            let rows = rows_of(&session, &sql);
            for (at, expression) in expressions.iter().enumerate() {
                let expected = results[at].first().cloned().unwrap_or(rows[0][at].clone());
                prop_assert_eq!(&rows[0][at], &expected, "{} {:?}", expression, layout);
            }
        }
    }

    #[test]
    fn ties_do_not_depend_on_partitions(
        rows in prop::collection::vec(given(), 1..40),
        seeds in any::<[u64; 2]>(),
    ) {
        let model = model_of([false; 3], &rows);
        let table = table(&model);
        let names = ["latest", "latest_or_null", "earliest", "most_frequent", "collect_list"];
        let of_values = |name: &&str| {
            ["name", "tags", "score"].map(|value| format!("{name}({value}, observed_at)"))
        };
        let mut expressions: Vec<_> = names.iter().flat_map(of_values).collect();
        expressions.push("longest(name, observed_at)".to_owned());
        expressions.push("precedence(name, rank, observed_at)".to_owned());
        let sql = format!(
            "SELECT profile, {} FROM fragments GROUP BY profile ORDER BY profile",
            expressions.join(", ")
        );
        let one = rows_of(&session(&table, Layout::One, seeds[0]), &sql);
        for layout in LAYOUTS {
            let rows = rows_of(&session(&table, layout, seeds[1]), &sql);
            prop_assert_eq!(&rows, &one, "{:?}", layout);
        }
    }
}
