//! The OpenAPI document: what it promises is a file in the repository, so that a change of it is seen.

use serde_json::{Value, json};

use crate::common::TestApp;

fn document() -> Value {
    serde_json::to_value(atomik_http::openapi::document()).unwrap()
}

fn operations(document: &Value) -> Vec<(String, &Value)> {
    let paths = document["paths"].as_object().unwrap();
    let operations = paths.iter().flat_map(|(path, methods)| {
        methods
            .as_object()
            .unwrap()
            .iter()
            .map(move |(method, operation)| (format!("{} {path}", method.to_uppercase()), operation))
    });
    operations.collect()
}

#[test]
fn the_document_is_the_one_in_the_repository() {
    insta::assert_json_snapshot!("openapi", document());
}

#[test]
fn every_operation_documents_its_errors() {
    let document = document();
    for (name, operation) in operations(&document) {
        let responses = operation["responses"].as_object().unwrap();
        let documents = |status: &str| {
            assert!(responses.contains_key(status), "{name} documents no {status}");
            let schema = &responses[status]["content"]["application/json"]["schema"]["$ref"];
            assert_eq!(*schema, "#/components/schemas/ErrorBody", "{name} {status}");
        };
        if operation["security"] != json!([{}]) {
            documents("401");
            documents("503");
            if !name.starts_with("GET ") {
                documents("403");
            }
        }
        if name.contains('{') {
            documents("404");
        }
        if operation["requestBody"].is_object() {
            documents("413");
            documents("422");
        }
    }
}

#[test]
fn every_operation_has_a_name_of_its_own_and_a_summary() {
    let document = document();
    let mut names = std::collections::BTreeSet::new();
    for (name, operation) in operations(&document) {
        let id = operation["operationId"].as_str().unwrap();
        assert!(names.insert(id.to_owned()), "{name} shares the name {id}");
        assert!(operation["summary"].as_str().is_some_and(|summary| !summary.is_empty()), "{name}");
        assert!(operation["tags"].is_array(), "{name}");
    }
}

#[test]
fn every_reference_leads_somewhere_and_every_tag_is_described() {
    let document = document();
    let mut references = Vec::new();
    collect_references(&document, &mut references);
    assert!(!references.is_empty());
    for reference in references {
        let pointer = reference.strip_prefix('#').unwrap();
        assert!(document.pointer(pointer).is_some(), "{reference} leads nowhere");
    }
    let described: Vec<_> =
        document["tags"].as_array().unwrap().iter().map(|tag| tag["name"].as_str().unwrap()).collect();
    for (name, operation) in operations(&document) {
        for tag in operation["tags"].as_array().unwrap() {
            assert!(described.contains(&tag.as_str().unwrap()), "{name} has the tag {tag}");
        }
    }
}

#[test]
fn the_receiver_is_described_with_all_its_statuses() {
    let document = document();
    let receiver = &document["paths"]["/api/v1/webhooks/{token}"]["post"];
    for status in ["202", "401", "403", "404", "405", "408", "413", "422", "429", "503"] {
        assert!(receiver["responses"][status].is_object(), "{status}");
    }
    assert_eq!(receiver["security"], json!([{}]));
}

#[tokio::test]
async fn the_document_is_served_to_everybody() {
    let app = TestApp::start().await;
    let reply = app.anonymous().get("/api/v1/openapi.json").await.expect(200);
    assert_eq!(reply.header("content-type"), "application/json");
    assert_eq!(reply.body, document());
}

fn collect_references<'a>(value: &'a Value, found: &mut Vec<&'a str>) {
    match value {
        Value::Object(fields) => {
            for (key, value) in fields {
                match (key.as_str(), value) {
                    ("$ref", Value::String(reference)) => found.push(reference),
                    _ => collect_references(value, found),
                }
            }
        }
        Value::Array(items) => items.iter().for_each(|item| collect_references(item, found)),
        _ => {}
    }
}
