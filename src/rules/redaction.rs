//! Which names' values are not shown, and what is shown instead.

use std::fmt;
use std::sync::Arc;

use ring::hmac;

use crate::mysql::sql::Keys;

/// How a value is made unreadable.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, strum::EnumMessage, strum::VariantArray)]
#[strum(serialize_all = "kebab-case")]
pub enum RedactMode {
    /// By `redact_value`
    #[default]
    Mask,
    /// By a pseudonym, the same for the same value
    Hash,
}

/// The fewest bytes of a key for pseudonyms.
pub(crate) const SHORTEST_KEY: usize = 16;

/// What stands for a value in [`RedactMode::Hash`]: the first half of its HMAC-SHA256, shown as `h:` and 32 hexadecimal digits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Pseudonym([u8; 16]);

impl fmt::Display for Pseudonym {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("h:")?;
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

/// The rule: names by their parts, and what becomes of the values. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Redactor {
    keys: Arc<Keys>,
    mask: Arc<str>,
    key: Option<PseudonymKey>,
}

impl Default for Redactor {
    /// No names, and `***`.
    fn default() -> Self {
        Self::new(&[], "***")
    }
}

impl Redactor {
    /// Values whose names contain one of `keys`, in any case, become `mask`.
    pub fn new(keys: &[String], mask: &str) -> Self {
        let keys = Keys::new(keys.iter().map(|key| key.trim()));
        Self { keys: Arc::new(keys), mask: mask.into(), key: None }
    }

    /// The same, but what is known as a whole becomes a pseudonym made with `key`, which is secret.
    #[must_use]
    pub fn with_pseudonyms(self, key: &[u8]) -> Self {
        Self { key: Some(PseudonymKey(Arc::new(hmac::Key::new(hmac::HMAC_SHA256, key)))), ..self }
    }

    /// The parts of names.
    pub fn keys(&self) -> &Keys {
        &self.keys
    }

    /// Whether there are names to look for.
    pub fn has_keys(&self) -> bool {
        !self.keys.is_empty()
    }

    /// Whether values of this name are not shown.
    pub fn names(&self, name: &str) -> bool {
        self.keys.match_name(name.as_bytes())
    }

    /// What stands for a value of which nothing is to be known.
    pub fn mask(&self) -> &str {
        &self.mask
    }

    /// Whether values become pseudonyms.
    pub fn has_pseudonyms(&self) -> bool {
        self.key.is_some()
    }

    /// What stands for a value, given its plain text; `None`: the mask.
    pub(crate) fn pseudonym(&self, plain: &[u8]) -> Option<Pseudonym> {
        let PseudonymKey(key) = self.key.as_ref()?;
        let tag = hmac::sign(key, plain);
        tag.as_ref().first_chunk().map(|front| Pseudonym(*front))
    }
}

/// Never shown.
#[derive(Clone)]
struct PseudonymKey(Arc<hmac::Key>);

impl fmt::Debug for PseudonymKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("***")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_parts_of_names() {
        let redactor = Redactor::new(&["Passw".into(), String::new(), " token ".into()], "***");
        assert!(
            redactor.has_keys()
                && redactor.names("user_PASSWORD")
                && redactor.names("TOKEN")
                && !redactor.names("tok_en")
        );
        assert!(!Redactor::new(&[String::new(), " ".into()], "x").has_keys());
    }

    /// RFC 4231, test case 2, cut.
    #[test]
    fn pseudonyms_are_the_front_of_an_hmac() {
        let redactor = Redactor::default();
        assert_eq!(redactor.pseudonym(b"x"), None);
        let redactor = redactor.with_pseudonyms(b"Jefe");
        let pseudonym = redactor.pseudonym(b"what do ya want for nothing?").unwrap();
        assert_eq!(pseudonym.to_string(), "h:5bdcc146bf60754e6a042426089575c7");
        assert!(!format!("{redactor:?}").contains("Jefe"));
    }
}
