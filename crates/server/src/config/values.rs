//! Values with a form of their own.

use std::fmt;
use std::str::FromStr;

use atomik_domain::ip_allowlist::canonical;
use ipnet::IpNet;
use secrecy::{ExposeSecret, SecretSlice, SecretString};

/// The proxies that are believed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Proxies(pub Vec<IpNet>);

impl FromStr for Proxies {
    type Err = String;

    fn from_str(list: &str) -> Result<Self, String> {
        let entries = list.split(',').map(str::trim).filter(|entry| !entry.is_empty());
        entries.map(parse_proxy).collect::<Result<_, _>>().map(Self)
    }
}

fn parse_proxy(text: &str) -> Result<IpNet, String> {
    let address = text.parse().ok().map(|address| IpNet::from(canonical(address)));
    let range = || text.parse::<IpNet>().ok().map(|range| range.trunc());
    address.or_else(range).ok_or_else(|| format!("\"{text}\" is neither an IP address nor a CIDR range"))
}

/// Scheme, host and port, without a trailing slash.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PublicUrl(String);

impl FromStr for PublicUrl {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let url = reqwest::Url::parse(text).map_err(|_| "not a URL")?;
        if !matches!(url.scheme(), "http" | "https") {
            return Err("neither http nor https");
        }
        if !url.username().is_empty() || url.password().is_some() {
            return Err("a URL with a user");
        }
        if url.path() != "/" || url.query().is_some() || url.fragment().is_some() {
            return Err("a URL with more than scheme, host and port");
        }
        Ok(Self(url.as_str().trim_end_matches('/').to_owned()))
    }
}

impl fmt::Display for PublicUrl {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

/// A number of bytes; `None` is no limit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Size(pub Option<u64>);

/// An empty database takes a good part of it already.
const SMALLEST_SIZE: u64 = 1 << 20;

impl FromStr for Size {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let digits = text.trim_start_matches(|c: char| c.is_ascii_digit());
        let (number, unit) = (&text[..text.len() - digits.len()], digits.trim());
        let number: u64 = number.parse().map_err(|_| "not a size")?;
        let factor: u64 = match unit.to_ascii_lowercase().as_str() {
            "" | "b" => 1,
            "kib" => 1 << 10,
            "mib" => 1 << 20,
            "gib" => 1 << 30,
            _ => return Err("an unknown unit"),
        };
        match number.checked_mul(factor).ok_or("too large")? {
            0 => Ok(Self(None)),
            1..SMALLEST_SIZE => Err("less than 1 MiB"),
            bytes => Ok(Self(Some(bytes))),
        }
    }
}

impl fmt::Display for Size {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            None => formatter.write_str("may grow as large as the disk allows"),
            Some(bytes) => write!(formatter, "may grow to {bytes} bytes"),
        }
    }
}

/// A URL that holds a password, with what may be shown of it.
macro_rules! secret_url {
    ($(#[$doc:meta])* $name:ident, $place_of:path) => {
        $(#[$doc])*
        #[derive(Clone, Debug)]
        pub struct $name {
            url: SecretString,
            place: String,
        }

        impl $name {
            /// The URL, to connect with.
            #[must_use]
            pub fn secret(&self) -> &SecretString {
                &self.url
            }

            /// Where that is, without user and password.
            #[must_use]
            pub fn place(&self) -> &str {
                &self.place
            }
        }

        impl FromStr for $name {
            type Err = String;

            fn from_str(text: &str) -> Result<Self, String> {
                let url = SecretString::from(text);
                let place = $place_of(&url)?;
                Ok(Self { url, place })
            }
        }
    };
}

secret_url!(
    /// The URL of a PostgreSQL database.
    DatabaseUrl,
    atomik_storage::postgres::place_of
);
secret_url!(
    /// The URL of a Redis.
    RedisUrl,
    atomik_storage::redis::place_of
);

/// 32 secret bytes, written as 64 hex digits.
#[derive(Clone, Debug)]
pub struct HexKey(SecretSlice<u8>);

impl HexKey {
    /// A key of these bytes.
    #[must_use]
    pub fn new(bytes: [u8; 32]) -> Self {
        Self(SecretSlice::from(bytes.to_vec()))
    }

    /// The bytes.
    #[must_use]
    pub fn expose(&self) -> &[u8] {
        self.0.expose_secret()
    }
}

impl FromStr for HexKey {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let mut bytes = [0; 32];
        hex::decode_to_slice(text, &mut bytes).map_err(|_| "not a key")?;
        Ok(Self::new(bytes))
    }
}

macro_rules! words {
    ($(#[$doc:meta])* $name:ident { $($(#[$variant_doc:meta])* $variant:ident = $text:literal),* $(,)? }) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub enum $name { $($(#[$variant_doc])* $variant),* }
        atomik_domain::spelled!($name { $($variant = $text),* });
    };
}

words! {
    /// From which level on events are logged.
    LogLevel {
        /// Something is broken.
        Error = "error",
        /// Something needs a look.
        Warn = "warn",
        /// What happens.
        Info = "info",
        /// How it happens.
        Debug = "debug",
        /// All of it.
        Trace = "trace",
    }
}

words! {
    /// The form of log lines.
    LogFormat {
        /// For people.
        Text = "text",
        /// For programs: one object a line.
        Json = "json",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes() {
        let size = |text: &str| text.parse::<Size>().map(|size| size.0);
        assert_eq!(size("0"), Ok(None));
        assert_eq!(size("10 GiB"), Ok(Some(10 << 30)));
        assert_eq!(size("512MiB"), Ok(Some(512 << 20)));
        assert_eq!(size("1048576"), Ok(Some(1 << 20)));
        for wrong in ["", "GiB", "-1", "1.5 GiB", "10 GB", "99999999999 GiB", "10", "1023 KiB"] {
            assert!(size(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn a_public_url_is_scheme_host_and_port() {
        let url = |text: &str| text.parse::<PublicUrl>().map(|url| url.to_string());
        assert_eq!(url("https://atomik.example.com/").as_deref(), Ok("https://atomik.example.com"));
        assert_eq!(url("http://127.0.0.1:8080").as_deref(), Ok("http://127.0.0.1:8080"));
        for wrong in ["atomik.example.com", "ftp://a", "https://a/path", "https://u:p@a", "https://a/?x=1"] {
            assert!(url(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn proxies_are_addresses_and_ranges() {
        let proxies: Proxies = "10.0.0.0/8, ::ffff:192.0.2.1, 2001:db8::1".parse().unwrap();
        let texts: Vec<_> = proxies.0.iter().map(ToString::to_string).collect();
        assert_eq!(texts, ["10.0.0.0/8", "192.0.2.1/32", "2001:db8::1/128"]);
        assert!("10.0.0.0/8, proxy".parse::<Proxies>().unwrap_err().contains("\"proxy\""));
    }

    #[test]
    fn keys_never_show() {
        let key: HexKey = "ab".repeat(32).parse().unwrap();
        assert!(!format!("{key:?}").contains("ab, ab") && !format!("{key:?}").contains("171"));
        assert!("ab".parse::<HexKey>().is_err());
    }
}
