//! The official document's own examples, through our readers without loss. Nobody has published recordings of this API that
//! could be kept here.

use std::collections::BTreeMap;

use atomik_brokers::interactive_brokers::web::placing::{CancelVerdict, Verdict, read, read_cancel};
use atomik_brokers::interactive_brokers::web::replies::{
    Accounts, ContractInfo, FoundContract, Futures, OrderList, OrderState, PositionRow, SessionStatus,
    Stocks, Summary, Tickle, Trade,
};
use atomik_brokers::wire::Answer;
use atomik_testkit::venues::ibkr_web::document;
use rust_decimal::Decimal;
use serde::de::DeserializeOwned;
use serde_json::Value;

fn examples(document: &Value, method: &str, path: &str) -> Vec<Value> {
    let answers = &document["paths"][path][method]["responses"]["200"]["content"]["application/json"];
    let several = answers["examples"].as_object().cloned().unwrap_or_default();
    let mut found: Vec<_> = several.into_values().map(|one| one["value"].clone()).collect();
    // In some places the document has several of them under the name of one.
    for (name, one) in answers["example"].as_object().into_iter().flatten() {
        found.push(one.get("value").unwrap_or_else(|| panic!("{name} is no example")).clone());
    }
    assert!(!found.is_empty(), "{method} {path} has no examples");
    found
}

fn parse<T: DeserializeOwned>(example: &Value) -> T {
    serde_json::from_str(&example.to_string()).unwrap_or_else(|error| panic!("{error}: {example}"))
}

/// A number or a text of an example as a decimal.
fn number(value: &Value) -> Decimal {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned).parse().unwrap()
}

fn answer(example: &Value) -> Answer {
    let headers = reqwest::header::HeaderMap::new();
    Answer { status: 200, headers, body: example.to_string().into() }
}

#[test]
fn every_example_of_what_is_asked_here_is_read_whole() {
    let Some(document) = document() else { return };
    let of = |method: &str, path: &str| examples(&document, method, path);
    let mut read_whole = 0;
    for example in of("get", "/iserver/account/trades").iter().flat_map(|list| list.as_array().unwrap()) {
        let trade: Trade = parse(example);
        assert_eq!(trade.execution_id, example["execution_id"]);
        assert_eq!(trade.order_ref.as_deref(), example["order_ref"].as_str());
        assert_eq!((trade.size, trade.price), (number(&example["size"]), number(&example["price"])));
        assert_eq!(trade.commission, Some(number(&example["commission"])));
        assert_eq!(trade.order_id.unwrap(), example["order_id"].to_string());
        assert_eq!(trade.trade_time_r, example["trade_time_r"]);
        read_whole += 1;
    }
    for example in of("get", "/iserver/account/orders") {
        let list: OrderList = parse(&example);
        assert!(list.snapshot);
        for (row, example) in list.orders.unwrap().iter().zip(example["orders"].as_array().unwrap()) {
            assert_eq!(row.order_id, example["orderId"].to_string());
            assert_eq!(row.filled_quantity, Some(number(&example["filledQuantity"])));
            assert_eq!(row.remaining_quantity, Some(number(&example["remainingQuantity"])));
            assert_eq!(row.total_size, Some(number(&example["totalSize"])));
            assert_eq!(row.status.as_deref(), example["status"].as_str());
            read_whole += 1;
        }
    }
    for example in of("get", "/iserver/account/order/status/{orderId}") {
        let state: OrderState = parse(&example);
        assert_eq!(state.order_id, example["order_id"].to_string());
        assert_eq!(state.cum_fill, Some(number(&example["cum_fill"])));
        assert_eq!(state.total_size, Some(number(&example["total_size"])));
        assert_eq!(state.order_status, example["order_status"]);
        read_whole += 1;
    }
    for example in of("get", "/portfolio/{accountId}/positions/{pageId}")
        .iter()
        .flat_map(|list| list.as_array().unwrap())
    {
        let row: PositionRow = parse(example);
        assert_eq!(row.conid, example["conid"]);
        assert_eq!(row.position, number(&example["position"]));
        assert_eq!(row.avg_price, Some(number(&example["avgPrice"])));
        assert_eq!(row.unrealized_pnl, Some(number(&example["unrealizedPnl"])));
        read_whole += 1;
    }
    for example in of("get", "/portfolio/{accountId}/summary") {
        let summary: Summary = parse(&example);
        for (figure, name) in [
            (&summary.totalcashvalue, "totalcashvalue"),
            (&summary.netliquidation, "netliquidation"),
            (&summary.buyingpower, "buyingpower"),
        ] {
            assert_eq!(figure.amount, number(&example[name]["amount"]));
            assert_eq!(figure.currency.as_deref(), example[name]["currency"].as_str());
        }
        read_whole += 1;
    }
    assert!(read_whole >= 6, "{read_whole} examples");
}

