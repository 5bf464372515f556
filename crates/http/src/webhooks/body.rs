//! Reading a body within bounds of size and time.

use std::time::Duration;

use axum::body::Body;
use axum::http::{HeaderMap, header};
use bytes::{Bytes, BytesMut};
use http_body_util::BodyExt;
use tokio::time::Instant;

/// The largest body, in bytes.
pub const MAX_BODY_BYTES: usize = 64 * 1024;
/// How much of a body that is too large is read and thrown away, so that its sender gets to see the answer.
const MAX_DISCARDED_BYTES: usize = 1024 * 1024;
/// How long throwing away may take.
const DISCARD_TIMEOUT: Duration = Duration::from_millis(250);

/// Why there is no body.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BodyError {
    /// More than [`MAX_BODY_BYTES`].
    TooLarge,
    /// Not complete in time.
    TooSlow,
    /// It broke off, or its chunks cannot be read.
    Broken,
}

/// Reads a whole body, for as long as there is time.
///
/// # Errors
/// [`BodyError`].
pub async fn read(headers: &HeaderMap, mut body: Body, deadline: Instant) -> Result<Bytes, BodyError> {
    let outcome = if declared_length(headers).is_some_and(|length| length > MAX_BODY_BYTES) {
        Err(BodyError::TooLarge)
    } else {
        // Polls the body before the timer, so a body that is there already costs no timer.
        tokio::time::timeout_at(deadline, collect(&mut body)).await.unwrap_or(Err(BodyError::TooSlow))
    };
    // Whoever waits for `100 Continue` sends nothing before it, and reading would ask for it.
    if outcome == Err(BodyError::TooLarge) && !headers.contains_key(header::EXPECT) {
        discard(body, deadline).await;
    }
    outcome
}

fn declared_length(headers: &HeaderMap) -> Option<usize> {
    headers.get(header::CONTENT_LENGTH)?.to_str().ok()?.parse().ok()
}

async fn collect(body: &mut Body) -> Result<Bytes, BodyError> {
    // Almost every alert arrives in one piece, which is then the body without a copy.
    let mut first = Bytes::new();
    let mut rest = BytesMut::new();
    while let Some(frame) = body.frame().await {
        let Ok(piece) = frame.map_err(|_| BodyError::Broken)?.into_data() else { continue };
        if first.len() + rest.len() + piece.len() > MAX_BODY_BYTES {
            return Err(BodyError::TooLarge);
        }
        if first.is_empty() {
            first = piece;
        } else {
            rest.extend_from_slice(&piece);
        }
    }
    if rest.is_empty() {
        return Ok(first);
    }
    Ok([first, rest.freeze()].concat().into())
}

/// Closing a connection with unread bytes in it resets it, and the reset may overtake the answer.
async fn discard(mut body: Body, deadline: Instant) {
    let mut left = MAX_DISCARDED_BYTES;
    let reading = async {
        while let Some(Ok(frame)) = body.frame().await {
            let length = frame.data_ref().map_or(0, Bytes::len);
            left = left.saturating_sub(length);
            if left == 0 {
                break;
            }
        }
    };
    // Whether it ended or was cut off makes no difference to the answer.
    let _ = tokio::time::timeout_at(deadline.min(Instant::now() + DISCARD_TIMEOUT), reading).await;
}
