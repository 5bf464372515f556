//! Many accounts at once: everything arrives, and nothing is lost in the batches.

use std::sync::Arc;
use std::time::Instant;

use atomik_domain::Side;
use atomik_ports::broker::SubmitOutcome;
use atomik_ports::{Broker, BrokerConnector, Credentials};
use atomik_testkit::broker_suite::{approved, market_order};
use rstest::rstest;
use serde_json::json;
use tokio::sync::mpsc;

use super::setup::Engine::{self, Postgres, Sqlite};
use super::setup::{Setup, account, decimal, qty, symbol};

#[rstest]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn many_accounts_trade_at_once_and_every_order_is_recorded(#[values(Sqlite, Postgres)] engine: Engine) {
    const ACCOUNTS: i64 = 200;
    const ORDERS: i64 = 50;
    let mut setup = Setup::on(engine, json!({})).await;
    let settings = json!({"prices": {"MES": "5000"}, "commission": "0.5"});
    let mut brokers: Vec<Arc<dyn Broker>> = Vec::new();
    let mut receivers = Vec::new();
    for id in 0..ACCOUNTS {
        let (sender, reports) = mpsc::channel(256);
        receivers.push(reports);
        brokers.push(
            setup
                .venue
                .connect(&account(100 + id, settings.clone()), &Credentials::default(), sender)
                .await
                .unwrap(),
        );
    }
    let started = Instant::now();
    let traders: Vec<_> = brokers
        .iter()
        .cloned()
        .map(|broker| {
            tokio::spawn(async move {
                for turn in 0..ORDERS {
                    let side = if turn % 2 == 0 { Side::Buy } else { Side::Sell };
                    let request = market_order(symbol("MES"), side, qty("1"));
                    let outcome = broker.submit(approved(request)).await;
                    assert!(matches!(outcome, SubmitOutcome::Accepted(_)), "{outcome:?}");
                }
            })
        })
        .collect();
    for trader in traders {
        trader.await.unwrap();
    }
    println!("{} orders over {ACCOUNTS} accounts in {:?}", ACCOUNTS * ORDERS, started.elapsed());
    drop(brokers);
    setup.restart().await;
    for (id, mut reports) in (100..).zip(receivers) {
        let (sender, _reports) = mpsc::channel(8);
        let broker = setup
            .venue
            .connect(&account(id, settings.clone()), &Credentials::default(), sender)
            .await
            .unwrap();
        assert_eq!(broker.balance().await.unwrap().cash.0, decimal("99975"));
        assert!(broker.positions().await.unwrap().is_empty());
        let mut told = 0;
        while reports.try_recv().is_ok() {
            told += 1;
        }
        assert_eq!(told, ORDERS);
    }
}
