//! Bytes as JSON, and what is left out.

use base64::Engine;
use base64::engine::general_purpose::STANDARD as BASE64;
use bytes::Bytes;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// Bytes that are mostly text.
pub(super) struct Content(pub(super) Bytes);

impl Serialize for Content {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match std::str::from_utf8(&self.0) {
            Ok(text) => serializer.serialize_str(text),
            Err(_) => Binary { base64: BASE64.encode(&self.0) }.serialize(serializer),
        }
    }
}

impl<'de> Deserialize<'de> for Content {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        #[serde(untagged)]
        enum Either {
            Text(String),
            Binary(Binary),
        }
        match Either::deserialize(deserializer)? {
            Either::Text(text) => Ok(Self(text.into())),
            Either::Binary(binary) => {
                BASE64.decode(binary.base64).map(|bytes| Self(bytes.into())).map_err(serde::de::Error::custom)
            }
        }
    }
}

#[derive(Serialize, Deserialize)]
struct Binary {
    base64: String,
}

pub(super) fn content(bytes: &Bytes) -> Content {
    Content(bytes.clone())
}

#[allow(clippy::trivially_copy_pass_by_ref, reason = "serde's form")]
pub(super) fn is_false(value: &bool) -> bool {
    !*value
}

pub(super) fn one() -> u32 {
    1
}

#[allow(clippy::trivially_copy_pass_by_ref, reason = "serde's form")]
pub(super) fn is_one(value: &u32) -> bool {
    *value == 1
}
