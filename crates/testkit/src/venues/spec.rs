//! Holding requests and answers against a venue's OpenAPI document.
//!
//! Documents lie in `../shared/brokers/specs` beside the repository, and are not copied into it. Where they are missing,
//! nothing is checked, and that is said.

use std::collections::BTreeMap;
use std::fmt;
use std::path::PathBuf;

use jsonschema::Validator;
use serde_json::{Map, Value, json};

use super::server::Received;

const METHODS: [&str; 5] = ["get", "post", "put", "patch", "delete"];

/// The folder of the brokers' material; `None` where it is not on this machine.
#[must_use]
pub fn material() -> Option<PathBuf> {
    let root = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../..");
    let folder =
        std::env::var_os("ATOMIK_BROKER_MATERIAL").map_or_else(|| root.join("shared/brokers"), PathBuf::from);
    folder.is_dir().then_some(folder)
}

/// A file of the brokers' material, or `None` with a word on what is skipped.
#[must_use]
pub fn material_file(path: &str) -> Option<PathBuf> {
    let file = material().map(|folder| folder.join(path)).filter(|file| file.exists());
    if file.is_none() {
        println!("skipped: the brokers' material has no {path} on this machine");
    }
    file
}

/// A venue's document, ready to be asked.
pub struct Spec {
    /// What comes before the document's paths at the venue: `/v1/api`.
    prefix: String,
    operations: Vec<Operation>,
    /// Properties of answers that the document has wrong, as `METHOD /path`: nothing of theirs is checked.
    unchecked: Vec<String>,
}

struct Operation {
    method: String,
    segments: Vec<String>,
    parameters: Vec<Parameter>,
    body: Option<(bool, Validator)>,
    form: bool,
    answers: BTreeMap<String, Validator>,
}

struct Parameter {
    name: String,
    place: String,
    required: bool,
    schema: Validator,
    raw: Value,
}

impl fmt::Debug for Spec {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Spec").field("prefix", &self.prefix).finish_non_exhaustive()
    }
}

impl Spec {
    /// Reads a document of the material: JSON or YAML, OpenAPI 3 or Swagger 2. `None` where it is missing.
    ///
    /// # Panics
    /// Where it is there and cannot be read.
    #[must_use]
    pub fn load(file: &str, prefix: &str) -> Option<Self> {
        let path = material_file(&format!("specs/{file}"))?;
        let text = std::fs::read_to_string(path).expect("a readable document");
        let document: Value = if file.ends_with(".json") {
            serde_json::from_str(&text).expect("JSON")
        } else {
            serde_yaml_ng::from_str(&text).expect("YAML")
        };
        Some(Self::of(document, prefix))
    }

    /// Takes a document.
    ///
    /// # Panics
    /// Where a schema in it makes no sense.
    #[must_use]
    pub fn of(mut document: Value, prefix: &str) -> Self {
        modernize(&mut document);
        let mut operations = Vec::new();
        let paths = document["paths"].as_object().cloned().unwrap_or_default();
        for (path, item) in &paths {
            for method in METHODS {
                if let Some(operation) = item.get(method) {
                    operations.push(Operation::read(&document, path, method, item, operation));
                }
            }
        }
        Self { prefix: prefix.to_owned(), operations, unchecked: Vec::new() }
    }

    /// Leaves an operation's answers unchecked, where the document contradicts the venue itself: `GET /v1/x`. Say why beside
    /// the call.
    #[must_use]
    pub fn without_answers_of(mut self, operation: &str) -> Self {
        self.unchecked.push(operation.to_owned());
        self
    }

    /// What is wrong with a request; empty for nothing.
    #[must_use]
    pub fn check_request(&self, request: &Received) -> Vec<String> {
        let (path, query) = request.path_and_query.split_once('?').unwrap_or((&request.path_and_query, ""));
        let named = format!("{} {path}", request.method);
        let Some((operation, in_path)) = self.find(&request.method, path) else {
            return vec![format!("{named}: the document has no such operation")];
        };
        let mut found = Vec::new();
        let mut given: Vec<_> = form(query).into_iter().map(|pair| ("query", pair)).collect();
        given.extend(in_path.into_iter().map(|pair| ("path", pair)));
        let body: Value = serde_json::from_slice(&request.body).unwrap_or(Value::Null);
        let is_form = body.is_null() && !request.body.is_empty();
        if is_form && operation.form {
            let text = String::from_utf8_lossy(&request.body).into_owned();
            given.extend(form(&text).into_iter().map(|pair| ("query", pair)));
        } else if is_form {
            found.push(format!("{named}: the body is no JSON"));
        }
        operation.check_parameters(&named, &given, &request.headers, &mut found);
        match &operation.body {
            Some((true, _)) if request.body.is_empty() => found.push(format!("{named}: the body is missing")),
            Some((_, schema)) if !request.body.is_empty() && !is_form => {
                found.extend(
                    schema
                        .iter_errors(&body)
                        .map(|error| format!("{named}: body{}: {error}", error.instance_path())),
                );
            }
            None if !request.body.is_empty() && !is_form => {
                found.push(format!("{named}: a body that is not expected"))
            }
            _ => {}
        }
        found
    }

