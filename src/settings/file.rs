//! The configuration file.

use std::collections::HashMap;
use std::ffi::OsString;
use std::fs;
use std::ops::Range;
use std::path::{Path, PathBuf};

use toml::Value;
use toml::de::DeTable;

use super::error::ConfigError;
use super::origin::Origin;
use super::setting::Setting;
use super::variables::nearest;

/// The configuration file, its values as the command line would have them.
#[derive(Debug, Default)]
pub(crate) struct File {
    pub(crate) path: PathBuf,
    /// By the settings' ids.
    pub(crate) values: HashMap<String, Given>,
}

/// The value of a key.
#[derive(Debug)]
pub(crate) struct Given {
    pub(crate) words: Vec<OsString>,
    pub(crate) key: String,
    pub(crate) line: usize,
}

impl File {
    /// Reads the file at `path`, whose keys are those of `settings`.
    pub(crate) fn read(path: &Path, settings: &[Setting]) -> Result<Self, ConfigError> {
        let fail = |reason: String| ConfigError::File { path: path.to_owned(), reason };
        let text = fs::read_to_string(path).map_err(|error| fail(error.to_string()))?;
        // Without the line's text, which toml's Display shows: it may hold a password.
        let explain = |error: toml::de::Error| match error.span() {
            Some(span) => fail(format!("line {}: {}", line_of(&text, &span), error.message())),
            None => fail(error.message().to_owned()),
        };
        let lines: HashMap<String, usize> = DeTable::parse(&text)
            .map_err(explain)?
            .get_ref()
            .keys()
            .map(|key| (key.get_ref().to_string(), line_of(&text, &key.span())))
            .collect();
        let table: toml::Table = text.parse().map_err(explain)?;
        let mut values = HashMap::new();
        for (key, value) in table {
            let line = lines.get(&key).copied().unwrap_or_default();
            let Some(setting) = settings.iter().find(|setting| setting.key().as_ref() == Some(&key)) else {
                let suggestion = closest(&key, settings);
                return Err(ConfigError::UnknownKey { path: path.to_owned(), line, key, suggestion });
            };
            let words = words_of(&value, setting).map_err(|wrong| ConfigError::Type {
                origin: Origin::File { key: key.clone(), path: path.to_owned(), line },
                expected: setting.expected(),
                got: shown(wrong, setting.may_hold_secrets()),
            })?;
            // Empty counts as not set, as it does in the environment.
            if words.iter().any(|word| !word.is_empty()) {
                let words = words.into_iter().map(OsString::from).collect();
                values.insert(setting.id.clone(), Given { words, key, line });
            }
        }
        Ok(Self { path: path.to_owned(), values })
    }
}

fn line_of(text: &str, span: &Range<usize>) -> usize {
    text.bytes().take(span.start).filter(|byte| *byte == b'\n').count() + 1
}

/// A value as words of the command line; a table becomes `KEY=VALUE` words. An error is the value that is of the wrong type.
fn words_of<'a>(value: &'a Value, setting: &Setting) -> Result<Vec<String>, &'a Value> {
    match value {
        Value::Array(values) if setting.is_repeatable => {
            values.iter().map(|value| word_of(value, setting).ok_or(value)).collect()
        }
        Value::Table(table) if setting.takes_pairs() => {
            let pair = |(key, value)| scalar(value).map(|word| format!("{key}={word}")).ok_or(value);
            table.iter().map(pair).collect()
        }
        value => word_of(value, setting).map(|word| vec![word]).ok_or(value),
    }
}

/// A single value, if it is of a type that the setting takes.
fn word_of(value: &Value, setting: &Setting) -> Option<String> {
    let word = scalar(value)?;
    let fits = match value {
        Value::String(_) => true,
        Value::Boolean(_) => setting.is_switch(),
        Value::Integer(_) | Value::Float(_) => setting.takes_numbers() || setting.is_switch(),
        Value::Datetime(_) => setting.takes_dates(),
        Value::Array(_) | Value::Table(_) => false,
    };
    // kafka_acks = 1
    (fits || setting.has_choice(&word)).then_some(word)
}

fn scalar(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.clone()),
        Value::Integer(number) => Some(number.to_string()),
        Value::Float(number) => Some(number.to_string()),
        Value::Boolean(value) => Some(value.to_string()),
        Value::Datetime(time) => Some(time.to_string()),
        Value::Array(_) | Value::Table(_) => None,
    }
}

fn shown(value: &Value, is_secret: bool) -> String {
    let text = |name: &str, value: &dyn std::fmt::Display| match is_secret {
        true => name.to_owned(),
        false => format!("{name} {value}"),
    };
    match value {
        Value::String(_) => "a string".to_owned(),
        Value::Integer(number) => text("the integer", number),
        Value::Float(number) => text("the number", number),
        Value::Boolean(value) => text("the boolean", value),
        Value::Datetime(time) => text("the date", time),
        Value::Array(_) => "a list".to_owned(),
        Value::Table(_) => "a table".to_owned(),
    }
}

fn closest(key: &str, settings: &[Setting]) -> Option<String> {
    let key = key.replace('-', "_").to_lowercase();
    let keys: Vec<_> = settings.iter().filter_map(Setting::key).collect();
    nearest(&key, keys.iter().map(String::as_str)).map(str::to_owned)
}
