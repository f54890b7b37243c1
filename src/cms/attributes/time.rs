//! Times as attributes write them: UTCTime and GeneralizedTime (RFC 5652 §11.3).
//!
//! Seconds since 1970-01-01T00:00:00Z, negative before, leap seconds not counted. Stricter than
//! [`crate::x509::Time`]: fractions, offsets and missing seconds are refused.

use crate::cms::error::CmsError;
use crate::cms::tlv::Element;
use crate::cms::tlv::element;
use crate::x509::Time;

/// Identifier octet of UTCTime.
pub(crate) const UTC_TIME: u8 = 0x17;
/// Identifier octet of GeneralizedTime.
pub(crate) const GENERALIZED_TIME: u8 = 0x18;

/// Reads a Time, the only value of `field`, as seconds since 1970.
pub(crate) fn decode(time: &Element<'_>, field: &'static str) -> Result<i64, CmsError> {
    let read = match time.tag {
        UTC_TIME if is_plain(time.content, 12) => Time::from_utc_time(time.content),
        GENERALIZED_TIME if is_plain(time.content, 14) => Time::from_generalized_time(time.content),
        UTC_TIME | GENERALIZED_TIME => None,
        other => {
            return Err(CmsError::field(
                field,
                format!("tag {other:#04x} stands where a UTCTime or GeneralizedTime should"),
            ));
        }
    };
    read.map(Time::unix).ok_or_else(|| {
        CmsError::field(
            field,
            format!(
                "{:?} is no time in UTC with seconds and no fraction",
                String::from_utf8_lossy(time.content.get(..QUOTED).unwrap_or(time.content))
            ),
        )
    })
}

/// Octets of a malformed time that a message quotes.
const QUOTED: usize = 32;

/// Whether the text is so many digits and a Z (RFC 5652 §11.3).
fn is_plain(text: &[u8], digits: usize) -> bool {
    text.len() == digits + 1
        && text.ends_with(b"Z")
        && text.iter().rev().skip(1).all(u8::is_ascii_digit)
}

/// Writes a Time: UTCTime from 1950 to 2049, else GeneralizedTime (RFC 5652 §11.3).
///
/// `None` for years that four digits cannot hold.
pub(crate) fn encode(seconds: i64) -> Option<Vec<u8>> {
    // RFC 3339 without its punctuation is a GeneralizedTime without its Z.
    let shown = Time::from_unix(seconds)?.to_string();
    let digits: String = shown.chars().filter(char::is_ascii_digit).collect();
    let (century, short) = digits.split_at_checked(2)?;
    let is_utc = (UTC_TIME_BEGINS..UTC_TIME_ENDS).contains(&seconds);
    Some(if is_utc {
        element(UTC_TIME, &[short.as_bytes(), b"Z"])
    } else {
        element(
            GENERALIZED_TIME,
            &[century.as_bytes(), short.as_bytes(), b"Z"],
        )
    })
}

/// 1950-01-01T00:00:00Z.
const UTC_TIME_BEGINS: i64 = -631_152_000;
/// 2050-01-01T00:00:00Z.
const UTC_TIME_ENDS: i64 = 2_524_608_000;

/// RFC 3339 in UTC, to the second. Years outside 0 to 9999 come out as seconds since 1970.
pub(crate) fn rfc3339(seconds: i64) -> String {
    Time::from_unix(seconds).map_or_else(|| seconds.to_string(), |time| time.to_string())
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
}
