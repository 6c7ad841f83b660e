//! What the publishers of all sessions share.

use std::net::IpAddr;
use std::path::PathBuf;
use std::sync::Arc;

use super::counters::PublishCounters;
use super::desk::Desk;
use super::publisher::Publisher;
use super::transaction::Transactions;
use crate::deliver::{HeldCounts, Holding, Ingest};
use crate::message::{MessageOptions, MessageWriter};
use crate::session::Interest;

/// Where messages wait until their transaction's end is known.
#[derive(Debug, Clone)]
pub struct BufferConfig {
    /// Messages in memory, of all open transactions together.
    pub messages: usize,
    /// Bytes in memory, of all open transactions together.
    pub bytes: usize,
    /// Where those wait that exceed this, in files without a name.
    pub folder: PathBuf,
}

impl Default for BufferConfig {
    fn default() -> Self {
        Self { messages: 10_000, bytes: 64 << 20, folder: std::env::temp_dir() }
    }
}

/// Of all sessions of this process.
#[derive(Debug)]
pub(crate) struct Publishing {
    pub(crate) options: Arc<MessageOptions>,
    pub(crate) counters: Arc<PublishCounters>,
    /// With `--buffer-until-commit`.
    transactions: Option<Arc<Transactions>>,
}

/// Between whom a session is, as messages have it.
#[derive(Debug, Clone)]
pub(crate) struct Peers {
    /// The server: `host:port`.
    pub(crate) server: Arc<str>,
    /// What messages call the client.
    pub(crate) client: Arc<str>,
    /// The client's address, which filters are about.
    pub(crate) address: IpAddr,
}

impl Publishing {
    /// What a publisher needs to hear. A reset takes back what is held.
    pub(crate) const INTEREST: Interest = Interest::STATEMENTS.union(Interest::END).union(Interest::RESETS);

    /// Messages wait for their transaction's end if there is a buffer for them.
    pub(crate) fn new(options: MessageOptions, buffer: Option<&BufferConfig>) -> Self {
        let counters: Arc<PublishCounters> = Arc::default();
        let transactions = buffer.map(|buffer| {
            let holding = Holding::new(buffer.messages, buffer.bytes, buffer.folder.clone());
            Arc::new(Transactions::new(holding, Arc::clone(&counters)))
        });
        Self { options: Arc::new(options), counters, transactions }
    }

    /// What the sessions of one more thread share.
    pub(crate) fn desk(&self) -> Arc<Desk> {
        Arc::new(Desk::new(self.options.redactor.keys().clone(), self.counters.durations_of_thread()))
    }

    /// For one more session, of the thread that the desk is of.
    pub(crate) fn publisher(&self, peers: Peers, ingest: Ingest, desk: Arc<Desk>) -> Publisher {
        let writer = MessageWriter::new(self.options.clone(), peers.server, peers.client).with_address(peers.address);
        let transaction = self.transactions.as_ref().map(Transactions::open);
        Publisher::new(writer, ingest, self.counters.clone(), transaction, desk)
    }

    /// What is held back now.
    pub(crate) fn held(&self) -> HeldCounts {
        self.transactions.as_ref().map(|transactions| transactions.counts()).unwrap_or_default()
    }

    /// No session goes on: nobody will hear any more how the prepared transactions end.
    pub(crate) fn finish(&self) {
        if let Some(transactions) = &self.transactions {
            transactions.finish();
        }
    }
}
