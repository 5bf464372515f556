//! What the venue calls entities, in its words.

use atomik_domain::{OrderStatus, OrderType, Side, TimeInForce, UnixMicros};
use rust_decimal::Decimal;
use serde_json::{Value, json};

use super::super::exchange::{VenueEvent, VenueExecution, VenueOrder};
use super::{ACCOUNT, Listed, NOW_MS, PRODUCTS, Venue};

/// Ids of kinds are apart, so that nobody takes one for another.
const COMMANDS: u64 = 1_000_000;
const REPORTS: u64 = 2_000_000;
const FEES: u64 = 3_000_000;

/// `ES` and 202606 make `ESM6`.
pub(super) fn contract_name(root: &str, month: u32) -> String {
    let letter = "FGHJKMNQUVXZ".chars().nth(month as usize % 100 - 1).unwrap();
    format!("{root}{letter}{}", month / 100 % 10)
}

/// A decimal as a JSON number.
pub(super) fn number(decimal: Decimal) -> Value {
    serde_json::from_str(&decimal.normalize().to_string()).unwrap()
}

pub(super) fn stamp(ms: i64) -> String {
    UnixMicros(ms * 1_000).to_rfc3339()
}

pub(super) fn now() -> i64 {
    NOW_MS.load(std::sync::atomic::Ordering::Relaxed)
}

fn trade_date() -> Value {
    json!({"year": 2026, "month": 3, "day": 20})
}

fn action(side: Side) -> &'static str {
    if side == Side::Buy { "Buy" } else { "Sell" }
}

impl Venue {
    pub(super) fn contract_id(&self, name: &str) -> i64 {
        self.contract(name).map_or(1, |contract| contract.id)
    }

