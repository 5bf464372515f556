//! Connections to the database that break at the worst moment, and a database that is restarted.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use atomik_domain::{OrderRequest, Side};
use atomik_ports::broker::{LookUp, SubmitOutcome};
use atomik_testkit::broker_suite::{limit_order, market_order};
use atomik_testkit::cutting_proxy::{Cut, CuttingProxy};
use futures::future::join_all;
use rust_decimal::Decimal;
use secrecy::ExposeSecret;
use serde_json::{Value, json};
use sqlx::ConnectOptions;
use sqlx::postgres::{PgConnectOptions, PgConnection};

use super::database::{Database, OwnServer, server_url};
use super::nodes::{Connection, Node};
use super::setup::{DEADLINE, decimal, price, qty, symbol};

/// Only commits send it to the database.
const SYMBOL: &str = "MNQ";

fn prices() -> Value {
    json!({"starting_balance": "1000000000", "prices": {SYMBOL: "100"}})
}

fn buy() -> OrderRequest {
    market_order(symbol(SYMBOL), Side::Buy, qty("1"))
}

async fn behind_a_proxy(database: &Database) -> (Node, CuttingProxy) {
    let server = server_url();
    let (_, rest) = server.split_once('@').unwrap();
    let proxy = CuttingProxy::to(rest.split_once('/').unwrap().0.to_owned()).await.unwrap();
    (Node::on(&database.url_at(&proxy.address())).await, proxy)
}

/// The server's ends of the venue's connections.
async fn backends(watching: &mut PgConnection) -> BTreeSet<i32> {
    let venue = "SELECT pid FROM pg_stat_activity WHERE datname = current_database() \
                 AND application_name = 'atomik paper venue'";
    sqlx::query_scalar(venue).fetch_all(watching).await.unwrap().into_iter().collect()
}

#[tokio::test]
async fn a_commit_whose_answer_is_lost_is_unknown_until_it_is_looked_up() {
    let database = Database::empty().await;
    let (node, proxy) = behind_a_proxy(&database).await;
    let connection = node.connect(1, prices()).await;
    let mut watching = database.raw().await;
    let mut held = Decimal::ZERO;
    // What comes late has been overtaken by the look-up, and must not come to be after it.
    let cuts = [(Cut::After, true), (Cut::Late(Duration::from_millis(300)), false), (Cut::Before, false)];
    for (cut, taken) in cuts {
        let request = buy();
        let before = backends(&mut watching).await;
        proxy.cut_at(SYMBOL, cut);
        let told = connection.submit(&request).await;
        assert!(proxy.has_cut());
        assert!(matches!(told, SubmitOutcome::Unknown { .. }), "{cut:?}: {told:?}");
        let found = connection.look_up(&request).await;
        match &found {
            LookUp::Found(report) => assert!(taken && report.executions.len() == 1, "{cut:?}: {report:?}"),
            LookUp::NotFound => assert!(!taken, "{cut:?}"),
            LookUp::Unavailable { .. } => panic!("{cut:?}: {found:?}"),
        }
        held += Decimal::from(u8::from(taken));
        // The server is done with the connection that was cut, whatever still came of it.
        tokio::time::timeout(DEADLINE, async {
            while before.is_subset(&backends(&mut watching).await) {
                tokio::task::yield_now().await;
            }
        })
        .await
        .unwrap();
        assert_eq!(connection.look_up(&request).await, found, "{cut:?}: it has changed since");
        assert_eq!(connection.broker.net_position(&symbol(SYMBOL)).await.unwrap().0, held, "{cut:?}");
        // And it goes on.
        let next = buy();
        assert!(matches!(connection.submit(&next).await, SubmitOutcome::Accepted(_)));
        held += Decimal::ONE;
    }
    let stored: i64 =
        sqlx::query_scalar("SELECT count(*) FROM paper.executions").fetch_one(&mut watching).await.unwrap();
    assert_eq!(Decimal::from(stored), held);
}

#[tokio::test]
async fn connections_that_died_while_they_lay_ready_cost_no_order() {
    let database = Database::empty().await;
    let node = Node::on(&database.url()).await;
    let connection = node.connect(1, prices()).await;
    for _ in 0..3 {
        let request = buy();
        assert!(matches!(connection.submit(&request).await, SubmitOutcome::Accepted(_)));
        assert!(matches!(connection.look_up(&request).await, LookUp::Found(_)));
        database
            .execute(
                "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity WHERE datname = current_database() \
                 AND application_name = 'atomik paper venue'",
            )
            .await;
    }
    assert_eq!(connection.broker.net_position(&symbol(SYMBOL)).await.unwrap().0, decimal("3"));
}

