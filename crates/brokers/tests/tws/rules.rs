//! What is this venue's own.

use std::sync::Arc;

use atomik_domain::order::Execution;
use atomik_domain::{
    Environment, OrderRequest, OrderStatus, OrderType, Price, Qty, Side, SignedQty, TimeInForce,
};
use atomik_ports::broker::{BrokerError, CancelOutcome, ClientIdUniqueness, LookUp, SubmitOutcome};
use atomik_ports::{Broker, BrokerConnector};
use atomik_testkit::broker_suite::{approved, limit_order, market_order, settled};
use atomik_testkit::venues::faults::Fault;
use atomik_testkit::venues::tws::Tws;
use rust_decimal::Decimal;
use serde_json::json;

use super::setup::{DEADLINE, Setup, account, connect, connect_once, connector, decimal, now_ms, symbol};

fn one() -> Qty {
    Qty(Decimal::ONE)
}

fn buy(text: &str) -> OrderRequest {
    market_order(symbol(text), Side::Buy, one())
}

async fn fill(broker: &Arc<dyn Broker>, request: &OrderRequest) -> Vec<Execution> {
    let outcome = broker.submit(approved(request.clone())).await;
    assert!(matches!(outcome, SubmitOutcome::Accepted(_)), "{outcome:?}");
    settled(broker, request, |report| report.status == OrderStatus::Filled).await.executions
}

async fn found(broker: &Arc<dyn Broker>, request: &OrderRequest) -> Vec<Execution> {
    settled(broker, request, |_| true).await.executions
}

