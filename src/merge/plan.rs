//! A merge policy made ready: checked against the datasets and attributes there are.
//!
//! The engine makes one per policy and version of the catalog, and gives it to the operator. Names
//! end here: from now on datasets and attributes are positions.

use std::sync::Arc;

use arrow::datatypes::{DataType, Field};

use crate::error::{Error, Result, SqlState};
use crate::merge::{Rule, Strategy, strategy};
use crate::model::column::ColumnType;
use crate::model::policy::{Argument, MergePolicy, StrategyCall};

/// An attribute of the union of record datasets.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Attribute {
    /// Its name.
    pub name: String,
    /// The type that holds the values of all its datasets.
    pub ty: ColumnType,
}

/// A policy made ready.
#[derive(Clone, Debug)]
pub struct MergePlan {
    places: Vec<Option<u32>>,
    attributes: Vec<Planned>,
}

/// What the operator needs to know of an attribute.
#[derive(Clone, Debug)]
pub(super) struct Planned {
    pub(super) attribute: Attribute,
    pub(super) call: StrategyCall,
    pub(super) strategy: &'static dyn Strategy,
    pub(super) output: DataType,
    /// Whether all values of the past are candidates.
    pub(super) history: bool,
    /// Rank per dataset, the lower wins; all equal but for `precedence`.
    pub(super) ranks: Arc<[u32]>,
    /// The attributes that one fragment gives together, this one included.
    pub(super) together: Arc<[usize]>,
}

impl MergePlan {
    /// Checks a policy. `datasets` are the names of all record datasets in order of creation.
    ///
    /// # Errors
    /// `42P01` for an unknown dataset, `42703` for an unknown attribute, `42701` for an attribute
    /// that two rules name, `42704` for an unknown strategy, `42804` for one that does not fit the
    /// type, `22023` for wrong arguments, `42P17` for a dataset listed twice, `0A000` for
    /// attributes together by a strategy that no single fragment wins.
    pub fn try_new(
        policy: &MergePolicy,
        datasets: &[String],
        attributes: &[Attribute],
    ) -> Result<Self> {
        let places = places(policy, datasets)?;
        let default = Ready::try_new(&policy.default, datasets, &places)?;
        let mut rules: Vec<Option<(Ready, Arc<[usize]>)>> = vec![None; attributes.len()];
        for rule in &policy.rules {
            let ready = Ready::try_new(&rule.strategy, datasets, &places)?;
            if rule.together && !matches!(ready.strategy.rule(), Rule::Order(_)) {
                let name = ready.strategy.name();
                let message = format!("strategy \"{name}\" cannot merge attributes together");
                return Err(Error::unsupported(message).hint(
                    "no single fragment wins under it; name the attributes without parentheses",
                ));
            }
            let named = named(&rule.attributes, attributes)?;
            for at in &named {
                let together = if rule.together { named.as_slice() } else { &[*at] };
                if rules[*at].replace((ready.clone(), together.into())).is_some() {
                    let name = &attributes[*at].name;
                    let message = format!("attribute \"{name}\" specified more than once");
                    return Err(Error::new(SqlState::DUPLICATE_COLUMN, message));
                }
            }
        }
        let planned = attributes.iter().zip(rules).enumerate().map(|(at, (attribute, rule))| {
            let (ready, together) = rule.unwrap_or_else(|| (default.clone(), [at].into()));
            ready.plan(attribute, together)
        });
        Ok(Self { attributes: planned.collect::<Result<_>>()?, places })
    }

    /// The columns of the result, in the order of the attributes.
    pub fn fields(&self) -> Vec<Field> {
        self.attributes
            .iter()
            .map(|planned| Field::new(&planned.attribute.name, planned.output.clone(), true))
            .collect()
    }

    /// Place of a dataset in the policy, the first wins ties; `None` if it takes no part.
    pub fn place(&self, dataset: usize) -> Option<u32> {
        self.places.get(dataset).copied().flatten()
    }

    /// The strategy of an attribute as a policy writes it, such as `precedence(crm, web)`.
    pub fn strategy_name(&self, attribute: usize) -> String {
        self.attributes[attribute].call.to_string()
    }

    /// The attributes that one fragment gives together with this one, itself included.
    pub fn together(&self, attribute: usize) -> &[usize] {
        &self.attributes[attribute].together
    }

    /// Whether the order of fragments alone decides an attribute, so that its values are only carried.
    pub fn is_decided_by_order(&self, attribute: usize) -> bool {
        matches!(self.attributes[attribute].strategy.rule(), Rule::Order(_))
    }

