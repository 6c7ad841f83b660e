//! The savepoints of a transaction, found by their names as the servers find them.

use crate::binlog::transaction::piece::Mark;

/// What can be gone back to.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Rows {
    /// Row events that were not rolled back.
    pub(crate) events: u64,
    /// The last of them.
    pub(crate) last: Option<Mark>,
}

#[derive(Debug)]
struct Savepoint {
    name: String,
    mark: Mark,
    rows: Rows,
}

/// How a server compares names: character by character, never with regard to case.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) enum Names {
    /// `utf8mb3_general_ci`: accents do not count. MySQL, MariaDB before 11.5.
    #[default]
    WithoutAccents,
    /// `utf8mb3_general1400_as_ci`.
    WithAccents,
}

/// The oldest first.
#[derive(Debug, Default)]
pub(crate) struct Savepoints(Vec<Savepoint>);

impl Savepoints {
    /// One of a name that is there takes its place.
    pub(crate) fn set(&mut self, name: &[u8], names: Names, mark: Mark, rows: Rows) {
        let name = String::from_utf8_lossy(name).into_owned();
        self.0.retain(|savepoint| !names.are_same(&savepoint.name, &name));
        self.0.push(Savepoint { name, mark, rows });
    }

    /// Where that one was set and what rows there were; those set after it are gone.
    pub(crate) fn roll_back_to(&mut self, name: &[u8], names: Names) -> Option<(Mark, Rows)> {
        let name = String::from_utf8_lossy(name);
        let at = self.0.iter().rposition(|savepoint| names.are_same(&savepoint.name, &name))?;
        self.0.truncate(at + 1);
        self.0.last().map(|savepoint| (savepoint.mark, savepoint.rows))
    }
}

impl Names {
    fn are_same(self, a: &str, b: &str) -> bool {
        let weigh = match self {
            Self::WithoutAccents => without_accent,
            Self::WithAccents => upper,
        };
        a == b || a.chars().map(weigh).eq(b.chars().map(weigh))
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
    use super::*;

    fn mark(item: usize) -> Mark {
        Mark { piece: 0, item }
    }

    fn rolled_back_to(savepoints: &mut Savepoints, name: &str) -> Option<usize> {
        savepoints.roll_back_to(name.as_bytes(), Names::WithoutAccents).map(|(mark, _)| mark.item)
    }

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
            assert_eq!(Names::WithoutAccents.are_same(a, b), expected, "{a} {b}");
        }
        assert_eq!("ÀſĀžÿ".chars().map(without_accent).collect::<String>(), "ASAZY");
        let names = Names::WithAccents;
        assert!(names.are_same("É жук", "é ЖУК") && !names.are_same("é", "e") && !names.are_same("a", "aa"));
    }

    #[test]
    fn a_name_that_is_set_again_is_the_later_one() {
        let mut savepoints = Savepoints::default();
        savepoints.set(b"a", Names::default(), mark(1), Rows::default());
        savepoints.set(b"b", Names::default(), mark(2), Rows::default());
        savepoints.set(b"A", Names::default(), mark(3), Rows::default());
        assert_eq!(rolled_back_to(&mut savepoints, "b"), Some(2));
        assert_eq!(rolled_back_to(&mut savepoints, "a"), None);
        assert_eq!(rolled_back_to(&mut savepoints, "b"), Some(2));
    }
}
