//! The dashboard's files as browsers get them.

use atomik_http::dashboard::Dashboard;
use axum::body::Body;
use axum::http::Method;
use bytes::Bytes;
use rstest::rstest;

use crate::common::{Reply, TestApp};

const PAGE: &str =
    r#"<meta name="style-nonce" content="__STYLE_NONCE__"><script src="/assets/a-1.js"></script>"#;

async fn built() -> TestApp {
    let script = "let text = 'again and again and again'; ".repeat(100);
    let files = [("index.html", PAGE), ("assets/a-1.js", &script), ("favicon.svg", "<svg/>")];
    let files: Vec<_> =
        files.into_iter().map(|(path, text)| (path.to_owned(), Bytes::from(text.to_owned()))).collect();
    TestApp::start_with(move |settings| settings.dashboard = Dashboard::of(files)).await
}

async fn get(app: &TestApp, path: &str, headers: &[(&str, &str)]) -> Reply {
    Reply::read(app.anonymous().stream(Method::GET, path, headers, Body::empty()).await).await
}

fn nonce(reply: &Reply) -> String {
    let (_, rest) = reply.text.split_once("content=\"").unwrap();
    rest.split_once('"').unwrap().0.to_owned()
}

#[rstest]
#[case("/")]
#[case("/webhooks/17")]
#[case("/help/rate_limited")]
#[tokio::test]
async fn every_page_is_the_applications(#[case] path: &str) {
    let app = built().await;
    let (first, second) =
        (app.anonymous().get(path).await.expect(200), app.anonymous().get(path).await.expect(200));
    assert_eq!(first.header("content-type"), "text/html; charset=utf-8");
    assert_eq!(first.header("cache-control"), "no-store");
    let nonce_of_first = nonce(&first);
    assert_eq!(nonce_of_first.len(), 32);
    assert_ne!(nonce_of_first, nonce(&second), "a nonce is used once");
    let policy = first.header("content-security-policy");
    assert!(policy.contains(&format!("style-src 'self' 'nonce-{nonce_of_first}';")), "{policy}");
    assert!(policy.contains("script-src 'self';") && !policy.contains("unsafe"), "{policy}");
}

#[tokio::test]
async fn files_with_a_hash_in_their_name_are_kept_for_good() {
    let app = built().await;
    let script = app.anonymous().get("/assets/a-1.js").await.expect(200);
    assert_eq!(script.header("cache-control"), "public, max-age=31536000, immutable");
    assert_eq!(script.header("content-type"), "text/javascript; charset=utf-8");
    let icon = app.anonymous().get("/favicon.svg").await.expect(200);
    assert_eq!((icon.header("cache-control"), icon.header("content-type")), ("no-cache", "image/svg+xml"));
    let known = [("if-none-match", script.header("etag"))];
    let again = get(&app, "/assets/a-1.js", &known).await.expect(304);
    assert!(again.text.is_empty());
}

#[tokio::test]
async fn files_are_zipped_for_those_who_take_it() {
    let app = built().await;
    for (accepted, zipped) in [("gzip, br", true), ("br", false), ("gzip;q=0", false), ("", false)] {
        let headers = [("accept-encoding", accepted)];
        let reply = get(&app, "/assets/a-1.js", &headers).await.expect(200);
        let coding = reply.headers.get("content-encoding").map(|value| value.to_str().unwrap());
        assert_eq!(coding, zipped.then_some("gzip"), "{accepted}");
        assert_eq!(reply.header("vary"), "accept-encoding");
    }
}

#[tokio::test]
async fn what_is_no_page_stays_404() {
    let app = built().await;
    for path in ["/api/v1/nothing", "/api/nothing", "/assets/gone-2.js", "/metrics", "/readyz/more"] {
        app.anonymous().get(path).await.expect_error(404, "not_found");
    }
}

#[tokio::test]
async fn without_a_built_dashboard_the_first_page_says_so() {
    let app = TestApp::start().await;
    let page = app.anonymous().get("/").await.expect(200).text;
    assert!(page.contains("make run"), "{page}");
    app.anonymous().get("/webhooks").await.expect_error(404, "not_found");
}
