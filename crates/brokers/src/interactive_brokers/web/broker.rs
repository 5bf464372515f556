//! One account behind the port.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use atomik_domain::gate::Approved;
use atomik_domain::{
    ClientOrderId, ExecutionReport, Instrument, OrderRequest, OrderStatus, Price, Qty, SignedQty, Symbol,
    UnixMicros, VenueOrderId,
};
use atomik_ports::Clock;
use atomik_ports::broker::{
    Balance, Broker, BrokerError, CancelOutcome, Capabilities, LookUp, Quote, SubmitOutcome, VenuePosition,
};
use reqwest::Method;
use rust_decimal::Decimal;
use tokio::sync::{Mutex, mpsc};
use tokio::task::AbortHandle;

use super::contracts::{Contract, Contracts};
use super::gateway::{Gateway, RETRY_AFTER};
use super::look_up::Ledger;
use super::orders::{Standing, Word};
use super::placing::{CancelVerdict, MAX_QUESTIONS, Question, Verdict, read, read_cancel, rule_of, ticket};
use super::portfolio::Portfolio;
use super::replies::{SnapshotRow, read_number};
use crate::wire::decimal::sum;

/// How long an order waits for the one before it, which the broker wants settled first.
const PLACING_TIMEOUT: Duration = Duration::from_secs(3);

/// A connected account.
pub(super) struct WebBroker {
    pub gateway: Arc<Gateway>,
    pub account: String,
    pub contracts: Contracts,
    pub portfolio: Arc<Portfolio>,
    pub ledger: Arc<Ledger>,
    pub answer_questions: Vec<String>,
    pub clock: Arc<dyn Clock>,
    pub watch: mpsc::Sender<ClientOrderId>,
    /// One order at a time: the broker asks about one before it takes the next.
    pub placing: Mutex<()>,
    pub capabilities: Capabilities,
    pub listening: AbortHandle,
}

impl Drop for WebBroker {
    fn drop(&mut self) {
        self.listening.abort();
    }
}

/// The rules that are checked before sending: what they refuse is proven not to be placed.
fn check(request: &OrderRequest, contract: &Contract) -> Result<(), String> {
    let lots = request.order_qty.0.checked_rem(Decimal::ONE).is_some_and(|rest| rest.is_zero());
    if !lots || request.order_qty.0 <= Decimal::ZERO {
        return Err(format!(
            "{} of {} cannot be traded: only whole numbers can",
            request.order_qty, request.symbol
        ));
    }
    let types = &contract.info.rules.order_types;
    let wanted = rule_of(request.order_type);
    if !types.is_empty() && !types.iter().any(|one| one == wanted) {
        return Err(format!("the broker takes no {} orders in {}", request.order_type, contract.local));
    }
    for price in [request.limit_price, request.stop_price].into_iter().flatten() {
        let step = contract.tick_at(price.0).unwrap_or_default();
        if !step.is_zero() && !price.0.checked_rem(step).is_some_and(|rest| rest.is_zero()) {
            return Err(format!(
                "the price {price} is no multiple of {step}, the price step of {}",
                contract.local
            ));
        }
    }
    Ok(())
}

fn not_sent(error: &BrokerError) -> SubmitOutcome {
    SubmitOutcome::NotSent { reason: error.to_string(), retry_after: RETRY_AFTER }
}

