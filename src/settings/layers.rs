//! Looks values up: flag over environment variable over configuration file over default.
//!
//! Values from the environment and the file become the command's defaults, so that the parsers of the flags check them too.

use std::collections::HashMap;
use std::ffi::OsString;
use std::path::PathBuf;

use clap::builder::{OsStr, Resettable};
use clap::error::{ContextKind, ContextValue, ErrorKind};
use clap::parser::ValueSource;
use clap::{Arg, ArgAction, ArgMatches, Command};

use crate::settings::error::{ConfigError, Origin};
use crate::settings::file::File;
use crate::settings::notes::{Note, unknown_variables};

/// The argument that names the configuration file.
pub(crate) const CONFIG: &str = "config";

/// Arguments whose values are not to be repeated in an error.
pub(crate) const MAY_HOLD_SECRETS: [&str; 2] = ["kafka_option", "source"];

/// Where values may come from.
#[derive(Debug)]
pub(crate) struct Layers {
    /// The command line, the program's name first.
    pub(crate) arguments: Vec<OsString>,
    /// The environment's variables.
    pub(crate) environment: HashMap<String, OsString>,
}

/// The parsed command line with all layers under it.
#[derive(Debug)]
pub(crate) struct Layered {
    pub(crate) matches: ArgMatches,
    /// Variables that are none of ours, though they look so.
    pub(crate) notes: Vec<Note>,
    origins: Origins,
}

/// Where values came from, by argument id.
#[derive(Debug, Clone, Default)]
pub(crate) struct Origins(HashMap<String, Origin>);

impl Layers {
    /// Parses the command line with the other layers as defaults of whichever subcommand is called.
    pub(crate) fn parse(&self, command: Command) -> Result<Layered, ConfigError> {
        let command = command.mut_subcommands(|subcommand| subcommand.mut_args(|arg| arg.hide_env_values(true)));
        let notes = unknown_variables(self.environment.keys().map(String::as_str), &variables(&command));
        let mut origins = Origins::default();
        let layered = match self.subcommand_of(&command) {
            Some(name) => self.fill(command.clone(), &name, &mut origins)?,
            None => command.clone(),
        };
        match layered.try_get_matches_from(&self.arguments) {
            Ok(matches) => Ok(Layered { matches, notes, origins }),
            // Help shows the true defaults.
            Err(error) if error.kind() == ErrorKind::DisplayHelp => {
                let command = if self.asks_for_short_help() { at_a_glance(command) } else { command };
                Err(command.try_get_matches_from(&self.arguments).err().unwrap_or(error).into())
            }
            Err(error) => Err(self.explain(error, &origins)),
        }
    }

    fn asks_for_short_help(&self) -> bool {
        self.arguments.iter().any(|argument| argument == "-h")
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
                let (key, path) = (id.clone(), file.path.clone());
                origins.0.insert(id.clone(), Origin::File { key, path, line: given.line });
                values.insert(id, given.words);
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
        let value = self.environment.get(&variable).filter(|value| !value.is_empty())?;
        Some((variable, value.clone()))
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
        let flag = match argument.split([' ', '=', '[']).next() {
            Some(flag) if !flag.is_empty() => flag,
            // `[-]`, which has no flag.
            _ => argument.as_str(),
        };
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
        let allowed = on_one_line(&allowed);
        if MAY_HOLD_SECRETS.contains(&id.as_str()) {
            return ConfigError::InvalidSecret { origin, allowed };
        }
        ConfigError::Invalid { origin, given, allowed }
    }
}

impl Layered {
    /// Where the values of the subcommand's arguments came from, those of the command line too.
    pub(crate) fn origins(&self) -> Origins {
        let mut origins = self.origins.clone();
        let Some((_, matches)) = self.matches.subcommand() else {
            return origins;
        };
        for id in matches.ids().map(|id| id.as_str()) {
            if matches.value_source(id) == Some(ValueSource::CommandLine) {
                origins.0.insert(id.to_owned(), Origin::Flag(flag_of(id)));
            }
        }
        origins
    }
}

impl Origins {
    /// Where the value of argument `id` came from.
    pub(crate) fn of(&self, id: &str) -> Origin {
        self.0.get(id).cloned().unwrap_or_else(|| Origin::Default(flag_of(id)))
    }
}

fn flag_of(id: &str) -> String {
    format!("--{}", id.replace('_', "-"))
}

/// The variables of all subcommands: one may be meant for another than the one that is called.
fn variables(command: &Command) -> Vec<String> {
    let arguments = command.get_subcommands().flat_map(Command::get_arguments);
    arguments.filter_map(|argument| argument.get_env()?.to_str().map(str::to_owned)).collect()
}

/// The short help is to be seen at a glance: no variables, and choices in place of the value's name or after the text.
fn at_a_glance(command: Command) -> Command {
    /// Longer flags make clap put the texts of their whole group on lines of their own.
    const LONGEST: usize = 28;
    let shorten = |argument: Arg| {
        let argument = argument.hide_env(true);
        let choices = argument.get_possible_values();
        if choices.len() < 2 || !argument.get_action().takes_values() {
            return argument;
        }
        let choices: Vec<_> = choices.iter().map(|choice| choice.get_name().to_owned()).collect();
        let (name, argument) = (choices.join("|"), argument.hide_possible_values(true));
        let flag = argument.get_long().map_or(0, str::len);
        if flag + name.len() + "-- <>".len() <= LONGEST {
            return argument.value_name(name);
        }
        let help = argument.get_help().map(ToString::to_string).unwrap_or_default();
        argument.help(format!("{help}: {}", choices.join(", ")))
    };
    command.mut_subcommands(|subcommand| subcommand.mut_args(shorten))
}

/// A parser's reason, which may repeat what was given: nothing in it is to reach a terminal as a command. Of several lines (a picture of
/// the mistake) the last says what is wrong.
fn on_one_line(reason: &str) -> String {
    let last = reason.lines().last().unwrap_or_default();
    let escaped = |c: char| match c {
        '\'' | '"' | '\\' => c.to_string(),
        c => c.escape_debug().to_string(),
    };
    last.trim_start_matches("error: ").chars().map(escaped).collect()
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
