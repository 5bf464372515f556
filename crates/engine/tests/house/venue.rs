//! A venue that fills everything at once for a commission of one, and counts what it is asked.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use atomik_domain::instrument::AssetClass;
use atomik_domain::order::{Execution, PriceSource};
use atomik_domain::{
    Amount, Approved, BrokerAccount, BrokerAccountId, BrokerId, ClientOrderId, Environment, ExecId,
    ExecutionReport, Instrument, OrderRequest, OrderStatus, OrderType, Price, Qty, SignedQty, Symbol,
    TimeInForce,
};
use atomik_ports::broker::{
    Balance, BrokerDescription, BrokerError, CancelOutcome, Capabilities, ClientIdUniqueness, FieldError,
    FillReports, LookUp, Quote, SubmitOutcome, VenuePosition,
};
use atomik_ports::{Broker, BrokerConnector, Credentials, Custody};
use atomik_testkit::builders::START;
use rust_decimal::Decimal;
use serde_json::Value;
use tokio::sync::{mpsc, watch};

/// The venue.
pub struct CountingVenue {
    capabilities: Capabilities,
    orders: Mutex<HashMap<ClientOrderId, (BrokerAccountId, OrderRequest)>>,
    /// How many orders were sent.
    pub submits: AtomicUsize,
    /// How many orders' bytes have arrived.
    pub arrived: AtomicUsize,
    /// Whether orders stand still before their bytes leave.
    pub holds: watch::Sender<bool>,
    /// How often it was asked about an order.
    pub look_ups: AtomicUsize,
    /// Whether it says nothing about orders.
    pub mute: AtomicBool,
    /// Whether it lets nobody connect.
    pub closed: AtomicBool,
    /// The account that it answers nothing.
    pub ignored: Mutex<Option<BrokerAccountId>>,
    /// What every account is worth; `None`: it does not say.
    pub balance: Mutex<Option<Balance>>,
    /// How many questions for a balance wait for their answer.
    pub balances_awaited: AtomicUsize,
    /// The price of everything.
    pub price: Mutex<Option<Price>>,
    /// How often it was asked for a price.
    pub prices_asked: AtomicUsize,
    /// Held in every account, and traded past Atomik.
    pub by_hand: Mutex<HashMap<Symbol, SignedQty>>,
    /// Keeps each connection's reports open.
    reports: Mutex<Vec<mpsc::Sender<ExecutionReport>>>,
}

impl CountingVenue {
    pub fn new() -> Arc<Self> {
        let capabilities = Capabilities {
            order_types: vec![OrderType::Market],
            times_in_force: vec![TimeInForce::Day],
            reduce_only: false,
            fractional_quantities: false,
            client_id_uniqueness: ClientIdUniqueness::Forever,
            settle_window: Duration::ZERO,
            look_up_by_client_id: true,
            fill_reports: FillReports::Streamed,
            rate_limits: Vec::new(),
            untold_coin_fee: Decimal::ZERO,
        };
        Arc::new(Self {
            capabilities,
            orders: Mutex::default(),
            submits: AtomicUsize::new(0),
            arrived: AtomicUsize::new(0),
            holds: watch::Sender::new(false),
            look_ups: AtomicUsize::new(0),
            mute: AtomicBool::new(false),
            closed: AtomicBool::new(false),
            ignored: Mutex::default(),
            balance: Mutex::default(),
            balances_awaited: AtomicUsize::new(0),
            price: Mutex::default(),
            prices_asked: AtomicUsize::new(0),
            by_hand: Mutex::default(),
            reports: Mutex::default(),
        })
    }

    fn net(&self, account: BrokerAccountId, symbol: &Symbol) -> SignedQty {
        let orders = self.orders.lock().unwrap();
        let own = orders.values().filter(|(owner, order)| *owner == account && order.symbol == *symbol);
        let by_hand = self.by_hand.lock().unwrap().get(symbol).copied().unwrap_or_default();
        own.fold(by_hand, |sum, (_, order)| sum + order.side.signed(order.order_qty))
    }

    /// Ends every connection.
    pub fn hang_up(&self) {
        self.reports.lock().unwrap().clear();
    }
}

fn report(order: &OrderRequest) -> ExecutionReport {
    ExecutionReport {
        client_order_id: order.client_order_id,
        venue_order_id: None,
        status: OrderStatus::Filled,
        filled_qty: order.order_qty,
        executions: vec![Execution {
            exec_id: ExecId(format!("X-{}", order.client_order_id)),
            last_qty: order.order_qty,
            last_price: Price(Decimal::from(100)),
            commission: Amount(Decimal::ONE),
            fee_qty: Qty::ZERO,
            price_source: PriceSource::Venue,
            traded_at: START,
        }],
        reason: None,
    }
}

/// An account at the venue.
struct Connection(Arc<CountingVenue>, BrokerAccountId);

impl Connection {
    /// Never returns for the account that is ignored.
    async fn listen(&self) {
        if *self.0.ignored.lock().unwrap() == Some(self.1) {
            std::future::pending::<()>().await;
        }
    }
}

/// Counts as long as it is there: until a question is answered, or given up.
struct Awaited<'a>(&'a AtomicUsize);

