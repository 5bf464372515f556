//! Executions as TWS tells them: ids that are revised, times in several zones.

use atomik_domain::UnixMicros;
use time::macros::format_description;
use time::{OffsetDateTime, PrimitiveDateTime};
use time_tz::{PrimitiveDateTimeExt, Tz};

/// An execution's id without the number of its revision. TWS corrects an execution by telling it again under an id that
/// differs in the digits after the last period only: `0000e0d5.6542a1b2.01.01` becomes `...01.02`. Both are one trade, so
/// both go by this name, and the books take the first of them only.
pub(super) fn trade_of(execution_id: &str) -> &str {
    execution_id.rsplit_once('.').map_or(execution_id, |(trade, _)| trade)
}

/// The number of the revision.
pub(super) fn revision_of(execution_id: &str) -> u32 {
    execution_id.rsplit_once('.').and_then(|(_, revision)| revision.parse().ok()).unwrap_or_default()
}

/// When an execution was. TWS writes `20261125 15:30:00 US/Eastern`, `20261125-20:30:00` (UTC, perhaps with a `Z`), or
/// without a zone, in the one that it named when the connection was made.
pub(super) fn time_of(text: &str, session_zone: Option<&Tz>) -> Option<UnixMicros> {
    let text = text.trim().trim_end_matches('Z');
    let format = format_description!("[year][month][day] [hour]:[minute]:[second]");
    if let Some((date, clock)) = text.split_once('-')
        && clock.len() == 8
    {
        let utc = PrimitiveDateTime::parse(&format!("{date} {clock}"), format).ok()?.assume_utc();
        return micros(utc);
    }
    let mut parts = text.split_whitespace();
    let (date, clock) = (parts.next()?, parts.next()?);
    let local = PrimitiveDateTime::parse(&format!("{date} {clock}"), format).ok()?;
    let zone = match parts.next() {
        Some("UTC" | "GMT") => return micros(local.assume_utc()),
        Some(name) => zone_of(name)?,
        None => session_zone?,
    };
    // The hour that a change of clocks repeats is taken for its first time.
    micros(local.assume_timezone(zone).take_first()?)
}

/// A time zone by its name, or by the short one that TWS uses in some places.
fn zone_of(name: &str) -> Option<&'static Tz> {
    let full = match name {
        "EST" | "EDT" | "US/Eastern" => "America/New_York",
        "CST" | "CDT" | "US/Central" => "America/Chicago",
        "MST" | "MDT" | "US/Mountain" => "America/Denver",
        "PST" | "PDT" | "US/Pacific" => "America/Los_Angeles",
        "CET" | "CEST" | "MET" | "MEZ" => "Europe/Berlin",
        "BST" => "Europe/London",
        "JST" | "Japan" => "Asia/Tokyo",
        "HKT" | "Hongkong" => "Asia/Hong_Kong",
        name => name,
    };
    time_tz::timezones::get_by_name(full)
}

fn micros(at: OffsetDateTime) -> Option<UnixMicros> {
    i64::try_from(at.unix_timestamp_nanos() / 1_000).ok().map(UnixMicros)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn a_correction_has_the_name_of_what_it_corrects() {
        let (first, corrected) = ("0000e0d5.6542a1b2.01.01", "0000e0d5.6542a1b2.01.02");
        assert_eq!(trade_of(first), trade_of(corrected));
        assert_ne!(trade_of(first), trade_of("0000e0d5.6542a1b3.01.01"));
        assert_eq!((revision_of(first), revision_of(corrected), trade_of("plain")), (1, 2, "plain"));
    }

    #[test]
    fn every_way_of_writing_a_time_is_the_same_time() {
        let zone = zone_of("US/Pacific");
        for text in [
            "20261125 15:30:00 US/Eastern",
            "20261125 15:30:00 EST",
            "20261125 15:30:00 America/New_York",
            "20261125  14:30:00 US/Central",
            "20261125-20:30:00",
            "20261125-20:30:00Z",
            "20261125 20:30:00 UTC",
            "20261125 12:30:00",
        ] {
            assert_eq!(
                time_of(text, zone).map(UnixMicros::to_rfc3339).as_deref(),
                Some("2026-11-25T20:30:00.000000Z"),
                "{text}"
            );
        }
        assert_eq!(time_of("20261125 12:30:00 Nowhere/Town", zone), None);
        assert_eq!(time_of("yesterday", zone), None);
    }
}
