//! Whose values are not shown, the same for statements and rows.

use std::path::PathBuf;

use clap::{Args, Command};

use super::choices::choice;
use super::table::change;
use crate::files;
use crate::rules::redaction::{RedactMode, Redactor, SHORTEST_KEY};
use crate::settings::{ConfigError, Origins, Otherwise, Rule};

/// No key of HMAC-SHA256 gets better by being longer than this.
const LONGEST_KEY: u64 = 4096;

/// What is redacted, and how.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Capture")]
pub(in crate::cli) struct RedactArgs {
    /// Hide values whose names contain this; repeatable
    ///
    /// Values of columns, parameters, variables and aliases whose names contain one of these texts, in any case. Comma-separated; an
    /// empty list hides none (in a variable: a comma alone).
    #[arg(long, value_name = "TEXT", value_delimiter = ',')]
    redact_keys: Vec<String>,

    /// By --redact-value, or by pseudonyms
    ///
    /// A pseudonym is h: and 32 hexadecimal digits, made with the key in --redact-key-file: the same value has the same one, wherever it stands.
    #[arg(long, value_name = "HOW", default_value = "mask", value_parser = choice::<RedactMode>())]
    redact_mode: RedactMode,

    /// What is shown instead
    ///
    /// With --redact-mode=hash: of what is not known as a whole, such as a value that is quoted in an error.
    #[arg(long, value_name = "TEXT", default_value = "***", hide_short_help = true)]
    redact_value: String,

    /// hash: file with the key of pseudonyms
    ///
    /// At least 16 random bytes, for example of openssl rand -out FILE 32: all that is in the file. Nobody but its owner may read it.
    #[arg(long, value_name = "FILE", hide_short_help = true)]
    redact_key_file: Option<PathBuf>,
}

/// Settings of a subcommand that redacts.
pub(in crate::cli) trait Redacts {
    /// What is redacted, and how.
    fn redaction(&self) -> &RedactArgs;
}

impl RedactArgs {
    /// Whether names are given.
    pub(in crate::cli) fn has_keys(&self) -> bool {
        self.redact_keys.iter().any(|key| !key.trim().is_empty())
    }

    /// Whether values become pseudonyms.
    pub(in crate::cli) fn is_hash(&self) -> bool {
        self.redact_mode == RedactMode::Hash
    }

    /// The rule. Reads the file of the key if there is to be one.
    pub(in crate::cli) fn redactor(&self, origins: &Origins) -> Result<Redactor, ConfigError> {
        let redactor = Redactor::new(&self.redact_keys, &self.redact_value);
        let Some(path) = self.redact_key_file.as_ref().filter(|_| self.is_hash()) else { return Ok(redactor) };
        let refused = |message| ConfigError::Refused { origin: origins.of("redact_key_file"), message };
        let key = files::read_secret(path, LONGEST_KEY).map_err(refused)?;
        if key.len() < SHORTEST_KEY {
            let message = format!(
                "{} has {} bytes: a key has at least {SHORTEST_KEY}, for example of openssl rand -out FILE 32",
                path.display(),
                key.len()
            );
            return Err(refused(message));
        }
        Ok(redactor.with_pseudonyms(&key))
    }
}

/// For a subcommand that shows it under another heading.
pub(in crate::cli) fn under_heading(command: Command, heading: &'static str) -> Command {
    ["redact_keys", "redact_mode", "redact_value", "redact_key_file"]
        .into_iter()
        .fold(command, |command, id| change(command, id, |argument| argument.help_heading(heading)))
}

/// When these settings matter.
pub(in crate::cli) fn redact_rules<S: Redacts>() -> [Rule<S>; 2] {
    [
        Rule {
            settings: &["redact_mode"],
            needs: |settings| !settings.redaction().is_hash() || settings.redaction().redact_key_file.is_some(),
            otherwise: Otherwise::Refused("hash needs --redact-key-file too"),
        },
        Rule {
            settings: &["redact_key_file"],
            needs: |settings| settings.redaction().is_hash(),
            otherwise: Otherwise::NoEffect("nothing becomes a pseudonym: set --redact-mode=hash"),
        },
    ]
}
