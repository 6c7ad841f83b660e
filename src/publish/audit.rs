//! What becomes of a session, for the marker streams.

use std::net::SocketAddr;
use std::sync::Arc;

use crate::audit::{Closed, Denied, Event, Opened, SightLost, TlsFacts, UserChanged};
use crate::clocks;
use crate::deliver::{Seq, Witness};
use crate::mysql::wire::ErrPacket;
use crate::session::{LoginAnswer, Now};

/// Statements of a session that are added to the totals together: they are everybody's.
const TOLD_AT_ONCE: u64 = 64;

/// Tells of one session: that it was opened or denied, lost sight of, and closed.
#[derive(Debug)]
pub(super) struct SessionAudit {
    witness: Arc<Witness>,
    session: u64,
    address: String,
    tls: Option<TlsFacts>,
    /// Whether it was told that there is this session.
    is_known: bool,
    statements: u64,
    /// Of these, those that are not in the totals yet.
    untold: u64,
}

impl SessionAudit {
    /// Of the session of this client. Nothing is told before its login is answered.
    pub(super) fn new(witness: Arc<Witness>, seq: Seq, client: SocketAddr) -> Self {
        let address = SocketAddr::new(client.ip().to_canonical(), client.port()).to_string();
        Self { witness, session: seq.session(), address, tls: None, is_known: false, statements: 0, untold: 0 }
    }

    /// The client's connection is TLS.
    pub(super) fn secured(&mut self, tls: TlsFacts) {
        self.tls = Some(tls);
    }

    /// A statement was seen.
    pub(super) fn statement(&mut self) {
        self.statements += 1;
        self.untold += 1;
        if self.untold == TOLD_AT_ONCE {
            self.tell_statements();
        }
    }

    fn tell_statements(&mut self) {
        self.witness.seen(std::mem::take(&mut self.untold));
    }

    /// A login, or a change of user, was answered.
    pub(super) fn login(&mut self, login: &LoginAnswer<'_>) {
        let user = login.user.map(str::to_owned);
        let database = login.database.filter(|name| !name.is_empty()).map(str::to_owned);
        let text = |bytes| String::from_utf8_lossy(bytes).into_owned();
        let session = self.session;
        let event = match &login.refused {
            None if login.command.is_some() => Event::UserChanged(UserChanged { session, user, database }),
            refused => {
                let opened = Opened {
                    session,
                    connection_id: login.session.connection_id,
                    user,
                    database,
                    address: self.address.clone(),
                    attributes: login.attributes.clone().map(|(name, value)| (text(name), text(value))).collect(),
                    tls: self.tls.clone(),
                };
                match refused {
                    None => {
                        self.is_known = true;
                        Event::SessionOpened(opened)
                    }
                    Some(error) => denied(opened, error),
                }
            }
        };
        self.tell(login.now, &event);
    }

    /// What the session runs is not seen from here on, or was not seen for a while.
    pub(super) fn sight_lost(&mut self, reason: String, last: Seq, now: Now) {
        let lost = SightLost { session: self.session, address: self.address.clone(), messages: last.last(), reason };
        self.is_known = true;
        self.tell(now, &Event::SightLost(lost));
    }

    /// The session is over.
    pub(super) fn close(&mut self, last: Seq) {
        self.tell_statements();
        if std::mem::take(&mut self.is_known) {
            let closed = Closed { session: self.session, statements: self.statements, messages: last.last() };
            self.witness.tell(clocks::epoch_ms(), &Event::SessionClosed(closed));
        }
    }

    fn tell(&self, now: Now, event: &Event) {
        self.witness.tell(now.epoch_ms, event);
    }
}

fn denied(login: Opened, error: &ErrPacket<'_>) -> Event {
    let message = String::from_utf8_lossy(error.message).into_owned();
    Event::SessionDenied(Denied { login, code: error.code, message })
}
