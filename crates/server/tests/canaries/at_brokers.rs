//! Credentials of broker accounts, at a venue that throws back at its caller whatever it was sent.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use atomik_ports::{Clock, SystemClock};
use atomik_testkit::venues::ibkr_web::IbkrWebVenue;
use rstest::rstest;
use secrecy::ExposeSecret;
use serde_json::{Map, Value, json};

use crate::at_the_api::Said;
use crate::common::status_of;

/// A venue that refuses everything, and quotes every secret that it finds in a request in its refusal: as the message, in each
/// word that some broker has for it.
struct Parrot {
    address: String,
    /// How many secrets it has quoted.
    quoted: Arc<Mutex<usize>>,
}

impl Parrot {
    fn start(status: u16, secrets: Vec<String>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let quoted = Arc::new(Mutex::new(0));
        let count = Arc::clone(&quoted);
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                let (secrets, count) = (secrets.clone(), Arc::clone(&count));
                std::thread::spawn(move || answer(stream.unwrap(), status, &secrets, &count));
            }
        });
        Self { address, quoted }
    }
}

/// Answers one request and closes.
fn answer(mut stream: TcpStream, status: u16, secrets: &[String], quoted: &Mutex<usize>) {
    stream.set_read_timeout(Some(Duration::from_millis(300))).unwrap();
    let mut request = Vec::new();
    // Until it pauses: it waits for the answer then.
    let _ = stream.read_to_end(&mut request);
    let request = String::from_utf8_lossy(&request);
    let found: Vec<_> = secrets.iter().filter(|secret| request.contains(secret.as_str())).cloned().collect();
    *quoted.lock().unwrap() += found.len();
    let said = format!("refused: {}", found.join(" "));
    let body = json!({"code": -2014, "msg": said, "message": said, "error": said, "errorText": said,
        "error_description": said, "statusText": said, "p-ticket": said})
    .to_string();
    // Only its time it tells: without it nothing is signed and sent.
    let (status, body) = match request.lines().next().is_some_and(|line| line.contains("/time")) {
        true => (200, json!({"serverTime": SystemClock.now().0 / 1_000}).to_string()),
        false => (status, body),
    };
    let answer = format!(
        "HTTP/1.1 {status} {said}\r\nx-request-id: {said}\r\ncontent-type: application/json\r\n\
         content-length: {}\r\nconnection: close\r\n\r\n{body}",
        body.len()
    );
    let _ = stream.write_all(answer.as_bytes());
}

/// What an account is linked with, all secret, and its settings but for the address.
fn credentials(broker: &str, said: &mut Said) -> Map<String, Value> {
    let names: &[&str] = match broker {
        "alpaca" => &["key_id", "secret_key"],
        "binance" => &["api_key", "secret_key"],
        "tradovate" => &["username", "password", "cid", "sec"],
        "tradovate oauth" => &["client_id", "client_secret", "refresh_token"],
        _ => &[],
    };
    let made = names.iter().map(|name| ((*name).to_owned(), said.canaries.with_letters(name)));
    made.map(|(name, secret)| (name, json!(secret))).collect()
}

/// Links an account there, changes it, asks of it what has to ask the broker, and unlinks it. Then nothing is to be found.
fn is_silent(
    mut said: Said,
    broker: &str,
    status: u16,
    credentials: Map<String, Value>,
    mut settings: Value,
) {
    let secrets = credentials.values().map(|secret| secret.as_str().unwrap().to_owned()).collect();
    let parrot = Parrot::start(status, secrets);
    settings["base_url"] = json!(format!("http://{}/v1", parrot.address));
    settings["stream_url"] = json!(format!("ws://{}/ws", parrot.address));
    let environment =
        ["paper", "demo", "testnet", "paper"][["alpaca", "tradovate", "binance", "interactive_brokers"]
            .iter()
            .position(|name| *name == broker)
            .unwrap()];
    let account = json!({"broker": broker, "environment": environment, "label": "parrot",
        "credentials": credentials, "settings": settings});
    let bearer = said.bearer();
    let path = "/api/v1/broker-accounts";
    let linked = said.ask("POST", path, &bearer, &account.to_string());
    assert_eq!(linked, 201, "the account is not linked");
    let path = format!("{path}/2");
    let key = said.made.key.clone();
    // It is tried by itself, and says that it was refused or cannot be reached.
    said.server.wait_for(&path, &key, |account| {
        account["status"]["detail"].as_str().is_some_and(|detail| !detail.is_empty())
            && account["status"]["state"] != "connecting"
    });
    for question in ["positions", "balance", "differences"] {
        let answer = said.server.exchange(format!(
            "GET {path}/{question} HTTP/1.1\r\nhost: a\r\nconnection: close\r\n{bearer}\r\n"
        ));
        assert!(status_of(&answer) > 0);
        said.canaries.assert_absent(question, answer.as_bytes());
    }
    let tested = said.server.post(&format!("{path}/test-connection"), &bearer, "{}");
    said.canaries.assert_absent("the test of the connection", tested.as_bytes());
    said.ask("PATCH", &path, &bearer, &json!({"credentials": account["credentials"]}).to_string());
    said.server.post(&format!("{path}/flatten"), &bearer, "{}");
    said.server.wait_for(&path, &key, |account| account["status"]["state"] != "connecting");
    let quoted = *parrot.quoted.lock().unwrap();
    assert!(quoted > 0, "no credential has reached the venue, so there was nothing to be quoted");
    said.assert_silent();
}

#[rstest]
#[case::alpaca_refuses("alpaca", 401, json!({}))]
#[case::alpaca_forbids("alpaca", 403, json!({}))]
#[case::alpaca_fails("alpaca", 500, json!({}))]
#[case::binance_refuses("binance", 401, json!({"market": "spot"}))]
#[case::binance_does_not_understand("binance", 400, json!({"market": "usdm"}))]
#[case::binance_fails("binance", 500, json!({"market": "spot"}))]
#[case::tradovate_refuses("tradovate", 401, json!({}))]
#[case::tradovate_answers("tradovate", 200, json!({}))]
#[case::tradovate_fails("tradovate", 500, json!({}))]
#[case::tradovate_refuses_oauth("tradovate oauth", 400, json!({}))]
fn credentials_that_a_venue_quotes_are_nowhere(
    #[case] broker: &str,
    #[case] status: u16,
    #[case] settings: Value,
) {
    let mut said = Said::start();
    let credentials = credentials(broker, &mut said);
    is_silent(said, broker.split(' ').next().unwrap(), status, credentials, settings);
}

#[rstest]
#[case::refuses(401)]
#[case::fails(500)]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn credentials_that_interactive_brokers_quotes_are_nowhere(#[case] status: u16) {
    let fake = IbkrWebVenue::start_oauth().await;
    let mut said = tokio::task::block_in_place(Said::start);
    let given = fake.credentials(&[]);
    let mut credentials = Map::new();
    for (name, secret) in given.iter() {
        let secret = secret.expose_secret();
        // Of a key in PEM, a line of its own: all of them have the same beginning and end.
        let line = secret.lines().max_by_key(|line| line.len()).unwrap();
        if line.len() >= 12 && name != "dh_parameters" {
            said.canaries.add(name, line);
        }
        credentials.insert(name.to_owned(), json!(secret));
    }
    let settings = json!({"connection": "oauth"});
    tokio::task::block_in_place(|| is_silent(said, "interactive_brokers", status, credentials, settings));
}
