//! The types of events.
//!
//! Source: MySQL's `libs/mysql/binlog/event/` (control_events.h, statement_events.h) and MariaDB's `sql/log_event.h`.

macro_rules! event_types {
    ($($(#[$meta:meta])* $name:ident = $code:literal $text:literal,)*) => {
        /// The type of an event; types that neither server is known to write are [`EventType::Unknown`].
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        #[allow(missing_docs)]
        pub enum EventType {
            $($(#[$meta])* $name,)*
            Unknown(u8),
        }

        impl EventType {
            /// The type with this code.
            pub fn from_code(code: u8) -> Self {
                match code {
                    $($code => Self::$name,)*
                    other => Self::Unknown(other),
                }
            }

            /// The type's code in an event's header.
            pub fn code(self) -> u8 {
                match self {
                    $(Self::$name => $code,)*
                    Self::Unknown(code) => code,
                }
            }

            /// The name as the servers' sources have it, without `_EVENT`.
            pub fn name(self) -> &'static str {
                match self {
                    $(Self::$name => $text,)*
                    Self::Unknown(_) => "UNKNOWN",
                }
            }
        }
    };
}

event_types! {
    StartV3 = 1 "START_V3",
    Query = 2 "QUERY",
    Stop = 3 "STOP",
    Rotate = 4 "ROTATE",
    IntVar = 5 "INTVAR",
    Load = 6 "LOAD",
    Slave = 7 "SLAVE",
    CreateFile = 8 "CREATE_FILE",
    AppendBlock = 9 "APPEND_BLOCK",
    ExecLoad = 10 "EXEC_LOAD",
    DeleteFile = 11 "DELETE_FILE",
    NewLoad = 12 "NEW_LOAD",
    Rand = 13 "RAND",
    UserVar = 14 "USER_VAR",
    FormatDescription = 15 "FORMAT_DESCRIPTION",
    Xid = 16 "XID",
    BeginLoadQuery = 17 "BEGIN_LOAD_QUERY",
    ExecuteLoadQuery = 18 "EXECUTE_LOAD_QUERY",
    TableMap = 19 "TABLE_MAP",
    WriteRowsV0 = 20 "WRITE_ROWS_V0",
    UpdateRowsV0 = 21 "UPDATE_ROWS_V0",
    DeleteRowsV0 = 22 "DELETE_ROWS_V0",
    WriteRowsV1 = 23 "WRITE_ROWS_V1",
    UpdateRowsV1 = 24 "UPDATE_ROWS_V1",
    DeleteRowsV1 = 25 "DELETE_ROWS_V1",
    Incident = 26 "INCIDENT",
    Heartbeat = 27 "HEARTBEAT",
    Ignorable = 28 "IGNORABLE",
    RowsQuery = 29 "ROWS_QUERY",
    WriteRows = 30 "WRITE_ROWS",
    UpdateRows = 31 "UPDATE_ROWS",
    DeleteRows = 32 "DELETE_ROWS",
    Gtid = 33 "GTID",
    AnonymousGtid = 34 "ANONYMOUS_GTID",
    PreviousGtids = 35 "PREVIOUS_GTIDS",
    TransactionContext = 36 "TRANSACTION_CONTEXT",
    ViewChange = 37 "VIEW_CHANGE",
    XaPrepare = 38 "XA_PREPARE",
    PartialUpdateRows = 39 "PARTIAL_UPDATE_ROWS",
    TransactionPayload = 40 "TRANSACTION_PAYLOAD",
    HeartbeatV2 = 41 "HEARTBEAT_V2",
    GtidTagged = 42 "GTID_TAGGED",
    AnnotateRows = 160 "ANNOTATE_ROWS",
    BinlogCheckpoint = 161 "BINLOG_CHECKPOINT",
    MariaDbGtid = 162 "GTID (MariaDB)",
    GtidList = 163 "GTID_LIST",
    StartEncryption = 164 "START_ENCRYPTION",
    QueryCompressed = 165 "QUERY_COMPRESSED",
    WriteRowsCompressedV1 = 166 "WRITE_ROWS_COMPRESSED_V1",
    UpdateRowsCompressedV1 = 167 "UPDATE_ROWS_COMPRESSED_V1",
    DeleteRowsCompressedV1 = 168 "DELETE_ROWS_COMPRESSED_V1",
    WriteRowsCompressed = 169 "WRITE_ROWS_COMPRESSED",
    UpdateRowsCompressed = 170 "UPDATE_ROWS_COMPRESSED",
    DeleteRowsCompressed = 171 "DELETE_ROWS_COMPRESSED",
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn event_types_keep_their_codes() {
        for code in 0..=255 {
            assert_eq!(EventType::from_code(code).code(), code);
        }
        assert_eq!(EventType::from_code(42).name(), "GTID_TAGGED");
    }
}
