//! GTIDs for code that serves both servers.

use std::fmt;
use std::str::FromStr;

use super::{Gtid, GtidSet, MariaDbGtid, MariaDbGtidSet, ParseGtidError};

/// A GTID of one server in a set of the other.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a set has GTIDs either of MySQL or of MariaDB, not of both")]
pub struct MixedGtids;

/// A GTID of either server.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum AnyGtid {
    /// `uuid:n` or `uuid:tag:n`
    MySql(Gtid),
    /// `domain-server-n`
    MariaDb(MariaDbGtid),
}

/// A set of GTIDs, or position, of either server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum AnyGtidSet {
    /// What has been seen.
    MySql(GtidSet),
    /// The last that has been seen of each domain.
    MariaDb(MariaDbGtidSet),
}

impl AnyGtid {
    /// Appends the text that `Display` gives, faster.
    pub fn append_text(&self, out: &mut Vec<u8>) {
        match self {
            Self::MySql(gtid) => gtid.append_text(out),
            Self::MariaDb(gtid) => gtid.append_text(out),
        }
    }
}

impl AnyGtidSet {
    /// Whether nothing is in it.
    pub fn is_empty(&self) -> bool {
        match self {
            Self::MySql(set) => set.is_empty(),
            Self::MariaDb(set) => set.is_empty(),
        }
    }

    /// Whether a transaction is in it. In MariaDB's sets are also all that came before the last of the same domain.
    pub fn contains(&self, gtid: &AnyGtid) -> bool {
        match (self, gtid) {
            (Self::MySql(set), AnyGtid::MySql(gtid)) => set.contains(gtid),
            (Self::MariaDb(set), AnyGtid::MariaDb(gtid)) => {
                set.iter().any(|last| last.domain == gtid.domain && last.sequence >= gtid.sequence)
            }
            _ => false,
        }
    }

    /// Adds one transaction. An empty set becomes one of the transaction's server; any other stays what it is.
    pub fn add(&mut self, gtid: &AnyGtid) -> Result<(), MixedGtids> {
        match (&mut *self, gtid) {
            (Self::MySql(set), AnyGtid::MySql(gtid)) => set.add(gtid),
            (Self::MariaDb(set), AnyGtid::MariaDb(gtid)) => set.add(gtid),
            (set, gtid) if set.is_empty() => {
                *self = Self::empty_for(gtid);
                return self.add(gtid);
            }
            _ => return Err(MixedGtids),
        }
        Ok(())
    }

    fn empty_for(gtid: &AnyGtid) -> Self {
        match gtid {
            AnyGtid::MySql(_) => Self::MySql(GtidSet::new()),
            AnyGtid::MariaDb(_) => Self::MariaDb(MariaDbGtidSet::new()),
        }
    }
}

impl From<Gtid> for AnyGtid {
    fn from(gtid: Gtid) -> Self {
        Self::MySql(gtid)
    }
}

impl From<MariaDbGtid> for AnyGtid {
    fn from(gtid: MariaDbGtid) -> Self {
        Self::MariaDb(gtid)
    }
}

impl From<GtidSet> for AnyGtidSet {
    fn from(set: GtidSet) -> Self {
        Self::MySql(set)
    }
}

impl From<MariaDbGtidSet> for AnyGtidSet {
    fn from(set: MariaDbGtidSet) -> Self {
        Self::MariaDb(set)
    }
}

impl fmt::Display for AnyGtid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::MySql(gtid) => gtid.fmt(f),
            Self::MariaDb(gtid) => gtid.fmt(f),
        }
    }
}

impl fmt::Display for AnyGtidSet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::MySql(set) => set.fmt(f),
            Self::MariaDb(set) => set.fmt(f),
        }
    }
}

impl FromStr for AnyGtid {
    type Err = ParseGtidError;

    fn from_str(text: &str) -> Result<Self, ParseGtidError> {
        if is_mariadb(text) { text.parse().map(Self::MariaDb) } else { text.parse().map(Self::MySql) }
    }
}

impl FromStr for AnyGtidSet {
    type Err = ParseGtidError;

    /// An empty text gives an empty set of MySQL's, for want of knowing better: see [`AnyGtidSet::add`].
    fn from_str(text: &str) -> Result<Self, ParseGtidError> {
        if is_mariadb(text) { text.parse().map(Self::MariaDb) } else { text.parse().map(Self::MySql) }
    }
}

/// Whether the first GTID has MariaDB's form: numbers and two dashes. A UUID has four.
fn is_mariadb(text: &str) -> bool {
    let first = text.split(',').map(str::trim).find(|part| !part.is_empty()).unwrap_or_default();
    first.bytes().filter(|byte| *byte == b'-').count() == 2
        && first.bytes().all(|byte| byte.is_ascii_digit() || byte == b'-')
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const UUID: &str = "11111111-2222-3333-4444-555555555555";

    #[test]
    fn the_text_tells_the_server() {
        assert!(matches!("0-1-42".parse(), Ok(AnyGtid::MariaDb(_))));
        assert!(matches!(format!("{UUID}:1").parse(), Ok(AnyGtid::MySql(_))));
        assert!(matches!("\n0-1-42 , 1-1-1".parse(), Ok(AnyGtidSet::MariaDb(_))));
        for text in [format!(" ,{UUID}:1-2"), format!("{UUID}:tag:1-2"), UUID.to_owned(), String::new()] {
            assert!(matches!(text.parse(), Ok(AnyGtidSet::MySql(_))), "{text}");
        }
        for bad in [format!("0-1-1,{UUID}:1"), format!("{UUID}:1,0-1-1"), "binlog.000001".to_owned(), "0-1-".to_owned()]
        {
            assert!(bad.parse::<AnyGtidSet>().is_err(), "{bad}");
        }
    }

    #[test]
    fn only_an_empty_set_changes_its_server() {
        let (mysql, mariadb): (AnyGtid, AnyGtid) = (format!("{UUID}:7").parse().unwrap(), "0-1-42".parse().unwrap());
        let mut set: AnyGtidSet = "".parse().unwrap();
        assert_eq!(set.add(&mariadb), Ok(()));
        assert_eq!(set.add(&mysql), Err(MixedGtids));
        assert_eq!(set.to_string(), "0-1-42");
        let mut set = AnyGtidSet::from(MariaDbGtidSet::new());
        assert_eq!(set.add(&mysql), Ok(()));
        assert_eq!(set.add(&mariadb), Err(MixedGtids));
        assert_eq!(set.to_string(), format!("{UUID}:7"));
    }

    proptest! {
        #[test]
        fn any_text_is_a_set_or_an_error(text in "\\PC*", digits in "[0-9a-f:, -]{0,20}") {
            let _ = (text.parse::<AnyGtid>(), text.parse::<AnyGtidSet>());
            let _ = (digits.parse::<AnyGtid>(), digits.parse::<AnyGtidSet>());
        }
    }
}
