//! One connected account.

use std::collections::HashSet;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use atomik_domain::gate::Approved;
use atomik_domain::{
    Amount, ClientOrderId, Instrument, OrderRequest, OrderStatus, Price, Qty, SignedQty, Symbol,
};
use atomik_ports::broker::{
    Balance, Broker, BrokerError, CancelOutcome, Capabilities, LookUp, Quote, SubmitOutcome, VenuePosition,
};
use rust_decimal::Decimal;
use serde::Serialize;
use serde_json::json;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;

use super::library::{Library, Resolved, Unresolved};
use super::orders::Asked;
use super::replies::{CashBalanceSnapshot, Commanded, Placed, Position};
use super::requests::{CancelOrder, PlaceOrder};
use super::rules;
use super::session::Failed;
use super::stream::Shared;
use super::symbols::{self, Asked as AskedSymbol};
use crate::wire::decimal::sum;

/// How long to wait before an order whose contract could not be looked up is tried again.
const RETRY: Duration = Duration::from_secs(2);

/// See the module.
pub(super) struct TradovateBroker {
    pub shared: Shared,
    pub library: Library,
    pub account_name: String,
    pub roll_days: u32,
    pub capabilities: Capabilities,
    /// Orders whose reports are due.
    pub touched: mpsc::Sender<i64>,
    /// Ids that were sent and of which nobody knows what became.
    pub sent: Mutex<HashSet<ClientOrderId>>,
    /// Reads the stream.
    pub task: JoinHandle<()>,
}

impl Drop for TradovateBroker {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl TradovateBroker {
    fn sent(&self) -> std::sync::MutexGuard<'_, HashSet<ClientOrderId>> {
        self.sent.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn resolve(&self, symbol: &Symbol) -> Result<Resolved, Unresolved> {
        let held = self.shared.tracker(|tracker| tracker.held());
        let now = self.shared.clock.now();
        self.library.resolve(&self.shared.session, symbol, &held, now, self.roll_days).await
    }

    /// The order of an id that was sent already.
    async fn again(&self, id: ClientOrderId, order_id: i64) -> SubmitOutcome {
        match self.shared.desk().order(id, order_id).await {
            Ok(Asked::Found(report)) => SubmitOutcome::Accepted(report),
            Ok(Asked::NotFound) => unknown(format!("Tradovate does not show order {order_id} any more")),
            Ok(Asked::Unclear(evidence)) => unknown(evidence),
            Err(error) => unknown(error.to_string()),
        }
    }

    async fn place(&self, request: &OrderRequest) -> SubmitOutcome {
        let resolved = match self.resolve(&request.symbol).await {
            Ok(resolved) => resolved,
            Err(Unresolved::No(reason)) => return SubmitOutcome::Rejected { reason },
            Err(Unresolved::Asked(BrokerError::UnknownSymbol(symbol))) => {
                return SubmitOutcome::Rejected {
                    reason: format!("Tradovate does not know the symbol {symbol}."),
                };
            }
            Err(Unresolved::Asked(error)) => {
                return SubmitOutcome::NotSent { reason: error.to_string(), retry_after: RETRY };
            }
        };
        let account = (self.shared.account_id, self.account_name.as_str());
        let order = PlaceOrder::new(request, &resolved.contract.name, resolved.listed.tick(), account);
        let order = match order {
            Ok(order) => order,
            Err(reason) => return SubmitOutcome::Rejected { reason },
        };
        let answer =
            match self.shared.session.act("/order/placeorder", |ticket| written(&order, ticket)).await {
                Ok(answer) => answer,
                Err(Failed::NotSent { reason, retry_after }) => {
                    return SubmitOutcome::NotSent { reason, retry_after };
                }
                Err(Failed::Refused(reason)) => return SubmitOutcome::Rejected { reason },
                Err(Failed::Unknown(evidence)) => return unknown(evidence),
            };
        let placed: Placed = match answer.json() {
            Ok(placed) => placed,
            Err(evidence) => return unknown(evidence),
        };
        match rules::placed(&placed) {
            Ok(order_id) => {
                self.shared.tracker(|tracker| tracker.name(order_id, request.client_order_id));
                // What the stream told of it before can be reported now. Where the stream is over, nobody listens.
                let _ = self.touched.send(order_id).await;
                let report =
                    rules::report(request.client_order_id, order_id, OrderStatus::Working, Qty::ZERO);
                SubmitOutcome::Accepted(report)
            }
            Err(outcome) => outcome,
        }
    }

