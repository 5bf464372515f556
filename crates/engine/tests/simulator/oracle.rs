//! What the oracle remembers: its own account of what was promised, kept beside the program's books and read from none of
//! them. The invariants that it holds histories to are in `checks.rs`.

use std::collections::{BTreeMap, HashMap};
use std::time::Duration;

use atomik_domain::{ClientOrderId, HaltMode, Qty, SignalId, SignedQty, StrategyId, UnixMicros, WebhookId};
use atomik_engine::lane::LaneKey;
use atomik_ports::journal::{ID_MEMORY_US, NewSignal, Receipt, RepeatKeys};

use crate::setup::Setup;
use crate::support::world::FakeView;

/// What was in force, and since when.
pub struct Log<T>(Vec<(i64, T)>);

impl<T: PartialEq> Log<T> {
    fn new(first: T) -> Self {
        Self(vec![(i64::MIN, first)])
    }

    fn set(&mut self, at: i64, value: T) {
        if self.0.last().is_none_or(|(_, last)| *last != value) {
            self.0.push((at, value));
        }
    }

    /// Everything that was in force at some time since then.
    pub fn since(&self, from: i64) -> impl Iterator<Item = &T> {
        let first = self.0.iter().rposition(|(at, _)| *at <= from).unwrap_or(0);
        self.0[first..].iter().map(|(_, value)| value)
    }
}

/// An alert that was accepted.
struct Accepted {
    at: UnixMicros,
    id: SignalId,
    body: Option<[u8; 16]>,
}

/// What tells alerts apart: an explicit id, or what they say.
type AlertKey = (WebhookId, Option<[u8; 16]>, Option<[u8; 16]>);

/// The oracle.
pub struct Oracle {
    /// Whether any wall clock was set: ages by it mean nothing then.
    pub clocks_were_set: bool,
    pub last_alert: Option<NewSignal>,
    /// When signals were truly received.
    pub received: BTreeMap<SignalId, i64>,
    /// Which worker recorded an intent, and when.
    pub intents: BTreeMap<ClientOrderId, (u64, i64)>,
    /// Which order each signal, strategy and leg has.
    pub legs: HashMap<(SignalId, StrategyId, u8), ClientOrderId>,
    /// When the bytes of an order last left.
    left: BTreeMap<ClientOrderId, i64>,
    /// When the venue last proved that it has no such order.
    absent: BTreeMap<ClientOrderId, i64>,
    pub halts: Log<Option<HaltMode>>,
    pub active: BTreeMap<StrategyId, Log<bool>>,
    pub limits: BTreeMap<StrategyId, Log<Qty>>,
    /// When each worker let entries of each strategy pass.
    pub entries: BTreeMap<(u64, StrategyId), Vec<i64>>,
    /// What venues have filled for each strategy.
    pub filled: BTreeMap<StrategyId, SignedQty>,
    /// How many trades of each venue were counted.
    pub counted: BTreeMap<LaneKey, usize>,
    accepted: HashMap<AlertKey, Accepted>,
}

impl Oracle {
    pub fn new(setup: &Setup) -> Self {
        let strategies = || setup.strategies.iter();
        let limits = strategies().map(|strategy| (strategy.id, Log::new(strategy.behavior.max_position)));
        Self {
            clocks_were_set: false,
            last_alert: None,
            received: BTreeMap::new(),
            intents: BTreeMap::new(),
            legs: HashMap::new(),
            left: BTreeMap::new(),
            absent: BTreeMap::new(),
            halts: Log::new(None),
            active: strategies().map(|strategy| (strategy.id, Log::new(true))).collect(),
            limits: limits.collect(),
            entries: BTreeMap::new(),
            filled: BTreeMap::new(),
            counted: BTreeMap::new(),
            accepted: HashMap::new(),
        }
    }

    pub fn directory_changed(&mut self, at: i64, directory: &FakeView) {
        self.halts.set(at, directory.halt);
        for (id, strategy) in &directory.strategies {
            self.active.get_mut(id).expect("a strategy").set(at, strategy.active);
            self.limits.get_mut(id).expect("a strategy").set(at, strategy.behavior.max_position);
        }
    }

    /// The bytes of an order leave.
    pub fn leaves(&mut self, id: ClientOrderId, at: i64) {
        self.left.insert(id, at);
    }

    pub fn has_left(&self, id: ClientOrderId) -> bool {
        self.left.contains_key(&id)
    }

    /// A venue said that it does not know an order: proof once its window has passed since the bytes left.
    pub fn was_not_found(&mut self, id: ClientOrderId, at: i64, window: Duration) {
        let window = i64::try_from(window.as_micros()).expect("small");
        if self.left.get(&id).is_none_or(|left| at - left >= window) {
            self.absent.insert(id, at);
        }
    }

    /// Whether the venue has proven, after the order last left and after it was recorded, that it does not have it.
    pub fn is_proven_absent(&self, id: ClientOrderId) -> bool {
        let recorded = self.intents.get(&id).map(|(_, at)| *at);
        let since = self.left.get(&id).copied().max(recorded);
        self.absent.get(&id).is_some_and(|proof| Some(*proof) >= since)
    }

    /// An alert is a repeat if one like it was accepted a moment ago, and of an explicit id if that was used within a day;
    /// everything else is new.
    pub fn check_repeat(&mut self, signal: &NewSignal, receipt: &Receipt, at: UnixMicros) {
        let (key, body, window) = match &signal.repeat {
            None => {
                assert!(matches!(receipt, Receipt::Stored { .. }), "what a person asks for is no repeat");
                return;
            }
            Some(RepeatKeys::Window { fingerprint, window_us }) => {
                ((signal.webhook_id, None, Some(*fingerprint)), None, *window_us)
            }
            Some(RepeatKeys::Explicit { id, body }) => {
                ((signal.webhook_id, Some(*id), None), Some(*body), ID_MEMORY_US)
            }
        };
        let known = self.accepted.get(&key).filter(|known| (at.0 - known.at.0).abs() < window);
        match (receipt, known) {
            (Receipt::Stored { signal_id }, None) => {
                self.accepted.insert(key, Accepted { at, id: *signal_id, body });
            }
            (Receipt::Replayed { signal_id, .. }, Some(known)) => {
                assert!(known.id == *signal_id && known.body == body, "a repeat of another alert");
            }
            (Receipt::IdReused, Some(known)) => assert_ne!(known.body, body, "an honest repeat is refused"),
            _ => panic!("an alert was judged wrongly: {receipt:?} for {signal:?}"),
        }
    }
}
