//! When an order trades at a price, and at which price it fills.

use atomik_domain::{OrderType, Price, Side};
use rust_decimal::Decimal;

use super::book::OrderRecord;

/// What one tick of the price does to an order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Match {
    /// Whether the order's stop has been reached, now or earlier; true for orders without a stop.
    pub triggered: bool,
    /// The price at which it may fill now.
    pub fill_price: Option<Price>,
}

/// What a tick at `market` does to an order.
///
/// A limit order fills at the tick's price whenever that is its limit or better. A market order, and a stop order once
/// its stop is reached, fills `slippage` worse than the tick.
pub(crate) fn at_tick(order: &OrderRecord, market: Price, slippage: Price) -> Match {
    let triggered = order.triggered || order.stop_price.is_none_or(|stop| reached(order.side, stop, market));
    if !triggered {
        return Match { triggered, fill_price: None };
    }
    let fill_price = match order.order_type {
        OrderType::Market | OrderType::Stop => Some(slipped(order.side, market, slippage)),
        OrderType::Limit | OrderType::StopLimit => {
            order.limit_price.filter(|limit| within(order.side, *limit, market)).map(|_| market)
        }
    };
    Match { triggered, fill_price }
}

/// A price `slippage` worse for the trader.
pub(crate) fn slipped(side: Side, market: Price, slippage: Price) -> Price {
    match side {
        Side::Buy => market + slippage,
        Side::Sell => market - slippage,
    }
}

/// How far market orders slip, in price.
pub(crate) fn slippage(ticks: u32, tick_size: Price) -> Price {
    Price(Decimal::from(ticks).saturating_mul(tick_size.0))
}

/// A buy stop waits for the price to rise to it, a sell stop for it to fall to it.
fn reached(side: Side, stop: Price, market: Price) -> bool {
    match side {
        Side::Buy => market >= stop,
        Side::Sell => market <= stop,
    }
}

fn within(side: Side, limit: Price, market: Price) -> bool {
    match side {
        Side::Buy => market <= limit,
        Side::Sell => market >= limit,
    }
}
