//! One connected account behind the port.

use std::collections::{BTreeSet, VecDeque};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use atomik_domain::gate::Approved;
use atomik_domain::{
    Amount, ClientOrderId, ExecutionReport, Instrument, OrderRequest, OrderStatus, Price, Qty, Side,
    SignedQty, Symbol,
};
use atomik_ports::broker::{
    Balance, Broker, BrokerError, CancelOutcome, Capabilities, LookUp, Quote, SubmitOutcome, VenuePosition,
};
use reqwest::Method;
use rust_decimal::Decimal;
use tokio::task::JoinHandle;

use super::catalogue::{Catalogue, RulesError};
use super::client::Client;
use super::look_up::{Named, algo_order, look_up, with_executions};
use super::orders::{ALGO_PATH, Placement, order_path, write};
use super::refusal::{BAD_SYMBOL, CANCEL_REJECTED, Failure, NO_SUCH_ORDER};
use super::replies::{
    AlgoCanceled, AlgoOrder, FuturesAccount, FuturesPosition, Order, SpotAccount, SpotBalance, Ticker,
};
use super::reports::{algo_report, of_algo, of_order};
use super::rules::Rules;
use super::settings::Market;
use super::signing::Params;
use crate::wire::decimal::sum;

/// How many client order ids are kept from leaving twice.
const REMEMBERED: usize = 20_000;
/// How long to wait where something could not be asked before an order.
const RETRY: Duration = Duration::from_secs(1);
/// The money that balances are told in.
const MONEY: &str = "USDT";

/// A connected account.
pub(super) struct BinanceBroker {
    pub client: Arc<Client>,
    pub catalogue: Arc<Catalogue>,
    pub capabilities: Capabilities,
    pub sent: Sent,
    /// Ends with the connection.
    pub stream: JoinHandle<()>,
}

impl Drop for BinanceBroker {
    fn drop(&mut self) {
        self.stream.abort();
    }
}

/// The client order ids that have left, or may have.
#[derive(Default)]
pub(super) struct Sent(Mutex<(BTreeSet<ClientOrderId>, VecDeque<ClientOrderId>)>);

impl Sent {
    /// Takes an id; `false` where it was taken before.
    fn take(&self, id: ClientOrderId) -> bool {
        let mut guard = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let (ids, order) = &mut *guard;
        if !ids.insert(id) {
            return false;
        }
        order.push_back(id);
        if order.len() > REMEMBERED
            && let Some(oldest) = order.pop_front()
        {
            ids.remove(&oldest);
        }
        true
    }

    /// Gives an id back that is proven not to have been handled.
    fn give_back(&self, id: ClientOrderId) {
        let mut guard = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let (ids, order) = &mut *guard;
        ids.remove(&id);
        order.retain(|one| *one != id);
    }
}

impl BinanceBroker {
    async fn send(&self, request: OrderRequest) -> SubmitOutcome {
        let rejected =
            |why: String| SubmitOutcome::Rejected { reason: format!("Not sent to Binance: {why}.") };
        let rules = match self.catalogue.rules(&self.client, &request.symbol).await {
            Ok(rules) => rules,
            Err(RulesError::UnknownSymbol(symbol)) => {
                return rejected(format!("it does not know the symbol {symbol}"));
            }
            Err(RulesError::Failed(failure)) => return not_sent(failure.evidence()),
        };
        let asked = request.order_qty;
        let request = match self.within_holding(&rules, request).await {
            Ok(request) => request,
            Err(outcome) => return outcome,
        };
        if let Err(why) = rules.check(&request) {
            return rejected(why);
        }
        let id = request.client_order_id;
        let placement = match write(self.client.market, &request, &id.to_string()) {
            Ok(placement) => placement,
            Err(why) => return rejected(why),
        };
        let outcome = self.place(&request.symbol, id, &placement).await;
        note_cut(outcome, asked, request.order_qty)
    }

    async fn place(&self, symbol: &Symbol, id: ClientOrderId, placement: &Placement) -> SubmitOutcome {
        let answer = match self.client.place(placement.path, &placement.params).await {
            Ok(answer) => answer,
            // An open order of this name is there, whoever sent it: perhaps we, before a restart.
            Err(Failure::Refused(refusal)) if refusal.is_duplicate() => {
                return self.sent_before(symbol, id, &refusal.reason()).await;
            }
            Err(failure) => return failure.outcome(),
        };
        let report = if placement.conditional {
            answer.json::<AlgoOrder>().and_then(|order| of_algo(id, &order))
        } else {
            answer.json::<Order>().and_then(|order| of_order(id, &order))
        };
        match report {
            Ok(report) if report.status == OrderStatus::Rejected && report.filled_qty.is_zero() => {
                SubmitOutcome::Rejected {
                    reason: "Binance took the order and rejected it at once.".to_owned(),
                }
            }
            Ok(report) => SubmitOutcome::Accepted(report),
            Err(evidence) => SubmitOutcome::Unknown { evidence },
        }
    }

