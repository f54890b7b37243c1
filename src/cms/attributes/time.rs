//! Times as attributes write them: UTCTime and GeneralizedTime (RFC 5652 §11.3).
//!
//! Seconds since 1970-01-01T00:00:00Z, negative before, leap seconds not counted. Refused: fractions,
//! offsets, missing seconds, and dates that no calendar has.

use crate::cms::error::CmsError;
use crate::cms::tlv::Tlv;
use crate::cms::tlv::element;

/// Identifier octet of UTCTime.
pub(crate) const UTC_TIME: u8 = 0x17;
/// Identifier octet of GeneralizedTime.
pub(crate) const GENERALIZED_TIME: u8 = 0x18;

/// Reads a Time, the only value of `field`, as seconds since 1970.
pub(crate) fn decode(time: &Tlv<'_>, field: &'static str) -> Result<i64, CmsError> {
    let read = match time.tag {
        UTC_TIME => utc_time(time.value),
        GENERALIZED_TIME => generalized_time(time.value),
        other => {
            return Err(CmsError::field(
                field,
                format!("tag {other:#04x} stands where a UTCTime or GeneralizedTime should"),
            ));
        }
    };
    read.ok_or_else(|| {
        CmsError::field(
            field,
            format!(
                "{:?} is no time in UTC with seconds and no fraction",
                String::from_utf8_lossy(time.value.get(..QUOTED).unwrap_or(time.value))
            ),
        )
    })
}

/// Octets of a malformed time that a message quotes.
const QUOTED: usize = 32;

/// Writes a Time: UTCTime from 1950 to 2049, else GeneralizedTime (RFC 5652 §11.3).
///
/// `None` for years that four digits cannot hold.
pub(crate) fn encode(seconds: i64) -> Option<Vec<u8>> {
    let Civil {
        year,
        month,
        day,
        hour,
        minute,
        second,
    } = Civil::from_seconds(seconds)?;
    let rest = format!("{month:02}{day:02}{hour:02}{minute:02}{second:02}Z");
    Some(match year {
        1950..=2049 => element(
            UTC_TIME,
            &[format!("{:02}{rest}", year.rem_euclid(100)).as_bytes()],
        ),
        _ => element(GENERALIZED_TIME, &[format!("{year:04}{rest}").as_bytes()]),
    })
}

/// RFC 3339 in UTC, to the second. Years outside 0 to 9999 come out as seconds since 1970.
pub(crate) fn rfc3339(seconds: i64) -> String {
    match Civil::from_seconds(seconds) {
        Some(time) => format!(
            "{:04}-{:02}-{:02}T{:02}:{:02}:{:02}Z",
            time.year, time.month, time.day, time.hour, time.minute, time.second
        ),
        None => seconds.to_string(),
    }
}

fn utc_time(text: &[u8]) -> Option<i64> {
    let (year, rest) = digits(text, 2)?;
    let year = if year >= 50 { 1900 + year } else { 2000 + year };
    Civil::read(year, rest)?.seconds()
}

fn generalized_time(text: &[u8]) -> Option<i64> {
    let (year, rest) = digits(text, 4)?;
    Civil::read(year, rest)?.seconds()
}

fn digits(text: &[u8], count: usize) -> Option<(i64, &[u8])> {
    let (number, rest) = text.split_at_checked(count)?;
    let number = number.iter().try_fold(0, |sum, digit| {
        let digit = char::from(*digit).to_digit(10)?;
        Some(sum * 10 + i64::from(digit))
    })?;
    Some((number, rest))
}

struct Civil {
    year: i64,
    month: i64,
    day: i64,
    hour: i64,
    minute: i64,
    second: i64,
}

impl Civil {
    /// MMDDHHMMSSZ after a year.
    fn read(year: i64, text: &[u8]) -> Option<Self> {
        let (month, text) = digits(text, 2)?;
        let (day, text) = digits(text, 2)?;
        let (hour, text) = digits(text, 2)?;
        let (minute, text) = digits(text, 2)?;
        let (second, text) = digits(text, 2)?;
        (text == b"Z").then_some(Self {
            year,
            month,
            day,
            hour,
            minute,
            second,
        })
    }

    fn seconds(&self) -> Option<i64> {
        let in_range = (1..=12).contains(&self.month)
            && (1..=days_of(self.year, self.month)).contains(&self.day)
            && self.hour < 24
            && self.minute < 60
            && self.second < 60;
        in_range.then(|| {
            let days = days_before_year(self.year)
                + (1..self.month)
                    .map(|month| days_of(self.year, month))
                    .sum::<i64>()
                + self.day
                - 1
                - EPOCH;
            ((days * 24 + self.hour) * 60 + self.minute) * 60 + self.second
        })
    }

