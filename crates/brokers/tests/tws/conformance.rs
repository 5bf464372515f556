//! The conformance suite, on a share and on a future by its root.

use std::sync::Arc;

use async_trait::async_trait;
use atomik_domain::{Amount, ClientOrderId, ExecutionReport, Price, Qty, Symbol};
use atomik_ports::Broker;
use atomik_ports::broker::BrokerError;
use atomik_testkit::broker_suite;
use atomik_testkit::broker_suite::{Ability, VenueFixture, Wrong};
use atomik_testkit::venues::faults::{Fault, StreamFault};
use rust_decimal::Decimal;

use super::setup::{Setup, decimal, symbol};

struct Fixture {
    setup: Setup,
    symbol: Symbol,
    /// The fake's name for it.
    local: String,
    price: Price,
    commission: Amount,
}

async fn share() -> Fixture {
    let setup = Setup::new().await;
    let (price, commission) = (Price(decimal("200")), Amount(decimal("0.35")));
    Fixture { setup, symbol: symbol("AAPL"), local: "AAPL".to_owned(), price, commission }
}

#[async_trait]
impl VenueFixture for Fixture {
    fn broker(&self) -> Arc<dyn Broker> {
        self.setup.broker()
    }

    fn symbol(&self) -> Symbol {
        self.symbol.clone()
    }

    fn price(&self) -> Price {
        self.price
    }

    fn commission_per_unit(&self) -> Amount {
        self.commission
    }

    fn lacks(&self) -> Vec<Ability> {
        vec![
            // TWS's message of its rate limit (100) carries no order's id: it proves nothing about any order.
            Ability::Fault(Fault::RateLimited),
            // There are no tickets.
            Ability::Fault(Fault::PenaltyTicket),
            // Whoever reaches the socket is in: TWS holds the login, and there is no token.
            Ability::Fault(Fault::TokenExpired),
            Ability::Wrong(Wrong::Credentials),
            // TWS looks at no client's clock.
            Ability::Wrong(Wrong::Clock),
        ]
    }

    async fn move_price(&mut self, price: Price) {
        self.setup.tws.exchange().move_price(&self.local, price.0);
    }

    async fn thin_out(&mut self, qty: Qty) {
        self.setup.tws.exchange().thin_out(&self.local, Some(qty.0));
    }

    async fn restart(&mut self) {
        self.setup.restart().await;
    }

    async fn next_report(&mut self) -> Option<ExecutionReport> {
        self.setup.next_report().await
    }

    async fn plan(&mut self, fault: Fault) {
        self.setup.tws.plan(fault);
    }

    async fn disturb(&mut self, fault: StreamFault) {
        self.setup.tws.disturb(fault);
    }

    async fn journal(&self, id: ClientOrderId) -> (usize, Qty) {
        let orders = self.setup.tws.exchange().orders_of(&id.to_string());
        (orders.len(), Qty(orders.iter().map(|order| order.filled()).sum::<Decimal>()))
    }

    async fn connect_wrongly(&mut self, wrong: Wrong) -> Result<(), BrokerError> {
        panic!("TWS lacks {wrong:?}");
    }
}

broker_suite!(share);
