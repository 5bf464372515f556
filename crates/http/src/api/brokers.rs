//! The catalogue: which brokers there are and what each needs and can do.

use atomik_domain::{Environment, OrderType, TimeInForce};
use atomik_ports::broker::{
    BrokerDescription, Capabilities, ClientIdUniqueness, CredentialField, SettingField,
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
    /// Whether no account can be linked without it.
    required: bool,
}

impl From<CredentialField> for CredentialFieldView {
    fn from(field: CredentialField) -> Self {
        Self { name: field.name, label: field.label, required: field.required }
    }
}

/// A setting that a broker knows.
#[derive(Serialize, ToSchema)]
#[schema(as = SettingField)]
struct SettingFieldView {
    /// Its name in `settings`.
    name: String,
    /// What it does, in a sentence, with its default.
    description: String,
}

impl From<SettingField> for SettingFieldView {
    fn from(field: SettingField) -> Self {
        Self { name: field.name, description: field.description }
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
    /// For how long it refuses a second order with the same client order id: `forever`, `among_open_orders` or
    /// `undocumented`. Only with `forever` is an order ever sent again.
    #[schema(value_type = String, example = "forever")]
    client_id_uniqueness: &'static str,
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
                ClientIdUniqueness::AmongOpenOrders => "among_open_orders",
                ClientIdUniqueness::Undocumented => "undocumented",
            },
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
