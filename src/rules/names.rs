//! Names of tables and columns as they are written in options: as they are, or in backticks where they have a character that means something.

/// A name in a pattern.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Name {
    /// `*`
    Any,
    /// This one.
    Is(String),
}

/// The parts of a text between separators that stand outside of backticks.
pub(crate) fn split(text: &str, separator: char) -> Result<Vec<&str>, String> {
    let (mut parts, mut start, mut is_quoted) = (Vec::new(), 0, false);
    for (at, character) in text.char_indices() {
        if character == '`' {
            is_quoted = !is_quoted;
        } else if character == separator && !is_quoted {
            parts.push(text.get(start..at).unwrap_or_default());
            start = at + character.len_utf8();
        }
    }
    parts.push(text.get(start..).unwrap_or_default());
    if is_quoted { Err(format!("'{text}' has a backtick without its other end")) } else { Ok(parts) }
}

impl Name {
    /// Reads one; a backtick within backticks is doubled.
    pub(crate) fn parse(text: &str) -> Result<Self, String> {
        if let Some(quoted) = text.strip_prefix('`') {
            let inside = quoted.strip_suffix('`').unwrap_or_default();
            let is_whole = !inside.is_empty() && !inside.replace("``", "").contains('`');
            return if is_whole {
                Ok(Self::Is(inside.replace("``", "`")))
            } else {
                Err(format!("'{text}' is no name in backticks"))
            };
        }
        match text {
            "" => Err("a name is missing".into()),
            "*" => Ok(Self::Any),
            _ if text.contains('`') => {
                Err(format!("'{text}' has a backtick inside: a name is in backticks as a whole or not at all"))
            }
            _ if text.contains('*') => {
                Err(format!("'{text}' has a wildcard inside a name; if that is its name, put it in backticks"))
            }
            _ => Ok(Self::Is(text.to_owned())),
        }
    }
}

/// The name as an option would have it.
pub(crate) fn written(name: &str) -> String {
    let is_plain = !name.contains(['.', '*', '`', ',']);
    if is_plain { name.to_owned() } else { format!("`{}`", name.replace('`', "``")) }
}

/// Patterns with commas between them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Patterns<T>(pub Vec<T>);

impl<T: std::str::FromStr<Err = String>> std::str::FromStr for Patterns<T> {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        split(text, ',')?.into_iter().map(str::parse).collect::<Result<_, _>>().map(Self)
    }
}

impl<T: Clone> Patterns<T> {
    /// Those of all lists: an option may be repeated.
    pub fn flat(lists: &[Self]) -> Vec<T> {
        lists.iter().flat_map(|list| list.0.iter().cloned()).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_stands_in_backticks_is_not_parted() {
        assert_eq!(split("a.`b.c`.d", '.'), Ok(vec!["a", "`b.c`", "d"]));
        assert_eq!(split("`a``.b`,c", ','), Ok(vec!["`a``.b`", "c"]));
        assert_eq!(split("", '.'), Ok(vec![""]));
        assert!(split("a.`b", '.').is_err());
    }

    #[test]
    fn names() {
        let is = |name: &str| Ok(Name::Is(name.into()));
        assert_eq!((Name::parse("a"), Name::parse("*")), (is("a"), Ok(Name::Any)));
        assert_eq!(
            (Name::parse("`*`"), Name::parse("`a``b.c`"), Name::parse("```x`")),
            (is("*"), is("a`b.c"), is("`x"))
        );
        for wrong in ["", "a*", "``", "`", "`a", "a`b`", "`a`b", "`a`b`"] {
            assert!(Name::parse(wrong).is_err(), "{wrong}");
        }
        for name in ["a", "a.b", "*", "a`b", "x,y", "ü"] {
            assert_eq!(Name::parse(&written(name)), is(name));
        }
    }
}
