//! Tables: tickets, answers, words, spellings.

use atomik_brokers::interactive_brokers::web::futures::{FutureName, fronts};
use atomik_brokers::interactive_brokers::web::orders::{OrderBook, Standing, Word, exec_id};
use atomik_brokers::interactive_brokers::web::placing::{
    CancelVerdict, Question, Verdict, read, read_cancel, readable, ticket,
};
use atomik_brokers::interactive_brokers::web::replies::{FutureRow, OrderRow, Trade, read_number};
use atomik_brokers::wire::Answer;
use atomik_domain::{ClientOrderId, OrderRequest, OrderStatus, OrderType, Price, Qty, Side, TimeInForce};
use atomik_testkit::broker_suite::market_order;
use jiff::civil::date;
use rstest::rstest;
use rust_decimal::Decimal;
use serde_json::{Value, json};

use super::setup::symbol;

fn decimal(text: &str) -> Decimal {
    text.parse().unwrap()
}

fn request(order_type: OrderType, tif: TimeInForce, limit: Option<&str>, stop: Option<&str>) -> OrderRequest {
    OrderRequest {
        order_type,
        time_in_force: tif,
        limit_price: limit.map(|text| Price(decimal(text))),
        stop_price: stop.map(|text| Price(decimal(text))),
        ..market_order(symbol("ESZ6"), Side::Sell, Qty(decimal("3.0")))
    }
}

#[rstest]
#[case(
    OrderType::Market,
    TimeInForce::Day,
    None,
    None,
    r#""orderType":"MKT","side":"SELL","tif":"DAY","quantity":3,"cOID""#
)]
#[case(
    OrderType::Limit,
    TimeInForce::Gtc,
    Some("5000.250"),
    None,
    r#""orderType":"LMT","side":"SELL","tif":"GTC","quantity":3,"price":5000.25,"cOID""#
)]
#[case(
    OrderType::Stop,
    TimeInForce::Gtc,
    None,
    Some("4999"),
    r#""orderType":"STP","side":"SELL","tif":"GTC","quantity":3,"price":4999,"cOID""#
)]
#[case(
    OrderType::StopLimit,
    TimeInForce::Ioc,
    Some("4998"),
    Some("4999"),
    r#""orderType":"STOP_LIMIT","side":"SELL","tif":"IOC","quantity":3,"price":4998,"auxPrice":4999,"cOID""#
)]
fn tickets(
    #[case] order_type: OrderType,
    #[case] tif: TimeInForce,
    #[case] limit: Option<&str>,
    #[case] stop: Option<&str>,
    #[case] part: &str,
) {
    let request = request(order_type, tif, limit, stop);
    let text = ticket(&request, 265_598, "DU1").unwrap();
    assert!(text.contains(part), "{text}");
    let end = format!(
        r#""cOID":"{}","outsideRTH":false,"manualIndicator":false,"acctId":"DU1"}}]}}"#,
        request.client_order_id
    );
    assert!(text.starts_with(r#"{"orders":[{"conid":265598,"#) && text.ends_with(&end), "{text}");
}

#[test]
fn what_the_broker_has_not_makes_no_ticket() {
    assert!(ticket(&request(OrderType::Market, TimeInForce::Fok, None, None), 1, "DU1").is_err());
    assert!(ticket(&request(OrderType::Limit, TimeInForce::Gtc, None, None), 1, "DU1").is_err());
    assert!(ticket(&request(OrderType::StopLimit, TimeInForce::Gtc, Some("1"), None), 1, "DU1").is_err());
}

fn answer(status: u16, body: &str) -> Answer {
    Answer { status, headers: reqwest::header::HeaderMap::new(), body: body.to_owned().into() }
}

#[derive(Debug, PartialEq, Eq)]
enum Kind {
    Placed,
    Asks,
    Refused,
    Duplicate,
    Unclear,
}

#[rstest]
#[case(
    200,
    r#"[{"order_id":"1370093239","order_status":"PreSubmitted","encrypt_message":"1"}]"#,
    Kind::Placed
)]
#[case(200, r#"[{"order_id":1370093239,"order_status":"Submitted"}]"#, Kind::Placed)]
#[case(200, r#"[{"id":"a-b","message":["Sure?"],"messageIds":["o163"]}]"#, Kind::Asks)]
#[case(200, r#"{"error":"Order not confirmed "}"#, Kind::Refused)]
#[case(400, r#"{"error":"Invalid order type X"}"#, Kind::Refused)]
#[case(
    400,
    r#"{"error":"Order couldn't be submitted: Local order ID=x is already registered."}"#,
    Kind::Duplicate
)]
#[case(
    200,
    r#"{"orderId":123456789,"text":"Use the algo?","options":["Yes"],"prompt":true,"messageId":"p12"}"#,
    Kind::Refused
)]
// What may have placed something, or cannot be read.
#[case(500, r#"{"error":"internal server error"}"#, Kind::Unclear)]
#[case(503, "", Kind::Unclear)]
#[case(200, "", Kind::Unclear)]
#[case(200, "<html>", Kind::Unclear)]
#[case(200, "[]", Kind::Unclear)]
#[case(200, "{}", Kind::Unclear)]
#[case(200, r#"[{"order_id":"1"},{"order_id":"2"}]"#, Kind::Unclear)]
#[case(200, r#"[{"order_status":"Submitted"}]"#, Kind::Unclear)]
#[case(302, "", Kind::Unclear)]
#[case(400, r#"[{"order_id":"1"}]"#, Kind::Unclear)]
fn answers_to_orders(#[case] status: u16, #[case] body: &str, #[case] kind: Kind) {
    let found = match read(&answer(status, body)) {
        Verdict::Placed { .. } => Kind::Placed,
        Verdict::Asks(_) => Kind::Asks,
        Verdict::Refused(reason) => {
            assert!(reason.len() > 10, "{reason}");
            Kind::Refused
        }
        Verdict::Duplicate => Kind::Duplicate,
        Verdict::Unclear(_) => Kind::Unclear,
    };
    assert_eq!(found, kind);
}

