//! Reading requests: bodies, queries, ids and pages, each refused in the error envelope.

use atomik_ports::store::MAX_PAGE;
use atomik_ports::{Page, PageRequest};
use axum::body::to_bytes;
use axum::extract::{FromRequest, FromRequestParts, Path, Query, Request};
use axum::http::StatusCode;
use axum::http::request::Parts;
use secrecy::SecretString;
use serde::de::{DeserializeOwned, Error as _};
use serde::{Deserialize, Deserializer, Serialize};
use utoipa::{IntoParams, ToSchema};

use atomik_domain::Code;

use crate::error::ApiError;

/// The largest body the API reads: 64 KiB.
pub const MAX_BODY_BYTES: usize = 64 * 1_024;
/// How many rows a page has where nobody asks.
pub const DEFAULT_PAGE: u32 = 50;

/// A JSON body. An empty body reads as `{}`, so that requests whose fields are all optional need none.
#[derive(Debug)]
pub struct ApiJson<T>(pub T);

impl<S: Send + Sync, T: DeserializeOwned> FromRequest<S> for ApiJson<T> {
    type Rejection = ApiError;

    async fn from_request(request: Request, _: &S) -> Result<Self, ApiError> {
        let body = to_bytes(request.into_body(), MAX_BODY_BYTES).await.map_err(|_| {
            let detail = "The body is larger than 64 KiB or did not arrive completely";
            ApiError::new(StatusCode::PAYLOAD_TOO_LARGE, Code::PayloadTooLarge, detail)
        })?;
        let body: &[u8] = if body.is_empty() { b"{}" } else { &body };
        read_json(body).map(Self)
    }
}

fn read_json<T: DeserializeOwned>(body: &[u8]) -> Result<T, ApiError> {
    let mut reader = serde_json::Deserializer::from_slice(body);
    let value = serde_path_to_error::deserialize(&mut reader).map_err(|error| {
        let path = error.path().to_string();
        refusal_of(&path, error.inner())
    })?;
    reader.end().map_err(|error| refusal_of(".", &error))?;
    Ok(value)
}

/// Names the field where serde tells which one it is.
fn refusal_of(path: &str, error: &serde_json::Error) -> ApiError {
    let message = error.to_string();
    let problem = message.rsplit_once(" at line ").map_or(message.as_str(), |(problem, _)| problem);
    let unquoted = without_text(problem);
    let problem = unquoted.as_deref().unwrap_or(problem);
    if error.is_syntax() || error.is_eof() {
        return ApiError::invalid(format!("The body is not valid JSON: {message}"));
    }
    let named = ["missing field `", "unknown field `", "duplicate field `"]
        .iter()
        .find_map(|start| problem.strip_prefix(start)?.split('`').next());
    let parent = path.trim_end_matches('.');
    let field = match named {
        Some(name) if parent.is_empty() || parent.ends_with(name) => {
            if parent.is_empty() {
                name.to_owned()
            } else {
                parent.to_owned()
            }
        }
        Some(name) => format!("{parent}.{name}"),
        None if parent.is_empty() || parent == "?" => {
            // What it is instead is not repeated: all of it may be a secret.
            return ApiError::invalid("The body is JSON, but not an object of this request's fields");
        }
        None => parent.to_owned(),
    };
    ApiError::field(&field, problem)
}

/// What is wrong, without the text that stood there instead of something else: it may be a secret.
fn without_text(problem: &str) -> Option<String> {
    let (kind, rest) = problem.split_once(": string \"")?;
    let (_, expected) = rest.rsplit_once("\", expected ")?;
    Some(format!("{kind}: a text, expected {expected}"))
}

/// Reads a secret, for `deserialize_with`. The error of a value that is no string does not repeat the value.
///
/// # Errors
/// Where the value is no string.
pub fn secret_text<'de, D: Deserializer<'de>>(deserializer: D) -> Result<SecretString, D::Error> {
    let text = String::deserialize(deserializer).map_err(|_| D::Error::custom("expected a string"))?;
    Ok(SecretString::from(text))
}

/// A query string.
#[derive(Debug)]
pub struct ApiQuery<T>(pub T);

impl<S: Send + Sync, T: DeserializeOwned> FromRequestParts<S> for ApiQuery<T> {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, ApiError> {
        let query = Query::try_from_uri(&parts.uri);
        query
            .map(|Query(query)| Self(query))
            .map_err(|error| ApiError::invalid(format!("The query string: {}", error.body_text())))
    }
}

/// The row id in a path. Whatever is no id is the id of nothing: 404.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PathId(pub i64);

impl<S: Send + Sync> FromRequestParts<S> for PathId {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, ApiError> {
        let Path(text) =
            Path::<String>::from_request_parts(parts, state).await.map_err(|_| ApiError::not_found())?;
        let digits = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
        let id = if digits { text.parse().ok() } else { None };
        id.map(Self).ok_or_else(ApiError::not_found)
    }
}

/// Which part of a list is wanted: `?limit=&cursor=`.
#[derive(Clone, Debug, Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct PageQuery {
    /// How many rows, 1 to 200; 50 where it is not given.
    #[param(value_type = Option<u32>, minimum = 1, maximum = 200, default = 50)]
    pub limit: Option<String>,
    /// The `next_cursor` of the page before; opaque.
    pub cursor: Option<String>,
}

