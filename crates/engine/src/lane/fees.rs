//! Fees that a venue keeps in bought coins and does not tell with the fill: what it holds less than our books say, up to
//! the most that it may have kept.

use atomik_domain::instrument::AssetClass;
use atomik_domain::order::Execution;
use atomik_domain::{Amount, Qty, StrategyId};
use rust_decimal::Decimal;

use super::Context;
use super::state::{Lane, Link};

/// To how many decimals a fee is shared out among strategies.
const SHARE_DECIMALS: u32 = 12;

impl Lane {
    /// Something was bought: the venue may have kept a part of it, rounded up to what it can count. Never more is expected
    /// than of all that is held: what else was bought has been sold again, with its fee found or not.
    pub(super) fn expect_fee(&mut self, strategy: StrategyId, execution: &Execution) {
        let (Link::Up(capabilities), Some(instrument)) = (&self.link, &self.instrument) else { return };
        let rate = capabilities.untold_coin_fee;
        if rate.is_zero() || instrument.asset_class != AssetClass::Crypto {
            return;
        }
        let part = |qty: Qty| Qty(qty.0.saturating_mul(rate)).ceil_to_lot(instrument.lot_size).0;
        let held = self.books.get(&strategy).map_or(Qty::ZERO, |book| book.position.net_qty.abs());
        let (of_this, of_all) = (part(execution.last_qty), part(held));
        let untold = self.untold_fees.entry(strategy).or_default();
        *untold = untold.saturating_add(of_this).min(of_all);
    }

    /// A strategy that holds nothing pays for nothing.
    pub(super) fn forget_fee(&mut self, strategy: StrategyId) {
        self.untold_fees.remove(&strategy);
    }

    /// Where what is `missing` at the venue can only be what it has kept, the positions of those who bought are made so much
    /// smaller, and what that was worth is commission. Says whether it was so.
    pub(super) fn explained_by_fees(&mut self, context: &Context<'_>, missing: Decimal) -> bool {
        if self.open_orders().next().is_some() {
            return false;
        }
        let Some(shares) = self.shares_of(missing) else { return false };
        for (strategy, share) in shares {
            if let Some(book) = self.books.get_mut(&strategy) {
                let worth = book.position.avg_price.0.saturating_mul(share);
                book.position = book.position.charged(Amount(worth), Qty(share));
                self.note_position(context, strategy);
            }
        }
        self.untold_fees.clear();
        self.trades += 1;
        true
    }

    /// What is missing, shared out among those who bought by what may have been kept from each; `None` where that is less.
    fn shares_of(&self, missing: Decimal) -> Option<Vec<(StrategyId, Decimal)>> {
        let most: Decimal = self.untold_fees.values().sum();
        if missing <= Decimal::ZERO || missing > most {
            return None;
        }
        let mut left = missing;
        let mut shares = Vec::with_capacity(self.untold_fees.len());
        let last = self.untold_fees.last_key_value().map(|(strategy, _)| *strategy);
        for (strategy, untold) in &self.untold_fees {
            let exact = missing.saturating_mul(*untold).checked_div(most)?.round_dp(SHARE_DECIMALS);
            let share = if Some(*strategy) == last { left } else { exact.min(left) };
            left -= share;
            // Nobody pays with more than is held.
            self.books.get(strategy).filter(|book| book.position.net_qty.0 >= share)?;
            shares.push((*strategy, share));
        }
        Some(shares)
    }
}
