//! Domain values for tests: valid, plain, and different where they must be. Tests change what they care about.

#![allow(clippy::unwrap_used)] // for tests only, where a wrong constant should stop the test

use atomik_domain::alert::Action;
use atomik_domain::ip_allowlist::IpAllowlist;
use atomik_domain::order::{Execution, PriceSource};
use atomik_domain::strategy::{Behavior, DEFAULT_MAX_SIGNAL_AGE_S};
use atomik_domain::{
    Amount, BrokerAccount, BrokerAccountId, BrokerId, ClientOrderId, Code, Environment, ExecId, Fill,
    OnOppositeEntry, Order, OrderRequest, OrderStatus, OrderType, Outcome, OutcomeStatus, Position, Price,
    Qty, Side, SignalId, SignedQty, Strategy, StrategyId, Symbol, TimeInForce, UnixMicros, User, UserId,
    Webhook, WebhookId,
};
use atomik_ports::directory::{NewBrokerAccount, NewStrategy, NewUser, NewWebhook, Registration};
use atomik_ports::journal::{NewSignal, PositionRecord, Refusal, RepeatKeys, SignalSource};
use atomik_ports::{Credentials, Store, StoreError};
use rust_decimal::Decimal;
use uuid::Uuid;

/// When tests begin: 2026-03-20, in the morning.
pub const START: UnixMicros = UnixMicros(1_774_000_000_000_000);

/// So many seconds after [`START`].
#[must_use]
pub const fn at(seconds: i64) -> UnixMicros {
    START.plus_seconds(seconds)
}

/// A decimal of whole units and hundredths: `decimal(1050)` is 10.50.
#[must_use]
pub fn hundredths(hundredths: i64) -> Decimal {
    Decimal::new(hundredths, 2)
}

/// A quantity of whole units.
#[must_use]
pub fn qty(units: i64) -> Qty {
    Qty(Decimal::from(units))
}

/// A symbol.
#[must_use]
pub fn symbol(text: &str) -> Symbol {
    Symbol::parse(text).unwrap()
}

/// A user to be made, with an address at `example.com`.
#[must_use]
pub fn new_user(name: &str) -> NewUser {
    NewUser {
        email: format!("{name}@example.com"),
        password_hash: format!("$argon2id$v=19$m=8,t=1,p=1$c2FsdHNhbHQ${name}"),
        created_at: START,
    }
}

/// A webhook to be made. `token` must be unique.
#[must_use]
pub fn new_webhook(user_id: UserId, token: &str) -> NewWebhook {
    NewWebhook {
        user_id,
        name: format!("Webhook {token}"),
        description: "from a test".to_owned(),
        token: token.to_owned(),
        secret_hash: [7; 32],
        require_secret: true,
        allowed_ips: IpAllowlist::parse("10.0.0.0/8, tradingview").unwrap(),
        dedupe_window_s: 1,
        created_at: START,
    }
}

/// A paper account to be linked.
#[must_use]
pub fn new_account(user_id: UserId, label: &str) -> NewBrokerAccount {
    NewBrokerAccount {
        user_id,
        broker: BrokerId("paper".to_owned()),
        environment: Environment::Paper,
        label: label.to_owned(),
        settings: serde_json::json!({"starting_balance": "100000"}),
        credentials: Credentials::default(),
        created_at: START,
    }
}

/// How a strategy trades: two ES a signal.
#[must_use]
pub fn behavior() -> Behavior {
    Behavior {
        quantity: qty(2),
        max_position: qty(2),
        on_opposite_entry: OnOppositeEntry::Exit,
        bare_sell_opens_short: false,
        max_signal_age_s: DEFAULT_MAX_SIGNAL_AGE_S,
    }
}

/// An active strategy to be made.
#[must_use]
pub fn new_strategy(user_id: UserId, webhook_id: WebhookId, account_id: BrokerAccountId) -> NewStrategy {
    NewStrategy {
        user_id,
        name: "Two ES".to_owned(),
        webhook_id,
        broker_account_id: account_id,
        symbol: symbol("ES"),
        behavior: behavior(),
        active: true,
        created_at: START,
    }
}

/// A user with one of everything.
#[derive(Clone, Debug)]
pub struct Tenant {
    /// The user.
    pub user: User,
    /// Their webhook.
    pub webhook: Webhook,
    /// Their account.
    pub account: BrokerAccount,
    /// Their strategy: the webhook's, on the account.
    pub strategy: Strategy,
}

/// Makes a user with one of everything. `name` must be unique in the store.
///
/// # Errors
/// The store's.
pub async fn tenant(store: &dyn Store, name: &str) -> Result<Tenant, StoreError> {
    let user = store.create_user(new_user(name), Registration::Open).await?;
    let webhook = store.create_webhook(new_webhook(user.id, &format!("token-{name}")), None).await?;
    let account = store.create_broker_account(new_account(user.id, name), None).await?;
    let strategy = store.create_strategy(new_strategy(user.id, webhook.id, account.id), None).await?;
    Ok(Tenant { user, webhook, account, strategy })
}

