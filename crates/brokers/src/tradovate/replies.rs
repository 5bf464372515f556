//! What the venue says, as much of it as is used.

use rust_decimal::Decimal;
use secrecy::SecretString;
use serde::{Deserialize, Deserializer};

use crate::wire::decimal::{exact, exact_opt, sum};

fn secret<'de, D: Deserializer<'de>>(deserializer: D) -> Result<SecretString, D::Error> {
    String::deserialize(deserializer).map(SecretString::from)
}

fn secret_opt<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<SecretString>, D::Error> {
    Option::<String>::deserialize(deserializer).map(|text| text.map(SecretString::from))
}

/// The document lets a list be missing or null.
fn null_is_empty<'de, D: Deserializer<'de>, T: Deserialize<'de>>(
    deserializer: D,
) -> Result<Vec<T>, D::Error> {
    Option::<Vec<T>>::deserialize(deserializer).map(Option::unwrap_or_default)
}

/// A penalty: the request was not handled. Any answer with status 200 may be one.
#[derive(Debug, Deserialize)]
pub(super) struct Penalty {
    #[serde(rename = "p-ticket", deserialize_with = "secret")]
    pub ticket: SecretString,
    #[serde(default, rename = "p-time")]
    pub seconds: Option<u64>,
    #[serde(default, rename = "p-captcha")]
    pub captcha: bool,
}

/// The answer to a login or a renewal.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct AccessToken {
    pub error_text: Option<String>,
    #[serde(default, deserialize_with = "secret_opt")]
    pub access_token: Option<SecretString>,
    pub expiration_time: Option<String>,
    pub user_status: Option<String>,
}

/// The answer to an OAuth grant.
#[derive(Debug, Deserialize)]
pub(super) struct OAuthToken {
    #[serde(default, deserialize_with = "secret_opt")]
    pub access_token: Option<SecretString>,
    #[serde(default, deserialize_with = "secret_opt")]
    pub refresh_token: Option<SecretString>,
    pub expires_in: Option<u64>,
    pub error: Option<String>,
    pub error_description: Option<String>,
}

#[derive(Clone, Debug, Deserialize)]
pub(super) struct Account {
    pub id: i64,
    pub name: String,
    pub active: bool,
}

/// The answer to an order.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Placed {
    pub order_id: Option<i64>,
    pub failure_reason: Option<String>,
    pub failure_text: Option<String>,
}

