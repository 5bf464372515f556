//! Tradovate under the conformance suite.

use std::sync::Arc;

use async_trait::async_trait;
use atomik_domain::{Amount, ClientOrderId, ExecutionReport, Price, Qty, Symbol};
use atomik_ports::Broker;
use atomik_ports::broker::BrokerError;
use atomik_testkit::broker_suite;
use atomik_testkit::broker_suite::{Ability, VenueFixture, Wrong};
use atomik_testkit::builders::START;
use atomik_testkit::venues::faults::{Fault, StreamFault};
use atomik_testkit::venues::tradovate::COMMISSION;

use super::setup::{Setup, connector, credentials, decimal, given, symbol};

struct Tradovate(Setup);

async fn tradovate() -> Tradovate {
    Tradovate(Setup::new().await)
}

#[async_trait]
impl VenueFixture for Tradovate {
    fn broker(&self) -> Arc<dyn Broker> {
        Arc::clone(&self.0.broker)
    }

    fn symbol(&self) -> Symbol {
        symbol("MESM6")
    }

    fn price(&self) -> Price {
        Price(decimal("5000"))
    }

    fn commission_per_unit(&self) -> Amount {
        Amount(decimal(COMMISSION))
    }

    /// The venue can do all of it.
    fn lacks(&self) -> Vec<Ability> {
        Vec::new()
    }

    async fn move_price(&mut self, price: Price) {
        self.0.venue.exchange().move_price("MESM6", price.0);
    }

    async fn thin_out(&mut self, qty: Qty) {
        self.0.venue.exchange().thin_out("MESM6", Some(qty.0));
    }

    async fn restart(&mut self) {
        self.0.reconnect().await.expect("a connection");
    }

    async fn next_report(&mut self) -> Option<ExecutionReport> {
        self.0.reports.recv().await
    }

    async fn plan(&mut self, fault: Fault) {
        self.0.venue.script().plan(fault);
    }

    async fn disturb(&mut self, fault: StreamFault) {
        self.0.venue.disturb(fault);
    }

    async fn journal(&self, id: ClientOrderId) -> (usize, Qty) {
        let orders = self.0.venue.exchange().orders_of(&id.to_string());
        (orders.len(), Qty(orders.iter().map(|order| order.filled()).sum()))
    }

    async fn connect_wrongly(&mut self, wrong: Wrong) -> Result<(), BrokerError> {
        match wrong {
            Wrong::Credentials => {
                self.0.credentials =
                    given(&[("username", "trader-one"), ("password", "wrong"), ("cid", "1"), ("sec", "x")]);
                let error = self.0.reconnect().await;
                assert!(!format!("{error:?}").contains("wrong"), "a password in an error: {error:?}");
                error
            }
            Wrong::Clock => {
                self.0.credentials = credentials();
                self.0.connector = connector(START.plus_seconds(3_600));
                self.0.reconnect().await
            }
        }
    }
}

broker_suite!(tradovate);
