//! The connectors' options that there are here.

use crate::binlog::output::routing::Routing;

/// The connector's options that there are here; the defaults are its own.
#[derive(Debug, Clone)]
pub struct DebeziumOptions {
    /// `topic.prefix`: the name of the server in `source` and in the names of schemas.
    pub name: String,
    /// Which connector the events are like.
    pub connector: Connector,
    /// `decimal.handling.mode`.
    pub decimal: DecimalHandling,
    /// `bigint.unsigned.handling.mode`.
    pub bigint_unsigned: BigintUnsigned,
    /// The JSON converter's `schemas.enable`: `{"schema":...,"payload":...}`.
    pub with_schema: bool,
    /// `provide.transaction.metadata`: BEGIN and END messages, and the rows' place in their transaction.
    pub transactions: bool,
    /// `tombstones.on.delete`: after each delete a message with its key and without a value, where messages have keys.
    pub tombstones: bool,
    /// Where messages go.
    pub routing: Routing,
}

impl Default for DebeziumOptions {
    fn default() -> Self {
        Self {
            name: String::new(),
            connector: Connector::default(),
            decimal: DecimalHandling::default(),
            bigint_unsigned: BigintUnsigned::default(),
            with_schema: false,
            transactions: false,
            tombstones: true,
            routing: Routing::default(),
        }
    }
}

/// Which connector the events are like.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Connector {
    /// That of the server, which the form of its GTIDs tells; MySQL's where there are none.
    #[default]
    OfServer,
    /// MySQL's.
    MySql,
    /// MariaDB's.
    MariaDb,
}

impl Connector {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::MariaDb => "mariadb",
            Self::MySql | Self::OfServer => "mysql",
        }
    }
}

/// `decimal.handling.mode`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum DecimalHandling {
    /// The digits without the point, a big-endian number in two's complement, in base64.
    #[default]
    Precise,
    /// The digits as a string.
    String,
    /// The nearest double.
    Double,
}

/// `bigint.unsigned.handling.mode`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum BigintUnsigned {
    /// As a signed number of 64 bits: what is above its range comes out negative.
    #[default]
    Long,
    /// As a DECIMAL without a fraction is with [`DecimalHandling::Precise`].
    Precise,
}
