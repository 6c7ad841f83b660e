//! Looks values up: flag over environment variable over configuration file over default.
//!
//! Values from the environment and the file become the command's defaults, so that the parsers of the flags check them too.

use std::collections::HashMap;
use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};

use clap::builder::{OsStr, Resettable};
use clap::error::{ContextKind, ContextValue, ErrorKind};
use clap::parser::ValueSource;
use clap::{Arg, ArgAction, ArgMatches, Command};

use super::error::{ConfigError, Origin};

/// The argument that names the configuration file.
const CONFIG: &str = "config";

/// Arguments whose values are not to be repeated in an error.
const MAY_HOLD_SECRETS: [&str; 2] = ["kafka_option", "source"];

/// Where values may come from.
pub(crate) struct Layers<'a> {
    /// The command line, the program's name first.
    pub(crate) arguments: Vec<OsString>,
    /// Looks up an environment variable.
    pub(crate) environment: &'a dyn Fn(&str) -> Option<OsString>,
}

/// The parsed command line with all layers under it.
#[derive(Debug)]
pub(crate) struct Layered {
    pub(crate) matches: ArgMatches,
    origins: Origins,
}

/// Where the values under the command line came from, by argument id.
#[derive(Debug, Default)]
struct Origins(HashMap<String, Origin>);

impl Layers<'_> {
    /// Parses the command line with the other layers as defaults of whichever subcommand is called.
    pub(crate) fn parse(&self, command: Command) -> Result<Layered, ConfigError> {
        let command = command.mut_subcommands(|subcommand| subcommand.mut_args(|arg| arg.hide_env_values(true)));
        let mut origins = Origins::default();
        let layered = match self.subcommand_of(&command) {
            Some(name) => self.fill(command.clone(), &name, &mut origins)?,
            None => command.clone(),
        };
        match layered.try_get_matches_from(&self.arguments) {
            Ok(matches) => Ok(Layered { matches, origins }),
            // Help shows the true defaults.
            Err(error) if error.kind() == ErrorKind::DisplayHelp => {
                Err(command.try_get_matches_from(&self.arguments).err().unwrap_or(error).into())
            }
            Err(error) => Err(self.explain(error, &origins)),
        }
    }

    fn subcommand_of(&self, command: &Command) -> Option<String> {
        let words = self.arguments.iter().skip(1).filter_map(|argument| argument.to_str());
        words.take(1).find(|word| command.find_subcommand(word).is_some()).map(str::to_owned)
    }

    fn fill(&self, command: Command, name: &str, origins: &mut Origins) -> Result<Command, ConfigError> {
        let Some(subcommand) = command.find_subcommand(name) else {
            return Ok(command);
        };
        let arguments: Vec<Arg> = subcommand.get_arguments().cloned().collect();
        let mut file = match self.config_path(&arguments) {
            Some(path) => File::read(&path, &arguments)?,
            None => File::default(),
        };
        let mut values: HashMap<String, Vec<OsString>> = HashMap::new();
        for argument in &arguments {
            let id = argument.get_id().to_string();
            if let Some((variable, value)) = self.variable_of(argument) {
                origins.0.insert(id.clone(), Origin::Variable(variable));
                values.insert(id, split(argument, value));
            } else if let Some(given) = file.values.remove(&id) {
                origins.0.insert(id.clone(), Origin::File { key: id.clone(), path: file.path.clone() });
                values.insert(id, given);
            }
        }
        Ok(command.mut_subcommand(name, |subcommand| {
            subcommand.mut_args(|argument| {
                let argument = argument.env(Resettable::Reset);
                match values.remove(argument.get_id().as_str()) {
                    Some(values) => argument.default_values(values.into_iter().map(OsStr::from)),
                    None => argument,
                }
            })
        }))
    }

    /// The environment variable of an argument and its value; empty counts as not set.
    fn variable_of(&self, argument: &Arg) -> Option<(String, OsString)> {
        let variable = argument.get_env()?.to_str()?.to_owned();
        let value = (self.environment)(&variable).filter(|value| !value.is_empty())?;
        Some((variable, value))
    }

    /// The configuration file has to be known before the command line can be parsed with what it says.
    fn config_path(&self, arguments: &[Arg]) -> Option<PathBuf> {
        let argument = arguments.iter().find(|argument| argument.get_id() == CONFIG)?;
        let mut words = self.arguments.iter();
        while let Some(word) = words.next() {
            if word == "--config" {
                return words.next().map(PathBuf::from);
            }
            if let Some(path) = word.to_str().and_then(|word| word.strip_prefix("--config=")) {
                return Some(PathBuf::from(path));
            }
        }
        self.variable_of(argument).map(|(_, path)| PathBuf::from(path))
    }

    /// Replaces clap's words about a wrong value by ours, which name the layer it came from.
    fn explain(&self, error: clap::Error, origins: &Origins) -> ConfigError {
        if !matches!(error.kind(), ErrorKind::InvalidValue | ErrorKind::ValueValidation) {
            return error.into();
        }
        let text = |kind| match error.get(kind) {
            Some(ContextValue::String(text)) => Some(text.clone()),
            _ => None,
        };
        // clap names the argument as `--kafka-acks <ACKS>`.
        let (Some(argument), Some(given)) = (text(ContextKind::InvalidArg), text(ContextKind::InvalidValue)) else {
            return error.into();
        };
        let flag = argument.split([' ', '=', '[']).next().unwrap_or_default();
        let id = flag.trim_start_matches('-').replace('-', "_");
        let prefix = format!("{flag}=");
        let on_command_line = self.arguments.iter().filter_map(|argument| argument.to_str());
        let on_command_line = on_command_line.into_iter().any(|word| word == flag || word.starts_with(&prefix));
        let origin = match origins.0.get(&id) {
            Some(origin) if !on_command_line => origin.clone(),
            _ => Origin::Flag(flag.to_owned()),
        };
        let allowed = match error.get(ContextKind::ValidValue) {
            Some(ContextValue::Strings(values)) if !values.is_empty() => {
                format!("expected {}", values.join(", "))
            }
            _ => std::error::Error::source(&error).map_or_else(|| "invalid".to_owned(), ToString::to_string),
        };
        if MAY_HOLD_SECRETS.contains(&id.as_str()) {
            return ConfigError::InvalidSecret { origin, allowed };
        }
        ConfigError::Invalid { origin, given, allowed }
    }
}

