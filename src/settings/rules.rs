//! What settings are to each other: one that has no effect without another, one that is refused without it.

use std::fmt;

use super::error::ConfigError;
use super::origin::Origins;

/// One line for the log: what has no effect, and what to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Note(pub(super) String);

impl fmt::Display for Note {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// What must be true for some settings of a subcommand's settings `S` to be given.
#[derive(Debug)]
pub(crate) struct Rule<S> {
    /// Their ids.
    pub(crate) settings: &'static [&'static str],
    /// What must be true.
    pub(crate) needs: fn(&S) -> bool,
    /// What happens where it is not.
    pub(crate) otherwise: Otherwise,
}

/// What becomes of a setting whose rule does not hold; the text says why, and what to do.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Otherwise {
    /// It has no effect, which is said at the start.
    NoEffect(&'static str),
    /// The program does not start.
    Refused(&'static str),
}

/// A line for each rule that does not hold for something that was given; an error for the first that refuses.
pub(crate) fn check<S>(rules: &[Rule<S>], settings: &S, origins: &Origins) -> Result<Vec<Note>, ConfigError> {
    let mut said: Vec<&str> = Vec::new();
    let mut notes = Vec::new();
    for rule in rules.iter().filter(|rule| !(rule.needs)(settings)) {
        let given = rule.settings.iter().filter(|id| !said.contains(id)).map(|id| (*id, origins.of(id)));
        let mut given: Vec<_> = given.filter(|(_, origin)| origin.is_given()).collect();
        match rule.otherwise {
            _ if given.is_empty() => {}
            Otherwise::Refused(why) => {
                return Err(ConfigError::Refused { origin: given.swap_remove(0).1, message: why.to_owned() });
            }
            Otherwise::NoEffect(why) => {
                said.extend(given.iter().map(|(id, _)| id));
                let names: Vec<_> = given.iter().map(|(_, origin)| origin.to_string()).collect();
                notes.push(Note(format!("{}: no effect, {why}", names.join(", "))));
            }
        }
    }
    Ok(notes)
}
