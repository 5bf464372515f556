//! Connections, and how each is set up.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use secrecy::{ExposeSecret, SecretString};
use sqlx::postgres::{PgConnectOptions, PgConnection, PgPool, PgPoolOptions};
use sqlx::{ConnectOptions, Executor};

use super::faults::too_late;

/// How long one connection may take to be made. Below what an alert source waits for its answer.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(3);
/// How long a caller waits for one of the pool's connections.
const ACQUIRE_TIMEOUT: Duration = Duration::from_secs(5);
/// How long the server works on one statement, and how long a statement waits for a lock.
pub(super) const STATEMENT_TIMEOUT: Duration = Duration::from_secs(20);
const LOCK_TIMEOUT: Duration = Duration::from_secs(10);
/// How long a transaction may stand still: longer than any of ours does.
const IDLE_TIMEOUT: Duration = Duration::from_secs(60);
/// Connections of the pool that nobody has needed for so long are closed.
const POOL_IDLE: Duration = Duration::from_secs(300);
/// Statements kept ready on each connection.
const STATEMENTS: usize = 250;

/// What may stand behind the question mark of a URL.
const PARAMETERS: [&str; 10] =
    ["sslmode", "sslrootcert", "sslcert", "sslkey", "host", "hostaddr", "port", "dbname", "user", "password"];

fn are_known(parameters: &str) -> bool {
    let mut names = parameters.split('&').map(|pair| pair.split('=').next().unwrap_or_default());
    names.all(|name| PARAMETERS.contains(&name))
}

/// Makes connections to one database.
#[derive(Clone)]
pub(super) struct Connector {
    options: PgConnectOptions,
    /// Tells this store from every other of the same database.
    pub store: i64,
}

impl fmt::Debug for Connector {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Connector").field("place", &self.place()).finish_non_exhaustive()
    }
}

impl Connector {
    /// For the database of a URL. An error says nothing of the URL itself, for it holds a password.
    pub fn of(url: &SecretString, store: i64) -> Result<Self, String> {
        let text = url.expose_secret();
        if !text.starts_with("postgres://") && !text.starts_with("postgresql://") {
            return Err("it does not begin with postgres://".to_owned());
        }
        // One that is mistyped would be left out of account, and logged with its value.
        if text.split_once('?').is_some_and(|(_, parameters)| !are_known(parameters)) {
            return Err(format!("what stands behind the ? is none of {}", PARAMETERS.join(", ")));
        }
        let options = PgConnectOptions::from_str(text).map_err(|_| "it is not a URL".to_owned())?;
        if options.get_database().is_some_and(|database| database.contains('@')) {
            // What is taken for the database's name then is a part of the password, and names are shown.
            return Err(
                "there is an @ behind the host: in a password @ is written %40, / %2F, : %3A, # %23, ? %3F"
                    .to_owned(),
            );
        }
        let milliseconds = |time: Duration| time.as_millis().to_string();
        let options = options
            .application_name(&Self::name_of(store))
            .statement_cache_capacity(STATEMENTS)
            .disable_statement_logging()
            .options([
                ("statement_timeout", milliseconds(STATEMENT_TIMEOUT)),
                ("lock_timeout", milliseconds(LOCK_TIMEOUT)),
                ("idle_in_transaction_session_timeout", milliseconds(IDLE_TIMEOUT)),
                // A session whose client is gone without a word ends within seconds, with all its locks.
                ("tcp_keepalives_idle", "2".to_owned()),
                ("tcp_keepalives_interval", "1".to_owned()),
                ("tcp_keepalives_count", "3".to_owned()),
                ("jit", "off".to_owned()),
            ]);
        Ok(Self { options, store })
    }

    /// What the sessions of a store are called.
    pub fn name_of(store: i64) -> String {
        format!("atomik {store:016x}")
    }

    /// Where the database is, without the password.
    pub fn place(&self) -> String {
        let options = &self.options;
        let database = options.get_database().unwrap_or_else(|| options.get_username());
        match options.get_socket() {
            Some(socket) => format!("{database} at {}", socket.display()),
            None => format!("{database} at {}:{}", options.get_host(), options.get_port()),
        }
    }

    /// A connection of its own.
    pub async fn connect(&self) -> Result<PgConnection, sqlx::Error> {
        let connecting = async {
            let mut connection = self.options.connect().await?;
            set_up(&mut connection).await?;
            // What is recorded is written for plans that know no values; planning each time would cost more than running.
            connection.execute("SET plan_cache_mode = force_generic_plan").await?;
            // A process that stands still in the middle of a transaction holds up others for no longer than this.
            connection.execute("SET idle_in_transaction_session_timeout = '3s'").await?;
            Ok(connection)
        };
        tokio::time::timeout(CONNECT_TIMEOUT, connecting).await.unwrap_or_else(|_| Err(too_late()))
    }

    /// Connections for reads and for what users set up.
    pub fn pool(&self, max_connections: u32) -> PgPool {
        PgPoolOptions::new()
            .max_connections(max_connections)
            .acquire_timeout(ACQUIRE_TIMEOUT)
            .idle_timeout(POOL_IDLE)
            // After a restart of the database all connections that lie ready are dead.
            .test_before_acquire(true)
            .after_connect(|connection, _| Box::pin(set_up(connection)))
            .connect_lazy_with(self.options.clone())
    }
}

/// Acknowledged is on the disk, whatever the server's own setting is; one that waits for standbys besides is left alone.
async fn set_up(connection: &mut PgConnection) -> Result<(), sqlx::Error> {
    connection
        .execute(
            "SELECT set_config('synchronous_commit', 'on', false) \
             WHERE current_setting('synchronous_commit') NOT IN ('on', 'remote_apply')",
        )
        .await
        .map(drop)
}
