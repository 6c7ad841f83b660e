//! Names with wildcards, as options have them.

use std::str::FromStr;

/// A name in which `*` stands for any characters, also none; in backticks it stands for itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Wildcard {
    /// What stands between the asterisks; a name without one is a single part.
    parts: Vec<String>,
}

impl FromStr for Wildcard {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if let Some(quoted) = text.strip_prefix('`') {
            let inside = quoted.strip_suffix('`').filter(|inside| !inside.replace("``", "").contains('`'));
            let inside = inside.ok_or_else(|| format!("'{text}' is no name in backticks"))?;
            return Ok(Self { parts: vec![inside.replace("``", "`")] });
        }
        if text.contains('`') {
            return Err(format!("'{text}' has a backtick inside: a name is in backticks as a whole or not at all"));
        }
        Ok(Self { parts: text.split('*').map(str::to_owned).collect() })
    }
}

impl Wildcard {
    /// Whether the name is meant, in this case of letters.
    pub fn matches(&self, name: &str) -> bool {
        let Some((first, others)) = self.parts.split_first() else { return false };
        let Some((last, between)) = others.split_last() else { return first == name };
        let Some(mut rest) = name.strip_prefix(first.as_str()) else { return false };
        for part in between {
            match rest.find(part.as_str()) {
                Some(at) => rest = rest.get(at + part.len()..).unwrap_or_default(),
                None => return false,
            }
        }
        rest.ends_with(last.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_asterisk_stands_for_anything() {
        let matches = |pattern: &str, name: &str| pattern.parse::<Wildcard>().unwrap().matches(name);
        for (pattern, name) in [
            ("app", "app"),
            ("app*", "app"),
            ("app*", "app_1"),
            ("*", ""),
            ("a*b*c", "abc"),
            ("a*b*c", "axbybzc"),
            ("*bc", "abcbc"),
            ("**", "x"),
            ("`a*`", "a*"),
            ("`a``b`", "a`b"),
            ("", ""),
        ] {
            assert!(matches(pattern, name), "{pattern} {name}");
        }
        for (pattern, name) in [
            ("app", "App"),
            ("app", "app1"),
            ("a*a", "a"),
            ("a*b*c", "acb"),
            ("`a*`", "ab"),
            ("", "x"),
            ("a*bc*c", "abc"),
        ] {
            assert!(!matches(pattern, name), "{pattern} {name}");
        }
        for wrong in ["`a", "a`b", "`a`b`"] {
            assert!(wrong.parse::<Wildcard>().is_err(), "{wrong}");
        }
    }
}
