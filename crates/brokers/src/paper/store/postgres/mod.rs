//! The books in a PostgreSQL database, in the schema `paper`: many nodes share them.
//!
//! A commit is one statement. A process that is paused at any moment therefore leaves no transaction open that holds an
//! account's row; and whoever takes the account over waits for that row, so that a commit is either done before, or finds
//! its session outlived, however late it arrives.

mod connect;
pub(in crate::paper) mod copy;
pub(in crate::paper) mod fill;
mod open;

use std::collections::{BTreeSet, HashMap};
use std::fmt::Write as _;
use std::sync::Arc;

use async_trait::async_trait;
use atomik_domain::{BrokerAccountId, ExecutionReport};
use secrecy::SecretString;
use sqlx::error::BoxDynError;
use sqlx::postgres::{PgArguments, PgConnection, PgPool, PgRow};
use sqlx::{Arguments as _, AssertSqlSafe, Connection as _, PgExecutor};

use super::columns::{Queries, account_of, number, reports_of};
use super::rows::{Kind, Row, TABLES, Value, joined};
use super::{Books, CommitFailure, Opened, OrderKey, Reader, Rows, SessionNumber, StoreFailure};
use crate::paper::settings::PaperSettings;
use crate::paper::venue::Account;
use connect::{ANSWER_TIMEOUT, Connector, in_time, is_refusal};

/// The orders of a list of accounts and client order ids.
const WANTED: &str = "unnest($1::bigint[], $2::bytea[]) AS wanted (account_id, client_order_id) \
                      JOIN paper.orders AS o ON o.account_id = wanted.account_id \
                      AND o.client_order_id = wanted.client_order_id";

/// Makes a new account, or ends the session that there is, whoever has it.
const TAKE_OVER: &str = "INSERT INTO paper.accounts AS a (account_id, starting_balance, cash, last_sequence, session) \
                         VALUES ($1, $2, $2, 0, 1) \
                         ON CONFLICT (account_id) DO UPDATE SET session = a.session + 1 \
                         RETURNING starting_balance, cash, last_sequence, session";

/// The same for the one who has the session.
const FOLLOW: &str = "UPDATE paper.accounts SET session = session + 1 WHERE account_id = $1 AND session = $2 \
                      RETURNING starting_balance, cash, last_sequence, session";

const OUTLIVED: &str = "SELECT had.account_id FROM unnest($1::bigint[], $2::bigint[]) AS had (account_id, session) \
                        WHERE NOT EXISTS (SELECT 1 FROM paper.accounts AS a \
                        WHERE a.account_id = had.account_id AND a.session = had.session)";

/// Reads what is committed.
#[derive(Debug)]
struct PgReader {
    pool: PgPool,
    queries: Queries,
}

/// The books, read and written through one connection.
#[derive(Debug)]
struct PgBooks {
    reader: Arc<PgReader>,
    connector: Connector,
    connection: Option<PgConnection>,
    commit: String,
}

/// Where the database of a URL is, without the password.
///
/// # Errors
/// What is wrong with the URL, without the URL.
pub(crate) fn place_of(url: &SecretString) -> Result<String, String> {
    Connector::of(url).map(|connector| connector.place())
}

/// Opens the books and brings their schema up to date.
///
/// # Errors
/// [`StoreFailure`] where the database cannot be reached, or was written by a newer version.
pub(crate) async fn open(url: &SecretString) -> Result<Opened, StoreFailure> {
    let connector = Connector::of(url).map_err(StoreFailure::Unavailable)?;
    let mut connection = connector.connect().await?;
    open::prepare(&mut connection).await?;
    let reader = Arc::new(PgReader { pool: connector.pool(), queries: Queries::of("paper.", WANTED) });
    let books = PgBooks {
        reader: Arc::clone(&reader),
        connector,
        connection: Some(connection),
        commit: commit_statement(),
    };
    Ok((reader, Box::new(books)))
}

