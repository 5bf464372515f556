//! Several nodes on the books of one database.

use std::sync::Arc;

use atomik_brokers::paper::PaperVenue;
use atomik_domain::{ExecutionReport, OrderRequest, OrderStatus, Side};
use atomik_ports::broker::{BrokerError, CancelOutcome, LookUp, SubmitOutcome};
use atomik_ports::{Broker, BrokerConnector, Credentials};
use atomik_testkit::broker_suite::{approved, limit_order, market_order};
use futures::future::join_all;
use serde_json::{Value, json};
use sqlx::Executor;
use tokio::sync::mpsc;

use super::database::Database;
use super::setup::{DEADLINE, SetClock, account, decimal, price, qty, symbol};

/// One node's venue.
pub struct Node {
    venue: PaperVenue,
}

/// A node's connection to an account.
pub struct Connection {
    pub broker: Arc<dyn Broker>,
    pub reports: mpsc::Receiver<ExecutionReport>,
}

fn prices() -> Value {
    json!({"starting_balance": "1000000", "prices": {"ES": "5000"}})
}

fn buy() -> OrderRequest {
    market_order(symbol("ES"), Side::Buy, qty("1"))
}

impl Node {
    pub async fn on(url: &secrecy::SecretString) -> Self {
        let clock = SetClock::at("2026-03-20T12:00:00Z");
        Self { venue: PaperVenue::open_in_postgres(url, clock, 7).await.unwrap() }
    }

    pub async fn try_connect(&self, id: i64, settings: Value) -> Result<Connection, BrokerError> {
        let (sender, reports) = mpsc::channel(4_096);
        let broker = self.venue.connect(&account(id, settings), &Credentials::default(), sender).await?;
        Ok(Connection { broker, reports })
    }

    pub async fn connect(&self, id: i64, settings: Value) -> Connection {
        self.try_connect(id, settings).await.unwrap()
    }
}

impl Connection {
    pub async fn submit(&self, request: &OrderRequest) -> SubmitOutcome {
        self.broker.submit(approved(request.clone())).await
    }

    pub async fn look_up(&self, request: &OrderRequest) -> LookUp {
        self.broker.look_up(&request.symbol, request.client_order_id).await
    }

    async fn accepted(&self, request: &OrderRequest) -> ExecutionReport {
        match self.submit(request).await {
            SubmitOutcome::Accepted(report) => report,
            other => panic!("not accepted: {other:?}"),
        }
    }

    async fn found(&self, request: &OrderRequest) -> ExecutionReport {
        match self.look_up(request).await {
            LookUp::Found(report) => report,
            other => panic!("not found: {other:?}"),
        }
    }

    /// All reports until the connection ends.
    async fn last_reports(&mut self) -> Vec<ExecutionReport> {
        let listen = async {
            let mut reports = Vec::new();
            while let Some(report) = self.reports.recv().await {
                reports.push(report);
            }
            reports
        };
        tokio::time::timeout(DEADLINE, listen).await.expect("the connection ends")
    }
}

#[tokio::test]
async fn whoever_connects_takes_the_account_over_with_all_that_is_in_it() {
    let database = Database::empty().await;
    let (one, two) = (Node::on(&database.url()).await, Node::on(&database.url()).await);
    let first = one.connect(1, prices()).await;
    let (filled, resting) = (buy(), limit_order(symbol("ES"), Side::Buy, qty("1"), price("4000")));
    let report = first.accepted(&filled).await;
    first.accepted(&resting).await;
    let before = (first.broker.positions().await.unwrap(), first.broker.balance().await.unwrap());

    let second = two.connect(1, prices()).await;
    let late = buy();
    match first.submit(&late).await {
        SubmitOutcome::NotSent { reason, .. } => {
            assert_eq!(reason, "another node has connected to this account");
        }
        other => panic!("sent by a node that has the account no more: {other:?}"),
    }
    assert!(first.reports.is_closed(), "the connection has ended with its account");
    assert!(matches!(first.look_up(&late).await, LookUp::Unavailable { .. }), "it is no proof any more");
    assert!(matches!(first.submit(&late).await, SubmitOutcome::NotSent { .. }));

    assert_eq!(second.look_up(&late).await, LookUp::NotFound);
    assert_eq!(second.found(&filled).await, report);
    assert_eq!((second.broker.positions().await.unwrap(), second.broker.balance().await.unwrap()), before);
    let canceled = second.broker.cancel(&resting.symbol, resting.client_order_id).await;
    assert!(matches!(canceled, CancelOutcome::Done(_)), "{canceled:?}");
    second.accepted(&late).await;
    // And back again.
    let third = one.connect(1, prices()).await;
    assert_eq!(third.broker.net_position(&symbol("ES")).await.unwrap().0, decimal("2"));
}

#[tokio::test]
async fn a_connection_that_does_nothing_ends_too_when_another_node_connects() {
    let database = Database::empty().await;
    let (one, two) = (Node::on(&database.url()).await, Node::on(&database.url()).await);
    let mut first = one.connect(1, prices()).await;
    let other = one.connect(2, prices()).await;
    let _second = two.connect(1, prices()).await;
    assert_eq!(first.last_reports().await, []);
    assert!(matches!(first.broker.balance().await, Err(BrokerError::Unavailable(_))));
    other.accepted(&buy()).await;
}

