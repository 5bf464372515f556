//! Any sequence of orders, cancels and ticks: money and quantities stay exact.

use super::*;
use crate::paper::book::Changes;
use atomik_domain::{OrderType, Side, SignalId, StrategyId};
use proptest::prelude::*;
use rust_decimal::Decimal;

#[derive(Clone, Debug)]
enum Step {
    Submit {
        symbol: usize,
        buy: bool,
        order_type: usize,
        time_in_force: usize,
        lots: i64,
        limit_ticks: i64,
        stop_ticks: i64,
        alert_ticks: Option<i64>,
        reduce_only: bool,
    },
    Cancel(u64),
    Tick(i64),
}

const SYMBOLS: [&str; 4] = ["ES", "AAPL", "BTC/USD", "ZNZ6"];

fn step() -> impl Strategy<Value = Step> {
    let ticks = || -40i64..40;
    let submit = (
        (0..SYMBOLS.len(), any::<bool>(), 0..4usize, 0..4usize, 1i64..8),
        (ticks(), ticks(), proptest::option::of(ticks()), any::<bool>()),
    )
        .prop_map(
            |(
                (symbol, buy, order_type, time_in_force, lots),
                (limit_ticks, stop_ticks, alert_ticks, reduce_only),
            )| {
                Step::Submit {
                    symbol,
                    buy,
                    order_type,
                    time_in_force,
                    lots,
                    limit_ticks,
                    stop_ticks,
                    alert_ticks,
                    reduce_only,
                }
            },
        );
    prop_oneof![6 => submit, 1 => (0u64..60).prop_map(Step::Cancel), 2 => (1i64..100_000_000).prop_map(Step::Tick)]
}

fn client_order_id(number: u64) -> ClientOrderId {
    let number = i64::try_from(number).unwrap();
    ClientOrderId::derive(uuid::Uuid::nil(), SignalId(number), StrategyId(1), 0)
}

fn request(step: &Step, number: u64) -> OrderRequest {
    let Step::Submit {
        symbol,
        buy,
        order_type,
        time_in_force,
        lots,
        limit_ticks,
        stop_ticks,
        alert_ticks,
        reduce_only,
    } = *step
    else {
        unreachable!("only submits make requests")
    };
    let symbol = Symbol::parse(SYMBOLS[symbol]).unwrap();
    let instrument = instruments::resolve(&symbol);
    let middle = instruments::typical_price(&symbol).unwrap_or(Decimal::from(100));
    let at = |ticks: i64| Price(middle + instrument.tick_size.0 * Decimal::from(ticks));
    OrderRequest {
        client_order_id: client_order_id(number),
        symbol,
        side: if buy { Side::Buy } else { Side::Sell },
        order_type: OrderType::ALL[order_type],
        time_in_force: TimeInForce::ALL[time_in_force],
        order_qty: Qty(instrument.lot_size.0 * Decimal::from(lots)),
        limit_price: Some(at(limit_ticks)),
        stop_price: Some(at(stop_ticks)),
        reduce_only,
        reference_price: alert_ticks.map(at),
    }
}

/// What the executions alone say: cash flows and holdings, without averages.
#[derive(Default)]
struct Ledger {
    /// What was paid and received for everything traded, with multipliers.
    flow: Decimal,
    commission: Decimal,
    net: BTreeMap<Symbol, Decimal>,
}

impl Ledger {
    fn book(&mut self, changes: &Changes, orders: &BTreeMap<ClientOrderId, OrderRequest>) {
        for record in &changes.executions {
            let order = &orders[&record.client_order_id];
            let instrument = instruments::resolve(&order.symbol);
            let signed = order.side.signed(record.execution.last_qty).0;
            self.flow -= signed * record.execution.last_price.0 * instrument.multiplier;
            self.commission += record.execution.commission.0;
            let net = self.net.entry(order.symbol.clone()).or_default();
            let before = *net;
            *net += signed;
            if order.reduce_only {
                assert!(
                    net.abs() < before.abs() && *net * before >= Decimal::ZERO,
                    "a reduce-only order flipped"
                );
            }
        }
    }
}

fn settings() -> PaperSettings {
    PaperSettings::parse(&serde_json::json!({
        "commission": "0.37", "slippage_ticks": 1, "max_fill_qty_per_tick": "3", "prices": {"AAPL": "100"},
    }))
    .unwrap()
}

fn check_orders(account: &Account, changes: &Changes) {
    for order in changes.orders.values() {
        assert!(order.filled_qty <= order.order_qty);
        assert_eq!(order.status == OrderStatus::Filled, order.leaves_qty().is_zero());
        assert_eq!(account.resting.contains_key(&order.sequence), !order.status.is_final());
        if order.status == OrderStatus::Rejected {
            assert!(order.filled_qty.is_zero() && order.reason.is_some());
        }
    }
}

