//! MariaDB's GTID, and a replica's position made of them.

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;

use super::text::{ParseGtidError, Scanner};

/// The name of one MariaDB transaction: `0-1-42`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct MariaDbGtid {
    /// `gtid_domain_id`: one for each stream of transactions with an order of its own.
    pub domain: u32,
    /// `server_id` of the server that made the transaction.
    pub server: u32,
    /// The number within the domain.
    pub sequence: u64,
}

impl MariaDbGtid {
    /// Appends the text that `Display` gives, faster.
    pub fn append_text(&self, out: &mut Vec<u8>) {
        let mut digits = itoa::Buffer::new();
        out.extend_from_slice(digits.format(self.domain).as_bytes());
        out.push(b'-');
        out.extend_from_slice(digits.format(self.server).as_bytes());
        out.push(b'-');
        out.extend_from_slice(digits.format(self.sequence).as_bytes());
    }

    fn scan(scanner: &mut Scanner<'_>) -> Result<Self, ParseGtidError> {
        let mut small = || {
            let number = scanner.number(u64::from(u32::MAX))?;
            if scanner.take(b'-') { Ok(number as u32) } else { Err(scanner.error("expected '-'")) }
        };
        let (domain, server) = (small()?, small()?);
        Ok(Self { domain, server, sequence: scanner.number(u64::MAX)? })
    }
}

impl fmt::Display for MariaDbGtid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}-{}", self.domain, self.server, self.sequence)
    }
}

impl FromStr for MariaDbGtid {
    type Err = ParseGtidError;

    fn from_str(text: &str) -> Result<Self, ParseGtidError> {
        let mut scanner = Scanner::new(text);
        scanner.skip_space();
        let gtid = Self::scan(&mut scanner)?;
        scanner.end()?;
        Ok(gtid)
    }
}

/// A position in MariaDB's replication: the last transaction of each domain, as `@@gtid_slave_pos` and
/// `@@gtid_binlog_pos` have it.
///
/// `@@gtid_binlog_state` and [`parse_gtid_list`](super::parse_gtid_list) may have several servers per domain, and are
/// no positions. A list in the order of the event becomes one by adding all of it: a domain's last transaction comes last.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct MariaDbGtidSet {
    domains: BTreeMap<u32, MariaDbGtid>,
}

impl MariaDbGtidSet {
    /// The position before all transactions.
    pub fn new() -> Self {
        Self::default()
    }

    /// Whether it has no domain.
    pub fn is_empty(&self) -> bool {
        self.domains.is_empty()
    }

    /// Makes `gtid` the last transaction of its domain, whatever the numbers are: without `gtid_strict_mode` a server
    /// may go back.
    pub fn add(&mut self, gtid: &MariaDbGtid) {
        self.domains.insert(gtid.domain, *gtid);
    }

    /// The last transaction of each domain, ascending by domain.
    pub fn iter(&self) -> impl Iterator<Item = &MariaDbGtid> {
        self.domains.values()
    }
}

impl Extend<MariaDbGtid> for MariaDbGtidSet {
    fn extend<I: IntoIterator<Item = MariaDbGtid>>(&mut self, gtids: I) {
        gtids.into_iter().for_each(|gtid| self.add(&gtid));
    }
}

impl FromIterator<MariaDbGtid> for MariaDbGtidSet {
    fn from_iter<I: IntoIterator<Item = MariaDbGtid>>(gtids: I) -> Self {
        let mut set = Self::new();
        set.extend(gtids);
        set
    }
}

impl fmt::Display for MariaDbGtidSet {
    /// `0-1-42,1-1-7`: the form that the server takes as `@slave_connect_state`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (at, gtid) in self.iter().enumerate() {
            write!(f, "{}{gtid}", if at > 0 { "," } else { "" })?;
        }
        Ok(())
    }
}

impl FromStr for MariaDbGtidSet {
    type Err = ParseGtidError;

    /// Besides what the server takes: white space around each GTID. A domain that occurs twice is an error, as it is for
    /// the server: nothing tells which of the two came last.
    fn from_str(text: &str) -> Result<Self, ParseGtidError> {
        let mut set = Self::new();
        let mut scanner = Scanner::new(text);
        scanner.skip_space();
        if scanner.peek().is_none() {
            return Ok(set);
        }
        loop {
            scanner.skip_space();
            let twice = scanner.error("a domain that occurred before");
            let gtid = MariaDbGtid::scan(&mut scanner)?;
            if set.domains.insert(gtid.domain, gtid).is_some() {
                return Err(twice);
            }
            scanner.skip_space();
            if !scanner.take(b',') {
                scanner.end()?;
                return Ok(set);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn text_of_gtids() {
        for text in ["0-1-42", "0-0-0", "4294967295-4294967295-18446744073709551615"] {
            let gtid: MariaDbGtid = text.parse().unwrap();
            assert_eq!(gtid.to_string(), text);
            let mut out = Vec::new();
            gtid.append_text(&mut out);
            assert_eq!(out, text.as_bytes());
        }
        for bad in [
            "",
            "0",
            "0-1",
            "0-1-",
            "0-1-2-3",
            "4294967296-1-1",
            "0-1-18446744073709551616",
            "0 - 1-2",
            "-1-1-1",
            "a-1-1",
        ] {
            assert!(bad.parse::<MariaDbGtid>().is_err(), "{bad}");
        }
    }

    #[test]
    fn a_position_has_the_last_of_each_domain() {
        // As MariaDB 10.11 printed @@gtid_slave_pos after it was set to "5-1-2,3-1-9".
        let mut set: MariaDbGtidSet = "5-1-2,3-1-9".parse().unwrap();
        assert_eq!(set.to_string(), "3-1-9,5-1-2");
        set.add(&"5-2-1".parse().unwrap());
        set.add(&"0-1-1".parse().unwrap());
        assert_eq!(set.to_string(), "0-1-1,3-1-9,5-2-1");
        assert_eq!(" 0-1-1 ,\n3-1-9, 5-2-1\n".parse(), Ok(set));
        assert_eq!(" ".parse(), Ok(MariaDbGtidSet::new()));
        assert!(MariaDbGtidSet::new().is_empty() && MariaDbGtidSet::new().to_string().is_empty());
        // Refused by the server too; the first with "conflict (duplicate domain id 0)".
        assert_eq!(
            "0-1-1,0-2-3".parse::<MariaDbGtidSet>().unwrap_err().to_string(),
            "a domain that occurred before at character 7"
        );
        assert!([",", "0-1-2,", "0-1-2 1-1-2"].iter().all(|bad| bad.parse::<MariaDbGtidSet>().is_err()));
    }

    proptest! {
        #[test]
        fn text_round_trips(gtids in prop::collection::vec((0_u32..5, any::<u32>(), any::<u64>()), 0..8)) {
            let set: MariaDbGtidSet = gtids.iter().map(|&(domain, server, sequence)| MariaDbGtid { domain, server, sequence }).collect();
            prop_assert_eq!(set.to_string().parse::<MariaDbGtidSet>().unwrap(), set);
        }

        #[test]
        fn any_text_is_a_position_or_an_error(text in "\\PC*", digits in "[0-9, -]{0,20}") {
            let _ = text.parse::<MariaDbGtidSet>();
            let _ = digits.parse::<MariaDbGtidSet>();
        }
    }
}