impl PageQuery {
    /// The request to the store.
    ///
    /// # Errors
    /// 422, naming `limit` or `cursor`.
    pub fn to_request(&self) -> Result<PageRequest, ApiError> {
        let limit = self.limit.as_deref().map_or(Ok(DEFAULT_PAGE), |text| {
            let limit = text.parse().ok().filter(|limit| (1..=MAX_PAGE).contains(limit));
            limit.ok_or_else(|| ApiError::field("limit", format!("must be a number from 1 to {MAX_PAGE}")))
        })?;
        let before = self.cursor.as_deref().map(read_cursor).transpose()?;
        Ok(PageRequest { limit, before })
    }
}

/// The page a request asks for, checked. Document it with `params(PageQuery)`.
#[derive(Clone, Copy, Debug)]
pub struct Paging(pub PageRequest);

impl<S: Send + Sync> FromRequestParts<S> for Paging {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, ApiError> {
        let ApiQuery(query) = ApiQuery::<PageQuery>::from_request_parts(parts, state).await?;
        query.to_request().map(Self)
    }
}

fn write_cursor(key: i64) -> String {
    hex::encode(key.to_be_bytes())
}

fn read_cursor(text: &str) -> Result<i64, ApiError> {
    let mut key = [0; 8];
    hex::decode_to_slice(text, &mut key)
        .map_err(|_| ApiError::field("cursor", "is not the next_cursor of a page before"))?;
    Ok(i64::from_be_bytes(key))
}

/// Part of a list.
#[derive(Debug, Serialize, ToSchema)]
pub struct ListOf<T> {
    /// The rows, newest first where nothing else is asked for.
    pub items: Vec<T>,
    /// The `cursor` of the next page; null at the end.
    #[schema(required = true)]
    pub next_cursor: Option<String>,
}

impl<T> ListOf<T> {
    /// A page of the store, each row shown by `view`.
    pub fn of<R>(page: Page<R>, view: impl FnMut(R) -> T) -> Self {
        Self::from(page.map(view))
    }

    /// A whole list that is never split into pages.
    #[must_use]
    pub fn whole(items: Vec<T>) -> Self {
        Self { items, next_cursor: None }
    }
}

impl<T> From<Page<T>> for ListOf<T> {
    fn from(page: Page<T>) -> Self {
        Self { items: page.items, next_cursor: page.next.map(write_cursor) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, Deserialize)]
    #[serde(deny_unknown_fields)]
    #[allow(dead_code)]
    struct Outer {
        name: String,
        inner: Option<Inner>,
    }

    #[derive(Debug, Deserialize)]
    #[serde(deny_unknown_fields)]
    #[allow(dead_code)]
    struct Inner {
        count: u32,
    }

    fn wrong_fields(body: &str) -> Vec<String> {
        read_json::<Outer>(body.as_bytes()).unwrap_err().fields.into_keys().collect()
    }

    #[test]
    fn a_wrong_body_names_its_field() {
        assert_eq!(wrong_fields(r"{}"), ["name"]);
        assert_eq!(wrong_fields(r#"{"name": 7}"#), ["name"]);
        assert_eq!(wrong_fields(r#"{"name": "a", "other": 1}"#), ["other"]);
        assert_eq!(wrong_fields(r#"{"name": "a", "name": "b"}"#), ["name"]);
        assert_eq!(wrong_fields(r#"{"name": "a", "inner": {"count": -1}}"#), ["inner.count"]);
        assert_eq!(wrong_fields(r#"{"name": "a", "inner": {}}"#), ["inner.count"]);
    }

    #[test]
    fn a_text_in_the_wrong_place_is_not_repeated() {
        for body in [
            r#"{"name": "a", "inner": "hunter2\", expected "}"#,
            r#"{"name": "a", "inner": {"count": "hunter2"}}"#,
            "\"hunter2\"",
        ] {
            let error = read_json::<Outer>(body.as_bytes()).unwrap_err();
            assert!(!format!("{error:?}").contains("hunter2"), "{error:?}");
            assert!(error.detail.contains("a text, expected") || error.fields.is_empty(), "{error:?}");
        }
    }

    #[test]
    fn what_is_no_object_names_no_field() {
        for body in ["[]", "7", "{", "", "{\"name\": \"a\"} {}", "\"name\""] {
            let error = read_json::<Outer>(body.as_bytes()).unwrap_err();
            assert_eq!(error.status, StatusCode::UNPROCESSABLE_ENTITY, "{body}");
            assert!(error.fields.is_empty(), "{body}: {error:?}");
        }
    }

    #[test]
    fn cursors_round_trip_and_others_are_refused() {
        for key in [0, 1, -5, i64::MAX, i64::MIN] {
            assert_eq!(read_cursor(&write_cursor(key)).unwrap(), key);
        }
        for text in ["", "7", "zz", "0000000000000000ff"] {
            assert!(read_cursor(text).is_err(), "{text}");
        }
    }

    #[test]
    fn a_page_is_bounded() {
        let page = |limit: &str| PageQuery { limit: Some(limit.to_owned()), cursor: None }.to_request();
        assert_eq!(page("200").unwrap().limit, 200);
        for limit in ["0", "201", "-1", "many", ""] {
            assert!(page(limit).is_err(), "{limit}");
        }
        assert_eq!(PageQuery::default().to_request().unwrap().limit, DEFAULT_PAGE);
    }
}