    pub(super) fn attribute(&self, attribute: usize) -> Result<&Planned> {
        self.attributes
            .get(attribute)
            .ok_or_else(|| Error::internal(format!("no attribute {attribute} in the merge plan")))
    }

    pub(super) fn dataset_count(&self) -> usize {
        self.places.len()
    }
}

/// A strategy with what its arguments mean, before it meets an attribute.
#[derive(Clone)]
struct Ready {
    call: StrategyCall,
    strategy: &'static dyn Strategy,
    ranks: Arc<[u32]>,
}

impl Ready {
    fn try_new(call: &StrategyCall, datasets: &[String], places: &[Option<u32>]) -> Result<Self> {
        let strategy = strategy(&call.name)?;
        // Types and arguments are checked with each attribute; names can be checked only here.
        let names = call.arguments.iter().filter_map(|argument| match argument {
            Argument::Name(name) => Some(name),
            Argument::Text(_) => None,
        });
        let mut ranks = vec![u32::MAX; datasets.len()];
        for (rank, name) in names.enumerate() {
            let dataset = dataset(name, datasets)?;
            if places[dataset].is_none() {
                let message = format!("dataset \"{name}\" takes no part in the merge policy");
                return Err(
                    Error::new(SqlState::INVALID_PARAMETER_VALUE, message).hint("add it to FROM")
                );
            }
            if ranks[dataset] != u32::MAX {
                let message = format!("dataset \"{name}\" is listed twice in {}", call.name);
                return Err(Error::new(SqlState::INVALID_PARAMETER_VALUE, message));
            }
            ranks[dataset] = rank as u32;
        }
        Ok(Self { call: call.clone(), strategy, ranks: ranks.into() })
    }

    fn plan(self, attribute: &Attribute, together: Arc<[usize]>) -> Result<Planned> {
        let Self { call, strategy, ranks } = self;
        let output = strategy.output(&attribute.ty.to_arrow(), &call).map_err(|error| {
            error.detail(format!("attribute \"{}\" has type {}", attribute.name, attribute.ty))
        })?;
        let history = call.over_history || strategy.history();
        Ok(Planned {
            attribute: attribute.clone(),
            call,
            strategy,
            output,
            history,
            ranks,
            together,
        })
    }
}

fn places(policy: &MergePolicy, datasets: &[String]) -> Result<Vec<Option<u32>>> {
    let Some(listed) = &policy.datasets else {
        return Ok((0..datasets.len()).map(|place| Some(place as u32)).collect());
    };
    let mut places = vec![None; datasets.len()];
    for (place, name) in listed.iter().enumerate() {
        if places[dataset(name, datasets)?].replace(place as u32).is_some() {
            let message = format!("dataset \"{name}\" is listed twice in FROM");
            return Err(Error::new(SqlState::INVALID_OBJECT_DEFINITION, message));
        }
    }
    Ok(places)
}

fn dataset(name: &str, datasets: &[String]) -> Result<usize> {
    datasets.iter().position(|dataset| dataset == name).ok_or_else(|| {
        let message = format!("record dataset \"{name}\" does not exist");
        Error::new(SqlState::UNDEFINED_TABLE, message)
            .hint("only datasets of records, not of events, take part in merging")
    })
}