    /// What is wrong with an answer's body; empty for nothing, or for an answer that the document does not describe.
    #[must_use]
    pub fn check_answer(&self, request: &Received, status: u16, body: &[u8]) -> Vec<String> {
        let path = request.path_and_query.split('?').next().unwrap_or_default();
        let Some((operation, _)) = self.find(&request.method, path) else { return Vec::new() };
        let named = format!("{} /{}", request.method, operation.segments.join("/"));
        if self.unchecked.contains(&named) {
            return Vec::new();
        }
        let schema = operation.answers.get(&status.to_string()).or_else(|| operation.answers.get("default"));
        let (Some(schema), Ok(body)) = (schema, serde_json::from_slice::<Value>(body)) else {
            return Vec::new();
        };
        let errors = schema.iter_errors(&body);
        errors.map(|error| format!("answer {status} to {named}{}: {error}", error.instance_path())).collect()
    }

    fn find(&self, method: &str, path: &str) -> Option<(&Operation, Vec<(String, String)>)> {
        let path = path.strip_prefix(self.prefix.as_str())?;
        let segments: Vec<_> = path.trim_matches('/').split('/').collect();
        let of_method =
            self.operations.iter().filter(|operation| operation.method.eq_ignore_ascii_case(method));
        let fitting = of_method.filter_map(|operation| Some((operation, operation.matches(&segments)?)));
        // A path that is written out beats one with a place for anything.
        fitting.min_by_key(|(_, in_path)| in_path.len())
    }
}

impl Operation {
    fn read(document: &Value, path: &str, method: &str, item: &Value, operation: &Value) -> Self {
        let listed = |place: &Value| place["parameters"].as_array().cloned().unwrap_or_default();
        let all: Vec<_> =
            listed(item).into_iter().chain(listed(operation)).map(|one| resolved(document, &one)).collect();
        let (bodies, parameters): (Vec<_>, Vec<_>) = all.into_iter().partition(|one| one["in"] == "body");
        let content = resolved(document, &operation["requestBody"]);
        let json_schema = content["content"]["application/json"].get("schema");
        let form = content["content"].get("application/x-www-form-urlencoded");
        let body = match (json_schema, bodies.first()) {
            (Some(schema), _) => {
                Some((content["required"].as_bool().unwrap_or_default(), compile(document, schema)))
            }
            (None, Some(body)) => {
                Some((body["required"].as_bool().unwrap_or_default(), compile(document, &body["schema"])))
            }
            (None, None) => None,
        };
        let mut parameters: Vec<_> = parameters.iter().map(|one| Parameter::read(document, one)).collect();
        if let Some(form) = form {
            parameters.extend(form_fields(document, &form["schema"]));
        }
        let answers = operation["responses"].as_object().cloned().unwrap_or_default();
        let answers = answers.iter().filter_map(|(status, answer)| {
            let answer = resolved(document, answer);
            let schema =
                answer["content"]["application/json"].get("schema").or_else(|| answer.get("schema"))?;
            Some((status.clone(), compile(document, schema)))
        });
        Self {
            method: method.to_owned(),
            segments: path.trim_matches('/').split('/').map(str::to_owned).collect(),
            parameters,
            body,
            form: form.is_some(),
            answers: answers.collect(),
        }
    }

    fn matches(&self, segments: &[&str]) -> Option<Vec<(String, String)>> {
        if self.segments.len() != segments.len() {
            return None;
        }
        let mut in_path = Vec::new();
        for (ours, theirs) in self.segments.iter().zip(segments) {
            match ours.strip_prefix('{').and_then(|name| name.strip_suffix('}')) {
                Some(name) => in_path.push((name.to_owned(), (*theirs).to_owned())),
                None if ours == theirs => {}
                None => return None,
            }
        }
        Some(in_path)
    }