impl<'a> Awaited<'a> {
    fn new(count: &'a AtomicUsize) -> Self {
        count.fetch_add(1, Ordering::SeqCst);
        Self(count)
    }
}

impl Drop for Awaited<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::SeqCst);
    }
}

/// Makes connections to the venue.
pub struct Connector(pub Arc<CountingVenue>);

#[async_trait]
impl Broker for Connection {
    fn capabilities(&self) -> &Capabilities {
        &self.0.capabilities
    }

    async fn submit(&self, order: Approved) -> SubmitOutcome {
        self.0.submits.fetch_add(1, Ordering::SeqCst);
        self.listen().await;
        let _ = self.0.holds.subscribe().wait_for(|holds| !holds).await;
        if self.0.reports.lock().unwrap().iter().all(mpsc::Sender::is_closed) {
            let reason = "the connection has ended, for nobody takes its reports".to_owned();
            return SubmitOutcome::NotSent { reason, retry_after: Duration::ZERO };
        }
        self.0.arrived.fetch_add(1, Ordering::SeqCst);
        let request = order.into_request();
        let filled = report(&request);
        self.0.orders.lock().unwrap().insert(request.client_order_id, (self.1, request));
        SubmitOutcome::Accepted(filled)
    }

    async fn cancel(&self, _: &Symbol, _: ClientOrderId) -> CancelOutcome {
        CancelOutcome::NotOpen
    }

    async fn look_up(&self, _: &Symbol, id: ClientOrderId) -> LookUp {
        self.0.look_ups.fetch_add(1, Ordering::SeqCst);
        self.listen().await;
        if self.0.mute.load(Ordering::SeqCst) {
            return LookUp::Unavailable { evidence: "mute".to_owned() };
        }
        let orders = self.0.orders.lock().unwrap();
        orders.get(&id).map_or(LookUp::NotFound, |(_, order)| LookUp::Found(report(order)))
    }

    async fn positions(&self) -> Result<Vec<VenuePosition>, BrokerError> {
        let held = self.0.by_hand.lock().unwrap();
        let position = |(symbol, net_qty): (&Symbol, &SignedQty)| VenuePosition {
            symbol: symbol.clone(),
            net_qty: *net_qty,
            avg_price: Price(Decimal::from(90)),
            unrealized_profit: None,
        };
        Ok(held.iter().map(position).collect())
    }

    async fn net_position(&self, symbol: &Symbol) -> Result<SignedQty, BrokerError> {
        self.listen().await;
        Ok(self.0.net(self.1, symbol))
    }

    async fn balance(&self) -> Result<Balance, BrokerError> {
        let _awaited = Awaited::new(&self.0.balances_awaited);
        self.listen().await;
        let balance = self.0.balance.lock().unwrap().clone();
        balance.ok_or_else(|| BrokerError::Unavailable("not here".to_owned()))
    }

    async fn instrument(&self, symbol: &Symbol) -> Result<Instrument, BrokerError> {
        Ok(Instrument {
            symbol: symbol.clone(),
            name: "Test".to_owned(),
            asset_class: AssetClass::Future,
            exchange: "TEST".to_owned(),
            currency: "USD".to_owned(),
            tick_size: Price(Decimal::ONE),
            lot_size: Qty(Decimal::ONE),
            multiplier: Decimal::ONE,
            contract: None,
            known: true,
        })
    }

    async fn search_instruments(&self, _: &str, _: usize) -> Result<Vec<Instrument>, BrokerError> {
        Ok(Vec::new())
    }

    async fn price(&self, _: &Symbol) -> Result<Option<Quote>, BrokerError> {
        self.0.prices_asked.fetch_add(1, Ordering::SeqCst);
        self.listen().await;
        let price = *self.0.price.lock().unwrap();
        Ok(price.map(|price| Quote { price, simulated: true, at: START }))
    }
}

#[async_trait]
impl BrokerConnector for Connector {
    fn description(&self) -> BrokerDescription {
        BrokerDescription {
            broker: BrokerId("paper".to_owned()),
            name: "Counting".to_owned(),
            environments: vec![Environment::Paper],
            credential_fields: Vec::new(),
            setting_fields: Vec::new(),
            capabilities: self.0.capabilities.clone(),
        }
    }

    fn check_settings(&self, _: Environment, settings: &Value) -> Result<Value, Vec<FieldError>> {
        Ok(settings.clone())
    }

    fn check_credentials(&self, _: Environment, _: &Credentials) -> Result<(), Vec<FieldError>> {
        Ok(())
    }

    async fn connect(
        &self,
        account: &BrokerAccount,
        _: &dyn Custody,
        reports: mpsc::Sender<ExecutionReport>,
    ) -> Result<Arc<dyn Broker>, BrokerError> {
        if self.0.closed.load(Ordering::SeqCst) {
            return Err(BrokerError::Unavailable("closed".to_owned()));
        }
        self.0.reports.lock().unwrap().push(reports);
        Ok(Arc::new(Connection(Arc::clone(&self.0), account.id)))
    }

    async fn search_instruments(&self, _: &str, _: usize) -> Result<Vec<Instrument>, BrokerError> {
        Ok(Vec::new())
    }
}
