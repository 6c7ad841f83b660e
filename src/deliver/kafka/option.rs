//! A librdkafka property given by the user.

use std::fmt;
use std::str::FromStr;

/// One librdkafka property. Its value is never shown by `Debug` unless the property is known to be harmless.
#[derive(Clone, PartialEq, Eq)]
pub struct KafkaOption {
    /// The property's name, for example `security.protocol`.
    pub key: String,
    /// Its value, maybe a password.
    pub value: String,
}

impl KafkaOption {
    /// What is wrong with the file that the property names (`ssl.ca.location`), if it names one: librdkafka would not say which file it is.
    pub(crate) fn missing_file(&self) -> Option<String> {
        // With `probe`, librdkafka looks for a certificate store itself.
        if !self.key.ends_with(".location") || self.value.is_empty() || self.value == "probe" {
            return None;
        }
        let error = std::fs::metadata(&self.value).err()?;
        Some(format!("{}: cannot use {}: {error}", self.key, self.value))
    }

    /// Whether the value may be shown: any other could be a secret or contain one.
    fn is_harmless(&self) -> bool {
        ["security.protocol", "sasl.mechanism", "sasl.mechanisms", "compression.type", "compression.codec", "client.id"]
            .contains(&self.key.as_str())
            || [".ms", ".bytes", ".kbytes", ".messages", ".enable"].iter().any(|end| self.key.ends_with(end))
    }
}

impl fmt::Debug for KafkaOption {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let value = if self.is_harmless() { self.value.as_str() } else { "***" };
        write!(f, "{}={value}", self.key)
    }
}

impl FromStr for KafkaOption {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let parts = text.split_once('=').map(|(key, value)| (key.trim(), value));
        match parts {
            Some((key, value)) if !key.is_empty() => Ok(Self { key: key.to_owned(), value: value.to_owned() }),
            _ => Err("expected KEY=VALUE, for example security.protocol=SASL_SSL".to_owned()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_first_equals_sign_separates() {
        let option: KafkaOption = "sasl.password=a=b".parse().unwrap();
        assert_eq!((option.key.as_str(), option.value.as_str()), ("sasl.password", "a=b"));
        assert!("sasl.password".parse::<KafkaOption>().is_err());
        assert!("=x".parse::<KafkaOption>().is_err());
    }

    #[test]
    fn a_file_that_is_not_there_is_named() {
        let missing = |text: &str| text.parse::<KafkaOption>().unwrap().missing_file();
        let said = missing("ssl.ca.location=/nowhere/ca.pem").unwrap();
        assert!(said.starts_with("ssl.ca.location: cannot use /nowhere/ca.pem: No such file"), "{said}");
        assert_eq!(missing("ssl.ca.location=/"), None);
        assert_eq!(missing("ssl.ca.location=probe"), None);
        assert_eq!(missing("ssl.key.password=/nowhere"), None);
    }

    #[test]
    fn secrets_are_masked() {
        let shown = |text: &str| format!("{:?}", text.parse::<KafkaOption>().unwrap());
        assert_eq!(shown("sasl.password=hunter2"), "sasl.password=***");
        assert_eq!(shown("ssl.key.pem=xyz"), "ssl.key.pem=***");
        assert_eq!(shown("socket.timeout.ms=5"), "socket.timeout.ms=5");
    }
}
