//! Compares the journals: what the client was told, what the program says, what the paper venue holds, and what came to the venue
//! in this process.

use std::collections::BTreeMap;

use rust_decimal::Decimal;
use serde_json::Value;

use crate::chain::Chain;
use crate::client::{Alert, BASE_PRICE, Wants};
use crate::common::{Server, decimal};
use crate::trader::{MAX_POSITION, PAPER};

pub fn is_final(outcome: &Value) -> bool {
    !["pending", "unknown"].contains(&outcome["status"].as_str().unwrap())
}

/// What the program says.
struct Said {
    /// In the order of acceptance.
    signals: Vec<Value>,
    orders: Vec<Value>,
    positions: Vec<Value>,
    /// What was bought, less what was sold, for a signal and a strategy.
    traded: BTreeMap<(i64, i64), Decimal>,
    /// How much filled of each order.
    filled: BTreeMap<String, Decimal>,
}

impl Said {
    fn by(server: &Server, key: &str) -> Self {
        let mut signals = server.list("/api/v1/signals", key);
        signals.reverse();
        let orders = server.list("/api/v1/orders", key);
        let positions = server.list("/api/v1/positions", key);
        let (mut traded, mut filled) = (BTreeMap::new(), BTreeMap::new());
        for fill in server.list("/api/v1/fills", key) {
            let qty = decimal(&fill["last_qty"]);
            let signed = if fill["side"] == "buy" { qty } else { -qty };
            let of = (fill["signal_id"].as_i64().unwrap(), fill["strategy_id"].as_i64().unwrap());
            *traded.entry(of).or_insert(Decimal::ZERO) += signed;
            let order = fill["client_order_id"].as_str().unwrap().to_owned();
            *filled.entry(order).or_insert(Decimal::ZERO) += qty;
        }
        Self { signals, orders, positions, traded, filled }
    }

    fn held(&self, is_meant: impl Fn(&Value) -> bool) -> Decimal {
        self.positions.iter().filter(|one| is_meant(one)).map(|one| decimal(&one["net_qty"])).sum()
    }
}

/// Everything that is lost, doubled or unexpected.
pub fn compare(chain: &Chain, server: &Server) -> Vec<String> {
    let said = Said::by(server, &chain.trader.key);
    let mut found = stored_once(chain, &said);
    found.extend(paper_trades(chain, &said, server));
    found.extend(at_the_venue(chain, &said));
    found.extend(excused(chain, &said));
    found
}

fn number_of(signal: &Value) -> Option<u32> {
    let price = decimal(&signal["price"]) - Decimal::from(BASE_PRICE);
    u32::try_from(price).ok()
}

fn alert_of<'a>(chain: &'a Chain, signal: &Value) -> Option<&'a Alert> {
    chain.alerts.get(usize::try_from(number_of(signal)?).unwrap())
}

/// What was accepted is there once, what was refused each time is not, and nothing else is.
fn stored_once(chain: &Chain, said: &Said) -> Vec<String> {
    let mut found = Vec::new();
    for alert in &chain.alerts {
        let stored = said.signals.iter().filter(|signal| number_of(signal) == Some(alert.number)).count();
        match (stored, alert.is_accepted()) {
            (1, true) | (0, false) => {}
            (0, true) => found.push(format!("lost: {alert:?}")),
            (1, false) => found.push(format!("unexpected, for it was refused: {alert:?}")),
            _ => found.push(format!("doubled, {stored} times: {alert:?}")),
        }
    }
    for signal in &said.signals {
        let Some(alert) = alert_of(chain, signal) else {
            found.push(format!("unexpected, nobody sent it: {signal}"));
            continue;
        };
        let hook = &chain.trader.hooks[alert.hook];
        let outcomes = signal["strategies"].as_array().unwrap();
        let mut on: Vec<_> = outcomes.iter().map(|one| one["strategy_id"].as_i64().unwrap()).collect();
        on.sort_unstable();
        if on != [hook.paper, hook.at_venue] {
            found.push(format!("not one outcome for each strategy: {signal}"));
        }
    }
    found
}

