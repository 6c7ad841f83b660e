//! A point in time, as settings have it: a date, or a time from somewhere on.

use std::time::Duration;

use jiff::Timestamp;
use jiff::civil::DateTime;
use jiff::tz::TimeZone;

use crate::settings::duration;

/// A point in time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::cli) enum Moment {
    /// So long after, or before, what the setting says.
    Relative(Duration),
    /// This one.
    At(Timestamp),
}

/// `90s`, `2026-05-01T12:00:00Z`, or with a blank and without a zone, which is then this machine's.
pub(in crate::cli) fn moment(text: &str) -> Result<Moment, String> {
    if let Ok(time) = duration(text) {
        return Ok(Moment::Relative(time));
    }
    if let Ok(time) = text.parse() {
        return Ok(Moment::At(time));
    }
    let local = text.parse::<DateTime>().ok().and_then(|local| TimeZone::system().to_timestamp(local).ok());
    local.map(Moment::At).ok_or_else(|| {
        "expected a time such as 2026-05-01T12:00:00Z or 2026-05-01 12:00:00, or a duration such as 90s or 10m"
            .to_owned()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn moments() {
        assert_eq!(moment("10m"), Ok(Moment::Relative(Duration::from_secs(600))));
        let at = Timestamp::from_second(1_777_636_800).unwrap();
        assert_eq!(moment("2026-05-01T12:00:00Z"), Ok(Moment::At(at)));
        assert_eq!(moment("2026-05-01T14:00:00+02:00"), Ok(Moment::At(at)));
        assert!(matches!(moment("2026-05-01 12:00:00"), Ok(Moment::At(_))) && moment("2026-05-01").is_ok());
        assert!(moment("yesterday").unwrap_err().contains("such as"));
    }
}
