//! A connected account.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use atomik_domain::gate::Approved;
use atomik_domain::{
    Amount, ClientOrderId, ExecutionReport, Instrument, OrderStatus, Price, Qty, SignedQty, Symbol,
};
use atomik_ports::broker::{
    Balance, Broker, BrokerError, CancelOutcome, Capabilities, LookUp, Quote, SubmitOutcome, VenuePosition,
};
use rust_decimal::Decimal;
use tokio::task::AbortHandle;
use tokio::time::Instant;

use super::api::{Api, Posted};
use super::assets::{self, Assets, Listed};
use super::hours::Hours;
use super::replies::{Asset, Order, Position};
use super::reports::{report_of, status_of};
use super::rules::{instrument_of, ticket_for};
use crate::wire::decimal::sum;

/// How long to wait before sending again where the order's asset could not be asked for.
const RETRY: Duration = Duration::from_secs(1);
/// How old positions may be whose prices are shown.
const PRICES_FRESH: Duration = Duration::from_secs(10);

/// A connected account. Its stream ends with it.
pub(super) struct AlpacaBroker {
    pub api: Arc<Api>,
    pub assets: Assets,
    pub listed: Listed,
    pub capabilities: Capabilities,
    pub stream: AbortHandle,
    pub prices: Prices,
    pub hours: Hours,
}

/// Positions as they were a moment ago: for prices only.
#[derive(Default)]
pub(super) struct Prices(tokio::sync::Mutex<Option<(Instant, Vec<Position>)>>);

impl Drop for AlpacaBroker {
    fn drop(&mut self) {
        self.stream.abort();
    }
}

/// An order with all of its executions.
pub(super) async fn whole_report(
    api: &Api,
    id: ClientOrderId,
    order: &Order,
) -> Result<ExecutionReport, BrokerError> {
    let fills = if order.filled().is_zero() { Vec::new() } else { api.fills(&order.id).await? };
    Ok(report_of(id, order, fills))
}

impl AlpacaBroker {
    async fn asset(&self, symbol: &Symbol) -> Result<Arc<Asset>, BrokerError> {
        let found = self.assets.find(&self.api, symbol.as_str()).await?;
        found.ok_or_else(|| BrokerError::UnknownSymbol(symbol.clone()))
    }

    /// What the order is that has taken this client order id.
    async fn existing(&self, id: ClientOrderId) -> SubmitOutcome {
        match self.found(id).await {
            LookUp::Found(report) => SubmitOutcome::Accepted(report),
            LookUp::NotFound => SubmitOutcome::Unknown {
                evidence: "Alpaca says that the order exists, and does not show it yet".to_owned(),
            },
            LookUp::Unavailable { evidence } => SubmitOutcome::Unknown { evidence },
        }
    }

    /// The report of an order that was taken; of one in shares that waits, whether it is for the opening.
    async fn taken(&self, id: ClientOrderId, order: &Order, asset: &Asset) -> ExecutionReport {
        let report = report_of(id, order, Vec::new());
        if report.status != OrderStatus::Working || asset.class == "crypto" {
            return report;
        }
        match self.hours.opening(&self.api).await {
            Ok(Some(opening)) => {
                let reason = format!("The market is closed: the order waits for the opening at {opening}.");
                ExecutionReport { reason: Some(reason), ..report }
            }
            Ok(None) => report,
            Err(error) => {
                tracing::info!(%error, "whether the market is open is not known");
                report
            }
        }
    }

    async fn found(&self, id: ClientOrderId) -> LookUp {
        let report = async {
            match self.api.order(id).await? {
                Some(order) => whole_report(&self.api, id, &order).await.map(Some),
                None => Ok(None),
            }
        };
        match report.await {
            Ok(Some(report)) => LookUp::Found(report),
            Ok(None) => LookUp::NotFound,
            Err(error) => LookUp::Unavailable { evidence: error.to_string() },
        }
    }

    /// The symbol of a position. Coins are written there without their slash: the asset knows how they are spelled.
    async fn symbol_of(&self, position: &Position) -> Result<Option<Symbol>, BrokerError> {
        let spelled = match position.asset_class.as_str() {
            "us_equity" => position.symbol.clone(),
            "crypto" if position.symbol.contains('/') => position.symbol.clone(),
            "crypto" => match self.assets.find(&self.api, &position.asset_id).await? {
                Some(asset) => asset.symbol.clone(),
                None => position.symbol.clone(),
            },
            // Options and bonds are not traded here.
            _ => return Ok(None),
        };
        Ok(Symbol::parse(&spelled).ok())
    }
}

#[async_trait]
impl Broker for AlpacaBroker {
    fn capabilities(&self) -> &Capabilities {
        &self.capabilities
    }