    /// What became of an order whose id has left before: it never leaves again.
    async fn sent_before(&self, symbol: &Symbol, id: ClientOrderId, evidence: &str) -> SubmitOutcome {
        match look_up(&self.client, symbol, id).await {
            LookUp::Found(report) => SubmitOutcome::Accepted(report),
            LookUp::NotFound => SubmitOutcome::Unknown { evidence: evidence.to_owned() },
            LookUp::Unavailable { evidence: more } => {
                SubmitOutcome::Unknown { evidence: format!("{evidence}; {more}") }
            }
        }
    }

    /// A spot exit sells no more than is free: commissions in the coin itself have made the holding smaller than the fills
    /// say. Futures hold an exit to the position by themselves.
    async fn within_holding(
        &self,
        rules: &Rules,
        request: OrderRequest,
    ) -> Result<OrderRequest, SubmitOutcome> {
        if self.client.market == Market::Usdm || !request.reduce_only {
            return Ok(request);
        }
        let rejected = |reason: String| Err(SubmitOutcome::Rejected { reason });
        if request.side == Side::Buy {
            return rejected(
                "Not sent to Binance: a spot account has no short position to reduce.".to_owned(),
            );
        }
        let account = self.spot_account().await.map_err(|failure| not_sent(failure.evidence()))?;
        let free = account.balances.iter().find(|one| one.asset == rules.base);
        let free = free.map_or(Decimal::ZERO, |one| one.free.0);
        if request.order_qty.0 <= free {
            return Ok(request);
        }
        let order_qty = Qty(free).floor_to_lot(rules.instrument.lot_size);
        if order_qty.is_zero() {
            let (free, base) = (free.normalize(), &rules.base);
            return rejected(format!(
                "Not sent to Binance: only {free} {base} is free, less than can be sold."
            ));
        }
        Ok(OrderRequest { order_qty, ..request })
    }

    async fn spot_account(&self) -> Result<SpotAccount, Failure> {
        let params = Params::default().with("omitZeroBalances", "true");
        self.client.ask_signed("/api/v3/account", &params).await
    }

    async fn futures_positions(&self, symbol: Option<&Symbol>) -> Result<Vec<FuturesPosition>, BrokerError> {
        let params = Params::default().with_some("symbol", symbol);
        let positions: Result<Vec<FuturesPosition>, _> =
            self.client.ask_signed("/fapi/v3/positionRisk", &params).await;
        let positions = positions.map_err(|failure| named(failure, symbol))?;
        if positions.iter().any(|one| one.position_side != "BOTH" && !one.position_amt.0.is_zero()) {
            return Err(BrokerError::Unavailable(super::connector::HEDGE_MODE.to_owned()));
        }
        Ok(positions)
    }

    async fn tickers(&self) -> Result<Vec<Ticker>, BrokerError> {
        self.client.ask("/api/v3/ticker/price", &Params::default()).await.map_err(Failure::error)
    }

    /// What a spot account owns besides money, with its price in money where it trades against it.
    async fn holdings(&self) -> Result<(SpotAccount, Vec<(SpotBalance, Option<Decimal>)>), BrokerError> {
        let account = self.spot_account().await.map_err(Failure::error)?;
        let owned = account.balances.iter().filter(|one| one.asset != MONEY && !one.total().is_zero());
        let owned: Vec<_> = owned.cloned().collect();
        if owned.is_empty() {
            return Ok((account, Vec::new()));
        }
        let tickers = self.tickers().await?;
        let price = |asset: &str| {
            let pair = format!("{asset}{MONEY}");
            tickers.iter().find(|ticker| ticker.symbol == pair).map(|ticker| ticker.price.0)
        };
        let priced = owned.into_iter().map(|one| {
            let price = price(&one.asset);
            (one, price)
        });
        Ok((account, priced.collect()))
    }

    async fn spot_balance(&self) -> Result<Balance, BrokerError> {
        let (account, holdings) = self.holdings().await?;
        let money = account.balances.iter().find(|one| one.asset == MONEY);
        let coins = holdings.iter().filter_map(|(one, price)| Some(one.total().saturating_mul((*price)?)));
        let worth = coins.fold(money.map_or(Decimal::ZERO, SpotBalance::total), Decimal::saturating_add);
        Ok(Balance {
            currency: MONEY.to_owned(),
            // The venue knows no entry prices, so no part of what coins are worth can be called unrealized.
            cash: Amount(worth),
            equity: Amount(worth),
            buying_power: Amount(money.map_or(Decimal::ZERO, |one| one.free.0)),
            simulated: false,
        })
    }

