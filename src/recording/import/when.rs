//! Times of logs.

use jiff::Timestamp;
use jiff::civil::{Date, DateTime, Time};
use jiff::tz::{Offset, TimeZone};

const NANOS: u64 = 1_000_000_000;
/// Zones are offset by whole quarters of an hour.
const QUARTER_S: i64 = 15 * 60;
/// How far the clock of a log's line and the timestamp of its statement may be apart, for a zone to be read from them.
const SLACK_S: i64 = 60;

/// In which zone a log's times are that name none.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum LogZone {
    /// What the log itself shows (a slow log has both local times and timestamps), and else this machine's.
    #[default]
    Found,
    /// This one.
    Given(TimeZone),
}

/// Reads a log's times; without a zone they are in the one that is found or given.
#[derive(Debug, Clone)]
pub(super) struct Clock {
    zone: TimeZone,
    is_fixed: bool,
}

/// A time as a log has it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Stamp {
    /// Nanoseconds since 1970.
    Exact(u64),
    /// In a zone that is not named.
    Local(DateTime),
}

impl Clock {
    pub(super) fn new(zone: &LogZone) -> Self {
        match zone {
            LogZone::Found => Self { zone: TimeZone::system(), is_fixed: false },
            LogZone::Given(zone) => Self { zone: zone.clone(), is_fixed: true },
        }
    }

    /// Nanoseconds since 1970.
    pub(super) fn ns(&self, stamp: Stamp) -> u64 {
        match stamp {
            Stamp::Exact(ns) => ns,
            Stamp::Local(time) => {
                self.zone.to_ambiguous_zoned(time).compatible().map_or(0, |zoned| unix_ns(zoned.timestamp()))
            }
        }
    }

    /// Notes that a line's time and a timestamp of the same instant were seen: what they differ in is the zone.
    pub(super) fn compare(&mut self, stamp: Stamp, epoch_s: i64) {
        let Stamp::Local(time) = stamp else { return };
        if self.is_fixed {
            return;
        }
        let Ok(as_utc) = time.to_zoned(TimeZone::UTC) else { return };
        let difference = as_utc.timestamp().as_second().saturating_sub(epoch_s);
        let quarters = difference.saturating_add(QUARTER_S / 2).div_euclid(QUARTER_S);
        let offset = quarters.saturating_mul(QUARTER_S);
        // A session that set its own timestamp says nothing of the zone.
        let is_offset = (-12 * 3600..=14 * 3600).contains(&offset) && (difference - offset).abs() <= SLACK_S;
        if let Some(offset) = i32::try_from(offset).ok().filter(|_| is_offset)
            && let Ok(offset) = Offset::from_seconds(offset)
        {
            self.zone = TimeZone::fixed(offset);
            self.is_fixed = true;
        }
    }
}

fn unix_ns(time: Timestamp) -> u64 {
    u64::try_from(time.as_nanosecond()).unwrap_or_default()
}

/// A time as our logs and tables have it: `2026-11-27T13:16:41.559967Z`, the same with an offset, `2026-11-27 13:16:41.559967`, or
/// `261127 13:17:06`, whose hour may have a blank for its first digit, and which has a fraction in Percona Server's logs of 5.6.
pub(super) fn stamp(text: &[u8]) -> Option<Stamp> {
    let text = std::str::from_utf8(text).ok()?.trim();
    if text.bytes().take(6).all(|byte| byte.is_ascii_digit()) && text.as_bytes().get(6) == Some(&b' ') {
        return short(text).map(Stamp::Local);
    }
    if let Ok(time) = text.parse::<Timestamp>() {
        return Some(Stamp::Exact(unix_ns(time)));
    }
    text.parse::<DateTime>().ok().map(Stamp::Local)
}

fn short(text: &str) -> Option<DateTime> {
    let (date, time) = text.split_at_checked(6)?;
    let number = |text: &str, from: usize| text.get(from..from + 2)?.parse::<i8>().ok();
    let date = Date::new(2000 + i16::from(number(date, 0)?), number(date, 2)?, number(date, 4)?).ok()?;
    let time = time.trim();
    let (time, fraction) = time.split_once('.').unwrap_or((time, ""));
    let mut parts = time.split(':').map(|part| part.parse::<i8>().ok());
    let fraction_ns = duration_ns(format!("0.{fraction}").as_bytes()).and_then(|ns| i32::try_from(ns).ok())?;
    let time = Time::new(parts.next()??, parts.next()??, parts.next()??, fraction_ns).ok()?;
    if parts.next().is_some() {
        return None;
    }
    Some(DateTime::from_parts(date, time))
}

