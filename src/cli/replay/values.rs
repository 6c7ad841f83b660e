//! Values that only `replay` takes.

use std::str::FromStr;
use std::time::Duration;

use jiff::Timestamp;

use crate::settings::duration;

/// In front of a topic's name.
pub(super) const KAFKA: &str = "kafka:";

/// `--speed`: a factor, or as fast as the target can.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Speed {
    Times(f64),
    Max,
}

impl FromStr for Speed {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if text.eq_ignore_ascii_case("max") {
            return Ok(Self::Max);
        }
        let factor = text.parse::<f64>().ok().filter(|factor| factor.is_finite() && *factor > 0.0);
        factor.map(Self::Times).ok_or_else(|| "it is a factor such as 1, 2, 0.5 or 10, or max".to_owned())
    }
}

impl Speed {
    /// What is left of recorded times, in percent.
    pub(super) fn percent(self) -> f64 {
        match self {
            Self::Times(factor) => 100.0 / factor,
            Self::Max => 0.0,
        }
    }
}

/// A percentage from 0 on.
pub(super) fn percent(text: &str) -> Result<f64, String> {
    let number = text.strip_suffix('%').unwrap_or(text).trim().parse::<f64>().ok();
    let number = number.filter(|number| number.is_finite() && *number >= 0.0);
    number.ok_or_else(|| "it is a percentage such as 0, 50 or 100".to_owned())
}

/// A place in a recording.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum FromOrTo {
    /// So long after its beginning.
    After(Duration),
    /// At this time, in milliseconds since 1970.
    At(i64),
}

impl FromStr for FromOrTo {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if let Ok(after) = duration(text) {
            return Ok(Self::After(after));
        }
        let at = text.parse::<Timestamp>();
        at.map(|at| Self::At(at.as_millisecond())).map_err(|_| {
            "it is a time from the recording's beginning, such as 90, 10m or 1h, or a date and time with its zone, such as \
             2026-11-27T13:00:00Z"
                .to_owned()
        })
    }
}

/// `--from`: a place, or where the recording is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum From {
    Place(FromOrTo),
    Topic(String),
}

impl FromStr for From {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text.strip_prefix(KAFKA) {
            Some("") => Err("the topic's name is missing".to_owned()),
            Some(topic) => Ok(Self::Topic(topic.to_owned())),
            None => text.parse().map(Self::Place),
        }
    }
}

impl From {
    /// Where to begin, if that is what it says.
    pub(super) fn place(&self) -> Option<FromOrTo> {
        match self {
            Self::Place(place) => Some(*place),
            Self::Topic(_) => None,
        }
    }
}

impl FromOrTo {
    /// Nanoseconds from the beginning of a recording that began then; 0 for what is before.
    pub(super) fn nanoseconds(self, recording_began_ms: u64) -> u64 {
        let after = match self {
            Self::After(after) => after,
            Self::At(at) => Duration::from_millis(u64::try_from(at).unwrap_or(0).saturating_sub(recording_began_ms)),
        };
        u64::try_from(after.as_nanos()).unwrap_or(u64::MAX)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn speeds() {
        let percent_of = |text: &str| text.parse::<Speed>().map(Speed::percent);
        assert_eq!((percent_of("1"), percent_of("10"), percent_of("MAX")), (Ok(100.0), Ok(10.0), Ok(0.0)));
        assert_eq!(percent_of("0.5"), Ok(200.0));
        for wrong in ["0", "-1", "fast", "inf", "nan", ""] {
            assert!(percent_of(wrong).is_err(), "{wrong}");
        }
        assert_eq!((percent("50%"), percent("0")), (Ok(50.0), Ok(0.0)));
        assert!(percent("-1").is_err() && percent("inf").is_err());
    }

    #[test]
    fn places() {
        let place = |text: &str| text.parse::<FromOrTo>().map(|place| place.nanoseconds(1_000));
        assert_eq!(place("10m"), Ok(600_000_000_000));
        assert_eq!(place("1970-01-01T00:00:03Z"), Ok(2_000_000_000));
        assert_eq!(place("1970-01-01T00:00:00Z"), Ok(0));
        assert!(place("yesterday").is_err());
        let from = |text: &str| text.parse::<From>();
        assert_eq!(from("kafka:t"), Ok(From::Topic("t".to_owned())));
        assert_eq!(from("10m").map(|from| from.place().is_some()), Ok(true));
        assert!(from("kafka:").is_err() && from("t").is_err());
    }
}
