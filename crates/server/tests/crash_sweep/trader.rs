//! Who owns the history: webhooks, each with a strategy on the paper account and one at a venue that runs in this process, which
//! nothing kills.

use std::path::Path;

use atomik_testkit::venues::alpaca::{self, AlpacaVenue};
use serde_json::{Value, json};

use crate::common::{Server, body_of, quickstart, status_of};

/// What a strategy may hold, entry by entry.
pub const MAX_POSITION: u32 = 3;
/// What the webhooks' strategies trade: on the paper account, where two of them share a lane, and at the venue.
const SYMBOLS: [(&str, &str); 3] = [("MES", "ACME"), ("MES", "NIBBLE"), ("MNQ", "PENY")];
/// The account of the quick start.
pub const PAPER: i64 = 1;

pub const ALLOWED: [(&str, &str); 1] = [("ATOMIK_BROKERS__ALLOW_CUSTOM_URLS", "true")];

/// A webhook and its strategies.
pub struct Hook {
    /// With the secret.
    pub path: String,
    pub paper: i64,
    pub at_venue: i64,
}

pub struct Trader {
    pub key: String,
    pub hooks: Vec<Hook>,
    /// The account at the venue.
    pub account: i64,
}

impl Trader {
    /// Makes everything, and ends the server that it was made with.
    pub fn new(data_dir: &Path, venue: &AlpacaVenue) -> Self {
        let key = quickstart(data_dir, "http://127.0.0.1:8080", &[]).key;
        let server = Server::start_with(data_dir, &ALLOWED);
        let mut trader = Self { key, hooks: Vec::new(), account: 0 };
        let account = json!({"broker": "alpaca", "environment": "paper", "label": "fake",
            "credentials": {"key_id": alpaca::KEY_ID, "secret_key": alpaca::SECRET_KEY},
            "settings": {"base_url": venue.base_url(), "stream_url": venue.stream_url()}});
        trader.account = trader.post(&server, "/api/v1/broker-accounts", &account)["id"].as_i64().unwrap();
        server.wait_until_connected(PAPER, &trader.key);
        server.wait_until_connected(trader.account, &trader.key);
        for (at_paper, at_venue) in SYMBOLS {
            let hook = trader.post(&server, "/api/v1/webhooks", &json!({"name": at_venue}));
            let (token, secret) = (hook["token"].as_str().unwrap(), hook["secret"].as_str().unwrap());
            let strategy = |account: i64, symbol: &str| {
                let body = json!({"name": symbol, "webhook_id": hook["id"], "broker_account_id": account,
                    "symbol": symbol, "quantity": "1", "max_position": MAX_POSITION.to_string(),
                    "max_signal_age_s": 3_600, "active": true});
                trader.post(&server, "/api/v1/strategies", &body)["id"].as_i64().unwrap()
            };
            let (paper, at_venue) = (strategy(PAPER, at_paper), strategy(trader.account, at_venue));
            let path = format!("/api/v1/webhooks/{token}?secret={secret}");
            trader.hooks.push(Hook { path, paper, at_venue });
        }
        assert!(server.terminate().success());
        trader
    }

    fn post(&self, server: &Server, path: &str, body: &Value) -> Value {
        let headers = format!("authorization: Bearer {}\r\ncontent-type: application/json\r\n", self.key);
        let answer = server.post(path, &headers, &body.to_string());
        assert_eq!(status_of(&answer), 201, "{path}: {answer}");
        serde_json::from_str(body_of(&answer)).unwrap()
    }
}
