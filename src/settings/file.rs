//! The configuration file.

use std::collections::HashMap;
use std::ffi::OsString;
use std::fs;
use std::ops::Range;
use std::path::{Path, PathBuf};

use clap::{Arg, ArgAction};
use toml::Value;
use toml::de::DeTable;

use crate::settings::error::{ConfigError, Origin};
use crate::settings::layers::{CONFIG, MAY_HOLD_SECRETS};
use crate::settings::notes::nearest;

/// What settings that take numbers call their values; those that take text would take a number for something else: `upstream = 5` for a
/// host called 5, `file_mode = 0o640` for the rights 416.
const NUMBERS: [&str; 7] = ["N", "MS", "BYTES", "SIZE", "TIME", "SECONDS", "CHARS"];
/// Seconds since 1970, or a date.
const PLACE: &str = "PLACE";
const BOOLEAN: &str = "BOOL";
/// The value of a setting that may be a table.
const PAIR: &str = "KEY=VALUE";

/// The configuration file, its values as the command line would have them.
#[derive(Debug, Default)]
pub(crate) struct File {
    pub(crate) path: PathBuf,
    pub(crate) values: HashMap<String, Given>,
}

/// The value of a key.
#[derive(Debug)]
pub(crate) struct Given {
    pub(crate) words: Vec<OsString>,
    pub(crate) line: usize,
}

impl File {
    /// Reads the file at `path`, whose keys are the ids of `arguments`.
    pub(crate) fn read(path: &Path, arguments: &[Arg]) -> Result<Self, ConfigError> {
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
            let argument = arguments.iter().find(|argument| argument.get_id() == key.as_str() && key != CONFIG);
            let Some(argument) = argument else {
                let suggestion = closest(&key, arguments);
                return Err(ConfigError::UnknownKey { path: path.to_owned(), line, key, suggestion });
            };
            let words = words_of(&value, argument).map_err(|wrong| ConfigError::Type {
                origin: Origin::File { key: key.clone(), path: path.to_owned(), line },
                expected: expected(argument),
                got: shown(wrong, MAY_HOLD_SECRETS.contains(&key.as_str())),
            })?;
            // Empty counts as not set, as it does in the environment.
            if words.iter().any(|word| !word.is_empty()) {
                let words = words.into_iter().map(OsString::from).collect();
                values.insert(key, Given { words, line });
            }
        }
        Ok(Self { path: path.to_owned(), values })
    }
}

fn line_of(text: &str, span: &Range<usize>) -> usize {
    text.bytes().take(span.start).filter(|byte| *byte == b'\n').count() + 1
}

/// A value as words of the command line; a table becomes `KEY=VALUE` words. An error is the value that is of the wrong type.
fn words_of<'a>(value: &'a Value, argument: &Arg) -> Result<Vec<String>, &'a Value> {
    match value {
        Value::Array(values) if is_repeatable(argument) => {
            values.iter().map(|value| word_of(value, argument).ok_or(value)).collect()
        }
        Value::Table(table) if value_name(argument) == PAIR => {
            let pair = |(key, value)| scalar(value).map(|word| format!("{key}={word}")).ok_or(value);
            table.iter().map(pair).collect()
        }
        value => word_of(value, argument).map(|word| vec![word]).ok_or(value),
    }
}

/// A single value, if it is of a type that the setting takes.
fn word_of(value: &Value, argument: &Arg) -> Option<String> {
    let word = scalar(value)?;
    let name = value_name(argument);
    let fits = match value {
        Value::String(_) => true,
        Value::Boolean(_) => name == BOOLEAN,
        Value::Integer(_) | Value::Float(_) => NUMBERS.contains(&name) || [PLACE, BOOLEAN].contains(&name),
        Value::Datetime(_) => name == PLACE,
        Value::Array(_) | Value::Table(_) => false,
    };
    // kafka_acks = 1
    let is_choice = || argument.get_possible_values().iter().any(|choice| choice.matches(&word, true));
    (fits || is_choice()).then_some(word)
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

/// `a string (HOST[:PORT])`
fn expected(argument: &Arg) -> String {
    let name = value_name(argument);
    let choices: Vec<_> = argument.get_possible_values().iter().map(|choice| choice.get_name().to_owned()).collect();
    let one = match name {
        BOOLEAN => "true or false".to_owned(),
        PLACE => format!("a string, a number or a date ({name})"),
        name if NUMBERS.contains(&name) => format!("a number or a string ({name})"),
        PAIR => "a table, or a string (KEY=VALUE)".to_owned(),
        _ if !choices.is_empty() => choices.join(", "),
        name => format!("a string ({name})"),
    };
    if is_repeatable(argument) { format!("{one}, or a list of these") } else { one }
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

fn is_repeatable(argument: &Arg) -> bool {
    matches!(argument.get_action(), ArgAction::Append)
}

fn value_name(argument: &Arg) -> &str {
    argument.get_value_names().and_then(|names| names.first()).map_or("", |name| name.as_str())
}

fn closest(key: &str, arguments: &[Arg]) -> Option<String> {
    let key = key.replace('-', "_").to_lowercase();
    let ids = arguments.iter().map(|argument| argument.get_id().as_str()).filter(|id| *id != CONFIG);
    nearest(&key, ids).map(str::to_owned)
}