impl WebBroker {
    async fn place(&self, request: &OrderRequest) -> Result<SubmitOutcome, SubmitOutcome> {
        let contract = self.contracts.find(&request.symbol).await.map_err(|error| match error {
            BrokerError::UnknownSymbol(_) => SubmitOutcome::Rejected { reason: error.to_string() },
            error => not_sent(&error),
        })?;
        check(request, &contract).map_err(|reason| SubmitOutcome::Rejected { reason })?;
        let body = ticket(request, contract.conid, &self.account)
            .map_err(|reason| SubmitOutcome::Rejected { reason })?;
        let Ok(_one_at_a_time) = tokio::time::timeout(PLACING_TIMEOUT, self.placing.lock()).await else {
            let reason = "the broker has not answered the order before this one yet".to_owned();
            return Err(SubmitOutcome::NotSent { reason, retry_after: RETRY_AFTER });
        };
        let path = format!("/iserver/account/{}/orders", self.account);
        let post = self.gateway.request(Method::POST, &path, Some(body)).map_err(|error| not_sent(&error))?;
        let id = request.client_order_id;
        self.ledger.book(|book| book.expect(id, request.order_qty));
        let mut answer = self.gateway.send_order_now("POST /iserver/account/orders", post).await?;
        for _ in 0..MAX_QUESTIONS {
            match read(&answer) {
                Verdict::Asks(question) if question.is_allowed(&self.answer_questions) => {
                    tracing::info!(
                        ids = question.ids.join(","),
                        "a question of the broker's is answered with yes"
                    );
                    answer = self.reply(&question, true).await?;
                }
                Verdict::Asks(question) => return Ok(self.decline(request, &question).await),
                verdict => return Ok(self.conclude(request, verdict).await),
            }
        }
        match read(&answer) {
            Verdict::Asks(question) => Ok(self.decline(request, &question).await),
            verdict => Ok(self.conclude(request, verdict).await),
        }
    }

    /// Answers a question. What comes of it when no answer arrives is not known: it may have placed the order.
    async fn reply(&self, question: &Question, yes: bool) -> Result<crate::wire::Answer, SubmitOutcome> {
        let path = format!("/iserver/reply/{}", question.reply_id);
        let body = serde_json::json!({"confirmed": yes}).to_string();
        let post = self.gateway.request(Method::POST, &path, Some(body)).map_err(|error| not_sent(&error))?;
        self.gateway.turn().await.map_err(|error| not_sent(&error))?;
        self.gateway.send_order("POST /iserver/reply", post).await
    }

    /// Says no. The order was never confirmed, so it was not placed, whether the broker hears this or not; should it say
    /// that it was placed all the same, that is believed.
    async fn decline(&self, request: &OrderRequest, question: &Question) -> SubmitOutcome {
        if let Ok(answer) = self.reply(question, false).await
            && let Verdict::Placed { order_id, status } = read(&answer)
        {
            return self.conclude(request, Verdict::Placed { order_id, status }).await;
        }
        SubmitOutcome::Rejected { reason: question.declined() }
    }

    async fn conclude(&self, request: &OrderRequest, verdict: Verdict) -> SubmitOutcome {
        let id = request.client_order_id;
        match verdict {
            Verdict::Placed { order_id, status } => {
                let word = Word::read(status.as_deref().unwrap_or("Submitted"), false);
                let standing = Standing { word, filled: None, total: None, reason: None };
                let report = self.ledger.book(|book| {
                    book.placed(id, &order_id);
                    // An end that comes with the answer comes without its executions: the watch tells it with them.
                    let known = book.get(id);
                    known
                        .map(|known| known.settle(id, &standing).unwrap_or_else(|| known.report_of_fills(id)))
                });
                let _ = self.watch.try_send(id);
                SubmitOutcome::Accepted(report.unwrap_or_else(|| working(id, order_id)))
            }
            Verdict::Refused(reason) => SubmitOutcome::Rejected { reason },
            Verdict::Duplicate => match self.ledger.look_up(id).await {
                LookUp::Found(report) => SubmitOutcome::Accepted(report),
                _ => SubmitOutcome::Unknown {
                    evidence: "the broker says that it has an order of this id already, and does not show it"
                        .to_owned(),
                },
            },
            Verdict::Unclear(evidence) => SubmitOutcome::Unknown { evidence },
            Verdict::Asks(question) => SubmitOutcome::Unknown { evidence: question.declined() },
        }
    }