#[test]
fn an_order_that_only_the_prices_of_now_leave_enough_for_is_taken() {
    let mut account = Account::open(BrokerAccountId(1), PaperSettings::default());
    let moment = Moment { now: UnixMicros(1_774_008_000_000_000), feed: Feed::new(3) };
    let mut buy = |number: u64, qty: i64| {
        let request = OrderRequest {
            client_order_id: client_order_id(number),
            symbol: Symbol::parse("ES").unwrap(),
            side: Side::Buy,
            order_type: OrderType::Market,
            time_in_force: TimeInForce::Ioc,
            order_qty: Qty(Decimal::from(qty)),
            limit_price: None,
            stop_price: None,
            reduce_only: false,
            reference_price: Some(Price(Decimal::from(5_000))),
        };
        let status = account.submit(&request, &moment, &mut Changes::default()).status;
        (status, account.sure_buying_power(moment.feed).0, account.balance(&moment).buying_power.0)
    };
    // Four hold 50,000 of 100,000; 24,000 more would be lost at the worst price.
    let (status, sure, left) = buy(1, 4);
    let three = Decimal::from(37_500);
    assert!(status == OrderStatus::Filled && sure < three && three <= left, "{sure} sure, {left} left");
    assert_eq!(buy(2, 3).0, OrderStatus::Filled);
    assert_eq!(buy(3, 2).0, OrderStatus::Rejected, "it needs 25,000, and 12,500 are left");
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 256, ..ProptestConfig::default() })]

    #[test]
    fn money_and_quantities_are_conserved(steps in proptest::collection::vec(step(), 1..60)) {
        let mut account = Account::open(BrokerAccountId(1), settings());
        let mut moment = Moment { now: UnixMicros(1_774_008_000_000_000), feed: Feed::new(3) };
        let mut ledger = Ledger::default();
        let mut orders = BTreeMap::new();
        for (number, step) in (0u64..).zip(&steps) {
            let mut changes = Changes::default();
            match step {
                Step::Submit { .. } => {
                    let request = request(step, number);
                    orders.insert(request.client_order_id, request.clone());
                    account.submit(&request, &moment, &mut changes);
                }
                Step::Cancel(of) => drop(account.cancel(client_order_id(*of), &mut changes)),
                Step::Tick(after) => {
                    moment.now = moment.now.plus(*after);
                    account.tick(&moment, &mut changes);
                }
            }
            ledger.book(&changes, &orders);
            check_orders(&account, &changes);

            // Equity from the money that changed hands and the value of what is held: no averages, no realized profit.
            let mut worth = account.settings.starting_balance.0 + ledger.flow - ledger.commission;
            for (symbol, net) in &ledger.net {
                prop_assert_eq!(account.net_qty(symbol).0, *net);
                let instrument = instruments::resolve(symbol);
                worth += *net * account.tick_of(&instrument, &moment).price.0 * instrument.multiplier;
            }
            let balance = account.balance(&moment);
            // Average prices are kept to ten decimals; that is all that may differ.
            prop_assert!((balance.equity.0 - worth).abs() < Decimal::new(1, 4), "{} against {}", balance.equity, worth);

            let sure = account.sure_buying_power(moment.feed).max(Amount::ZERO);
            prop_assert!(sure <= balance.buying_power, "{sure} was sure, and {} is left", balance.buying_power);

            // And exactly, from the venue's own parts.
            let realized: Decimal = account.holdings.values().map(|held| held.position.realized_profit.0).sum();
            let paid: Decimal = account.holdings.values().map(|held| held.position.commission.0).sum();
            prop_assert_eq!(balance.cash.0, account.settings.starting_balance.0 + realized - paid);
            prop_assert_eq!(paid, ledger.commission);
        }
    }

    #[test]
    fn the_same_steps_give_the_same_account(steps in proptest::collection::vec(step(), 1..40)) {
        let run = || {
            let mut account = Account::open(BrokerAccountId(1), settings());
            let mut moment = Moment { now: UnixMicros(1_774_008_000_000_000), feed: Feed::new(9) };
            for (number, step) in (0u64..).zip(&steps) {
                let mut changes = Changes::default();
                match step {
                    Step::Submit { .. } => drop(account.submit(&request(step, number), &moment, &mut changes)),
                    Step::Cancel(of) => drop(account.cancel(client_order_id(*of), &mut changes)),
                    Step::Tick(after) => {
                        moment.now = moment.now.plus(*after);
                        account.tick(&moment, &mut changes);
                    }
                }
            }
            account
        };
        prop_assert_eq!(run(), run());
    }
}
