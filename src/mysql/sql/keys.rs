//! The texts that make a name one whose values are secret.

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
    /// By a byte: whether a key may begin with it.
    first: [bool; 256],
    /// A key has a character above ASCII.
    has_others: bool,
}

impl Default for Keys {
    fn default() -> Self {
        Self::none()
    }
}

impl Keys {
    /// No keys: no name is secret.
    pub fn none() -> Self {
        Self::new([""; 0])
    }

    /// These keys; empty ones do not count.
    pub fn new<S: AsRef<str>>(keys: impl IntoIterator<Item = S>) -> Self {
        let lower: Vec<_> =
            keys.into_iter().map(|key| key.as_ref().to_lowercase()).filter(|key| !key.is_empty()).collect();
        let mut first = [false; 256];
        for byte in lower.iter().filter_map(|key| key.bytes().next()) {
            for byte in [byte, byte.to_ascii_uppercase()] {
                first.iter_mut().skip(usize::from(byte)).take(1).for_each(|is_first| *is_first = true);
            }
        }
        let has_others = lower.iter().any(|key| !key.is_ascii());
        Self { lower, first, has_others }
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
        let is_first = |byte: u8| self.first.get(usize::from(byte)).copied().unwrap_or_default();
        text.iter().enumerate().filter(|(_, byte)| is_first(**byte)).any(|(at, _)| {
            self.lower
                .iter()
                .any(|key| text.get(at..at + key.len()).is_some_and(|part| part.eq_ignore_ascii_case(key.as_bytes())))
        })
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

    proptest! {
        #[test]
        fn a_name_in_utf_8_is_matched_as_its_lower_case_is(
            name in "[a-cA-CkKiIéÉ\u{212a}\u{130}ſßẞ]{0,12}",
            keys in prop::collection::vec("[a-cA-CkKiIéÉ\u{212a}\u{130}ſßẞ]{0,3}", 0..3),
        ) {
            let wanted = keys.iter().any(|key| !key.is_empty() && name.to_lowercase().contains(&key.to_lowercase()));
            prop_assert_eq!(Keys::new(&keys).match_name(name.as_bytes()), wanted);
        }
    }
}
