//! The port's calls.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use atomik_domain::gate::Approved;
use atomik_domain::{Amount, ClientOrderId, Instrument, Price, SignedQty, Symbol};
use atomik_ports::broker::{
    Balance, BrokerError, CancelOutcome, Capabilities, LookUp, Quote, SubmitOutcome, VenuePosition,
};
use atomik_ports::{Broker, Clock};
use ibapi::accounts::Position;
use ibapi::orders::OrderStatusKind;
use time_tz::Tz;
use tokio::time::Instant;

use super::book::{Decision, Standing};
use super::session::{Session, Written, unavailable};
use super::{contracts, exact, look_up};
use crate::instruments;

/// How long to wait before something that did not leave is tried again.
const SOON: Duration = Duration::from_secs(1);
/// How many of TWS's finds are asked for their rules.
const DETAILED: usize = 8;

/// One connected account.
pub(super) struct TwsBroker {
    pub(super) session: Session,
    pub(super) capabilities: Capabilities,
    pub(super) clock: Arc<dyn Clock>,
    pub(super) zone: Option<&'static Tz>,
    pub(super) traded: tokio::sync::Mutex<tokio::sync::mpsc::Receiver<()>>,
}

impl TwsBroker {
    /// Lets go of what roots stand for, where something traded since.
    async fn heed_trades(&self) {
        if self.traded.lock().await.try_recv().is_ok() {
            self.session.traded();
        }
    }

    async fn find(&self, id: ClientOrderId) -> Result<Option<atomik_domain::ExecutionReport>, BrokerError> {
        look_up::look_up(&self.session, id, &self.clock, self.zone).await
    }

    /// Waits until TWS has said what became of a send.
    async fn decided(&self, id: ClientOrderId) -> SubmitOutcome {
        let deadline = Instant::now() + self.session.policy.answer_timeout;
        let mut changes = self.session.book.watch();
        loop {
            let Some(standing) = self.session.book.standing(id) else {
                return SubmitOutcome::Unknown { evidence: "it was forgotten".to_owned() };
            };
            match standing.decision {
                Some(Decision::Taken) => return SubmitOutcome::Accepted(standing.report),
                Some(Decision::Refused(reason)) => return SubmitOutcome::Rejected { reason },
                Some(Decision::DuplicateId(reason)) => {
                    self.session.renew_order_ids().await;
                    self.session.book.forget(id);
                    let reason = format!("TWS wants a higher order id: {reason}");
                    return SubmitOutcome::NotSent { reason, retry_after: SOON };
                }
                None => {}
            }
            if let Some(why) = self.session.book.ended() {
                let evidence = format!("The connection ended before TWS answered: {why}");
                return SubmitOutcome::Unknown { evidence };
            }
            if tokio::time::timeout_at(deadline, changes.changed()).await.is_err() {
                return SubmitOutcome::Unknown { evidence: no_proof(&standing) };
            }
        }
    }

    /// Waits until TWS has said what became of a cancel.
    async fn canceled(&self, id: ClientOrderId) -> CancelOutcome {
        let deadline = Instant::now() + self.session.policy.answer_timeout;
        let mut changes = self.session.book.watch();
        loop {
            let Some(standing) = self.session.book.standing(id) else { return CancelOutcome::NotOpen };
            if standing.report.status.is_final() {
                return CancelOutcome::Done(standing.report);
            }
            if standing.not_cancelable {
                return CancelOutcome::NotOpen;
            }
            if standing.kind == OrderStatusKind::PendingCancel {
                return CancelOutcome::Requested;
            }
            if let Some(evidence) = self.session.book.ended() {
                return CancelOutcome::Unknown { evidence };
            }
            if tokio::time::timeout_at(deadline, changes.changed()).await.is_err() {
                return CancelOutcome::Unknown { evidence: no_proof(&standing) };
            }
        }
    }