    /// The venue's id of an order, from the stream or else by asking.
    async fn order_id(&self, id: ClientOrderId) -> Result<Option<i64>, BrokerError> {
        let known = self.shared.tracker(|tracker| tracker.order_id(id).filter(|_| !tracker.is_doubled(id)));
        match known {
            Some(order_id) => Ok(Some(order_id)),
            None => self.shared.desk().order_id(id).await,
        }
    }

    /// What an order that could not be canceled comes to: it is over, or nobody knows.
    async fn not_canceled(&self, id: ClientOrderId, order_id: i64, why: String) -> CancelOutcome {
        match self.shared.desk().order(id, order_id).await {
            Ok(Asked::Found(report)) if report.status.is_final() => CancelOutcome::NotOpen,
            Ok(Asked::NotFound) => CancelOutcome::NotOpen,
            _ => CancelOutcome::Unknown { evidence: why },
        }
    }

    /// This account's positions that are not flat.
    async fn held(&self) -> Result<Vec<Position>, BrokerError> {
        let mut held: Vec<Position> = self.shared.session.get("/position/list").await?;
        held.retain(|position| position.account_id == self.shared.account_id && !position.net_pos.is_zero());
        Ok(held)
    }
}

fn unknown(evidence: String) -> SubmitOutcome {
    SubmitOutcome::Unknown { evidence }
}

/// A body, and the identical one with a penalty's ticket.
fn written(body: &impl Serialize, ticket: Option<&str>) -> Result<String, String> {
    let text = serde_json::to_string(body).map_err(|error| error.to_string())?;
    let Some(ticket) = ticket else { return Ok(text) };
    let ticket = serde_json::to_string(ticket).map_err(|error| error.to_string())?;
    let open = text.strip_suffix('}').ok_or("the body is no object")?;
    Ok(format!("{open},\"p-ticket\":{ticket}}}"))
}

#[async_trait]
impl Broker for TradovateBroker {
    fn capabilities(&self) -> &Capabilities {
        &self.capabilities
    }

    async fn submit(&self, order: Approved) -> SubmitOutcome {
        let request = order.into_request();
        let id = request.client_order_id;
        if self.shared.tracker(|tracker| tracker.is_doubled(id)) {
            return unknown("Tradovate has several orders of this id".to_owned());
        }
        if let Some(order_id) = self.shared.tracker(|tracker| tracker.order_id(id)) {
            return self.again(id, order_id).await;
        }
        if !self.sent().insert(id) {
            return unknown("it was sent before, and nobody knows what became of it".to_owned());
        }
        let outcome = self.place(&request).await;
        if !matches!(outcome, SubmitOutcome::Unknown { .. }) {
            self.sent().remove(&id);
        }
        outcome
    }

    async fn cancel(&self, _: &Symbol, id: ClientOrderId) -> CancelOutcome {
        let order_id = match self.order_id(id).await {
            Ok(Some(order_id)) => order_id,
            Ok(None) => return CancelOutcome::NotOpen,
            Err(error) => return CancelOutcome::Unknown { evidence: error.to_string() },
        };
        let cancel = CancelOrder { order_id, is_automated: true };
        let answer =
            match self.shared.session.act("/order/cancelorder", |ticket| written(&cancel, ticket)).await {
                Ok(answer) => answer,
                Err(Failed::NotSent { reason, .. } | Failed::Unknown(reason)) => {
                    return CancelOutcome::Unknown { evidence: reason };
                }
                Err(Failed::Refused(reason)) => return self.not_canceled(id, order_id, reason).await,
            };
        let commanded: Commanded = match answer.json() {
            Ok(commanded) => commanded,
            Err(evidence) => return CancelOutcome::Unknown { evidence },
        };
        match commanded.failure_reason.as_deref().filter(|word| *word != "Success") {
            Some(word) => {
                let why = rules::said(word, commanded.failure_text.as_deref());
                self.not_canceled(id, order_id, why).await
            }
            None if commanded.command_id.is_some() => CancelOutcome::Requested,
            None => CancelOutcome::Unknown { evidence: "Tradovate answered without a command".to_owned() },
        }
    }