/// One statement for a whole batch. First it locks the rows of the accounts whose session is still the latest, which waits
/// for whoever is changing them and then looks again; all that follows is written for those accounts alone.
fn commit_statement() -> String {
    let mut text = "WITH held AS MATERIALIZED (SELECT a.account_id \
         FROM unnest($1::bigint[], $2::bigint[]) AS had (account_id, session) \
         JOIN paper.accounts AS a ON a.account_id = had.account_id AND a.session = had.session \
         ORDER BY a.account_id FOR NO KEY UPDATE OF a)"
        .to_owned();
    let mut places = 3..;
    for table in &TABLES {
        let place = |((_, kind), number): (&(_, Kind), usize)| format!("${number}::{}[]", kind.sql_type());
        let places = joined(table.columns.iter().zip(&mut places).map(place));
        let (name, names) = (table.name, table.names(""));
        // Writing into a text cannot fail.
        let _ = write!(
            text,
            ", {name}_written AS (INSERT INTO paper.{name} ({names}) SELECT {names} \
             FROM unnest({places}) AS written ({names}) \
             WHERE written.account_id IN (SELECT held.account_id FROM held){})",
            table.on_conflict()
        );
    }
    text.push_str(" SELECT account_id FROM held");
    text
}

impl Kind {
    fn sql_type(self) -> &'static str {
        match self {
            Self::Integer => "bigint",
            Self::Text => "text",
            Self::Blob => "bytea",
            Self::Flag => "boolean",
        }
    }

    /// Adds a column of rows as an array.
    fn add(self, rows: &[Row], column: usize, to: &mut PgArguments) -> Result<(), BoxDynError> {
        let values = rows.iter().filter_map(|row| row.get(column));
        macro_rules! array {
            ($kind:ident) => {
                values.filter_map(|value| match value {
                    Value::$kind(value) => Some(value),
                    _ => None,
                })
            };
        }
        match self {
            Self::Integer => to.add(array!(Integer).copied().collect::<Vec<_>>()),
            Self::Text => to.add(array!(Text).map(Option::as_deref).collect::<Vec<_>>()),
            Self::Blob => to.add(array!(Blob).map(Vec::as_slice).collect::<Vec<_>>()),
            Self::Flag => to.add(array!(Flag).copied().collect::<Vec<_>>()),
        }
    }
}

/// What [`commit_statement`] is bound to.
fn arguments_of(rows: &Rows) -> Result<PgArguments, BoxDynError> {
    let mut arguments = PgArguments::default();
    let (accounts, numbers) = columns_of(&rows.sessions);
    arguments.add(accounts)?;
    arguments.add(numbers)?;
    for (table, rows) in TABLES.iter().zip(&rows.tables) {
        for (column, (_, kind)) in table.columns.iter().enumerate() {
            kind.add(rows, column, &mut arguments)?;
        }
    }
    Ok(arguments)
}

fn columns_of(sessions: &[(BrokerAccountId, SessionNumber)]) -> (Vec<i64>, Vec<i64>) {
    sessions.iter().map(|(account, session)| (account.0, *session)).unzip()
}

fn accounts_of(rows: &[PgRow]) -> Result<BTreeSet<BrokerAccountId>, StoreFailure> {
    rows.iter().map(|row| number(row, "account_id").map(BrokerAccountId)).collect()
}

#[async_trait]
impl Reader for PgReader {
    async fn reports(&self, keys: &[OrderKey]) -> Result<HashMap<OrderKey, ExecutionReport>, StoreFailure> {
        reports_of(&in_time(ANSWER_TIMEOUT, self.rows(keys, &self.pool)).await?)
    }
}

impl PgReader {
    async fn rows(&self, keys: &[OrderKey], from: impl PgExecutor<'_>) -> Result<Vec<PgRow>, sqlx::Error> {
        let (accounts, ids): (Vec<_>, Vec<_>) =
            keys.iter().map(|(account, id)| (account.0, id.as_bytes().to_vec())).unzip();
        sqlx::query(AssertSqlSafe(self.queries.reports.as_str()))
            .bind(accounts)
            .bind(ids)
            .fetch_all(from)
            .await
    }

    async fn account(
        &self,
        connection: &mut PgConnection,
        id: BrokerAccountId,
        settings: &PaperSettings,
        after: Option<SessionNumber>,
    ) -> Result<Option<[Vec<PgRow>; 3]>, sqlx::Error> {
        let began = match after {
            None => sqlx::query(TAKE_OVER).bind(id.0).bind(settings.starting_balance.to_string()),
            Some(session) => sqlx::query(FOLLOW).bind(id.0).bind(session),
        };
        let began = began.fetch_all(&mut *connection).await?;
        if began.is_empty() {
            return Ok(None);
        }
        // From here on only a later session changes anything of the account, and under that one this commits nothing.
        let holdings = sqlx::query(AssertSqlSafe(self.queries.holdings.as_str()));
        let holdings = holdings.bind(id.0).fetch_all(&mut *connection).await?;
        let resting = sqlx::query(AssertSqlSafe(self.queries.resting.as_str()));
        let resting = resting.bind(id.0).fetch_all(connection).await?;
        Ok(Some([began, holdings, resting]))
    }
}

