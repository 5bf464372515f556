//! What a history begins with.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use atomik_domain::{BrokerAccountId, OnOppositeEntry, Strategy, StrategyId, Symbol, WebhookId};
use atomik_engine::lane::LaneKey;
use atomik_ports::broker::ClientIdUniqueness;

use crate::random::Random;
use crate::support::qty;
use crate::support::venue::Venue;
use crate::support::world::strategy;

/// What a history begins with.
pub struct Setup {
    /// How many nodes there are; one alone has no leases.
    pub nodes: usize,
    pub strategies: Vec<Arc<Strategy>>,
    pub venues: BTreeMap<LaneKey, Venue>,
    pub max_orders_per_minute: u32,
    pub max_queue: usize,
    /// Whether wall clocks are set now and then.
    pub sets_clocks: bool,
    /// Whether somebody trades past us, and has positions adopted.
    pub trades_by_hand: bool,
}

impl Setup {
    pub fn of(random: &mut Random) -> Self {
        let accounts: Vec<_> = (1..=random.pick(&[1, 1, 2])).map(BrokerAccountId).collect();
        let mut strategies = Vec::new();
        for number in 1..=random.pick(&[2, 3, 3]) {
            let account = random.pick(&accounts);
            let symbol = random.pick(&["ES", "ES", "NQ"]);
            let symbol = Symbol::parse(symbol).expect("a symbol");
            let mut strategy = strategy(StrategyId(number), account, symbol);
            behave(random, &mut strategy);
            strategy.webhook_id = WebhookId(random.pick(&[1, 1, 2]));
            strategies.push(Arc::new(strategy));
        }
        let nodes = random.pick(&[1, 1, 2, 2, 3]);
        let classes: BTreeMap<_, _> = accounts.iter().map(|account| (*account, class(random))).collect();
        let mut venues = BTreeMap::new();
        for strategy in &strategies {
            let (uniqueness, settle_window) = classes[&strategy.broker_account_id];
            let name = strategy.symbol.to_string();
            let venue = Venue { uniqueness, settle_window, name, ..Venue::default() };
            venues.insert(LaneKey::of(strategy), venue);
        }
        Self {
            nodes,
            strategies,
            venues,
            max_orders_per_minute: random.pick(&[600, 600, 600, 3]),
            max_queue: random.pick(&[8, 8, 2]),
            sets_clocks: random.percent(35),
            trades_by_hand: random.percent(15),
        }
    }
}

/// What kind of venue an account is at: whether it refuses a second order of one id, and how long orders may be under way.
fn class(random: &mut Random) -> (ClientIdUniqueness, Duration) {
    let uniqueness = random.pick(&[
        ClientIdUniqueness::Forever,
        ClientIdUniqueness::Forever,
        ClientIdUniqueness::AmongOpenOrders,
        ClientIdUniqueness::For(Duration::from_secs(60)),
        ClientIdUniqueness::Undocumented,
    ]);
    (uniqueness, Duration::from_secs(random.pick(&[0, 4])))
}

/// Gives a strategy settings.
pub fn behave(random: &mut Random, strategy: &mut Strategy) {
    let (quantity, more) = (random.units(4), random.units(4) - 1);
    let behavior = &mut strategy.behavior;
    behavior.quantity = qty(quantity);
    behavior.max_position = qty(quantity + more);
    behavior.bare_sell_opens_short = random.percent(50);
    behavior.on_opposite_entry =
        if random.percent(50) { OnOppositeEntry::Reverse } else { OnOppositeEntry::Exit };
}
