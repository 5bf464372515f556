//! The simulated price feed: a made-up price for every symbol at every moment.
//!
//! The price is a function of seed, symbol and time alone, so a run can be repeated exactly and a restart changes
//! nothing. It swings around where it starts within a few percent, in waves of a few seconds up to some hours. It is
//! never mistaken for a market: what it prices is labelled `simulated` wherever it is shown.

use atomik_domain::{Instrument, Price, UnixMicros};
use rust_decimal::Decimal;

use crate::instruments;

/// The waves: period in seconds and height in millionths of the price.
const WAVES: [(i64, i64); 4] = [(2, 60), (30, 400), (600, 2_500), (14_400, 9_000)];
const MILLION: i64 = 1_000_000;
/// How far from its start a price may be at most, in millionths of it, whatever the moments of both.
const REACH: i64 = {
    let (mut height, mut wave) = (0, 0);
    while wave < WAVES.len() {
        height += WAVES[wave].1;
        wave += 1;
    }
    2 * height * MILLION / (MILLION - height) + 1
};

/// The feed.
#[derive(Clone, Copy, Debug)]
pub struct Feed {
    seed: u64,
}

/// A real price that was seen, from which the simulated one goes on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Anchor {
    /// The price.
    pub price: Price,
    /// When it was seen.
    pub at: UnixMicros,
}

impl Feed {
    /// The feed of a seed.
    #[must_use]
    pub const fn new(seed: u64) -> Self {
        Self { seed }
    }

    /// The price of an instrument now, on its tick: from `anchor` on where there is one, so that an account that trades
    /// by alert prices is not marked by a price from nowhere; else around where the instrument usually trades.
    #[must_use]
    pub fn price(&self, instrument: &Instrument, anchor: Option<Anchor>, now: UnixMicros) -> Price {
        let key = self.key(instrument);
        let swing = swing(key, now);
        let start = self.start(instrument, anchor);
        let base = MILLION + anchor.map_or(0, |anchor| self::swing(key, anchor.at));
        let now_millionths = Decimal::from(MILLION + swing);
        let price = start.saturating_mul(now_millionths).checked_div(Decimal::from(base)).unwrap_or(start);
        Price(price).round_to_tick(instrument.tick_size)
    }

    /// Where [`Self::price`] starts, and how far from there it may be at any moment. Cheaper than the price.
    #[must_use]
    pub fn reach(&self, instrument: &Instrument, anchor: Option<Anchor>) -> (Price, Price) {
        let start = self.start(instrument, anchor);
        // A tick more, because a price is put on its tick.
        let reach = start.abs().saturating_mul(Decimal::new(REACH, 6)).saturating_add(instrument.tick_size.0);
        (Price(start), Price(reach))
    }

    fn start(&self, instrument: &Instrument, anchor: Option<Anchor>) -> Decimal {
        anchor.map_or_else(|| starting_price(instrument, self.key(instrument)), |anchor| anchor.price.0)
    }

    fn key(&self, instrument: &Instrument) -> u64 {
        hash(self.seed, instrument.symbol.as_str().as_bytes())
    }
}

/// Where a symbol without anchor starts: where the catalogue says, else somewhere from 20 to 220.
fn starting_price(instrument: &Instrument, key: u64) -> Decimal {
    instruments::typical_price(&instrument.symbol)
        .unwrap_or_else(|| Decimal::from(key % 20_000) / Decimal::ONE_HUNDRED + Decimal::from(20))
}

/// How far the price is from its start at a moment, in millionths.
fn swing(key: u64, now: UnixMicros) -> i64 {
    WAVES
        .iter()
        .zip(0u8..)
        .map(|(&(period_s, height), wave)| {
            let period = period_s * UnixMicros::SECOND;
            let step = now.0.div_euclid(period);
            let level = |step: i64| {
                let noise =
                    hash(key ^ u64::from(wave), &step.to_le_bytes()) % (2 * height.unsigned_abs() + 1);
                i64::try_from(noise).unwrap_or(0) - height
            };
            let (from, to) = (level(step), level(step.saturating_add(1)));
            // In thousandths of the way from one level to the next: exact enough, and far from any overflow.
            let way = now.0.rem_euclid(period) / (period / 1_000);
            from + (to - from) * way / 1_000
        })
        .sum()
}