/// A BUY without a repeat key or targets, received at [`START`].
#[must_use]
pub fn signal(tenant: &Tenant) -> NewSignal {
    NewSignal {
        user_id: tenant.user.id,
        webhook_id: tenant.webhook.id,
        source: SignalSource::Alert,
        received_at: START,
        action: Action::Buy,
        comment: Some("ENTRY".to_owned()),
        price: Some(Price(hundredths(500_025))),
        quantity: Some(qty(3)),
        symbol: Some("ES1!".to_owned()),
        notes: vec!["The quantity was sent as a number.".to_owned()],
        remote_ip: Some([10, 1, 2, 3].into()),
        payload: r#"{"action":"BUY"}"#.to_owned(),
        repeat: None,
        targets: Vec::new(),
    }
}

/// The same, with a repeat window of one second.
#[must_use]
pub fn windowed(tenant: &Tenant, fingerprint: u8) -> NewSignal {
    windowed_for(tenant, fingerprint, 1)
}

/// The same, with a window of so many seconds.
#[must_use]
pub fn windowed_for(tenant: &Tenant, fingerprint: u8, window_s: u32) -> NewSignal {
    let window_us = i64::from(window_s) * UnixMicros::SECOND;
    let window = RepeatKeys::Window { fingerprint: [fingerprint; 16], window_us };
    NewSignal { repeat: Some(window), ..signal(tenant) }
}

/// The same, with an explicit id.
#[must_use]
pub fn identified(tenant: &Tenant, id: u8, body: u8) -> NewSignal {
    let explicit = RepeatKeys::Explicit { id: [id; 16], body: [body; 16] };
    NewSignal { repeat: Some(explicit), ..signal(tenant) }
}

/// A refused delivery, received at [`START`].
#[must_use]
pub fn refusal(tenant: &Tenant, status: u16, code: Code) -> Refusal {
    Refusal {
        user_id: tenant.user.id,
        webhook_id: tenant.webhook.id,
        received_at: START,
        remote_ip: [203, 0, 113, 9].into(),
        status,
        code,
        detail: "Refused in a test.".to_owned(),
        payload: Some("{}".to_owned()),
        suppressed: 0,
    }
}

/// The id of an order, as this test's installation derives it.
#[must_use]
pub fn order_id(signal_id: SignalId, strategy_id: StrategyId, leg: u8) -> ClientOrderId {
    ClientOrderId::derive(Uuid::from_u128(1), signal_id, strategy_id, leg)
}

/// A market order of the tenant's strategy that was just decided.
#[must_use]
pub fn order(tenant: &Tenant, signal_id: SignalId, leg: u8) -> Order {
    Order {
        user_id: tenant.user.id,
        signal_id,
        strategy_id: tenant.strategy.id,
        leg,
        broker_account_id: tenant.account.id,
        request: OrderRequest {
            client_order_id: order_id(signal_id, tenant.strategy.id, leg),
            symbol: symbol("ES"),
            side: Side::Buy,
            order_type: OrderType::Market,
            time_in_force: TimeInForce::Day,
            order_qty: qty(2),
            limit_price: None,
            stop_price: None,
            reduce_only: false,
            reference_price: Some(Price(hundredths(500_025))),
        },
        venue_order_id: None,
        status: OrderStatus::Pending,
        filled_qty: Qty::ZERO,
        avg_price: None,
        reason: None,
        planned_at: START,
        sent_at: None,
        acknowledged_at: None,
        filled_at: None,
        updated_at: START,
    }
}

/// A fill of all of an order.
#[must_use]
pub fn fill(order: &Order, exec_id: &str) -> Fill {
    Fill {
        user_id: order.user_id,
        broker_account_id: order.broker_account_id,
        strategy_id: order.strategy_id,
        signal_id: order.signal_id,
        client_order_id: order.request.client_order_id,
        symbol: order.request.symbol.clone(),
        side: order.request.side,
        execution: Execution {
            exec_id: ExecId(exec_id.to_owned()),
            last_qty: order.request.order_qty,
            last_price: Price(hundredths(500_050)),
            commission: Amount(hundredths(250)),
            fee_qty: Qty(hundredths(1)),
            price_source: PriceSource::Simulated,
            traded_at: START,
        },
        realized_profit: Amount::ZERO,
        recorded_at: START,
    }
}

/// A position of the tenant's strategy in ES.
#[must_use]
pub fn position(tenant: &Tenant, net_qty: i64) -> PositionRecord {
    PositionRecord {
        user_id: tenant.user.id,
        strategy_id: tenant.strategy.id,
        broker_account_id: tenant.account.id,
        symbol: symbol("ES"),
        position: Position {
            net_qty: SignedQty(Decimal::from(net_qty)),
            avg_price: Price(hundredths(500_050)),
            realized_profit: Amount(hundredths(-1_250)),
            commission: Amount(hundredths(250)),
            fee_qty: Qty(hundredths(2)),
        },
        updated_at: START,
    }
}

/// An outcome of the tenant's strategy.
#[must_use]
pub fn outcome(tenant: &Tenant, signal_id: SignalId, status: OutcomeStatus, code: Code) -> Outcome {
    Outcome {
        signal_id,
        strategy_id: tenant.strategy.id,
        status,
        code,
        detail: format!("{status} in a test"),
        planned_at: Some(START),
        settled_at: status.is_final().then_some(START),
    }
}
