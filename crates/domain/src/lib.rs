//! The rules of Atomik, pure.
//!
//! Nothing here reads a clock, draws a random number, performs I/O or uses floating point. Time comes in as
//! [`UnixMicros`], money as exact decimals, and every rule is a function from values to values.

pub mod account;
pub mod alert;
pub mod code;
pub mod gate;
pub mod halt;
pub mod ids;
pub mod instrument;
pub mod ip_allowlist;
pub mod money;
pub mod order;
pub mod outcome;
pub mod planner;
pub mod position;
pub mod strategy;
pub mod tier;
pub mod time;
pub mod user;
pub mod webhook;

pub use account::{BrokerAccount, BrokerId, Environment};
pub use alert::{Action, Alert, AlertError, Intention};
pub use code::Code;
pub use gate::{Approved, Denial, Gate};
pub use halt::{Halt, HaltMode, HaltScope};
pub use ids::{
    ApiKeyId, BrokerAccountId, ClientOrderId, DeliveryId, ExecId, HaltId, SessionId, SignalId, StrategyId,
    UserId, VenueOrderId, WebhookId,
};
pub use instrument::{Instrument, Symbol};
pub use money::{Amount, Price, Qty, SignedQty};
pub use order::{ExecutionReport, Fill, Order, OrderRequest, OrderStatus, OrderType, Side, TimeInForce};
pub use outcome::{Outcome, OutcomeStatus};
pub use position::{Position, PositionSide};
pub use strategy::{OnOppositeEntry, Strategy};
pub use tier::{Plan, SubscriptionStatus};
pub use time::UnixMicros;
pub use user::{Role, User};
pub use webhook::Webhook;
