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
    /// What venues have kept of what is held as fees in kind: it was bought, and is not there to be sold.
    pub fee_qty: Qty,
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
        let (avg_price, fee_qty) = match PositionSide::of(net_qty) {
            PositionSide::Flat => (Price::ZERO, Qty::ZERO),
            now if now == self.side() => (self.avg_price, self.fees_of(net_qty)),
            _ => (price, Qty::ZERO),
        };
        let realized_profit = self.realized_profit + profit;
        (Self { net_qty, avg_price, realized_profit, fee_qty, ..*self }, profit)
    }

    /// What was kept of the part of the position that is left.
    fn fees_of(&self, left: SignedQty) -> Qty {
        let share = self.fee_qty.0.saturating_mul(left.abs().0).checked_div(self.net_qty.abs().0);
        Qty(share.unwrap_or_default().round_dp(12))
    }

    /// The position after what a trade cost: money, and what the venue kept of the goods themselves. That shortens a long
    /// position, never beyond nothing, and leaves its average price: the money says what the kept part was worth.
    #[must_use]
    pub fn charged(&self, commission: Amount, fee_qty: Qty) -> Self {
        let kept = if self.net_qty.is_long() { fee_qty.at_most(self.net_qty.abs()) } else { Qty::ZERO };
        let net_qty = self.net_qty - SignedQty(kept.0);
        let commission = self.commission + commission;
        if net_qty.is_zero() {
            return Self { net_qty, avg_price: Price::ZERO, commission, fee_qty: Qty::ZERO, ..*self };
        }
        Self { net_qty, commission, fee_qty: self.fee_qty + kept, ..*self }
    }

    /// The position set to what a venue holds: nothing is won or lost by that, and what was opened elsewhere counts from the
    /// venue's price.
    #[must_use]
    pub fn adopted(&self, net_qty: SignedQty, avg_price: Price) -> Self {
        let avg_price = if net_qty.is_zero() { Price::ZERO } else { avg_price };
        Self { net_qty, avg_price, fee_qty: Qty::ZERO, ..*self }
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::instrument::{AssetClass, Symbol};
    use proptest::prelude::*;
    use rstest::rstest;

    fn instrument(multiplier: i64) -> Instrument {
        Instrument {
            symbol: Symbol::parse("ES").unwrap(),
            name: "E-mini S&P 500".to_owned(),
            asset_class: AssetClass::Future,
            exchange: "CME".to_owned(),
            currency: "USD".to_owned(),
            tick_size: Price(Decimal::new(25, 2)),
            lot_size: Qty(Decimal::ONE),
            multiplier: Decimal::from(multiplier),
            contract: None,
            known: true,
        }
    }

    /// Trades of (signed quantity, price) one after the other; gives the position and each trade's profit.
    fn traded(multiplier: i64, trades: &[(i64, i64)]) -> (Position, Vec<i64>) {
        let instrument = instrument(multiplier);
        let mut position = Position::default();
        let mut profits = Vec::new();
        for (change, price) in trades {
            let side = if *change > 0 { Side::Buy } else { Side::Sell };
            let qty = Qty(Decimal::from(change.abs()));
            let (after, profit) = position.after_trade(&instrument, side, qty, Price(Decimal::from(*price)));
            position = after;
            profits.push(i64::try_from(profit.0).unwrap());
        }
        (position, profits)
    }

    #[rstest]
    #[case::adding_averages(&[(1, 100), (3, 200)], 4, "175", &[0, 0])]
    #[case::a_short_averages_too(&[(-1, 100), (-3, 200)], -4, "175", &[0, 0])]
    #[case::a_partial_close_leaves_the_average(&[(4, 100), (-1, 130)], 3, "100", &[0, 30])]
    #[case::a_partial_cover_leaves_the_average(&[(-4, 100), (1, 130)], -3, "100", &[0, -30])]
    #[case::a_full_close_leaves_nothing(&[(2, 100), (-2, 90)], 0, "0", &[0, -20])]
    #[case::a_flip_opens_at_its_own_price(&[(2, 100), (-5, 110)], -3, "110", &[0, 20])]
    #[case::a_flip_from_short_too(&[(-2, 100), (5, 110)], 3, "110", &[0, -20])]
    #[case::an_average_needs_not_be_on_a_tick(&[(1, 100), (2, 101)], 3, "100.6666666667", &[0, 0])]
    fn a_position_follows_its_trades(
        #[case] trades: &[(i64, i64)],
        #[case] net_qty: i64,
        #[case] avg_price: &str,
        #[case] profits: &[i64],
    ) {
        let (position, locked_in) = traded(1, trades);
        assert_eq!(position.net_qty, SignedQty(Decimal::from(net_qty)));
        assert_eq!(position.avg_price.to_string(), avg_price);
        assert_eq!(locked_in, profits);
        assert_eq!(position.realized_profit, Amount(Decimal::from(profits.iter().sum::<i64>())));
    }

    #[test]
    fn a_futures_multiplier_is_in_every_profit() {
        let (position, profits) = traded(50, &[(2, 5_000), (-1, 5_001)]);
        assert_eq!(profits, [0, 50]);
        let unrealized = position.unrealized_profit(&instrument(50), Price(Decimal::from(5_003)));
        assert_eq!(unrealized, Amount(Decimal::from(150)));
    }

    #[test]
    fn a_short_earns_when_the_price_falls_and_flat_earns_nothing() {
        let (short, _) = traded(50, &[(-2, 5_000)]);
        let unrealized =
            |position: &Position| position.unrealized_profit(&instrument(50), Price(Decimal::from(4_990)));
        assert_eq!((short.side(), unrealized(&short)), (PositionSide::Short, Amount(Decimal::from(1_000))));
        let (flat, _) = traded(50, &[(-2, 5_000), (2, 4_000)]);
        assert_eq!((flat.side(), unrealized(&flat)), (PositionSide::Flat, Amount::ZERO));
    }

    #[rstest]
    #[case::a_long_is_shorter_by_what_was_kept(2, "0.25", "1.75", "100")]
    #[case::never_beyond_nothing(2, "3", "0", "0")]
    #[case::a_short_holds_nothing_to_keep(-2, "0.25", "-2", "100")]
    fn a_fee_in_kind_is_taken_from_what_is_held(
        #[case] net_qty: i64,
        #[case] fee_qty: &str,
        #[case] left: &str,
        #[case] avg_price: &str,
    ) {
        let (position, _) = traded(1, &[(net_qty, 100)]);
        let charged = position.charged(Amount(Decimal::from(25)), Qty(fee_qty.parse().unwrap()));
        assert_eq!(charged.net_qty, SignedQty(left.parse().unwrap()));
        assert_eq!(charged.avg_price.to_string(), avg_price);
        assert_eq!((charged.commission, charged.realized_profit), (Amount(Decimal::from(25)), Amount::ZERO));
    }

    #[test]
    fn what_was_kept_is_remembered_as_long_as_what_it_was_kept_of_is_held() {
        let (bought, _) = traded(1, &[(2, 100)]);
        let quarter = Qty(Decimal::new(25, 2));
        let charged = bought.charged(Amount::ZERO, quarter).charged(Amount::ZERO, quarter);
        assert_eq!(
            (charged.net_qty.to_string(), charged.fee_qty.to_string()),
            ("1.5".to_owned(), "0.5".to_owned())
        );
        let sell = |qty: i64| {
            charged.after_trade(&instrument(1), Side::Sell, Qty(Decimal::new(qty, 2)), Price::ZERO).0
        };
        assert_eq!(sell(75).fee_qty, quarter, "half of it is left");
        assert_eq!(sell(150).fee_qty, Qty::ZERO);
        assert_eq!(sell(200).fee_qty, Qty::ZERO, "a flip opens anew");
        let adopted = charged.adopted(SignedQty(Decimal::ONE), Price::ZERO);
        assert_eq!(adopted.fee_qty, Qty::ZERO, "what a person says counts");
    }

    #[test]
    fn the_commission_paid_is_kept_through_trades() {
        let position = Position { commission: Amount(Decimal::from(7)), ..Position::default() };
        let (after, _) =
            position.after_trade(&instrument(1), Side::Buy, Qty(Decimal::ONE), Price(Decimal::TEN));
        assert_eq!(after.commission, position.commission);
    }

    #[test]
    fn the_largest_numbers_do_not_panic() {
        let (position, _) = Position::default().after_trade(
            &instrument(50),
            Side::Buy,
            Qty(Decimal::MAX),
            Price(Decimal::MAX),
        );
        let (after, _) =
            position.after_trade(&instrument(50), Side::Sell, Qty(Decimal::MAX), Price(Decimal::MIN));
        let _ = after.unrealized_profit(&instrument(50), Price(Decimal::MAX));
    }

    /// The same rules in whole numbers: the average price as an exact fraction, no decimals anywhere.
    #[derive(Default)]
    struct Model {
        net: i128,
        /// Average price, as numerator and denominator.
        average: (i128, i128),
        /// Profit, as numerator over the denominators met so far: kept as a list, summed in the end.
        profits: Vec<(i128, i128)>,
    }

    impl Model {
        fn trade(&mut self, change: i128, price: i128) {
            let (numerator, denominator) = if self.net == 0 { (0, 1) } else { self.average };
            if self.net * change >= 0 {
                let held = self.net.abs();
                let total = held + change.abs();
                self.average =
                    reduced(held * numerator + change.abs() * price * denominator, denominator * total);
            } else {
                let closed = change.abs().min(self.net.abs());
                let points = (price * denominator - numerator) * self.net.signum();
                self.profits.push((points * closed, denominator));
                if change.abs() > self.net.abs() {
                    self.average = (price, 1);
                }
            }
            self.net += change;
        }
    }

    fn reduced(numerator: i128, denominator: i128) -> (i128, i128) {
        let (mut a, mut b) = (numerator.abs(), denominator);
        while b != 0 {
            (a, b) = (b, a % b);
        }
        (numerator / a.max(1), denominator / a.max(1))
    }

    fn decimal(fraction: (i128, i128)) -> Decimal {
        // Twelve decimals by whole-number division: finer than what it is compared with.
        Decimal::from_i128_with_scale(fraction.0 / fraction.1 * 1_000_000_000_000, 12)
            + Decimal::from_i128_with_scale(fraction.0 % fraction.1 * 1_000_000_000_000 / fraction.1, 12)
    }

    proptest! {
        #[test]
        fn decimals_agree_with_whole_numbers(
            trades in proptest::collection::vec(((-9i64..=9).prop_filter("a trade", |q| *q != 0), 1i64..10_000), 1..9)
        ) {
            let instrument = instrument(50);
            let mut position = Position::default();
            let mut model = Model::default();
            for (change, price) in &trades {
                let side = if *change > 0 { Side::Buy } else { Side::Sell };
                let qty = Qty(Decimal::from(change.abs()));
                (position, _) = position.after_trade(&instrument, side, qty, Price(Decimal::from(*price)));
                model.trade(i128::from(*change), i128::from(*price));

                prop_assert_eq!(position.net_qty.0, Decimal::from(model.net));
                let average = if model.net == 0 { Decimal::ZERO } else { decimal(model.average) };
                // Ten decimals are kept at every step, and the steps are few.
                prop_assert!((position.avg_price.0 - average).abs() < Decimal::new(1, 8));
                let realized: Decimal = model.profits.iter().map(|profit| decimal(*profit)).sum();
                let realized = realized * instrument.multiplier;
                prop_assert!((position.realized_profit.0 - realized).abs() < Decimal::new(1, 4));
            }
        }
    }
}
