//! The `iFlags` bitmap.

use bitflags::bitflags;
use serde::{Serialize, Serializer};

bitflags! {
    /// Which program made the message, and which fields it could not fill.
    #[derive(Debug, Clone, Copy, PartialEq, Eq)]
    pub struct InterceptorFlags: u32 {
        /// Version marker, always set.
        const IVER8 = 1;
        /// Made by this proxy.
        const PROXY = 8;
        /// Not a statement: from here on those of this connection are not seen. `errorMessage` says why.
        const ERROR_OBSERVATION_LOST = 1 << 20;
        /// No `connectionId`.
        const ERROR_CONNECTION_ID = 1 << 21;
        /// Parameters of a batch could not be recorded.
        const ERROR_PREPROCESS_BATCHED_ARGS = 1 << 22;
        /// Parameters could not be turned into `queryParams`.
        const ERROR_POSTPROCESS_BATCHED_ARGS = 1 << 23;
        /// No `defaultTZ`.
        const ERROR_DEFAULT_TZ = 1 << 24;
        /// No `serverTZ`.
        const ERROR_SERVER_TZ = 1 << 25;
        /// No `isolationLvl`.
        const ERROR_ISOLATION = 1 << 26;
        /// No `clientFlags`.
        const ERROR_CLIENT_FLAGS = 1 << 27;
        /// No `serverFlags`.
        const ERROR_SERVER_FLAGS = 1 << 28;
        /// No `serverVersion`.
        const ERROR_SERVER_VERSION = 1 << 29;
        /// No `serverHost`.
        const ERROR_SERVER_HOST = 1 << 30;
        /// `serverInfo` could not be read.
        const ERROR_SERVER_INFO = 1 << 31;
    }
}

impl Serialize for InterceptorFlags {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_u32(self.bits())
    }
}
