//! What the form for people is told.

/// A column of the form for people. The statement itself is always there.
#[derive(Debug, Clone, Copy, PartialEq, Eq, strum::EnumMessage, strum::VariantArray)]
#[strum(serialize_all = "kebab-case")]
pub enum PrettyColumn {
    /// Time of day
    Time,
    /// The server's number of the connection
    Connection,
    /// User and client host
    User,
    /// The current database
    Database,
    /// How long it took
    Duration,
    /// Rows returned or changed, or error
    Rows,
    /// The statement, which is always shown
    Sql,
}

/// When to use colours.
#[derive(Debug, Clone, Copy, PartialEq, Eq, strum::EnumMessage, strum::VariantArray)]
#[strum(serialize_all = "kebab-case")]
pub enum ColorChoice {
    /// On a terminal, unless NO_COLOR is set
    Auto,
    /// Always
    Always,
    /// Never
    Never,
}