fn named(names: &[String], attributes: &[Attribute]) -> Result<Vec<usize>> {
    let find = |name: &String| {
        attributes.iter().position(|attribute| attribute.name == *name).ok_or_else(|| {
            let message = format!("attribute \"{name}\" does not exist");
            Error::new(SqlState::UNDEFINED_COLUMN, message)
        })
    };
    names.iter().map(find).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::policy::MergeRule;

    /// `name(a, b)` or `name('text')`.
    fn call(text: &str) -> StrategyCall {
        let (name, arguments) = text.trim_end_matches(')').split_once('(').unwrap_or((text, ""));
        let argument = |text: &str| match text.strip_prefix('\'') {
            Some(text) => Argument::Text(text.trim_end_matches('\'').to_owned()),
            None => Argument::Name(text.to_owned()),
        };
        let arguments = arguments.split(", ").filter(|text| !text.is_empty()).map(argument);
        StrategyCall { arguments: arguments.collect(), ..StrategyCall::plain(name) }
    }

    /// `a, b BY call`, with the attributes in parentheses if together.
    fn rule(text: &str) -> MergeRule {
        let (attributes, strategy) = text.split_once(" BY ").expect("a rule");
        let together = attributes.starts_with('(');
        let names = attributes.trim_matches(['(', ')']).split(", ");
        let attributes = names.map(str::to_owned).collect();
        MergeRule { attributes, together, strategy: call(strategy) }
    }

    /// Plans rules over datasets crm and web with a text, a number, a boolean and an array.
    fn try_plan(from: &str, default: &str, rules: &[&str]) -> Result<MergePlan> {
        let from = (!from.is_empty()).then(|| from.split(", ").map(str::to_owned).collect());
        let policy = MergePolicy {
            datasets: from,
            default: call(default),
            rules: rules.iter().map(|text| rule(text)).collect(),
            ..MergePolicy::latest()
        };
        let attribute = |(name, ty): (&str, ColumnType)| Attribute { name: name.to_owned(), ty };
        let attributes = [
            ("name", ColumnType::Text),
            ("spend", ColumnType::Numeric { precision: 12, scale: 2 }),
            ("opted_in", ColumnType::Boolean),
            ("tags", ColumnType::Array(Box::new(ColumnType::Text))),
        ];
        let datasets = ["crm".to_owned(), "web".to_owned()];
        MergePlan::try_new(&policy, &datasets, &attributes.map(attribute))
    }

    fn check(from: &str, default: &str, rules: &[&str], expected: &str) {
        let error = try_plan(from, default, rules).expect_err("a policy that is refused");
        assert_eq!(format!("{}: {error}", error.code()), expected, "{from} {default} {rules:?}");
    }

    #[test]
    fn policies_that_cannot_be_are_refused() {
        let by = |rules: &[&str], expected: &str| check("", "latest", rules, expected);
        check("crm, x", "latest", &[], "42P01: record dataset \"x\" does not exist");
        check("crm, crm", "latest", &[], "42P17: dataset \"crm\" is listed twice in FROM");
        check("", "newest", &[], "42704: strategy \"newest\" does not exist");
        check("", "max", &[], "42804: strategy \"max\" does not fit type TEXT[]");
        by(&["zip BY latest"], "42703: attribute \"zip\" does not exist");
        by(&["name BY x"], "42704: strategy \"x\" does not exist");
        by(&["name BY sum"], "42804: strategy \"sum\" does not fit type TEXT");
        by(&["spend BY longest"], "42804: strategy \"longest\" does not fit type NUMERIC(12,2)");
        by(&["spend BY all_true"], "42804: strategy \"all_true\" does not fit type NUMERIC(12,2)");
        by(&["opted_in BY listagg('; ')"], "42804: strategy \"listagg\" does not fit type BOOLEAN");
        by(&["name BY listagg"], "22023: strategy \"listagg\" takes one text, the separator");
        by(&["name BY latest(crm)"], "22023: strategy \"latest\" takes no arguments");
        by(&["name BY precedence"], "22023: strategy \"precedence\" takes names of datasets");
        by(
            &["name BY precedence('crm')"],
            "22023: strategy \"precedence\" takes names of datasets",
        );
        by(&["name BY precedence(x)"], "42P01: record dataset \"x\" does not exist");
        by(
            &["name BY precedence(crm, crm)"],
            "22023: dataset \"crm\" is listed twice in precedence",
        );
        check(
            "web",
            "latest",
            &["name BY precedence(crm)"],
            "22023: dataset \"crm\" takes no part in the merge policy",
        );
        let twice = "42701: attribute \"name\" specified more than once";
        by(&["name BY latest", "name BY earliest"], twice);
        by(&["(name, name) BY latest"], twice);
        by(
            &["(name, spend) BY most_frequent"],
            "0A000: strategy \"most_frequent\" cannot merge attributes together",
        );
    }

    #[test]
    fn plans_know_places_names_and_types() {
        let rules = ["tags, name BY collect_set", "spend BY precedence(web, crm)"];
        let plan = try_plan("web", "latest", &rules[..1]).expect("a policy that fits");
        assert_eq!((plan.place(0), plan.place(1), plan.place(7)), (None, Some(0), None));
        let plan = try_plan("", "latest", &rules).expect("a policy that fits");
        assert_eq!((plan.place(0), plan.place(1)), (Some(0), Some(1)));
        let names: Vec<_> = (0..4).map(|attribute| plan.strategy_name(attribute)).collect();
        assert_eq!(names, ["collect_set", "precedence(web, crm)", "latest", "collect_set"]);
        let text_array = ColumnType::Array(Box::new(ColumnType::Text)).to_arrow();
        let fields = plan.fields();
        assert_eq!((fields[0].name().as_str(), fields[0].data_type()), ("name", &text_array));
        assert!(fields.iter().all(Field::is_nullable));
    }
}
