//! Aggregates over an order that DataFusion lacks: `percentile_disc(p) WITHIN GROUP (ORDER BY x)` and
//! `mode() WITHIN GROUP (ORDER BY x)`.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, new_empty_array};
use arrow::compute::{SortOptions, concat, is_not_null, sort};
use arrow::datatypes::{DataType, Field, FieldRef, Float64Type};
use datafusion::common::{Result, ScalarValue, exec_err, plan_err};
use datafusion::logical_expr::function::{AccumulatorArgs, StateFieldsArgs};
use datafusion::logical_expr::utils::format_state_name;
use datafusion::logical_expr::{
    Accumulator, AggregateUDF, AggregateUDFImpl, ColumnarValue, Signature, Volatility,
};
use datafusion::physical_expr::PhysicalExpr;

/// Both of them.
pub fn aggregate_functions() -> Vec<AggregateUDF> {
    [Pick::Percentile, Pick::Mode]
        .map(|pick| {
            let signature = Signature::user_defined(Volatility::Immutable);
            AggregateUDF::from(Ordered { pick, signature })
        })
        .into()
}

/// Which of the ordered values is the answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Pick {
    /// The first that at least a share of the values is not behind.
    Percentile,
    /// The most frequent, and the first of several.
    Mode,
}

#[derive(Debug, PartialEq, Eq, Hash)]
struct Ordered {
    pick: Pick,
    signature: Signature,
}

impl AggregateUDFImpl for Ordered {
    fn name(&self) -> &str {
        match self.pick {
            Pick::Percentile => "percentile_disc",
            Pick::Mode => "mode",
        }
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn coerce_types(&self, given: &[DataType]) -> Result<Vec<DataType>> {
        match (self.pick, given) {
            (Pick::Percentile, [value, _]) => Ok(vec![value.clone(), DataType::Float64]),
            (Pick::Mode, [value]) => Ok(vec![value.clone()]),
            _ => plan_err!("{} needs WITHIN GROUP (ORDER BY ...)", self.name()),
        }
    }

    fn return_type(&self, given: &[DataType]) -> Result<DataType> {
        Ok(given[0].clone())
    }

    fn state_fields(&self, args: StateFieldsArgs<'_>) -> Result<Vec<FieldRef>> {
        let item = Field::new_list_field(args.input_fields[0].data_type().clone(), true);
        let name = format_state_name(args.name, self.name());
        Ok(vec![Arc::new(Field::new(name, DataType::List(Arc::new(item)), true))])
    }

    fn accumulator(&self, args: AccumulatorArgs<'_>) -> Result<Box<dyn Accumulator>> {
        let share = match self.pick {
            Pick::Percentile => Some(share(args.exprs.get(1))?),
            Pick::Mode => None,
        };
        let options = args.order_bys.first().map(|by| by.options).unwrap_or_default();
        let data_type = args.expr_fields[0].data_type().clone();
        Ok(Box::new(Values { share, options, data_type, parts: Vec::new() }))
    }

    fn supports_within_group_clause(&self) -> bool {
        true
    }
}

fn share(expression: Option<&Arc<dyn PhysicalExpr>>) -> Result<f64> {
    let schema = Arc::new(arrow::datatypes::Schema::empty());
    let row = arrow::array::RecordBatch::new_empty(schema);
    let value = expression.and_then(|it| it.evaluate(&row).ok());
    let share = match value {
        Some(ColumnarValue::Scalar(ScalarValue::Float64(Some(share)))) => share,
        Some(ColumnarValue::Array(array)) if array.len() == 1 => {
            array.as_primitive::<Float64Type>().value(0)
        }
        _ => return exec_err!("the share of percentile_disc must be a constant"),
    };
    if !(0.0..=1.0).contains(&share) {
        return exec_err!("percentile value {share} is not between 0 and 1");
    }
    Ok(share)
}

#[derive(Debug)]
struct Values {
    share: Option<f64>,
    options: SortOptions,
    data_type: DataType,
    /// Values without nulls, as they came.
    parts: Vec<ArrayRef>,
}

impl Values {
    fn all(&self) -> Result<ArrayRef> {
        let parts: Vec<&dyn Array> = self.parts.iter().map(AsRef::as_ref).collect();
        if parts.is_empty() {
            return Ok(new_empty_array(&self.data_type));
        }
        Ok(concat(&parts)?)
    }
}

impl Accumulator for Values {
    fn update_batch(&mut self, values: &[ArrayRef]) -> Result<()> {
        let kept = arrow::compute::filter(&values[0], &is_not_null(&values[0])?)?;
        self.parts.extend((!kept.is_empty()).then_some(kept));
        Ok(())
    }

    fn evaluate(&mut self) -> Result<ScalarValue> {
        let sorted = sort(&self.all()?, Some(self.options))?;
        if sorted.is_empty() {
            return ScalarValue::try_from(&self.data_type);
        }
        let at = match self.share {
            Some(share) => (share * sorted.len() as f64).ceil().max(1.0) as usize - 1,
            None => most_frequent(&sorted)?,
        };
        ScalarValue::try_from_array(&sorted, at)
    }

    fn size(&self) -> usize {
        let parts = self.parts.iter().map(|part| part.get_array_memory_size());
        size_of_val(self) + parts.sum::<usize>()
    }

    fn state(&mut self) -> Result<Vec<ScalarValue>> {
        let all = self.all()?;
        self.parts.clear();
        let rows = (0..all.len()).map(|row| ScalarValue::try_from_array(&all, row));
        let values: Vec<_> = rows.collect::<Result<_>>()?;
        Ok(vec![ScalarValue::List(ScalarValue::new_list_nullable(&values, &self.data_type))])
    }

    fn merge_batch(&mut self, states: &[ArrayRef]) -> Result<()> {
        for list in states[0].as_list::<i32>().iter().flatten() {
            self.update_batch(&[list])?;
        }
        Ok(())
    }
}

/// Where the longest run of equal values begins.
fn most_frequent(sorted: &ArrayRef) -> Result<usize> {
    let (mut best, mut best_count, mut start) = (0, 0, 0);
    for at in 1..=sorted.len() {
        let is_same = at < sorted.len()
            && ScalarValue::try_from_array(sorted, at)?
                == ScalarValue::try_from_array(sorted, start)?;
        if !is_same {
            if at - start > best_count {
                (best, best_count) = (start, at - start);
            }
            start = at;
        }
    }
    Ok(best)
}

#[cfg(test)]
mod tests {
    use crate::query::postgres::testing;

    #[tokio::test]
    async fn the_value_is_one_of_those_given() {
        let context = testing::context();
        let check = async |aggregate: &str, expected: &str| {
            let sql = format!(
                "SELECT {aggregate} AS v FROM (VALUES ('b'), ('a'), ('b'), (NULL), ('d'), ('c')) AS t(x)"
            );
            let answer = testing::run(&context, &sql).await;
            assert_eq!(answer.lines().nth(1), Some(expected), "{aggregate}");
        };
        check("percentile_disc(0) WITHIN GROUP (ORDER BY x)", "a").await;
        check("percentile_disc(0.5) WITHIN GROUP (ORDER BY x)", "b").await;
        check("percentile_disc(0.5) WITHIN GROUP (ORDER BY x DESC)", "b").await;
        check("percentile_disc(0.7) WITHIN GROUP (ORDER BY x)", "c").await;
        check("percentile_disc(1) WITHIN GROUP (ORDER BY x)", "d").await;
        check("mode() WITHIN GROUP (ORDER BY x)", "b").await;
    }
}