/// A 64-bit mix (FNV-1a, then the finish of splitmix64): well spread, and the same everywhere.
fn hash(seed: u64, bytes: &[u8]) -> u64 {
    let mut state = seed ^ 0xcbf2_9ce4_8422_2325;
    for byte in bytes {
        state = (state ^ u64::from(*byte)).wrapping_mul(0x0000_0100_0000_01b3);
    }
    state = (state ^ (state >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    state = (state ^ (state >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    state ^ (state >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;
    use atomik_domain::Symbol;

    const NOON: UnixMicros = UnixMicros(1_774_008_000_000_000);

    fn instrument(text: &str) -> Instrument {
        instruments::resolve(&Symbol::parse(text).unwrap())
    }

    fn path(feed: Feed, text: &str) -> Vec<Price> {
        let instrument = instrument(text);
        (0..500).map(|second| feed.price(&instrument, None, NOON.plus_seconds(second * 7))).collect()
    }

    #[test]
    fn the_same_seed_gives_the_same_prices_and_another_seed_others() {
        assert_eq!(path(Feed::new(1), "ES"), path(Feed::new(1), "ES"));
        assert_ne!(path(Feed::new(1), "ES"), path(Feed::new(2), "ES"));
        assert_ne!(path(Feed::new(1), "AAPL"), path(Feed::new(1), "MSFT"));
    }

    #[test]
    fn prices_move_stay_on_ticks_and_near_their_start() {
        for text in ["ES", "ZB", "6J", "AAPL", "BTC/USD", "SHIB/USD", "ETH/BTC", "NOBODY1"] {
            let instrument = instrument(text);
            let prices = path(Feed::new(7), text);
            let (lowest, highest) = (prices.iter().min().unwrap().0, prices.iter().max().unwrap().0);
            assert!(lowest > Decimal::ZERO && lowest < highest, "{text}: {lowest} to {highest}");
            assert!(highest < lowest * Decimal::new(105, 2), "{text}: {lowest} to {highest}");
            assert!(prices.iter().all(|price| (price.0 % instrument.tick_size.0).is_zero()), "{text}");
        }
    }

    #[test]
    fn an_anchored_price_starts_at_the_anchor() {
        let instrument = instrument("ES");
        let anchor = Anchor { price: Price(Decimal::from(4_321)), at: NOON };
        let feed = Feed::new(3);
        assert_eq!(feed.price(&instrument, Some(anchor), NOON), anchor.price);
        let later = feed.price(&instrument, Some(anchor), NOON.plus_seconds(60)).0;
        assert!((later - anchor.price.0).abs() < Decimal::from(100), "{later}");
    }

    #[test]
    fn no_price_is_farther_from_its_start_than_it_may_be() {
        let mut farthest = Decimal::ZERO;
        for seed in 0..40 {
            let feed = Feed::new(seed);
            // The last of them is so small that its tick counts for more than its waves.
            for (text, cents) in [("ES", 432_100), ("CL", -3_700), ("BTC/USD", 6_500_000), ("CL", 40)] {
                let instrument = instrument(text);
                for hours in 0..40 {
                    let at = NOON.plus_seconds(hours * 3_613);
                    let anchor = Some(Anchor { price: Price(Decimal::new(cents, 2)), at: NOON });
                    for anchor in [anchor, None] {
                        let (start, reach) = feed.reach(&instrument, anchor);
                        let distance = (feed.price(&instrument, anchor, at).0 - start.0).abs();
                        assert!(
                            distance <= reach.0,
                            "{text}, seed {seed}: {distance} from {start}, not {reach}"
                        );
                        farthest = farthest.max(distance / reach.0);
                    }
                }
            }
        }
        assert!(farthest > Decimal::new(6, 1), "the bound is far from every price: {farthest}");
    }

    #[test]
    fn any_time_has_a_price() {
        let instrument = instrument("CL");
        for at in [i64::MIN, -1, 0, 1, i64::MAX] {
            assert!(Feed::new(0).price(&instrument, None, UnixMicros(at)).0 > Decimal::ZERO);
        }
    }
}
