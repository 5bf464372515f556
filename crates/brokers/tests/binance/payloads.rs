//! Recorded payloads go through the parsers without loss: what was read is written again with the same digits.

use std::path::{Path, PathBuf};
use std::process::Command;

use atomik_brokers::binance::replies::{
    AlgoOrder, ExchangeInfo, FuturesAccount, FuturesEvent, FuturesPosition, Order, SpotAccount, SpotEvent,
    SpotMessage, Ticker, Trade,
};
use atomik_brokers::binance::reports::{of_algo_update, status_of};
use atomik_testkit::venues::spec::material;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

/// Reads a payload and holds what was read against it.
fn same<T: DeserializeOwned + Serialize>(file: &Path, payload: &Value) {
    let read: T = serde_json::from_value(payload.clone()).unwrap_or_else(|error| panic!("{file:?}: {error}"));
    within(file, &serde_json::to_value(&read).unwrap(), payload);
}

/// Everything of `read` is in `payload`, with the same text.
fn within(file: &Path, read: &Value, payload: &Value) {
    match (read, payload) {
        (Value::Object(read), Value::Object(payload)) => {
            for (name, value) in read {
                // A field that the payload leaves out is read as empty.
                let absent = Value::Null;
                let given = payload.get(name).unwrap_or(&absent);
                let empty = value.as_str() == Some("") || value.as_array().is_some_and(Vec::is_empty);
                if !(given.is_null() && (empty || value.is_null())) {
                    within(file, value, given);
                }
            }
        }
        (Value::Array(read), Value::Array(payload)) => {
            assert_eq!(read.len(), payload.len(), "{file:?}");
            read.iter().zip(payload).for_each(|(read, payload)| within(file, read, payload));
        }
        _ => assert_eq!(read, payload, "{file:?}"),
    }
}

fn files(folder: &str) -> Option<Vec<PathBuf>> {
    let Some(folder) = material().map(|material| material.join("nautilus/binance").join(folder)) else {
        println!("skipped: the brokers' material is not on this machine");
        return None;
    };
    let entries = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    Some(entries.filter(|path| path.extension().is_some_and(|end| end == "json")).collect())
}

fn payload(file: &Path) -> (String, Value) {
    let name = file.file_stem().unwrap().to_string_lossy().into_owned();
    (name, serde_json::from_slice(&std::fs::read(file).unwrap()).unwrap())
}

#[test]
fn answers_are_read_without_loss() {
    let (Some(spot), Some(futures)) = (files("spot/http_json"), files("futures/http_json")) else { return };
    let mut count = 0;
    for file in spot.iter().chain(&futures) {
        let (name, payload) = payload(file);
        let futures = file.to_string_lossy().contains("/futures/");
        match (name.as_str(), futures) {
            ("order_response" | "new_order_full_response" | "cancel_order_response", _) => {
                same::<Order>(file, &payload);
            }
            ("open_orders_response" | "all_orders_response", _) => same::<Vec<Order>>(file, &payload),
            ("account_trades_response", _) => same::<Vec<Trade>>(file, &payload),
            ("account_response", _) => same::<SpotAccount>(file, &payload),
            ("account_info_v2", _) => same::<FuturesAccount>(file, &payload),
            ("position_risk", _) => same::<Vec<FuturesPosition>>(file, &payload),
            ("open_algo_orders", _) => same::<Vec<AlgoOrder>>(file, &payload),
            ("exchange_info_response", _) => same::<ExchangeInfo>(file, &payload),
            ("ticker_price_response", _) => same::<Ticker>(file, &payload),
            // Market data and lists of cancels, which this program does not ask for.
            _ => continue,
        }
        count += 1;
    }
    assert!(count >= 12, "only {count} payloads were read");
}

