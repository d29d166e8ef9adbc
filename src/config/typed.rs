//! What was typed: the texts of every setting, from the strongest place that has them.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use clap::ArgMatches;

use crate::config::setting::{self, Setting, Subcommand};
use crate::config::{FILE_DEFAULT, Outside};
use crate::error::{Error, Result, SqlState};

/// What was said of one setting, and where.
struct Given {
    texts: Vec<OsString>,
    /// As the user would call the place: a flag, a variable, a key of a file.
    origin: String,
}

/// What was said of all settings.
pub(crate) struct Typed(BTreeMap<&'static str, Given>);

impl Typed {
    /// The value of a setting, if it has one.
    ///
    /// # Errors
    /// What `parse` says, with the place where the value was given.
    pub(crate) fn one<T>(
        &self,
        key: &str,
        parse: impl FnOnce(&str) -> Result<T>,
    ) -> Result<Option<T>> {
        let Some(Given { texts, origin }) = self.0.get(key) else { return Ok(None) };
        let [text] = texts.as_slice() else {
            let message = format!("{origin} takes one value, not {}", texts.len());
            return Err(Error::new(SqlState::INVALID_PARAMETER_VALUE, message));
        };
        let utf8 = text.to_str().ok_or_else(|| {
            let message = format!("invalid value {text:?} for {origin}: it is no valid UTF-8");
            Error::new(SqlState::INVALID_PARAMETER_VALUE, message)
        })?;
        parse(utf8).map(Some).map_err(|error| {
            let message = format!("invalid value \"{utf8}\" for {origin}: {}", error.message());
            let placed = Error::new(error.code(), message);
            error.get_hint().map_or(placed.clone(), |hint| placed.hint(hint))
        })
    }

    /// The value of a setting that must not be shown, if it has one.
    ///
    /// # Errors
    /// `22023` if it is no one text; the complaint does not show it.
    pub(crate) fn secret(&self, key: &str) -> Result<Option<String>> {
        let Some(Given { texts, origin }) = self.0.get(key) else { return Ok(None) };
        let text = match texts.as_slice() {
            [text] => text.to_str(),
            _ => None,
        };
        let message = || format!("invalid value for {origin}: it is no text");
        let text = text.ok_or_else(|| Error::new(SqlState::INVALID_PARAMETER_VALUE, message()))?;
        Ok(Some(text.to_owned()))
    }

    /// The paths of a setting, if it has any.
    ///
    /// # Errors
    /// `22023` if one is empty.
    pub(crate) fn paths(&self, key: &str) -> Result<Option<Vec<PathBuf>>> {
        let Some(Given { texts, origin }) = self.0.get(key) else { return Ok(None) };
        if texts.iter().any(|text| text.is_empty()) {
            let message = format!("invalid value \"\" for {origin}: a path is not empty");
            return Err(Error::new(SqlState::INVALID_PARAMETER_VALUE, message));
        }
        Ok(Some(texts.iter().map(PathBuf::from).collect()))
    }
}

/// Collects what was said: flags beat the environment, which beats the file.
///
/// A variable that is set to nothing counts as not set. Variables of other names that begin like ours
/// are no error, as orchestrators set such for a service called `selfsame`.
pub(crate) fn collect(
    subcommand: Subcommand,
    matches: &ArgMatches,
    of_command: &ArgMatches,
    outside: &Outside<'_>,
) -> Result<Typed> {
    let mut typed = Typed(from_file(matches, outside)?);
    for setting in setting::ALL {
        if let Some(given) = from_environment(setting, outside) {
            typed.0.insert(setting.key, given);
        }
        if !setting.subcommands.contains(&subcommand) {
            continue;
        }
        if let Some(values) = of_command.get_many::<OsString>(setting.key) {
            let texts = values.cloned().collect();
            typed.0.insert(setting.key, Given { texts, origin: format!("--{}", setting.flag) });
        }
    }
    Ok(typed)
}

fn from_environment(setting: &Setting, outside: &Outside<'_>) -> Option<Given> {
    let origin = setting::variable(setting.key);
    let text = (outside.variable)(&origin).filter(|text| !text.is_empty())?;
    let texts = match setting.list {
        true => std::env::split_paths(&text).map(PathBuf::into_os_string).collect(),
        false => vec![text],
    };
    Some(Given { texts, origin })
}

fn from_file(matches: &ArgMatches, outside: &Outside<'_>) -> Result<BTreeMap<&'static str, Given>> {
    let variable = (outside.variable)(&setting::variable(setting::CONFIG));
    let variable = variable.filter(|text| !text.is_empty()).map(PathBuf::from);
    let named = matches.get_one::<PathBuf>(setting::CONFIG).cloned().or(variable);
    let path = named.clone().unwrap_or_else(|| PathBuf::from(FILE_DEFAULT));
    match (outside.file)(&path) {
        Ok(text) => from_toml(&text, &path),
        Err(error) if named.is_none() && error.kind() == ErrorKind::NotFound => Ok(BTreeMap::new()),
        Err(error) => {
            Err(Error::io(format!("read configuration file \"{}\"", path.display()), &error))
        }
    }
}

fn from_toml(text: &str, path: &Path) -> Result<BTreeMap<&'static str, Given>> {
    let wrong = |message| Error::new(SqlState::INVALID_PARAMETER_VALUE, message);
    let table: toml::Table = text.parse().map_err(|error: toml::de::Error| {
        let line = error.span().map_or(1, |span| 1 + text[..span.start].matches('\n').count());
        wrong(format!("{}:{line}: {}", path.display(), error.message()))
    })?;
    let mut all = BTreeMap::new();
    for (key, value) in &table {
        let Some(setting) = setting::ALL.iter().find(|setting| setting.key == key) else {
            let keys: Vec<_> = setting::ALL.iter().map(|setting| setting.key).collect();
            return Err(wrong(format!("unknown key \"{key}\" in {}", path.display()))
                .hint(format!("keys are {}", keys.join(", "))));
        };
        let origin = format!("\"{key}\" in {}", path.display());
        let texts = texts(value, setting)
            .ok_or_else(|| wrong(format!("{origin} cannot be of type {}", value.type_str())))?;
        all.insert(setting.key, Given { texts, origin });
    }
    Ok(all)
}

/// Texts and numbers as the text that a flag would have; lists and switches only where they are meant.
fn texts(value: &toml::Value, setting: &Setting) -> Option<Vec<OsString>> {
    let list = setting.list;
    match value {
        toml::Value::String(text) => Some(vec![text.into()]),
        toml::Value::Integer(number) if !list => Some(vec![number.to_string().into()]),
        toml::Value::Boolean(value) if setting.is_switch() => Some(vec![value.to_string().into()]),
        toml::Value::Array(values) if list => {
            values.iter().map(|value| value.as_str().map(OsString::from)).collect()
        }
        _ => None,
    }
}
