//! Points in time as microseconds since 1970-01-01T00:00:00Z.

use serde::{Deserialize, Serialize};

/// Microseconds since the Unix epoch, UTC.
///
/// The engine stamps every step of a signal with one of these; the API shows them as RFC 3339.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct UnixMicros(pub i64);

impl UnixMicros {
    /// One second.
    pub const SECOND: i64 = 1_000_000;

    /// This moment moved by `micros` (negative: into the past), clamped at the ends of the range.
    #[must_use]
    pub const fn plus(self, micros: i64) -> Self {
        Self(self.0.saturating_add(micros))
    }

    /// This moment moved by whole seconds.
    #[must_use]
    pub const fn plus_seconds(self, seconds: i64) -> Self {
        self.plus(seconds.saturating_mul(Self::SECOND))
    }

    /// Microseconds from `earlier` to this moment; negative where the clock went back.
    #[must_use]
    pub const fn micros_since(self, earlier: Self) -> i64 {
        self.0.saturating_sub(earlier.0)
    }

    /// RFC 3339 in UTC with six decimals: `2026-03-20T12:34:56.789123Z`.
    #[must_use]
    pub fn to_rfc3339(self) -> String {
        format!("{}Z", self.to_receiver_format())
    }

    /// The form of the receiver's answer: UTC, six decimals, no zone.
    #[must_use]
    pub fn to_receiver_format(self) -> String {
        let timestamp = jiff::Timestamp::from_microsecond(self.0).unwrap_or(jiff::Timestamp::UNIX_EPOCH);
        timestamp.to_zoned(jiff::tz::TimeZone::UTC).strftime("%Y-%m-%dT%H:%M:%S%.6f").to_string()
    }

    /// Reads RFC 3339, with any offset. `None` where the text is not a time.
    #[must_use]
    pub fn parse_rfc3339(text: &str) -> Option<Self> {
        text.parse::<jiff::Timestamp>().ok().map(|timestamp| Self(timestamp.as_microsecond()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_receiver_format_is_the_guides_example() {
        let moment = UnixMicros::parse_rfc3339("2026-03-20T12:34:56.789123Z").unwrap();
        assert_eq!(moment.to_receiver_format(), "2026-03-20T12:34:56.789123");
        assert_eq!(moment.to_rfc3339(), "2026-03-20T12:34:56.789123Z");
    }

    #[test]
    fn whole_seconds_keep_six_decimals() {
        assert_eq!(UnixMicros(0).to_receiver_format(), "1970-01-01T00:00:00.000000");
    }
}
