//! `json_agg`, `jsonb_agg`, `json_object_agg`, `jsonb_object_agg`.
//!
//! The state is the text so far, without its brackets: it joins as the rows do.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray};
use arrow::compute::cast;
use arrow::datatypes::{DataType, Field, FieldRef};
use datafusion::common::{Result, ScalarValue};
use datafusion::logical_expr::function::{AccumulatorArgs, StateFieldsArgs};
use datafusion::logical_expr::utils::AggregateOrderSensitivity;
use datafusion::logical_expr::{
    Accumulator, AggregateUDF, AggregateUDFImpl, Signature, Volatility,
};

use crate::error::{Error, SqlState};
use crate::query::error::external;
use crate::query::postgres::json::value::{canonical, put, quote};
use crate::query::postgres::types::METADATA_KEY;

/// All aggregates of this file.
pub fn aggregates() -> Vec<AggregateUDF> {
    [("json_agg", 1, false), ("jsonb_agg", 1, true), ("json_object_agg", 2, false)]
        .into_iter()
        .chain([("jsonb_object_agg", 2, true)])
        .map(|(name, arguments, binary)| {
            let signature = Signature::any(arguments, Volatility::Immutable);
            AggregateUDF::from(JsonAggregate { name, binary, signature })
        })
        .collect()
}

#[derive(Debug, PartialEq, Eq, Hash)]
struct JsonAggregate {
    name: &'static str,
    /// Whether the result is `jsonb`.
    binary: bool,
    signature: Signature,
}

impl AggregateUDFImpl for JsonAggregate {
    fn name(&self) -> &str {
        self.name
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, _: &[DataType]) -> Result<DataType> {
        Ok(DataType::Utf8)
    }

    fn return_field(&self, _: &[FieldRef]) -> Result<FieldRef> {
        let ty = if self.binary { "jsonb" } else { "json" };
        let metadata = [(METADATA_KEY.to_owned(), ty.to_owned())];
        Ok(Arc::new(Field::new(self.name, DataType::Utf8, true).with_metadata(metadata.into())))
    }

    fn state_fields(&self, args: StateFieldsArgs<'_>) -> Result<Vec<FieldRef>> {
        Ok(vec![Arc::new(Field::new(format!("{}_state", args.name), DataType::Utf8, true))])
    }

    fn order_sensitivity(&self) -> AggregateOrderSensitivity {
        AggregateOrderSensitivity::HardRequirement
    }

    fn accumulator(&self, args: AccumulatorArgs<'_>) -> Result<Box<dyn Accumulator>> {
        if !args.order_bys.is_empty() {
            let message = format!("ORDER BY in {} is not supported", self.name);
            let hint = "order the rows in a subquery in FROM";
            return Err(external(Error::unsupported(message).hint(hint)));
        }
        let mut fields = Vec::with_capacity(args.exprs.len());
        for expression in args.exprs {
            fields.push(expression.return_field(args.schema)?);
        }
        let is_object = self.name.contains("object");
        Ok(Box::new(Joined { binary: self.binary, is_object, fields, text: None }))
    }
}

#[derive(Debug)]
struct Joined {
    binary: bool,
    /// Whether names and values are joined, not values alone.
    is_object: bool,
    fields: Vec<FieldRef>,
    text: Option<String>,
}

impl Joined {
    fn next(&mut self) -> &mut String {
        match &mut self.text {
            Some(text) => {
                text.push_str(", ");
                text
            }
            none => none.insert(String::new()),
        }
    }
}

impl Accumulator for Joined {
    fn update_batch(&mut self, values: &[ArrayRef]) -> Result<()> {
        let names = match self.is_object {
            true => Some(cast(&values[0], &DataType::Utf8)?),
            false => None,
        };
        // What the rows are ordered by may follow.
        let last = usize::from(self.is_object);
        let field = Arc::clone(&self.fields[last]);
        for row in 0..values[last].len() {
            let text = self.next();
            if let Some(names) = &names {
                if names.is_null(row) {
                    let error = Error::new(SqlState("22004"), "field name must not be null");
                    return Err(external(error));
                }
                quote(text, names.as_string::<i32>().value(row));
                text.push_str(" : ");
            }
            put(text, &values[last], &field, row).map_err(external)?;
        }
        Ok(())
    }

    fn evaluate(&mut self) -> Result<ScalarValue> {
        let (open, close) = if self.is_object { ("{", "}") } else { ("[", "]") };
        let Some(text) = &self.text else { return Ok(ScalarValue::Utf8(None)) };
        let decorated = match self.is_object {
            true => format!("{open} {text} {close}"),
            false => format!("{open}{text}{close}"),
        };
        let made = if self.binary { canonical(&decorated).map_err(external)? } else { decorated };
        Ok(ScalarValue::Utf8(Some(made)))
    }

    fn size(&self) -> usize {
        size_of_val(self) + self.text.as_ref().map_or(0, String::capacity)
    }

    fn state(&mut self) -> Result<Vec<ScalarValue>> {
        Ok(vec![ScalarValue::Utf8(self.text.clone())])
    }

    fn merge_batch(&mut self, states: &[ArrayRef]) -> Result<()> {
        for text in states[0].as_string::<i32>().iter().flatten() {
            self.next().push_str(text);
        }
        Ok(())
    }
}