    /// `None` outside the years 0 to 9999.
    fn from_seconds(seconds: i64) -> Option<Self> {
        let days = seconds.div_euclid(DAY).checked_add(EPOCH)?;
        let of_day = seconds.rem_euclid(DAY);
        let mut year = (0..=9999).contains(&(days / 366)).then_some(days / 366)?;
        // The estimate is low by a day for every three years in four.
        while days_before_year(year + 1) <= days {
            year += 1;
        }
        let mut day = days - days_before_year(year);
        let mut month = 1;
        while month < 12 && day >= days_of(year, month) {
            day -= days_of(year, month);
            month += 1;
        }
        (days >= 0 && year <= 9999).then_some(Self {
            year,
            month,
            day: day + 1,
            hour: of_day / 3600,
            minute: of_day / 60 % 60,
            second: of_day % 60,
        })
    }
}

const DAY: i64 = 24 * 60 * 60;
/// Days from 0000-01-01 to 1970-01-01.
const EPOCH: i64 = 719_528;

/// Days from 0000-01-01 to the first of `year` in the Gregorian calendar.
fn days_before_year(year: i64) -> i64 {
    let last = year - 1;
    // The year 0 is a leap year.
    365 * year + last.div_euclid(4) - last.div_euclid(100) + last.div_euclid(400) + 1
}

fn days_of(year: i64, month: i64) -> i64 {
    match month {
        2 => 28 + days_before_year(year + 1) - days_before_year(year) - 365,
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cms::tlv::Reader;

    fn read(tag: u8, text: &str) -> Option<i64> {
        let der = element(tag, &[text.as_bytes()]);
        let tlv = Reader::new(&der, "time").next().unwrap().unwrap();
        decode(&tlv, "signingTime").ok()
    }

    #[test]
    fn times_read_as_seconds_since_1970() {
        for (tag, text, seconds) in [
            (UTC_TIME, "700101000000Z", 0),
            (UTC_TIME, "000229235959Z", 951_868_799),
            (UTC_TIME, "491231235959Z", 2_524_607_999),
            (UTC_TIME, "500101000000Z", -631_152_000),
            (GENERALIZED_TIME, "19990311104433Z", 921_149_073),
            (GENERALIZED_TIME, "00000101000000Z", -62_167_219_200),
            (GENERALIZED_TIME, "99991231235959Z", 253_402_300_799),
        ] {
            assert_eq!(read(tag, text), Some(seconds), "{text}");
        }
    }

    #[test]
    fn times_that_rfc_5652_does_not_allow_are_refused() {
        for (tag, text) in [
            (UTC_TIME, ""),
            (UTC_TIME, "7001010000Z"),
            (UTC_TIME, "700101000000"),
            (UTC_TIME, "700101000000+0100"),
            (UTC_TIME, "700230000000Z"),
            (UTC_TIME, "010229000000Z"),
            (UTC_TIME, "700001000000Z"),
            (UTC_TIME, "701301000000Z"),
            (UTC_TIME, "700101240000Z"),
            (UTC_TIME, "700101006000Z"),
            (UTC_TIME, "700101000060Z"),
            (UTC_TIME, "7001010000-1Z"),
            (UTC_TIME, "19990311104433Z"),
            (GENERALIZED_TIME, "19990311104433.5Z"),
            (GENERALIZED_TIME, "990311104433Z"),
            (0x0c, "700101000000Z"),
        ] {
            assert_eq!(read(tag, text), None, "{text}");
        }
    }

    #[test]
    fn what_is_written_reads_as_the_same_and_changes_form_in_2050() {
        for seconds in [
            -62_167_219_200,
            -631_152_001,
            -631_152_000,
            -1,
            0,
            951_782_400,
            2_524_607_999,
            2_524_608_000,
            253_402_300_799,
        ] {
            let der = encode(seconds).unwrap();
            let utc = (-631_152_000..2_524_608_000).contains(&seconds);
            assert_eq!(der[0], if utc { UTC_TIME } else { GENERALIZED_TIME });
            let tlv = Reader::new(&der, "time").next().unwrap().unwrap();
            assert_eq!(decode(&tlv, "time").unwrap(), seconds);
        }
        for seconds in [-62_167_219_201, 253_402_300_800, i64::MAX, i64::MIN] {
            assert_eq!(encode(seconds), None);
            assert_eq!(rfc3339(seconds), seconds.to_string());
        }
        assert_eq!(rfc3339(951_868_799), "2000-02-29T23:59:59Z");
    }

    #[test]
    fn every_day_of_four_centuries_comes_back() {
        for day in 0..146_097 {
            let seconds = (day - 40_000) * DAY + 1;
            let civil = Civil::from_seconds(seconds).unwrap();
            assert_eq!(civil.seconds(), Some(seconds));
        }
    }
}
