//! Pure parsers of the MySQL and MariaDB client/server protocol: bytes in, borrowed values out.
//!
//! Nothing here does I/O, keeps time or allocates by a length that came from the wire. Every parser returns
//! [`Malformed`] instead of panicking. Sources: the "Client/Server Protocol" pages of the MySQL server's
//! doxygen documentation, `sql/protocol_classic.cc`, and MariaDB's "Clients & Utilities / Server-Client Protocol" pages.

mod attributes;
mod capabilities;
mod columns;
mod command;
mod compression;
mod execute;
mod framer;
mod handshake;
mod login;
mod packet;
mod reader;
mod response;
mod rows;
mod text;
mod value;
mod writer;

pub use attributes::ConnectionAttributes;
pub use capabilities::{CapabilityFlags, StatusFlags};
pub use columns::{ColumnDefinition, ColumnKind, ColumnSet};
pub use command::Command;
pub use compression::{Algorithm, Decompressor, write_frame};
pub use execute::{
    BulkFlags, BulkRow, BulkRows, ExecuteFlags, ExecutePacket, ParamType, Params, QueryAttribute, bulk_rows,
    execute_attributes, is_null, query_attributes, query_text_at,
};
pub use framer::{Framer, Keep, Packet};
pub use handshake::{ChangeUser, Greeting, HandshakeResponse, strip_greeting_tls};
pub use login::{Answer, LoginFacts, write_change_user, write_handshake_response, write_ssl_request};
pub use packet::{MAX_PACKET_PAYLOAD, PacketHeader, write_packet};
pub use reader::{Malformed, Reader};
pub use response::{
    EofPacket, ErrPacket, OkPacket, PrepareOk, RowEnd, SessionChange, SessionChanges, column_count, is_progress_report,
    row_end,
};
pub use rows::{RowFormat, RowValues, TextRow};
pub use text::front_of_text;
pub use value::{ColumnType, Value};
pub use writer::{write_lenenc_bytes, write_lenenc_int};
