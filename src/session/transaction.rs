//! Which transaction a statement belongs to, and how that one ends: what a consumer needs that wants to see only what was committed.
//!
//! Status flags say that a transaction is open; how it ended is told by the statement's kind and the error's code. Flags do not tell COMMIT
//! from ROLLBACK, stay set over `COMMIT AND CHAIN`, and an error has none. `docs/transactions.md` has the rules.

mod errors;
#[cfg(test)]
mod tests;
mod tracker;

pub use crate::mysql::sql::Xid;
pub use tracker::TransactionTracker;

/// How far a transaction's statements go that are held: whatever its owner counts.
pub type Mark = u64;

/// Whether something can still take a statement back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Place {
    /// It is in no transaction, or failed: nothing takes it back.
    Outside,
    /// The end of the open transaction decides.
    Inside,
}

/// What happens to the statements that a transaction has had so far.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Change {
    /// They are committed.
    Commit,
    /// They are rolled back.
    Rollback,
    /// The transaction is over, and nobody knows how.
    Unknown,
    /// Those after the mark are rolled back.
    RollbackTo(Mark),
    /// The transaction is over: those after the mark are committed, and what became of those before it nobody knows.
    CommitFrom(Mark),
    /// The transaction is over: those after the mark are rolled back, and what became of those before it nobody knows.
    RollbackFrom(Mark),
    /// They wait under this name for XA COMMIT or XA ROLLBACK, from whatever connection.
    Prepare(Xid),
    /// Those that wait under this name are committed.
    CommitPrepared(Xid),
    /// Those that wait under this name are rolled back.
    RollbackPrepared(Xid),
    /// What became of those that wait under this name nobody knows: the connection ended while XA COMMIT was under way.
    UnknownPrepared(Xid),
}

/// What a finished statement means for its session's transaction.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Step {
    /// What happens first, as with a DDL statement that commits what came before.
    pub before: Option<Change>,
    /// Where the statement itself belongs.
    pub place: Place,
    /// What happens then.
    pub after: Option<Change>,
}

impl Step {
    /// Nothing happens to a transaction.
    fn outside() -> Self {
        Self { before: None, place: Place::Outside, after: None }
    }

    /// It belongs to the transaction, if one is open.
    fn within(is_open: bool) -> Self {
        Self { place: if is_open { Place::Inside } else { Place::Outside }, ..Self::outside() }
    }

    fn before(change: Option<Change>) -> Self {
        Self { before: change, ..Self::outside() }
    }

    /// The transaction's last statement.
    fn last(change: Change) -> Self {
        Self { after: Some(change), ..Self::within(true) }
    }
}
