//! The listening socket: our own, or one that a service manager holds, so that it lives on while processes are replaced: nobody is
//! refused, and who connects meanwhile waits for the next process.

use std::io;
use std::net::SocketAddr;

use anyhow::{Context, bail};
use listenfd::ListenFd;
use sd_notify::NotifyState;
use tokio::net::{TcpListener, TcpSocket};

/// How many new connections may wait to be taken; the system may allow fewer. Where a bar closes, alerts of many sources come at
/// once, each over a connection of its own, and the system ignores what does not fit: those try again after a second, then
/// after two more, and an alert source gives up after three. The usual 128 are full within milliseconds.
const BACKLOG: u32 = 4_096;

/// Listens on an address.
///
/// # Errors
/// The system's.
pub fn bind(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = if address.is_ipv4() { TcpSocket::new_v4() } else { TcpSocket::new_v6() }?;
    // A restart finds connections of the last process that are not quite over.
    socket.set_reuseaddr(true)?;
    socket.bind(address)?;
    socket.listen(BACKLOG)
}

/// The socket that was handed over with the start (`LISTEN_FDS`), where there is one. Must be called before there are threads.
///
/// # Errors
/// A sentence for the operator, where what was handed over is not one listening TCP socket.
pub fn inherited() -> anyhow::Result<Option<std::net::TcpListener>> {
    let mut sockets = ListenFd::from_env();
    match sockets.len() {
        0 => Ok(None),
        1 => sockets
            .take_tcp_listener(0)
            .context("the socket that the service manager handed over is not a listening TCP socket"),
        count => bail!("the service manager handed over {count} sockets; name one ListenStream"),
    }
}

/// Takes it into use, instead of the configured address.
///
/// # Errors
/// The system's.
pub fn take(listener: std::net::TcpListener, configured: SocketAddr) -> anyhow::Result<TcpListener> {
    let cannot = "the socket that the service manager handed over cannot be used";
    listener.set_nonblocking(true).context(cannot)?;
    let listener = TcpListener::from_std(listener).context(cannot)?;
    let listen = listener.local_addr().context(cannot)?;
    tracing::info!(%listen, %configured, "the service manager holds the listener; server.listen does not count");
    Ok(listener)
}

/// Tells the service manager that requests are answered from now on.
pub fn say_ready() {
    say(&[NotifyState::Ready]);
}

/// Tells the service manager that the end has begun.
pub fn say_stopping() {
    say(&[NotifyState::Stopping]);
}

fn say(state: &[NotifyState<'_>]) {
    // Without a service manager there is nobody to tell, and that is no error.
    if let Err(error) = sd_notify::notify(state) {
        tracing::warn!(%error, "the service manager cannot be told");
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used)] // a test may fail by a panic

    use std::time::Duration;

    use tokio::net::TcpStream;

    use super::*;

    /// Three times what systems let wait unless they are asked for more.
    const CONNECTIONS: usize = 400;

    #[tokio::test]
    async fn many_who_connect_at_once_wait_to_be_taken() {
        let most = std::fs::read_to_string("/proc/sys/net/core/somaxconn").unwrap_or_default();
        if most.trim().parse().is_ok_and(|most: usize| most < CONNECTIONS) {
            println!("SKIPPED: this system lets {} wait at most", most.trim());
            return;
        }
        let listener = bind("127.0.0.1:0".parse().unwrap()).unwrap();
        let address = listener.local_addr().unwrap();
        let mut waiting = Vec::new();
        let all = async {
            for _ in 0..CONNECTIONS {
                waiting.push(TcpStream::connect(address).await.unwrap());
            }
        };
        // Nobody takes them, so one that has no room tries for minutes.
        tokio::time::timeout(Duration::from_secs(30), all).await.expect("one found no room");
        assert_eq!(waiting.len(), CONNECTIONS);
    }
}