/// What a signal has to buy or sell for a strategy that holds so much.
fn due(wants: Wants, held: Decimal) -> Decimal {
    match wants {
        Wants::Entry if held < Decimal::from(MAX_POSITION) => Decimal::ONE,
        Wants::Entry => Decimal::ZERO,
        Wants::ExitHalf => -(held / Decimal::TWO).ceil(),
        Wants::ExitAll => -held,
    }
}

/// On the paper account nothing stands in a signal's way: each has traded exactly what the rules say, in the order of acceptance.
fn paper_trades(chain: &Chain, said: &Said, server: &Server) -> Vec<String> {
    let mut found = Vec::new();
    for (number, hook) in chain.trader.hooks.iter().enumerate() {
        let mut held = Decimal::ZERO;
        let own = |signal: &&Value| alert_of(chain, signal).is_some_and(|alert| alert.hook == number);
        for signal in said.signals.iter().filter(own) {
            let wanted = due(alert_of(chain, signal).unwrap().wants, held);
            let of = (signal["id"].as_i64().unwrap(), hook.paper);
            let traded = said.traded.get(&of).copied().unwrap_or_default();
            if traded != wanted {
                found.push(format!("traded {traded} on paper, not {wanted}: {signal}"));
            }
            held += wanted;
        }
        let ours = said.held(|position| position["strategy_id"] == hook.paper);
        if ours != held {
            found.push(format!("holds {ours} on paper, not {held}: strategy {}", hook.paper));
        }
    }
    let ours = said.held(|position| position["broker_account_id"] == PAPER);
    let theirs = held_at(server, PAPER, &chain.trader.key);
    if ours != theirs {
        found.push(format!("our paper positions are {ours}, the paper venue's {theirs}"));
    }
    found
}

/// At the venue an order of which nobody knows stands in the way of entries, and is not sent again once later ones were decided
/// without it. Nothing else may: an exit that was skipped for others that work would have found nothing left.
fn excused(chain: &Chain, said: &Said) -> Vec<String> {
    let mut found = Vec::new();
    for (number, hook) in chain.trader.hooks.iter().enumerate() {
        let (mut held, mut unproven) = (Decimal::ZERO, Decimal::ZERO);
        let mut last_exit = String::new();
        let own = |signal: &&Value| alert_of(chain, signal).is_some_and(|alert| alert.hook == number);
        for signal in said.signals.iter().filter(own) {
            let of = (signal["id"].as_i64().unwrap(), hook.at_venue);
            let traded = said.traded.get(&of).copied();
            let wants = alert_of(chain, signal).unwrap().wants;
            let outcomes = signal["strategies"].as_array().unwrap();
            let outcome = outcomes.iter().find(|one| one["strategy_id"] == hook.at_venue);
            let code = outcome.map(|one| &one["code"]);
            let settled_at = outcome.and_then(|one| one["settled_at"].as_str()).unwrap_or_default();
            if traded.is_none() && !due(wants, held).is_zero() {
                let code = code.and_then(Value::as_str).unwrap_or_default();
                let is_excused = match (wants, code) {
                    (Wants::Entry, "unknown_order_open" | "broker_unreachable") => true,
                    // An exit before it may have been unproven, and have filled later.
                    (Wants::Entry, "position_limit") => {
                        held + unproven >= Decimal::from(MAX_POSITION) || last_exit.as_str() > settled_at
                    }
                    _ => false,
                };
                if !is_excused {
                    found.push(format!("lost at the venue, where {held} was held: {signal}"));
                }
                unproven += Decimal::ONE;
            }
            held += traded.unwrap_or_default();
            if let (false, Some(outcome)) = (matches!(wants, Wants::Entry), outcome) {
                let fills = outcome["fills"].as_array().into_iter().flatten();
                let filled_at = fills.filter_map(|fill| fill["recorded_at"].as_str()).max();
                last_exit = last_exit.max(filled_at.unwrap_or_default().to_owned());
            }
        }
    }
    found
}

