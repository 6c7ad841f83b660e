//! What follows from a flag's entry in its table: the variable, the forms that its value takes, what the layers need to know of it.

use clap::builder::PossibleValue;
use clap::{Arg, ArgAction, Command};

use crate::settings::{BOOLEAN, Choice, Setting};

/// Completes the arguments of a subcommand. A variable is `prefix` and the key, unless the table names another one.
pub(in crate::cli) fn complete(command: Command, prefix: &str) -> Command {
    command.mut_args(|argument| complete_argument(argument, prefix).hide_env_values(true))
}

fn complete_argument(argument: Arg, prefix: &str) -> Arg {
    let is_switch = value_name(&argument) == BOOLEAN;
    let argument = match is_switch {
        true => argument.action(ArgAction::Set).num_args(0..=1).require_equals(true).default_missing_value("true"),
        false => argument,
    };
    // What takes no value, or has no name, is about one call: it stands on the command line only.
    let Some(long) = argument.get_long().filter(|_| argument.get_action().takes_values()) else {
        return argument;
    };
    let variable = format!("{prefix}{}", long.replace('-', "_").to_uppercase());
    let argument = if argument.get_env().is_some() { argument } else { argument.env(variable) };
    let has_choices = !argument.get_possible_values().is_empty();
    argument.ignore_case(has_choices)
}

/// Changes one argument, which keeps its place: `mut_arg` would move it to the end.
pub(in crate::cli) fn change(command: Command, id: &str, change: impl Fn(Arg) -> Arg) -> Command {
    command.mut_args(|argument| if argument.get_id() == id { change(argument) } else { argument })
}

/// The settings of a subcommand, in the order of its table.
pub(in crate::cli) fn settings_of(command: &Command) -> Vec<Setting> {
    command.get_arguments().filter(|argument| argument.get_id() != "help").map(setting).collect()
}

fn setting(argument: &Arg) -> Setting {
    let id = argument.get_id().to_string();
    let help = argument.get_long_help().or_else(|| argument.get_help()).map(ToString::to_string);
    let choice = |value: &PossibleValue| Choice {
        names: value.get_name_and_aliases().map(str::to_owned).collect(),
        help: value.get_help().map(ToString::to_string).unwrap_or_default(),
    };
    Setting {
        flag: match argument.get_long() {
            Some(long) => format!("--{long}"),
            None => value_name(argument).to_owned(),
        },
        variable: argument.get_env().and_then(|variable| variable.to_str()).map(str::to_owned),
        value: if argument.get_action().takes_values() { value_name(argument).to_owned() } else { String::new() },
        choices: argument.get_possible_values().iter().map(choice).collect(),
        default: argument.get_default_values().iter().filter_map(|value| value.to_str()).map(str::to_owned).collect(),
        is_repeatable: matches!(argument.get_action(), ArgAction::Append),
        group: argument.get_help_heading().unwrap_or_default().to_owned(),
        help: help.unwrap_or_default(),
        is_hidden: argument.is_hide_set(),
        id,
    }
}

fn value_name(argument: &Arg) -> &str {
    argument.get_value_names().and_then(|names| names.first()).map_or("", |name| name.as_str())
}

/// The flag of a setting whose key is known.
pub(super) fn flag_of(key: &str) -> String {
    format!("--{}", key.replace('_', "-"))
}