    async fn spot_positions(&self) -> Result<Vec<VenuePosition>, BrokerError> {
        let (_, holdings) = self.holdings().await?;
        let position = |(one, price): (SpotBalance, Option<Decimal>)| {
            Some(VenuePosition {
                symbol: Symbol::parse(&format!("{}{MONEY}", one.asset)).ok()?,
                net_qty: SignedQty(one.total()),
                // The venue keeps no entry price of a coin.
                avg_price: Price(price?),
                unrealized_profit: None,
            })
        };
        Ok(holdings.into_iter().filter_map(position).collect())
    }

    /// Cancels where orders live.
    async fn cancel_order(&self, symbol: &Symbol, id: ClientOrderId, named: &Named<'_>) -> Canceled {
        let params = Params::default().with("symbol", symbol);
        let params = match named {
            Named::Client(id) => params.with("origClientOrderId", id),
            Named::Venue(order_id) => params.with("orderId", order_id),
        };
        let path = order_path(self.client.market);
        match self.client.signed(Method::DELETE, path, &params).await {
            Ok(answer) => {
                let report = answer.json::<Order>().and_then(|order| of_order(id, &order));
                let done = report.ok().filter(|report| report.status.is_final());
                match done {
                    Some(report) if report.filled_qty.is_zero() => {
                        Canceled::Said(CancelOutcome::Done(report))
                    }
                    // What filled before is told with its executions.
                    _ => Canceled::Said(self.ended(symbol, id, named).await),
                }
            }
            Err(failure) => refused_cancel(failure),
        }
    }

    async fn ended(&self, symbol: &Symbol, id: ClientOrderId, named: &Named<'_>) -> CancelOutcome {
        match with_executions(&self.client, symbol, id, named).await {
            Ok(Some(report)) if report.status.is_final() => CancelOutcome::Done(report),
            _ => CancelOutcome::Requested,
        }
    }

    /// Cancels where conditional orders live, or what has become of one.
    async fn cancel_algo(&self, symbol: &Symbol, id: ClientOrderId) -> CancelOutcome {
        let params = Params::default().with("clientAlgoId", id);
        match self.client.signed(Method::DELETE, ALGO_PATH, &params).await {
            Ok(answer) => match answer.json::<AlgoCanceled>() {
                Ok(canceled) => {
                    CancelOutcome::Done(algo_report(id, canceled.algo_id, OrderStatus::Canceled, None))
                }
                Err(_) => CancelOutcome::Requested,
            },
            Err(failure) => match refused_cancel(failure) {
                Canceled::Said(outcome) => outcome,
                Canceled::NoSuchOrder => self.cancel_triggered(symbol, id).await,
            },
        }
    }

    async fn cancel_triggered(&self, symbol: &Symbol, id: ClientOrderId) -> CancelOutcome {
        match algo_order(&self.client, id).await {
            Ok(Some(algo)) => match algo.actual_order_id.as_deref().filter(|one| !one.is_empty()) {
                Some(order_id) => match self.cancel_order(symbol, id, &Named::Venue(order_id)).await {
                    Canceled::Said(outcome) => outcome,
                    Canceled::NoSuchOrder => CancelOutcome::NotOpen,
                },
                None => CancelOutcome::NotOpen,
            },
            Ok(None) => CancelOutcome::NotOpen,
            Err(evidence) => CancelOutcome::Unknown { evidence },
        }
    }
}

/// What a cancel came to in one of the two places.
enum Canceled {
    /// It is answered.
    Said(CancelOutcome),
    /// No such open order is there.
    NoSuchOrder,
}

fn refused_cancel(failure: Failure) -> Canceled {
    match failure {
        Failure::Refused(refusal)
            if refusal.code == NO_SUCH_ORDER
                || (refusal.code == CANCEL_REJECTED && refusal.msg.starts_with("Unknown order")) =>
        {
            Canceled::NoSuchOrder
        }
        other => Canceled::Said(CancelOutcome::Unknown { evidence: other.evidence() }),
    }
}

fn not_sent(reason: String) -> SubmitOutcome {
    SubmitOutcome::NotSent { reason, retry_after: RETRY }
}

/// Says in the report that less was sold than asked for.
fn note_cut(outcome: SubmitOutcome, asked: Qty, sent: Qty) -> SubmitOutcome {
    match outcome {
        SubmitOutcome::Accepted(report) if sent < asked => {
            let reason = format!("Only {sent} of {asked} was free to sell.");
            SubmitOutcome::Accepted(ExecutionReport { reason: Some(reason), ..report })
        }
        other => other,
    }
}

