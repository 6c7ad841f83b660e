//! Parsers of single values, shared by flags, variables and the file.

use std::net::{SocketAddr, ToSocketAddrs};
use std::time::Duration;

/// `true`, `1`, `yes`, `on` and their opposites, in any case.
pub(crate) fn boolean(text: &str) -> Result<bool, String> {
    match text.trim().to_ascii_lowercase().as_str() {
        "true" | "1" | "yes" | "on" => Ok(true),
        "false" | "0" | "no" | "off" => Ok(false),
        _ => Err("expected true or false (also 1/0, yes/no, on/off)".to_owned()),
    }
}

/// Seconds (`30`, `0.5`) or a number with `ms`, `s`, `m`, `h` or `d`.
pub(crate) fn duration(text: &str) -> Result<Duration, String> {
    let expected = || "expected seconds, or a number with a unit such as 500ms, 30s, 10m, 1h, 7d".to_owned();
    let (number, unit) = number_and_unit(text).ok_or_else(expected)?;
    let seconds = match unit.to_ascii_lowercase().as_str() {
        "ms" => number / 1000.0,
        "" | "s" => number,
        "m" | "min" => number * 60.0,
        "h" => number * 3600.0,
        "d" => number * 86_400.0,
        _ => return Err(expected()),
    };
    // Ten years are forever, and leave room to add the duration to an instant.
    Duration::try_from_secs_f64(seconds)
        .ok()
        .filter(|duration| *duration <= Duration::from_secs(3650 * 86_400))
        .ok_or_else(|| "longer than ten years".to_owned())
}

/// A number of seconds, without a unit, for what must happen now and then.
pub(crate) fn number_of_seconds(text: &str) -> Result<Duration, String> {
    let expected = "expected a number of seconds above 0 and below 86400";
    match text.trim().parse::<f64>() {
        Ok(seconds) if seconds > 0.0 && seconds < 86_400.0 => Ok(Duration::from_secs_f64(seconds)),
        _ => Err(expected.to_owned()),
    }
}

/// Bytes, or a number with `kB`, `MB`, `GB` (powers of 1000) or `KiB`, `MiB`, `GiB` (powers of 1024; also `K`, `M`, `G`).
pub(crate) fn size(text: &str) -> Result<u64, String> {
    let expected = || "expected bytes, or a number with a unit such as 500MB, 256MiB, 1GiB".to_owned();
    let (number, unit) = number_and_unit(text).ok_or_else(expected)?;
    let factor: u64 = match unit.to_ascii_lowercase().as_str() {
        "" | "b" => 1,
        "kb" => 1000,
        "mb" => 1_000_000,
        "gb" => 1_000_000_000,
        "tb" => 1_000_000_000_000,
        "k" | "kib" => 1 << 10,
        "m" | "mib" => 1 << 20,
        "g" | "gib" => 1 << 30,
        "t" | "tib" => 1 << 40,
        _ => return Err(expected()),
    };
    let bytes = number * factor as f64;
    if bytes > (1_u64 << 53) as f64 {
        return Err("more than any disk holds".to_owned());
    }
    Ok(bytes as u64)
}

/// A size that an allocation on this machine could have.
pub(crate) fn memory_size(text: &str) -> Result<usize, String> {
    usize::try_from(size(text)?).map_err(|_| "more than this machine can address".to_owned())
}

/// A part of a whole, from 0 to 1.
pub(crate) fn share(text: &str) -> Result<f64, String> {
    match text.trim().parse() {
        Ok(share) if (0.0..=1.0).contains(&share) => Ok(share),
        _ => Err("expected a number from 0 to 1, such as 0.1".to_owned()),
    }
}

/// A count of at least one.
pub(crate) fn positive(text: &str) -> Result<usize, String> {
    match text.trim().parse() {
        Ok(0) | Err(_) => Err("expected a whole number of at least 1".to_owned()),
        Ok(number) => Ok(number),
    }
}

/// A name that Kafka accepts for a topic (org.apache.kafka.common.internals.Topic).
pub(crate) fn topic(text: &str) -> Result<String, String> {
    let legal = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-');
    if text.is_empty() || text.len() > 249 || text == "." || text == ".." || !text.chars().all(legal) {
        return Err("a topic name has 1 to 249 of the characters a-z A-Z 0-9 . _ -".to_owned());
    }
    Ok(text.to_owned())
}

/// A name of a running program: what every record carries should be short, and readable wherever it is shown.
pub(crate) fn instance(text: &str) -> Result<String, String> {
    if text.is_empty() || text.len() > 100 || text.contains(|c: char| c.is_whitespace() || c.is_control()) {
        return Err("an instance's name has 1 to 100 bytes, without spaces".to_owned());
    }
    Ok(text.to_owned())
}

