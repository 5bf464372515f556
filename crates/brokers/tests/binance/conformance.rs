//! The fake Binance under the conformance suite, in both markets.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use async_trait::async_trait;
use atomik_domain::{Amount, ClientOrderId, ExecutionReport, Price, Qty, Symbol};
use atomik_ports::Broker;
use atomik_ports::broker::BrokerError;
use atomik_testkit::broker_suite::{Ability, VenueFixture, Wrong};
use atomik_testkit::venues::binance::{FakeMarket, FakeSetup, SYMBOL};
use atomik_testkit::venues::faults::{Fault, StreamFault};
use rust_decimal::Decimal;

use super::setup::{Setup, credentials, decimal, right, symbol};

struct Binance(Setup);

/// Commissions on spot are another test's: what they take of the coin is no part of what orders traded.
async fn spot() -> Binance {
    Binance(Setup::of(FakeMarket::Spot).await)
}

async fn usdm() -> Binance {
    let setup = FakeSetup { commission: decimal("20.5"), ..FakeSetup::of(FakeMarket::Usdm) };
    Binance(Setup::with(setup).await)
}

/// The order that a conditional one becomes has a name of its own.
async fn usdm_with_other_names() -> Binance {
    let setup = FakeSetup { triggered_keeps_name: false, ..FakeSetup::of(FakeMarket::Usdm) };
    Binance(Setup::with(setup).await)
}

#[async_trait]
impl VenueFixture for Binance {
    fn broker(&self) -> Arc<dyn Broker> {
        Arc::clone(&self.0.broker)
    }

    fn symbol(&self) -> Symbol {
        symbol()
    }

    fn price(&self) -> Price {
        Price(Decimal::from(50_000))
    }

    fn commission_per_unit(&self) -> Amount {
        Amount(self.0.fake.exchange().market(SYMBOL).unwrap().commission)
    }

    fn lacks(&self) -> Vec<Ability> {
        let mut lacks = vec![
            // A single order is refused with a status of its own; only lists of orders have errors inside a 200.
            Ability::Fault(Fault::ErrorInSuccess),
            // Binance has no tickets: 429 and 418 say how long to wait.
            Ability::Fault(Fault::PenaltyTicket),
        ];
        if self.0.market == FakeMarket::Spot {
            // Nobody owes coins on spot.
            lacks.push(Ability::Shorts);
        }
        lacks
    }

    async fn move_price(&mut self, price: Price) {
        self.0.fake.move_price(price.0);
    }

    async fn thin_out(&mut self, qty: Qty) {
        self.0.fake.exchange().thin_out(SYMBOL, Some(qty.0));
    }

    async fn restart(&mut self) {
        self.0.reconnect().await.unwrap();
    }

    async fn next_report(&mut self) -> Option<ExecutionReport> {
        self.0.reports.recv().await
    }

    async fn plan(&mut self, fault: Fault) {
        self.0.fake.plan(fault);
    }

    async fn disturb(&mut self, fault: StreamFault) {
        self.0.fake.disturb(fault);
    }

    async fn journal(&self, id: ClientOrderId) -> (usize, Qty) {
        let (count, filled) = self.0.fake.journal(&id.to_string());
        (count, Qty(filled))
    }

    async fn connect_wrongly(&mut self, wrong: Wrong) -> Result<(), BrokerError> {
        match wrong {
            Wrong::Credentials => {
                self.0.credentials =
                    credentials(&[("api_key", "another-key"), ("secret_key", "fake-secret-key")]);
                let answer = self.0.reconnect().await;
                self.0.credentials = right();
                answer
            }
            Wrong::Clock => {
                self.0.clock.0.store(3_600, Ordering::SeqCst);
                self.0.reconnect().await
            }
        }
    }
}

mod on_spot {
    atomik_testkit::broker_suite!(super::spot);
}

mod on_usdm {
    atomik_testkit::broker_suite!(super::usdm);
}

mod on_usdm_with_other_names {
    use super::usdm_with_other_names;
    atomik_testkit::broker_suite! { usdm_with_other_names:
        a_working_order_is_canceled,
        a_stop_order_waits_for_its_stop,
        a_stop_limit_order_is_bound_by_its_limit,
    }
}
