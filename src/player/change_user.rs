//! COM_CHANGE_USER: another login on the same connection.

use super::encode::PacketBuffer;
use crate::client::Exchange;
use crate::mysql::wire::{Answer, LoginFacts, write_change_user};

/// A plugin that no account has: the server answers with the account's own and a new nonce, which is one way for all servers.
const NO_PLUGIN: &str = "none";

/// Begins it: the packet in `out`, and the exchange that answers the server.
pub(super) fn begin<'a>(
    out: &mut PacketBuffer,
    login: &LoginFacts<'_>,
    password: &'a str,
    is_tls: bool,
) -> Exchange<'a> {
    write_change_user(out.begin(), login, Answer { plugin: NO_PLUGIN, bytes: &[] });
    Exchange::new(NO_PLUGIN.to_owned(), Vec::new(), password, is_tls)
}
