//! Connection attributes: names and values that a client's library says of itself in the login.

use crate::mysql::wire::reader::Reader;

/// Iterates over a login's connection attributes (`program_name`, `_client_version`); a malformed rest ends the iteration.
#[derive(Debug, Clone)]
pub struct ConnectionAttributes<'a>(Reader<'a>);

impl<'a> ConnectionAttributes<'a> {
    /// The attributes in this part of a login, their length in front not included.
    pub fn new(bytes: &'a [u8]) -> Self {
        Self(Reader::new(bytes, "connection attributes"))
    }
}

impl<'a> Iterator for ConnectionAttributes<'a> {
    type Item = (&'a [u8], &'a [u8]);

    fn next(&mut self) -> Option<Self::Item> {
        let name = self.0.lenenc_bytes().ok()?;
        let value = self.0.lenenc_bytes().ok()?;
        Some((name, value))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_malformed_rest_is_left_out() {
        let attributes = ConnectionAttributes::new(b"\x03_os\x05Linux\x04_pid\x09x");
        assert_eq!(attributes.collect::<Vec<_>>(), [(&b"_os"[..], &b"Linux"[..])]);
    }
}
