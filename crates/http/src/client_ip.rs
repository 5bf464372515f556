//! Who sent a request: the peer, or what proxies that the configuration names say about it.
//!
//! `X-Forwarded-For` is written by whoever sends the request, so it counts only where the peer is a trusted proxy, and
//! then only from the right: each proxy appends the address it saw. What stands left of the first address that is no
//! trusted proxy was written by the client and is never looked at.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use axum::extract::ConnectInfo;
use axum::http::request::Parts;
use axum::http::{Extensions, HeaderMap};
use ipnet::IpNet;

/// The address of the client that sent a request, as [`resolve`] finds it from the peer that `serve` noted.
#[must_use]
pub fn of_request(parts: &Parts, trusted_proxies: &[IpNet]) -> IpAddr {
    resolve(peer(&parts.extensions), &parts.headers, trusted_proxies)
}

/// The peer of the connection. A request that came by no connection has none: 0.0.0.0 is on nobody's list of
/// addresses, so it fails closed.
#[must_use]
pub fn peer(extensions: &Extensions) -> IpAddr {
    extensions
        .get::<ConnectInfo<SocketAddr>>()
        .map_or(IpAddr::V4(Ipv4Addr::UNSPECIFIED), |ConnectInfo(address)| address.ip().to_canonical())
}

/// The client's address, given the peer's, the request's headers and the proxies that are believed.
///
/// An entry that is no address ends the walk: the last hop that could be read stands for the client.
#[must_use]
pub fn resolve(peer: IpAddr, headers: &HeaderMap, trusted_proxies: &[IpNet]) -> IpAddr {
    let is_trusted = |address: IpAddr| trusted_proxies.iter().any(|range| range.contains(&address));
    let mut client = peer.to_canonical();
    if !is_trusted(client) {
        return client;
    }
    let lines = headers.get_all("x-forwarded-for").iter().rev();
    let hops = lines.flat_map(|line| line.to_str().unwrap_or_default().rsplit(','));
    for hop in hops {
        let Some(address) = parse_hop(hop.trim()) else { break };
        client = address;
        if !is_trusted(address) {
            break;
        }
    }
    client
}

/// One entry: an address, with a port or in brackets as some proxies write it.
fn parse_hop(text: &str) -> Option<IpAddr> {
    let bracketed = || text.strip_prefix('[')?.strip_suffix(']')?.parse::<IpAddr>().ok();
    let address = text.parse::<IpAddr>().ok();
    let address = address.or_else(|| text.parse::<SocketAddr>().ok().map(|socket| socket.ip()));
    address.or_else(bracketed).map(|address| address.to_canonical())
}

#[cfg(test)]
mod tests {
    use super::*;
    use axum::http::HeaderValue;
    use rstest::rstest;

    /// Lines are separated by `|`; the proxies at 10.0.0.0/8 and 2001:db8::/32 are trusted.
    #[rstest]
    #[case::no_header("203.0.113.9", "", "203.0.113.9")]
    #[case::mapped_peer("::ffff:203.0.113.9", "", "203.0.113.9")]
    #[case::forged_without_a_proxy("203.0.113.9", "52.89.214.238", "203.0.113.9")]
    #[case::one_proxy("10.0.0.1", "198.51.100.7", "198.51.100.7")]
    #[case::mapped_proxy("::ffff:10.0.0.1", "198.51.100.7", "198.51.100.7")]
    #[case::forged_left_of_the_client("10.0.0.1", "52.89.214.238, 198.51.100.7", "198.51.100.7")]
    #[case::forged_in_an_earlier_line("10.0.0.1", "52.89.214.238|198.51.100.7", "198.51.100.7")]
    #[case::forged_trusted_hop("10.0.0.1", "52.89.214.238, 10.9.9.9, 198.51.100.7", "198.51.100.7")]
    #[case::two_proxies("10.0.0.1", "198.51.100.7, 10.0.0.2", "198.51.100.7")]
    #[case::two_proxies_two_lines("10.0.0.1", "52.89.214.238, 198.51.100.7|10.0.0.2", "198.51.100.7")]
    #[case::all_trusted("10.0.0.1", "10.0.0.3, 10.0.0.2", "10.0.0.3")]
    #[case::garbage_next_to_the_proxy("10.0.0.1", "198.51.100.7, unknown", "10.0.0.1")]
    #[case::garbage_behind_a_proxy("10.0.0.1", "52.89.214.238, _hidden, 10.0.0.2", "10.0.0.2")]
    #[case::trailing_comma("10.0.0.1", "198.51.100.7,", "10.0.0.1")]
    #[case::port("10.0.0.1", "198.51.100.7:4711", "198.51.100.7")]
    #[case::bracketed("10.0.0.1", "[2001:db9::7]", "2001:db9::7")]
    #[case::bracketed_port("10.0.0.1", "[2001:db9::7]:4711", "2001:db9::7")]
    #[case::mapped_entry("10.0.0.1", "::ffff:198.51.100.7", "198.51.100.7")]
    #[case::trusted_ipv6("2001:db8::1", "2001:db9::7, 2001:db8::2", "2001:db9::7")]
    fn finds_the_client(#[case] peer: &str, #[case] forwarded: &str, #[case] expected: &str) {
        let trusted = ["10.0.0.0/8".parse().unwrap(), "2001:db8::/32".parse().unwrap()];
        let mut headers = HeaderMap::new();
        for line in forwarded.split('|').filter(|line| !line.is_empty()) {
            headers.append("x-forwarded-for", HeaderValue::from_str(line).unwrap());
        }
        let expected: IpAddr = expected.parse().unwrap();
        assert_eq!(resolve(peer.parse().unwrap(), &headers, &trusted), expected);
    }

    #[test]
    fn a_line_that_is_no_text_is_not_believed() {
        let mut headers = HeaderMap::new();
        headers.append("x-forwarded-for", HeaderValue::from_static("52.89.214.238"));
        headers.append("x-forwarded-for", HeaderValue::from_bytes(b"198.51.100.7\xff").unwrap());
        let peer = "10.0.0.1".parse().unwrap();
        assert_eq!(resolve(peer, &headers, &["10.0.0.0/8".parse().unwrap()]), peer);
    }
}
