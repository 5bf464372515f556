//! Who may send to a webhook: single addresses and CIDR ranges, IPv4 and IPv6.

use std::fmt;
use std::net::IpAddr;

use ipnet::IpNet;

/// The addresses TradingView publishes as the sources of its alerts.
pub const TRADINGVIEW_ADDRESSES: [&str; 4] =
    ["52.89.214.238", "34.212.75.30", "54.218.53.128", "52.32.178.7"];

/// The word that stands for [`TRADINGVIEW_ADDRESSES`] in a list.
pub const TRADINGVIEW_PRESET: &str = "tradingview";

/// The most entries one list may have.
pub const MAX_ENTRIES: usize = 100;

/// One entry as the trader wrote it, and the ranges it stands for.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Entry {
    text: String,
    ranges: Vec<IpNet>,
}

/// A list of allowed senders; empty allows everybody.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct IpAllowlist {
    entries: Vec<Entry>,
}

/// An entry that is neither an address nor a range nor a preset.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum IpAllowlistError {
    /// Not an address, range or preset.
    #[error("\"{0}\" is not an IP address, a CIDR range such as 10.0.0.0/8, or the word tradingview")]
    NotAnAddress(String),
    /// Too many entries.
    #[error("an IP list holds at most {MAX_ENTRIES} entries")]
    TooMany,
}

/// An IPv4 address that arrived dressed as IPv6 (`::ffff:1.2.3.4`) is the IPv4 address.
#[must_use]
pub fn canonical(address: IpAddr) -> IpAddr {
    address.to_canonical()
}

impl IpAllowlist {
    /// Reads a comma-separated list, as the guide shows it: `52.89.214.238, 34.212.75.30`.
    ///
    /// # Errors
    /// [`IpAllowlistError`] names the first entry that cannot be read.
    pub fn parse(list: &str) -> Result<Self, IpAllowlistError> {
        Self::from_entries(list.split(','))
    }

    /// Reads entries one by one; empty ones are skipped, repeated ones kept once.
    ///
    /// # Errors
    /// [`IpAllowlistError`] names the first entry that cannot be read.
    pub fn from_entries<'a>(entries: impl IntoIterator<Item = &'a str>) -> Result<Self, IpAllowlistError> {
        let mut list = Self::default();
        for text in entries.into_iter().map(str::trim).filter(|text| !text.is_empty()) {
            let entry = parse_entry(text)?;
            if list.entries.contains(&entry) {
                continue;
            }
            if list.entries.len() == MAX_ENTRIES {
                return Err(IpAllowlistError::TooMany);
            }
            list.entries.push(entry);
        }
        Ok(list)
    }

    /// Whether a request from `address` may pass.
    #[must_use]
    pub fn allows(&self, address: IpAddr) -> bool {
        let address = canonical(address);
        self.entries.is_empty()
            || self.entries.iter().any(|entry| entry.ranges.iter().any(|range| range.contains(&address)))
    }

    /// Whether everybody may pass.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// The entries as the trader wrote them.
    pub fn entries(&self) -> impl Iterator<Item = &str> {
        self.entries.iter().map(|entry| entry.text.as_str())
    }
}

impl fmt::Display for IpAllowlist {
    /// Comma-separated, as [`IpAllowlist::parse`] reads it.
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let entries: Vec<_> = self.entries().collect();
        formatter.write_str(&entries.join(", "))
    }
}

fn parse_entry(text: &str) -> Result<Entry, IpAllowlistError> {
    if text.eq_ignore_ascii_case(TRADINGVIEW_PRESET) {
        let ranges = TRADINGVIEW_ADDRESSES.iter().filter_map(|address| parse_range(address)).collect();
        return Ok(Entry { text: TRADINGVIEW_PRESET.to_owned(), ranges });
    }
    let range =
        parse_range(text).ok_or_else(|| IpAllowlistError::NotAnAddress(text.chars().take(64).collect()))?;
    Ok(Entry { text: text.to_ascii_lowercase(), ranges: vec![range] })
}

/// A single address or a CIDR range. IPv4-mapped IPv6 becomes the IPv4 it stands for.
fn parse_range(text: &str) -> Option<IpNet> {
    if let Ok(address) = text.parse::<IpAddr>() {
        return Some(IpNet::from(canonical(address)));
    }
    let range = text.parse::<IpNet>().ok()?;
    match range {
        IpNet::V6(v6) if v6.prefix_len() >= 96 && v6.addr().to_ipv4_mapped().is_some() => {
            IpNet::new(canonical(range.addr()), v6.prefix_len() - 96).ok()
        }
        _ => Some(range.trunc()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    #[rstest]
    #[case("52.89.214.238, 34.212.75.30", "34.212.75.30", true)]
    #[case("52.89.214.238, 34.212.75.30", "34.212.75.31", false)]
    #[case("52.89.214.238", "::ffff:52.89.214.238", true)]
    #[case("::ffff:52.89.214.238", "52.89.214.238", true)]
    #[case("::ffff:10.0.0.0/104", "10.9.9.9", true)]
    #[case("10.0.0.0/8", "10.255.0.1", true)]
    #[case("10.1.2.3/8", "10.255.0.1", true)]
    #[case("10.0.0.0/8", "11.0.0.1", false)]
    #[case("0.0.0.0/0", "203.0.113.9", true)]
    #[case("0.0.0.0/0", "2001:db8::1", false)]
    #[case("2001:db8::/32", "2001:db8:1::1", true)]
    #[case("2001:db8::1/128", "2001:db8::2", false)]
    #[case("", "203.0.113.9", true)]
    #[case("tradingview", "52.32.178.7", true)]
    #[case("TradingView", "52.32.178.8", false)]
    fn allows(#[case] list: &str, #[case] address: &str, #[case] expected: bool) {
        assert_eq!(IpAllowlist::parse(list).unwrap().allows(address.parse().unwrap()), expected);
    }

    #[rstest]
    #[case("localhost")]
    #[case("10.0.0.0/33")]
    #[case("fe80::1%eth0")]
    #[case("1.2.3")]
    #[case("1.2.3.4, nonsense")]
    fn what_is_no_address_is_named(#[case] list: &str) {
        let error = IpAllowlist::parse(list).unwrap_err().to_string();
        assert!(error.contains(list.rsplit(", ").next().unwrap()), "{error}");
    }
}
