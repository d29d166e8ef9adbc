//! Merge policies: which datasets take part, and how conflicts between their values end.
//!
//! A policy names strategies; what a strategy does is in `merge`.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::model::column::ColumnType;
use crate::model::names::{quote_literal, quote_name};

/// The built-in policy that exists from the start.
pub const LATEST: &str = "latest";

/// A strategy as a policy names it: `precedence(crm, loyalty)`, `latest`, `sum OVER HISTORY`.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct StrategyCall {
    /// The strategy's name.
    pub name: String,
    /// Its arguments: dataset names or texts, by the strategy.
    pub arguments: Vec<Argument>,
    /// Whether all values of the past are candidates, instead of what each source says now.
    pub over_history: bool,
}

/// An argument of a strategy.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Argument {
    /// A name, such as a dataset's.
    Name(String),
    /// A text literal.
    Text(String),
}

impl StrategyCall {
    /// A strategy without arguments, on current values.
    pub fn plain(name: &str) -> Self {
        Self { name: name.to_owned(), arguments: Vec::new(), over_history: false }
    }
}

/// One `MERGE ... BY ...` clause.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct MergeRule {
    /// The attributes it is for.
    pub attributes: Vec<String>,
    /// Whether one winning fragment gives all of them (written in parentheses).
    pub together: bool,
    /// How conflicts end.
    pub strategy: StrategyCall,
}

/// Whose fragments become one profile.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Stitch {
    /// Those of one graph.
    #[default]
    Graph,
    /// Those of one primary identity; links are ignored.
    None,
}

/// A merge policy that is a query over `fragments`, grouped by person.
///
/// `query` reads the text and says the rest, which the catalog needs to list columns and to know what
/// the policy hangs on.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct PolicyQuery {
    /// The query as it was written.
    pub text: String,
    /// The columns of its result but for `profile_id`.
    pub columns: Vec<QueryColumn>,
    /// The attributes that it reads, with the types that it was planned for.
    pub reads: Vec<(String, ColumnType)>,
    /// The datasets whose names it has as texts.
    pub datasets: Vec<String>,
}

/// A column of the result of a policy's query.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct QueryColumn {
    /// Its name.
    pub name: String,
    /// Its type.
    pub ty: ColumnType,
    /// The attribute of which it has a value of one of the person's fragments, or null, if that is sure.
    pub picks: Option<String>,
}

/// A merge policy.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct MergePolicy {
    /// Its name.
    pub name: String,
    /// The record datasets that take part, first wins ties; `None`: all, in order of creation.
    pub datasets: Option<Vec<String>>,
    /// Whose fragments become one profile.
    #[serde(default)]
    pub stitch: Stitch,
    /// The query that it is instead of the strategies below.
    #[serde(default)]
    pub query: Option<PolicyQuery>,
    /// The strategy of every attribute that no rule names.
    pub default: StrategyCall,
    /// The strategies of the others.
    pub rules: Vec<MergeRule>,
}

impl MergePolicy {
    /// The built-in policy: every attribute by `latest`.
    pub fn latest() -> Self {
        Self {
            name: LATEST.to_owned(),
            datasets: None,
            stitch: Stitch::Graph,
            query: None,
            default: StrategyCall::plain("latest"),
            rules: Vec::new(),
        }
    }

    /// A policy that is a query, of which only the text is known.
    pub fn of_query(name: &str, text: &str) -> Self {
        let query = PolicyQuery { text: text.to_owned(), ..PolicyQuery::default() };
        Self { name: name.to_owned(), query: Some(query), ..Self::latest() }
    }

    /// The rule that names an attribute, if one does.
    pub fn rule(&self, attribute: &str) -> Option<&MergeRule> {
        self.rules.iter().find(|rule| rule.attributes.iter().any(|name| name == attribute))
    }
}

impl fmt::Display for StrategyCall {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&quote_name(&self.name))?;
        if !self.arguments.is_empty() {
            let arguments: Vec<_> = self
                .arguments
                .iter()
                .map(|argument| match argument {
                    Argument::Name(name) => quote_name(name),
                    Argument::Text(text) => quote_literal(text),
                })
                .collect();
            write!(f, "({})", arguments.join(", "))?;
        }
        if self.over_history { f.write_str(" OVER HISTORY") } else { Ok(()) }
    }
}

impl fmt::Display for MergePolicy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names = |names: &[String]| {
            names.iter().map(|name| quote_name(name)).collect::<Vec<_>>().join(", ")
        };
        write!(f, "CREATE MERGE POLICY {}", quote_name(&self.name))?;
        if let Some(query) = &self.query {
            return write!(f, " AS\n{}", query.text);
        }
        if let Some(datasets) = &self.datasets {
            write!(f, "\n    FROM {}", names(datasets))?;
        }
        if self.stitch == Stitch::None {
            f.write_str("\n    STITCH NONE")?;
        }
        write!(f, "\n    MERGE BY {}", self.default)?;
        for rule in &self.rules {
            let (open, close) = if rule.together { ("(", ")") } else { ("", "") };
            write!(f, "\n    MERGE {open}{}{close} BY {}", names(&rule.attributes), rule.strategy)?;
        }
        Ok(())
    }
}
