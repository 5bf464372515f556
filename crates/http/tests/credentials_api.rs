//! Credentials: taken, checked, sealed, opened for the adapter alone, replaced, and never shown.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)] // clippy sees only #[test] functions as tests

mod common;

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use atomik_domain::{BrokerAccount, BrokerId, Environment, ExecutionReport, Instrument};
use atomik_ports::broker::{
    Broker, BrokerDescription, BrokerError, Capabilities, ClientIdUniqueness, CredentialField, FieldError,
    FillReports,
};
use atomik_ports::{BrokerConnector, Credentials, Custody};
use common::{Client, TestApp};
use rust_decimal::Decimal;
use secrecy::ExposeSecret;
use serde_json::{Value, json};
use tokio::sync::mpsc;

const CANARY: &str = "canary-77e1";

/// A broker that lets nobody in, and notes what it was given.
#[derive(Default)]
struct Locked {
    /// Whether it cannot be reached, instead of refusing.
    away: bool,
    given: Mutex<Vec<BTreeMap<String, String>>>,
}

#[async_trait]
impl BrokerConnector for Locked {
    fn description(&self) -> BrokerDescription {
        let field = |name: &str, required, multiline| CredentialField {
            name: name.to_owned(),
            label: name.to_owned(),
            description: "Where it is.".to_owned(),
            required,
            multiline,
        };
        BrokerDescription {
            broker: BrokerId("locked".to_owned()),
            name: "Locked".to_owned(),
            environments: vec![Environment::Live],
            credential_fields: vec![field("key_id", true, false), field("private_key", false, true)],
            setting_fields: Vec::new(),
            capabilities: Capabilities {
                order_types: Vec::new(),
                times_in_force: Vec::new(),
                reduce_only: false,
                fractional_quantities: false,
                client_id_uniqueness: ClientIdUniqueness::For(Duration::from_secs(86_400)),
                look_up_by_client_id: false,
                settle_window: Duration::ZERO,
                fill_reports: FillReports::Polled(Duration::from_secs(1)),
                rate_limits: Vec::new(),
                untold_coin_fee: Decimal::ZERO,
            },
        }
    }

    fn check_settings(&self, _: Environment, settings: &Value) -> Result<Value, Vec<FieldError>> {
        Ok(settings.clone())
    }

    fn check_credentials(&self, _: Environment, credentials: &Credentials) -> Result<(), Vec<FieldError>> {
        let key = credentials.get("private_key").map_or("", |key| key.expose_secret());
        if key.is_empty() || key.starts_with("-----BEGIN") {
            return Ok(());
        }
        Err(vec![FieldError {
            field: "credentials.private_key".to_owned(),
            problem: "is no key in PEM".to_owned(),
        }])
    }

    async fn connect(
        &self,
        account: &BrokerAccount,
        custody: &dyn Custody,
        _: mpsc::Sender<ExecutionReport>,
    ) -> Result<Arc<dyn Broker>, BrokerError> {
        let credentials = custody.credentials(account.id).await.unwrap();
        let plain = credentials.iter().map(|(name, text)| (name.to_owned(), text.expose_secret().to_owned()));
        self.given.lock().unwrap().push(plain.collect());
        match self.away {
            true => Err(BrokerError::Unavailable("nobody answers".to_owned())),
            false => Err(BrokerError::Unauthorized("The key is wrong: copy it again.".to_owned())),
        }
    }

    async fn search_instruments(&self, _: &str, _: usize) -> Result<Vec<Instrument>, BrokerError> {
        Ok(Vec::new())
    }
}

async fn start() -> (TestApp, Arc<Locked>, Client) {
    let locked = Arc::new(Locked::default());
    let connector: Arc<dyn BrokerConnector> = Arc::clone(&locked) as _;
    let app = TestApp::start_at(BTreeMap::from([(BrokerId("locked".to_owned()), connector)]), |_| {}).await;
    let client = app.program("trader@example.com").await;
    (app, locked, client)
}

fn account(credentials: &Value) -> Value {
    json!({"broker": "locked", "environment": "live", "label": "mine", "credentials": credentials})
}

