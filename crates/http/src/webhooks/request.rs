//! From an HTTP request to the engine's [`Inbound`]: what transport alone can check and take apart.

use std::net::IpAddr;
use std::time::Duration;

use atomik_domain::{Code, UnixMicros};
use atomik_engine::{Inbound, Malformed};
use axum::body::Body;
use axum::http::request::Parts;
use axum::http::{HeaderMap, StatusCode, header};
use secrecy::SecretString;
use tokio::time::Instant;

use super::answer::Refusal;
use super::body::{self, BodyError, MAX_BODY_BYTES};

/// How long after its head a request is answered at the latest, unless its signal is just being stored: alert sources give
/// up after 3 s. The body has to arrive within it, and what that took is not left for storing.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(2);
/// The most secrets one request may carry. Each costs a hash.
const MAX_SECRETS: usize = 8;
/// The longest `Idempotency-Key`, in characters.
const MAX_IDEMPOTENCY_KEY: usize = 128;

/// Takes a request apart and reads its body. Call it as soon as the head is read: the time for the answer counts from here.
///
/// # Errors
/// The [`Refusal`] of a request that is too large or too slow. What else is wrong with it has its place among the engine's
/// checks and goes along as [`Inbound::malformed`].
pub async fn read(
    parts: Parts,
    body: Body,
    token: &str,
    remote_ip: IpAddr,
    received_at: UnixMicros,
) -> Result<Inbound, Refusal> {
    let answer_by = Instant::now() + ANSWER_TIMEOUT;
    let headers = &parts.headers;
    let body = match body::read(headers, body, answer_by).await {
        Ok(body) => check_encoding(headers).map(|()| body),
        Err(BodyError::Broken) => Err(malformed_json(
            "The body broke off or is not framed as HTTP. Expected one whole JSON object".to_owned(),
        )),
        Err(BodyError::TooLarge) => return Err(too_large()),
        Err(BodyError::TooSlow) => return Err(too_slow()),
    };
    let idempotency_key = idempotency_key(headers);
    let malformed = body.as_ref().err().or(idempotency_key.as_ref().err()).cloned();
    Ok(Inbound {
        token: token.to_owned(),
        remote_ip,
        secrets: secrets(parts.uri.query(), headers),
        idempotency_key: idempotency_key.unwrap_or_default(),
        body: body.unwrap_or_default(),
        malformed,
        received_at,
        answer_by,
    })
}

fn too_large() -> Refusal {
    let detail = format!("The body is larger than {} KiB", MAX_BODY_BYTES / 1024);
    Refusal::closing(StatusCode::PAYLOAD_TOO_LARGE, Code::PayloadTooLarge, detail)
}

fn too_slow() -> Refusal {
    let detail = format!("The body did not arrive within {} seconds", ANSWER_TIMEOUT.as_secs());
    Refusal::closing(StatusCode::REQUEST_TIMEOUT, Code::RequestTimeout, detail)
}

fn malformed_json(detail: String) -> Malformed {
    Malformed { code: Code::MalformedJson, detail }
}

fn check_encoding(headers: &HeaderMap) -> Result<(), Malformed> {
    let encodings = headers.get_all(header::CONTENT_ENCODING);
    let encoded = |value: &&axum::http::HeaderValue| !value.as_bytes().eq_ignore_ascii_case(b"identity");
    match encodings.iter().find(encoded) {
        None => Ok(()),
        Some(value) => Err(malformed_json(format!(
            "The body is encoded as \"{}\" (Content-Encoding). Expected plain JSON",
            value.to_str().unwrap_or("?").chars().take(40).collect::<String>()
        ))),
    }
}

/// Every secret of the query and of the header. The engine asks that all of them be right, so that doubling a parameter
/// is no way to try two.
fn secrets(query: Option<&str>, headers: &HeaderMap) -> Vec<SecretString> {
    let query = query.unwrap_or_default();
    let in_query = form_urlencoded::parse(query.as_bytes())
        .filter(|(name, _)| name == "secret")
        .map(|(_, value)| SecretString::from(value.into_owned()));
    let in_headers = headers
        .get_all("x-webhook-secret")
        .iter()
        .map(|value| SecretString::from(String::from_utf8_lossy(value.as_bytes()).into_owned()));
    let mut secrets: Vec<_> = in_query.chain(in_headers).take(MAX_SECRETS + 1).collect();
    if secrets.len() > MAX_SECRETS {
        // Refused as one wrong secret, by the engine, in its place among the checks: no webhook has this one.
        secrets = vec![SecretString::from("more secrets than a request may carry")];
    }
    secrets
}

fn idempotency_key(headers: &HeaderMap) -> Result<Option<String>, Malformed> {
    let mut values = headers.get_all("idempotency-key").iter();
    let Some(value) = values.next() else { return Ok(None) };
    let key = value.to_str().unwrap_or_default().trim();
    let fits =
        (1..=MAX_IDEMPOTENCY_KEY).contains(&key.len()) && key.bytes().all(|byte| byte.is_ascii_graphic());
    if fits && values.next().is_none() {
        return Ok(Some(key.to_owned()));
    }
    let detail = format!(
        "\"Idempotency-Key\" must be one value of 1 to {MAX_IDEMPOTENCY_KEY} visible ASCII characters"
    );
    Err(Malformed { code: Code::InvalidField, detail })
}

