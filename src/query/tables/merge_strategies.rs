//! `selfsame.merge_strategies`: the strategies that policies may name, and all that holds of them.
//!
//! Types are found by asking each strategy, so that they cannot say other than what a policy is told.

use std::sync::Arc;

use arrow::array::{ArrayRef, BooleanArray, ListBuilder, StringViewBuilder};
use arrow::datatypes::{DataType, Field, Schema, SchemaRef};

use crate::engine::Snapshot;
use crate::error::Result;
use crate::merge::{ALL, Rule, Strategy, fit};
use crate::model::column::ColumnType;
use crate::model::policy::{Argument, StrategyCall};
use crate::query::tables::{Binding, RowGroup, VirtualTable, column, one_group, text_list, texts};

/// The table.
#[derive(Debug)]
pub struct MergeStrategies;

fn fields() -> Vec<Field> {
    let text = || DataType::Utf8View;
    let law = |name: &str, comment: &str| column(name, DataType::Boolean, false, comment);
    vec![
        column("name", text(), false, "its name"),
        column("description", text(), false, "what it gives"),
        column("arguments", text(), true, "the arguments that it takes in a policy"),
        column("types", text_list(), false, "types of attributes that it fits"),
        column("results", text_list(), false, "types of its results, for each of the types"),
        column("decides_by", text(), false, "order of fragments, value of one, or all candidates"),
        law("needs_order", "whether the order of fragments matters to the result"),
        law("sees_history", "whether it always sees all values of the past"),
        law("idempotent", "whether a value that is there twice counts once"),
        law("associative", "whether results of parts can be merged in any grouping"),
        law("order_insensitive", "whether the order of arrival never matters"),
        column("example", text(), false, "a clause of a policy that uses it"),
    ]
}

/// One of each type that an attribute can have.
fn types() -> Vec<ColumnType> {
    vec![
        ColumnType::Text,
        ColumnType::Boolean,
        ColumnType::SmallInt,
        ColumnType::Integer,
        ColumnType::BigInt,
        ColumnType::Real,
        ColumnType::Double,
        ColumnType::Numeric { precision: 12, scale: 2 },
        ColumnType::Date,
        ColumnType::Timestamp,
        ColumnType::TimestampTz,
        ColumnType::Array(Box::new(ColumnType::Text)),
        ColumnType::Array(Box::new(ColumnType::BigInt)),
    ]
}

/// A call with arguments of the kind that the strategy takes.
fn call(strategy: &dyn Strategy) -> StrategyCall {
    let mut call = StrategyCall::plain(strategy.name());
    call.arguments.extend(match strategy.arguments() {
        "" => None,
        "separator" => Some(Argument::Text("; ".to_owned())),
        _ => Some(Argument::Name("dataset".to_owned())),
    });
    call
}

/// Types that fit with those of the results.
fn fitting(strategy: &dyn Strategy) -> Vec<(String, String)> {
    let call = call(strategy);
    let fits = |ty: ColumnType| {
        let output = strategy.output(&ty.to_arrow(), &call).ok()?;
        Some((fit::sql_name(&ty.to_arrow()), fit::sql_name(&output)))
    };
    types().into_iter().filter_map(fits).collect()
}

fn decides_by(strategy: &dyn Strategy) -> (&'static str, bool) {
    match strategy.rule() {
        Rule::Order(_) => ("order", true),
        // Ties end by the order.
        Rule::Pick(_) => ("value", !["min", "max", "unanimous"].contains(&strategy.name())),
        Rule::Combine(rule) => ("all", rule.ordered()),
    }
}

fn lists(of: impl Fn(&(String, String)) -> &str) -> ArrayRef {
    let mut lists = ListBuilder::new(StringViewBuilder::new());
    for strategy in ALL {
        fitting(*strategy).iter().for_each(|pair| lists.values().append_value(of(pair)));
        lists.append(true);
    }
    Arc::new(lists.finish())
}

impl VirtualTable for MergeStrategies {
    fn schema(&self, _snapshot: &Snapshot) -> Result<SchemaRef> {
        Ok(Arc::new(Schema::new(fields())))
    }

    fn comment(&self) -> String {
        "strategies that merge policies may name, and their laws".to_owned()
    }

    fn key(&self) -> &'static [&'static str] {
        &["name"]
    }

    fn groups(
        &self,
        _binding: &Binding,
        _profiles: Option<&[u32]>,
    ) -> Result<Vec<Arc<dyn RowGroup>>> {
        let text = |of: fn(&dyn Strategy) -> &'static str| {
            let shown = |text: &'static str| (!text.is_empty()).then(|| text.to_owned());
            texts(ALL.iter().map(|strategy| shown(of(*strategy))))
        };
        let law = |of: fn(&dyn Strategy) -> bool| -> ArrayRef {
            let all: Vec<bool> = ALL.iter().map(|strategy| of(*strategy)).collect();
            Arc::new(BooleanArray::from(all))
        };
        let columns = vec![
            text(|strategy| strategy.name()),
            text(|strategy| strategy.doc()),
            text(|strategy| strategy.arguments()),
            lists(|(input, _)| input),
            lists(|(_, output)| output),
            text(|strategy| decides_by(strategy).0),
            law(|strategy| decides_by(strategy).1),
            law(|strategy| strategy.history()),
            law(|strategy| strategy.laws().idempotent),
            law(|strategy| strategy.laws().associative),
            law(|strategy| strategy.laws().order_insensitive),
            text(|strategy| strategy.example()),
        ];
        one_group(fields(), columns)
    }
}
