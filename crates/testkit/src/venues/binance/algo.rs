//! Conditional futures orders: they wait at a place of their own, and become orders when their price trades.

use std::sync::Mutex;

use atomik_domain::{OrderType, Side};
use rust_decimal::Decimal;

use super::super::exchange::NewOrder;
use super::{State, json, locked, now_ms};

/// The conditional orders of the account.
#[derive(Debug, Default)]
pub(super) struct Algos(Mutex<Vec<Algo>>);

/// One.
#[derive(Clone, Debug)]
pub(super) struct Algo {
    pub id: u64,
    pub asked: NewOrder,
    pub status: &'static str,
    pub order_id: Option<u64>,
    pub created_ms: i64,
}

impl Algo {
    pub(super) fn is_open(&self) -> bool {
        self.status == "NEW"
    }
}

impl State {
    /// Takes a conditional order.
    pub(super) fn take_algo(&self, asked: NewOrder) -> Result<Algo, (u16, i64, &'static str)> {
        let algo = {
            let mut algos = locked(&self.algos.0);
            if algos.iter().any(|one| one.is_open() && one.asked.client_order_id == asked.client_order_id) {
                return Err((400, -4116, "ClientOrderId is duplicated."));
            }
            let id = 2_000_000 + u64::try_from(algos.len()).expect("few");
            let algo = Algo { id, asked, status: "NEW", order_id: None, created_ms: now_ms() };
            algos.push(algo.clone());
            algo
        };
        self.tell_algo(&algo);
        Ok(algo)
    }

    pub(super) fn find_algo(&self, client_id: &str) -> Option<Algo> {
        let algos = locked(&self.algos.0);
        algos.iter().rev().find(|one| one.asked.client_order_id == client_id).cloned()
    }

    pub(super) fn cancel_algo(&self, client_id: &str) -> Option<Algo> {
        let found = self.find_algo(client_id).filter(Algo::is_open)?;
        Some(self.become_(found.id, "CANCELED", None))
    }

    /// Lets conditional orders meet the price.
    pub(super) fn meet_conditions(&self, price: Decimal) {
        let waiting: Vec<_> = locked(&self.algos.0).iter().filter(|one| one.is_open()).cloned().collect();
        for algo in waiting {
            let stop = algo.asked.stop_price.unwrap_or_default();
            let meets = if algo.asked.side == Side::Buy { price >= stop } else { price <= stop };
            if !meets {
                continue;
            }
            let mut asked = NewOrder { stop_price: None, ..algo.asked.clone() };
            asked.order_type = if asked.limit_price.is_some() { OrderType::Limit } else { OrderType::Market };
            if !self.setup.triggered_keeps_name {
                asked.client_order_id = format!("triggered-{}", algo.id);
            }
            // Its fills are told before anybody says what it came from.
            match self.exchange.place(asked) {
                Ok(order) => {
                    self.become_(algo.id, "TRIGGERED", Some(order.id));
                    if order.status.is_final() {
                        self.become_(algo.id, "FINISHED", Some(order.id));
                    }
                }
                Err(_) => {
                    self.become_(algo.id, "REJECTED", None);
                }
            }
        }
    }

    fn become_(&self, id: u64, status: &'static str, order_id: Option<u64>) -> Algo {
        let changed = {
            let mut algos = locked(&self.algos.0);
            let algo = algos.iter_mut().find(|one| one.id == id).expect("it is there");
            (algo.status, algo.order_id) = (status, order_id);
            algo.clone()
        };
        self.tell_algo(&changed);
        changed
    }

    fn tell_algo(&self, algo: &Algo) {
        // Nobody may be listening.
        let _ = self.algo_events.send(json::algo_event(algo));
    }

    pub(super) fn journal(&self, client_id: &str) -> (usize, Decimal) {
        let algos: Vec<_> = locked(&self.algos.0).clone();
        let named: Vec<_> = algos.iter().filter(|one| one.asked.client_order_id == client_id).collect();
        let became = |id: u64| named.iter().any(|algo| algo.order_id == Some(id));
        let orders = self.exchange.orders();
        let plain = orders.iter().filter(|one| one.asked.client_order_id == client_id && !became(one.id));
        let (count, filled) =
            plain.fold((0, Decimal::ZERO), |(count, sum), one| (count + 1, sum + one.filled()));
        let triggered: Decimal = orders.iter().filter(|one| became(one.id)).map(|one| one.filled()).sum();
        (count + named.len(), filled + triggered)
    }
}
