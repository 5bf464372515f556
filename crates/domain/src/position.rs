//! A strategy's position in one symbol, built from its own fills.

use rust_decimal::Decimal;
use serde::{Deserialize, Serialize};

use crate::instrument::Instrument;
use crate::money::{Amount, Price, Qty, SignedQty};
use crate::order::{Side, spelled};

/// Which way a position points. Orders have sides; positions have these.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PositionSide {
    /// Gains when the price rises.
    Long,
    /// Gains when the price falls.
    Short,
    /// Nothing held.
    Flat,
}
spelled!(PositionSide { Long = "long", Short = "short", Flat = "flat" });

impl PositionSide {
    /// The side of a net quantity.
    #[must_use]
    pub fn of(net_qty: SignedQty) -> Self {
        if net_qty.is_long() {
            Self::Long
        } else if net_qty.is_short() {
            Self::Short
        } else {
            Self::Flat
        }
    }
}

/// What is held, at what average price, and what has been earned so far.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Position {
    /// Positive is long, negative is short.
    pub net_qty: SignedQty,
    /// The average price of what is held; zero when flat.
    pub avg_price: Price,
    /// Profit locked in by closing trades, before commission.
    pub realized_profit: Amount,
    /// Commission paid.
    pub commission: Amount,
}

impl Position {
    /// Which way it points.
    #[must_use]
    pub fn side(&self) -> PositionSide {
        PositionSide::of(self.net_qty)
    }

    /// The position after a trade, and the profit that trade locked in.
    ///
    /// A trade on the position's own side moves the average price; a trade against it realizes profit on what it
    /// closes and leaves the average alone; what goes past flat opens anew at the trade's price.
    #[must_use]
    pub fn after_trade(&self, instrument: &Instrument, side: Side, qty: Qty, price: Price) -> (Self, Amount) {
        let change = side.signed(qty);
        let net_qty = self.net_qty + change;
        let opposes =
            (self.net_qty.is_long() && change.is_short()) || (self.net_qty.is_short() && change.is_long());
        if !opposes {
            return (Self { net_qty, avg_price: self.average_with(qty, price), ..*self }, Amount::ZERO);
        }
        let closed = qty.at_most(self.net_qty.abs());
        let points = if self.net_qty.is_long() { price - self.avg_price } else { self.avg_price - price };
        let profit = instrument.value_of(points, closed);
        let avg_price = match PositionSide::of(net_qty) {
            PositionSide::Flat => Price::ZERO,
            now if now == self.side() => self.avg_price,
            _ => price,
        };
        (Self { net_qty, avg_price, realized_profit: self.realized_profit + profit, ..*self }, profit)
    }

    /// The profit that closing everything at `price` would lock in.
    #[must_use]
    pub fn unrealized_profit(&self, instrument: &Instrument, price: Price) -> Amount {
        match self.side() {
            PositionSide::Flat => Amount::ZERO,
            PositionSide::Long => instrument.value_of(price - self.avg_price, self.net_qty.abs()),
            PositionSide::Short => instrument.value_of(self.avg_price - price, self.net_qty.abs()),
        }
    }

    /// The average price once `qty` more is held at `price`, to ten decimals: enough for any tick, bounded however many
    /// trades go in.
    fn average_with(&self, qty: Qty, price: Price) -> Price {
        let held = self.net_qty.abs().0;
        let total = held.saturating_add(qty.0);
        if total.is_zero() {
            return Price::ZERO;
        }
        let cost = held.saturating_mul(self.avg_price.0).saturating_add(qty.0.saturating_mul(price.0));
        Price(cost.checked_div(total).unwrap_or(Decimal::ZERO).round_dp(10))
    }
}
