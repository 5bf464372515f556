//! Short messages between nodes, as well as they can be carried: whatever is lost is found in the store a little later.

use async_trait::async_trait;
use tokio::sync::mpsc;

/// The most bytes that a message may have.
pub const MAX_MESSAGE: usize = 7_000;

/// The bus cannot be reached.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct BusError(pub String);

/// Something heard.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Heard {
    /// A message, of this node or another.
    Message(String),
    /// Messages may have been lost: the connection was made, or made again.
    Gap,
}

/// Carries messages to all nodes.
#[async_trait]
pub trait Bus: Send + Sync {
    /// Sends a message of at most [`MAX_MESSAGE`] bytes to all nodes that listen.
    ///
    /// # Errors
    /// [`BusError`]: nobody may have heard it.
    async fn publish(&self, message: &str) -> Result<(), BusError>;
    /// Listens from now on, connecting again as often as is needed. What is not taken in time is lost, and told as a gap.
    /// Ends when the receiver is dropped.
    fn listen(&self) -> mpsc::Receiver<Heard>;
}