    /// The id to cancel an order by; what the outcome is where there is none.
    async fn order_id(&self, id: ClientOrderId) -> Result<i32, CancelOutcome> {
        if let Some(standing) = self.session.book.standing(id) {
            if standing.report.status.is_final() {
                return Err(CancelOutcome::NotOpen);
            }
            if let Some(order_id) = standing.order_id {
                return Ok(order_id);
            }
        }
        let open = self.session.open_orders().await;
        let open = open.map_err(|error| CancelOutcome::Unknown { evidence: error.to_string() })?;
        let order = open.orders.into_iter().rfind(|order| {
            order.order.account == self.session.account
                && super::orders::reference(&order.order.order_ref) == Some(id)
        });
        let order = order.ok_or(CancelOutcome::NotOpen)?;
        let ours = self.session.client.client_id();
        if order.order.client_id != ours {
            let theirs = order.order.client_id;
            let evidence =
                format!("The order was placed under client id {theirs}; under {ours} it cannot be canceled.");
            return Err(CancelOutcome::Unknown { evidence });
        }
        let state = &order.order_state;
        self.session.book.order_told(
            id,
            order.order_id,
            order.order.perm_id,
            &state.status,
            &state.reject_reason,
        );
        Ok(order.order_id)
    }

    fn position(position: &Position) -> Option<VenuePosition> {
        let qty = exact::decimal(position.position)?;
        if qty.is_zero() {
            return None;
        }
        // TWS tells what one contract cost, which is the price times the multiplier.
        let multiplier = contracts::multiplier(&position.contract.multiplier, 1);
        let cost = exact::decimal(position.average_cost)?;
        Some(VenuePosition {
            symbol: contracts::spelling(&position.contract)?,
            net_qty: SignedQty(qty),
            avg_price: Price(cost.checked_div(multiplier).unwrap_or(cost).normalize()),
            unrealized_profit: None,
        })
    }
}

/// What is known of an order about which TWS has not said enough.
fn no_proof(standing: &Standing) -> String {
    let doubts = standing.doubts.join("; ");
    let status = match &standing.kind {
        OrderStatusKind::ApiPending => "TWS did not answer in time.".to_owned(),
        kind => format!("TWS calls it {} and said no more in time.", kind.as_str()),
    };
    if doubts.is_empty() { status } else { format!("{status} It said: {doubts}") }
}

#[async_trait]
impl Broker for TwsBroker {
    fn capabilities(&self) -> &Capabilities {
        &self.capabilities
    }

    async fn submit(&self, order: Approved) -> SubmitOutcome {
        let request = order.request();
        let not_sent = |reason: String, retry_after| SubmitOutcome::NotSent { reason, retry_after };
        if self.session.book.standing(request.client_order_id).is_some() {
            return self.decided(request.client_order_id).await;
        }
        if let Some(why) = self.session.book.hindrance() {
            return not_sent(why, SOON);
        }
        if let Err(wait) = self.session.budget.take() {
            return not_sent("TWS takes 50 messages a second".to_owned(), wait);
        }
        self.heed_trades().await;
        let details = match self.session.contract(&request.symbol).await {
            Ok((_, details)) => details,
            Err(error @ BrokerError::UnknownSymbol(_)) => {
                return SubmitOutcome::Rejected { reason: format!("Nothing was sent: {error}.") };
            }
            Err(error) => return not_sent(error.to_string(), SOON),
        };
        match self.session.write_order(request, &details).await {
            Written::Yes | Written::Before => self.decided(request.client_order_id).await,
            Written::No(reason) => not_sent(reason, SOON),
            Written::Never(reason) => {
                SubmitOutcome::Rejected { reason: format!("Nothing was sent: {reason}") }
            }
            Written::Perhaps(evidence) => SubmitOutcome::Unknown { evidence },
        }
    }

    async fn cancel(&self, _: &Symbol, id: ClientOrderId) -> CancelOutcome {
        if let Some(evidence) = self.session.book.hindrance() {
            return CancelOutcome::Unknown { evidence };
        }
        let order_id = match self.order_id(id).await {
            Ok(order_id) => order_id,
            Err(outcome) => return outcome,
        };
        self.session.book.cancel_begins(id);
        let write = self.session.client.cancel_order(order_id, "");
        match tokio::time::timeout(self.session.policy.answer_timeout, write).await {
            Ok(Ok(_)) => self.canceled(id).await,
            Ok(Err(error)) => CancelOutcome::Unknown { evidence: unavailable(&error).to_string() },
            Err(_) => CancelOutcome::Unknown { evidence: "TWS takes no more bytes".to_owned() },
        }
    }

