//! Asking a broker on behalf of a request: bounded in time, and refused in the error envelope.

use std::future::Future;
use std::time::Duration;

use atomik_domain::Code;
use atomik_ports::broker::BrokerError;
use axum::http::StatusCode;

use crate::error::ApiError;

/// How long a broker may take to answer a request of the API.
const PATIENCE: Duration = Duration::from_secs(5);

/// A broker's answer.
///
/// # Errors
/// 503 `broker_unavailable` where it says no, cannot be reached or takes longer than five seconds.
pub async fn ask<T>(question: impl Future<Output = Result<T, BrokerError>>) -> Result<T, ApiError> {
    match tokio::time::timeout(PATIENCE, question).await {
        Ok(answer) => answer.map_err(|error| unavailable(error.to_string())),
        Err(_) => Err(unavailable("it did not answer in time".to_owned())),
    }
}

/// 503: the broker could not be asked, and why.
pub fn unavailable(cause: String) -> ApiError {
    let detail = format!("The broker could not be asked: {cause}");
    ApiError::new(StatusCode::SERVICE_UNAVAILABLE, Code::BrokerUnavailable, detail)
}
