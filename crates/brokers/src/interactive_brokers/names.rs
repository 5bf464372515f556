//! What Interactive Brokers calls futures otherwise than the exchanges do, whichever way it is reached.

/// Roots whose contracts have another symbol at Interactive Brokers. (Their trading class is the root.)
pub(super) const OTHER_SYMBOLS: &[(&str, &str)] = &[
    ("6A", "AUD"),
    ("6B", "GBP"),
    ("6C", "CAD"),
    ("6E", "EUR"),
    ("6J", "JPY"),
    ("6M", "MXP"),
    ("6N", "NZD"),
    ("6S", "CHF"),
    ("BTC", "BRR"),
    ("ETH", "ETHUSDRR"),
    ("SIL", "SI"),
    ("VX", "VIX"),
];
/// The months' letters, January first.
pub(super) const MONTHS: &str = "FGHJKMNQUVXZ";