fn held_at(server: &Server, account: i64, key: &str) -> Decimal {
    let held = server.ask_broker(&format!("/api/v1/broker-accounts/{account}/positions"), key);
    held["items"].as_array().unwrap().iter().map(|one| decimal(&one["net_qty"])).sum()
}

/// Each order came once, was recorded, and has filled in our books what it has filled there.
fn at_the_venue(chain: &Chain, said: &Said) -> Vec<String> {
    let mut found = sent_twice(chain);
    let exchange = chain.venue.exchange();
    let ours = said.orders.iter().filter(|order| order["broker_account_id"] == chain.trader.account);
    let ours: Vec<_> = ours.map(|order| order["client_order_id"].as_str().unwrap().to_owned()).collect();
    for order in exchange.orders() {
        let id = &order.asked.client_order_id;
        if !ours.contains(id) {
            found.push(format!("unexpected, nobody recorded it: {order:?}"));
        }
        let booked = said.filled.get(id).copied().unwrap_or_default();
        if booked != order.filled() {
            found.push(format!("filled {} and booked {booked}: {order:?}", order.filled()));
        }
    }
    for id in ours {
        if said.filled.contains_key(&id) && exchange.orders_of(&id).is_empty() {
            found.push(format!("booked, and never came: {id}"));
        }
    }
    for signal in &said.signals {
        for outcome in signal["strategies"].as_array().unwrap() {
            let strategy = outcome["strategy_id"].as_i64().unwrap();
            let traded = said.traded.contains_key(&(signal["id"].as_i64().unwrap(), strategy));
            if traded != (outcome["status"] == "filled") {
                found.push(format!("the outcome is not what was traded ({traded}): {signal}"));
            }
        }
    }
    let ours = said.held(|position| position["broker_account_id"] == chain.trader.account);
    let theirs: Decimal = exchange.held().values().map(|held| held.qty).sum();
    if ours != theirs {
        found.push(format!("our positions at the venue are {ours}, its own {theirs}"));
    }
    found
}

/// The venue would refuse the second order of an id. That it had to is what must not happen: whoever sends again asks before.
pub fn sent_twice(chain: &Chain) -> Vec<String> {
    let mut sends: BTreeMap<String, usize> = BTreeMap::new();
    for request in chain.venue.received() {
        if request.method == "POST" && request.path_and_query.starts_with("/v2/orders") {
            let order: Value = serde_json::from_slice(&request.body).unwrap();
            *sends.entry(order["client_order_id"].as_str().unwrap().to_owned()).or_default() += 1;
        }
    }
    let doubled = sends.into_iter().filter(|(_, times)| *times > 1);
    doubled.map(|(id, times)| format!("doubled: order {id} came {times} times")).collect()
}

/// After everything was sold: nothing is held anywhere, and the paper account's money is what it was and what was earned.
pub fn compare_flat(chain: &Chain, server: &Server) -> Vec<String> {
    let key = &chain.trader.key;
    let mut found = Vec::new();
    let at_venue = chain.venue.exchange().held();
    let on_paper = held_at(server, PAPER, key);
    if !at_venue.is_empty() || !on_paper.is_zero() {
        found.push(format!("still held: {on_paper} on paper, and {at_venue:?}"));
    }
    let balance = server.ask_broker(&format!("/api/v1/broker-accounts/{PAPER}/balance"), key);
    let fills = server.list("/api/v1/fills", key);
    let paper = fills.iter().filter(|fill| fill["broker_account_id"] == PAPER);
    let profit: Decimal =
        paper.map(|fill| decimal(&fill["realized_profit"]) - decimal(&fill["commission"])).sum();
    let cash = decimal(&balance["cash"]).round_dp(2);
    // To the cent: the venue averages over the strategies that share a symbol, and an average may have no end.
    if cash != (Decimal::from(100_000) + profit).round_dp(2) {
        found.push(format!("the paper venue's cash is {cash}, our profit {profit}"));
    }
    found
}
