//! The dashboard: the web application in `web/`, embedded when it was built before the program was.
//!
//! Every path that nobody else serves is the application's, which finds the page by itself. The application's page is never
//! kept by a browser and carries a nonce of its own for the styles that its components add; everything below `/assets/`
//! has its content's hash in its name and is kept for good.

use std::collections::BTreeMap;
use std::io::Write;
use std::sync::{Arc, OnceLock};

use axum::extract::State;
use axum::http::header::{
    ACCEPT_ENCODING, CACHE_CONTROL, CONTENT_ENCODING, CONTENT_SECURITY_POLICY, CONTENT_TYPE, ETAG,
    IF_NONE_MATCH, VARY,
};
use axum::http::{HeaderMap, HeaderName, Method, StatusCode, Uri};
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use flate2::Compression;
use flate2::write::GzEncoder;
use sha2::{Digest, Sha256};

use crate::error::{ApiError, ApiResult};
use crate::{AppState, pages, shell};

/// Where the application's page says which nonce its styles carry.
const NONCE_MARK: &str = "__STYLE_NONCE__";
/// The application's page.
const INDEX: &str = "index.html";
/// Where the files with a hash in their name are.
const HASHED: &str = "assets/";
/// Paths that are never the application's, so that a mistake in one is a 404 and no page.
const NOT_PAGES: [&str; 5] = ["api/", HASHED, "healthz", "readyz", "metrics"];

#[derive(rust_embed::Embed)]
#[folder = "../../web/dist"]
#[allow_missing = true]
struct Built;

/// The dashboard's files, or none where it was not built. Cheap to clone.
#[derive(Clone, Default)]
pub struct Dashboard(Option<Arc<Files>>);

struct Files {
    index: String,
    others: BTreeMap<String, File>,
}

struct File {
    content: Bytes,
    content_type: &'static str,
    etag: String,
    zipped: OnceLock<Option<Bytes>>,
}

impl Dashboard {
    /// What was embedded when the program was built.
    #[must_use]
    pub fn embedded() -> Self {
        // The folder's .gitignore is for git.
        Self::of(Built::iter().filter(|path| !path.starts_with('.')).filter_map(|path| {
            let file = Built::get(&path)?;
            Some((path.into_owned(), Bytes::from(file.data.into_owned())))
        }))
    }

    /// A dashboard of these files, by their paths without a leading slash. Without an `index.html` there is none.
    #[must_use]
    pub fn of(files: impl IntoIterator<Item = (String, Bytes)>) -> Self {
        let mut others: BTreeMap<String, File> =
            files.into_iter().map(|(path, content)| (path.clone(), File::new(&path, content))).collect();
        let index = others.remove(INDEX);
        Self(index.map(|index| {
            Arc::new(Files { index: String::from_utf8_lossy(&index.content).into_owned(), others })
        }))
    }

    /// Whether there is one.
    #[must_use]
    pub fn is_built(&self) -> bool {
        self.0.is_some()
    }
}

impl File {
    fn new(path: &str, content: Bytes) -> Self {
        let etag = format!("\"{}\"", hex::encode(&Sha256::digest(&content)[..16]));
        Self { content_type: content_type(path), etag, zipped: OnceLock::new(), content }
    }

    /// The content in gzip, where that is smaller. Made when it is first asked for.
    fn zipped(&self) -> Option<&Bytes> {
        let zip = || {
            let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
            encoder.write_all(&self.content).ok()?;
            let zipped = encoder.finish().ok()?;
            (zipped.len() < self.content.len()).then(|| Bytes::from(zipped))
        };
        self.zipped.get_or_init(zip).as_ref()
    }

    fn answer(&self, path: &str, headers: &HeaderMap) -> Response {
        let kept = if path.starts_with(HASHED) { "public, max-age=31536000, immutable" } else { "no-cache" };
        let common = [
            (CACHE_CONTROL, kept),
            (CONTENT_TYPE, self.content_type),
            (ETAG, self.etag.as_str()),
            (VARY, "accept-encoding"),
        ];
        if headers.get(IF_NONE_MATCH).is_some_and(|etag| etag.as_bytes() == self.etag.as_bytes()) {
            return (StatusCode::NOT_MODIFIED, common).into_response();
        }
        match self.zipped().filter(|_| takes_gzip(headers)) {
            Some(zipped) => (common, [(CONTENT_ENCODING, "gzip")], zipped.clone()).into_response(),
            None => (common, self.content.clone()).into_response(),
        }
    }
}

fn takes_gzip(headers: &HeaderMap) -> bool {
    let accepted = headers.get(ACCEPT_ENCODING).and_then(|value| value.to_str().ok()).unwrap_or_default();
    accepted.split(',').any(|coding| {
        let mut parts = coding.split(';').map(str::trim);
        parts.next() == Some("gzip") && parts.all(|part| !matches!(part, "q=0" | "q=0.0"))
    })
}

fn content_type(path: &str) -> &'static str {
    match path.rsplit('.').next().unwrap_or_default() {
        "js" => "text/javascript; charset=utf-8",
        "css" => "text/css; charset=utf-8",
        "html" => "text/html; charset=utf-8",
        "svg" => "image/svg+xml",
        "png" => "image/png",
        "json" | "map" => "application/json",
        "woff2" => "font/woff2",
        "txt" => "text/plain; charset=utf-8",
        _ => "application/octet-stream",
    }
}

/// Answers what no other route does: a file of the dashboard, its page, or 404.
pub(crate) async fn serve(
    State(state): State<AppState>,
    method: Method,
    uri: Uri,
    headers: HeaderMap,
) -> ApiResult<Response> {
    let path = uri.path().trim_start_matches('/');
    if !matches!(method, Method::GET | Method::HEAD) {
        return Err(shell::not_found().await);
    }
    let Some(files) = &state.settings.dashboard.0 else {
        return if path.is_empty() { pages::front_page(&state).await } else { Err(ApiError::not_found()) };
    };
    match files.others.get(path) {
        Some(file) => Ok(file.answer(path, &headers)),
        None if NOT_PAGES.iter().any(|start| path.starts_with(start)) => Err(ApiError::not_found()),
        None => page(files),
    }
}

fn page(files: &Files) -> ApiResult<Response> {
    let mut bytes = [0; 16];
    getrandom::fill(&mut bytes).map_err(ApiError::internal)?;
    let nonce = hex::encode(bytes);
    let policy = format!(
        "default-src 'self'; script-src 'self'; style-src 'self' 'nonce-{nonce}'; img-src 'self' data:; \
         connect-src 'self'; object-src 'none'; base-uri 'none'; frame-ancestors 'none'; form-action 'self'"
    );
    let headers = [
        (CACHE_CONTROL, "no-store"),
        (CONTENT_TYPE, "text/html; charset=utf-8"),
        (CONTENT_SECURITY_POLICY, policy.as_str()),
        (HeaderName::from_static("cross-origin-opener-policy"), "same-origin"),
        (
            HeaderName::from_static("permissions-policy"),
            "camera=(), geolocation=(), microphone=(), payment=()",
        ),
    ];
    Ok((headers, files.index.replace(NONCE_MARK, &nonce)).into_response())
}