    fn check_parameters(
        &self,
        named: &str,
        given: &[(&str, (String, String))],
        headers: &[(String, String)],
        found: &mut Vec<String>,
    ) {
        for (place, (name, text)) in given {
            let Some(parameter) = self.parameters.iter().find(|one| one.is(place, name)) else {
                if *place == "query" {
                    found.push(format!("{named}: the document knows no {name}"));
                }
                continue;
            };
            let value = parameter.read_value(text);
            found.extend(
                parameter.schema.iter_errors(&value).map(|error| format!("{named}: {name}={text}: {error}")),
            );
        }
        for parameter in self.parameters.iter().filter(|parameter| parameter.required) {
            let is_given = given.iter().any(|(place, (name, _))| parameter.is(place, name));
            let in_headers = || headers.iter().any(|(name, _)| name.eq_ignore_ascii_case(&parameter.name));
            let arrived = is_given || (parameter.place == "header" && in_headers());
            if !arrived {
                found.push(format!("{named}: {} is missing", parameter.name));
            }
        }
    }
}

impl Parameter {
    fn read(document: &Value, one: &Value) -> Self {
        let schema = one.get("schema").cloned().unwrap_or_else(|| {
            // Swagger 2 writes the schema beside the name.
            let keep = ["type", "enum", "items", "minimum", "maximum", "pattern", "maxLength", "minLength"];
            let kept = keep.iter().filter_map(|key| Some(((*key).to_owned(), one.get(*key)?.clone())));
            Value::Object(kept.collect::<Map<_, _>>())
        });
        Self {
            name: one["name"].as_str().unwrap_or_default().to_owned(),
            place: one["in"].as_str().unwrap_or_default().replace("formData", "query"),
            required: one["required"].as_bool().unwrap_or_default(),
            schema: compile(document, &schema),
            raw: resolved(document, &schema),
        }
    }

    fn is(&self, place: &str, name: &str) -> bool {
        self.place == place && self.name == name
    }

    /// A text as the type that the document wants.
    fn read_value(&self, text: &str) -> Value {
        let wants = |kind: &str| {
            self.raw["type"] == kind
                || self.raw["type"].as_array().is_some_and(|kinds| kinds.iter().any(|one| one == kind))
        };
        let parsed = || serde_json::from_str::<Value>(text).ok();
        if wants("string") || self.raw.get("enum").is_some_and(|one| one[0].is_string()) {
            Value::from(text)
        } else if wants("array") {
            let item = |item: &str| serde_json::from_str(item).unwrap_or_else(|_| Value::from(item));
            parsed().filter(Value::is_array).unwrap_or_else(|| text.split(',').map(item).collect())
        } else {
            parsed().unwrap_or_else(|| Value::from(text))
        }
    }
}

fn form_fields(document: &Value, schema: &Value) -> Vec<Parameter> {
    let schema = resolved(document, schema);
    let required: Vec<_> = schema["required"].as_array().cloned().unwrap_or_default();
    let fields = schema["properties"].as_object().cloned().unwrap_or_default();
    let field = |(name, schema): (&String, &Value)| {
        let one = json!({"name": name, "in": "query", "required": required.iter().any(|one| one == name), "schema": schema});
        Parameter::read(document, &one)
    };
    fields.iter().map(field).collect()
}

fn form(text: &str) -> Vec<(String, String)> {
    let unescape = |text: &str| percent_decoded(&text.replace('+', " "));
    let pairs = text.split('&').filter(|pair| !pair.is_empty());
    pairs
        .map(|pair| pair.split_once('=').unwrap_or((pair, "")))
        .map(|(name, value)| (unescape(name), unescape(value)))
        .collect()
}

fn percent_decoded(text: &str) -> String {
    let bytes = text.as_bytes();
    let (mut decoded, mut at) = (Vec::with_capacity(bytes.len()), 0);
    while let Some(byte) = bytes.get(at) {
        let escaped = text
            .get(at + 1..at + 3)
            .filter(|_| *byte == b'%')
            .and_then(|hex| u8::from_str_radix(hex, 16).ok());
        decoded.push(escaped.unwrap_or(*byte));
        at += if escaped.is_some() { 3 } else { 1 };
    }
    String::from_utf8_lossy(&decoded).into_owned()
}

fn resolved(document: &Value, value: &Value) -> Value {
    let mut value = value.clone();
    // A chain of references is short in every document there is.
    for _ in 0..8 {
        let Some(reference) = value.get("$ref").and_then(Value::as_str) else { break };
        let Some(target) = document.pointer(reference.trim_start_matches('#')) else { break };
        value = target.clone();
    }
    value
}

