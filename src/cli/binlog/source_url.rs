//! Where the source is: `mysql://user:password@host:port`.
//!
//! Not a general URL: a password may have any character as it is, also those that would end the authority elsewhere (`/`, `?`, `#`).

use std::borrow::Cow;
use std::str::FromStr;

use percent_encoding::percent_decode_str;

use crate::proxy::Upstream;

#[derive(Clone)]
pub(super) struct SourceUrl {
    pub(super) user: String,
    pub(super) password: Option<String>,
    pub(super) server: Upstream,
}

impl std::fmt::Debug for SourceUrl {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "mysql://{}@{}", self.user, self.server)
    }
}

impl FromStr for SourceUrl {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        const FORM: &str = "expected mysql://USER[:PASSWORD]@HOST[:PORT]";
        let rest = ["mysql://", "mariadb://"].iter().find_map(|scheme| text.strip_prefix(scheme)).ok_or(FORM)?;
        let rest = rest.strip_suffix('/').unwrap_or(rest);
        let (login, server) = rest.rsplit_once('@').ok_or(FORM)?;
        if server.contains(['/', '?']) {
            return Err(format!("{FORM}, with nothing after it; databases are chosen with --include 'NAME.*'"));
        }
        let (user, password) = match login.split_once(':') {
            Some((user, password)) => (user, Some(percent_decoded(password)?)),
            None => (login, None),
        };
        if user.is_empty() || server.is_empty() {
            return Err(FORM.into());
        }
        let server = server.parse().map_err(|error| format!("{FORM}; after the @: {error}"))?;
        Ok(Self { user: percent_decoded(user)?, password, server })
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
        let url: SourceUrl = "mysql://us%40er:p%3a%2F@[::1]:3307".parse().unwrap();
        assert_eq!(
            (url.user.as_str(), url.password.as_deref(), url.server.host.as_str(), url.server.port),
            ("us@er", Some("p:/"), "::1", 3307)
        );
        let url: SourceUrl = "mysql://root@db".parse().unwrap();
        assert_eq!((url.password, url.server.port), (None, 3306));
        let url: SourceUrl = "mysql://u:a/b?c#d@e@db".parse().unwrap();
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
            "mysql://u@h/db",
            "mysql://u@h:1?tls",
        ] {
            assert!(wrong.parse::<SourceUrl>().is_err(), "{wrong}");
        }
    }
}
