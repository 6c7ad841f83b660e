//! All sessions of a capture, and what they share.

use std::sync::Arc;

use super::counters::SessionCounters;
use super::listeners::Listeners;
use super::recording::Recording;
use super::session::DecodedSession;
use super::tcp::{Ending, Opening, Streams};
use crate::deliver::{Gate, Ingest};
use crate::mirror::MirrorSwitch;
use crate::publish::{Desk, Peers, Publishing};
use crate::recording::Recorder;
use crate::session::{Now, ObserverConfig, Side};

/// Makes sessions of connections.
pub(super) struct Sessions {
    config: ObserverConfig,
    messages: Option<Messages>,
    pub(super) recording: Option<Recording>,
    pub(super) mirror: MirrorSwitch,
    pub(super) counters: SessionCounters,
    /// A session whose messages have no room for now.
    full: Option<Gate>,
}

/// Where messages go.
pub(super) struct Messages {
    pub(super) publishing: Arc<Publishing>,
    pub(super) ingest: Ingest,
    desk: Arc<Desk>,
}

impl Messages {
    pub(super) fn new(publishing: Arc<Publishing>, ingest: Ingest) -> Self {
        let desk = publishing.desk();
        Self { publishing, ingest, desk }
    }
}

impl Sessions {
    pub(super) fn new(
        config: ObserverConfig,
        messages: Option<Messages>,
        recording: Option<Recording>,
        mirror: MirrorSwitch,
    ) -> Self {
        Self { config, messages, recording, mirror, counters: SessionCounters::default(), full: None }
    }

    /// Where to wait until there is room for more messages, if there is none.
    pub(super) fn take_full(&mut self) -> Option<Gate> {
        self.full.take()
    }

    fn listeners(&self, opening: &Opening) -> Listeners {
        let publisher = self.messages.as_ref().map(|messages| {
            let address = opening.client.ip().to_canonical();
            let peers =
                Peers { server: opening.server.to_string().into(), client: address.to_string().into(), address };
            messages.publishing.counters.opened();
            messages.publishing.publisher(peers, messages.ingest.clone(), Arc::clone(&messages.desk))
        });
        let client = std::net::SocketAddr::new(opening.client.ip().to_canonical(), opening.client.port());
        let mirror = self
            .mirror
            .session(client.ip())
            .map(|(id, session)| Box::new(Recorder::new(id, Some(client.to_string()), session)));
        let recorder = self.recording.as_ref().and_then(|recording| recording.recorder(opening));
        Listeners { publisher, recorder, mirror, has_heard: false }
    }

    fn look_for_room(&mut self, session: &DecodedSession) {
        if let Some(publisher) = &session.listeners.publisher
            && publisher.line().is_full()
        {
            self.full = Some(publisher.line().gate());
        }
    }
}

impl Streams for Sessions {
    type Stream = Box<DecodedSession>;

    fn open(&mut self, opening: &Opening) -> Self::Stream {
        Box::new(DecodedSession::new(*opening, self.config, self.listeners(opening)))
    }

    fn bytes(&mut self, session: &mut Self::Stream, from: Side, bytes: &[u8], now: Now) -> bool {
        let goes_on = session.bytes(from, bytes, now, self.config, &mut self.counters);
        self.look_for_room(session);
        goes_on
    }

    fn gap(&mut self, session: &mut Self::Stream, from: Side, bytes: u64, now: Now) -> bool {
        session.gap(from, bytes, now, &mut self.counters)
    }

    fn close(&mut self, session: Self::Stream, ending: Ending, now: Now) {
        session.close(ending, now, &mut self.counters);
        if let Some(messages) = &self.messages {
            messages.publishing.counters.closed();
        }
    }
}
