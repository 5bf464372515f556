//! What a symbol may be traded in: the venue's filters, checked before an order leaves.

use atomik_domain::instrument::AssetClass;
use atomik_domain::{Instrument, OrderRequest, OrderType, Price, Qty, Symbol};
use rust_decimal::Decimal;

use super::replies::{Filter, SymbolInfo};
use super::settings::Market;

/// A symbol's rules.
#[derive(Clone, Debug)]
pub struct Rules {
    /// As the catalogue shows it.
    pub instrument: Instrument,
    /// What is bought.
    pub base: String,
    /// What it is paid with.
    pub quote: String,
    trades: bool,
    order_types: Vec<String>,
    lot: Filter,
    market_lot: Filter,
    price: Filter,
    min_notional: Option<Decimal>,
    max_notional: Option<Decimal>,
    market: Market,
}

impl Rules {
    /// Reads a symbol's rules; `None` for a symbol that cannot be written here.
    #[must_use]
    pub fn read(market: Market, info: &SymbolInfo) -> Option<Self> {
        let filter = |kind: &str| {
            let found = info.filters.iter().find(|filter| filter.filter_type == kind);
            found.cloned().unwrap_or_default()
        };
        let (lot, market_lot, price) =
            (filter("LOT_SIZE"), filter("MARKET_LOT_SIZE"), filter("PRICE_FILTER"));
        let notionals = [filter("NOTIONAL"), filter("MIN_NOTIONAL")];
        let min_notional = notionals.iter().filter_map(|one| one.min_notional.or(one.notional)).max();
        let max_notional = notionals.iter().filter_map(|one| one.max_notional).min();
        let step = |filter: &Filter| filter.step_size.unwrap_or_default().0;
        let (base, quote) = (info.base_asset.clone(), info.quote_asset.clone());
        let (exchange, kind) = match market {
            Market::Spot => ("BINANCE", String::new()),
            Market::Usdm => (
                "BINANCE-USDM",
                format!(" {}", info.contract_type.as_deref().unwrap_or_default().to_lowercase()),
            ),
        };
        let instrument = Instrument {
            symbol: Symbol::parse(&info.symbol).ok().filter(|symbol| symbol.as_str() == info.symbol)?,
            contract: None,
            name: format!("{base} / {quote}{kind}"),
            asset_class: AssetClass::Crypto,
            exchange: exchange.to_owned(),
            currency: quote.clone(),
            tick_size: Price(price.tick_size.unwrap_or_default().0),
            // So that one quantity fits every order type.
            lot_size: Qty(step(&lot).max(step(&market_lot))),
            multiplier: Decimal::ONE,
            known: true,
        };
        Some(Self {
            instrument,
            base,
            quote,
            trades: info.status == "TRADING",
            order_types: info.order_types.clone(),
            lot,
            market_lot,
            price,
            min_notional: min_notional.map(|exact| exact.0),
            max_notional: max_notional.map(|exact| exact.0),
            market,
        })
    }

    /// Checks an order by the filters that the venue would apply.
    ///
    /// # Errors
    /// Which filter it breaks, and how.
    pub fn check(&self, request: &OrderRequest) -> Result<(), String> {
        let qty = request.order_qty.0;
        if !self.trades {
            return Err(format!("{} does not trade now", request.symbol));
        }
        let stop = matches!(request.order_type, OrderType::Stop).then_some("STOP_LOSS");
        let stop = stop.or(matches!(request.order_type, OrderType::StopLimit).then_some("STOP_LOSS_LIMIT"));
        if let Some(stop) = stop.filter(|_| self.market == Market::Spot)
            && !self.order_types.iter().any(|one| one == stop)
        {
            return Err(format!("{} takes no {stop} orders", request.symbol));
        }
        check_qty("LOT_SIZE", &self.lot, qty)?;
        if matches!(request.order_type, OrderType::Market | OrderType::Stop) {
            check_qty("MARKET_LOT_SIZE", &self.market_lot, qty)?;
        }
        for price in [request.limit_price, request.stop_price].into_iter().flatten() {
            self.check_price(price.0)?;
        }
        let Some(limit) = request.limit_price else { return Ok(()) };
        let value = limit.0.saturating_mul(qty);
        // Futures let an exit be small. A market order's value is the venue's to judge: it alone knows its average price.
        let exempt = self.market == Market::Usdm && request.reduce_only;
        if let Some(least) = self.min_notional.filter(|least| value < *least && !exempt) {
            let (value, least) = (value.normalize(), least.normalize());
            return Err(format!("NOTIONAL: its value of {value} is below the least, {least}"));
        }
        if let Some(most) = self.max_notional.filter(|most| value > *most) {
            let (value, most) = (value.normalize(), most.normalize());
            return Err(format!("NOTIONAL: its value of {value} is above the greatest, {most}"));
        }
        Ok(())
    }

    fn check_price(&self, price: Decimal) -> Result<(), String> {
        let limit = |bound: Option<super::replies::Exact>| {
            bound.map(|exact| exact.0).filter(|bound| !bound.is_zero())
        };
        let shown = price.normalize();
        if let Some(least) = limit(self.price.min_price).filter(|least| price < *least) {
            return Err(format!("PRICE_FILTER: {shown} is below the least price, {}", least.normalize()));
        }
        if let Some(most) = limit(self.price.max_price).filter(|most| price > *most) {
            return Err(format!("PRICE_FILTER: {shown} is above the greatest price, {}", most.normalize()));
        }
        let tick = limit(self.price.tick_size);
        if let Some(tick) = tick.filter(|tick| !is_on_step(price, self.price.min_price, *tick)) {
            return Err(format!("PRICE_FILTER: {shown} is not on the tick of {}", tick.normalize()));
        }
        Ok(())
    }
}

/// Whether a value is a whole number of steps from the least one.
fn is_on_step(value: Decimal, least: Option<super::replies::Exact>, step: Decimal) -> bool {
    let from_least = value - least.unwrap_or_default().0;
    from_least.checked_rem(step).is_none_or(|rest| rest.is_zero())
}

fn check_qty(name: &str, filter: &Filter, qty: Decimal) -> Result<(), String> {
    let limit =
        |bound: Option<super::replies::Exact>| bound.map(|exact| exact.0).filter(|bound| !bound.is_zero());
    let shown = qty.normalize();
    if let Some(least) = limit(filter.min_qty).filter(|least| qty < *least) {
        return Err(format!("{name}: {shown} is below the least quantity, {}", least.normalize()));
    }
    if let Some(most) = limit(filter.max_qty).filter(|most| qty > *most) {
        return Err(format!("{name}: {shown} is above the greatest quantity, {}", most.normalize()));
    }
    if let Some(step) = limit(filter.step_size).filter(|step| !is_on_step(qty, filter.min_qty, *step)) {
        return Err(format!("{name}: {shown} is not a multiple of {}", step.normalize()));
    }
    Ok(())
}
