//! Looks values up: flag over environment variable over configuration file over default.
//!
//! Values from the environment and the file become the command's defaults, so that the parsers of the flags check them too.

use std::collections::HashMap;
use std::ffi::OsString;
use std::path::PathBuf;

use clap::builder::{OsStr, Resettable};
use clap::error::{ContextKind, ContextValue, ErrorKind};
use clap::parser::ValueSource;
use clap::{Arg, ArgMatches, Command};

use super::table::settings_of;
use crate::settings::{CONFIG, ConfigError, File, Note, Origin, Origins, Setting, unknown_variables};

/// Where values may come from.
#[derive(Debug)]
pub(in crate::cli) struct Layers {
    /// The command line, the program's name first.
    pub(in crate::cli) arguments: Vec<OsString>,
    /// The environment's variables.
    pub(in crate::cli) environment: HashMap<String, OsString>,
}

/// The parsed command line with all layers under it.
#[derive(Debug)]
pub(in crate::cli) struct Layered {
    pub(in crate::cli) matches: ArgMatches,
    /// Variables that look like ours and are not.
    pub(in crate::cli) notes: Vec<Note>,
    /// The settings of the subcommand that is called.
    pub(in crate::cli) settings: Vec<Setting>,
    /// Where their values came from.
    pub(in crate::cli) origins: Origins,
}

/// Why there is nothing to run.
#[derive(Debug, thiserror::Error)]
pub(in crate::cli) enum CliError {
    /// A setting is wrong.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// The command line is wrong in form, or asks for help; clap says it best.
    #[error(transparent)]
    Usage(#[from] clap::Error),
}

impl Layered {
    /// The values of all settings, as they were written, by id.
    pub(in crate::cli) fn words(&self) -> Vec<(String, Vec<String>)> {
        self.settings.iter().map(|setting| (setting.id.clone(), self.words_of(&setting.id))).collect()
    }

    /// The values of a setting, as they were written.
    pub(in crate::cli) fn words_of(&self, id: &str) -> Vec<String> {
        let words = called(&self.matches).try_get_raw(id).ok().flatten();
        words.into_iter().flatten().map(|word| word.to_string_lossy().into_owned()).collect()
    }
}

impl Layers {
    /// Parses the command line with the other layers as defaults of whichever subcommand is called.
    pub(in crate::cli) fn parse(&self, command: Command) -> Result<Layered, CliError> {
        let notes = unknown_variables(self.environment.keys().map(String::as_str), &variables(&command));
        let path = self.subcommands(&command);
        let settings = find(&command, &path).map(settings_of).unwrap_or_default();
        let mut origins = Origins::new(&settings);
        let layered = self.fill(command.clone(), &path, &settings, &mut origins)?;
        match layered.try_get_matches_from(&self.arguments) {
            Ok(matches) => {
                note_flags(&matches, &settings, &mut origins);
                Ok(Layered { matches, notes, settings, origins })
            }
            // Help shows the true defaults.
            Err(error) if error.kind() == ErrorKind::DisplayHelp => {
                let command = if self.asks_for_short_help() { at_a_glance(command) } else { command };
                Err(command.try_get_matches_from(&self.arguments).err().unwrap_or(error).into())
            }
            Err(error) => Err(self.explain(error, &settings, &origins)),
        }
    }

    fn asks_for_short_help(&self) -> bool {
        self.arguments.iter().any(|argument| argument == "-h")
    }

    /// The subcommand that is called, and those in it.
    fn subcommands(&self, command: &Command) -> Vec<String> {
        let (mut command, mut path) = (command, Vec::new());
        for word in self.arguments.iter().skip(1).filter_map(|argument| argument.to_str()) {
            match command.find_subcommand(word) {
                Some(subcommand) => {
                    path.push(word.to_owned());
                    command = subcommand;
                }
                // A subcommand with settings of its own has none in it; words that follow are theirs.
                None if path.is_empty() || !command.has_subcommands() => break,
                None => {}
            }
        }
        path
    }

    /// Gives the arguments of a subcommand the values of the other layers as defaults.
    fn fill(
        &self,
        command: Command,
        path: &[String],
        settings: &[Setting],
        origins: &mut Origins,
    ) -> Result<Command, ConfigError> {
        let mut file = match self.config_path(settings) {
            Some(path) => File::read(&path, settings)?,
            None => File::default(),
        };
        let mut values: HashMap<String, Vec<OsString>> = HashMap::new();
        for setting in settings {
            if let Some((variable, value)) = self.variable_of(setting) {
                origins.set(&setting.id, Origin::Variable(variable));
                values.insert(setting.id.clone(), split(setting, value));
            } else if let Some(given) = file.values.remove(&setting.id) {
                let origin = Origin::File { key: given.key, path: file.path.clone(), line: given.line };
                origins.set(&setting.id, origin);
                values.insert(setting.id.clone(), given.words);
            }
        }
        Ok(with_defaults(command, path, &mut values))
    }