#[test]
fn answers_to_cancels() {
    assert_eq!(
        read_cancel(&answer(200, r#"{"msg":"Request was submitted","order_id":"1"}"#)),
        CancelVerdict::Requested
    );
    assert_eq!(
        read_cancel(&answer(200, r#"{"error":"OrderID 123456 doesn't exist"}"#)),
        CancelVerdict::Absent
    );
    assert_eq!(read_cancel(&answer(400, r#"{"error":"no"}"#)), CancelVerdict::Refused("no".to_owned()));
    assert!(matches!(read_cancel(&answer(503, "")), CancelVerdict::Unclear(_)));
    assert!(matches!(read_cancel(&answer(200, "<html>")), CancelVerdict::Unclear(_)));
}

fn question(messages: &[&str], ids: &[&str]) -> Question {
    let owned = |texts: &[&str]| texts.iter().map(|text| readable(text)).collect();
    Question { reply_id: "r".to_owned(), messages: owned(messages), ids: owned(ids) }
}

#[rstest]
#[case(&["Price too far away from the market"], &["o163"], &["o163"], true)]
#[case(&["Price too far away from the market"], &["o163"], &["O163"], true)]
#[case(&["Price too far away from the market"], &["o163"], &["too far away from the market"], true)]
#[case(&["<h4>Cap</h4>Price too far\naway from the market"], &["o163"], &["price too far away from"], true)]
#[case(&["Price too far away from the market"], &["o163"], &["o16"], false)]
#[case(&["Price too far away from the market"], &["o163"], &["o1634"], false)]
#[case(&["Price too far away from the market"], &["o163"], &["too far"], false)]
#[case(&["Price too far away from the market"], &["o163"], &[], false)]
// Each message has to be allowed, and each id has to have its message.
#[case(&["First message that is asked", "Second message that is asked"], &["o1", "o2"], &["o1"], false)]
#[case(&["First message that is asked", "Second message that is asked"], &["o1", "o2"], &["o1", "o2"], true)]
#[case(&["One message for two ids here"], &["o1", "o2"], &["o1"], false)]
#[case(&[], &[], &["o1"], false)]
fn only_allowed_questions_are_answered(
    #[case] messages: &[&str],
    #[case] ids: &[&str],
    #[case] allowed: &[&str],
    #[case] expected: bool,
) {
    let allowed: Vec<_> = allowed.iter().map(|entry| (*entry).to_owned()).collect();
    assert_eq!(question(messages, ids).is_allowed(&allowed), expected);
}

#[rstest]
#[case("PendingSubmit", false, Word::Open)]
#[case("PreSubmitted", false, Word::Open)]
#[case("Submitted", false, Word::Open)]
#[case("PendingCancel", false, Word::Open)]
#[case("WarnState", false, Word::Open)]
#[case("Inactive", false, Word::Open)]
#[case("Inactive", true, Word::Refused)]
#[case("Filled", false, Word::Filled)]
#[case("Cancelled", false, Word::Canceled)]
#[case("filled", false, Word::Unheard("filled".to_owned()))]
#[case("Perplexed", true, Word::Unheard("Perplexed".to_owned()))]
fn words(#[case] text: &str, #[case] by_system: bool, #[case] word: Word) {
    assert_eq!(Word::read(text, by_system), word);
}

fn id() -> ClientOrderId {
    "0123456789abcdef0123456789abcdef".parse().unwrap()
}

fn trade(execution: &str, size: &str, commission: Option<&str>) -> Trade {
    let mut row = json!({
        "execution_id": execution, "order_ref": id().to_string(), "order_id": 17_437_897_932_i64, "size": 0,
        "price": "5,000.25", "trade_time_r": 1_702_317_649_000_i64, "account": "DU1",
    });
    if let Some(commission) = commission {
        row["commission"] = json!(commission);
    }
    let text = row.to_string().replace(r#""size":0"#, &format!(r#""size":{size}"#));
    serde_json::from_str(&text).unwrap()
}

fn standing(word: Word, filled: Option<&str>, total: Option<&str>) -> Standing {
    Standing { word, filled: filled.map(decimal), total: total.map(decimal), reason: None }
}

/// With executions of 2 of 3 in hand.
#[rstest]
#[case(Word::Open, Some("2"), Some("3"), Some(OrderStatus::PartiallyFilled))]
#[case(Word::Open, None, Some("3"), Some(OrderStatus::PartiallyFilled))]
#[case(Word::Open, Some("2"), Some("2"), Some(OrderStatus::Filled))]
#[case(Word::Canceled, Some("2"), Some("3"), Some(OrderStatus::Canceled))]
#[case(Word::Refused, Some("2"), Some("3"), Some(OrderStatus::Canceled))]
#[case(Word::Unheard("x".to_owned()), Some("2"), Some("2"), Some(OrderStatus::PartiallyFilled))]
// The broker counts an execution that is not here yet, or does not say how many there are.
#[case(Word::Open, Some("3"), Some("3"), None)]
#[case(Word::Filled, Some("3"), Some("3"), None)]
#[case(Word::Filled, Some("2"), Some("3"), None)]
#[case(Word::Canceled, Some("3"), Some("3"), None)]
#[case(Word::Canceled, None, Some("3"), None)]
fn no_end_is_told_before_its_executions(
    #[case] word: Word,
    #[case] filled: Option<&str>,
    #[case] total: Option<&str>,
    #[case] status: Option<OrderStatus>,
) {
    let mut book = OrderBook::default();
    assert_eq!(book.trade(&trade("a.b.01.01", "2.0", None)), Some(id()));
    let report = book.get(id()).unwrap().settle(id(), &standing(word, filled, total));
    assert_eq!(report.map(|report| report.status), status);
}

#[test]
fn corrections_are_the_same_execution_and_commissions_come_later() {
    let mut book = OrderBook::default();
    book.expect(id(), Qty(decimal("2")));
    book.trade(&trade("a.b.01.01", "1", None));
    assert!(!book.get(id()).unwrap().is_priced());
    book.trade(&trade("a.b.01.01", "1", Some("2.25 USD")));
    book.trade(&trade("a.b.01.01", "1", None));
    let known = book.get(id()).unwrap();
    assert!(known.is_priced(), "what came with a commission keeps it");
    let report = known.report_of_fills(id());
    assert_eq!((report.status, report.executions.len()), (OrderStatus::PartiallyFilled, 1));
    assert_eq!(report.executions[0].commission.to_string(), "2.25");
    assert_eq!(report.executions[0].last_price.to_string(), "5000.25");
    assert_eq!(report.executions[0].traded_at.0, 1_702_317_649_000_000);
    book.trade(&trade("a.b.01.02", "2", Some("4.5")));
    book.trade(&trade("a.b.01.01", "1", Some("2.25")));
    let report = book.get(id()).unwrap().report_of_fills(id());
    assert_eq!((report.status, report.filled_qty), (OrderStatus::Filled, Qty(decimal("2"))));
    assert_eq!(report.executions[0].exec_id, exec_id("a.b.01.01"));
    assert_eq!(report.venue_order_id.unwrap().0, "17437897932");
}

#[test]
fn orders_that_are_not_ours_are_nobodys() {
    let mut book = OrderBook::default();
    let mut foreign = trade("a.b.01.01", "2.0", None);
    for name in [None, Some("by hand".to_owned()), Some("0123456789ABCDEF0123456789ABCDEF".to_owned())] {
        foreign.order_ref = name;
        assert_eq!(book.trade(&foreign), None);
    }
    let row: OrderRow =
        serde_json::from_str(r#"{"orderId": 7, "status": "Filled", "order_ref": "by hand"}"#).unwrap();
    assert_eq!(book.row(&row), None);
}

#[test]
fn numbers_are_read_as_they_are_written() {
    for (text, number) in [
        ("5.0", Some("5.0")),
        ("5,000.25", Some("5000.25")),
        ("1E-7", Some("0.0000001")),
        ("", None),
        ("x", None),
    ] {
        assert_eq!(read_number(text), number.map(decimal), "{text}");
    }
}

#[rstest]
#[case("ES", Some(("ES", None)))]
#[case("ES1!", Some(("ES", None)))]
#[case("6E1!", Some(("6E", None)))]
#[case("ESZ6", Some(("ES", Some((2026, 12)))))]
#[case("ESH5", Some(("ES", Some((2035, 3)))))]
#[case("ESH27", Some(("ES", Some((2027, 3)))))]
#[case("ESH2027", Some(("ES", Some((2027, 3)))))]
#[case("M2KZ6", Some(("M2K", Some((2026, 12)))))]
#[case("AAPL", None)]
#[case("ES2!", None)]
#[case("ESZ126", None)]
#[case("BRK.B", None)]
#[case("!", None)]
#[case("1!", None)]
#[case("Z6", None)]
fn spellings(#[case] text: &str, #[case] expected: Option<(&str, Option<(i16, i8)>)>) {
    let found = FutureName::parse(text, date(2026, 11, 25));
    assert_eq!(found.as_ref().map(|name| (name.root.as_str(), name.month)), expected);
}

#[rstest]
#[case("6E", "EUR")]
#[case("SIL", "SI")]
#[case("ES", "ES")]
fn roots_that_the_broker_calls_otherwise(#[case] root: &str, #[case] name: &str) {
    assert_eq!(FutureName { root: root.to_owned(), month: None }.broker_root(), name);
}

fn row(conid: i64, last: u32, cut_off: Option<u32>) -> FutureRow {
    let value: Value =
        json!({"conid": conid, "expirationDate": last, "ltd": last, "longFuturesCutOff": cut_off});
    serde_json::from_value(value).unwrap()
}

#[test]
fn the_front_month_leaves_before_its_last_day_and_before_the_brokers_cut_off() {
    let rows = [row(3, 20_270_319, None), row(1, 20_261_218, None), row(2, 20_270_115, Some(20_261_230))];
    let front = |day| fronts(&rows, day, 8).first().map(|row| row.conid);
    assert_eq!(front(date(2026, 12, 9)), Some(1));
    assert_eq!(front(date(2026, 12, 10)), Some(2));
    assert_eq!(front(date(2026, 12, 22)), Some(3));
    assert_eq!(fronts(&rows, date(2026, 12, 18), 0).first().map(|row| row.conid), Some(2));
    assert!(fronts(&rows, date(2027, 3, 19), 0).is_empty());
}
