//! The Date field as an instant (RFC 5322 §3.3 and §4.3), and an instant as one.
//!
//! What is not read is `None`, and the caller compares the text.

/// Octets of a date that are looked at; the longest that is written has 50.
const OCTETS: usize = 200;

const MONTHS: [&str; 12] = [
    "Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec",
];

/// From 1970-01-01, which was a Thursday.
const DAYS: [&str; 7] = ["Thu", "Fri", "Sat", "Sun", "Mon", "Tue", "Wed"];

/// The seconds since 1970 that an unfolded Date field body names.
pub(super) fn parse(text: &str) -> Option<i64> {
    if text.len() > OCTETS {
        return None;
    }
    let text = without_comments(text)?;
    let mut words: Vec<&str> = text
        .split(|c: char| c.is_ascii_whitespace() || c == ',')
        .filter(|word| !word.is_empty())
        .collect();
    if words
        .first()?
        .starts_with(|c: char| c.is_ascii_alphabetic())
    {
        words.remove(0);
    }
    let [day, month, year, time, zone] = words.as_slice() else {
        return None;
    };
    let day = number(day).filter(|day| (1..=31).contains(day))?;
    let month = (1..)
        .zip(MONTHS)
        .find(|(_, name)| month.eq_ignore_ascii_case(name))?
        .0;
    let seconds = time_of_day(time)? - zone_offset(zone)?;
    Some(days_since_1970(full_year(year)?, month, day) * 86_400 + seconds)
}

/// The date in UTC (RFC 9788 §3.2.2).
pub(super) fn utc(seconds: i64) -> String {
    let (days, second) = (seconds.div_euclid(86_400), seconds.rem_euclid(86_400));
    let (year, month, day) = civil(days);
    let name = |names: &[&'static str], index: i64| {
        usize::try_from(index)
            .ok()
            .and_then(|index| names.get(index).copied())
            .unwrap_or_default()
    };
    format!(
        "{}, {day:02} {} {year:04} {:02}:{:02}:{:02} +0000",
        name(&DAYS, days.rem_euclid(7)),
        name(&MONTHS, month - 1),
        second / 3600,
        second / 60 % 60,
        second % 60,
    )
}

fn without_comments(text: &str) -> Option<String> {
    let mut kept = String::with_capacity(text.len());
    let mut depth = 0_usize;
    for c in text.chars() {
        match c {
            '(' => depth += 1,
            ')' => depth = depth.checked_sub(1)?,
            _ if depth == 0 => kept.push(c),
            _ => {}
        }
    }
    (depth == 0).then_some(kept)
}

fn number(text: &str) -> Option<i64> {
    let digits = !text.is_empty() && text.len() <= 4 && text.bytes().all(|b| b.is_ascii_digit());
    digits.then(|| text.parse().ok()).flatten()
}

/// Years of two and three digits as RFC 5322 §4.3 has them.
fn full_year(text: &str) -> Option<i64> {
    let year = number(text)?;
    match (text.len(), year) {
        (2, 0..=49) => Some(year + 2000),
        (2 | 3, _) => Some(year + 1900),
        (4, 1900..) => Some(year),
        _ => None,
    }
}

fn time_of_day(text: &str) -> Option<i64> {
    let mut fields = text.split(':').map(number);
    let (hour, minute) = (fields.next()??, fields.next()??);
    let second = fields.next().unwrap_or(Some(0))?;
    let valid = hour < 24 && minute < 60 && second <= 60 && fields.next().is_none();
    valid.then_some(hour * 3600 + minute * 60 + second)
}

/// Seconds east of UTC. Letters other than those of RFC 5322 §4.3 count as UTC there.
fn zone_offset(text: &str) -> Option<i64> {
    let (sign, digits) = match text.split_at_checked(1)? {
        ("+", digits) => (1, digits),
        ("-", digits) => (-1, digits),
        _ => return named_zone(text),
    };
    let value = number(digits).filter(|_| digits.len() == 4)?;
    Some(sign * (value / 100 * 3600 + value % 100 * 60))
}

fn named_zone(text: &str) -> Option<i64> {
    let hours = match text.to_ascii_uppercase().as_str() {
        "EDT" => -4,
        "EST" | "CDT" => -5,
        "CST" | "MDT" => -6,
        "MST" | "PDT" => -7,
        "PST" => -8,
        name if name.bytes().all(|b| b.is_ascii_alphabetic()) => 0,
        _ => return None,
    };
    Some(hours * 3600)
}

/// Days of the Gregorian calendar, which begins its year in March here so that leap days come last.
fn days_since_1970(year: i64, month: i64, day: i64) -> i64 {
    let year = if month <= 2 { year - 1 } else { year };
    let month = (month + 9) % 12;
    let days = year * 365 + year.div_euclid(4) - year.div_euclid(100) + year.div_euclid(400);
    days + (month * 306 + 5) / 10 + day - 1 - 719_468
}

/// Year, month and day of a day since 1970.
fn civil(days: i64) -> (i64, i64, i64) {
    let days = days + 719_468;
    let era = days.div_euclid(146_097);
    let of_era = days.rem_euclid(146_097);
    let year = (of_era - of_era / 1460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year + year / 4 - year / 100);
    let month = (5 * of_year + 2) / 153;
    let day = of_year - (153 * month + 2) / 5 + 1;
    let (year, month) = if month < 10 {
        (year, month + 3)
    } else {
        (year + 1, month - 9)
    };
    (era * 400 + year, month, day)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_are_instants() {
        for (text, seconds) in [
            ("Sat, 20 Feb 2021 12:28:02 -0500", 1_613_842_082),
            ("Sat, 20 Feb 2021 17:28:02 +0000", 1_613_842_082),
            ("20 feb 21 17:28:02 GMT (a (nested) comment)", 1_613_842_082),
            ("Thu,1 Jan 1970 00:00 Z", 0),
            ("29 Feb 2000 23:59:60 +0000", 951_868_800),
            ("31 Dec 1969 16:00:00 PST", 0),
        ] {
            assert_eq!(parse(text), Some(seconds), "{text}");
        }
        for text in [
            "",
            "yesterday",
            "32 Jan 2020 00:00:00 +0000",
            "1 Jan 2020 24:00:00 +0000",
            "1 Jan 2020 00:00:00",
            "1 Jan 2020 00:00:00 (+0000",
            "1 Jan 20200 00:00:00 +0000",
            "1 Jan 2020 00:00:00 +000",
        ] {
            assert_eq!(parse(text), None, "{text}");
        }
    }

    #[test]
    fn an_instant_is_written_in_utc() {
        assert_eq!(utc(1_613_842_082), "Sat, 20 Feb 2021 17:28:02 +0000");
        assert_eq!(utc(0), "Thu, 01 Jan 1970 00:00:00 +0000");
        for seconds in (-2_000_000_000..4_000_000_000).step_by(86_400 * 97 + 3601) {
            assert_eq!(parse(&utc(seconds)), Some(seconds));
        }
    }
}