/// `0.000185` seconds, or `00:00:00.000185`, in nanoseconds.
pub(super) fn duration_ns(text: &[u8]) -> Option<u64> {
    let text = std::str::from_utf8(text).ok()?.trim();
    let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
    let mut seconds: u64 = 0;
    for part in whole.split(':') {
        seconds = seconds.checked_mul(60)?.checked_add(part.parse().ok()?)?;
    }
    let digits = fraction.get(..fraction.len().min(9))?;
    let nanos = if digits.is_empty() { 0 } else { format!("{digits:0<9}").parse::<u64>().ok()? };
    seconds.checked_mul(NANOS)?.checked_add(nanos)
}

/// What an entry takes at least.
const STEP_NS: u64 = 1_000;

/// Entries of logs whose times are whole seconds (MariaDB's files): those of a second follow each other as in the log, so that a replay has
/// their order.
#[derive(Debug, Default)]
pub(super) struct WholeSeconds {
    last_ns: u64,
}

impl WholeSeconds {
    /// When an entry ended that the log has at `logged_ns`, and that took so long. Finer times are what they are.
    pub(super) fn end_ns(&mut self, logged_ns: u64, duration_ns: u64) -> u64 {
        if !logged_ns.is_multiple_of(NANOS) {
            return logged_ns;
        }
        // One that was logged early in a second began in the one before, but not before that one's last.
        let after = self.last_ns.saturating_add(duration_ns.max(STEP_NS)).max(logged_ns);
        // Statements of several sessions may have taken longer together than the second is.
        let is_within = after < logged_ns.saturating_add(NANOS);
        self.last_ns = if is_within { after } else { self.last_ns.saturating_add(STEP_NS).max(logged_ns) };
        self.last_ns
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn exact(text: &str) -> u64 {
        Clock::new(&LogZone::Given(TimeZone::UTC)).ns(stamp(text.as_bytes()).unwrap())
    }

    #[test]
    fn every_way_in_which_logs_write_a_time() {
        assert_eq!(exact("2026-11-27T13:16:41.559967Z"), 1_795_785_401_559_967_000);
        assert_eq!(exact("2026-11-27T15:16:41.559967+02:00"), 1_795_785_401_559_967_000);
        assert_eq!(exact("2026-11-27 13:16:41.559967"), 1_795_785_401_559_967_000);
        assert_eq!(exact("261127 13:16:41"), 1_795_785_401_000_000_000);
        assert_eq!(exact("261127  3:16:41"), 1_795_785_401_000_000_000 - 36_000_000_000_000);
        for wrong in ["", "261327 13:16:41", "261127 13:16", "noon", "26112é 13:16:41"] {
            assert_eq!(stamp(wrong.as_bytes()), None, "{wrong}");
        }
    }

    #[test]
    fn durations_have_seconds_or_colons() {
        assert_eq!(duration_ns(b"0.000185"), Some(185_000));
        assert_eq!(duration_ns(b"00:00:01.5"), Some(1_500_000_000));
        assert_eq!(duration_ns(b"838:59:59"), Some(3_020_399 * NANOS));
        assert_eq!(duration_ns(b"12"), Some(12 * NANOS));
        for wrong in [&b""[..], b"x", b"1.x", b"99999999999999999999", b"-1"] {
            assert_eq!(duration_ns(wrong), None);
        }
    }

    #[test]
    fn the_zone_is_what_local_times_and_timestamps_differ_in() {
        let zone = |text: &str, epoch| {
            let mut clock = Clock { zone: TimeZone::UTC, is_fixed: false };
            clock.compare(stamp(text.as_bytes()).unwrap(), epoch);
            clock.ns(stamp(b"261127 12:00:00").unwrap()) / NANOS
        };
        let noon = 1_795_780_800;
        assert_eq!(zone("261127 13:16:41", 1_795_785_401), noon);
        // India; the statement began two seconds before.
        assert_eq!(zone("261127 18:46:43", 1_795_785_401), noon - 19_800);
        assert_eq!(zone("261127 05:16:41", 1_795_785_401), noon + 28_800);
        // A timestamp that the session set.
        assert_eq!(zone("261127 13:16:41", 1_700_000_000), noon);
        assert_eq!(zone("261127 13:16:41", 1_795_785_401 - 400), noon);
    }

    #[test]
    fn entries_of_a_second_follow_each_other() {
        let mut seconds = WholeSeconds::default();
        let mut end = |logged, took| seconds.end_ns(logged, took) as i64 - 5 * NANOS as i64;
        let five = 5 * NANOS;
        assert_eq!([end(five, 300), end(five, 0), end(five, 5000), end(five, 0)], [0, 1000, 6000, 7000]);
        assert_eq!([end(five, NANOS), end(five + 7, 0), end(five + NANOS, 8)], [8000, 7, 1_000_000_000]);
    }
}
