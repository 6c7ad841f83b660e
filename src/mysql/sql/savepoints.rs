//! The savepoints of a transaction, found by their names as the servers find them.

use super::lexis::{Flavor, Lexis};

/// How a server compares names: character by character, never with regard to case.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum SavepointNames {
    /// `utf8mb3_general_ci`: accents do not count. MySQL, MariaDB before 11.5.
    #[default]
    WithoutAccents,
    /// `utf8mb3_general1400_as_ci`.
    WithAccents,
}

/// What is known of each savepoint that is set, the oldest first.
#[derive(Debug, Clone)]
pub struct Savepoints<T>(Vec<(String, T)>);

impl<T> Default for Savepoints<T> {
    fn default() -> Self {
        Self(Vec::new())
    }
}

impl<T> Savepoints<T> {
    /// One of a name that is there takes its place.
    pub fn set(&mut self, name: &str, names: SavepointNames, point: T) {
        self.0.retain(|(known, _)| !names.are_same(known, name));
        self.0.push((name.to_owned(), point));
    }

    /// What is known of that one.
    pub fn get(&self, name: &str, names: SavepointNames) -> Option<&T> {
        self.0.get(self.position(name, names)?).map(|(_, point)| point)
    }

    /// What is known of that one; those set after it are gone.
    pub fn roll_back_to(&mut self, name: &str, names: SavepointNames) -> Option<&T> {
        let at = self.position(name, names)?;
        self.0.truncate(at + 1);
        self.0.last().map(|(_, point)| point)
    }

    /// Forgets that one and those set after it.
    pub fn release(&mut self, name: &str, names: SavepointNames) -> Option<T> {
        let at = self.position(name, names)?;
        self.0.drain(at..).next().map(|(_, point)| point)
    }

    /// Forgets all.
    pub fn clear(&mut self) {
        self.0.clear();
    }

    fn position(&self, name: &str, names: SavepointNames) -> Option<usize> {
        self.0.iter().rposition(|(known, _)| names.are_same(known, name))
    }
}

impl SavepointNames {
    /// How this server compares them.
    pub fn of(flavor: Option<Flavor>, version: Option<u32>) -> Self {
        match flavor {
            Some(Flavor::MariaDb) if version.is_some_and(|version| version >= 110_500) => Self::WithAccents,
            _ => Self::WithoutAccents,
        }
    }

    fn are_same(self, a: &str, b: &str) -> bool {
        let weigh = match self {
            Self::WithoutAccents => without_accent,
            Self::WithAccents => upper,
        };
        a == b || a.chars().map(weigh).eq(b.chars().map(weigh))
    }
}

/// A name from a statement, without its quotes, as the servers have it after they have converted it to UTF-8.
///
/// In a character set of several bytes what is beyond ASCII is kept byte by byte, so that no case or accent is seen in it.
pub(super) fn savepoint_name(bytes: &[u8], lexis: Lexis) -> String {
    match std::str::from_utf8(bytes) {
        Ok(name) if !lexis.charset.is_double_byte() || name.is_ascii() => name.to_owned(),
        _ => {
            let is_double_byte = lexis.charset.is_double_byte();
            let character = |byte: u8| match byte {
                // The private use area.
                0x80.. if is_double_byte => {
                    char::from_u32(0xe000 + u32::from(byte)).unwrap_or(char::REPLACEMENT_CHARACTER)
                }
                byte => char::from(byte),
            };
            bytes.iter().map(|byte| character(*byte)).collect()
        }
    }
}

/// Of letters beyond the Latin ones only the case is left away. Characters outside of the first plane are all the same in utf8mb3.
fn without_accent(character: char) -> char {
    /// The letters from U+00C0 to U+017F without their accents, as far as general_ci leaves them away.
    const LATIN: &str = "AAAAAAÆCEEEEIIIIÐNOOOOO×ØUUUUYÞSAAAAAAÆCEEEEIIIIÐNOOOOO÷ØUUUUYÞYAAAAAACCCCCCCCDDĐĐEEEEEEEEEEGGGGGGGGHHĦĦIIIIIIIIIIĲĲJJKKĸLLLLLLĿĿŁŁNNNNNNŉŊŊOOOOOOŒŒRRRRRRSSSSSSSSTTTTŦŦUUUUUUUUUUUUWWYYYZZZZZZS";
    let number = u32::from(character);
    if number > 0xffff {
        return '\u{fffd}';
    }
    let index = number.checked_sub(0xc0).and_then(|index| usize::try_from(index).ok());
    if let Some(letter) = index.and_then(|index| LATIN.chars().nth(index)) {
        return letter;
    }
    upper(character)
}

fn upper(character: char) -> char {
    let mut upper = character.to_uppercase();
    match (upper.next(), upper.next()) {
        (Some(upper), None) => upper,
        _ => character,
    }
}

#[cfg(test)]
mod tests {
    use super::super::lexis::ClientCharset;
    use super::*;

    #[test]
    fn names_are_compared_as_the_servers_do() {
        for (a, b, expected) in [
            ("sp", "SP", true),
            ("é", "E", true),
            ("Straße", "STRASE", true),
            ("жук", "ЖУК", true),
            ("a b", "a  b", false),
            ("a`b", "a`c", false),
            ("x", "xx", false),
            ("Ÿ", "y", true),
            ("ő", "O", true),
            ("漢", "字", false),
            ("Ø", "O", false),
        ] {
            assert_eq!(SavepointNames::WithoutAccents.are_same(a, b), expected, "{a} {b}");
        }
        assert_eq!("ÀſĀžÿ".chars().map(without_accent).collect::<String>(), "ASAZY");
        let names = SavepointNames::WithAccents;
        assert!(names.are_same("É жук", "é ЖУК") && !names.are_same("é", "e") && !names.are_same("a", "aa"));
    }

    #[test]
    fn a_name_that_is_set_again_is_the_later_one() {
        let names = SavepointNames::default();
        let mut savepoints = Savepoints::default();
        for (name, point) in [("a", 1), ("b", 2), ("A", 3)] {
            savepoints.set(name, names, point);
        }
        assert_eq!(savepoints.roll_back_to("b", names), Some(&2));
        assert_eq!(savepoints.roll_back_to("a", names), None);
        assert_eq!(savepoints.roll_back_to("B", names), Some(&2));
    }

    #[test]
    fn a_release_takes_the_later_ones_along() {
        let names = SavepointNames::default();
        let mut savepoints = Savepoints::default();
        for (name, point) in [("a", 1), ("b", 2), ("c", 3)] {
            savepoints.set(name, names, point);
        }
        assert_eq!(savepoints.release("b", names), Some(2));
        assert_eq!((savepoints.release("c", names), savepoints.release("é", names)), (None, None));
        assert_eq!(savepoints.release("à", names), Some(1));
    }

    #[test]
    fn names_in_other_character_sets() {
        let name = |bytes: &[u8], charset| savepoint_name(bytes, Lexis { charset, ..Lexis::default() });
        let names = SavepointNames::default();
        assert!(names.are_same(&name(b"\xe9", ClientCharset::SpaceA0), "E"));
        assert!(names.are_same(&name("é".as_bytes(), ClientCharset::Plain), "E"));
        let (one, other) = (name(b"\xc0\xe9", ClientCharset::Gbk), name(b"\xc1\xc9", ClientCharset::Gbk));
        assert!(!names.are_same(&one, &other) && names.are_same(&one, &one));
    }
}
