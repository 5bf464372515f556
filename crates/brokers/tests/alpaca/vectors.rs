//! Requests byte by byte against those of a client of a third party, made with fixed keys.
//!
//! Alpaca signs nothing: what authenticates is two headers. Bodies are compared as JSON, whose keys have no order.

use atomik_domain::{OrderRequest, OrderType, Side, TimeInForce};
use atomik_ports::broker::SubmitOutcome;
use atomik_testkit::broker_suite::settled;
use atomik_testkit::venues::alpaca::{AlpacaVenue, Listing};
use atomik_testkit::venues::server::Received;
use atomik_testkit::venues::spec::material_file;
use rust_decimal::Decimal;
use serde_json::Value;

use super::setup::{Setup, buy, connect, credentials, price, qty, symbol};

const KEY: &str = "testkey";
const SECRET: &str = "dGVzdHNlY3JldA==";

async fn setup() -> Setup {
    let venue = AlpacaVenue::start().await;
    venue.set_keys(KEY, SECRET);
    let apple = Listing {
        symbol: "AAPL".to_owned(),
        name: "Apple Inc. Common Stock".to_owned(),
        crypto: false,
        fractionable: true,
        tradable: true,
        increments: None,
    };
    venue.list(apple, Decimal::ONE_HUNDRED);
    let (broker, reports) = connect(&venue, &credentials(KEY, SECRET)).await.unwrap();
    Setup { venue, broker, reports }
}

fn vectors() -> Option<Vec<Value>> {
    let path = material_file("ccxt/ccxt-4.5.90-request-vectors.json")?;
    let all: Value = serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap();
    let ours = |vector: &&Value| vector["exchange"] == "alpaca";
    Some(all["vectors"].as_array().unwrap().iter().filter(ours).cloned().collect())
}

fn header<'a>(request: &'a Received, name: &str) -> Option<&'a str> {
    request
        .headers
        .iter()
        .find(|(given, _)| given.eq_ignore_ascii_case(name))
        .map(|(_, value)| value.as_str())
}

/// The vector's order as our engine would ask for it.
fn order_of(input: &Value) -> OrderRequest {
    let name = input[0].as_str().unwrap();
    let name = if name == "AAPL/USD" { "AAPL" } else { name };
    let text = |value: &Value| value.to_string();
    let limit = input[4].as_number().map(|number| price(&number.to_string()));
    let stop = input[5]["triggerPrice"].as_number().map(|number| price(&number.to_string()));
    let order_type = match (limit.is_some(), stop.is_some()) {
        (false, _) => OrderType::Market,
        (true, false) => OrderType::Limit,
        (true, true) => OrderType::StopLimit,
    };
    OrderRequest {
        side: if input[2] == "buy" { Side::Buy } else { Side::Sell },
        order_type,
        time_in_force: if input[5]["timeInForce"] == "IOC" { TimeInForce::Ioc } else { TimeInForce::Gtc },
        limit_price: limit,
        stop_price: stop,
        symbol: symbol(name),
        order_qty: qty(&text(&input[3])),
        ..buy(name, "1")
    }
}

#[tokio::test]
async fn orders_are_written_as_a_third_party_writes_them() {
    let Some(vectors) = vectors() else { return };
    let setup = setup().await;
    let mut compared = 0;
    for vector in vectors.iter().filter(|vector| vector["method"] == "createOrder") {
        let request = order_of(&vector["input"]);
        let outcome = setup.submit(&request).await;
        let theirs = &vector["requests"][0];
        let mut body: Value = serde_json::from_str(theirs["body"].as_str().unwrap()).unwrap();
        body["client_order_id"] = Value::from(request.client_order_id.to_string());
        // The one difference: parts of a share live for a day only, by the venue's own rule, which the third party does
        // not apply before it sends.
        if request.symbol == symbol("AAPL") {
            if request.order_type != OrderType::Market {
                assert!(matches!(outcome, SubmitOutcome::Rejected { .. }), "{outcome:?}");
                compared += 1;
                continue;
            }
            body["time_in_force"] = Value::from("day");
        }
        let received = setup.venue.received();
        let ours = received.iter().rev().find(|request| request.method == "POST").unwrap();
        assert_eq!(serde_json::from_slice::<Value>(&ours.body).unwrap(), body);
        assert!(theirs["url"].as_str().unwrap().ends_with(&ours.path_and_query));
        for (name, value) in theirs["headers"].as_object().unwrap() {
            assert_eq!(header(ours, name), value.as_str(), "{name}");
        }
        compared += 1;
    }
    assert_eq!(compared, 10);
}

#[tokio::test]
async fn questions_and_cancels_are_asked_where_a_third_party_asks_them() {
    let Some(vectors) = vectors() else { return };
    let setup = setup().await;
    let request = buy("AAPL", "1");
    setup.accept(&request).await;
    settled(&setup.broker, &request, |report| report.status.is_final()).await;
    let resting = atomik_testkit::broker_suite::limit_order(symbol("AAPL"), Side::Buy, qty("1"), price("50"));
    setup.accept(&resting).await;
    setup.broker.cancel(&resting.symbol, resting.client_order_id).await;
    setup.broker.balance().await.unwrap();
    let received = setup.venue.received();
    for (method, verb, begins) in [
        ("cancelOrder", "DELETE", "/v2/orders/"),
        ("fetchMyTrades", "GET", "/v2/account/activities/FILL"),
        ("fetchBalance", "GET", "/v2/account"),
    ] {
        let theirs = vectors.iter().find(|vector| vector["method"] == method).unwrap();
        let theirs = &theirs["requests"][0];
        assert_eq!(theirs["method"], verb);
        assert!(theirs["url"].as_str().unwrap().contains(begins));
        let fits = |request: &&Received| request.method == verb && request.path_and_query.starts_with(begins);
        let ours = received.iter().find(fits).unwrap_or_else(|| panic!("no request like {method}"));
        for name in ["APCA-API-KEY-ID", "APCA-API-SECRET-KEY"] {
            assert_eq!(header(ours, name), theirs["headers"][name].as_str());
        }
    }
}
