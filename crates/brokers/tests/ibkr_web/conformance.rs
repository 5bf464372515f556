//! The Web API under the conformance suite: with the stream telling of orders and without, and without a gateway.

use std::sync::Arc;

use async_trait::async_trait;
use atomik_domain::{Amount, ClientOrderId, Environment, ExecutionReport, Price, Qty, Symbol};
use atomik_ports::Broker;
use atomik_ports::broker::BrokerError;
use atomik_testkit::broker_suite::{Ability, VenueFixture, Wrong};
use atomik_testkit::venues::faults::{Fault, StreamFault};
use rust_decimal::Decimal;
use serde_json::json;

use super::setup::{NOW, Setup, connect, connect_as, symbol};

/// The December contract.
const CONID: &str = "495512563";

struct Web(Setup);

#[async_trait]
impl VenueFixture for Web {
    fn broker(&self) -> Arc<dyn Broker> {
        Arc::clone(&self.0.broker)
    }

    fn symbol(&self) -> Symbol {
        symbol("ESZ6")
    }

    fn price(&self) -> Price {
        Price(Decimal::from(5_000))
    }

    fn commission_per_unit(&self) -> Amount {
        Amount(Decimal::new(225, 2))
    }

    /// The Web API has no penalty tickets. Through a gateway requests carry no time, so that nobody sees a clock that is off;
    /// signed requests do, and no document says how far off the broker lets it be.
    fn lacks(&self) -> Vec<Ability> {
        vec![Ability::Fault(Fault::PenaltyTicket), Ability::Wrong(Wrong::Clock)]
    }

    async fn move_price(&mut self, price: Price) {
        self.0.venue.exchange().move_price(CONID, price.0);
    }

    async fn thin_out(&mut self, qty: Qty) {
        self.0.venue.exchange().thin_out(CONID, Some(qty.0));
    }

    async fn restart(&mut self) {
        (self.0.broker, self.0.reports) = connect(&self.0.venue, json!({})).await;
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
        (orders.len(), Qty(orders.iter().map(|order| order.filled()).sum()))
    }

    /// The gateway holds the credentials: nobody is signed in there. Without one, the access token was revoked.
    async fn connect_wrongly(&mut self, wrong: Wrong) -> Result<(), BrokerError> {
        assert_eq!(wrong, Wrong::Credentials);
        if self.0.venue.is_oauth() {
            self.0.venue.revoke_token();
        } else {
            self.0.venue.sign_out();
        }
        connect_as(&self.0.venue, Environment::Paper, NOW, &json!({})).await.map(drop)
    }
}

mod streamed {
    use super::{Setup, Web};

    async fn web() -> Web {
        Web(Setup::new().await)
    }

    atomik_testkit::broker_suite!(web);
}

mod without_orders_on_the_stream {
    use atomik_testkit::venues::ibkr_web::IbkrWebVenue;
    use serde_json::json;

    use super::super::setup::connect;
    use super::{Setup, Web};

    /// Some gateways never tell of orders, only of trades.
    async fn web() -> Web {
        let venue = IbkrWebVenue::start().await;
        venue.tell_no_orders();
        let (broker, reports) = connect(&venue, json!({})).await;
        Web(Setup { venue, broker, reports })
    }

    atomik_testkit::broker_suite!(web);
}

mod without_a_gateway {
    use super::{Setup, Web};

    async fn web() -> Web {
        Web(Setup::oauth().await)
    }

    atomik_testkit::broker_suite!(web);
}