#[test]
fn every_example_of_a_session_and_a_contract_is_read() {
    let Some(document) = document() else { return };
    let of = |method: &str, path: &str| examples(&document, method, path);
    for example in of("post", "/iserver/auth/status") {
        let status: SessionStatus = parse(&example);
        for (flag, name) in [
            (status.authenticated, "authenticated"),
            (status.connected, "connected"),
            (status.competing, "competing"),
        ] {
            assert_eq!(flag, example[name] == true, "{name} of {example}");
        }
    }
    for example in of("post", "/iserver/auth/ssodh/init") {
        let _: SessionStatus = parse(&example);
    }
    for example in of("post", "/tickle").iter().filter(|example| example.get("error").is_none()) {
        let tickle: Tickle = parse(example);
        assert_eq!(tickle.session.as_deref(), example["session"].as_str());
        assert!(tickle.iserver.auth_status.unwrap().authenticated);
    }
    for example in of("get", "/iserver/accounts") {
        let accounts: Accounts = parse(&example);
        assert_eq!(accounts.accounts, ["U1234567"]);
        assert_eq!(accounts.selected_account.as_deref(), Some("U1234567"));
    }
    for example in of("get", "/trsrv/stocks") {
        let stocks: Stocks = parse(&example);
        let us: Vec<_> =
            stocks["IBM"].iter().flat_map(|company| &company.contracts).filter(|one| one.is_us).collect();
        assert_eq!(us.iter().map(|one| one.conid).collect::<Vec<_>>(), [8_314]);
    }
    for example in of("get", "/trsrv/futures") {
        let futures: Futures = parse(&example);
        assert_eq!(futures["ES"][0].expiration_date, 20_241_220);
        assert_eq!(futures["ES"][0].long_futures_cut_off, Some(20_241_219));
    }
    for example in of("get", "/iserver/contract/{conid}/info-and-rules") {
        let info: ContractInfo = parse(&example);
        assert_eq!(info.con_id, example["con_id"]);
        assert_eq!(info.multiplier, example["multiplier"].as_str().map(|text| text.parse().unwrap()));
        assert_eq!(info.rules.increment, Some(number(&example["rules"]["increment"])));
    }
    for example in of("get", "/iserver/secdef/search").iter().filter(|example| example.is_array()) {
        let found: Vec<FoundContract> = parse(example);
        assert_eq!(found[0].symbol.as_deref(), Some("IBM"));
    }
}

#[test]
fn the_four_shapes_of_an_answer_are_told_apart() {
    let Some(document) = document() else { return };
    let mut kinds = BTreeMap::new();
    for path in ["/iserver/account/{accountId}/orders", "/iserver/reply/{replyId}"] {
        for example in examples(&document, "post", path) {
            let kind = match read(&answer(&example)) {
                Verdict::Placed { order_id, .. } => {
                    assert_eq!(order_id, example[0]["order_id"]);
                    "placed"
                }
                Verdict::Asks(question) => {
                    assert_eq!(question.reply_id, example[0]["id"]);
                    assert_eq!(question.ids, ["o354"]);
                    "asks"
                }
                Verdict::Refused(_) => "refused",
                other => panic!("{other:?} for {example}"),
            };
            *kinds.entry(kind).or_insert(0) += 1;
        }
    }
    assert!(kinds["placed"] >= 2 && kinds["asks"] >= 2 && kinds["refused"] >= 4, "{kinds:?}");
    for example in examples(&document, "delete", "/iserver/account/{accountId}/order/{orderId}") {
        let verdict = read_cancel(&answer(&example));
        assert!(matches!(verdict, CancelVerdict::Requested | CancelVerdict::Absent), "{verdict:?}");
    }
}