    async fn look_up(&self, _: &Symbol, id: ClientOrderId) -> LookUp {
        let unavailable = |evidence: String| LookUp::Unavailable { evidence };
        let order_id = match self.order_id(id).await {
            Ok(Some(order_id)) => order_id,
            Ok(None) => return LookUp::NotFound,
            Err(error) => return unavailable(error.to_string()),
        };
        match self.shared.desk().order(id, order_id).await {
            Ok(Asked::Found(report)) => LookUp::Found(report),
            // It was there, or its command still is: that it is not shown proves nothing.
            Ok(Asked::NotFound) => unavailable(format!("Tradovate does not show order {order_id}")),
            Ok(Asked::Unclear(evidence)) => unavailable(evidence),
            Err(error) => unavailable(error.to_string()),
        }
    }

    async fn positions(&self) -> Result<Vec<VenuePosition>, BrokerError> {
        let held = self.held().await?;
        let ids: Vec<_> = held.iter().map(|position| position.contract_id).collect();
        let names = self.library.names_of(&self.shared.session, &ids).await?;
        let mut positions = Vec::new();
        for position in held {
            let symbol = names.get(&position.contract_id).and_then(|name| Symbol::parse(name).ok());
            let symbol = symbol.ok_or_else(|| {
                BrokerError::Unavailable("Tradovate holds a contract without a name.".to_owned())
            })?;
            positions.push(VenuePosition {
                symbol,
                net_qty: SignedQty(position.net_pos),
                avg_price: Price(position.net_price.unwrap_or_default()),
                unrealized_profit: None,
            });
        }
        Ok(positions)
    }

    async fn net_position(&self, symbol: &Symbol) -> Result<SignedQty, BrokerError> {
        let asked = symbols::parse(symbol).ok_or_else(|| BrokerError::UnknownSymbol(symbol.clone()))?;
        let held = self.held().await?;
        let ids: Vec<_> = held.iter().map(|position| position.contract_id).collect();
        let names = self.library.names_of(&self.shared.session, &ids).await?;
        let wanted = match asked {
            AskedSymbol::Contract { name, .. } => name,
            AskedSymbol::Front { root } => {
                let of_root = self.library.held_of(&self.shared.session, &root, &ids).await?;
                symbols::held_or_front(&root, &of_root, "").map_err(BrokerError::Unavailable)?.to_owned()
            }
        };
        let of_contract = held.iter().filter(|position| names.get(&position.contract_id) == Some(&wanted));
        Ok(SignedQty(sum(of_contract.map(|position| position.net_pos))))
    }

    async fn balance(&self) -> Result<Balance, BrokerError> {
        let asked = json!({"accountId": self.shared.account_id}).to_string();
        let told: CashBalanceSnapshot =
            self.shared.session.ask("/cashBalance/getcashbalancesnapshot", asked).await?;
        if let Some(text) = told.error_text.filter(|text| !text.is_empty()) {
            let text: String = text.chars().take(200).collect();
            return Err(BrokerError::Unavailable(format!("Tradovate tells no balance: {text}.")));
        }
        let missing = || BrokerError::Unavailable("Tradovate's balance has no cash value.".to_owned());
        let cash = told.total_cash_value.ok_or_else(missing)?;
        let equity = told.net_liq.unwrap_or(cash);
        let buying_power = equity.saturating_sub(told.initial_margin.unwrap_or_default()).max(Decimal::ZERO);
        Ok(Balance {
            currency: "USD".to_owned(),
            cash: Amount(cash),
            equity: Amount(equity),
            buying_power: Amount(buying_power),
            simulated: false,
        })
    }

    async fn instrument(&self, symbol: &Symbol) -> Result<Instrument, BrokerError> {
        self.resolve(symbol).await?.instrument(symbol)
    }

    async fn search_instruments(&self, query: &str, limit: usize) -> Result<Vec<Instrument>, BrokerError> {
        self.library.search(&self.shared.session, query.trim(), limit).await
    }

    /// Prices are another subscription, on another stream, and are not had.
    async fn price(&self, _: &Symbol) -> Result<Option<Quote>, BrokerError> {
        Ok(None)
    }
}