    fn word(&self, order: &VenueOrder) -> &'static str {
        if self.state().strange.contains(&order.id) {
            return "Teleported";
        }
        match order.status {
            OrderStatus::Filled => "Filled",
            OrderStatus::Canceled => "Canceled",
            OrderStatus::Expired => "Expired",
            OrderStatus::Rejected => "Rejected",
            _ => "Working",
        }
    }

    pub(super) fn order(&self, order: &VenueOrder) -> Value {
        json!({
            "id": order.id, "accountId": ACCOUNT, "contractId": self.contract_id(&order.asked.symbol),
            "timestamp": stamp(order.created_ms), "action": action(order.asked.side), "ordStatus": self.word(order),
            "executionProviderId": 1, "admin": false,
        })
    }

    pub(super) fn command(&self, order: &VenueOrder) -> Value {
        let mut command = json!({
            "id": order.id + COMMANDS, "orderId": order.id, "timestamp": stamp(order.created_ms), "commandType": "New",
            "commandStatus": "AtExecution", "isAutomated": true,
        });
        if !order.asked.client_order_id.is_empty() {
            command["clOrdId"] = Value::from(order.asked.client_order_id.as_str());
        }
        command
    }

    pub(super) fn version(&self, order: &VenueOrder) -> Value {
        let order_type = match order.asked.order_type {
            OrderType::Market => "Market",
            OrderType::Limit => "Limit",
            OrderType::Stop => "Stop",
            OrderType::StopLimit => "StopLimit",
        };
        let time_in_force = match order.asked.time_in_force {
            TimeInForce::Day => "Day",
            TimeInForce::Gtc => "GTC",
            TimeInForce::Ioc => "IOC",
            TimeInForce::Fok => "FOK",
        };
        let mut version = json!({
            "id": order.id, "orderId": order.id, "orderQty": number(order.asked.qty), "orderType": order_type,
            "timeInForce": time_in_force,
        });
        for (name, price) in [("price", order.asked.limit_price), ("stopPrice", order.asked.stop_price)] {
            if let Some(price) = price {
                version[name] = number(price);
            }
        }
        version
    }

    pub(super) fn fill(&self, order: &VenueOrder, execution: &VenueExecution) -> Value {
        json!({
            "id": execution.id, "orderId": order.id, "contractId": self.contract_id(&order.asked.symbol),
            "timestamp": stamp(execution.at_ms), "tradeDate": trade_date(), "action": action(order.asked.side),
            "qty": number(execution.qty), "price": number(execution.price), "active": true, "finallyPaired": 0,
        })
    }

    pub(super) fn fee(&self, execution: &VenueExecution) -> Value {
        let exchange_fee = Decimal::new(39, 2).min(execution.commission);
        json!({
            "id": execution.id + FEES, "exchangeFee": number(exchange_fee), "exchangeCurrencyId": 1,
            "commission": number(execution.commission - exchange_fee), "commissionCurrencyId": 1,
        })
    }

    /// The reports of an order: one of each execution, or of its beginning, and one of its end.
    pub(super) fn reports(&self, order: &VenueOrder) -> Vec<Value> {
        let mut cum = Decimal::ZERO;
        let mut reports = vec![self.report(order, order.id, "New", "Working", cum, None)];
        for execution in &order.executions {
            cum += execution.qty;
            let word = if cum == order.asked.qty { "Filled" } else { "Working" };
            reports.push(self.report(order, execution.id, "Trade", word, cum, Some(execution)));
        }
        if order.status.is_final() && order.status != OrderStatus::Filled {
            let word = self.word(order);
            let exec_type = if word == "Teleported" { "OrderStatus" } else { word };
            reports.push(self.report(order, order.id + REPORTS, exec_type, word, cum, None));
        }
        reports
    }

    fn report(
        &self,
        order: &VenueOrder,
        id: u64,
        exec_type: &str,
        word: &str,
        cum: Decimal,
        execution: Option<&VenueExecution>,
    ) -> Value {
        let mut report = json!({
            "id": id + REPORTS, "commandId": order.id + COMMANDS, "name": format!("report-{id}"), "accountId": ACCOUNT,
            "contractId": self.contract_id(&order.asked.symbol), "timestamp": stamp(order.updated_ms),
            "orderId": order.id, "execType": exec_type, "action": action(order.asked.side), "ordStatus": word,
            "cumQty": number(cum),
        });
        if let Some(execution) = execution {
            report["lastQty"] = number(execution.qty);
            report["lastPx"] = number(execution.price);
            report["tradeDate"] = trade_date();
        }
        if let Some(reason) = order.reason.as_ref().filter(|_| execution.is_none()) {
            report["text"] = Value::from(reason.as_str());
        }
        report
    }

    pub(super) fn positions(&self) -> Vec<Value> {
        let held = self.held();
        held.iter().map(|(symbol, held)| self.position(symbol, held.qty, held.avg_price)).collect()
    }

    fn position(&self, symbol: &str, net: Decimal, price: Decimal) -> Value {
        let contract_id = self.contract_id(symbol);
        json!({
            "id": contract_id, "accountId": ACCOUNT, "contractId": contract_id, "timestamp": stamp(now()),
            "tradeDate": trade_date(), "netPos": number(net), "netPrice": number(price), "bought": 0, "boughtValue": 0,
            "sold": 0, "soldValue": 0, "prevPos": 0,
        })
    }

    /// What the stream tells of an event: entity type, event type, entity.
    pub(super) fn told(&self, event: &VenueEvent) -> Vec<(&'static str, &'static str, Value)> {
        let order = &event.order;
        if let Some(execution) = &event.execution {
            let report =
                self.reports(order).into_iter().find(|one| one["id"] == execution.id + REPORTS).unwrap();
            let held = self.held().get(&order.asked.symbol).copied().unwrap_or_default();
            return vec![
                ("fill", "Created", self.fill(order, execution)),
                ("executionReport", "Created", report),
                (
                    "position",
                    "Updated",
                    self.position(&order.asked.symbol, execution.position_after, held.avg_price),
                ),
                ("order", "Updated", self.order(order)),
            ];
        }
        if order.status.is_final() {
            let report = self.reports(order).pop().unwrap();
            return vec![("executionReport", "Created", report), ("order", "Updated", self.order(order))];
        }
        vec![
            ("order", "Created", self.order(order)),
            ("orderVersion", "Created", self.version(order)),
            ("command", "Created", self.command(order)),
            ("executionReport", "Created", self.reports(order).remove(0)),
        ]
    }

    /// How everything stands.
    pub(super) fn snapshot(&self, entity_types: &[String]) -> Value {
        let orders = self.exchange.orders();
        let all = |of: &dyn Fn(&VenueOrder) -> Vec<Value>| orders.iter().flat_map(of).collect::<Vec<_>>();
        let mut snapshot = json!({"users": [], "contractGroups": []});
        let parts = [
            ("order", "orders", all(&|order| vec![self.order(order)])),
            ("orderVersion", "orderVersions", all(&|order| vec![self.version(order)])),
            ("command", "commands", all(&|order| vec![self.command(order)])),
            ("executionReport", "executionReports", all(&|order| self.reports(order))),
            (
                "fill",
                "fills",
                all(&|order| order.executions.iter().map(|one| self.fill(order, one)).collect()),
            ),
            ("position", "positions", self.positions()),
        ];
        for (entity_type, name, entities) in parts {
            if entity_types.iter().any(|wanted| wanted == entity_type) {
                snapshot[name] = Value::from(entities);
            }
        }
        snapshot
    }

    pub(super) fn balance(&self) -> Value {
        let (cash, open) = (self.exchange.cash(), self.exchange.unrealized());
        let contracts: Decimal = self.held().values().map(|held| held.qty.abs()).sum();
        json!({
            "totalCashValue": number(cash), "openPnL": number(open), "netLiq": number(cash + open),
            "totalPnL": number(cash + open - Decimal::from(100_000)), "realizedPnL": number(cash - Decimal::from(100_000)),
            "initialMargin": number(contracts * Decimal::from(1_000)), "maintenanceMargin": number(contracts * Decimal::from(900)),
        })
    }
}

pub(super) fn contract(listed: &Listed) -> Value {
    json!({"id": listed.id, "name": listed.name, "contractMaturityId": listed.maturity_id})
}

pub(super) fn product(name: &str) -> Option<Value> {
    let product = PRODUCTS.iter().find(|product| product.name.eq_ignore_ascii_case(name))?;
    let mut written = json!({
        "id": product.id, "name": product.name, "currencyId": 1, "productType": "Futures",
        "description": format!("{} of the fake venue", product.name), "exchangeId": 1, "contractGroupId": 1,
        "status": "Verified", "valuePerPoint": product.per_point, "priceFormatType": "Decimal", "priceFormat": 2,
        "tickSize": number(product.tick.parse().unwrap()),
    });
    if let Some(months) = product.months {
        written["months"] = Value::from(months);
    }
    Some(written)
}

pub(super) fn maturities(product_id: i64) -> Vec<Value> {
    let Some(product) = PRODUCTS.iter().find(|product| product.id == product_id) else { return Vec::new() };
    let maturity = |(at, (month, expires, notice)): (i64, &(u32, &str, Option<&str>))| {
        let mut written = json!({
            "id": product.id * 100 + at, "productId": product.id, "expirationMonth": month, "expirationDate": expires,
            "isFront": at == 1,
        });
        if let Some(notice) = notice {
            written["firstIntentDate"] = Value::from(*notice);
        }
        written
    };
    (0..).zip(product.maturities).map(maturity).collect()
}