    /// The environment variable of a setting and its value; empty counts as not set.
    fn variable_of(&self, setting: &Setting) -> Option<(String, OsString)> {
        let variable = setting.variable.clone()?;
        let value = self.environment.get(&variable).filter(|value| !value.is_empty())?;
        Some((variable, value.clone()))
    }

    /// The configuration file has to be known before the command line can be parsed with what it says.
    fn config_path(&self, settings: &[Setting]) -> Option<PathBuf> {
        let setting = settings.iter().find(|setting| setting.id == CONFIG)?;
        let mut words = self.arguments.iter();
        while let Some(word) = words.next() {
            if word == "--config" {
                return words.next().map(PathBuf::from);
            }
            if let Some(path) = word.to_str().and_then(|word| word.strip_prefix("--config=")) {
                return Some(PathBuf::from(path));
            }
        }
        self.variable_of(setting).map(|(_, path)| PathBuf::from(path))
    }

    /// Replaces clap's words about a wrong value by ours, which name the layer it came from.
    fn explain(&self, error: clap::Error, settings: &[Setting], origins: &Origins) -> CliError {
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
        let setting = settings.iter().find(|setting| setting.flag == flag);
        let prefix = format!("{flag}=");
        let on_command_line = self.arguments.iter().filter_map(|argument| argument.to_str());
        let on_command_line = on_command_line.into_iter().any(|word| word == flag || word.starts_with(&prefix));
        let origin = match setting {
            Some(setting) if !on_command_line => origins.of(&setting.id),
            _ => Origin::Flag(flag.to_owned()),
        };
        let allowed = match error.get(ContextKind::ValidValue) {
            Some(ContextValue::Strings(values)) if !values.is_empty() => {
                format!("expected {}", values.join(", "))
            }
            _ => std::error::Error::source(&error).map_or_else(|| "invalid".to_owned(), ToString::to_string),
        };
        let allowed = on_one_line(&allowed);
        match setting.is_some_and(Setting::may_hold_secrets) {
            true => ConfigError::InvalidSecret { origin, allowed }.into(),
            false => ConfigError::Invalid { origin, given, allowed }.into(),
        }
    }
}

/// What was found of the innermost subcommand.
fn called(matches: &ArgMatches) -> &ArgMatches {
    matches.subcommand().map_or(matches, |(_, matches)| called(matches))
}

/// Notes which values are the command line's.
fn note_flags(matches: &ArgMatches, settings: &[Setting], origins: &mut Origins) {
    let called = called(matches);
    let ids: Vec<_> = called.ids().map(|id| id.as_str()).collect();
    for setting in settings.iter().filter(|setting| ids.contains(&setting.id.as_str())) {
        if called.value_source(&setting.id) == Some(ValueSource::CommandLine) {
            origins.set(&setting.id, Origin::Flag(setting.flag.clone()));
        }
    }
}

fn find<'a>(command: &'a Command, path: &[String]) -> Option<&'a Command> {
    path.iter().try_fold(command, |command, name| command.find_subcommand(name)).filter(|_| !path.is_empty())
}

fn with_defaults(command: Command, path: &[String], values: &mut HashMap<String, Vec<OsString>>) -> Command {
    match path.split_first() {
        Some((name, rest)) => command.mut_subcommand(name, |subcommand| with_defaults(subcommand, rest, values)),
        None => command.mut_args(|argument| {
            let argument = argument.env(Resettable::Reset);
            match values.remove(argument.get_id().as_str()) {
                Some(values) => argument.default_values(values.into_iter().map(OsStr::from)),
                None => argument,
            }
        }),
    }
}

/// The variables of all subcommands: one may be meant for another than the one that is called.
fn variables(command: &Command) -> Vec<String> {
    let own = |command: &Command| settings_of(command).into_iter().filter_map(|setting| setting.variable);
    command.get_subcommands().flat_map(|subcommand| own(subcommand).chain(variables(subcommand))).collect()
}

/// The short help should be read at a glance: no variables, and choices in place of the value's name or after the text.
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
fn split(setting: &Setting, value: OsString) -> Vec<OsString> {
    match value.to_str() {
        Some(text) if setting.is_repeatable => {
            text.lines().map(str::trim).filter(|line| !line.is_empty()).map(OsString::from).collect()
        }
        _ => vec![value],
    }
}