    async fn look_up(&self, _: &Symbol, id: ClientOrderId) -> LookUp {
        match self.find(id).await {
            Ok(Some(report)) => LookUp::Found(report),
            // A list that was asked for while the link went down may be short.
            Ok(None) => match self.session.book.hindrance() {
                Some(evidence) => LookUp::Unavailable { evidence },
                None => LookUp::NotFound,
            },
            Err(error) => LookUp::Unavailable { evidence: error.to_string() },
        }
    }

    async fn positions(&self) -> Result<Vec<VenuePosition>, BrokerError> {
        let held = self.session.positions().await?;
        Ok(held.iter().filter_map(Self::position).collect())
    }

    async fn net_position(&self, symbol: &Symbol) -> Result<SignedQty, BrokerError> {
        let held = self.session.positions().await?;
        let (_, details) = self.session.choose(symbol, &held).await?;
        let of_contract =
            held.iter().find(|position| position.contract.contract_id == details.contract.contract_id);
        let Some(position) = of_contract else { return Ok(SignedQty::ZERO) };
        let unreadable = || BrokerError::Unavailable(format!("the position in {symbol} is no number"));
        exact::decimal(position.position).map(SignedQty).ok_or_else(unreadable)
    }

    async fn balance(&self) -> Result<Balance, BrokerError> {
        let rows = self.session.summary().await?;
        let row = |tag: &str| rows.iter().find(|row| row.tag == tag);
        let amount = |tag: &str| {
            let missing = || BrokerError::Unavailable(format!("TWS does not tell the account's {tag}"));
            let text = &row(tag).ok_or_else(missing)?.value;
            atomik_domain::money::parse_decimal(text).map(Amount).ok_or_else(missing)
        };
        Ok(Balance {
            currency: row("NetLiquidation").map(|row| row.currency.clone()).unwrap_or_default(),
            cash: amount("TotalCashValue")?,
            equity: amount("NetLiquidation")?,
            buying_power: amount("BuyingPower")?,
            simulated: false,
        })
    }

    async fn instrument(&self, symbol: &Symbol) -> Result<Instrument, BrokerError> {
        self.heed_trades().await;
        let (asked, details) = self.session.contract(symbol).await?;
        contracts::instrument(symbol, &asked, &details)
            .ok_or_else(|| BrokerError::UnknownSymbol(symbol.clone()))
    }

    async fn search_instruments(&self, query: &str, limit: usize) -> Result<Vec<Instrument>, BrokerError> {
        use atomik_domain::instrument::AssetClass;
        // TWS finds shares by their names, and futures not at all: those come from the catalogue.
        let listed = instruments::search(query, limit);
        let futures = listed.into_iter().filter(|one| one.asset_class == AssetClass::Future);
        let timely = tokio::time::timeout(
            self.session.policy.answer_timeout,
            self.session.client.matching_symbols(query),
        );
        let matches = timely.await.map_err(|_| unavailable(&ibapi::Error::Timeout))?;
        let matches = matches.map_err(|error| unavailable(&error))?;
        let mut found: Vec<_> = futures.collect();
        let is_share = |contract: &ibapi::contracts::Contract| {
            contract.security_type == ibapi::contracts::SecurityType::Stock && contract.currency == "USD"
        };
        let shares = matches.into_iter().map(|found| found.contract).filter(is_share);
        for contract in shares.take(DETAILED.min(limit.saturating_sub(found.len()))) {
            let Some(symbol) = contracts::spelling(&contract) else { continue };
            match self.instrument(&symbol).await {
                Ok(instrument) => found.push(instrument),
                Err(BrokerError::UnknownSymbol(_)) => {}
                Err(error) => return Err(error),
            }
        }
        found.truncate(limit);
        Ok(found)
    }

    /// TWS tells prices only to those who pay for them, so none are shown.
    async fn price(&self, _: &Symbol) -> Result<Option<Quote>, BrokerError> {
        Ok(None)
    }
}
