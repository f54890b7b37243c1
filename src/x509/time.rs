//! Points in time as certificates have them: whole seconds, UTC (RFC 5280 §4.1.2.5).

use std::fmt;
use std::str::FromStr;

use crate::tlv::Asn1Error;
use crate::tlv::Element;
use crate::tlv::tag;

/// Seconds since 1970-01-01T00:00:00Z, leap seconds not counted. Years 0 to 9999.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Time(i64);

/// A text that is no date and time of RFC 3339.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("time {0:?} is not of the form 2026-01-31T23:59:59Z")]
pub struct TimeError(String);

const MINUTE: i64 = 60;
const HOUR: i64 = 60 * MINUTE;
const DAY: i64 = 24 * HOUR;
/// Days from 0000-03-01 to 1970-01-01 in the proleptic Gregorian calendar.
const DAYS_TO_1970: i64 = 719_468;
const FIRST: i64 = -62_167_219_200;
const LAST: i64 = 253_402_300_799;

impl Time {
    /// The time that many seconds after 1970 began; `None` outside the years 0 to 9999.
    #[must_use]
    pub const fn from_unix(seconds: i64) -> Option<Self> {
        if FIRST <= seconds && seconds <= LAST {
            Some(Self(seconds))
        } else {
            None
        }
    }

    /// Seconds since 1970 began.
    #[must_use]
    pub const fn unix(self) -> i64 {
        self.0
    }

    /// The content octets of a UTCTime, `YYMMDDHHMMSSZ`; years 50 to 99 are of the 20th century
    /// (RFC 5280 §4.1.2.5.1). Seconds may be absent and an offset may stand for Z, as in X.680.
    #[must_use]
    pub fn from_utc_time(octets: &[u8]) -> Option<Self> {
        let (year, rest) = number(octets, 2)?;
        let century = if year >= 50 { 1900 } else { 2000 };
        Self::from_asn1(century + year, rest)
    }

    /// The content octets of a GeneralizedTime, `YYYYMMDDHHMMSSZ` (RFC 5280 §4.1.2.5.2); a
    /// fraction of a second is dropped.
    #[must_use]
    pub fn from_generalized_time(octets: &[u8]) -> Option<Self> {
        let (year, rest) = number(octets, 4)?;
        Self::from_asn1(year, rest)
    }

    /// A Time: one or the other.
    pub(crate) fn from_element(element: &Element<'_>) -> Result<Self, Asn1Error> {
        match element.tag {
            tag::UTC_TIME => Self::from_utc_time(element.content),
            tag::GENERALIZED_TIME => Self::from_generalized_time(element.content),
            found => {
                return Err(Asn1Error::Tag {
                    expected: tag::UTC_TIME,
                    found,
                });
            }
        }
        .ok_or(Asn1Error::Value)
    }

    fn from_asn1(year: i64, octets: &[u8]) -> Option<Self> {
        let (month, octets) = number(octets, 2)?;
        let (day, octets) = number(octets, 2)?;
        let (hour, octets) = number(octets, 2)?;
        let (minute, octets) = number(octets, 2)?;
        let (second, octets) = number(octets, 2).unwrap_or((0, octets));
        let offset = offset(fraction(octets), false)?;
        Self::civil([year, month, day, hour, minute, second], offset)
    }

    fn civil(fields: [i64; 6], offset: i64) -> Option<Self> {
        let [year, month, day, hour, minute, second] = fields;
        let leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
        let days_in_month = match month {
            4 | 6 | 9 | 11 => 30,
            2 if leap => 29,
            2 => 28,
            1..=12 => 31,
            _ => return None,
        };
        // A leap second counts as the first second of the next minute (RFC 3339 §5.7).
        if !(1..=days_in_month).contains(&day) || hour > 23 || minute > 59 || second > 60 {
            return None;
        }
        // Years begin in March here, so that the leap day is the last of one.
        let (year, month) = if month > 2 {
            (year, month - 3)
        } else {
            (year - 1, month + 9)
        };
        let days = 365 * year + year.div_euclid(4) - year.div_euclid(100)
            + year.div_euclid(400)
            + (153 * month + 2) / 5
            + day
            - 1
            - DAYS_TO_1970;
        Self::from_unix(days * DAY + hour * HOUR + minute * MINUTE + second - offset)
    }