async fn given(
    locked: &Locked,
    wanted: impl Fn(&BTreeMap<String, String>) -> bool,
) -> BTreeMap<String, String> {
    let look = async {
        loop {
            if let Some(found) = locked.given.lock().unwrap().iter().find(|given| wanted(given)).cloned() {
                return found;
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(30), look).await.expect("a connection with them")
}

#[tokio::test]
async fn the_adapter_gets_them_and_nobody_else_does() {
    let (app, locked, client) = start().await;
    let pem = format!("-----BEGIN\n{CANARY}\n-----END\n");
    let credentials = json!({"key_id": format!(" {CANARY}\n"), "private_key": pem});
    let made = client.post("/api/v1/broker-accounts", account(&credentials)).await.expect(201);
    assert!(made.body["credentials_set_at"].is_string(), "{}", made.text);
    let got = given(&locked, |given| !given.is_empty()).await;
    assert_eq!(
        (got["key_id"].as_str(), got["private_key"].as_str()),
        (CANARY, pem.as_str()),
        "trimmed but for PEM"
    );
    let path = format!("/api/v1/broker-accounts/{}", made.id());
    let refused = |account: &Value| account["status"]["state"] == "disconnected";
    let shown = client.get_until(&path, refused).await;
    assert_eq!(shown["status"]["detail"], "The key is wrong: copy it again.");
    let list = client.get("/api/v1/broker-accounts").await.expect(200);
    let test = client.post(&format!("{path}/test-connection"), json!({})).await.expect(200);
    assert_eq!(test.body["detail"], "The key is wrong: copy it again.");
    for text in [made.text, shown.to_string(), list.text, test.text] {
        assert!(!text.contains(CANARY), "{text}");
    }
    for file in std::fs::read_dir(app.data_dir.path()).unwrap() {
        let bytes = std::fs::read(file.unwrap().path()).unwrap();
        assert!(!bytes.windows(CANARY.len()).any(|part| part == CANARY.as_bytes()));
    }
}

#[tokio::test]
async fn others_take_their_place_and_the_account_connects_anew() {
    let (_app, locked, client) = start().await;
    let made = client.post("/api/v1/broker-accounts", account(&json!({"key_id": "one"}))).await.expect(201);
    given(&locked, |given| given.get("key_id").is_some_and(|key| key == "one")).await;
    let path = format!("/api/v1/broker-accounts/{}", made.id());
    client.patch(&path, json!({"credentials": {"key_id": "two"}})).await.expect(200);
    // At once, and not after the long pause that wrong ones are given.
    given(&locked, |given| given.get("key_id").is_some_and(|key| key == "two")).await;
    let wrong = client.patch(&path, json!({"credentials": {}})).await.expect(422);
    assert_eq!(wrong.body["fields"]["credentials.key_id"], "is required");
}

#[tokio::test]
async fn refused_ones_are_not_tried_again_and_again_as_an_unreachable_broker_is() {
    let (locked, away) = (Arc::new(Locked::default()), Arc::new(Locked { away: true, ..Locked::default() }));
    let connectors: [(BrokerId, Arc<dyn BrokerConnector>); 2] = [
        (BrokerId("locked".to_owned()), Arc::clone(&locked) as _),
        (BrokerId("away".to_owned()), Arc::clone(&away) as _),
    ];
    let app = TestApp::start_at(BTreeMap::from(connectors), |_| {}).await;
    let client = app.program("trader@example.com").await;
    let credentials = json!({"key_id": "k"});
    client.post("/api/v1/broker-accounts", account(&credentials)).await.expect(201);
    given(&locked, |_| true).await;
    let unreachable =
        json!({"broker": "away", "environment": "live", "label": "away", "credentials": credentials});
    client.post("/api/v1/broker-accounts", unreachable).await.expect(201);
    let tries = async {
        while away.given.lock().unwrap().len() < 3 {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(30), tries).await.expect("three tries of the other one");
    assert_eq!(locked.given.lock().unwrap().len(), 1, "wrong passwords in a row lock logins");
}

#[tokio::test]
async fn wrong_ones_are_named_and_not_repeated() {
    let (_app, locked, client) = start().await;
    for (credentials, field, problem) in [
        (json!({}), "credentials.key_id", "is required"),
        (json!({"key_id": "  "}), "credentials.key_id", "is required"),
        (json!({"key_id": "k", "keyid": CANARY}), "credentials.keyid", "expected: key_id, private_key"),
        (json!({"key_id": [CANARY]}), "credentials.key_id", "must be a text"),
        (json!({"key_id": "k", "private_key": CANARY}), "credentials.private_key", "is no key in PEM"),
        (json!({"key_id": CANARY.repeat(2_000)}), "credentials.key_id", "at most 16384 bytes"),
    ] {
        let refused = client.post("/api/v1/broker-accounts", account(&credentials)).await.expect(422);
        let said =
            refused.body["fields"][field].as_str().unwrap_or_else(|| panic!("{field}: {}", refused.text));
        assert!(said.contains(problem), "{said}");
        assert!(!refused.text.contains(CANARY), "{}", refused.text);
    }
    assert!(locked.given.lock().unwrap().is_empty(), "nothing was connected");
}

#[tokio::test]
async fn the_catalogue_says_what_is_needed() {
    let (_app, _, client) = start().await;
    let brokers = client.get("/api/v1/brokers").await.expect(200).body;
    let locked = brokers["items"].as_array().unwrap().iter().find(|one| one["broker"] == "locked").unwrap();
    assert_eq!(locked["credential_fields"][1]["multiline"], true);
    let capabilities = &locked["capabilities"];
    assert_eq!(capabilities["client_id_uniqueness"], "for_a_while");
    assert_eq!(capabilities["client_id_unique_s"], 86_400);
    assert_eq!(capabilities["fill_reports"], "polled");
}