impl PgBooks {
    /// The connection, made anew where it was lost.
    async fn take(&mut self) -> Result<PgConnection, sqlx::Error> {
        match self.connection.take() {
            Some(connection) => Ok(connection),
            None => self.connector.connect().await,
        }
    }

    /// Keeps a connection for the next call, unless it may be no more.
    fn put_back<T>(&mut self, connection: PgConnection, answered: &Result<T, sqlx::Error>) {
        if answered.as_ref().err().is_none_or(is_refusal) {
            self.connection = Some(connection);
        }
    }

    async fn rows(&mut self, keys: &[OrderKey]) -> Result<Vec<PgRow>, sqlx::Error> {
        let mut connection = self.take().await?;
        let found = in_time(ANSWER_TIMEOUT, self.reader.rows(keys, &mut connection)).await;
        self.put_back(connection, &found);
        found
    }
}

#[async_trait]
impl Books for PgBooks {
    fn are_shared(&self) -> bool {
        true
    }

    async fn known(&mut self, keys: &[OrderKey]) -> Result<HashMap<OrderKey, ExecutionReport>, StoreFailure> {
        let lay_ready = self.connection.is_some();
        let rows = match self.rows(keys).await {
            // It may have died while it lay ready, which is found out here and not by the commit that follows.
            Err(error) if lay_ready && !is_refusal(&error) => self.rows(keys).await?,
            other => other?,
        };
        reports_of(&rows)
    }

    async fn load(
        &mut self,
        id: BrokerAccountId,
        settings: &PaperSettings,
        after: Option<SessionNumber>,
    ) -> Result<Option<(SessionNumber, Account)>, StoreFailure> {
        let mut connection = self.take().await?;
        let reading = self.reader.account(&mut connection, id, settings, after);
        let read = in_time(ANSWER_TIMEOUT, reading).await;
        self.put_back(connection, &read);
        let Some([began, holdings, resting]) = read? else { return Ok(None) };
        let Some(row) = began.first() else { return Ok(None) };
        Ok(Some((number(row, "session")?, account_of(id, settings, Some(row), &holdings, &resting)?)))
    }

    async fn commit(&mut self, rows: Rows) -> Result<BTreeSet<BrokerAccountId>, CommitFailure> {
        let nothing_happened = |detail: String| CommitFailure { fate_unknown: false, detail };
        let arguments = arguments_of(&rows).map_err(|error| nothing_happened(error.to_string()))?;
        let mut connection = self.take().await.map_err(|error| nothing_happened(error.to_string()))?;
        rows.pass("paper_before_commit");
        let query = sqlx::query_with(AssertSqlSafe(self.commit.as_str()), arguments);
        // All that the server says is read to its end: the statement's rows come before its commit.
        let written = in_time(ANSWER_TIMEOUT, query.fetch_all(&mut connection)).await;
        self.put_back(connection, &written);
        let written = written.map_err(|error| CommitFailure {
            fate_unknown: !is_refusal(&error),
            detail: error.to_string(),
        })?;
        rows.pass("paper_after_commit");
        let held = accounts_of(&written)
            .map_err(|error| CommitFailure { fate_unknown: true, detail: error.to_string() })?;
        let accounts = rows.sessions.iter().map(|(account, _)| *account);
        Ok(accounts.filter(|account| !held.contains(account)).collect())
    }

    async fn outlived(
        &mut self,
        sessions: &[(BrokerAccountId, SessionNumber)],
    ) -> Result<Vec<BrokerAccountId>, StoreFailure> {
        let (accounts, numbers) = columns_of(sessions);
        let mut connection = self.take().await?;
        let asked = sqlx::query(OUTLIVED).bind(accounts).bind(numbers).fetch_all(&mut connection);
        let rows = in_time(ANSWER_TIMEOUT, asked).await;
        self.put_back(connection, &rows);
        Ok(accounts_of(&rows?)?.into_iter().collect())
    }

    async fn close(self: Box<Self>) {
        if let Some(connection) = self.connection
            && let Err(error) = connection.close().await
        {
            tracing::warn!(%error, "the paper venue's connection did not close cleanly");
        }
        self.reader.pool.close().await;
    }
}
