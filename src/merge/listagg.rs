//! Strategy `listagg`: distinct texts, sorted and joined by a separator.

use std::sync::Arc;

use arrow::array::{ArrayRef, AsArray, StringViewBuilder};
use arrow::datatypes::DataType;

use crate::error::{Error, Result, SqlState};
use crate::merge::elements::{Elements, element_type};
use crate::merge::fit::misfit;
use crate::merge::groups::Groups;
use crate::merge::{CombineRule, Laws, Rule, Strategy};
use crate::model::policy::{Argument, StrategyCall};

/// The most bytes of a joined text: a profile is read by people and loaded into tools, and one that
/// needs more has a list for a value, which `collect_set` gives.
const JOINED_BYTES_MAX: usize = 1 << 24;

/// All distinct texts in one.
pub(super) struct Listagg;

impl Strategy for Listagg {
    fn name(&self) -> &'static str {
        "listagg"
    }

    fn doc(&self) -> &'static str {
        "The distinct texts of all candidates, sorted and joined by the separator."
    }

    fn arguments(&self) -> &'static str {
        "separator"
    }

    fn example(&self) -> &'static str {
        "MERGE city BY listagg('; ')"
    }

    fn laws(&self) -> Laws {
        Laws::OF_SETS
    }

    fn output(&self, input: &DataType, call: &StrategyCall) -> Result<DataType> {
        separator(call)?;
        match element_type(input) {
            DataType::Utf8View => Ok(DataType::Utf8View),
            _ => Err(misfit(self.name(), input, "it is for TEXT and TEXT[]")),
        }
    }

    fn rule(&self) -> Rule<'_> {
        Rule::Combine(self)
    }
}

impl CombineRule for Listagg {
    fn combine(
        &self,
        values: &ArrayRef,
        groups: &Groups<'_>,
        call: &StrategyCall,
    ) -> Result<ArrayRef> {
        let separator = separator(call)?;
        let elements = Elements::of(values, groups);
        let texts = elements.values().as_string_view();
        let (items, offsets) = elements.distinct()?;
        let mut joined = StringViewBuilder::with_capacity(groups.len());
        let mut buffer = String::new();
        for (candidates, range) in groups.ranges().zip(Groups { offsets: &offsets }.ranges()) {
            buffer.clear();
            for (at, item) in items[range].iter().enumerate() {
                let separator = if at > 0 { separator } else { "" };
                append(&mut buffer, separator, texts.value(*item as usize))?;
            }
            // Texts that are all empty still are candidates, and so is an array of nothing.
            joined.append_option((!candidates.is_empty()).then_some(&buffer));
        }
        Ok(Arc::new(joined.finish()))
    }
}

fn append(buffer: &mut String, separator: &str, text: &str) -> Result<()> {
    if buffer.len() + separator.len() + text.len() > JOINED_BYTES_MAX {
        let message = format!("listagg cannot make a text of more than {JOINED_BYTES_MAX} bytes");
        return Err(Error::new(SqlState::PROGRAM_LIMIT_EXCEEDED, message));
    }
    buffer.push_str(separator);
    buffer.push_str(text);
    Ok(())
}

fn separator(call: &StrategyCall) -> Result<&str> {
    match call.arguments.as_slice() {
        [Argument::Text(separator)] => Ok(separator),
        _ => {
            let message = "strategy \"listagg\" takes one text, the separator";
            Err(Error::new(SqlState::INVALID_PARAMETER_VALUE, message)
                .hint("for example listagg('; ')"))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_too_long_is_an_error() {
        let mut buffer = "x".repeat(JOINED_BYTES_MAX - 3);
        append(&mut buffer, ", ", "y").expect("exactly the limit");
        let error = append(&mut buffer, "", "z").expect_err("one byte more");
        assert_eq!(error.code(), SqlState::PROGRAM_LIMIT_EXCEEDED);
    }
}
