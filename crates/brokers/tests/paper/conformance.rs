//! The paper venue under the conformance suite.

use std::sync::Arc;

use async_trait::async_trait;
use atomik_domain::{Amount, ExecutionReport, OrderRequest, Price, Qty, Side, Symbol};
use atomik_ports::Broker;
use atomik_testkit::broker_suite;
use atomik_testkit::broker_suite::{Ability, VenueFixture, market_order};
use serde_json::{Value, json};

use super::setup::{Setup, decimal, price, qty, symbol};

struct Paper(Setup);

async fn paper() -> Paper {
    Paper(Setup::with(settings("5000")).await)
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

    fn lacks(&self) -> Vec<Ability> {
        Vec::new()
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

    async fn next_report(&mut self) -> ExecutionReport {
        self.0.reports.recv().await.expect("the connection lives")
    }
}

broker_suite!(paper);
