//! Dates and times as they are stored.
//!
//! Source: MySQL's `mysys/my_time.cc` (my_time_packed_from_binary and its kin) and, for the old forms, `sql/field.cc`.

use crate::mysql::value::digits::padded as digits;
use crate::mysql::wire::{Malformed, Reader};

/// A DATE; year, month and day may be 0.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[allow(missing_docs)]
pub struct Date {
    pub year: u16,
    pub month: u8,
    pub day: u8,
}

/// A TIME: a span of up to 838:59:59, with a sign.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[allow(missing_docs)]
pub struct Time {
    pub negative: bool,
    pub hours: u16,
    pub minutes: u8,
    pub seconds: u8,
    pub microseconds: u32,
    pub fraction_digits: u8,
}

/// A DATETIME, in no time zone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[allow(missing_docs)]
pub struct DateTime {
    pub date: Date,
    pub hours: u8,
    pub minutes: u8,
    pub seconds: u8,
    pub microseconds: u32,
    pub fraction_digits: u8,
}

/// A TIMESTAMP: an instant. 0 seconds stand for `0000-00-00 00:00:00`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Timestamp {
    /// Seconds since 1970 in UTC.
    pub seconds: u32,
    /// The fraction.
    pub microseconds: u32,
    /// How many digits of the fraction the column has.
    pub fraction_digits: u8,
}

/// A big-endian number of this many bytes.
fn big_endian(reader: &mut Reader<'_>, bytes: usize) -> Result<u64, Malformed> {
    Ok(reader.bytes(bytes)?.iter().fold(0, |value, byte| value << 8 | u64::from(*byte)))
}

/// How many bytes a fraction of this many digits takes.
fn fraction_bytes(digits: u8) -> usize {
    usize::from(digits.div_ceil(2))
}

/// What a stored unit of the fraction is in microseconds.
fn unit(digits: u8) -> u32 {
    match digits {
        1 | 2 => 10_000,
        3 | 4 => 100,
        _ => 1,
    }
}

impl Date {
    pub(crate) fn read(reader: &mut Reader<'_>) -> Result<Self, Malformed> {
        let bytes = reader.bytes(3)?;
        let packed = bytes.iter().rev().fold(0_u32, |value, byte| value << 8 | u32::from(*byte));
        Ok(Self { year: (packed >> 9) as u16, month: (packed >> 5 & 15) as u8, day: (packed & 31) as u8 })
    }

    /// Appends `2026-11-21`.
    pub fn write(&self, out: &mut Vec<u8>) {
        digits(out, u32::from(self.year), 4);
        out.push(b'-');
        digits(out, u32::from(self.month), 2);
        out.push(b'-');
        digits(out, u32::from(self.day), 2);
    }

    /// Days since 1970-01-01; none for a date that is not in the calendar.
    pub fn days_since_epoch(&self) -> Option<i32> {
        let date = jiff::civil::Date::new(i16::try_from(self.year).ok()?, self.month as i8, self.day as i8).ok()?;
        let days = date.since(jiff::civil::date(1970, 1, 1)).ok()?.get_days();
        Some(days)
    }
}

impl Time {
    pub(crate) fn read(reader: &mut Reader<'_>, fraction_digits: u8) -> Result<Self, Malformed> {
        let bytes = fraction_bytes(fraction_digits);
        // Offset binary of the whole, so that the fraction of a negative time is borrowed from its seconds.
        let whole = big_endian(reader, 3 + bytes)? as i64 - (0x80_0000_i64 << (8 * bytes));
        let magnitude = whole.unsigned_abs();
        let fraction = (magnitude & ((1 << (8 * bytes)) - 1)) as u32;
        let packed = magnitude >> (8 * bytes);
        Ok(Self {
            negative: whole < 0,
            hours: (packed >> 12 & 0x3ff) as u16,
            minutes: (packed >> 6 & 0x3f) as u8,
            seconds: (packed & 0x3f) as u8,
            microseconds: fraction.saturating_mul(unit(fraction_digits)).min(999_999),
            fraction_digits,
        })
    }

    pub(crate) fn read_old(reader: &mut Reader<'_>) -> Result<Self, Malformed> {
        let bytes = reader.bytes(3)?;
        let raw = bytes.iter().rev().fold(0_u32, |value, byte| value << 8 | u32::from(*byte));
        // 24 bits, two's complement.
        let value = ((raw << 8) as i32) >> 8;
        let packed = value.unsigned_abs();
        Ok(Self {
            negative: value < 0,
            hours: (packed / 10_000) as u16,
            minutes: (packed / 100 % 100) as u8,
            seconds: (packed % 100) as u8,
            microseconds: 0,
            fraction_digits: 0,
        })
    }

