//! Capability and status flags, with the protocol's own names and values.

use bitflags::bitflags;

bitflags! {
    /// What client and server can do; in force is the intersection of both sides.
    ///
    /// Bits 0..32 are MySQL's (`include/mysql_com.h`, `CLIENT_*`); bits 32.. are MariaDB's extended capabilities
    /// (`MARIADB_CLIENT_*`), which travel in bytes that MySQL keeps at zero.
    #[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
    pub struct CapabilityFlags: u64 {
        /// Set by MySQL always; a MariaDB side that clears it sends extended capabilities (`CLIENT_MYSQL`).
        const LONG_PASSWORD = 1;
        /// `CLIENT_CONNECT_WITH_DB`
        const CONNECT_WITH_DB = 1 << 3;
        /// `CLIENT_COMPRESS`: zlib
        const COMPRESS = 1 << 5;
        /// `CLIENT_LOCAL_FILES`
        const LOCAL_FILES = 1 << 7;
        /// `CLIENT_PROTOCOL_41`
        const PROTOCOL_41 = 1 << 9;
        /// `CLIENT_SSL`
        const SSL = 1 << 11;
        /// `CLIENT_TRANSACTIONS`
        const TRANSACTIONS = 1 << 13;
        /// `CLIENT_RESERVED2`, once `CLIENT_SECURE_CONNECTION`
        const SECURE_CONNECTION = 1 << 15;
        /// `CLIENT_MULTI_STATEMENTS`
        const MULTI_STATEMENTS = 1 << 16;
        /// `CLIENT_MULTI_RESULTS`
        const MULTI_RESULTS = 1 << 17;
        /// `CLIENT_PS_MULTI_RESULTS`
        const PS_MULTI_RESULTS = 1 << 18;
        /// `CLIENT_PLUGIN_AUTH`
        const PLUGIN_AUTH = 1 << 19;
        /// `CLIENT_CONNECT_ATTRS`
        const CONNECT_ATTRS = 1 << 20;
        /// `CLIENT_PLUGIN_AUTH_LENENC_CLIENT_DATA`
        const PLUGIN_AUTH_LENENC_CLIENT_DATA = 1 << 21;
        /// `CLIENT_SESSION_TRACK`
        const SESSION_TRACK = 1 << 23;
        /// `CLIENT_DEPRECATE_EOF`
        const DEPRECATE_EOF = 1 << 24;
        /// `CLIENT_OPTIONAL_RESULTSET_METADATA`
        const OPTIONAL_RESULTSET_METADATA = 1 << 25;
        /// `CLIENT_ZSTD_COMPRESSION_ALGORITHM`
        const ZSTD_COMPRESSION_ALGORITHM = 1 << 26;
        /// `CLIENT_QUERY_ATTRIBUTES`
        const QUERY_ATTRIBUTES = 1 << 27;
        /// `MARIADB_CLIENT_PROGRESS`
        const MARIADB_PROGRESS = 1 << 32;
        /// `MARIADB_CLIENT_STMT_BULK_OPERATIONS`
        const MARIADB_STMT_BULK_OPERATIONS = 1 << 34;
        /// `MARIADB_CLIENT_EXTENDED_METADATA`
        const MARIADB_EXTENDED_METADATA = 1 << 35;
        /// `MARIADB_CLIENT_CACHE_METADATA`
        const MARIADB_CACHE_METADATA = 1 << 36;
        /// `MARIADB_CLIENT_BULK_UNIT_RESULTS`
        const MARIADB_BULK_UNIT_RESULTS = 1 << 37;
        // Flags without a name here are kept: `clientFlags` shows them all.
        const _ = !0;
    }
}

impl CapabilityFlags {
    /// The 32 bits that MySQL defines, as `clientFlags` of a message holds them.
    pub fn mysql_bits(self) -> u32 {
        // Truncation is the point: the upper half is MariaDB's.
        self.bits() as u32
    }

    /// MariaDB's extended bits. Only a side that clears [`Self::LONG_PASSWORD`] may send them.
    pub fn mariadb_bits(self) -> u32 {
        (self.bits() >> 32) as u32
    }

    /// MySQL's 32 bits and, from a side that cleared [`Self::LONG_PASSWORD`], MariaDB's extended ones.
    pub(crate) fn from_parts(mysql: u32, mariadb: u32) -> Self {
        let flags = Self::from_bits_retain(u64::from(mysql));
        if flags.contains(Self::LONG_PASSWORD) {
            flags
        } else {
            Self::from_bits_retain(u64::from(mysql) | u64::from(mariadb) << 32)
        }
    }
}

bitflags! {
    /// The session's state as OK and EOF packets tell it (`SERVER_STATUS_*` in `include/mysql_com.h`).
    #[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
    pub struct StatusFlags: u16 {
        /// A transaction is open.
        const IN_TRANS = 0x0001;
        /// autocommit is on.
        const AUTOCOMMIT = 0x0002;
        /// Another result of the same command follows.
        const MORE_RESULTS_EXISTS = 0x0008;
        /// The execution opened a cursor; rows come by COM_STMT_FETCH.
        const CURSOR_EXISTS = 0x0040;
        /// The cursor's last row was sent.
        const LAST_ROW_SENT = 0x0080;
        /// A database was dropped.
        const DB_DROPPED = 0x0100;
        /// `NO_BACKSLASH_ESCAPES` is in the session's sql_mode.
        const NO_BACKSLASH_ESCAPES = 0x0200;
        /// The result set holds the OUT parameters of a prepared CALL.
        const PS_OUT_PARAMS = 0x1000;
        /// The open transaction is read-only.
        const IN_TRANS_READONLY = 0x2000;
        /// The OK packet carries session state changes.
        const SESSION_STATE_CHANGED = 0x4000;
        /// `ANSI_QUOTES` is in the session's sql_mode (MariaDB only).
        const ANSI_QUOTES = 0x8000;
        const _ = !0;
    }
}
