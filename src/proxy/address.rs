//! The address of the database server.

use std::fmt;
use std::net::Ipv6Addr;
use std::str::FromStr;

/// The port of MySQL and MariaDB if none is given.
const DEFAULT_PORT: u16 = 3306;

/// The database server's host and port; displayed as `host:port`, with IPv6 addresses in brackets.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Upstream {
    /// A host name or an address, without brackets.
    pub host: String,
    /// The TCP port.
    pub port: u16,
}

impl fmt::Display for Upstream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.host.contains(':') {
            write!(f, "[{}]:{}", self.host, self.port)
        } else {
            write!(f, "{}:{}", self.host, self.port)
        }
    }
}

impl FromStr for Upstream {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let expected = || "expected HOST, HOST:PORT or [IPV6]:PORT".to_owned();
        let (host, port) = if let Some(rest) = text.strip_prefix('[') {
            let (host, rest) = rest.split_once(']').ok_or_else(expected)?;
            host.parse::<Ipv6Addr>().map_err(|_| format!("[{host}] is not an IPv6 address"))?;
            match rest {
                "" => (host, None),
                rest => (host, Some(rest.strip_prefix(':').ok_or_else(expected)?)),
            }
        } else if text.parse::<Ipv6Addr>().is_ok() {
            (text, None)
        } else {
            match text.split_once(':') {
                Some((host, port)) => (host, Some(port)),
                None => (text, None),
            }
        };
        if host.is_empty() || host.contains(['/', ' ', '@']) {
            return Err(expected());
        }
        let port = match port {
            None => DEFAULT_PORT,
            Some(port) => match port.parse() {
                Ok(port) if port > 0 => port,
                _ => {
                    return Err(format!("the port must be a number from 1 to 65535, not {port:?}"));
                }
            },
        };
        Ok(Self { host: host.to_owned(), port })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_understood_and_shown() {
        for (text, shown) in [
            ("db", "db:3306"),
            ("db.example:13306", "db.example:13306"),
            ("127.0.0.1", "127.0.0.1:3306"),
            ("[::1]:3307", "[::1]:3307"),
            ("[::1]", "[::1]:3306"),
            ("::1", "[::1]:3306"),
        ] {
            assert_eq!(text.parse::<Upstream>().map(|upstream| upstream.to_string()), Ok(shown.to_owned()));
        }
    }

    #[test]
    fn nonsense_is_refused() {
        for text in
            ["", ":3306", "db:", "db:0", "db:99999", "db:x", "[::1", "[::1]3306", "[db]:1", "mysql://db", "a:1:2"]
        {
            assert!(text.parse::<Upstream>().is_err(), "{text}");
        }
    }
}
