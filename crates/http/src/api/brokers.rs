//! The catalogue: which brokers there are and what each needs and can do.

use atomik_domain::{Environment, OrderType, TimeInForce};
use atomik_ports::broker::{
    BrokerDescription, Capabilities, ClientIdUniqueness, CredentialField, FillReports, RateLimit,
    SettingField, SettingKind,
};
use axum::Json;
use axum::extract::State;
use serde::Serialize;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::AppState;
use crate::api::format::{EnvironmentWord, OrderTypeWord, TimeInForceWord};
use crate::auth::CurrentUser;
use crate::extract::ListOf;

/// The route `/brokers`.
pub fn routes() -> OpenApiRouter<AppState> {
    OpenApiRouter::new().routes(routes!(list_brokers))
}

/// A broker that accounts can be linked at.
#[derive(Serialize, ToSchema)]
#[schema(as = Broker)]
struct BrokerView {
    /// Its name in requests: `paper`.
    broker: String,
    /// Its name for people.
    name: String,
    /// In which of its worlds accounts can be.
    #[schema(value_type = Vec<EnvironmentWord>)]
    environments: Vec<Environment>,
    /// What credentials it needs; empty for none.
    credential_fields: Vec<CredentialFieldView>,
    /// What settings it knows.
    setting_fields: Vec<SettingFieldView>,
    /// What it can do.
    capabilities: CapabilitiesView,
}

impl From<BrokerDescription> for BrokerView {
    fn from(description: BrokerDescription) -> Self {
        Self {
            broker: description.broker.to_string(),
            name: description.name,
            environments: description.environments,
            credential_fields: description.credential_fields.into_iter().map(Into::into).collect(),
            setting_fields: description.setting_fields.into_iter().map(Into::into).collect(),
            capabilities: description.capabilities.into(),
        }
    }
}

/// A credential that a broker needs.
#[derive(Serialize, ToSchema)]
#[schema(as = CredentialField)]
struct CredentialFieldView {
    /// Its name in `credentials`.
    name: String,
    /// Its name for people.
    label: String,
    /// What it is and where it is found, in a sentence.
    description: String,
    /// Whether no account can be linked without it.
    required: bool,
    /// Whether it has several lines.
    multiline: bool,
}

impl From<CredentialField> for CredentialFieldView {
    fn from(field: CredentialField) -> Self {
        let CredentialField { name, label, description, required, multiline } = field;
        Self { name, label, description, required, multiline }
    }
}

/// A setting that a broker knows.
#[derive(Serialize, ToSchema)]
#[schema(as = SettingField)]
struct SettingFieldView {
    /// Its name in `settings`.
    name: String,
    /// Its name for people.
    label: String,
    /// What it does, in a sentence, with its default.
    description: String,
    /// What its value is: `text`, `decimal` (as text), `integer`, `boolean`, `choice` (one of `choices`), `list` (of
    /// texts) or `decimals` (names, each with a decimal as text).
    #[schema(value_type = String, example = "text")]
    kind: &'static str,
    /// What may be chosen; empty where that is not the question.
    choices: Vec<String>,
}

impl From<SettingField> for SettingFieldView {
    fn from(field: SettingField) -> Self {
        let (kind, choices) = match field.kind {
            SettingKind::Text => ("text", Vec::new()),
            SettingKind::Decimal => ("decimal", Vec::new()),
            SettingKind::Integer => ("integer", Vec::new()),
            SettingKind::Boolean => ("boolean", Vec::new()),
            SettingKind::Choice(choices) => ("choice", choices),
            SettingKind::List => ("list", Vec::new()),
            SettingKind::Decimals => ("decimals", Vec::new()),
        };
        Self { name: field.name, label: field.label, description: field.description, kind, choices }
    }
}

/// How many requests a broker takes.
#[derive(Serialize, ToSchema)]
#[schema(as = RateLimit)]
struct RateLimitView {
    /// What is counted, in the broker's words.
    of: String,
    /// How many.
    max: u32,
    /// In how many seconds.
    per_s: u64,
}

