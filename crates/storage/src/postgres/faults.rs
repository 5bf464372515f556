//! What PostgreSQL's errors mean for those who asked.

use std::borrow::Cow;
use std::io::ErrorKind;

use atomik_ports::StoreError;

/// The error of a query, for the caller of the store.
#[allow(clippy::needless_pass_by_value)] // the shape of `map_err`
pub(super) fn fault(error: sqlx::Error) -> StoreError {
    match code(&error).as_deref() {
        // data_corrupted, index_corrupted
        Some("XX001" | "XX002") => StoreError::Corrupt(sentence(&error).into_owned()),
        _ => StoreError::Unavailable(sentence(&error).into_owned()),
    }
}

/// The error of an insert or update, where a value that must be unique may be taken.
pub(super) fn fault_or_taken(what: &'static str) -> impl Fn(sqlx::Error) -> StoreError {
    move |error| match error.as_database_error() {
        Some(refused) if refused.is_unique_violation() => StoreError::Taken(what),
        _ => fault(error),
    }
}

/// The error of reading one row that must be there.
pub(super) fn fault_or_missing(error: sqlx::Error) -> StoreError {
    match error {
        sqlx::Error::RowNotFound => StoreError::NotFound,
        other => fault(other),
    }
}

/// Whether the server rolled a transaction back only because of others that ran beside it: `serialization_failure` and
/// `deadlock_detected`.
pub(super) fn is_collision(error: &sqlx::Error) -> bool {
    matches!(code(error).as_deref(), Some("40001" | "40P01"))
}

/// Whether a statement undid itself because something was not as it expected: `as_expected` of the schema says so.
pub(super) fn is_not_as_expected(error: &sqlx::Error) -> bool {
    code(error).as_deref() == Some("AT001")
}

/// Whether the error came from the server, about the statement, with a connection that goes on: what was asked has then
/// certainly not been done. Any other error leaves open what the server did.
pub(super) fn is_refusal(error: &sqlx::Error) -> bool {
    // Classes 08 (connection) and 57P (the server is ended, or ends the session) come with the connection's end.
    code(error).is_some_and(|code| !code.starts_with("08") && !code.starts_with("57P"))
}

/// Whether the connection is no more, and was not merely too slow.
pub(super) fn is_broken(error: &sqlx::Error) -> bool {
    match error {
        sqlx::Error::Io(reason) => reason.kind() != ErrorKind::TimedOut,
        other => other.as_database_error().is_some() && !is_refusal(other),
    }
}

/// The five characters that PostgreSQL gives each kind of error.
pub(super) fn code(error: &sqlx::Error) -> Option<String> {
    error.as_database_error()?.code().map(Cow::into_owned)
}

/// The error in an operator's words.
pub(super) fn sentence(error: &sqlx::Error) -> Cow<'static, str> {
    let code = code(error);
    match code.as_deref() {
        Some("25006") => "the database is read-only (a standby, or being moved)".into(),
        Some("28000" | "28P01") => "PostgreSQL refuses the user or the password of store.postgres_url".into(),
        Some("3D000") => "PostgreSQL has no database of that name; make it first (CREATE DATABASE)".into(),
        Some("42501") => format!("the user of store.postgres_url may not do what is needed ({error})").into(),
        Some("53100") => "the database's disk is full".into(),
        Some("53300") => "PostgreSQL takes no more connections (max_connections)".into(),
        Some("55P03") => "another transaction held a lock for too long".into(),
        Some("57014") => "the database took too long for a statement".into(),
        Some("57P01" | "57P02" | "57P03") => "the database is stopping or starting".into(),
        Some("XX001" | "XX002") => format!("the database is damaged ({error})").into(),
        _ => match error {
            // What is wrong with a certificate comes as an error of the connection.
            sqlx::Error::Io(reason) if reason.kind() == ErrorKind::InvalidData => {
                format!("no TLS connection to the database can be made: {reason}").into()
            }
            sqlx::Error::Io(reason) => format!("the database cannot be reached: {reason}").into(),
            sqlx::Error::Tls(reason) => {
                format!("no TLS connection to the database can be made: {reason}").into()
            }
            sqlx::Error::PoolTimedOut => {
                "all connections to the database are busy, or it cannot be reached".into()
            }
            sqlx::Error::PoolClosed | sqlx::Error::WorkerCrashed => "the store has shut down".into(),
            other => other.to_string().into(),
        },
    }
}

/// The error of something that did not come to an end.
pub(super) fn too_late() -> sqlx::Error {
    sqlx::Error::Io(std::io::Error::from(ErrorKind::TimedOut))
}
