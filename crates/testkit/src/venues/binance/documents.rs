//! The published specifications, cut down to the operations that are used: whole, each takes seconds to read.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value, json};

use super::super::spec::{Spec, material_file};
use super::FakeMarket;

const SPOT: [&str; 8] = [
    "/api/v3/account",
    "/api/v3/exchangeInfo",
    "/api/v3/myTrades",
    "/api/v3/order",
    "/api/v3/order/test",
    "/api/v3/ticker/price",
    "/api/v3/time",
    "/api/v3/openOrders",
];
const USDM: [&str; 12] = [
    "/fapi/v1/exchangeInfo",
    "/fapi/v1/listenKey",
    "/fapi/v1/openOrders",
    "/fapi/v1/order",
    "/fapi/v1/order/test",
    "/fapi/v1/positionSide/dual",
    "/fapi/v1/time",
    "/fapi/v1/userTrades",
    "/fapi/v2/ticker/price",
    "/fapi/v3/account",
    "/fapi/v3/balance",
    "/fapi/v3/positionRisk",
];

/// A market's specification; `None` where it is not on this machine.
///
/// # Panics
/// Where it is there and cannot be read.
#[must_use]
pub fn spec(market: FakeMarket) -> Option<Spec> {
    let (file, paths) = match market {
        FakeMarket::Spot => ("openxapi-binance-openapi-spot.yaml", &SPOT[..]),
        FakeMarket::Usdm => ("openxapi-binance-openapi-umfutures.yaml", &USDM[..]),
    };
    let text =
        std::fs::read_to_string(material_file(&format!("specs/{file}"))?).expect("a readable document");
    let mut document: Value = serde_yaml_ng::from_str(&cut(&text, paths)).expect("YAML");
    allow_signatures(&mut document);
    Some(Spec::of(document, ""))
}

/// The document with these paths, and the schemas that they refer to.
fn cut(text: &str, paths: &[&str]) -> String {
    let (mut operations, mut schemas) = (BTreeMap::new(), BTreeMap::new());
    let (mut section, mut part, mut name) = ("", "", String::new());
    for line in text.lines().filter(|line| !line.trim().is_empty()) {
        let indent = line.len() - line.trim_start().len();
        let key = line.trim().trim_end_matches(':').trim_matches('\'');
        match (indent, section, part) {
            (0, ..) => (section, part) = (key, ""),
            (4, "components", _) => part = key,
            (4, "paths", _) => name = key.to_owned(),
            (8, "components", "schemas") => name = key.to_owned(),
            _ => {}
        }
        let place: &mut BTreeMap<String, String> = match (section, part) {
            ("paths", _) if indent >= 4 => &mut operations,
            ("components", "schemas") if indent >= 8 => &mut schemas,
            _ => continue,
        };
        let block = place.entry(name.clone()).or_default();
        block.push_str(line);
        block.push('\n');
    }
    operations.retain(|path, _| paths.contains(&path.as_str()));
    assert_eq!(operations.len(), paths.len(), "the document has every path: {:?}", operations.keys());
    let (mut needed, mut new) = (BTreeSet::new(), operations.values().cloned().collect::<Vec<_>>());
    while let Some(block) = new.pop() {
        for after in block.split("#/components/schemas/").skip(1) {
            let reference: String = after.chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect();
            if needed.insert(reference.clone()) {
                new.extend(schemas.get(&reference).cloned());
            }
        }
    }
    schemas.retain(|name, _| needed.contains(name));
    let joined = |blocks: BTreeMap<String, String>| blocks.into_values().collect::<String>();
    format!("paths:\n{}components:\n    schemas:\n{}", joined(operations), joined(schemas))
}

/// The document leaves the signature out, which every request with a timestamp must have.
fn allow_signatures(document: &mut Value) {
    for schema in
        document["components"]["schemas"].as_object_mut().into_iter().flat_map(|all| all.values_mut())
    {
        if schema["properties"].get("timestamp").is_some() {
            schema["properties"]["signature"] = json!({"type": "string"});
        }
    }
    for operations in document["paths"].as_object_mut().into_iter().flat_map(|paths| paths.values_mut()) {
        for operation in operations.as_object_mut().into_iter().flat_map(|methods| methods.values_mut()) {
            let Some(parameters) = operation.get_mut("parameters").and_then(Value::as_array_mut) else {
                continue;
            };
            if parameters.iter().any(|one| one["name"] == "timestamp") {
                parameters.push(json!({"name": "signature", "in": "query", "schema": {"type": "string"}}));
            }
        }
    }
}