    async fn cancel_order(&self, id: ClientOrderId) -> Result<CancelOutcome, String> {
        let report = match self.ledger.look_up(id).await {
            LookUp::Found(report) => report,
            LookUp::NotFound => return Ok(CancelOutcome::NotOpen),
            LookUp::Unavailable { evidence } => return Err(evidence),
        };
        if report.status.is_final() {
            return Ok(CancelOutcome::NotOpen);
        }
        let venue_id = report.venue_order_id.ok_or("the broker's id of the order is not known")?;
        // As with the order itself: no person canceled it.
        let path = format!("/iserver/account/{}/order/{venue_id}?manualIndicator=false", self.account);
        let request = self.gateway.request(Method::DELETE, &path, None).map_err(|error| error.to_string())?;
        let answer = self.gateway.send_cancel("DELETE /iserver/account/order", request).await?;
        match read_cancel(&answer) {
            CancelVerdict::Requested => {
                let _ = self.watch.try_send(id);
                Ok(CancelOutcome::Requested)
            }
            CancelVerdict::Absent => Ok(CancelOutcome::NotOpen),
            CancelVerdict::Refused(reason) => match self.ledger.look_up(id).await {
                LookUp::Found(report) if report.status.is_final() => Ok(CancelOutcome::NotOpen),
                _ => Err(format!("the broker refused the cancel: {reason}")),
            },
            CancelVerdict::Unclear(evidence) => Err(evidence),
        }
    }
}

fn working(id: ClientOrderId, order_id: String) -> ExecutionReport {
    ExecutionReport {
        client_order_id: id,
        venue_order_id: Some(VenueOrderId(order_id)),
        status: OrderStatus::Working,
        filled_qty: Qty::ZERO,
        executions: Vec::new(),
        reason: None,
    }
}

#[async_trait]
impl Broker for WebBroker {
    fn capabilities(&self) -> &Capabilities {
        &self.capabilities
    }

    async fn submit(&self, order: Approved) -> SubmitOutcome {
        let request = order.into_request();
        self.place(&request).await.unwrap_or_else(|outcome| outcome)
    }

    async fn cancel(&self, _symbol: &Symbol, id: ClientOrderId) -> CancelOutcome {
        self.cancel_order(id).await.unwrap_or_else(|evidence| CancelOutcome::Unknown { evidence })
    }

    async fn look_up(&self, _symbol: &Symbol, id: ClientOrderId) -> LookUp {
        self.ledger.look_up(id).await
    }

    async fn positions(&self) -> Result<Vec<VenuePosition>, BrokerError> {
        let mut positions = Vec::new();
        for row in self.portfolio.holdings().await?.iter().filter(|row| !row.position.is_zero()) {
            // Options, bonds and the like are not traded here, and their names may be no symbols.
            let Ok(contract) = self.contracts.by_id(row.conid).await else {
                tracing::debug!(conid = row.conid, "a position that is not shown");
                continue;
            };
            positions.push(VenuePosition {
                symbol: contract.local,
                net_qty: SignedQty(row.position),
                avg_price: Price(row.avg_price.unwrap_or_default()),
                unrealized_profit: row.unrealized_pnl.map(atomik_domain::Amount),
            });
        }
        Ok(positions)
    }

    async fn net_position(&self, symbol: &Symbol) -> Result<SignedQty, BrokerError> {
        let contract = self.contracts.find(symbol).await?;
        let rows = self.portfolio.holdings().await?;
        Ok(SignedQty(sum(rows.iter().filter(|row| row.conid == contract.conid).map(|row| row.position))))
    }

    async fn balance(&self) -> Result<Balance, BrokerError> {
        self.portfolio.balance().await
    }

    async fn instrument(&self, symbol: &Symbol) -> Result<Instrument, BrokerError> {
        self.contracts.instrument(symbol).await
    }

    async fn search_instruments(&self, query: &str, limit: usize) -> Result<Vec<Instrument>, BrokerError> {
        self.contracts.search(query, limit).await
    }

    async fn price(&self, symbol: &Symbol) -> Result<Option<Quote>, BrokerError> {
        let contract = self.contracts.find(symbol).await?;
        // The first answer for a contract has no price, and makes the broker fetch one.
        let path = format!("/iserver/marketdata/snapshot?conids={}&fields=31", contract.conid);
        let rows: Vec<SnapshotRow> = self.gateway.get("GET /iserver/marketdata/snapshot", &path).await?;
        let Some(row) = rows.first() else { return Ok(None) };
        let price = row.last.as_deref().and_then(|text| read_number(text.trim_start_matches(['C', 'H'])));
        let at = row.updated.map_or_else(|| self.clock.now(), |at| UnixMicros(at.saturating_mul(1_000)));
        Ok(price.map(|price| Quote { price: Price(price), simulated: false, at }))
    }
}
