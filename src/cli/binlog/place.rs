//! `--from` and `--until` as they are written.

use std::str::FromStr;

use crate::binlog::event::position::Position;
use crate::binlog::gtid::{AnyGtid, AnyGtidSet};
use crate::binlog::{From, Until};

#[derive(Debug, Clone)]
pub(super) struct FromPlace(pub(super) From);

impl FromStr for FromPlace {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        Ok(Self(match text {
            "now" => From::Now,
            "oldest" => From::Oldest,
            "checkpoint" => From::Checkpoint,
            _ => match (seconds(text), text.parse::<AnyGtidSet>(), position(text)) {
                (Some(seconds), ..) => From::Timestamp(seconds),
                (_, Ok(gtids), _) if gtids.is_empty() => {
                    return Err("a GTID set with no GTID in it; all that is there is oldest".into());
                }
                (_, Ok(gtids), _) => From::Gtids(gtids),
                (.., Some(position)) => From::Position(position),
                _ => {
                    return Err("expected now, oldest, checkpoint, FILE:POS, GTIDs, or a date and time".into());
                }
            },
        }))
    }
}

#[derive(Debug, Clone)]
pub(super) struct UntilPlace(pub(super) Until);

impl FromStr for UntilPlace {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        Ok(Self(match text {
            "now" => Until::Now,
            "never" => Until::Never,
            _ => match (seconds(text), text.parse::<AnyGtid>(), position(text)) {
                (Some(seconds), ..) => Until::Timestamp(seconds),
                (_, Ok(gtid), _) => Until::Gtid(gtid),
                (.., Some(position)) => Until::Position(position),
                _ => return Err("expected now, never, FILE:POS, a GTID, or a date and time".into()),
            },
        }))
    }
}

/// `binlog.000002:1234`
fn position(text: &str) -> Option<Position> {
    let (file, offset) = text.rsplit_once(':')?;
    let offset = offset.parse().ok()?;
    (!file.is_empty() && !file.contains([':', ','])).then(|| Position { file: file.to_owned(), offset })
}

/// Seconds since 1970, or a date and time: where it names no zone, in this machine's, as mysqlbinlog has it.
fn seconds(text: &str) -> Option<u32> {
    seconds_in(text, jiff::tz::TimeZone::system())
}

fn seconds_in(text: &str, zone: jiff::tz::TimeZone) -> Option<u32> {
    if let Ok(seconds) = text.parse() {
        return Some(seconds);
    }
    let seconds = match text.parse::<jiff::Timestamp>() {
        Ok(time) => time.as_second(),
        Err(_) => text.parse::<jiff::civil::DateTime>().ok()?.to_zoned(zone).ok()?.timestamp().as_second(),
    };
    u32::try_from(seconds).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_are_told_apart() {
        let from = |text: &str| text.parse::<FromPlace>().map(|place| place.0);
        assert_eq!(
            from("binlog.000002:1234"),
            Ok(From::Position(Position { file: "binlog.000002".into(), offset: 1234 }))
        );
        assert_eq!(from("1795260000"), Ok(From::Timestamp(1_795_260_000)));
        assert_eq!(from("2026-11-21T12:00:00Z"), Ok(From::Timestamp(1_795_262_400)));
        let tokyo = jiff::tz::TimeZone::fixed(jiff::tz::offset(9));
        assert_eq!(seconds_in("2026-11-21 21:00:00", tokyo.clone()), Some(1_795_262_400));
        assert_eq!(seconds_in("2026-11-21T12:00:00Z", tokyo), Some(1_795_262_400));
        assert!(matches!(from("3e11fa47-71ca-11e1-9e33-c80aa9429562:1-5:7"), Ok(From::Gtids(AnyGtidSet::MySql(_)))));
        assert!(matches!(from("0-1-42,1-2-3"), Ok(From::Gtids(AnyGtidSet::MariaDb(_)))));
        for empty in ["", " ", "3e11fa47-71ca-11e1-9e33-c80aa9429562:5-3"] {
            assert!(from(empty).is_err(), "{empty}");
        }
        assert!(from("yesterday").is_err() && from("binlog.000002:").is_err());
    }
}