fn named(failure: Failure, symbol: Option<&Symbol>) -> BrokerError {
    match (failure, symbol) {
        (Failure::Refused(refusal), Some(symbol)) if refusal.code == BAD_SYMBOL => {
            BrokerError::UnknownSymbol(symbol.clone())
        }
        (failure, _) => failure.error(),
    }
}

#[async_trait]
impl Broker for BinanceBroker {
    fn capabilities(&self) -> &Capabilities {
        &self.capabilities
    }

    async fn submit(&self, order: Approved) -> SubmitOutcome {
        let request = order.into_request();
        let (symbol, id) = (request.symbol.clone(), request.client_order_id);
        if !self.sent.take(id) {
            let evidence = "the order left before and does not show yet; it is not sent again";
            return self.sent_before(&symbol, id, evidence).await;
        }
        let outcome = self.send(request).await;
        if matches!(outcome, SubmitOutcome::NotSent { .. } | SubmitOutcome::Rejected { .. }) {
            self.sent.give_back(id);
        }
        outcome
    }

    async fn cancel(&self, symbol: &Symbol, id: ClientOrderId) -> CancelOutcome {
        match (self.cancel_order(symbol, id, &Named::Client(id)).await, self.client.market) {
            (Canceled::Said(outcome), _) => outcome,
            (Canceled::NoSuchOrder, Market::Spot) => CancelOutcome::NotOpen,
            (Canceled::NoSuchOrder, Market::Usdm) => self.cancel_algo(symbol, id).await,
        }
    }

    async fn look_up(&self, symbol: &Symbol, id: ClientOrderId) -> LookUp {
        look_up(&self.client, symbol, id).await
    }

    async fn positions(&self) -> Result<Vec<VenuePosition>, BrokerError> {
        if self.client.market == Market::Spot {
            return self.spot_positions().await;
        }
        let held = self.futures_positions(None).await?;
        let position = |one: FuturesPosition| {
            let symbol = Symbol::parse(&one.symbol);
            let symbol =
                symbol.map_err(|_| BrokerError::Unavailable(format!("{} cannot be read", one.symbol)))?;
            Ok(VenuePosition {
                symbol,
                net_qty: SignedQty(one.position_amt.0),
                avg_price: Price(one.entry_price.0),
                unrealized_profit: Some(Amount(one.un_realized_profit.0)),
            })
        };
        held.into_iter().filter(|one| !one.position_amt.0.is_zero()).map(position).collect()
    }

    async fn net_position(&self, symbol: &Symbol) -> Result<SignedQty, BrokerError> {
        if self.client.market == Market::Usdm {
            let held = self.futures_positions(Some(symbol)).await?;
            let of_symbol = held.iter().filter(|one| one.symbol == symbol.as_str());
            return Ok(SignedQty(sum(of_symbol.map(|one| one.position_amt.0))));
        }
        let rules = self.catalogue.rules(&self.client, symbol).await.map_err(RulesError::error)?;
        let account = self.spot_account().await.map_err(Failure::error)?;
        let owned = account.balances.iter().find(|one| one.asset == rules.base);
        Ok(SignedQty(owned.map_or(Decimal::ZERO, SpotBalance::total)))
    }

    async fn balance(&self) -> Result<Balance, BrokerError> {
        if self.client.market == Market::Spot {
            return self.spot_balance().await;
        }
        let account = self.client.ask_signed("/fapi/v3/account", &Params::default()).await;
        let account: FuturesAccount = account.map_err(Failure::error)?;
        Ok(Balance {
            currency: MONEY.to_owned(),
            cash: Amount(account.total_wallet_balance.0),
            equity: Amount(account.total_margin_balance.0),
            buying_power: Amount(account.available_balance.0),
            simulated: false,
        })
    }

    async fn instrument(&self, symbol: &Symbol) -> Result<Instrument, BrokerError> {
        let rules = self.catalogue.rules(&self.client, symbol).await.map_err(RulesError::error)?;
        Ok(rules.instrument.clone())
    }

    async fn search_instruments(&self, query: &str, limit: usize) -> Result<Vec<Instrument>, BrokerError> {
        self.catalogue.search(&self.client, query, limit).await
    }

    async fn price(&self, symbol: &Symbol) -> Result<Option<Quote>, BrokerError> {
        let path = self.client.path("/api/v3/ticker/price", "/fapi/v2/ticker/price");
        let ticker = self.client.ask(path, &Params::default().with("symbol", symbol)).await;
        let ticker: Ticker = ticker.map_err(|failure| named(failure, Some(symbol)))?;
        Ok(Some(Quote { price: Price(ticker.price.0), simulated: false, at: self.client.clock.now() }))
    }
}
