//! Where the source is: `mysql://user:password@host:port`.

use std::net::Ipv6Addr;
use std::str::FromStr;

#[derive(Clone)]
pub(super) struct SourceUrl {
    pub(super) user: String,
    pub(super) password: Option<String>,
    pub(super) host: String,
    pub(super) port: u16,
}

impl std::fmt::Debug for SourceUrl {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "mysql://{}@{}:{}", self.user, self.host, self.port)
    }
}

impl FromStr for SourceUrl {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        const FORM: &str = "expected mysql://USER[:PASSWORD]@HOST[:PORT]";
        let rest = ["mysql://", "mariadb://"].iter().find_map(|scheme| text.strip_prefix(scheme)).ok_or(FORM)?;
        let rest = rest.strip_suffix('/').unwrap_or(rest);
        let (login, place) = rest.rsplit_once('@').ok_or(FORM)?;
        if place.contains(['/', '?']) {
            return Err(format!("{FORM}, with nothing after it; databases are chosen with --include 'NAME.*'"));
        }
        let (user, password) = match login.split_once(':') {
            Some((user, password)) => (user, Some(percent_decoded(password)?)),
            None => (login, None),
        };
        let (host, port) = match place.strip_prefix('[').and_then(|place| place.split_once(']')) {
            Some((host, port)) => {
                host.parse::<Ipv6Addr>().map_err(|_| format!("'{host}' is no IPv6 address"))?;
                (host, port.strip_prefix(':'))
            }
            None => place.split_once(':').map_or((place, None), |(host, port)| (host, Some(port))),
        };
        let port =
            port.map_or(Ok(3306), |port| port.parse().map_err(|_| format!("{FORM}, and '{port}' is no port")))?;
        if user.is_empty() || host.is_empty() {
            return Err(FORM.into());
        }
        Ok(Self { user: percent_decoded(user)?, password, host: host.to_owned(), port })
    }
}

fn percent_decoded(text: &str) -> Result<String, String> {
    let mut bytes = Vec::new();
    let mut rest = text.as_bytes();
    while let Some((byte, tail)) = rest.split_first() {
        rest = tail;
        if *byte != b'%' {
            bytes.push(*byte);
            continue;
        }
        let digits = tail.get(..2).and_then(|digits| std::str::from_utf8(digits).ok());
        let value = digits.and_then(|digits| u8::from_str_radix(digits, 16).ok());
        bytes.push(value.ok_or("a % in the URL is not followed by two hexadecimal digits")?);
        rest = tail.get(2..).unwrap_or_default();
    }
    String::from_utf8(bytes).map_err(|_| "the URL is not UTF-8".into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn urls_may_hold_anything_that_is_escaped() {
        let url: SourceUrl = "mysql://us%40er:p%3a%2F@[::1]:3307".parse().unwrap();
        assert_eq!(
            (url.user.as_str(), url.password.as_deref(), url.host.as_str(), url.port),
            ("us@er", Some("p:/"), "::1", 3307)
        );
        let url: SourceUrl = "mysql://root@db".parse().unwrap();
        assert_eq!((url.password, url.port), (None, 3306));
        for wrong in [
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
