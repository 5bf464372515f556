//! The listening socket that a service manager holds, so that it lives on while processes are replaced: nobody is refused, and
//! who connects meanwhile waits for the next process.

use std::net::SocketAddr;

use anyhow::{Context, bail};
use listenfd::ListenFd;
use sd_notify::NotifyState;
use tokio::net::TcpListener;

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
