//! Where sessions are played, and as whom.

use std::time::Duration;

use super::account::Account;
use super::error::PlayError;
use super::user_map::UserMap;
use crate::client::{Endpoint, TlsOptions};

/// The accounts with which recorded users log in.
#[derive(Debug, Clone, Default)]
pub struct Accounts {
    map: UserMap,
    others: Option<Account>,
}

impl Accounts {
    /// The same account for everybody.
    pub fn one(user: &str, password: &str) -> Self {
        let others = Some(Account { user: user.to_owned(), password: password.to_owned() });
        Self { map: UserMap::default(), others }
    }

    /// Those of the map, and for users who are not in it the account for everybody, if there is one.
    #[must_use]
    pub fn with_map(mut self, map: UserMap) -> Self {
        self.map = map;
        self
    }

    /// The account of a recorded user.
    pub fn of(&self, recorded: Option<&str>) -> Option<&Account> {
        recorded.and_then(|user| self.map.get(user)).or(self.others.as_ref())
    }
}

/// A server on which sessions are played.
#[derive(Debug, Clone)]
pub struct Target {
    endpoint: Endpoint,
    accounts: Accounts,
}

impl Target {
    /// Reads certificates, if `tls` names some; the error says what is wrong with them. `connect_timeout` is for connecting and logging in.
    pub fn new(
        host: &str,
        port: u16,
        tls: TlsOptions,
        connect_timeout: Duration,
        accounts: Accounts,
    ) -> Result<Self, String> {
        Ok(Self { endpoint: Endpoint::new(host, port, tls, connect_timeout)?, accounts })
    }

    /// Host and port.
    pub fn address(&self) -> String {
        self.endpoint.address()
    }

    pub(super) fn endpoint(&self) -> &Endpoint {
        &self.endpoint
    }

    /// The account of a recorded user.
    pub fn account(&self, recorded: Option<&str>) -> Result<&Account, PlayError> {
        let missing = || PlayError::NoAccount { user: recorded.unwrap_or_default().to_owned() };
        self.accounts.of(recorded).ok_or_else(missing)
    }
}