#[cfg(test)]
mod tests {
    use super::*;
    use axum::http::{HeaderValue, Request};
    use rstest::rstest;
    use secrecy::ExposeSecret;

    #[rstest]
    #[case::none(None, &[], &[])]
    #[case::another_parameter(Some("secretary=a&x=secret"), &[], &[])]
    #[case::plain(Some("secret=abc"), &[], &["abc"])]
    #[case::empty(Some("secret="), &[], &[""])]
    #[case::doubled(Some("secret=abc&secret=def"), &[], &["abc", "def"])]
    #[case::escaped(Some("s%65cret=a%62c%2B"), &[], &["abc+"])]
    #[case::header(None, &["abc"], &["abc"])]
    #[case::both(Some("a=1&secret=abc"), &["abc", "def"], &["abc", "abc", "def"])]
    fn every_secret_is_passed_on(
        #[case] query: Option<&str>,
        #[case] in_headers: &[&str],
        #[case] expected: &[&str],
    ) {
        let mut headers = HeaderMap::new();
        for value in in_headers {
            headers.append("x-webhook-secret", HeaderValue::from_str(value).unwrap());
        }
        let found = secrets(query, &headers);
        assert_eq!(found.iter().map(ExposeSecret::expose_secret).collect::<Vec<_>>(), expected);
    }

    #[test]
    fn too_many_secrets_are_one_wrong_one() {
        let eight = ["secret=abc"; 8].join("&");
        assert_eq!(secrets(Some(&eight), &HeaderMap::new()).len(), 8);
        let nine = secrets(Some(&format!("{eight}&secret=abc")), &HeaderMap::new());
        assert_eq!(nine.len(), 1);
        assert_ne!(nine[0].expose_secret(), "abc");
    }

    #[rstest]
    #[case::none(&[], Ok(None))]
    #[case::plain(&["order-7"], Ok(Some("order-7")))]
    #[case::empty(&[""], Err(()))]
    #[case::space(&["a b"], Err(()))]
    #[case::two(&["a", "b"], Err(()))]
    fn an_idempotency_key_is_short_and_visible(
        #[case] values: &[&str],
        #[case] expected: Result<Option<&str>, ()>,
    ) {
        let mut headers = HeaderMap::new();
        for value in values {
            headers.append("idempotency-key", HeaderValue::from_str(value).unwrap());
        }
        let key = idempotency_key(&headers);
        assert_eq!(key.as_ref().map(Option::as_deref).map_err(|_| ()), expected);
    }

    /// A body whose only piece comes after a while.
    fn after(pause: Duration) -> Body {
        Body::from_stream(futures::stream::once(async move {
            tokio::time::sleep(pause).await;
            Ok::<_, std::convert::Infallible>("{}")
        }))
    }

    async fn read_request(request: Request<Body>) -> Result<Inbound, Refusal> {
        let (parts, body) = request.into_parts();
        read(parts, body, "token", IpAddr::from([127, 0, 0, 1]), UnixMicros(0)).await
    }

    #[tokio::test(start_paused = true)]
    async fn body_and_storing_share_one_time_from_the_head_on() {
        let head = Instant::now();
        let inbound = read_request(Request::new(after(Duration::from_millis(1_900)))).await.unwrap();
        assert_eq!(inbound.answer_by, head + ANSWER_TIMEOUT);
        assert_eq!(inbound.answer_by - Instant::now(), Duration::from_millis(100));
        let head = Instant::now();
        let refusal = read_request(Request::new(after(Duration::from_millis(2_001)))).await.unwrap_err();
        assert_eq!((refusal.status.as_u16(), refusal.code), (408, Code::RequestTimeout));
        assert_eq!(head.elapsed(), ANSWER_TIMEOUT);
    }

    #[tokio::test]
    async fn a_body_that_cannot_be_read_goes_along_as_malformed() {
        let broken = Body::from_stream(futures::stream::iter([Ok("{"), Err(std::io::Error::other("gone"))]));
        let mut zipped = Request::new(Body::from("zipped"));
        zipped.headers_mut().insert("content-encoding", HeaderValue::from_static("gzip"));
        zipped.headers_mut().insert("idempotency-key", HeaderValue::from_static("a b"));
        for (request, word) in [(Request::new(broken), "broke off"), (zipped, "gzip")] {
            let inbound = read_request(request).await.unwrap();
            let malformed = inbound.malformed.unwrap();
            assert_eq!(malformed.code, Code::MalformedJson);
            assert!(malformed.detail.contains(word), "{malformed:?}");
            assert!(inbound.body.is_empty(), "nothing of it is parsed or kept");
        }
    }

    #[test]
    fn an_idempotency_key_has_at_most_128_characters() {
        let key_of = |length: usize| {
            let value = HeaderValue::from_str(&"k".repeat(length)).unwrap();
            idempotency_key(&HeaderMap::from_iter([("idempotency-key".parse().unwrap(), value)]))
        };
        assert!(key_of(128).is_ok());
        assert!(key_of(129).is_err());
    }
}
