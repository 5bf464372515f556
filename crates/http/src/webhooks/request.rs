//! From an HTTP request to the engine's [`Inbound`]: what transport alone can check and take apart.

use std::net::IpAddr;

use atomik_domain::{Code, UnixMicros};
use atomik_engine::Inbound;
use axum::body::Body;
use axum::http::request::Parts;
use axum::http::{HeaderMap, StatusCode, header};
use secrecy::SecretString;

use super::answer::Refusal;
use super::body::{self, BODY_TIMEOUT, BodyError, MAX_BODY_BYTES};

/// The most secrets one request may carry. Each costs a hash.
const MAX_SECRETS: usize = 8;
/// The longest `Idempotency-Key`, in characters.
const MAX_IDEMPOTENCY_KEY: usize = 128;

/// Takes a request apart and reads its body.
///
/// # Errors
/// The [`Refusal`] of a request that transport cannot deliver.
pub async fn read(
    parts: Parts,
    body: Body,
    token: &str,
    remote_ip: IpAddr,
    received_at: UnixMicros,
) -> Result<Inbound, Refusal> {
    let headers = &parts.headers;
    refuse_encoding(headers)?;
    let body = body::read(headers, body).await.map_err(refuse_body)?;
    Ok(Inbound {
        token: token.to_owned(),
        remote_ip,
        secrets: secrets(parts.uri.query(), headers),
        idempotency_key: idempotency_key(headers)?,
        body,
        received_at,
    })
}

fn refuse_body(error: BodyError) -> Refusal {
    match error {
        BodyError::TooLarge => Refusal::closing(
            StatusCode::PAYLOAD_TOO_LARGE,
            Code::PayloadTooLarge,
            format!("The body is larger than {} KiB", MAX_BODY_BYTES / 1024),
        ),
        BodyError::TooSlow => Refusal::closing(
            StatusCode::REQUEST_TIMEOUT,
            Code::RequestTimeout,
            format!("The body did not arrive within {} seconds", BODY_TIMEOUT.as_secs()),
        ),
        BodyError::Broken => Refusal::closing(
            StatusCode::UNPROCESSABLE_ENTITY,
            Code::MalformedJson,
            "The body broke off or is not framed as HTTP. Expected one whole JSON object".to_owned(),
        ),
    }
}

fn refuse_encoding(headers: &HeaderMap) -> Result<(), Refusal> {
    let encodings = headers.get_all(header::CONTENT_ENCODING);
    let encoded = |value: &&axum::http::HeaderValue| !value.as_bytes().eq_ignore_ascii_case(b"identity");
    match encodings.iter().find(encoded) {
        None => Ok(()),
        Some(value) => Err(Refusal::closing(
            StatusCode::UNPROCESSABLE_ENTITY,
            Code::MalformedJson,
            format!(
                "The body is encoded as \"{}\" (Content-Encoding). Expected plain JSON",
                value.to_str().unwrap_or("?").chars().take(40).collect::<String>()
            ),
        )),
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

fn idempotency_key(headers: &HeaderMap) -> Result<Option<String>, Refusal> {
    let mut values = headers.get_all("idempotency-key").iter();
    let Some(value) = values.next() else { return Ok(None) };
    let key = value.to_str().unwrap_or_default().trim();
    let fits =
        (1..=MAX_IDEMPOTENCY_KEY).contains(&key.len()) && key.bytes().all(|byte| byte.is_ascii_graphic());
    if fits && values.next().is_none() {
        return Ok(Some(key.to_owned()));
    }
    Err(Refusal::new(
        StatusCode::UNPROCESSABLE_ENTITY,
        Code::InvalidField,
        format!(
            "\"Idempotency-Key\" must be one value of 1 to {MAX_IDEMPOTENCY_KEY} visible ASCII characters"
        ),
    ))
}

#[cfg(test)]
mod tests {
    use super::*;
    use axum::http::HeaderValue;
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