    /// Appends `-838:59:59.000000`.
    pub fn write(&self, out: &mut Vec<u8>) {
        if self.negative {
            out.push(b'-');
        }
        digits(out, u32::from(self.hours), 2);
        clock(out, self.minutes, self.seconds);
        fraction(out, self.microseconds, self.fraction_digits);
    }

    /// The span in microseconds.
    pub fn total_microseconds(&self) -> i64 {
        let seconds = (i64::from(self.hours) * 60 + i64::from(self.minutes)) * 60 + i64::from(self.seconds);
        let total = seconds * 1_000_000 + i64::from(self.microseconds);
        if self.negative { -total } else { total }
    }
}

impl DateTime {
    pub(crate) fn read(reader: &mut Reader<'_>, fraction_digits: u8) -> Result<Self, Malformed> {
        // The sign's bit is always set: there is no year below 0.
        let packed = big_endian(reader, 5)? & 0x7f_ffff_ffff;
        let microseconds = read_fraction(reader, fraction_digits)?;
        let months = packed >> 22;
        Ok(Self {
            date: Date { year: (months / 13) as u16, month: (months % 13) as u8, day: (packed >> 17 & 0x1f) as u8 },
            hours: (packed >> 12 & 0x1f) as u8,
            minutes: (packed >> 6 & 0x3f) as u8,
            seconds: (packed & 0x3f) as u8,
            microseconds,
            fraction_digits,
        })
    }

    pub(crate) fn read_old(reader: &mut Reader<'_>) -> Result<Self, Malformed> {
        let packed = reader.u64()?;
        let (date, time) = (packed / 1_000_000, packed % 1_000_000);
        Ok(Self {
            date: Date {
                year: (date / 10_000 % 10_000) as u16,
                month: (date / 100 % 100) as u8,
                day: (date % 100) as u8,
            },
            hours: (time / 10_000) as u8,
            minutes: (time / 100 % 100) as u8,
            seconds: (time % 100) as u8,
            microseconds: 0,
            fraction_digits: 0,
        })
    }

    /// Appends `2026-11-21 12:34:56.000000`.
    pub fn write(&self, out: &mut Vec<u8>) {
        self.date.write(out);
        out.push(b' ');
        digits(out, u32::from(self.hours), 2);
        clock(out, self.minutes, self.seconds);
        fraction(out, self.microseconds, self.fraction_digits);
    }

    /// Microseconds since 1970-01-01 00:00:00, without a time zone; none for a date that is not in the calendar.
    pub fn microseconds_since_epoch(&self) -> Option<i64> {
        let days = i64::from(self.date.days_since_epoch()?);
        let seconds =
            days * 86_400 + i64::from(self.hours) * 3600 + i64::from(self.minutes) * 60 + i64::from(self.seconds);
        Some(seconds * 1_000_000 + i64::from(self.microseconds))
    }
}

impl Timestamp {
    pub(crate) fn read(reader: &mut Reader<'_>, fraction_digits: u8) -> Result<Self, Malformed> {
        let seconds = big_endian(reader, 4)? as u32;
        Ok(Self { seconds, microseconds: read_fraction(reader, fraction_digits)?, fraction_digits })
    }

    pub(crate) fn read_old(reader: &mut Reader<'_>) -> Result<Self, Malformed> {
        Ok(Self { seconds: reader.u32()?, microseconds: 0, fraction_digits: 0 })
    }

    /// The same in UTC, as the server prints it with `time_zone='+00:00'`.
    pub fn to_utc(self) -> DateTime {
        let (fraction_digits, microseconds) = (self.fraction_digits, self.microseconds);
        if self.seconds == 0 && microseconds == 0 {
            let date = Date { year: 0, month: 0, day: 0 };
            return DateTime { date, hours: 0, minutes: 0, seconds: 0, microseconds, fraction_digits };
        }
        // Every number of 32 bits is a time that it knows.
        let time = jiff::Timestamp::from_second(i64::from(self.seconds)).unwrap_or_default();
        let time = jiff::tz::Offset::UTC.to_datetime(time);
        DateTime {
            date: Date { year: time.year() as u16, month: time.month() as u8, day: time.day() as u8 },
            hours: time.hour() as u8,
            minutes: time.minute() as u8,
            seconds: time.second() as u8,
            microseconds,
            fraction_digits,
        }
    }

