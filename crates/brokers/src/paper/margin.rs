//! Buying power: what an account may still open.
//!
//! One rule for all. Holding something needs a margin: its value divided by its leverage. Futures have a leverage of 20
//! (a margin of 5 %), shares 2, coins 1 (all of it); `settings.leverage` replaces the last two. Positions are counted at
//! their average price, resting orders at their limit or stop. What is left is the equity less the margin of positions
//! and of resting orders. An order needs the margin of what it adds to the position, so that an exit needs none, and a
//! reversal only for what goes beyond the old size.
//!
//! An account holds US dollars, and the venue converts nothing. What is priced in a dollar coin (USDT, USDC) counts as
//! priced in dollars; what is priced in anything else (`BTC/EUR`, `ETH/BTC`) cannot be opened, because its profits would
//! be no dollars.

use atomik_domain::order::PriceSource;
use atomik_domain::{Amount, Instrument, OrderType, Price, Qty};
use atomik_ports::broker::{Balance, VenuePosition};
use rust_decimal::{Decimal, RoundingStrategy};

use super::book::{Holding, OrderRecord};
use super::feed::Feed;
use super::matching;
use super::venue::{Account, Moment};

/// What every account holds.
const CURRENCY: &str = "USD";
/// What counts as dollars, one to one.
const DOLLARS: [&str; 3] = [CURRENCY, "USDT", "USDC"];

impl Account {
    /// The account's money now.
    pub fn balance(&self, moment: &Moment) -> Balance {
        let mut simulated = false;
        let equity = self.equity(|holding| {
            let tick = self.tick_of_held(holding, moment);
            simulated |= tick.source == PriceSource::Simulated;
            tick.price
        });
        let buying_power = (equity - self.margin_in_use()).max(Amount::ZERO);
        Balance { currency: CURRENCY.to_owned(), cash: self.cash, equity, buying_power, simulated }
    }

    /// What the account holds.
    pub fn positions(&self, moment: &Moment) -> Vec<VenuePosition> {
        self.open_holdings()
            .map(|holding| {
                let price = self.tick_of_held(holding, moment).price;
                VenuePosition {
                    symbol: holding.instrument.symbol.clone(),
                    net_qty: holding.position.net_qty,
                    avg_price: holding.position.avg_price,
                    unrealized_profit: Some(holding.position.unrealized_profit(&holding.instrument, price)),
                }
            })
            .collect()
    }

    /// Holds back the buying power that an order needs, or says how much is missing.
    pub(super) fn reserve_margin(
        &self,
        order: &mut OrderRecord,
        instrument: &Instrument,
        market: Price,
        moment: &Moment,
    ) -> Result<(), String> {
        let net_qty = self.net_qty(&order.symbol);
        let growth = (net_qty + order.side.signed(order.order_qty)).abs().less(net_qty.abs());
        if order.reduce_only || growth.is_zero() {
            return Ok(());
        }
        if !DOLLARS.contains(&instrument.currency.as_str()) {
            return Err(format!(
                "{} is priced in {}, and a paper account holds US dollars and converts nothing. Trade the pair \
                 against USD, USDT or USDC.",
                order.symbol, instrument.currency
            ));
        }
        let slippage = matching::slippage(self.settings.slippage_ticks, instrument.tick_size);
        let price = match order.order_type {
            OrderType::Market => matching::slipped(order.side, market, slippage),
            OrderType::Stop => matching::slipped(order.side, order.stop_price.unwrap_or(market), slippage),
            OrderType::Limit | OrderType::StopLimit => order.limit_price.unwrap_or(market),
        };
        let needed = self.margin(instrument, price, growth);
        // Most accounts have enough at any price, and pricing all that is held costs more than all the rest of an order.
        if needed > self.sure_buying_power(moment.feed) {
            let left = self.balance(moment).buying_power;
            if needed > left {
                return Err(format!(
                    "The order needs {} of buying power, {} is left.",
                    money(needed, RoundingStrategy::ToPositiveInfinity),
                    money(left, RoundingStrategy::ToNegativeInfinity)
                ));
            }
        }
        order.margin_per_unit =
            Amount(needed.0.checked_div(order.order_qty.0).unwrap_or(needed.0).round_dp(10));
        Ok(())
    }

    /// The account's money, with what it holds at these prices.
    fn equity(&self, mut price: impl FnMut(&Holding) -> Price) -> Amount {
        self.open_holdings().fold(self.cash, |sum, holding| {
            sum + holding.position.unrealized_profit(&holding.instrument, price(holding))
        })
    }

    /// The buying power that is left whatever the feed's prices are: what [`Self::balance`] says is never less. Below zero
    /// where some prices would leave none.
    pub(super) fn sure_buying_power(&self, feed: Feed) -> Amount {
        let equity = self.equity(|holding| {
            let instrument = &holding.instrument;
            if let Some(price) = self.settings.fixed_price(&instrument.symbol) {
                return price;
            }
            let (start, reach) = feed.reach(instrument, holding.anchor);
            if holding.position.net_qty.is_long() { start - reach } else { start + reach }
        });
        equity - self.margin_in_use()
    }

    fn margin_in_use(&self) -> Amount {
        let positions = self.open_holdings().map(|holding| {
            self.margin(&holding.instrument, holding.position.avg_price, holding.position.net_qty.abs())
        });
        let orders = self
            .resting
            .values()
            .map(|order| Amount(order.margin_per_unit.0.saturating_mul(order.leaves_qty().0)));
        positions.chain(orders).fold(Amount::ZERO, |sum, margin| sum + margin)
    }

    fn margin(&self, instrument: &Instrument, price: Price, qty: Qty) -> Amount {
        let value = instrument.value_of(Price(price.0.abs()), qty).0;
        let leverage = self.settings.leverage_of(instrument.asset_class);
        Amount(value.checked_div(leverage).unwrap_or(value))
    }

    fn open_holdings(&self) -> impl Iterator<Item = &Holding> {
        self.holdings.values().filter(|holding| !holding.position.net_qty.is_zero())
    }
}

/// An amount as people write it: `25,000.00`.
fn money(amount: Amount, rounding: RoundingStrategy) -> String {
    let mut cents = amount.0.round_dp_with_strategy(2, rounding);
    cents.rescale(2);
    let text = cents.abs().to_string();
    let (whole, fraction) = text.split_once('.').unwrap_or((&text, "00"));
    let mut grouped = String::with_capacity(text.len() + 8);
    for (at, digit) in whole.chars().enumerate() {
        if at > 0 && (whole.len() - at).is_multiple_of(3) {
            grouped.push(',');
        }
        grouped.push(digit);
    }
    let sign = if cents < Decimal::ZERO { "-" } else { "" };
    format!("{sign}{grouped}.{fraction}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn money_is_written_with_thousands_and_cents() {
        let written = |text: &str| money(Amount(text.parse().unwrap()), RoundingStrategy::ToPositiveInfinity);
        assert_eq!(written("25000"), "25,000.00");
        assert_eq!(written("999.991"), "1,000.00");
        assert_eq!(written("1234567.5"), "1,234,567.50");
        assert_eq!(written("0"), "0.00");
        assert_eq!(written("-1234.5"), "-1,234.50");
    }
}
