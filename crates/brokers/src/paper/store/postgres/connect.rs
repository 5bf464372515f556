//! Connections to the database, and what their errors mean.
//!
//! The store of a server is in the same database, and is opened first: it checks that the server keeps what it acknowledges.

use std::fmt;
use std::io::ErrorKind;
use std::str::FromStr;
use std::time::Duration;

use secrecy::{ExposeSecret, SecretString};
use sqlx::postgres::{PgConnectOptions, PgConnection, PgPool, PgPoolOptions};
use sqlx::{ConnectOptions, Executor};

/// How long one connection may take to be made.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(3);
/// How long a look-up waits for a connection.
const ACQUIRE_TIMEOUT: Duration = Duration::from_secs(5);
/// How long the server works on one statement, and how long a statement waits for a lock.
const STATEMENT_TIMEOUT: Duration = Duration::from_secs(10);
const LOCK_TIMEOUT: Duration = Duration::from_secs(5);
/// How long the answer to a statement is waited for: a little longer than the server works on it.
pub(super) const ANSWER_TIMEOUT: Duration = STATEMENT_TIMEOUT.saturating_add(Duration::from_secs(2));
/// The most connections that look-ups use.
const LOOK_UPS: u32 = 2;

/// What may stand behind the question mark of a URL.
const PARAMETERS: [&str; 10] =
    ["sslmode", "sslrootcert", "sslcert", "sslkey", "host", "hostaddr", "port", "dbname", "user", "password"];

/// Makes connections to one database.
#[derive(Clone)]
pub(super) struct Connector(PgConnectOptions);

impl fmt::Debug for Connector {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_tuple("Connector").field(&self.place()).finish()
    }
}

impl Connector {
    /// For the database of a URL. An error says nothing of the URL itself, for it holds a password.
    pub fn of(url: &SecretString) -> Result<Self, String> {
        let text = url.expose_secret();
        let parameters = text.split_once('?').map_or("", |(_, parameters)| parameters);
        let mut names = parameters.split('&').map(|pair| pair.split('=').next().unwrap_or_default());
        // One that is mistyped would be left out of account, and logged with its value.
        if !parameters.is_empty() && !names.all(|name| PARAMETERS.contains(&name)) {
            return Err(format!("what stands behind the ? of its URL is none of {}", PARAMETERS.join(", ")));
        }
        let options = PgConnectOptions::from_str(text).map_err(|_| "its URL is none".to_owned())?;
        let milliseconds = |time: Duration| time.as_millis().to_string();
        Ok(Self(options.application_name("atomik paper venue").disable_statement_logging().options([
            ("statement_timeout", milliseconds(STATEMENT_TIMEOUT)),
            ("lock_timeout", milliseconds(LOCK_TIMEOUT)),
            // A session whose client is gone without a word ends within a minute.
            ("tcp_keepalives_idle", "30".to_owned()),
            ("tcp_keepalives_interval", "10".to_owned()),
            ("tcp_keepalives_count", "3".to_owned()),
            // Whoever waited for an account's row must see it as it is then.
            ("default_transaction_isolation", "read committed".to_owned()),
            ("jit", "off".to_owned()),
            // The plan of a commit does not depend on what is committed, and costs more than running it.
            ("plan_cache_mode", "force_generic_plan".to_owned()),
        ])))
    }

    /// Where the database is, without the password.
    pub fn place(&self) -> String {
        let database = self.0.get_database().unwrap_or_else(|| self.0.get_username());
        match self.0.get_socket() {
            Some(socket) => format!("{database} at {}", socket.display()),
            None => format!("{database} at {}:{}", self.0.get_host(), self.0.get_port()),
        }
    }

    /// A connection of its own.
    pub async fn connect(&self) -> Result<PgConnection, sqlx::Error> {
        let connecting = async {
            let mut connection = self.0.connect().await?;
            // Acknowledged is on the disk, whatever the server's own setting is; one that waits for standbys besides is
            // left alone.
            connection
                .execute(
                    "SELECT set_config('synchronous_commit', 'on', false) \
                     WHERE current_setting('synchronous_commit') NOT IN ('on', 'remote_apply')",
                )
                .await?;
            Ok(connection)
        };
        in_time(CONNECT_TIMEOUT, connecting).await
    }

    /// Connections for look-ups.
    pub fn pool(&self) -> PgPool {
        PgPoolOptions::new()
            .max_connections(LOOK_UPS)
            .acquire_timeout(ACQUIRE_TIMEOUT)
            // After a restart of the database all connections that lie ready are dead.
            .test_before_acquire(true)
            .connect_lazy_with(self.0.clone())
    }
}

/// What comes of a question, which may take only so long.
pub(super) async fn in_time<T>(
    limit: Duration,
    asked: impl Future<Output = Result<T, sqlx::Error>>,
) -> Result<T, sqlx::Error> {
    let too_late = |_| Err(sqlx::Error::Io(ErrorKind::TimedOut.into()));
    tokio::time::timeout(limit, asked).await.unwrap_or_else(too_late)
}

/// Whether the error came from the server, about the statement, with a connection that goes on: what was asked has then
/// certainly not been done.
pub(super) fn is_refusal(error: &sqlx::Error) -> bool {
    // Classes 08 (connection) and 57P (the server is ended, or ends the session) come with the connection's end.
    let code = error.as_database_error().and_then(|refused| refused.code());
    code.is_some_and(|code| !code.starts_with("08") && !code.starts_with("57P"))
}