    async fn submit(&self, order: Approved) -> SubmitOutcome {
        let request = order.into_request();
        let asset = match self.asset(&request.symbol).await {
            Ok(asset) => asset,
            Err(BrokerError::UnknownSymbol(symbol)) => {
                return SubmitOutcome::Rejected {
                    reason: format!("Alpaca does not know the symbol {symbol}."),
                };
            }
            Err(error) => {
                return SubmitOutcome::NotSent { reason: error.to_string(), retry_after: RETRY };
            }
        };
        let ticket = match ticket_for(&request, &asset, self.api.settings().fractional) {
            Ok(ticket) => ticket,
            Err(problem) => {
                let reason = format!("Not sent, because Alpaca would refuse it: {problem}.");
                return SubmitOutcome::Rejected { reason };
            }
        };
        let id = request.client_order_id;
        match self.api.post(id, &ticket).await {
            // Executions come by the stream, or by a look-up: they are asked for there.
            Posted::Taken(order) => SubmitOutcome::Accepted(self.taken(id, &order, &asset).await),
            Posted::Exists => self.existing(id).await,
            Posted::Ended(outcome) => outcome,
        }
    }

    async fn cancel(&self, _symbol: &Symbol, id: ClientOrderId) -> CancelOutcome {
        match self.api.order(id).await {
            Ok(Some(order)) if status_of(&order).is_final() => CancelOutcome::NotOpen,
            Ok(Some(order)) if order.status == "pending_cancel" => CancelOutcome::Requested,
            Ok(Some(order)) => self.api.cancel(&order.id).await,
            Ok(None) => CancelOutcome::NotOpen,
            Err(error) => CancelOutcome::Unknown { evidence: error.to_string() },
        }
    }

    async fn look_up(&self, _symbol: &Symbol, id: ClientOrderId) -> LookUp {
        self.found(id).await
    }

    async fn positions(&self) -> Result<Vec<VenuePosition>, BrokerError> {
        let mut positions = Vec::new();
        for position in self.api.positions().await? {
            let Some(symbol) = self.symbol_of(&position).await? else { continue };
            positions.push(VenuePosition {
                symbol,
                net_qty: SignedQty(position.net_qty()),
                avg_price: Price(position.avg_entry_price),
                unrealized_profit: position.unrealized_pl.map(Amount),
            });
        }
        Ok(positions)
    }

    async fn net_position(&self, symbol: &Symbol) -> Result<SignedQty, BrokerError> {
        let asset = self.asset(symbol).await?;
        let position = self.api.position(&asset.id).await?;
        Ok(SignedQty(position.map_or(Decimal::ZERO, |position| position.net_qty())))
    }

    async fn balance(&self) -> Result<Balance, BrokerError> {
        let (account, positions) = futures::try_join!(self.api.account(), self.api.positions())?;
        let missing = || BrokerError::Unavailable("Alpaca's account has no amounts".to_owned());
        let cash = account.cash.ok_or_else(missing)?;
        // Alpaca's cash is less what positions cost (more, for short ones); ours is not touched by what is open.
        let cost = sum(positions.iter().map(Position::net_cost));
        Ok(Balance {
            currency: account.currency.unwrap_or_else(|| "USD".to_owned()),
            cash: Amount(cash.saturating_add(cost)),
            equity: Amount(account.equity.ok_or_else(missing)?),
            buying_power: Amount(account.buying_power.ok_or_else(missing)?),
            simulated: false,
        })
    }

    async fn instrument(&self, symbol: &Symbol) -> Result<Instrument, BrokerError> {
        let asset = self.asset(symbol).await?;
        let instrument = instrument_of(symbol, &asset, self.api.settings().fractional);
        instrument.ok_or_else(|| BrokerError::UnknownSymbol(symbol.clone()))
    }

    async fn search_instruments(&self, query: &str, limit: usize) -> Result<Vec<Instrument>, BrokerError> {
        assets::search(&self.listed, &self.api, query, limit).await
    }

    /// The price that Alpaca values the position at. What is not held has none here: quotes are another service.
    async fn price(&self, symbol: &Symbol) -> Result<Option<Quote>, BrokerError> {
        let asset = self.asset(symbol).await?;
        let mut known = self.prices.0.lock().await;
        if known.as_ref().is_none_or(|(at, _)| at.elapsed() >= PRICES_FRESH) {
            *known = Some((Instant::now(), self.api.positions().await?));
        }
        let held = known.iter().flat_map(|(_, positions)| positions).find(|held| held.asset_id == asset.id);
        let price = held.and_then(|held| held.current_price);
        let at = self.api.clock().now();
        Ok(price.map(|price| Quote { price: Price(price), simulated: false, at }))
    }
}

/// How much an order's report says has filled beyond the executions that it carries.
pub(super) fn missing(report: &ExecutionReport) -> Qty {
    let listed = report.executions.iter().fold(Qty::ZERO, |sum, execution| sum + execution.last_qty);
    report.filled_qty.less(listed)
}