#[test]
fn events_are_read_without_loss() {
    let (Some(spot), Some(futures)) = (files("spot/user_data_json"), files("futures/user_data_json")) else {
        return;
    };
    let (mut orders, mut others) = (0, 0);
    for file in &spot {
        let (_, payload) = payload(file);
        let _: SpotMessage = serde_json::from_value(payload.clone()).unwrap();
        let event = payload.get("event").unwrap_or(&payload);
        match serde_json::from_value::<SpotEvent>(event.clone()).unwrap() {
            SpotEvent::Execution(execution) => {
                assert!(status_of(&execution.status).is_some(), "{file:?}");
                same::<SpotEvent>(file, event);
                orders += 1;
            }
            _ => others += 1,
        }
    }
    for file in &futures {
        let (_, payload) = payload(file);
        match serde_json::from_value::<FuturesEvent>(payload.clone()).unwrap() {
            FuturesEvent::Order { order } => {
                assert!(status_of(&order.status).is_some(), "{file:?}: {}", order.status);
                same::<FuturesEvent>(file, &payload);
                orders += 1;
            }
            FuturesEvent::Algo { order } => {
                // None of them is ours.
                assert_eq!(of_algo_update(&order), None);
                same::<FuturesEvent>(file, &payload);
                orders += 1;
            }
            _ => others += 1,
        }
    }
    assert!(orders >= 16 && others >= 6, "{orders} orders and {others} others were read");
}

/// What is compared with a third party's reading: its word for it, and the payload.
const COMPARED: [(&str, &str); 8] = [
    ("order", "spot/http_json/order_response.json"),
    ("order", "spot/http_json/new_order_full_response.json"),
    ("order", "spot/http_json/cancel_order_response.json"),
    ("order", "spot/http_json/open_orders_response.json"),
    ("order", "spot/http_json/all_orders_response.json"),
    ("order", "futures/http_json/order_response.json"),
    ("trade", "spot/http_json/account_trades_response.json"),
    ("account", "spot/http_json/account_response.json"),
];

/// Our reading of a payload's items, as the fields are named by the venue.
fn ours(kind: &str, payload: &Value) -> Vec<Value> {
    let items = payload.as_array().cloned().unwrap_or_else(|| vec![payload.clone()]);
    let of = |item: &Value| match kind {
        "order" => serde_json::to_value(serde_json::from_value::<Order>(item.clone()).unwrap()).unwrap(),
        _ => serde_json::to_value(serde_json::from_value::<Trade>(item.clone()).unwrap()).unwrap(),
    };
    if kind == "account" {
        let account: SpotAccount = serde_json::from_value(payload.clone()).unwrap();
        return account.balances.iter().map(|one| serde_json::to_value(one).unwrap()).collect();
    }
    items.iter().map(of).collect()
}

#[test]
fn a_third_party_reads_the_same_money_from_the_same_bytes() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let python = root.join("target/third-party-clients/binance/bin/python");
    let Some(folder) = material().map(|material| material.join("nautilus/binance")) else {
        println!("skipped: the brokers' material is not on this machine");
        return;
    };
    if !python.exists() {
        println!("skipped: no third-party client is installed; scripts/test-third-party-clients.sh does it");
        return;
    }
    let mut command = Command::new(&python);
    command.arg(root.join("crates/testkit/python/binance_client.py")).arg("read");
    for (kind, file) in COMPARED {
        command.arg(kind).arg(folder.join(file));
    }
    let output = command.output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let theirs: Vec<Vec<serde_json::Map<String, Value>>> = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(theirs.len(), COMPARED.len());
    let mut compared = 0;
    for ((kind, file), theirs) in COMPARED.iter().zip(&theirs) {
        let ours = ours(kind, &payload(&folder.join(file)).1);
        assert_eq!(ours.len(), theirs.len(), "{file}");
        for (ours, theirs) in ours.iter().zip(theirs) {
            for (field, value) in theirs {
                let (mine, value) = (ours[field].as_str().unwrap(), value.as_str().unwrap());
                let number = atomik_domain::money::parse_decimal;
                assert!(
                    mine == value || (number(mine).is_some() && number(mine) == number(value)),
                    "{file}: {field} is {mine} to us and {value} to them"
                );
                compared += 1;
            }
        }
    }
    assert!(compared >= 20, "only {compared} amounts were compared");
}
