//! The alert source: it sends again what was not accepted, and keeps a journal of what it was told.

use std::io::{Read, Write};
use std::net::TcpStream;

use serde_json::json;

use crate::common::{PATIENCE, status_of};

/// What an alert wants.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wants {
    Entry,
    ExitHalf,
    ExitAll,
}

/// An alert, with all that its sends were answered.
#[derive(Clone, Debug)]
pub struct Alert {
    /// Which no other alert has. It is in its id and in its price.
    pub number: u32,
    /// The webhook.
    pub hook: usize,
    pub wants: Wants,
    /// Statuses; `None` where no answer came.
    pub answers: Vec<Option<u16>>,
    /// Whether it is not sent again though it was refused.
    pub is_given_up: bool,
}

/// The price of alert zero.
pub const BASE_PRICE: u32 = 5_000;

impl Alert {
    pub fn is_accepted(&self) -> bool {
        self.answers.contains(&Some(202))
    }

    /// Whether it has to be sent once more.
    pub fn is_open(&self) -> bool {
        !self.is_accepted() && !self.is_given_up
    }

    /// Whether every send was answered, and none with 202: it must never trade.
    pub fn is_refused(&self) -> bool {
        !self.answers.is_empty() && self.answers.iter().all(|answer| matches!(answer, Some(429 | 503)))
    }

    fn message(&self) -> String {
        let (action, comment) = match self.wants {
            Wants::Entry => ("BUY", "ENTRY"),
            Wants::ExitHalf => ("SELL", "EXIT_50"),
            Wants::ExitAll => ("SELL", "EXIT_ALL"),
        };
        let price = (BASE_PRICE + self.number).to_string();
        json!({"action": action, "comment": comment, "price": price, "id": format!("alert {}", self.number)})
            .to_string()
    }

    /// One send.
    pub fn send(&self, address: &str, path: &str) -> Option<u16> {
        let message = self.message();
        let request = format!(
            "POST {path} HTTP/1.1\r\nhost: a\r\nconnection: close\r\ncontent-length: {}\r\n\r\n{message}",
            message.len()
        );
        let answer = ask(address, &request)?;
        match status_of(&answer) {
            0 => None,
            status @ (202 | 429 | 503) => Some(status),
            _ => panic!("{self:?} is answered {answer}"),
        }
    }
}

/// One request on a connection of its own, and as much of the answer as came; `None` where nobody is there.
pub fn ask(address: &str, request: &str) -> Option<String> {
    let mut stream = TcpStream::connect(address).ok()?;
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    stream.write_all(request.as_bytes()).ok()?;
    let mut answer = Vec::new();
    let _ = stream.read_to_end(&mut answer); // who is killed resets it
    Some(String::from_utf8_lossy(&answer).into_owned())
}