impl Layered {
    /// Where the value of argument `id` in `matches` came from.
    pub(crate) fn origin(&self, matches: &ArgMatches, id: &str) -> Origin {
        let flag = format!("--{}", id.replace('_', "-"));
        if matches.value_source(id) == Some(ValueSource::CommandLine) {
            return Origin::Flag(flag);
        }
        self.origins.0.get(id).cloned().unwrap_or(Origin::Default(flag))
    }
}

/// The configuration file, its values as the command line would have them.
#[derive(Debug, Default)]
struct File {
    path: PathBuf,
    values: HashMap<String, Vec<OsString>>,
}

impl File {
    fn read(path: &Path, arguments: &[Arg]) -> Result<Self, ConfigError> {
        let fail = |reason: String| ConfigError::File { path: path.to_owned(), reason };
        let text = fs::read_to_string(path).map_err(|error| fail(error.to_string()))?;
        let table: toml::Table = text.parse().map_err(|error: toml::de::Error| {
            // Without the line's text, which toml's Display shows: it may hold a password.
            let line = error.span().map(|span| text.bytes().take(span.start).filter(|byte| *byte == b'\n').count() + 1);
            match line {
                Some(line) => fail(format!("line {line}: {}", error.message())),
                None => fail(error.message().to_owned()),
            }
        })?;
        let mut values = HashMap::new();
        for (key, value) in table {
            let known = arguments.iter().any(|argument| argument.get_id() == key.as_str() && key != CONFIG);
            if !known {
                let suggestion = closest(&key, arguments);
                return Err(ConfigError::UnknownKey { path: path.to_owned(), key, suggestion });
            }
            let words = words_of(&value).ok_or_else(|| ConfigError::InvalidSecret {
                origin: Origin::File { key: key.clone(), path: path.to_owned() },
                allowed: "expected a string, a number, true or false, or a list of these".to_owned(),
            })?;
            // Empty counts as not set, as it does in the environment.
            if words.iter().any(|word| !word.is_empty()) {
                values.insert(key, words.into_iter().map(OsString::from).collect());
            }
        }
        Ok(Self { path: path.to_owned(), values })
    }
}

/// The values of a repeatable setting stand on lines of their own in a variable: any other separator could be in a value.
fn split(argument: &Arg, value: OsString) -> Vec<OsString> {
    match (argument.get_action(), value.to_str()) {
        (ArgAction::Append, Some(text)) => {
            text.lines().map(str::trim).filter(|line| !line.is_empty()).map(OsString::from).collect()
        }
        _ => vec![value],
    }
}

/// A value of the file as words of the command line; a table becomes `KEY=VALUE` words.
fn words_of(value: &toml::Value) -> Option<Vec<String>> {
    match value {
        toml::Value::Array(values) => values.iter().map(word_of).collect(),
        toml::Value::Table(table) => {
            table.iter().map(|(key, value)| Some(format!("{key}={}", word_of(value)?))).collect()
        }
        value => word_of(value).map(|word| vec![word]),
    }
}

fn word_of(value: &toml::Value) -> Option<String> {
    match value {
        toml::Value::String(text) => Some(text.clone()),
        toml::Value::Integer(number) => Some(number.to_string()),
        toml::Value::Float(number) => Some(number.to_string()),
        toml::Value::Boolean(value) => Some(value.to_string()),
        toml::Value::Datetime(_) | toml::Value::Array(_) | toml::Value::Table(_) => None,
    }
}

fn closest(key: &str, arguments: &[Arg]) -> Option<String> {
    let key = key.replace('-', "_").to_lowercase();
    let names = arguments.iter().map(|argument| argument.get_id().to_string()).filter(|name| name != CONFIG);
    let scored = names.map(|name| (strsim::jaro_winkler(&key, &name), name));
    let best = scored.max_by(|(a, _), (b, _)| a.total_cmp(b))?;
    (best.0 > 0.8).then_some(best.1)
}
