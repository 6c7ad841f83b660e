//! What errors tell of the transaction in which they came.

use crate::mysql::sql::{TransactionControl, XaControl};

/// `ER_PARSE_ERROR`: nothing was executed.
const PARSE_ERROR: u16 = 1064;

/// `ER_XAER_NOTA`, `ER_XAER_RMFAIL`, `ER_XAER_OUTSIDE`, `ER_XAER_INVAL`: refused, because of an XA transaction's state or because there is none.
const XA_REFUSED: [u16; 4] = [1397, 1399, 1400, 1398];

/// `ER_XA_RBROLLBACK`, `ER_XA_RBTIMEOUT`, `ER_XA_RBDEADLOCK`
const XA_ROLLED_BACK: [u16; 3] = [1402, 1613, 1614];

/// Errors with which the engine has rolled back the whole transaction: `convert_error_to_mysql` in `storage/innobase/handler/ha_innodb.cc` of both
/// servers, where it calls `thd_mark_transaction_to_rollback(thd, true)`.
///
/// `ER_LOCK_DEADLOCK`, `ER_LOCK_TABLE_FULL`, and MariaDB's `ER_CHECKREAD` with `innodb_snapshot_isolation`. `ER_LOCK_WAIT_TIMEOUT` (1205) is not
/// among them: it takes back one statement, unless `innodb_rollback_on_timeout` is on.
const ROLLED_BACK: [u16; 3] = [1213, 1206, 1020];

/// Errors of COMMIT after which nothing is committed: of the group's certification (`ER_TRANSACTION_ROLLBACK_DURING_COMMIT`), and of a server that
/// was made read-only meanwhile (`ER_OPTION_PREVENTS_STATEMENT`, `ER_READ_ONLY_MODE`).
const COMMIT_REFUSED: [u16; 4] = [3101, 1290, 1836, 1213];

/// Errors with which a statement fails that would commit what is open, before it does: most of what the parser says, and checks for locked tables,
/// XA, and read-only servers and transactions. Both servers were asked.
const BEFORE_COMMITTING: [u16; 11] = [1059, 1066, 1103, 1115, 1192, 1223, 1290, 1422, 1792, 1836, 4161];

/// Errors with which such a statement fails after it has committed: what it is about is missing, or there already, or wrong. Both servers were asked.
const AFTER_COMMITTING: [u16; 39] = [
    1005, 1007, 1008, 1044, 1049, 1050, 1051, 1054, 1060, 1061, 1062, 1067, 1068, 1072, 1074, 1091, 1126, 1133, 1141,
    1142, 1146, 1205, 1213, 1227, 1304, 1305, 1359, 1360, 1396, 1410, 1476, 1477, 1537, 1539, 1824, 3619, 4091, 4092,
    1198,
];

/// How a transaction ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum End {
    Commit,
    Rollback,
    Unknown,
}

/// What an error leaves open, until the next statement's status flags settle it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Pending {
    /// How the transaction ended, if it is found to be over.
    pub(super) if_closed: End,
    /// What to take for true where the flags do not tell: that it ended so, or is still open.
    pub(super) presumed: Option<End>,
}

impl Pending {
    fn perhaps(if_closed: End) -> Option<Self> {
        Some(Self { if_closed, presumed: None })
    }

    fn ended(end: End) -> Option<Self> {
        Some(Self { if_closed: end, presumed: Some(end) })
    }

    /// After an error with this code of a statement in an open transaction.
    pub(super) fn after(code: u16, control: &TransactionControl) -> Option<Self> {
        use TransactionControl as Does;
        if code == PARSE_ERROR || XA_REFUSED.contains(&code) {
            return None;
        }
        let has_rolled_back = ROLLED_BACK.contains(&code);
        match control {
            Does::Commit | Does::Xa(XaControl::Commit { one_phase: true, .. }) => {
                let is_refused = COMMIT_REFUSED.contains(&code) || XA_ROLLED_BACK.contains(&code);
                Self::ended(if is_refused { End::Rollback } else { End::Unknown })
            }
            Does::Rollback | Does::Xa(XaControl::Rollback(_)) => Self::ended(End::Rollback),
            Does::Begin => Self::ended(End::Commit),
            Does::Commits if BEFORE_COMMITTING.contains(&code) => Self::perhaps(End::Commit),
            Does::Commits if AFTER_COMMITTING.contains(&code) => Self::ended(End::Commit),
            Does::Commits => Some(Self { if_closed: End::Commit, presumed: Some(End::Unknown) }),
            Does::MayCommit => Self::perhaps(End::Commit),
            Does::Anything if has_rolled_back => Self::ended(End::Unknown),
            Does::Anything => Self::perhaps(End::Unknown),
            _ if has_rolled_back || XA_ROLLED_BACK.contains(&code) => Self::ended(End::Rollback),
            _ => Self::perhaps(End::Rollback),
        }
    }

    /// With what another error leaves open after this one.
    pub(super) fn and(self, later: Self) -> Self {
        match (self.presumed, later.presumed) {
            (Some(_), _) => self,
            // Most errors leave it open.
            (None, Some(_)) => later,
            (None, None) if self.if_closed == later.if_closed => self,
            (None, None) => Self { if_closed: End::Unknown, presumed: None },
        }
    }
}

/// Whether an error of XA COMMIT or XA ROLLBACK says that what was prepared is rolled back.
pub(super) fn is_rolled_back(code: u16) -> bool {
    XA_ROLLED_BACK.contains(&code)
}

/// Whether a CALL or its like has failed before it did anything: there is no such program (1305) or prepared
/// statement (1243), it may not be called (1370), or not so (1318).
pub(super) fn never_ran(code: u16) -> bool {
    matches!(code, PARSE_ERROR | 1243 | 1305 | 1318 | 1370) || XA_REFUSED.contains(&code)
}
