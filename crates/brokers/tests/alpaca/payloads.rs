//! Recorded replies through our parsers, field by field; and beside them what a third party reads from the same bytes.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;

use atomik_brokers::alpaca::replies::{Account, Asset, Fill, Order, Position, TradeUpdate};
use atomik_brokers::wire::decimal::read;
use atomik_testkit::venues::spec::material_file;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

const FIXTURES: &str = "alpaca/alpaca-sdk-0.1.0-fixtures";

/// Our reading, after every field of it was found to be what is written.
fn checked<T: DeserializeOwned + Serialize>(file: &str, written: &Value) -> Value {
    let parsed: T = serde_json::from_slice(written.to_string().as_bytes())
        .unwrap_or_else(|error| panic!("{file}: {error}\n{written}"));
    let ours = serde_json::to_value(&parsed).unwrap();
    for (name, value) in ours.as_object().unwrap() {
        let theirs = &written[name];
        let is_nothing = theirs.is_null() || theirs == "";
        let same = match value {
            Value::Null => is_nothing,
            Value::String(text) if text.is_empty() => is_nothing,
            Value::Bool(false) if theirs.is_null() => true,
            Value::String(text) => {
                let theirs = theirs.as_str().map_or_else(|| theirs.to_string(), str::to_owned);
                *text == theirs || (read(text).is_some() && read(text) == read(&theirs))
            }
            other => other == theirs,
        };
        assert!(same, "{file}: {name} is {theirs}, and was read as {value}");
    }
    ours
}

/// What a file of the material holds, by its name.
fn kind_of(name: &str) -> Option<&'static str> {
    let is = |part: &str| name.contains(part);
    if is("configurations") || is("corporate_announcements") || is("option_routes") || is("portfolio_history")
    {
        None
    } else if is("trading/test_account_routes") || is("broker/test_accounts_routes__test_get_trade_account") {
        Some("account")
    } else if is("asset_routes") || is("alpaca__test_get_asset") {
        Some("asset")
    } else if is("account_activities") {
        Some("fill")
    } else if is("close_all_positions") || is("cancel_all_positions") || is("cancel_orders") {
        Some("closing")
    } else if is("close_position") || is("trading/test_order_routes") {
        Some("order")
    } else if is("test_get_all_positions") {
        Some("position")
    } else {
        None
    }
}

fn files() -> Option<Vec<(String, PathBuf)>> {
    let folder = material_file(FIXTURES)?;
    let mut files = Vec::new();
    for part in ["trading", "broker", "go"] {
        for entry in std::fs::read_dir(folder.join(part)).unwrap() {
            let path = entry.unwrap().path();
            let name = format!("{part}/{}", path.file_name().unwrap().to_string_lossy());
            files.push((name, path));
        }
    }
    files.sort();
    Some(files)
}

fn items(value: &Value) -> Vec<Value> {
    value.as_array().cloned().unwrap_or_else(|| vec![value.clone()])
}

/// Every recorded reply that we would meet, read; by kind and file.
fn all_read() -> Option<BTreeMap<(&'static str, String), Vec<Value>>> {
    let mut read = BTreeMap::new();
    for (name, path) in files()? {
        let Some(kind) = kind_of(&name) else { continue };
        let text = std::fs::read_to_string(&path).unwrap();
        let written: Value = serde_json::from_str(&text).unwrap_or_else(|error| panic!("{name}: {error}"));
        let of = |item: &Value| match kind {
            "account" => checked::<Account>(&name, item),
            "asset" => checked::<Asset>(&name, item),
            "fill" => checked::<Fill>(&name, item),
            "position" => checked::<Position>(&name, item),
            "order" => checked::<Order>(&name, item),
            // What was canceled or closed, each with the status of its own and perhaps an order.
            _ if item["body"]["id"].is_string() => checked::<Order>(&name, &item["body"]),
            _ => Value::Null,
        };
        read.insert((kind, name.clone()), items(&written).iter().map(of).collect());
    }
    Some(read)
}