impl From<RateLimit> for RateLimitView {
    fn from(limit: RateLimit) -> Self {
        Self { of: limit.of, max: limit.max, per_s: limit.per.as_secs() }
    }
}

/// What a broker can do.
#[derive(Serialize, ToSchema)]
#[schema(as = Capabilities)]
struct CapabilitiesView {
    /// The order types it takes.
    #[schema(value_type = Vec<OrderTypeWord>)]
    order_types: Vec<OrderType>,
    /// The times in force it takes.
    #[schema(value_type = Vec<TimeInForceWord>)]
    times_in_force: Vec<TimeInForce>,
    /// Whether it can itself hold an order to making a position smaller.
    reduce_only: bool,
    /// Whether quantities may be fractions of one.
    fractional_quantities: bool,
    /// For how long it refuses a second order with the same client order id: `forever`, `for_a_while` (see
    /// `client_id_unique_s`), `among_open_orders` or `undocumented`. Only where that is `forever` is an entry ever sent again.
    #[schema(value_type = String, example = "forever")]
    client_id_uniqueness: &'static str,
    /// For how many seconds, where that is for a while.
    client_id_unique_s: Option<u64>,
    /// Whether it finds an order by the client order id; where not, its lists are searched.
    look_up_by_client_id: bool,
    /// How fills are heard of: `streamed` or `polled`.
    #[schema(value_type = String, example = "streamed")]
    fill_reports: &'static str,
    /// How many requests it takes; empty where nothing is counted.
    rate_limits: Vec<RateLimitView>,
    /// The largest part of bought coins that it may keep as its fee without telling it with the fill; 0 where fills tell.
    untold_coin_fee: String,
    /// How long after a send an order may not yet show in look-ups, in milliseconds.
    settle_window_ms: u64,
}

impl From<Capabilities> for CapabilitiesView {
    fn from(capabilities: Capabilities) -> Self {
        Self {
            order_types: capabilities.order_types,
            times_in_force: capabilities.times_in_force,
            reduce_only: capabilities.reduce_only,
            fractional_quantities: capabilities.fractional_quantities,
            client_id_uniqueness: match capabilities.client_id_uniqueness {
                ClientIdUniqueness::Forever => "forever",
                ClientIdUniqueness::For(_) => "for_a_while",
                ClientIdUniqueness::AmongOpenOrders => "among_open_orders",
                ClientIdUniqueness::Undocumented => "undocumented",
            },
            client_id_unique_s: match capabilities.client_id_uniqueness {
                ClientIdUniqueness::For(span) => Some(span.as_secs()),
                _ => None,
            },
            look_up_by_client_id: capabilities.look_up_by_client_id,
            fill_reports: match capabilities.fill_reports {
                FillReports::Streamed => "streamed",
                FillReports::Polled(_) => "polled",
            },
            rate_limits: capabilities.rate_limits.into_iter().map(Into::into).collect(),
            untold_coin_fee: capabilities.untold_coin_fee.to_string(),
            settle_window_ms: u64::try_from(capabilities.settle_window.as_millis()).unwrap_or(u64::MAX),
        }
    }
}

/// The brokers that accounts can be linked at
#[utoipa::path(
    get,
    path = "/brokers",
    tag = "brokers",
    responses(
        (status = OK, description = "The catalogue, by name.", body = ListOf<BrokerView>),
        (status = UNAUTHORIZED, description = "Nobody is signed in (`unauthenticated`).", body = crate::error::ErrorBody),
        (status = SERVICE_UNAVAILABLE, description = "The store cannot be reached (`store_unavailable`).", body = crate::error::ErrorBody),
    )
)]
async fn list_brokers(_: CurrentUser, State(state): State<AppState>) -> Json<ListOf<BrokerView>> {
    let connectors = state.engine.connectors().values();
    Json(ListOf::whole(connectors.map(|connector| connector.description().into()).collect()))
}