    /// Appends `2026-11-21 12:34:56.000000`, in UTC.
    pub fn write(&self, out: &mut Vec<u8>) {
        self.to_utc().write(out);
    }
}

fn read_fraction(reader: &mut Reader<'_>, digits: u8) -> Result<u32, Malformed> {
    let stored = big_endian(reader, fraction_bytes(digits))? as u32;
    Ok(stored.saturating_mul(unit(digits)).min(999_999))
}

fn clock(out: &mut Vec<u8>, minutes: u8, seconds: u8) {
    out.push(b':');
    digits(out, u32::from(minutes), 2);
    out.push(b':');
    digits(out, u32::from(seconds), 2);
}

fn fraction(out: &mut Vec<u8>, microseconds: u32, count: u8) {
    if count > 0 {
        out.push(b'.');
        digits(out, microseconds / 10_u32.pow(6 - u32::from(count.min(6))), usize::from(count));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(write: impl FnOnce(&mut Vec<u8>)) -> String {
        let mut out = Vec::new();
        write(&mut out);
        String::from_utf8(out).unwrap()
    }

    fn time(bytes: &[u8], digits: u8) -> String {
        let value = Time::read(&mut Reader::new(bytes, "time"), digits).unwrap();
        text(|out| value.write(out))
    }

    #[test]
    fn negative_times_borrow_their_fraction() {
        assert_eq!(time(&[0x80, 0x00, 0x00], 0), "00:00:00");
        assert_eq!(time(&[0x7f, 0xff, 0xff, 0xff], 2), "-00:00:00.01");
        assert_eq!(time(&[0x7f, 0xff, 0xfe, 0xf6], 2), "-00:00:01.10");
        assert_eq!(time(&[0x7f, 0xff, 0xfe, 0xff, 0xff, 0xff], 6), "-00:00:01.000001");
        // -838:59:59 and 838:59:59.
        assert_eq!(time(&[0x4b, 0x91, 0x05], 0), "-838:59:59");
        assert_eq!(time(&[0xb4, 0x6e, 0xfb], 0), "838:59:59");
    }

    #[test]
    fn datetimes_count_months_by_thirteen() {
        let read = |bytes: &[u8], digits| {
            let value = DateTime::read(&mut Reader::new(bytes, "datetime"), digits).unwrap();
            text(|out| value.write(out))
        };
        assert_eq!(read(&[0x80, 0, 0, 0, 0], 0), "0000-00-00 00:00:00");
        // ((9999 * 13 + 12) << 22 | 31 << 17 | 23 << 12 | 59 << 6 | 59) with the sign's bit.
        let packed = (1_u64 << 39) | (9999 * 13 + 12) << 22 | 31 << 17 | 23 << 12 | 59 << 6 | 59;
        let mut bytes = packed.to_be_bytes()[3..].to_vec();
        bytes.extend_from_slice(&999_999_u32.to_be_bytes()[1..]);
        assert_eq!(read(&bytes, 6), "9999-12-31 23:59:59.999999");
    }

    #[test]
    fn timestamps_are_moments_in_utc() {
        let print = |seconds, microseconds, fraction_digits| {
            text(|out| Timestamp { seconds, microseconds, fraction_digits }.write(out))
        };
        assert_eq!(print(0, 0, 0), "0000-00-00 00:00:00");
        assert_eq!(print(1, 0, 0), "1970-01-01 00:00:01");
        assert_eq!(print(951_782_400, 120_000, 3), "2000-02-29 00:00:00.120");
        assert_eq!(print(2_147_483_647, 999_999, 6), "2038-01-19 03:14:07.999999");
        assert_eq!(print(u32::MAX, 0, 0), "2106-02-07 06:28:15");
    }

    #[test]
    fn days_are_counted_as_in_the_calendar() {
        for days in 1..49_710 {
            let date = Timestamp { seconds: days * 86_400, microseconds: 0, fraction_digits: 0 }.to_utc().date;
            assert_eq!(date.days_since_epoch(), Some(days as i32));
        }
        assert_eq!(Date { year: 2023, month: 2, day: 30 }.days_since_epoch(), None);
    }

    #[test]
    fn the_old_forms() {
        let value = Time::read_old(&mut Reader::new(&[0x81, 0xc8, 0xff], "time")).unwrap();
        assert_eq!(text(|out| value.write(out)), "-01:42:07");
        let value = DateTime::read_old(&mut Reader::new(&20_261_121_123_456_u64.to_le_bytes(), "datetime")).unwrap();
        assert_eq!(text(|out| value.write(out)), "2026-11-21 12:34:56");
    }
}
