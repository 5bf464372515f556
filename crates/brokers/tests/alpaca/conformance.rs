//! Alpaca under the conformance suite.

use std::sync::Arc;

use async_trait::async_trait;
use atomik_domain::{Amount, ClientOrderId, ExecutionReport, Price, Qty, Symbol};
use atomik_ports::Broker;
use atomik_ports::broker::BrokerError;
use atomik_testkit::broker_suite;
use atomik_testkit::broker_suite::{Ability, VenueFixture, Wrong};
use atomik_testkit::venues::alpaca::KEY_ID;
use atomik_testkit::venues::faults::{Fault, StreamFault};
use rust_decimal::Decimal;

use super::setup::{Setup, connect, credentials, price, symbol};

struct Alpaca(Setup);

async fn alpaca() -> Alpaca {
    Alpaca(Setup::new().await)
}

#[async_trait]
impl VenueFixture for Alpaca {
    fn broker(&self) -> Arc<dyn Broker> {
        Arc::clone(&self.0.broker)
    }

    fn symbol(&self) -> Symbol {
        symbol("ACME")
    }

    fn price(&self) -> Price {
        price("100")
    }

    fn commission_per_unit(&self) -> Amount {
        Amount::ZERO
    }

    fn lacks(&self) -> Vec<Ability> {
        vec![
            // Alpaca says what is wrong by the status; an order that it took and then rejected is tested apart.
            Ability::Fault(Fault::ErrorInSuccess),
            // There are no tickets, and keys do not expire by themselves.
            Ability::Fault(Fault::PenaltyTicket),
            Ability::Fault(Fault::TokenExpired),
            // Requests are not signed and carry no time.
            Ability::Wrong(Wrong::Clock),
        ]
    }

    async fn move_price(&mut self, price: Price) {
        self.0.venue.exchange().move_price("ACME", price.0);
    }

    async fn thin_out(&mut self, qty: Qty) {
        self.0.venue.exchange().thin_out("ACME", Some(qty.0));
    }

    async fn restart(&mut self) {
        self.0.venue.break_streams();
        self.0.reconnect().await;
    }

    async fn next_report(&mut self) -> Option<ExecutionReport> {
        self.0.reports.recv().await
    }

    async fn plan(&mut self, fault: Fault) {
        self.0.venue.plan(fault);
    }

    async fn disturb(&mut self, fault: StreamFault) {
        self.0.venue.disturb(fault);
    }

    async fn journal(&self, id: ClientOrderId) -> (usize, Qty) {
        let orders = self.0.venue.exchange().orders_of(&id.to_string());
        let filled: Decimal = orders.iter().map(|order| order.filled()).sum();
        (orders.len(), Qty(filled))
    }

    async fn connect_wrongly(&mut self, wrong: Wrong) -> Result<(), BrokerError> {
        assert_eq!(wrong, Wrong::Credentials);
        connect(&self.0.venue, &credentials(KEY_ID, "notTheSecretOfThisKey")).await.map(drop)
    }
}

broker_suite!(alpaca);
