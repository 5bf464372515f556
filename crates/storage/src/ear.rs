//! Where messages of a bus wait to be taken in: as many as there is room for, and told when some were lost.

use atomik_ports::bus::Heard;
use tokio::sync::mpsc;

/// How many messages may wait to be taken in.
const WAITING: usize = 1_024;

/// Hands on what is heard.
pub struct Ear {
    heard: mpsc::Sender<Heard>,
    /// Whether something was lost that nobody was told of yet.
    gap: bool,
}

impl Ear {
    /// An ear, and what takes in what it hears.
    pub fn new() -> (Self, mpsc::Receiver<Heard>) {
        let (heard, taken) = mpsc::channel(WAITING);
        (Self { heard, gap: false }, taken)
    }

    /// Hands a message on. One that finds no room is lost.
    pub fn message(&mut self, message: String) {
        self.tell();
        self.gap |= self.heard.try_send(Heard::Message(message)).is_err();
    }

    /// Tells that messages may have been lost.
    pub fn missed(&mut self) {
        self.gap = true;
        self.tell();
    }

    /// Tells of what was lost, once there is room for that.
    pub fn tell(&mut self) {
        if self.gap {
            self.gap = self.heard.try_send(Heard::Gap).is_err();
        }
    }

    /// Whether nobody listens any more.
    pub fn is_closed(&self) -> bool {
        self.heard.is_closed()
    }

    /// Returns when nobody listens any more.
    pub async fn closed(&self) {
        self.heard.closed().await;
    }
}