/// Asks until there is an answer, connecting anew where the connection has ended.
async fn fate(node: &Node, connection: &mut Connection, account: i64, request: &OrderRequest) -> LookUp {
    let asking = async {
        loop {
            match connection.look_up(request).await {
                LookUp::Unavailable { .. } => {
                    if connection.reports.is_closed()
                        && let Ok(anew) = node.try_connect(account, prices()).await
                    {
                        *connection = anew;
                    }
                    tokio::time::sleep(Duration::from_millis(5)).await;
                }
                told => return told,
            }
        }
    };
    tokio::time::timeout(DEADLINE, asking).await.expect("the venue answers again")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 3)]
async fn a_database_that_is_restarted_at_once_loses_and_doubles_nothing() {
    const ACCOUNTS: i64 = 8;
    let server = Arc::new(OwnServer::start());
    let node = Node::on(&server.url()).await;
    let (enough, sent) = (AtomicBool::new(false), AtomicU64::new(0));
    let burst = (1..=ACCOUNTS).map(|account| {
        let (node, enough, sent) = (&node, &enough, &sent);
        async move {
            let mut connection = node.connect(account, prices()).await;
            let _ = connection.submit(&limit_order(symbol(SYMBOL), Side::Buy, qty("1"), price("50"))).await;
            let mut told = Vec::new();
            while !enough.load(Ordering::Relaxed) {
                let request = buy();
                let outcome = connection.submit(&request).await;
                sent.fetch_add(1, Ordering::Relaxed);
                if matches!(outcome, SubmitOutcome::Accepted(_)) {
                    told.push((request, outcome, None));
                } else {
                    // As the engine does: nothing more is sent before this one's fate is known.
                    let found = fate(node, &mut connection, account, &request).await;
                    told.push((request, outcome, Some(found)));
                }
            }
            (connection, told)
        }
    });
    let restarts = async {
        for turn in 1..=4 {
            // In the middle of trading, and after the last it must come back to it.
            while sent.load(Ordering::Relaxed) < turn * 200 {
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
            if turn < 4 {
                let server = Arc::clone(&server);
                let restarting = tokio::task::spawn_blocking(move || server.control("-m immediate restart"));
                restarting.await.unwrap();
            }
        }
        enough.store(true, Ordering::Relaxed);
    };
    let (traded, ()) = tokio::join!(join_all(burst), restarts);
    let (mut accepted, mut others) = (0, 0);
    let options: PgConnectOptions = server.url().expose_secret().parse().unwrap();
    let mut books = options.connect().await.unwrap();
    for (account, (mut connection, told)) in (1..).zip(traded) {
        let mut held = Decimal::ZERO;
        for (request, outcome, found) in told {
            let now = fate(&node, &mut connection, account, &request).await;
            assert!(found.is_none_or(|found| found == now), "it has changed since: {outcome:?}, {now:?}");
            match (&outcome, &now) {
                (SubmitOutcome::Accepted(report), LookUp::Found(found)) => {
                    assert_eq!(report, found);
                    accepted += 1;
                }
                (SubmitOutcome::Unknown { .. }, LookUp::Found(_) | LookUp::NotFound)
                | (SubmitOutcome::NotSent { .. }, LookUp::NotFound) => others += 1,
                _ => panic!("told {outcome:?}, is {now:?}"),
            }
            if let LookUp::Found(report) = now {
                assert_eq!(report.executions.len(), 1);
                held += Decimal::ONE;
            }
        }
        assert_eq!(connection.broker.net_position(&symbol(SYMBOL)).await.unwrap().0, held);
        let executions = "SELECT count(*) FROM paper.executions WHERE account_id = $1";
        let stored: i64 = sqlx::query_scalar(executions).bind(account).fetch_one(&mut books).await.unwrap();
        assert_eq!(Decimal::from(stored), held);
    }
    println!("{accepted} accepted, {others} not");
    assert!(accepted > 100 && others > 0, "{accepted} accepted, {others} not");
}
