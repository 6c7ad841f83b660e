//! Where a server is, and as whom we log in: `mysql://user:password@host:port/database`.
//!
//! Not a general URL: a password may have any character as it is, also those that would end the authority elsewhere (`/`, `?`, `#`).

use std::borrow::Cow;
use std::str::FromStr;

use percent_encoding::percent_decode_str;

use crate::proxy::Upstream;

/// A server and an account of it.
#[derive(Clone, PartialEq, Eq)]
pub(in crate::cli) struct ServerUrl {
    pub(in crate::cli) user: String,
    pub(in crate::cli) password: Option<String>,
    pub(in crate::cli) server: Upstream,
    /// The database after the address, if one is named.
    pub(in crate::cli) database: Option<String>,
}

impl ServerUrl {
    /// For settings that choose databases in another way.
    pub(in crate::cli) fn without_database(text: &str) -> Result<Self, String> {
        let url: Self = text.parse()?;
        match url.database {
            None => Ok(url),
            Some(_) => Err(format!("{ACCOUNT}, with nothing after it; databases are chosen with --include 'NAME.*'")),
        }
    }
}

const ACCOUNT: &str = "expected mysql://USER[:PASSWORD]@HOST[:PORT]";
const FORM: &str = "expected mysql://USER[:PASSWORD]@HOST[:PORT][/DATABASE]";

impl std::fmt::Debug for ServerUrl {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "mysql://{}@{}", self.user, self.server)
    }
}

impl FromStr for ServerUrl {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let rest = ["mysql://", "mariadb://"].iter().find_map(|scheme| text.strip_prefix(scheme)).ok_or(FORM)?;
        let rest = rest.strip_suffix('/').unwrap_or(rest);
        let (login, server) = rest.rsplit_once('@').ok_or(FORM)?;
        let (server, database) = match server.split_once('/') {
            Some((server, database)) => (server, Some(database)),
            None => (server, None),
        };
        if server.contains('?') || database.is_some_and(|name| name.is_empty() || name.contains(['/', '?'])) {
            return Err(format!("{FORM}, with nothing after it"));
        }
        let database = database.map(percent_decoded).transpose()?;
        let (user, password) = match login.split_once(':') {
            Some((user, password)) => (user, Some(percent_decoded(password)?)),
            None => (login, None),
        };
        if user.is_empty() || server.is_empty() {
            return Err(FORM.into());
        }
        let server = server.parse().map_err(|error| format!("{FORM}; after the @: {error}"))?;
        Ok(Self { user: percent_decoded(user)?, password, server, database })
    }
}

fn percent_decoded(text: &str) -> Result<String, String> {
    // Left as it is, it would be part of another password than the one that was meant.
    let is_escape =
        |rest: &str| rest.as_bytes().get(..2).is_some_and(|digits| digits.iter().all(u8::is_ascii_hexdigit));
    if !text.split('%').skip(1).all(is_escape) {
        return Err("a % in the URL is not followed by two hexadecimal digits".into());
    }
    percent_decode_str(text).decode_utf8().map(Cow::into_owned).map_err(|_| "the URL is not UTF-8".into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn urls_may_hold_anything_that_is_escaped() {
        let url: ServerUrl = "mysql://us%40er:p%3a%2F@[::1]:3307".parse().unwrap();
        assert_eq!(
            (url.user.as_str(), url.password.as_deref(), url.server.host.as_str(), url.server.port),
            ("us@er", Some("p:/"), "::1", 3307)
        );
        let url: ServerUrl = "mysql://root@db".parse().unwrap();
        assert_eq!((url.password, url.server.port), (None, 3306));
        let url: ServerUrl = "mysql://u:a/b?c#d@e@db".parse().unwrap();
        assert_eq!((url.password.as_deref(), url.server.host.as_str()), (Some("a/b?c#d@e"), "db"));
        for wrong in [
            "mysql://u:%+f@h",
            "mysql://u:%ff@h",
            "mysql://u:p%@h",
            "db:3306",
            "mysql://db",
            "mysql://@db",
            "mysql://u@",
            "mysql://u@h:x",
            "mysql://u:%zz@h",
            "mysql://u@h/a/b",
            "mysql://u@h/db?tls",
            "mysql://u@h:1?tls",
        ] {
            assert!(wrong.parse::<ServerUrl>().is_err(), "{wrong}");
        }
    }

    #[test]
    fn a_database_is_named_where_there_is_a_place_for_it() {
        let url: ServerUrl = "mysql://u:a/b@db:3307/shop%2Fone".parse().unwrap();
        assert_eq!((url.password.as_deref(), url.database.as_deref()), (Some("a/b"), Some("shop/one")));
        assert_eq!("mysql://u@db/".parse::<ServerUrl>().unwrap().database, None);
        assert!(ServerUrl::without_database("mysql://u@db/shop").unwrap_err().contains("--include"));
        assert_eq!(format!("{url:?}"), "mysql://u@db:3307");
    }
}