    /// The date and time of a header field (RFC 5322 §3.3), UTC.
    #[must_use]
    pub fn to_rfc5322(self) -> String {
        let [year, month, day] = self.date();
        let seconds = self.0.rem_euclid(DAY);
        // 1970 began on a Thursday.
        let week_day = nth(
            &["Thu", "Fri", "Sat", "Sun", "Mon", "Tue", "Wed"],
            self.0.div_euclid(DAY).rem_euclid(7),
        );
        let month = nth(
            &[
                "Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec",
            ],
            month - 1,
        );
        let (hour, minute, second) = (seconds / HOUR, seconds % HOUR / MINUTE, seconds % MINUTE);
        format!("{week_day}, {day} {month} {year:04} {hour:02}:{minute:02}:{second:02} +0000")
    }

    /// Year, month and day.
    const fn date(self) -> [i64; 3] {
        let days = self.0.div_euclid(DAY) + DAYS_TO_1970;
        let era = days.div_euclid(146_097);
        let day_of_era = days.rem_euclid(146_097);
        let year_of_era =
            (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
        let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
        let month = (5 * day_of_year + 2) / 153;
        let day = day_of_year - (153 * month + 2) / 5 + 1;
        let year = year_of_era + era * 400;
        if month < 10 {
            [year, month + 3, day]
        } else {
            [year + 1, month - 9, day]
        }
    }
}

fn nth(names: &[&'static str], index: i64) -> &'static str {
    let index = usize::try_from(index).ok();
    index
        .and_then(|index| names.get(index))
        .copied()
        .unwrap_or_default()
}

/// RFC 3339, UTC, whole seconds.
impl fmt::Display for Time {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [year, month, day] = self.date();
        let seconds = self.0.rem_euclid(DAY);
        write!(
            f,
            "{year:04}-{month:02}-{day:02}T{:02}:{:02}:{:02}Z",
            seconds / HOUR,
            seconds % HOUR / MINUTE,
            seconds % MINUTE,
        )
    }
}

/// RFC 3339 §5.6 with any offset; a fraction of a second is dropped.
impl FromStr for Time {
    type Err = TimeError;

    fn from_str(text: &str) -> Result<Self, TimeError> {
        parse(text.as_bytes()).ok_or_else(|| TimeError(text.to_owned()))
    }
}

fn parse(octets: &[u8]) -> Option<Time> {
    let (year, octets) = number(octets, 4)?;
    let (month, octets) = number(octets.strip_prefix(b"-")?, 2)?;
    let (day, octets) = number(octets.strip_prefix(b"-")?, 2)?;
    let (between, octets) = octets.split_first()?;
    if !matches!(between, b'T' | b't' | b' ') {
        return None;
    }
    let (hour, octets) = number(octets, 2)?;
    let (minute, octets) = number(octets.strip_prefix(b":")?, 2)?;
    let (second, octets) = number(octets.strip_prefix(b":")?, 2)?;
    let offset = offset(fraction(octets), true)?;
    Time::civil([year, month, day, hour, minute, second], offset)
}

/// A number of exactly `digits` decimal digits, and what follows.
fn number(octets: &[u8], digits: usize) -> Option<(i64, &[u8])> {
    let (digits, rest) = octets.split_at_checked(digits)?;
    let mut value = 0;
    for digit in digits {
        value = value * 10 + i64::from(char::from(*digit).to_digit(10)?);
    }
    Some((value, rest))
}

/// What follows a fraction of a second, if there is one.
fn fraction(octets: &[u8]) -> &[u8] {
    match octets {
        [b'.' | b',', first, rest @ ..] if first.is_ascii_digit() => {
            let more = rest.iter().take_while(|octet| octet.is_ascii_digit());
            rest.get(more.count()..).unwrap_or_default()
        }
        _ => octets,
    }
}

/// The seconds that local time is ahead of UTC; `colon` stands between its hours and minutes.
fn offset(octets: &[u8], colon: bool) -> Option<i64> {
    let (sign, rest) = match octets {
        b"Z" => return Some(0),
        b"z" if colon => return Some(0),
        [b'+', rest @ ..] => (1, rest),
        [b'-', rest @ ..] => (-1, rest),
        _ => return None,
    };
    let (hours, rest) = number(rest, 2)?;
    let rest = if colon {
        rest.strip_prefix(b":")?
    } else {
        rest
    };
    let (minutes, rest) = number(rest, 2)?;
    (hours <= 23 && minutes <= 59 && rest.is_empty())
        .then_some(sign * (hours * HOUR + minutes * MINUTE))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn header_fields_have_the_day_of_the_week() {
        for (text, want) in [
            ("1970-01-01T00:00:00Z", "Thu, 1 Jan 1970 00:00:00 +0000"),
            ("1997-11-21T15:55:06Z", "Fri, 21 Nov 1997 15:55:06 +0000"),
            ("2026-11-22T11:25:00Z", "Sun, 22 Nov 2026 11:25:00 +0000"),
            ("1969-12-31T23:59:59Z", "Wed, 31 Dec 1969 23:59:59 +0000"),
        ] {
            assert_eq!(text.parse::<Time>().unwrap().to_rfc5322(), want);
        }
    }

    #[test]
    fn times_print_as_they_were_read() {
        for text in [
            "0000-01-01T00:00:00Z",
            "1950-01-01T00:00:00Z",
            "1969-12-31T23:59:59Z",
            "1970-01-01T00:00:00Z",
            "2000-02-29T12:00:00Z",
            "2026-11-22T04:24:14Z",
            "9999-12-31T23:59:59Z",
        ] {
            assert_eq!(text.parse::<Time>().unwrap().to_string(), text);
        }
        let known: Time = "2003-04-10T00:00:00Z".parse().unwrap();
        assert_eq!(known.unix(), 1_049_932_800);
    }

    #[test]
    fn offsets_and_fractions_are_read() {
        let utc: Time = "2026-01-01T00:00:00Z".parse().unwrap();
        assert_eq!("2026-01-01T01:30:00.25+01:30".parse(), Ok(utc));
        assert_eq!("2025-12-31t19:00:00-05:00".parse(), Ok(utc));
    }

    #[test]
    fn what_is_no_date_is_refused() {
        for text in [
            "",
            "2026-01-01",
            "2026-13-01T00:00:00Z",
            "2026-02-29T00:00:00Z",
            "2026-01-01T24:00:00Z",
            "2026-01-01T00:00:00",
            "2026-01-01T00:00:00Zx",
            "9999-12-31T23:59:59-01:00",
            "+026-01-01T00:00:00Z",
        ] {
            assert!(text.parse::<Time>().is_err(), "{text}");
        }
    }

    #[test]
    fn two_digit_years_turn_at_50() {
        let time = |text: &[u8]| Time::from_utc_time(text).unwrap().to_string();
        assert_eq!(time(b"500101000000Z"), "1950-01-01T00:00:00Z");
        assert_eq!(time(b"491231235959Z"), "2049-12-31T23:59:59Z");
        assert_eq!(time(b"9912312359Z"), "1999-12-31T23:59:00Z");
        assert_eq!(time(b"991231235959+0100"), "1999-12-31T22:59:59Z");
        assert_eq!(Time::from_utc_time(b"991331235959Z"), None);
        let time = Time::from_generalized_time(b"20500101000000.5Z").unwrap();
        assert_eq!(time.to_string(), "2050-01-01T00:00:00Z");
    }
}
