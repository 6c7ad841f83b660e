//! What a setting is, whatever it is for: its names in each layer, and the form of its values.

/// What settings that take numbers call their values; those that take text would take a number for something else: `upstream = 5` for a
/// host called 5, `file_mode = 0o640` for the rights 416.
const NUMBERS: [&str; 7] = ["N", "MS", "BYTES", "SIZE", "TIME", "SECONDS", "CHARS"];
/// Seconds since 1970, or a date.
const PLACE: &str = "PLACE";
/// The value of a switch.
pub(crate) const BOOLEAN: &str = "BOOL";
/// The value of a setting that may be a table.
pub(crate) const PAIR: &str = "KEY=VALUE";

/// The setting that names the configuration file, and so has no key in it.
pub(crate) const CONFIG: &str = "config";

/// Settings whose values may hold secrets: no error repeats them.
const MAY_HOLD_SECRETS: [&str; 3] = ["kafka_option", "source", "mirror"];

/// One setting of a subcommand.
#[derive(Debug, Clone)]
pub(crate) struct Setting {
    /// Its name in the program.
    pub(crate) id: String,
    /// Its name on the command line, with the hyphens.
    pub(crate) flag: String,
    /// The environment variable; `None` for what only a command line can say.
    pub(crate) variable: Option<String>,
    /// What its values are called, for example `SIZE`.
    pub(crate) value: String,
    /// The values that it takes, if they can be listed.
    pub(crate) choices: Vec<Choice>,
    /// The value if nobody sets one; empty if there is none.
    pub(crate) default: Vec<String>,
    pub(crate) is_repeatable: bool,
    /// What it belongs to, as a heading.
    pub(crate) group: String,
    /// What it means: a line, and where there is more to say, further ones.
    pub(crate) help: String,
    /// Accepted without being advertised.
    pub(crate) is_hidden: bool,
}

/// A value of a setting that takes one of several.
#[derive(Debug, Clone)]
pub(crate) struct Choice {
    /// Its name, then others that are accepted.
    pub(crate) names: Vec<String>,
    /// What it means.
    pub(crate) help: String,
}

impl Choice {
    pub(crate) fn name(&self) -> &str {
        self.names.first().map_or("", String::as_str)
    }
}

impl Setting {
    /// The key in a configuration file.
    pub(crate) fn key(&self) -> Option<String> {
        let has_key = self.variable.is_some() && self.id != CONFIG;
        has_key.then(|| self.flag.trim_start_matches('-').replace('-', "_"))
    }

    pub(crate) fn may_hold_secrets(&self) -> bool {
        MAY_HOLD_SECRETS.contains(&self.id.as_str())
    }

    pub(crate) fn is_switch(&self) -> bool {
        self.value == BOOLEAN
    }

    pub(crate) fn takes_pairs(&self) -> bool {
        self.value == PAIR
    }

    pub(crate) fn takes_dates(&self) -> bool {
        self.value == PLACE
    }

    pub(crate) fn takes_numbers(&self) -> bool {
        NUMBERS.contains(&self.value.as_str()) || self.takes_dates()
    }

    /// Whether the value is one of those that are listed.
    pub(crate) fn has_choice(&self, value: &str) -> bool {
        self.choices.iter().flat_map(|choice| &choice.names).any(|name| name.eq_ignore_ascii_case(value))
    }

    /// What a file may have as its value: `a string (HOST[:PORT])`.
    pub(crate) fn expected(&self) -> String {
        let name = &self.value;
        let one = if self.is_switch() {
            "true or false".to_owned()
        } else if self.takes_dates() {
            format!("a string, a number or a date ({name})")
        } else if self.takes_numbers() {
            format!("a number or a string ({name})")
        } else if self.takes_pairs() {
            "a table, or a string (KEY=VALUE)".to_owned()
        } else if !self.choices.is_empty() {
            let choices: Vec<_> = self.choices.iter().map(Choice::name).collect();
            choices.join(", ")
        } else {
            format!("a string ({name})")
        };
        if self.is_repeatable { format!("{one}, or a list of these") } else { one }
    }
}
