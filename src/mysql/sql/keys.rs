//! The texts that make a name one whose values are secret.

use std::sync::{Arc, LazyLock};

/// Redact keys: a name that contains one of them, in any case, is the name of something secret.
///
/// ```
/// use mysql_interceptor::mysql::sql::Keys;
/// let keys = Keys::new(["passw", "token"]);
/// assert!(keys.match_name(b"user_PASSWORD") && !keys.match_name(b"name"));
/// ```
#[derive(Debug, Clone)]
pub struct Keys {
    /// In lower case.
    lower: Vec<String>,
    heads: Arc<Heads>,
    /// A key has a character above ASCII.
    has_others: bool,
}

/// By a byte: which keys have it at their first place, and at their second. The key with this number has the bit with its number, modulo the
/// number of bits; one of a single byte has any byte at its second place.
///
/// Few places of a text have two bytes that a key begins with: all texts of statements are looked at, and hardly any has a key.
#[derive(Debug)]
struct Heads {
    first: [u64; 256],
    second: [u64; 256],
}

impl Heads {
    fn of(lower: &[String]) -> Self {
        let mut heads = Self { first: [0; 256], second: [0; 256] };
        for (number, key) in lower.iter().enumerate() {
            let bit = 1 << (number % 64);
            let mut bytes = key.bytes();
            set(&mut heads.first, bytes.next(), bit);
            set(&mut heads.second, bytes.next(), bit);
        }
        heads
    }

    /// Keys that may begin with these bytes.
    fn candidates(&self, one: u8, two: u8) -> u64 {
        let of = |places: &[u64; 256], byte: u8| places.get(usize::from(byte)).copied().unwrap_or_default();
        of(&self.first, one) & of(&self.second, two)
    }
}

/// `byte` in either case; any byte if it is none.
fn set(places: &mut [u64; 256], byte: Option<u8>, bit: u64) {
    let is_it = |at: usize| byte.is_none_or(|byte| [byte, byte.to_ascii_uppercase()].map(usize::from).contains(&at));
    places.iter_mut().enumerate().filter(|(at, _)| is_it(*at)).for_each(|(_, bits)| *bits |= bit);
}

impl Default for Keys {
    fn default() -> Self {
        Self::none()
    }
}

impl Keys {
    /// No keys: no name is secret.
    pub fn none() -> Self {
        static NONE: LazyLock<Keys> = LazyLock::new(|| Keys::new([""; 0]));
        NONE.clone()
    }

    /// These keys; empty ones do not count.
    pub fn new<S: AsRef<str>>(keys: impl IntoIterator<Item = S>) -> Self {
        let lower: Vec<_> =
            keys.into_iter().map(|key| key.as_ref().to_lowercase()).filter(|key| !key.is_empty()).collect();
        let has_others = lower.iter().any(|key| !key.is_ascii());
        Self { heads: Arc::new(Heads::of(&lower)), lower, has_others }
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.lower.is_empty()
    }

    /// Whether a name contains a key. One that is not UTF-8 is taken to contain every key that is not ASCII: what it says depends on its
    /// character set.
    pub fn match_name(&self, name: &[u8]) -> bool {
        if self.lower.is_empty() {
            return false;
        }
        self.has_ascii(name) || (!name.is_ascii() && self.has_folded(name))
    }

    /// A key, byte by byte, but for the case of ASCII's letters.
    fn has_ascii(&self, text: &[u8]) -> bool {
        // Whatever comes after the last byte: a key of one byte may be there.
        let last = text.last().map(|last| (text.len() - 1, self.heads.candidates(*last, 0)));
        let pairs = text.windows(2).enumerate().map(|(at, pair)| match pair {
            [one, two] => (at, self.heads.candidates(*one, *two)),
            _ => (at, 0),
        });
        pairs.chain(last).any(|(at, candidates)| candidates != 0 && self.begins_at(text, at, candidates))
    }

    #[cold]
    fn begins_at(&self, text: &[u8], at: usize, candidates: u64) -> bool {
        let is_there =
            |key: &str| text.get(at..at + key.len()).is_some_and(|part| part.eq_ignore_ascii_case(key.as_bytes()));
        let keys = self.lower.iter().enumerate();
        keys.filter(|(number, _)| candidates >> (number % 64) & 1 == 1).any(|(_, key)| is_there(key))
    }

    fn has_folded(&self, text: &[u8]) -> bool {
        // Of the characters above ASCII only these have letters of ASCII in their lower case: the sign for kelvin, and an I with a dot.
        let has_sign =
            || [&b"\xe2\x84\xaa"[..], b"\xc4\xb0"].iter().any(|sign| memchr::memmem::find(text, sign).is_some());
        if !self.has_others && !has_sign() {
            return false;
        }
        let lower = match std::str::from_utf8(text) {
            Ok(text) => text.to_lowercase(),
            Err(_) if self.has_others => return true,
            Err(_) => String::from_utf8_lossy(text).to_lowercase(),
        };
        self.lower.iter().any(|key| lower.contains(key.as_str()))
    }
}

#[cfg(test)]
mod tests {
    use proptest::collection::vec;
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn keys_are_parts_of_names_in_any_case() {
        let keys = Keys::new(["Passw", "", "ключ", "TOKEN"]);
        for name in ["user_PASSWORD", "passw", "toKen", "to\u{212a}en", "моЙКлючик"] {
            assert!(keys.match_name(name.as_bytes()), "{name}");
        }
        assert!(!keys.match_name(b"name") && !keys.match_name("имя".as_bytes()) && !keys.match_name(b""));
        // In some character set this may be the key.
        assert!(keys.match_name(b"\xea\xeb\xfe\xf7") && !Keys::new(["token"]).match_name(b"\xea\xeb\xfe\xf7"));
        assert!(!Keys::none().match_name(b"password") && Keys::new([""]).is_empty());
    }

    const KEY: &str = "[a-cA-CkKiIéÉ\u{212a}\u{130}ſßẞ]{0,3}";

    proptest! {
        #[test]
        fn a_name_in_utf_8_is_matched_as_its_lower_case_is(
            name in "[a-cA-CkKiIéÉ\u{212a}\u{130}ſßẞ]{0,12}",
            keys in prop_oneof![vec(KEY, 0..3), vec(KEY, 60..70)],
        ) {
            let wanted = keys.iter().any(|key| !key.is_empty() && name.to_lowercase().contains(&key.to_lowercase()));
            prop_assert_eq!(Keys::new(&keys).match_name(name.as_bytes()), wanted);
        }
    }
}