#[tokio::test]
async fn resting_orders_go_on_where_the_account_is_connected_and_nowhere_else() {
    let database = Database::empty().await;
    let (one, two) = (Node::on(&database.url()).await, Node::on(&database.url()).await);
    let mut first = one.connect(1, prices()).await;
    let resting = limit_order(symbol("ES"), Side::Buy, qty("1"), price("4000"));
    first.accepted(&resting).await;
    let mut second = two.connect(1, json!({"starting_balance": "1000000", "prices": {"ES": "3900"}})).await;
    let filled = tokio::time::timeout(DEADLINE, second.reports.recv()).await.unwrap().unwrap();
    assert_eq!((filled.client_order_id, filled.status), (resting.client_order_id, OrderStatus::Filled));
    assert_eq!(second.found(&resting).await.executions, filled.executions);
    let heard: Vec<_> = first.last_reports().await.into_iter().map(|report| report.status).collect();
    assert_eq!(heard, [OrderStatus::Working], "a fill that is another node's");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_id_that_two_nodes_send_trades_once() {
    let database = Database::empty().await;
    let nodes = [Node::on(&database.url()).await, Node::on(&database.url()).await];
    let requests: Vec<_> = (0..20).map(|_| buy()).collect();
    // Both send all of them until each is accepted, and take the account from each other whenever they are refused.
    let sending = nodes.iter().map(|node| async {
        let mut connection = node.connect(1, prices()).await;
        let mut reports = Vec::new();
        for request in &requests {
            let report = loop {
                match connection.submit(request).await {
                    SubmitOutcome::Accepted(report) => break report,
                    SubmitOutcome::NotSent { .. } => connection = node.connect(1, prices()).await,
                    other => panic!("{other:?}"),
                }
            };
            reports.push(report);
        }
        reports
    });
    let told = tokio::time::timeout(DEADLINE, join_all(sending)).await.expect("both come to an end");
    assert_eq!(told[0], told[1], "one order each, whoever asks");
    let after = nodes[0].connect(1, prices()).await;
    assert_eq!(after.broker.net_position(&symbol("ES")).await.unwrap().0, decimal("20"));
    for (request, report) in requests.iter().zip(&told[0]) {
        assert_eq!((after.found(request).await, report.executions.len()), (report.clone(), 1));
    }
}

#[tokio::test]
async fn a_commit_keeps_what_is_of_the_other_accounts() {
    let database = Database::empty().await;
    let (one, two) = (Node::on(&database.url()).await, Node::on(&database.url()).await);
    let (lost, kept, first) =
        (one.connect(1, prices()).await, one.connect(2, prices()).await, one.connect(3, prices()).await);
    // While the first commit waits, the others gather for the next.
    let mut beside = database.raw().await;
    beside.execute("BEGIN; LOCK TABLE paper.orders IN SHARE MODE").await.unwrap();
    let (request, ahead) = (buy(), buy());
    let taking_over = async {
        let commits = "SELECT count(*) FROM pg_locks WHERE NOT granted AND database = \
                       (SELECT oid FROM pg_database WHERE datname = current_database())";
        let mut watching = database.raw().await;
        while sqlx::query_scalar::<_, i64>(commits).fetch_one(&mut watching).await.unwrap() == 0 {
            tokio::task::yield_now().await;
        }
        let taken = two.connect(1, prices()).await;
        beside.execute("ROLLBACK").await.unwrap();
        taken
    };
    let (ahead, refused, accepted, taken) =
        tokio::join!(first.submit(&ahead), lost.submit(&request), kept.submit(&request), taking_over);
    assert!(matches!(ahead, SubmitOutcome::Accepted(_)), "{ahead:?}");
    assert!(matches!(refused, SubmitOutcome::NotSent { .. }), "{refused:?}");
    assert!(matches!(accepted, SubmitOutcome::Accepted(_)), "{accepted:?}");
    assert_eq!(taken.look_up(&request).await, LookUp::NotFound);
    assert_eq!(kept.found(&request).await.status, OrderStatus::Filled);
}

#[tokio::test]
async fn a_commit_that_waits_while_the_account_is_taken_over_writes_nothing() {
    let database = Database::empty().await;
    let node = Node::on(&database.url()).await;
    let mut connection = node.connect(1, prices()).await;
    let mut beside = database.raw().await;
    beside.execute("BEGIN; UPDATE paper.accounts SET session = session + 1").await.unwrap();
    let request = buy();
    let committing = async {
        let waiting = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'";
        let mut watching = database.raw().await;
        while sqlx::query_scalar::<_, i64>(waiting).fetch_one(&mut watching).await.unwrap() == 0 {
            tokio::task::yield_now().await;
        }
        beside.execute("COMMIT").await.unwrap();
    };
    let (outcome, ()) = tokio::join!(connection.submit(&request), committing);
    assert!(matches!(outcome, SubmitOutcome::NotSent { .. }), "{outcome:?}");
    connection.last_reports().await;
    let again = node.connect(1, prices()).await;
    assert_eq!(again.look_up(&request).await, LookUp::NotFound);
    assert!(again.broker.positions().await.unwrap().is_empty());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn many_nodes_may_open_an_empty_database_at_the_same_moment() {
    let database = Database::empty().await;
    let url = database.url();
    let nodes = join_all((0..8).map(|_| Node::on(&url))).await;
    for (id, node) in (1..).zip(&nodes) {
        node.connect(id, prices()).await.accepted(&buy()).await;
    }
}

#[tokio::test]
async fn a_url_that_cannot_be_used_is_refused_without_its_password() {
    for (url, reason) in [
        ("postgres://atomik:hunter2@127.0.0.1:1/nowhere", "nowhere at 127.0.0.1:1"),
        ("postgres://atomik:hunter2@127.0.0.1/nowhere?sslmod=hunter2", "what stands behind the ?"),
    ] {
        let clock = SetClock::at("2026-03-20T12:00:00Z");
        let said = PaperVenue::open_in_postgres(&url.into(), clock, 7).await.unwrap_err().to_string();
        assert!(said.contains(reason) && !said.contains("hunter2"), "{said}");
    }
}
