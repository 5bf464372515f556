//! Asking what became of an order.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use atomik_domain::{ClientOrderId, ExecutionReport};
use atomik_ports::broker::{BrokerError, LookUp};
use tokio::time::Instant;

use super::gateway::{Gateway, Pace, Paced};
use super::orders::{Known, OrderBook, Standing};
use super::replies::{OrderList, OrderState, Trade};

/// When an order whose end is awaited is looked at.
const WATCH: [Duration; 4] =
    [Duration::from_millis(300), Duration::from_secs(1), Duration::from_secs(3), Duration::from_secs(8)];

/// What is known of our orders, and the ways to learn more.
pub(super) struct Ledger {
    gateway: Arc<Gateway>,
    account: String,
    book: Mutex<OrderBook>,
    orders: Paced<OrderList>,
    trades: Paced<()>,
}

impl Ledger {
    pub fn new(gateway: Arc<Gateway>, account: String, pace: &Pace) -> Self {
        let (orders, trades) = (Paced::new(pace.lists), Paced::new(pace.lists));
        Self { gateway, account, book: Mutex::default(), orders, trades }
    }

    pub fn book<T>(&self, look: impl FnOnce(&mut OrderBook) -> T) -> T {
        look(&mut self.book.lock().unwrap_or_else(PoisonError::into_inner))
    }

    fn known(&self, id: ClientOrderId) -> Option<Known> {
        self.book(|book| book.get(id).cloned())
    }

    /// Notes an execution of this account; our order, where it is one of ours.
    pub fn note(&self, trade: &Trade) -> Option<ClientOrderId> {
        if trade.account.as_ref().is_some_and(|account| *account != self.account) {
            return None;
        }
        self.book(|book| book.trade(trade))
    }

    /// Tells the broker to make its list of orders anew: the list after this one is whole.
    pub async fn renew_list(&self) -> Result<(), BrokerError> {
        self.orders
            .instead(async || {
                let path = "/iserver/account/orders?force=true";
                self.gateway.get::<OrderList>("GET /iserver/account/orders", path).await.map(drop)
            })
            .await
    }

    async fn list(&self, since: Instant) -> Result<Arc<OrderList>, BrokerError> {
        let fetch = async || self.gateway.get("GET /iserver/account/orders", "/iserver/account/orders").await;
        self.orders.since(since, fetch).await
    }

    /// Notes all executions of the last days.
    async fn read_trades(&self, since: Instant) -> Result<(), BrokerError> {
        let fetch = async || {
            let path = "/iserver/account/trades?days=7";
            let trades: Vec<Trade> = self.gateway.get("GET /iserver/account/trades", path).await?;
            for trade in &trades {
                self.note(trade);
            }
            Ok(())
        };
        self.trades.since(since, fetch).await.map(drop)
    }

    /// Asks for one order by the broker's id, and needs no list where all of its executions are known.
    async fn by_state(&self, id: ClientOrderId) -> Option<ExecutionReport> {
        let venue_id = self.known(id)?.venue_id?;
        let path = format!("/iserver/account/order/status/{venue_id}");
        // Orders of an earlier session are not found here.
        let state: OrderState = self.gateway.get("GET /iserver/account/order/status", &path).await.ok()?;
        let known = self.known(id)?;
        // Another order's state would be a lie.
        // And an inactive one may be rejected, which only the list says, with the reason.
        let is_it = state.order_id == venue_id && known.is_priced() && state.order_status != "Inactive";
        is_it.then(|| known.settle(id, &Standing::of_state(&state))).flatten()
    }

    /// What the list of orders says of one, with its executions; `None` where it is not there.
    async fn by_list(&self, id: ClientOrderId) -> Result<Option<LookUp>, BrokerError> {
        let list = self.list(Instant::now()).await?;
        let rows = list.orders.as_deref().unwrap_or_default();
        let row = rows.iter().find(|row| self.book(|book| book.row(row)) == Some(id));
        let Some(standing) = row.and_then(Standing::of_row) else {
            return if list.snapshot || row.is_some() { Ok(None) } else { Err(not_whole()) };
        };
        // After the list: it must not count an execution that the trades do not have yet.
        self.read_trades(Instant::now()).await?;
        let report = self.known(id).unwrap_or_default().settle(id, &standing);
        Ok(Some(report.map_or_else(
            || LookUp::Unavailable {
                evidence: "the broker does not list all of its executions yet".to_owned(),
            },
            LookUp::Found,
        )))
    }

    pub async fn look_up(&self, id: ClientOrderId) -> LookUp {
        if let Some(report) = self.by_state(id).await {
            return LookUp::Found(report);
        }
        match self.by_lists(id).await {
            Ok(found) => found,
            Err(error) => LookUp::Unavailable { evidence: error.to_string() },
        }
    }

    async fn by_lists(&self, id: ClientOrderId) -> Result<LookUp, BrokerError> {
        // A list that is not whole may have it all the same.
        if let Ok(Some(found)) = self.by_list(id).await {
            return Ok(found);
        }
        self.renew_list().await?;
        if let Some(found) = self.by_list(id).await? {
            return Ok(found);
        }
        self.read_trades(Instant::now()).await?;
        Ok(match self.known(id) {
            Some(known) if !known.filled().is_zero() => LookUp::Found(known.gone(id)),
            // The broker gave it an id, so it exists, whatever the lists say.
            Some(Known { venue_id: Some(_), .. }) => {
                LookUp::Unavailable { evidence: "the broker took it, and does not list it".to_owned() }
            }
            _ => LookUp::NotFound,
        })
    }

    /// The end of an order that is awaited, or its fills; `None` where it did not end in time.
    pub async fn watch(&self, id: ClientOrderId) -> Option<ExecutionReport> {
        for pause in WATCH {
            tokio::time::sleep(pause).await;
            if let LookUp::Found(report) = self.look_up(id).await
                && report.status.is_final()
            {
                return Some(report);
            }
        }
        None
    }
}

fn not_whole() -> BrokerError {
    BrokerError::Unavailable("the broker's list of orders is not whole yet".to_owned())
}
