//! A login that the server has not answered yet.

use super::facts::{charset_of_login, text};
use crate::mysql::charset::Charset;
use crate::mysql::sql::Flavor;
use crate::mysql::wire::{ChangeUser, ConnectionAttributes, HandshakeResponse};

/// Longest connection attributes that are kept; servers take up to 64 KiB.
const ATTRIBUTES_KEPT: usize = 64 << 10;

/// Who wants to log in, and where to. Never with what.
#[derive(Debug, Default)]
pub(super) struct PendingLogin {
    /// `None` if it could not be read.
    pub(super) user: Option<String>,
    pub(super) collation: Option<u16>,
    /// Its character set, if the server has it: also that of the names here.
    pub(super) charset: Option<Charset>,
    pub(super) database: Option<String>,
    /// Empty unless somebody asks for them.
    attributes: Vec<u8>,
}

impl PendingLogin {
    /// The login in a client's answer to the greeting.
    pub(super) fn of_response(
        response: &HandshakeResponse<'_>,
        flavor: Option<Flavor>,
        with_attributes: bool,
    ) -> Option<Self> {
        let login = response.login?;
        let collation = Some(u16::from(response.collation));
        let charset = charset_of_login(collation, flavor);
        Some(Self {
            user: Some(text(charset, login.user)),
            collation,
            charset,
            database: login.database.map(|name| text(charset, name)),
            attributes: kept(login.attributes, with_attributes),
        })
    }

    /// The login in a COM_CHANGE_USER.
    pub(super) fn of_change(change: &ChangeUser<'_>, flavor: Option<Flavor>, with_attributes: bool) -> Self {
        let charset = charset_of_login(change.collation, flavor);
        Self {
            user: Some(text(charset, change.user)),
            collation: change.collation,
            charset,
            database: change.database.map(|name| text(charset, name)),
            attributes: kept(change.attributes, with_attributes),
        }
    }

    pub(super) fn attributes(&self) -> ConnectionAttributes<'_> {
        ConnectionAttributes::new(&self.attributes)
    }

    /// Bytes that are kept for it.
    pub(super) fn kept_bytes(&self) -> usize {
        self.attributes.capacity()
    }
}

fn kept(attributes: &[u8], wanted: bool) -> Vec<u8> {
    if wanted { attributes.get(..ATTRIBUTES_KEPT).unwrap_or(attributes).to_vec() } else { Vec::new() }
}
