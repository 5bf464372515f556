//! Signing, held against Binance's published vectors and against requests that a third party's client signed.

use atomik_brokers::binance::credentials::Key;
use atomik_brokers::binance::orders::write;
use atomik_brokers::binance::settings::Market;
use atomik_brokers::binance::signing::Params;
use atomik_domain::{OrderRequest, OrderType, Price, Qty, Side, TimeInForce};
use atomik_testkit::broker_suite::market_order;
use atomik_testkit::venues::spec::material_file;
use aws_lc_rs::signature::{ED25519, UnparsedPublicKey};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::Value;

use super::setup::{credentials, decimal, symbol};

fn read(file: &str) -> Option<Value> {
    let text = std::fs::read_to_string(material_file(file)?).unwrap();
    Some(serde_json::from_str(&text).unwrap())
}

fn hmac_key(secret: &str) -> Key {
    Key::read(&credentials(&[("api_key", "testkey"), ("secret_key", secret)])).unwrap()
}

#[test]
fn the_published_vectors_are_signed_alike() {
    let Some(vectors) = read("official_signature_vectors.json") else { return };
    let ours: Vec<_> = vectors.as_array().unwrap().iter().filter(|one| one["broker"] == "binance").collect();
    assert_eq!(ours.len(), 2);
    for vector in ours {
        let key = hmac_key(vector["secret"].as_str().unwrap());
        let signature = key.sign(vector["payload"].as_str().unwrap()).unwrap();
        assert_eq!(signature, vector["signature"].as_str().unwrap());
    }
}

#[test]
fn what_is_not_ascii_is_escaped_before_it_is_signed() {
    let params = Params::default().with("symbol", "１２３").with("note", "a b~c*d");
    assert_eq!(params.encoded(), "symbol=%EF%BC%91%EF%BC%92%EF%BC%93&note=a%20b%7Ec*d");
}

/// The request that a vector's input asks for; `None` where this program makes no such request.
fn ours(market: Market, vector: &Value) -> Option<Params> {
    let input = vector["input"].as_array().unwrap();
    let id = "sig-20260101-0001";
    let more = input.last().cloned().unwrap_or_default();
    match vector["method"].as_str().unwrap() {
        "createOrder" => {
            let text = |at: usize| input[at].as_str().unwrap();
            let number = |value: &Value| decimal(&value.to_string());
            if more.get("stopLoss").is_some() {
                // An order with two others attached is none of ours.
                return None;
            }
            let stop = more.get("triggerPrice").or_else(|| more.get("stopLossPrice")).map(number);
            let limit = input.get(4).filter(|value| value.is_number()).map(number);
            let order_type = match (text(1), stop) {
                ("market", None) => OrderType::Market,
                ("limit", None) => OrderType::Limit,
                ("market", Some(_)) => OrderType::Stop,
                _ => OrderType::StopLimit,
            };
            let ioc = more.get("timeInForce").is_some_and(|value| value == "IOC");
            let side = if text(2) == "buy" { Side::Buy } else { Side::Sell };
            let request = OrderRequest {
                order_type,
                time_in_force: if ioc { TimeInForce::Ioc } else { TimeInForce::Gtc },
                limit_price: limit.map(Price),
                stop_price: stop.map(Price),
                reduce_only: more.get("reduceOnly").is_some(),
                ..market_order(symbol(), side, Qty(number(&input[3])))
            };
            Some(write(market, &request, id).unwrap().params)
        }
        "cancelOrder" | "fetchOrder" if input[0].is_null() => {
            Some(Params::default().with("symbol", symbol()).with("origClientOrderId", id))
        }
        "cancelOrder" | "fetchOrder" => {
            Some(Params::default().with("symbol", symbol()).with("orderId", input[0].as_str().unwrap()))
        }
        "fetchBalance" => Some(Params::default()),
        _ => None,
    }
}

#[test]
fn a_third_partys_requests_are_made_byte_by_byte() {
    let Some(corpus) = read("ccxt/ccxt-4.5.90-request-vectors.json") else { return };
    let key = hmac_key(corpus["fixed"]["secret"].as_str().unwrap());
    let (mut all, mut made) = (0, 0);
    for vector in corpus["vectors"].as_array().unwrap() {
        let market = match vector["exchange"].as_str() {
            Some("binance") => Market::Spot,
            Some("binanceusdm") => Market::Usdm,
            _ => continue,
        };
        all += 1;
        let request = &vector["requests"][0];
        let url = request["url"].as_str().unwrap();
        let sent = request["body"].as_str().unwrap_or_else(|| url.split_once('?').unwrap().1);
        let (payload, signature) = sent.rsplit_once("&signature=").unwrap();
        assert_eq!(key.sign(payload).unwrap(), signature, "{vector}");
        if let Some(params) = ours(market, vector) {
            made += 1;
            assert_eq!(params.signed(&key, 1_700_000_000_000, 10_000).unwrap(), sent, "{vector}");
        }
    }
    assert_eq!((all, made), (31, 22));
}

/// A key made for this test with `openssl genpkey -algorithm ed25519`.
pub const PRIVATE: &str = "-----BEGIN PRIVATE KEY-----\n\
    MC4CAQAwBQYDK2VwBCIEIKk62/4SPuY8EErbpnWXrguuQ3AUcPI6WKm4wZ2S6Z6V\n\
    -----END PRIVATE KEY-----\n";
/// Its public half.
pub const PUBLIC: &str = "u0sLG9BS6j+y85bYMCyZk25uRcBeSUnDZbGcwE4QxSw=";

#[test]
fn an_ed25519_key_signs_in_base64_and_its_public_half_agrees() {
    let key = Key::read(&credentials(&[("api_key", "testkey"), ("private_key", PRIVATE)])).unwrap();
    assert!(key.logs_on());
    let payload = "symbol=BTCUSDT&timestamp=1";
    let signature = STANDARD.decode(key.sign(payload).unwrap()).unwrap();
    let public = STANDARD.decode(PUBLIC).unwrap();
    UnparsedPublicKey::new(&ED25519, public).verify(payload.as_bytes(), &signature).unwrap();
}