async fn until(what: &str, mut is_so: impl FnMut() -> bool) {
    let waiting = async {
        while !is_so() {
            tokio::time::sleep(std::time::Duration::from_millis(10)).await;
        }
    };
    tokio::time::timeout(DEADLINE, waiting).await.unwrap_or_else(|_| panic!("never: {what}"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_correction_of_an_execution_is_no_second_fill() {
    let mut setup = Setup::new().await;
    let broker = setup.broker();
    let request = buy("AAPL");
    let before = fill(&broker, &request).await;
    setup.tws.correct(&request.client_order_id.to_string(), decimal("199.5"));
    // The report of a later order comes behind whatever the correction caused.
    let marker = buy("AAPL");
    fill(&broker, &marker).await;
    let mut told = Vec::new();
    loop {
        let report = setup.next_report().await.expect("the connection lives");
        if report.client_order_id == request.client_order_id {
            told.extend(report.executions);
        } else if !report.executions.is_empty() {
            break;
        }
    }
    assert_eq!(told, before, "told once, as it was first");
    let after = found(&broker, &request).await;
    let ids = |executions: &[Execution]| executions.iter().map(|one| one.exec_id.clone()).collect::<Vec<_>>();
    assert_eq!(ids(&after), ids(&before), "one trade, by one name");
    assert_eq!(after[0].last_price, Price(decimal("199.5")));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_commission_that_never_comes_does_not_hold_a_fill_for_ever() {
    let mut setup = Setup::new().await;
    setup.tws.withhold_commissions();
    let request = buy("AAPL");
    let broker = setup.broker();
    broker.submit(approved(request.clone())).await;
    let listening = async {
        loop {
            let report = setup.next_report().await.expect("the connection lives");
            if let [execution] = report.executions.as_slice() {
                return execution.clone();
            }
        }
    };
    let told = tokio::time::timeout(DEADLINE, listening).await.expect("the fill");
    assert!(told.commission.is_zero());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_root_trades_the_front_contract_and_stays_with_what_is_held() {
    let setup = Setup::with(json!({"roll_days_before_expiry": 0})).await;
    let futures = setup.tws.futures_of("ES");
    let (front, next) = (&futures[0].0, &futures[1].0);
    let broker = setup.broker();
    for spelling in ["ES", "ES1!"] {
        let shown = broker.instrument(&symbol(spelling)).await.unwrap();
        assert_eq!(shown.contract.as_ref(), Some(&symbol(front)), "{spelling}");
        assert_eq!((shown.multiplier, shown.tick_size), (decimal("50"), Price(decimal("0.25"))));
    }
    assert_eq!(broker.instrument(&symbol(next)).await.unwrap().contract, None);
    // Somebody holds the later one: the root goes there until it is flat.
    fill(&broker, &buy(next)).await;
    assert_eq!(broker.net_position(&symbol("ES")).await.unwrap(), SignedQty(Decimal::ONE));
    assert_eq!(broker.instrument(&symbol("ES")).await.unwrap().contract, Some(symbol(next)));
    let exit = market_order(symbol("ES"), Side::Sell, one());
    fill(&broker, &exit).await;
    let sent = setup.tws.orders_as_sent(&exit.client_order_id.to_string());
    assert_eq!(sent, [(next.clone(), "MKT".to_owned(), "GTC".to_owned(), true)]);
    assert!(setup.tws.exchange().held().is_empty());
    let entry = buy("ES");
    fill(&broker, &entry).await;
    let sent = setup.tws.orders_as_sent(&entry.client_order_id.to_string());
    assert_eq!(sent[0].0, *front, "flat again: the front contract");
    let held = broker.positions().await.unwrap();
    assert_eq!((held[0].symbol.as_str(), held[0].avg_price), (front.as_str(), Price(decimal("5000"))));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn shares_coins_and_grains_have_their_rules() {
    let setup = Setup::new().await;
    let broker = setup.broker();
    let rules = async |text: &str| {
        let shown = broker.instrument(&symbol(text)).await.unwrap();
        (shown.tick_size.to_string(), shown.lot_size.to_string(), shown.multiplier.normalize().to_string())
    };
    let told =
        |tick: &str, lot: &str, multiplier: &str| (tick.to_owned(), lot.to_owned(), multiplier.to_owned());
    assert_eq!(rules("AAPL").await, told("0.01", "1", "1"));
    assert_eq!(rules("BRK.B").await, told("0.01", "1", "1"));
    assert_eq!(rules("STK:ES").await, told("0.01", "1", "1"));
    assert_eq!(rules("BTC/USD").await, told("0.25", "0.00000001", "1"));
    assert_eq!(rules("ZC").await, told("0.25", "1", "50"));
    let unknown = broker.instrument(&symbol("NOSUCH")).await;
    assert_eq!(unknown, Err(BrokerError::UnknownSymbol(symbol("NOSUCH"))));
    match broker.submit(approved(buy("NOSUCH"))).await {
        SubmitOutcome::Rejected { reason } => assert!(reason.contains("Nothing was sent"), "{reason}"),
        other => panic!("{other:?}"),
    }
    let found = broker.search_instruments("APPLE", 5).await.unwrap();
    assert_eq!(found.iter().map(|one| one.symbol.as_str()).collect::<Vec<_>>(), ["AAPL"]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_order_type_and_time_in_force_arrives_as_it_is_called() {
    let setup = Setup::new().await;
    let broker = setup.broker();
    let price = |text: &str| Some(Price(decimal(text)));
    let table = [
        (OrderType::Limit, TimeInForce::Day, price("150"), None, "LMT", "DAY"),
        (OrderType::Stop, TimeInForce::Gtc, None, price("250"), "STP", "GTC"),
        (OrderType::StopLimit, TimeInForce::Gtc, price("251"), price("250"), "STP LMT", "GTC"),
        (OrderType::Limit, TimeInForce::Ioc, price("150"), None, "LMT", "IOC"),
        (OrderType::Limit, TimeInForce::Fok, price("150"), None, "LMT", "FOK"),
    ];
    for (order_type, time_in_force, limit_price, stop_price, kind, tif) in table {
        let request = OrderRequest { order_type, time_in_force, limit_price, stop_price, ..buy("AAPL") };
        let outcome = broker.submit(approved(request.clone())).await;
        assert!(matches!(outcome, SubmitOutcome::Accepted(_)), "{outcome:?}");
        let sent = setup.tws.orders_as_sent(&request.client_order_id.to_string());
        assert_eq!(sent, [("AAPL".to_owned(), kind.to_owned(), tif.to_owned(), false)]);
        let order = &setup.tws.exchange().orders_of(&request.client_order_id.to_string())[0];
        assert_eq!(
            (order.asked.limit_price.map(Price), order.asked.stop_price.map(Price)),
            (limit_price, stop_price)
        );
    }
    let off_tick = limit_order(symbol("AAPL"), Side::Buy, one(), Price(decimal("150.001")));
    match broker.submit(approved(off_tick)).await {
        SubmitOutcome::Rejected { reason } => assert!(reason.contains("(110)"), "{reason}"),
        other => panic!("{other:?}"),
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_is_sent_while_the_link_is_down_and_its_return_ends_the_connection() {
    for back in [1101, 1102] {
        let mut setup = Setup::new().await;
        let broker = setup.broker();
        setup.tws.say(2104, "Market data farm connection is OK:usfarm");
        fill(&broker, &buy("AAPL")).await;
        setup.tws.say(1100, "Connectivity between IBKR and Trader Workstation has been lost.");
        let probe = buy("AAPL");
        let is_down = async {
            while !matches!(
                broker.look_up(&probe.symbol, probe.client_order_id).await,
                LookUp::Unavailable { .. }
            ) {}
        };
        tokio::time::timeout(DEADLINE, is_down).await.expect("the link is down");
        let order = buy("AAPL");
        let outcome = broker.submit(approved(order.clone())).await;
        assert!(matches!(outcome, SubmitOutcome::NotSent { .. }), "{outcome:?}");
        assert!(setup.tws.exchange().orders_of(&order.client_order_id.to_string()).is_empty());
        setup.tws.say(back, "Connectivity between IBKR and Trader Workstation has been restored.");
        let ended = async { while setup.next_report().await.is_some() {} };
        tokio::time::timeout(DEADLINE, ended).await.expect("the connection ends");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_order_of_a_connection_before_is_canceled_and_one_of_another_client_is_not() {
    let mut setup = Setup::new().await;
    let request = limit_order(symbol("AAPL"), Side::Buy, one(), Price(decimal("150")));
    setup.broker().submit(approved(request.clone())).await;
    setup.restart().await;
    let (mut other, tws) = (setup.account.clone(), &setup.tws);
    other.settings["client_id"] = json!(99);
    let stranger = connect(&other).await;
    let outcome = stranger.broker.cancel(&request.symbol, request.client_order_id).await;
    assert!(matches!(outcome, CancelOutcome::Unknown { .. }), "{outcome:?}");
    assert!(matches!(
        stranger.broker.look_up(&request.symbol, request.client_order_id).await,
        LookUp::Found(_)
    ));
    let outcome = setup.broker().cancel(&request.symbol, request.client_order_id).await;
    assert!(matches!(outcome, CancelOutcome::Done(_) | CancelOutcome::Requested), "{outcome:?}");
    until("canceled", || tws.exchange().orders()[0].status == OrderStatus::Canceled).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_code_that_proves_nothing_is_no_rejection() {
    let setup = Setup::new().await;
    setup.tws.plan(Fault::ServerErrorAfter);
    match setup.broker().submit(approved(buy("AAPL"))).await {
        SubmitOutcome::Unknown { evidence } => assert!(evidence.contains("(322)"), "{evidence}"),
        other => panic!("{other:?}"),
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn orders_sent_at_once_rise_on_the_wire() {
    let setup = Setup::new().await;
    let broker = setup.broker();
    let sends: Vec<_> = (0..16)
        .map(|_| {
            let broker = Arc::clone(&broker);
            tokio::spawn(async move { broker.submit(approved(buy("AAPL"))).await })
        })
        .collect();
    for send in sends {
        let outcome = send.await.unwrap();
        assert!(matches!(outcome, SubmitOutcome::Accepted(_)), "a later id overtook: {outcome:?}");
    }
    assert_eq!(broker.net_position(&symbol("AAPL")).await.unwrap(), SignedQty(Decimal::from(16)));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn more_orders_than_the_limit_allows_do_not_leave() {
    let setup = Setup::new().await;
    let broker = setup.broker();
    let mut held_back = 0;
    for _ in 0..200 {
        match broker.submit(approved(buy("AAPL"))).await {
            SubmitOutcome::NotSent { retry_after, .. } => {
                assert!(!retry_after.is_zero());
                held_back += 1;
                break;
            }
            SubmitOutcome::Accepted(_) => {}
            other => panic!("{other:?}"),
        }
    }
    // A slow machine may not reach the limit within a second.
    let filled = setup.tws.exchange().orders().len();
    assert!(held_back == 1 || filled == 200);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_connection_says_what_is_wrong_in_the_traders_words() {
    let paper = Tws::start(now_ms).await;
    let live = Tws::start_as("U7654321", now_ms).await;
    let at = |tws: &Tws| json!({"port": tws.address().port()});
    let told = async |environment, settings| match connect_once(&account(environment, settings)).await {
        Err(error) => error,
        Ok(_) => panic!("it connected"),
    };
    match told(Environment::Live, at(&paper)).await {
        BrokerError::Unauthorized(said) => {
            assert!(said.contains("paper account") && said.ends_with('.'), "{said}")
        }
        other => panic!("{other:?}"),
    }
    match told(Environment::Paper, at(&live)).await {
        BrokerError::Unauthorized(said) => {
            assert!(said.contains("live account") && said.ends_with('.'), "{said}")
        }
        other => panic!("{other:?}"),
    }
    let mut named = at(&paper);
    named["account"] = json!("DU1");
    match told(Environment::Paper, named).await {
        BrokerError::Unauthorized(said) => assert!(said.contains("has no account DU1"), "{said}"),
        other => panic!("{other:?}"),
    }
    paper.be_read_only();
    match told(Environment::Paper, at(&paper)).await {
        BrokerError::Unauthorized(said) => {
            assert!(said.contains("Read-Only API") && said.ends_with('.'), "{said}")
        }
        other => panic!("{other:?}"),
    }
    // A port that was free a moment ago.
    let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    match told(Environment::Paper, json!({"port": port})).await {
        BrokerError::Unavailable(said) => assert!(said.contains("IB Gateway"), "{said}"),
        other => panic!("{other:?}"),
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_client_id_in_use_is_said_to_be() {
    let setup = Setup::new().await;
    match connect_once(&setup.account).await {
        Err(BrokerError::Unavailable(said)) => assert!(said.contains("client id 8"), "{said}"),
        other => panic!("{:?}", other.map(|_| ())),
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_stream_is_open_before_anything_is_asked_and_a_dropped_broker_leaves_tws() {
    let setup = Setup::new().await;
    assert_eq!(setup.tws.requests()[..2], ["start".to_owned(), "positions".to_owned()]);
    assert_eq!(setup.tws.connections(), 1);
    *setup.connection.lock().unwrap() = None;
    until("the connection is gone", || setup.tws.connections() == 0).await;
}

#[test]
fn the_catalogue_declares_what_tws_is() {
    let description = connector().description();
    assert_eq!(description.broker.0, "interactive_brokers");
    assert!(description.credential_fields.is_empty());
    let capabilities = description.capabilities;
    assert_eq!(capabilities.client_id_uniqueness, ClientIdUniqueness::Undocumented);
    assert!(
        !capabilities.reduce_only
            && !capabilities.look_up_by_client_id
            && !capabilities.settle_window.is_zero()
    );
}
