//! `mysql-interceptor config`: the effective configuration, and where each value comes from.

use std::fmt::Write as _;

use clap::{Args, Subcommand};
use serde_json::json;

use super::binlog::BinlogArgs;
use super::compare::CompareArgs;
use super::decode::DecodeArgs;
use super::inspect::InspectArgs;
use super::proxy::ProxyArgs;
use super::replay::ReplayArgs;
use super::settings::{Layered, choice};
use super::verify::VerifyArgs;
use crate::deliver::KafkaOption;
use crate::settings::{Origin, Setting, boolean};

pub(super) const EXAMPLES: &str = "\
Examples:
  mysql-interceptor config proxy --config /etc/mysql-interceptor.toml
  mysql-interceptor config --format json binlog --source mysql://repl@db
  mysql-interceptor config

The options after SUBCOMMAND are its own. Secrets are masked.";

/// The command line of `config`.
#[derive(Debug, Args)]
pub(super) struct ConfigArgs {
    /// A configuration file with comments, or JSON
    #[arg(long, value_name = "FORMAT", default_value = "toml", value_parser = choice::<ConfigFormat>())]
    pub(super) format: ConfigFormat,

    #[command(subcommand)]
    pub(super) of: Option<ConfigOf>,
}

/// What the configuration looks like.
#[derive(Debug, Clone, Copy, PartialEq, Eq, strum::EnumMessage, strum::VariantArray)]
#[strum(serialize_all = "kebab-case")]
pub(super) enum ConfigFormat {
    /// A configuration file; comments say where values come from
    Toml,
    /// An object for each subcommand
    Json,
}

/// Whose configuration; without one, that of all of them.
#[derive(Debug, Subcommand)]
pub(super) enum ConfigOf {
    /// Of `proxy`
    Proxy(Box<ProxyArgs>),
    /// Of `binlog`
    Binlog(Box<BinlogArgs>),
    /// Of `replay`
    Replay(Box<ReplayArgs>),
    /// Of `decode`
    Decode(Box<DecodeArgs>),
    /// Of `inspect`
    Inspect(Box<InspectArgs>),
    /// Of `verify`
    Verify(Box<VerifyArgs>),
    /// Of `compare`
    Compare(Box<CompareArgs>),
}

/// The configuration of one subcommand.
#[derive(Debug)]
pub(super) struct Section {
    name: String,
    values: Vec<Effective>,
}

/// A setting with its values, none where it is not set.
#[derive(Debug)]
struct Effective {
    setting: Setting,
    words: Vec<String>,
    origin: Origin,
}

impl Section {
    /// What a command line and the layers under it make of the settings of the subcommand `name`.
    pub(super) fn new(name: &str, layered: &Layered) -> Self {
        let is_setting = |setting: &&Setting| setting.variable.is_some();
        let values = layered.settings.iter().filter(is_setting).map(|setting| Effective {
            words: layered.words_of(&setting.id).iter().map(|word| masked(setting, word)).collect(),
            origin: layered.origins.of(&setting.id),
            setting: setting.clone(),
        });
        Self { name: name.to_owned(), values: values.collect() }
    }

    fn toml(&self) -> String {
        let mut text = String::new();
        for Effective { setting, words, origin } in &self.values {
            let source = source(origin);
            // Writing to a string does not fail.
            let _ = match (setting.key(), words.is_empty()) {
                (Some(key), false) => writeln!(text, "{key} = {}  # {source}", toml_value(setting, words)),
                (Some(key), true) => writeln!(text, "# {key} is not set"),
                (None, false) => writeln!(text, "# {} {}  ({source})", setting.flag, words.join(" ")),
                (None, true) => Ok(()),
            };
        }
        text
    }

    fn json(&self) -> serde_json::Value {
        let value = |effective: &Effective| {
            let Effective { setting, words, origin } = effective;
            let key = setting.key().unwrap_or_else(|| setting.id.clone());
            (key, json!({ "value": json_value(setting, words), "source": json_source(origin) }))
        };
        self.values.iter().map(value).collect::<serde_json::Map<_, _>>().into()
    }
}

/// All of it, as text.
pub(super) fn render(format: ConfigFormat, sections: &[Section]) -> String {
    match (format, sections) {
        (ConfigFormat::Toml, [section]) => section.toml(),
        (ConfigFormat::Toml, sections) => {
            let table = |section: &Section| format!("[{}]\n{}", section.name, section.toml());
            sections.iter().map(table).collect::<Vec<_>>().join("\n")
        }
        (ConfigFormat::Json, sections) => {
            let member = |section: &Section| (section.name.clone(), section.json());
            let sections: serde_json::Value = sections.iter().map(member).collect::<serde_json::Map<_, _>>().into();
            format!("{sections:#}\n")
        }
    }
}

/// The value without what may be a secret: a URL's password, properties of librdkafka that are not known to be harmless.
fn masked(setting: &Setting, word: &str) -> String {
    match setting.id.as_str() {
        "kafka_option" => word.parse::<KafkaOption>().map_or_else(|_| "***".to_owned(), |option| format!("{option:?}")),
        "source" | "mirror" | "explain_recorded" | "explain_target" | "target" => {
            let parts = word.split_once("://").and_then(|(scheme, rest)| Some((scheme, rest.rsplit_once('@')?)));
            match parts {
                Some((scheme, (login, host))) => match login.split_once(':') {
                    Some((user, _)) => format!("{scheme}://{user}:***@{host}"),
                    None => word.to_owned(),
                },
                None => "***".to_owned(),
            }
        }
        _ => word.to_owned(),
    }
}

fn source(origin: &Origin) -> String {
    match origin {
        Origin::Default(_) => "default".to_owned(),
        Origin::File { path, line, .. } => format!("{}, line {line}", path.display()),
        origin => origin.to_string(),
    }
}

fn json_source(origin: &Origin) -> serde_json::Value {
    match origin {
        Origin::Flag(flag) => json!({ "layer": "flag", "name": flag }),
        Origin::Variable(name) => json!({ "layer": "variable", "name": name }),
        Origin::File { key, path, line } => json!({ "layer": "file", "name": key, "path": path, "line": line }),
        Origin::Default(_) => json!({ "layer": "default" }),
    }
}

/// A word as the file would have it: a number or a boolean where the setting takes one.
fn scalar(setting: &Setting, word: &str) -> toml::Value {
    let number = || word.parse().map(toml::Value::Integer).ok().filter(|_| setting.takes_numbers());
    match boolean(word) {
        Ok(value) if setting.is_switch() => toml::Value::Boolean(value),
        _ => number().unwrap_or_else(|| toml::Value::String(word.to_owned())),
    }
}

fn toml_value(setting: &Setting, words: &[String]) -> toml::Value {
    let mut values: Vec<_> = words.iter().map(|word| scalar(setting, word)).collect();
    match values.pop() {
        Some(value) if !setting.is_repeatable => value,
        last => {
            values.extend(last);
            toml::Value::Array(values)
        }
    }
}

fn json_value(setting: &Setting, words: &[String]) -> serde_json::Value {
    if words.is_empty() && !setting.is_repeatable {
        return serde_json::Value::Null;
    }
    // Whatever TOML has here, JSON has too.
    serde_json::to_value(toml_value(setting, words)).unwrap_or_default()
}