#[test]
fn recorded_replies_are_read_without_loss() {
    let Some(read) = all_read() else { return };
    let count = |kind: &str| read.keys().filter(|(one, _)| *one == kind).count();
    let counts: Vec<_> = ["account", "asset", "fill", "order", "position", "closing"].map(count).to_vec();
    println!("read: {counts:?}, {} replies", read.values().map(Vec::len).sum::<usize>());
    assert!(counts.iter().all(|count| *count > 0), "files are missing: {counts:?}");
    let mut kinds: Vec<_> = read.keys().map(|(kind, name)| format!("{kind} {name}")).collect();
    kinds.dedup();
    assert!(kinds.len() >= 20, "{kinds:#?}");
}

/// An update as the venue's own clients have recorded it, with the execution's other name.
#[test]
fn a_recorded_trade_update_is_read() {
    let recorded = r#"{"event":"fill","execution_id":"adb4f7c7-45fe-4a3a-a0ac-02d9fa3c8264","order":{"asset_class":"us_equity",
        "client_order_id":"2bc205b7-57d4-4aee-8cd4-129f51b152fd","filled_avg_price":"7.09","filled_qty":"1",
        "id":"417b6eea-5cc2-4e30-9ee4-68e91ceee8ed","legs":null,"limit_price":"7.09","notional":null,"order_class":"",
        "qty":"1","replaced_by":null,"side":"buy","status":"filled","symbol":"LPCN","type":"limit"},
        "position_qty":"1","price":"7.09","qty":"1","timestamp":"2021-07-29T15:28:16.88853Z"}"#;
    let update: TradeUpdate = serde_json::from_str(recorded).unwrap();
    assert_eq!((update.event.as_str(), update.order.status.as_str()), ("fill", "filled"));
    assert_eq!(update.order.filled().to_string(), "1");
    let of_options = r#"{"event":"new","order":{"id":"1","client_order_id":"x","symbol":"","qty":null,"status":"new","legs":[]}}"#;
    assert!(
        serde_json::from_str::<TradeUpdate>(of_options).is_ok(),
        "orders that are not ours are read as well"
    );
}

/// The python of the virtual environment that `scripts/test-third-party-clients.sh` makes.
fn python() -> Option<PathBuf> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let python = root.join("target/third-party-clients/alpaca/bin/python");
    if !python.exists() {
        println!("skipped: no third-party client is installed; scripts/test-third-party-clients.sh does it");
        return None;
    }
    Some(python)
}

#[test]
fn a_third_party_reads_the_same_money_from_the_same_bytes() {
    let (Some(python), Some(read_by_us)) = (python(), all_read()) else { return };
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("../testkit/python/alpaca_client.py");
    let folder = material_file(FIXTURES).unwrap();
    let read_by_us: Vec<_> = read_by_us.into_iter().filter(|((kind, _), _)| *kind != "closing").collect();
    let mut command = Command::new(&python);
    command.arg(&script).arg("read");
    for ((kind, name), _) in &read_by_us {
        command.arg(kind).arg(folder.join(name));
    }
    let output = command.output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let read_by_them: Vec<Vec<BTreeMap<String, Value>>> = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(read_by_them.len(), read_by_us.len());
    let mut compared = 0;
    for (((_, name), ours), theirs) in read_by_us.iter().zip(&read_by_them) {
        assert_eq!(theirs.len(), ours.len(), "{name}");
        for (theirs, ours) in theirs.iter().zip(ours) {
            for (field, value) in theirs {
                let Some(mine) = ours.get(field).and_then(Value::as_str) else { continue };
                let value = value.as_str().unwrap();
                assert_eq!(read(mine), read(value), "{name}: {field} is {mine} to us and {value} to them");
                compared += 1;
            }
        }
    }
    println!("compared {compared} amounts");
    assert!(compared > 50, "only {compared} amounts were compared");
}