/// The answer to a cancel.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Commanded {
    pub command_id: Option<i64>,
    pub failure_reason: Option<String>,
    pub failure_text: Option<String>,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Order {
    pub id: i64,
    pub account_id: i64,
    pub ord_status: String,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct OrderVersion {
    pub order_id: i64,
    #[serde(deserialize_with = "exact")]
    pub order_qty: Decimal,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Command {
    pub order_id: i64,
    pub command_type: String,
    pub cl_ord_id: Option<String>,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Fill {
    pub id: i64,
    pub order_id: i64,
    pub timestamp: String,
    #[serde(deserialize_with = "exact")]
    pub qty: Decimal,
    #[serde(deserialize_with = "exact")]
    pub price: Decimal,
    /// `false` for a fill that was taken back.
    #[serde(default = "yes")]
    pub active: bool,
}

const fn yes() -> bool {
    true
}

/// What a fill cost. It has no name of the fill: it is asked for by the fill.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(super) struct FillFee {
    #[serde(deserialize_with = "exact_opt")]
    pub clearing_fee: Option<Decimal>,
    #[serde(deserialize_with = "exact_opt")]
    pub exchange_fee: Option<Decimal>,
    #[serde(deserialize_with = "exact_opt")]
    pub nfa_fee: Option<Decimal>,
    #[serde(deserialize_with = "exact_opt")]
    pub brokerage_fee: Option<Decimal>,
    #[serde(deserialize_with = "exact_opt")]
    pub ip_fee: Option<Decimal>,
    #[serde(deserialize_with = "exact_opt")]
    pub commission: Option<Decimal>,
    #[serde(deserialize_with = "exact_opt")]
    pub order_routing_fee: Option<Decimal>,
}

impl FillFee {
    /// Everything together.
    pub fn total(&self) -> Decimal {
        let parts = [
            self.clearing_fee,
            self.exchange_fee,
            self.nfa_fee,
            self.brokerage_fee,
            self.ip_fee,
            self.commission,
            self.order_routing_fee,
        ];
        sum(parts.into_iter().flatten())
    }
}

#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct VenueExecutionReport {
    pub order_id: i64,
    #[serde(default, deserialize_with = "exact_opt")]
    pub cum_qty: Option<Decimal>,
    pub reject_reason: Option<String>,
    pub text: Option<String>,
}

impl VenueExecutionReport {
    /// Why, where it says so.
    pub fn reason(&self) -> Option<String> {
        let word = self.reject_reason.clone().filter(|word| word != "Success");
        match (word, self.text.clone().filter(|text| !text.is_empty())) {
            (Some(word), Some(text)) => Some(format!("{word}: {text}")),
            (word, text) => word.or(text),
        }
    }
}

#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Position {
    pub account_id: i64,
    pub contract_id: i64,
    #[serde(deserialize_with = "exact")]
    pub net_pos: Decimal,
    #[serde(default, deserialize_with = "exact_opt")]
    pub net_price: Option<Decimal>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct CashBalanceSnapshot {
    pub error_text: Option<String>,
    #[serde(default, deserialize_with = "exact_opt")]
    pub total_cash_value: Option<Decimal>,
    #[serde(default, deserialize_with = "exact_opt")]
    pub net_liq: Option<Decimal>,
    #[serde(default, deserialize_with = "exact_opt")]
    pub initial_margin: Option<Decimal>,
}

#[derive(Clone, Debug, Deserialize)]
pub(super) struct Contract {
    pub id: i64,
    pub name: String,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct ContractMaturity {
    /// `202612`.
    pub expiration_month: u32,
    pub expiration_date: String,
    pub first_intent_date: Option<String>,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Product {
    pub id: i64,
    pub name: String,
    pub description: String,
    pub product_type: String,
    pub currency_id: i64,
    pub exchange_id: i64,
    #[serde(deserialize_with = "exact")]
    pub value_per_point: Decimal,
    #[serde(deserialize_with = "exact")]
    pub tick_size: Decimal,
    /// The month letters that it trades in; not every product tells.
    pub months: Option<String>,
}

/// An exchange or a currency.
#[derive(Clone, Debug, Deserialize)]
pub(super) struct Named {
    pub id: i64,
    pub name: String,
}

/// The answer to `user/syncrequest`: how everything stands.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(super) struct SyncMessage {
    #[serde(deserialize_with = "null_is_empty")]
    pub orders: Vec<Order>,
    #[serde(deserialize_with = "null_is_empty")]
    pub order_versions: Vec<OrderVersion>,
    #[serde(deserialize_with = "null_is_empty")]
    pub commands: Vec<Command>,
    #[serde(deserialize_with = "null_is_empty")]
    pub fills: Vec<Fill>,
    #[serde(deserialize_with = "null_is_empty")]
    pub execution_reports: Vec<VenueExecutionReport>,
    #[serde(deserialize_with = "null_is_empty")]
    pub positions: Vec<Position>,
}

#[cfg(test)]
mod tests {
    #![allow(clippy::print_stdout)]
    use std::fmt::Debug;

    use atomik_testkit::venues::spec::material_file;
    use serde::de::DeserializeOwned;
    use serde_json::{Map, Value, json};

    use super::*;

    /// An instance of a schema with all of its properties.
    fn sample(document: &Value, schema: &Value) -> Value {
        if let Some(reference) = schema["$ref"].as_str() {
            return sample(document, document.pointer(reference.trim_start_matches('#')).unwrap());
        }
        if let Some(words) = schema["enum"].as_array() {
            return words[0].clone();
        }
        match schema["type"].as_str().unwrap() {
            "array" => json!([sample(document, &schema["items"])]),
            "object" => {
                let properties = schema["properties"].as_object().unwrap();
                let all = properties.iter().map(|(name, schema)| (name.clone(), sample(document, schema)));
                Value::Object(all.collect::<Map<_, _>>())
            }
            "string" if schema["format"] == "date-time" => json!("2026-03-20T00:00:00.000Z"),
            "string" => json!("x"),
            "number" => json!(0.1),
            "integer" => json!(3),
            "boolean" => json!(true),
            other => panic!("{other}"),
        }
    }

    fn reads<T: DeserializeOwned + Debug>(document: &Value, name: &str) -> String {
        let written = sample(document, &json!({"$ref": format!("#/components/schemas/{name}")}));
        let read: T =
            serde_json::from_str(&written.to_string()).unwrap_or_else(|error| panic!("{name}: {error}"));
        let shown = format!("{read:?}");
        assert!(!shown.contains("None") && !shown.contains("[]"), "{name}: a field was not found: {shown}");
        shown
    }

    /// The material has no recorded answers: instances of the document's schemas stand in, with every property.
    #[test]
    fn every_field_is_the_documents() {
        let Some(file) = material_file("specs/tradovate-reconstructed.openapi.json") else { return };
        let document: Value = serde_json::from_str(&std::fs::read_to_string(file).unwrap()).unwrap();
        let shown = [
            reads::<AccessToken>(&document, "AccessTokenResponse"),
            reads::<Account>(&document, "Account"),
            reads::<Placed>(&document, "PlaceOrderResult"),
            reads::<Commanded>(&document, "CommandResult"),
            reads::<Order>(&document, "Order"),
            reads::<OrderVersion>(&document, "OrderVersion"),
            reads::<Command>(&document, "Command"),
            reads::<Fill>(&document, "Fill"),
            reads::<FillFee>(&document, "FillFee"),
            reads::<VenueExecutionReport>(&document, "ExecutionReport"),
            reads::<Position>(&document, "Position"),
            reads::<CashBalanceSnapshot>(&document, "CashBalanceSnapshot"),
            reads::<Contract>(&document, "Contract"),
            reads::<ContractMaturity>(&document, "ContractMaturity"),
            reads::<Product>(&document, "Product"),
            reads::<Named>(&document, "Exchange"),
            reads::<Named>(&document, "Currency"),
            reads::<SyncMessage>(&document, "SyncMessage"),
        ];
        // Seven fees of a tenth are seven tenths to the digit.
        let fee: FillFee = serde_json::from_str(
            &sample(&document, &json!({"$ref": "#/components/schemas/FillFee"})).to_string(),
        )
        .unwrap();
        assert_eq!(fee.total(), Decimal::new(7, 1));
        assert_eq!(shown.len(), 18);
    }

    #[test]
    fn lists_that_are_null_are_empty() {
        let read: SyncMessage =
            serde_json::from_str(r#"{"users": [], "orders": null, "fills": null}"#).unwrap();
        assert!(read.orders.is_empty() && read.positions.is_empty());
    }
}
