//! What SQLite's errors mean for those who asked.

use std::borrow::Cow;

use atomik_ports::StoreError;

const CORRUPT: i32 = 11;
const NOT_A_DATABASE: i32 = 26;
/// `SQLITE_IOERR_FSYNC` and `SQLITE_IOERR_DIR_FSYNC`.
const FLUSH_FAILED: [i32; 2] = [10 | (4 << 8), 10 | (5 << 8)];

/// The error of a query, for the caller of the store.
#[allow(clippy::needless_pass_by_value)] // the shape of `map_err`
pub(crate) fn fault(error: sqlx::Error) -> StoreError {
    match primary_code(&error) {
        Some(CORRUPT | NOT_A_DATABASE) => StoreError::Corrupt(sentence(&error).into_owned()),
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

/// Whether the disk failed to flush. What it holds is then unknown, and asking again may well "succeed" without having
/// written anything, because the system drops what it could not write: nothing may be trusted until the file was read
/// again by a new process.
pub(super) fn is_failed_flush(error: &sqlx::Error) -> bool {
    code(error).is_some_and(|code| FLUSH_FAILED.contains(&code))
}

/// Whether it is not known, and cannot be told before a restart, what became of the commit that failed so: the disk failed to
/// flush it, or the connection's thread died in the middle of it.
pub(super) fn leaves_fate_unknown(error: &sqlx::Error) -> bool {
    is_failed_flush(error) || matches!(error, sqlx::Error::WorkerCrashed)
}

/// Whether the file was found to be damaged, or not to be a database at all.
pub(super) fn is_corruption(error: &sqlx::Error) -> bool {
    matches!(primary_code(error), Some(CORRUPT | NOT_A_DATABASE))
}

fn code(error: &sqlx::Error) -> Option<i32> {
    error.as_database_error()?.code()?.parse().ok()
}

fn primary_code(error: &sqlx::Error) -> Option<i32> {
    code(error).map(|extended| extended & 0xff)
}

/// The error in an operator's words.
pub(super) fn sentence(error: &sqlx::Error) -> Cow<'static, str> {
    match primary_code(error) {
        Some(5 | 6) => "another process is writing to the database and did not finish in time".into(),
        Some(8) => "the database cannot be written: it is read-only".into(),
        Some(10) => format!("the disk reported an error ({error})").into(),
        Some(CORRUPT) => "the database file is damaged".into(),
        Some(13) => "the disk or the database is full".into(),
        Some(14) => "the database file cannot be opened".into(),
        Some(NOT_A_DATABASE) => "the file is not an Atomik database".into(),
        _ => match error {
            sqlx::Error::PoolTimedOut => "all readers are busy".into(),
            sqlx::Error::PoolClosed | sqlx::Error::WorkerCrashed => "the store has shut down".into(),
            other => other.to_string().into(),
        },
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    #[derive(Debug)]
    struct Code(i32);

    impl std::fmt::Display for Code {
        fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
            write!(formatter, "code {}", self.0)
        }
    }
    impl std::error::Error for Code {}
    impl sqlx::error::DatabaseError for Code {
        fn message(&self) -> &'static str {
            "a message"
        }
        fn code(&self) -> Option<Cow<'_, str>> {
            Some(self.0.to_string().into())
        }
        fn as_error(&self) -> &(dyn std::error::Error + Send + Sync + 'static) {
            self
        }
        fn as_error_mut(&mut self) -> &mut (dyn std::error::Error + Send + Sync + 'static) {
            self
        }
        fn into_error(self: Box<Self>) -> Box<dyn std::error::Error + Send + Sync + 'static> {
            self
        }
        fn kind(&self) -> sqlx::error::ErrorKind {
            sqlx::error::ErrorKind::Other
        }
    }

    pub(in crate::sqlite) fn with_code(code: i32) -> sqlx::Error {
        sqlx::Error::Database(Box::new(Code(code)))
    }

    #[test]
    fn a_full_disk_a_read_only_one_and_a_broken_one_are_unavailable_and_told_apart() {
        for (code, words) in [(13, "full"), (8, "read-only"), (1032, "read-only"), (778, "disk")] {
            let StoreError::Unavailable(sentence) = fault(with_code(code)) else { panic!("{code}") };
            assert!(sentence.contains(words), "{code}: {sentence}");
        }
    }

    #[test]
    fn a_damaged_file_is_corrupt() {
        for code in [11, 26, 267] {
            assert!(matches!(fault(with_code(code)), StoreError::Corrupt(_)), "{code}");
        }
    }

    #[test]
    fn only_a_failed_flush_makes_the_disk_unknown() {
        assert!(is_failed_flush(&with_code(1034)));
        assert!(is_failed_flush(&with_code(1290)));
        assert!(!is_failed_flush(&with_code(13)));
        assert!(!is_failed_flush(&with_code(10)));
    }
}
