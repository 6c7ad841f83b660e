//! The command byte that begins each request.

/// A request's first byte (`enum_server_command` in MySQL's `include/my_command.h`; 0xfa is MariaDB's).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[allow(missing_docs, reason = "the names are the protocol's own")]
pub enum Command {
    Sleep,
    Quit,
    InitDb,
    Query,
    FieldList,
    CreateDb,
    DropDb,
    Refresh,
    Shutdown,
    Statistics,
    ProcessInfo,
    ProcessKill,
    Debug,
    Ping,
    ChangeUser,
    BinlogDump,
    TableDump,
    RegisterSlave,
    StmtPrepare,
    StmtExecute,
    StmtSendLongData,
    StmtClose,
    StmtReset,
    SetOption,
    StmtFetch,
    BinlogDumpGtid,
    ResetConnection,
    Clone,
    SubscribeGroupReplicationStream,
    StmtBulkExecute,
    /// A byte that neither server's headers name.
    Unknown(u8),
}

impl Command {
    /// The command that `byte` stands for.
    pub fn from_byte(byte: u8) -> Self {
        match byte {
            0x00 => Self::Sleep,
            0x01 => Self::Quit,
            0x02 => Self::InitDb,
            0x03 => Self::Query,
            0x04 => Self::FieldList,
            0x05 => Self::CreateDb,
            0x06 => Self::DropDb,
            0x07 => Self::Refresh,
            0x08 => Self::Shutdown,
            0x09 => Self::Statistics,
            0x0a => Self::ProcessInfo,
            0x0c => Self::ProcessKill,
            0x0d => Self::Debug,
            0x0e => Self::Ping,
            0x11 => Self::ChangeUser,
            0x12 => Self::BinlogDump,
            0x13 => Self::TableDump,
            0x15 => Self::RegisterSlave,
            0x16 => Self::StmtPrepare,
            0x17 => Self::StmtExecute,
            0x18 => Self::StmtSendLongData,
            0x19 => Self::StmtClose,
            0x1a => Self::StmtReset,
            0x1b => Self::SetOption,
            0x1c => Self::StmtFetch,
            0x1e => Self::BinlogDumpGtid,
            0x1f => Self::ResetConnection,
            0x20 => Self::Clone,
            0x21 => Self::SubscribeGroupReplicationStream,
            0xfa => Self::StmtBulkExecute,
            other => Self::Unknown(other),
        }
    }

    /// Its name in the protocol's documentation: `COM_STMT_EXECUTE`.
    pub fn name(self) -> String {
        if let Self::Unknown(byte) = self {
            return format!("COM_0x{byte:02X}");
        }
        let mut name = "COM".to_owned();
        for letter in format!("{self:?}").chars() {
            if letter.is_ascii_uppercase() {
                name.push('_');
            }
            name.push(letter.to_ascii_uppercase());
        }
        name
    }

    /// The byte that stands for it.
    pub fn byte(self) -> u8 {
        match self {
            Self::Sleep => 0x00,
            Self::Quit => 0x01,
            Self::InitDb => 0x02,
            Self::Query => 0x03,
            Self::FieldList => 0x04,
            Self::CreateDb => 0x05,
            Self::DropDb => 0x06,
            Self::Refresh => 0x07,
            Self::Shutdown => 0x08,
            Self::Statistics => 0x09,
            Self::ProcessInfo => 0x0a,
            Self::ProcessKill => 0x0c,
            Self::Debug => 0x0d,
            Self::Ping => 0x0e,
            Self::ChangeUser => 0x11,
            Self::BinlogDump => 0x12,
            Self::TableDump => 0x13,
            Self::RegisterSlave => 0x15,
            Self::StmtPrepare => 0x16,
            Self::StmtExecute => 0x17,
            Self::StmtSendLongData => 0x18,
            Self::StmtClose => 0x19,
            Self::StmtReset => 0x1a,
            Self::SetOption => 0x1b,
            Self::StmtFetch => 0x1c,
            Self::BinlogDumpGtid => 0x1e,
            Self::ResetConnection => 0x1f,
            Self::Clone => 0x20,
            Self::SubscribeGroupReplicationStream => 0x21,
            Self::StmtBulkExecute => 0xfa,
            Self::Unknown(byte) => byte,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_and_commands_belong_together() {
        for byte in 0..=u8::MAX {
            assert_eq!(Command::from_byte(byte).byte(), byte);
        }
    }

    #[test]
    fn names_are_the_protocol_s() {
        assert_eq!(Command::StmtExecute.name(), "COM_STMT_EXECUTE");
        assert_eq!(Command::InitDb.name(), "COM_INIT_DB");
        assert_eq!(Command::Unknown(0xee).name(), "COM_0xEE");
    }
}
