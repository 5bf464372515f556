//! Where a venue is: its own addresses, or others where the operator allows that.

use atomik_ports::broker::{BrokerError, SettingField, SettingKind};
use reqwest::Url;

use crate::settings::SettingsReader;

/// The environment variable of the operator's word, for the sentence of a refusal.
const SWITCH: &str = "ATOMIK_BROKERS__ALLOW_CUSTOM_URLS";

/// Whether settings may name other addresses.
#[derive(Clone, Copy, Debug, Default)]
pub struct UrlRules {
    /// The operator's word.
    pub allow_custom: bool,
}

/// A text that is no address an adapter could use.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct WrongUrl(pub String);

/// A venue's address: everything that is asked of it begins with this.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Endpoint(Url);

impl Endpoint {
    /// Reads an address of one of these schemes: no query, no user, no fragment; a path without a slash at its end.
    ///
    /// # Errors
    /// What is wrong and what is expected.
    pub fn parse(text: &str, schemes: &[&str]) -> Result<Self, WrongUrl> {
        let expected =
            || WrongUrl(format!("must be an address that begins with {}://", schemes.join(":// or ")));
        let mut url = Url::parse(text.trim()).map_err(|_| expected())?;
        if !schemes.contains(&url.scheme()) || !url.has_host() {
            return Err(expected());
        }
        if url.query().is_some()
            || url.fragment().is_some()
            || !url.username().is_empty()
            || url.password().is_some()
        {
            return Err(WrongUrl("must have no user, no query and no fragment".to_owned()));
        }
        let path = url.path().trim_end_matches('/').to_owned();
        url.set_path(&path);
        Ok(Self(url))
    }

    /// The address of a path below it, which begins with a slash.
    ///
    /// # Errors
    /// [`BrokerError::Unavailable`] where the two make no address.
    pub fn join(&self, path: &str) -> Result<Url, BrokerError> {
        let text = format!("{}{path}", self.0.as_str().trim_end_matches('/'));
        Url::parse(&text).map_err(|_| BrokerError::Unavailable(format!("{path} is no path")))
    }

    /// The address itself.
    #[must_use]
    pub const fn url(&self) -> &Url {
        &self.0
    }
}

impl UrlRules {
    /// The two settings that every venue with addresses of its own has.
    #[must_use]
    pub fn fields() -> Vec<SettingField> {
        let field = |name, label, what| {
            let description = format!(
                "{what}, for a sandbox or a gateway of your own. Only where the operator allows it ({SWITCH}). Default: \
                 the broker's own."
            );
            SettingField::new(name, label, &description, SettingKind::Text)
        };
        vec![
            field("base_url", "API address", "Where requests go"),
            field("stream_url", "Stream address", "Where the stream of executions is"),
        ]
    }

    /// A setting's address where one is given and allowed; what is wrong is noted in `reader`.
    pub fn read(self, reader: &mut SettingsReader<'_>, name: &str, schemes: &[&str]) -> Option<Endpoint> {
        let text = reader.text(name)?;
        if !self.allow_custom {
            reader.refuse(
                name,
                format!("is not allowed on this installation; the operator allows it with {SWITCH}=true"),
            );
            return None;
        }
        match Endpoint::parse(text, schemes) {
            Ok(endpoint) => Some(endpoint),
            Err(WrongUrl(problem)) => {
                reader.refuse(name, problem);
                None
            }
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use serde_json::json;

    use super::*;

    #[test]
    fn an_address_is_one_of_the_schemes_and_nothing_more() {
        let parse = |text: &str| Endpoint::parse(text, &["https", "http"]);
        assert_eq!(
            parse("https://a.example/v1/").unwrap().join("/orders").unwrap().as_str(),
            "https://a.example/v1/orders"
        );
        assert_eq!(parse("http://127.0.0.1:9").unwrap().join("/x").unwrap().as_str(), "http://127.0.0.1:9/x");
        for wrong in [
            "ftp://a.example",
            "a.example",
            "https://",
            "https://u@a.example",
            "https://a.example?x=1",
            "https://a.example#f",
        ] {
            assert!(parse(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn another_address_needs_the_operators_word() {
        let settings = json!({"base_url": "http://127.0.0.1:1"});
        let fields = UrlRules::fields();
        let read = |allow_custom| {
            let mut reader = SettingsReader::new(&settings, &fields).unwrap();
            let endpoint = UrlRules { allow_custom }.read(&mut reader, "base_url", &["http"]);
            reader.finish(endpoint)
        };
        assert!(read(true).unwrap().is_some());
        assert!(read(false).unwrap_err()[0].problem.contains(SWITCH));
    }
}
