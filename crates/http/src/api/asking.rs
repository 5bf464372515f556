//! Asking a broker on behalf of a request: bounded in time, and refused in the error envelope.

use std::future::Future;
use std::time::Duration;

use atomik_domain::Code;
use atomik_ports::broker::BrokerError;
use axum::http::StatusCode;

use crate::error::ApiError;

/// How long a broker may take to answer a request of the API.
pub const PATIENCE: Duration = Duration::from_secs(5);

/// A broker's answer.
///
/// # Errors
/// 503 `broker_unavailable` where it says no, cannot be reached or takes longer than five seconds.
pub async fn ask<T>(question: impl Future<Output = Result<T, BrokerError>>) -> Result<T, ApiError> {
    ask_within(PATIENCE, question).await
}

async fn ask_within<T>(
    patience: Duration,
    question: impl Future<Output = Result<T, BrokerError>>,
) -> Result<T, ApiError> {
    match tokio::time::timeout(patience, question).await {
        Ok(answer) => answer.map_err(|error| unavailable(error.to_string())),
        Err(_) => Err(unavailable("it did not answer in time".to_owned())),
    }
}

/// 503: the broker could not be asked, and why.
pub fn unavailable(cause: String) -> ApiError {
    let detail = format!("The broker could not be asked: {cause}");
    ApiError::new(StatusCode::SERVICE_UNAVAILABLE, Code::BrokerUnavailable, detail)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_broker_that_cannot_answer_is_503() {
        let down = BrokerError::Unavailable("down for maintenance".to_owned());
        let error = ask(async { Err::<(), _>(down) }).await.unwrap_err();
        assert_eq!((error.status, error.code), (StatusCode::SERVICE_UNAVAILABLE, Code::BrokerUnavailable));
        assert!(error.detail.contains("down for maintenance"), "{}", error.detail);
    }

    #[tokio::test]
    async fn a_broker_that_never_answers_is_503() {
        let silence = std::future::pending::<Result<(), BrokerError>>();
        let error = ask_within(Duration::from_millis(1), silence).await.unwrap_err();
        assert_eq!(error.code, Code::BrokerUnavailable);
    }
}