/// A schema that may refer to the document's own.
fn compile(document: &Value, schema: &Value) -> Validator {
    let mut whole = json!({"$schema": "https://json-schema.org/draft/2020-12/schema", "allOf": [schema]});
    for part in ["components", "definitions"] {
        if let Some(schemas) = document.get(part) {
            whole[part] = schemas.clone();
        }
    }
    jsonschema::validator_for(&whole)
        .unwrap_or_else(|error| panic!("a schema of the document makes no sense: {error}"))
}

/// Rewrites what OpenAPI 3.0 says otherwise than JSON Schema: `nullable`, and bounds that are exclusive by a flag.
fn modernize(value: &mut Value) {
    match value {
        Value::Array(items) => items.iter_mut().for_each(modernize),
        Value::Object(object) => {
            object.values_mut().for_each(modernize);
            let nullable = object.get("nullable") == Some(&Value::Bool(true));
            if nullable {
                object.remove("nullable");
                if let Some(Value::String(kind)) = object.get("type").cloned() {
                    object.insert("type".to_owned(), json!([kind, "null"]));
                }
                if let Some(Value::Array(words)) = object.get_mut("enum") {
                    words.push(Value::Null);
                }
            }
            for (flag, bound) in [("exclusiveMinimum", "minimum"), ("exclusiveMaximum", "maximum")] {
                if let Some(Value::Bool(is_exclusive)) = object.get(flag).cloned() {
                    let limit = object.remove(bound).filter(|_| is_exclusive);
                    object.remove(flag);
                    if let Some(limit) = limit {
                        object.insert(flag.to_owned(), limit);
                    }
                }
            }
        }
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn spec() -> Spec {
        let document = json!({
            "paths": {
                "/orders/{id}": {"get": {"parameters": [
                    {"name": "id", "in": "path", "required": true, "schema": {"type": "string", "pattern": "^[0-9]+$"}},
                    {"name": "nested", "in": "query", "schema": {"type": "boolean"}},
                ], "responses": {"200": {"content": {"application/json": {"schema": {"$ref": "#/components/schemas/Order"}}}}}}},
                "/orders/open": {"get": {"responses": {}}},
                "/orders": {"post": {"requestBody": {"required": true, "content": {"application/json": {"schema":
                    {"$ref": "#/components/schemas/Order"}}}}, "responses": {}}},
            },
            "components": {"schemas": {"Order": {"type": "object", "required": ["qty"], "additionalProperties": false,
                "properties": {"qty": {"type": "string"}, "limit": {"type": "string", "nullable": true}}}}},
        });
        Spec::of(document, "/v2")
    }

    fn received(method: &str, path: &str, body: &str) -> Received {
        Received {
            method: method.to_owned(),
            path_and_query: path.to_owned(),
            headers: Vec::new(),
            body: bytes::Bytes::copy_from_slice(body.as_bytes()),
            at: atomik_domain::UnixMicros::default(),
        }
    }

    #[test]
    fn what_keeps_to_the_document_is_clean() {
        let spec = spec();
        for request in [
            received("GET", "/v2/orders/12?nested=true", ""),
            received("GET", "/v2/orders/open", ""),
            received("POST", "/v2/orders", r#"{"qty": "1", "limit": null}"#),
        ] {
            assert_eq!(spec.check_request(&request), Vec::<String>::new());
        }
        assert!(spec.check_answer(&received("GET", "/v2/orders/12", ""), 200, br#"{"qty": "1"}"#).is_empty());
    }

    #[test]
    fn what_does_not_is_found() {
        let spec = spec();
        for (request, wrong) in [
            (received("GET", "/v2/orders/x1", ""), "id=x1"),
            (received("GET", "/v2/orders/1?nested=maybe", ""), "nested=maybe"),
            (received("GET", "/v2/orders/1?deep=1", ""), "knows no deep"),
            (received("GET", "/v2/order/1", ""), "no such operation"),
            (received("GET", "/orders/1", ""), "no such operation"),
            (received("POST", "/v2/orders", ""), "body is missing"),
            (received("POST", "/v2/orders", r#"{"qty": 1}"#), "qty"),
            (received("POST", "/v2/orders", r#"{"qty": "1", "px": 1}"#), "px"),
        ] {
            let found = spec.check_request(&request);
            assert!(found.iter().any(|one| one.contains(wrong)), "{wrong}: {found:?}");
        }
        assert!(!spec.check_answer(&received("GET", "/v2/orders/12", ""), 200, br#"{"qty": 1}"#).is_empty());
    }
}
