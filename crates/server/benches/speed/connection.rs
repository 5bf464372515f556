//! One keep-alive connection, and the smallest client of HTTP/1.1 that does: what it costs would be taken from the server, which
//! shares its cores.

use std::net::{Ipv4Addr, SocketAddr};

use anyhow::{Context, Result, bail, ensure};
use serde_json::Value;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// The largest answer that is read.
const LARGEST_ANSWER: usize = 512 * 1024;

/// One keep-alive connection.
pub struct Connection {
    stream: TcpStream,
    read: Vec<u8>,
}

impl Connection {
    /// Connects.
    pub async fn open(port: u16) -> Result<Self> {
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
        let stream =
            TcpStream::connect(address).await.with_context(|| format!("cannot connect to {address}"))?;
        stream.set_nodelay(true)?;
        Ok(Self { stream, read: Vec::with_capacity(4_096) })
    }

    /// Sends a request and reads its whole answer; gives its status.
    pub async fn exchange(&mut self, request: &[u8]) -> Result<u16> {
        self.stream.write_all(request).await.context("cannot send")?;
        self.read.clear();
        loop {
            let count = self.stream.read_buf(&mut self.read).await.context("cannot read")?;
            ensure!(count > 0, "the server closed the connection after: {}", self.answer());
            if let Some(status) = complete(&self.read)? {
                return Ok(status);
            }
            ensure!(self.read.len() <= LARGEST_ANSWER, "the answer is too long");
        }
    }

    /// Asks for a page, with an API key where one is given; gives the answer's status and body.
    pub async fn get(&mut self, path: &str, key: Option<&str>) -> Result<(u16, String)> {
        let authorization = key.map(|key| format!("Authorization: Bearer {key}\r\n")).unwrap_or_default();
        let request = format!("GET {path} HTTP/1.1\r\nHost: 127.0.0.1\r\n{authorization}\r\n");
        let status = self.exchange(request.as_bytes()).await?;
        let answer = self.answer();
        let (_, body) = answer.split_once("\r\n\r\n").context("an answer without a head")?;
        Ok((status, body.to_owned()))
    }

    /// Posts JSON with an API key; gives the JSON of the answer, which must be a success.
    pub async fn post(&mut self, path: &str, key: &str, body: &Value) -> Result<Value> {
        let body = body.to_string();
        let request = format!(
            "POST {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nAuthorization: Bearer {key}\r\n\
             Content-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}",
            body.len()
        );
        let status = self.exchange(request.as_bytes()).await?;
        let answer = self.answer();
        ensure!((200..300).contains(&status), "{path} was answered: {answer}");
        let (_, body) = answer.split_once("\r\n\r\n").context("an answer without a head")?;
        serde_json::from_str(body).context("an answer that is not JSON")
    }

    /// The last answer, as far as it was read.
    pub fn answer(&self) -> String {
        String::from_utf8_lossy(&self.read).into_owned()
    }
}

/// The status of an answer that is complete; `None` while some of it is missing.
fn complete(read: &[u8]) -> Result<Option<u16>> {
    let Some(head_end) = read.windows(4).position(|window| window == b"\r\n\r\n") else { return Ok(None) };
    let head = std::str::from_utf8(&read[..head_end]).context("the answer's head is not text")?;
    let mut lines = head.split("\r\n");
    let status_line = lines.next().unwrap_or_default();
    let status = status_line.split(' ').nth(1).unwrap_or_default();
    let status = status.parse().with_context(|| format!("unreadable status line: {status_line}"))?;
    let length = lines
        .filter_map(|line| line.split_once(':'))
        .find(|(name, _)| name.eq_ignore_ascii_case("content-length"));
    let Some((_, length)) = length else { bail!("the answer has no Content-Length: {head}") };
    let length: usize = length.trim().parse().context("unreadable Content-Length")?;
    Ok((read.len() >= head_end + 4 + length).then_some(status))
}
