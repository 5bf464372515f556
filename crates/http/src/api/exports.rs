//! Orders, fills and positions as files for a spreadsheet.

use std::str::FromStr;

use atomik_domain::UserId;
use atomik_ports::history::TradeFilter;
use atomik_ports::store::MAX_PAGE;
use atomik_ports::{Page, PageRequest};
use axum::body::Body;
use axum::extract::State;
use axum::http::HeaderName;
use axum::http::header::{CONTENT_DISPOSITION, CONTENT_TYPE};
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use futures::{Stream, StreamExt, TryStreamExt, stream};
use rust_decimal::Decimal;
use serde::Serialize;
use serde_json::Value;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::AppState;
use crate::api::fills::FillView;
use crate::api::orders::OrderView;
use crate::api::positions::PositionView;
use crate::api::refusals::ListRefusals;
use crate::api::trade_filter::{OpenQuery, StatusQuery, TradeQuery};
use crate::auth::CurrentUser;
use crate::error::{ApiError, ApiResult};
use crate::extract::ApiQuery;

/// The most rows one file has.
const MAX_ROWS: u32 = 100_000;
/// As many pages as that is.
const MAX_PAGES: usize = (MAX_ROWS / MAX_PAGE) as usize;

/// The routes of the files.
pub fn routes() -> OpenApiRouter<AppState> {
    OpenApiRouter::new()
        .routes(routes!(export_orders))
        .routes(routes!(export_fills))
        .routes(routes!(export_positions))
}

/// Rows of a list that can be had as a file too.
pub(super) trait Listed: Serialize + Send + Sized {
    /// What the list is called.
    const LIST: &'static str;
    /// The fields of a row, in the order of the file's columns.
    const COLUMNS: &'static [&'static str];

    /// A page of a user's rows.
    ///
    /// # Errors
    /// 503 where the store cannot be read.
    fn page(
        state: &AppState,
        user_id: UserId,
        filter: &TradeFilter,
        page: PageRequest,
    ) -> impl Future<Output = ApiResult<Page<Self>>> + Send;
}

/// Your orders as a CSV file
///
/// The fields of `/orders` by their names, at most 100,000 rows: the file ends there, and `since` and `until` divide what
/// is more. Text that a spreadsheet would take for a formula starts with an apostrophe.
#[utoipa::path(
    get,
    path = "/orders.csv",
    tag = "trading",
    params(TradeQuery, StatusQuery),
    responses(
        (status = OK, description = "The file.", content_type = "text/csv", body = String, headers(
            ("X-Row-Limit" = u32, description = "How many rows a file has at most.")
        )),
        ListRefusals,
    )
)]
async fn export_orders(
    current: CurrentUser,
    State(state): State<AppState>,
    ApiQuery(trade): ApiQuery<TradeQuery>,
    ApiQuery(status): ApiQuery<StatusQuery>,
) -> ApiResult<Response> {
    file_of::<OrderView>(state, current.user.id, status.read_with(&trade)?).await
}

/// Your fills as a CSV file
///
/// The fields of `/fills` by their names, at most 100,000 rows: the file ends there, and `since` and `until` divide what
/// is more. Text that a spreadsheet would take for a formula starts with an apostrophe.
#[utoipa::path(
    get,
    path = "/fills.csv",
    tag = "trading",
    params(TradeQuery),
    responses(
        (status = OK, description = "The file.", content_type = "text/csv", body = String, headers(
            ("X-Row-Limit" = u32, description = "How many rows a file has at most.")
        )),
        ListRefusals,
    )
)]
async fn export_fills(
    current: CurrentUser,
    State(state): State<AppState>,
    ApiQuery(trade): ApiQuery<TradeQuery>,
) -> ApiResult<Response> {
    file_of::<FillView>(state, current.user.id, trade.read()?).await
}

/// Your strategies' positions as a CSV file
///
/// The fields of `/positions` by their names, at most 100,000 rows: the file ends there. Text that a spreadsheet would take
/// for a formula starts with an apostrophe.
#[utoipa::path(
    get,
    path = "/positions.csv",
    tag = "trading",
    params(TradeQuery, OpenQuery),
    responses(
        (status = OK, description = "The file.", content_type = "text/csv", body = String, headers(
            ("X-Row-Limit" = u32, description = "How many rows a file has at most.")
        )),
        ListRefusals,
    )
)]
async fn export_positions(
    current: CurrentUser,
    State(state): State<AppState>,
    ApiQuery(trade): ApiQuery<TradeQuery>,
    ApiQuery(open): ApiQuery<OpenQuery>,
) -> ApiResult<Response> {
    file_of::<PositionView>(state, current.user.id, open.read_with(&trade)?).await
}