/// Brokers as librdkafka takes them, comma-separated. It would take anything for a name, and never find it.
pub(crate) fn brokers(text: &str) -> Result<String, String> {
    for broker in text.split(',').map(str::trim).filter(|broker| !broker.is_empty()) {
        // `SASL_SSL://host:port` is allowed too.
        let address = broker.split_once("://").map_or(broker, |(_, address)| address);
        let (host, port) = match address.rsplit_once(':') {
            Some((host, port)) if !host.ends_with(':') && (!host.contains(':') || host.starts_with('[')) => {
                (host, Some(port))
            }
            _ => (address, None),
        };
        let wrong = |reason: &str| Err(format!("{broker:?} {reason}; expected HOST:PORT, comma-separated"));
        match port.map(str::parse::<u16>) {
            None => return wrong("has no port"),
            Some(Ok(0) | Err(_)) => return wrong("has a port that is not a number from 1 to 65535"),
            Some(Ok(_)) if host.is_empty() || host.contains(['/', ' ', '@', '=']) => return wrong("has no host"),
            Some(Ok(_)) => {}
        }
    }
    Ok(text.to_owned())
}

/// Splits `1.5GiB` into `1.5` and `GiB`.
fn number_and_unit(text: &str) -> Option<(f64, &str)> {
    let text = text.trim();
    let digits = text.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(text.len());
    let (number, unit) = text.split_at(digits);
    Some((number.parse().ok()?, unit.trim_start()))
}

/// `ADDRESS:PORT`, the address a number or a name of this host.
pub(crate) fn listen_address(text: &str) -> Result<SocketAddr, String> {
    if let Ok(address) = text.parse() {
        return Ok(address);
    }
    let wanted = "expected an address and a port, such as 127.0.0.1:3307, [::]:3307 or localhost:3307";
    let mut addresses = text.to_socket_addrs().map_err(|error| format!("{error}; {wanted}"))?;
    addresses.next().ok_or_else(|| wanted.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn booleans() {
        assert_eq!(boolean("YES"), Ok(true));
        assert_eq!(boolean("0"), Ok(false));
        assert!(boolean("2").is_err());
        assert!(boolean("").is_err());
    }

    #[test]
    fn durations() {
        assert_eq!(duration("0.5"), Ok(Duration::from_millis(500)));
        assert_eq!(duration("10m"), Ok(Duration::from_secs(600)));
        assert_eq!(duration("1 h"), Ok(Duration::from_secs(3600)));
        assert_eq!(duration("250ms"), Ok(Duration::from_millis(250)));
        for text in ["", "-1", "1w", "m", "1e9", "99999999999d", "nan", "1.2.3"] {
            assert!(duration(text).is_err(), "{text}");
        }
    }

    #[test]
    fn names_of_instances_are_short_words() {
        assert_eq!(instance("shop/web-1"), Ok("shop/web-1".to_owned()));
        for text in ["", "a b", "a\n", &"x".repeat(101)] {
            assert!(instance(text).is_err(), "{text}");
        }
    }

    #[test]
    fn sizes() {
        assert_eq!(size("500MB"), Ok(500_000_000));
        assert_eq!(size("1GiB"), Ok(1 << 30));
        assert_eq!(size("1.5k"), Ok(1536));
        assert_eq!(size("0"), Ok(0));
        for text in ["", "x", "1XB", "-5", "99999999999TiB"] {
            assert!(size(text).is_err(), "{text}");
        }
    }

    #[test]
    fn topics() {
        assert!(topic("MYSQL_EVENTS").is_ok());
        for text in ["", "..", "a b", "ü", &"x".repeat(250)] {
            assert!(topic(text).is_err(), "{text}");
        }
    }

    #[test]
    fn brokers_have_a_host_and_a_port() {
        for text in ["", "k:9092", "k-1:9092, 10.0.0.1:9093", "[::1]:9092", "SASL_SSL://k.example:9093"] {
            assert!(brokers(text).is_ok(), "{text}");
        }
        for (text, reason) in [
            ("kafka", "no port"),
            ("k:9092,other", "\"other\" has no port"),
            ("k:", "not a number"),
            ("k:0", "not a number"),
            ("k:65536", "not a number"),
            (":9092", "no host"),
            ("::1", "no port"),
            ("mysql://app@k:1", "no host"),
        ] {
            assert!(brokers(text).unwrap_err().contains(reason), "{text}: {:?}", brokers(text));
        }
    }
}
