//! Who hears what connections say.

use std::net::SocketAddr;

use crate::session::{Now, Side};

/// A connection as it is when it is first seen.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Opening {
    /// Numbered from 1 in the order in which they were seen.
    pub(crate) number: u64,
    pub(crate) client: SocketAddr,
    pub(crate) server: SocketAddr,
    /// Whether its first byte is the first that is told.
    pub(crate) from_beginning: bool,
    /// Whether the server's port says that it is one; otherwise its first bytes have to.
    pub(crate) is_known_server: bool,
    pub(crate) now: Now,
}

/// Why a connection is not told of any more.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Ending {
    /// Both sides have closed it, or one has reset it.
    Closed,
    /// Another connection has its ports: its end was not seen.
    Replaced,
    /// There were too many connections.
    Forgotten,
    /// The capture has ended.
    CaptureEnded,
}

/// Hears what connections say.
pub(crate) trait Streams {
    /// What belongs to one connection.
    type Stream;

    /// A connection is seen.
    fn open(&mut self, opening: &Opening) -> Self::Stream;

    /// Its next bytes of one side. False: nobody wants to hear more of it, and it is not closed.
    fn bytes(&mut self, stream: &mut Self::Stream, from: Side, bytes: &[u8], now: Now) -> bool;

    /// So many bytes of one side were not captured.
    fn gap(&mut self, stream: &mut Self::Stream, from: Side, bytes: u64, now: Now) -> bool;

    /// Nothing more comes.
    fn close(&mut self, stream: Self::Stream, ending: Ending, now: Now);
}