/// A file that is read while it is sent. What fails at the first page is an answer of its own; what fails later breaks the
/// transfer off, so that nobody takes half a file for a whole one.
async fn file_of<T: Listed + 'static>(
    state: AppState,
    user_id: UserId,
    filter: TradeFilter,
) -> ApiResult<Response> {
    let name =
        format!("atomik-{}-{}.csv", T::LIST, state.now().to_rfc3339().split('T').next().unwrap_or_default());
    let head = written([T::COLUMNS])?;
    let read = move |page| {
        let (state, filter) = (state.clone(), filter.clone());
        async move { T::page(&state, user_id, &filter, page).await }
    };
    let mut pages = Box::pin(pages(read).map(|page| page.and_then(|rows| table(&rows))));
    let first = pages.try_next().await?.unwrap_or_default();
    let rest = pages.map_err(|error| std::io::Error::other(error.detail));
    let parts = stream::iter([Ok(head), Ok(first)]).chain(rest);
    let headers = [
        (CONTENT_TYPE, "text/csv; charset=utf-8; header=present".to_owned()),
        (CONTENT_DISPOSITION, format!("attachment; filename=\"{name}\"")),
        (HeaderName::from_static("x-row-limit"), MAX_ROWS.to_string()),
    ];
    Ok((headers, Body::from_stream(parts)).into_response())
}

/// Page after page of rows, to the end or to [`MAX_PAGES`].
fn pages<T, F>(read: impl Fn(PageRequest) -> F) -> impl Stream<Item = ApiResult<Vec<T>>>
where
    F: Future<Output = ApiResult<Page<T>>>,
{
    let start = Some(PageRequest { limit: MAX_PAGE, before: None });
    let pages = stream::try_unfold(start, move |request| {
        let reading = request.map(&read);
        async move {
            let Some(reading) = reading else { return Ok(None) };
            let page = reading.await?;
            let next = page.next.map(|key| PageRequest { limit: MAX_PAGE, before: Some(key) });
            Ok(Some((page.items, next)))
        }
    });
    pages.take(MAX_PAGES)
}

fn table<T: Listed>(rows: &[T]) -> ApiResult<Bytes> {
    let records: Result<Vec<_>, _> = rows.iter().map(record).collect();
    written(records.map_err(ApiError::internal)?)
}

fn record<T: Listed>(row: &T) -> serde_json::Result<Vec<String>> {
    let fields = serde_json::to_value(row)?;
    Ok(T::COLUMNS.iter().map(|name| cell(&fields[*name])).collect())
}

fn cell(value: &Value) -> String {
    match value {
        Value::Null => String::new(),
        Value::String(text) if is_formula(text) => format!("'{text}"),
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}

/// Spreadsheets run text that starts like this, wherever it came from. Numbers are none.
fn is_formula(text: &str) -> bool {
    text.starts_with(['=', '+', '-', '@', '\t', '\r']) && Decimal::from_str(text).is_err()
}

fn written<R, C>(records: impl IntoIterator<Item = R>) -> ApiResult<Bytes>
where
    R: IntoIterator<Item = C>,
    C: AsRef<[u8]>,
{
    let mut writer = csv::WriterBuilder::new().terminator(csv::Terminator::CRLF).from_writer(Vec::new());
    for record in records {
        writer.write_record(record).map_err(ApiError::internal)?;
    }
    writer.into_inner().map(Bytes::from).map_err(ApiError::internal)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

    use serde_json::json;

    use super::*;

    #[test]
    fn what_a_spreadsheet_would_run_is_text() {
        for text in ["=1+1", "+cmd", "-cmd", "@SUM(A1)", "\t=1", "\r=1", "-"] {
            assert_eq!(cell(&json!(text)), format!("'{text}"));
        }
        for text in ["-1.25", "0.5", "ES", "a=b", "", "2026-03-20T12:34:56Z"] {
            assert_eq!(cell(&json!(text)), text);
        }
        assert_eq!(
            (cell(&json!(-7)), cell(&json!(true)), cell(&Value::Null)),
            ("-7".into(), "true".into(), String::new())
        );
    }

    #[test]
    fn what_would_break_a_row_is_quoted() {
        let records = [["a,b", "say \"no\""], ["two\r\nlines", "plain"]];
        let text = written(records).unwrap();
        assert_eq!(text, "\"a,b\",\"say \"\"no\"\"\"\r\n\"two\r\nlines\",plain\r\n");
    }

    #[tokio::test]
    async fn a_list_without_an_end_ends() {
        let endless = |page: PageRequest| async move {
            let next = Some(page.before.unwrap_or_default() + 1);
            Ok(Page { items: vec![(); 200], next })
        };
        let rows: Vec<_> = pages(endless).try_concat().await.unwrap();
        assert_eq!(rows.len(), 100_000);
    }

    #[tokio::test]
    async fn what_fails_is_the_last() {
        let fails = |page: PageRequest| async move {
            let first = page.before.is_none();
            if first { Ok(Page { items: vec![1], next: Some(7) }) } else { Err(ApiError::internal("a test")) }
        };
        let read: Vec<_> = pages(fails).collect().await;
        assert!(matches!(read.as_slice(), [Ok(_), Err(_)]), "{read:?}");
    }
}
