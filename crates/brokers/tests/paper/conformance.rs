//! The paper venue under the conformance suite.

use std::sync::Arc;

use async_trait::async_trait;
use atomik_domain::{Amount, ClientOrderId, ExecutionReport, OrderRequest, Price, Qty, Side, Symbol};
use atomik_ports::Broker;
use atomik_ports::broker::{BrokerError, LookUp};
use atomik_testkit::broker_suite::{Ability, VenueFixture, Wrong, market_order};
use atomik_testkit::venues::faults::{Fault, StreamFault};
use serde_json::{Value, json};

use super::setup::{Engine, Setup, decimal, price, qty, symbol};

struct Paper(Setup);

async fn in_a_file() -> Paper {
    Paper(Setup::on(Engine::Sqlite, settings("5000")).await)
}

async fn in_postgres() -> Paper {
    Paper(Setup::on(Engine::Postgres, settings("5000")).await)
}

fn settings(fixed: &str) -> Value {
    json!({"starting_balance": "1000000", "prices": {"ES": fixed}, "commission": "1.25"})
}

#[async_trait]
impl VenueFixture for Paper {
    fn broker(&self) -> Arc<dyn Broker> {
        Arc::clone(&self.0.broker)
    }

    fn symbol(&self) -> Symbol {
        symbol("ES")
    }

    fn price(&self) -> Price {
        price("5000")
    }

    fn commission_per_unit(&self) -> Amount {
        Amount(decimal("1.25"))
    }

    /// Nothing lies between: a call is answered by the venue's own commit, and there are neither credentials nor clocks.
    fn lacks(&self) -> Vec<Ability> {
        let faults = Fault::ALL.iter().map(|fault| Ability::Fault(*fault));
        let stream = StreamFault::ALL.iter().map(|fault| Ability::Stream(*fault));
        let wrong = [Wrong::Credentials, Wrong::Clock].map(Ability::Wrong);
        faults.chain(stream).chain(wrong).collect()
    }

    async fn move_price(&mut self, price: Price) {
        self.0.change(settings(&price.to_string())).await;
        // An alert's price is a tick, whatever becomes of its order: this one is below the lot.
        let tick = market_order(self.symbol(), Side::Buy, qty("0.5"));
        self.0.rejected(&OrderRequest { reference_price: Some(price), ..tick }).await;
    }

    async fn thin_out(&mut self, qty: Qty) {
        // The alert's price fills that much; the fixed one is out of every limit's reach.
        let mut thin = settings("5500");
        thin["max_fill_qty_per_tick"] = json!(qty.to_string());
        self.0.change(thin).await;
    }

    async fn restart(&mut self) {
        self.0.restart().await;
    }

    async fn next_report(&mut self) -> Option<ExecutionReport> {
        self.0.reports.recv().await
    }

    async fn plan(&mut self, fault: Fault) {
        panic!("the paper venue lacks {fault:?}");
    }

    async fn disturb(&mut self, fault: StreamFault) {
        panic!("the paper venue lacks {fault:?}");
    }

    async fn journal(&self, id: ClientOrderId) -> (usize, Qty) {
        match self.0.broker.look_up(&self.symbol(), id).await {
            LookUp::Found(report) => (1, report.filled_qty),
            _ => (0, Qty::ZERO),
        }
    }

    async fn connect_wrongly(&mut self, wrong: Wrong) -> Result<(), BrokerError> {
        panic!("the paper venue lacks {wrong:?}");
    }
}

mod sqlite {
    atomik_testkit::broker_suite!(super::in_a_file);
}

mod postgres {
    atomik_testkit::broker_suite!(super::in_postgres);
}
