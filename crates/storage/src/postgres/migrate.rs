//! The schema: which one is there, and bringing it up to date.

use sqlx::migrate::{Migrate, MigrateError, Migration, MigrationType, Migrator};
use sqlx::postgres::PgConnection;
use sqlx::{Executor, SqlSafeStr};

/// What sqlx keeps which migrations have run in.
const TABLE: &str = "_sqlx_migrations";

/// All migrations, in their order.
pub(super) fn migrator() -> Migrator {
    // The last of each says whether it runs outside a transaction, as what is built beside writers must.
    let steps = [
        (1, "store", include_str!("migrations/0001_store.sql"), false),
        (2, "cluster", include_str!("migrations/0002_cluster.sql"), false),
        (3, "waiting", include_str!("migrations/0003_waiting.sql"), true),
        (4, "at once", include_str!("migrations/0004_at_once.sql"), false),
        (5, "positions of a lane", include_str!("migrations/0005_positions_of_a_lane.sql"), true),
    ];
    let migration = |(version, name, sql, no_transaction): (i64, &'static str, &'static str, bool)| {
        Migration::new(version, name.into(), MigrationType::Simple, sql.into_sql_str(), no_transaction)
    };
    let mut migrator = Migrator::with_migrations(steps.map(migration).into());
    // Whoever opens holds a lock of ours.
    migrator.set_locking(false);
    migrator
}

/// The newest schema that a program of this version knows.
pub(super) fn newest_known() -> i64 {
    migrator().iter().map(|migration| migration.version).max().unwrap_or(0)
}

/// The newest schema that a database has; 0 where it has none.
pub(super) async fn newest_applied(connection: &mut PgConnection) -> Result<i64, MigrateError> {
    let there: bool = sqlx::query_scalar("SELECT to_regclass('_sqlx_migrations') IS NOT NULL")
        .fetch_one(&mut *connection)
        .await?;
    if !there {
        return Ok(0);
    }
    let applied = connection.list_applied_migrations(TABLE).await?;
    Ok(applied.iter().map(|migration| migration.version).max().unwrap_or(0))
}

/// Runs what has not run. A migration may take long over its rows, but waits only briefly for the locks of others: whoever
/// comes after it would wait with it.
pub(super) async fn migrate(connection: &mut PgConnection) -> Result<(), MigrateError> {
    connection.execute("SET statement_timeout = 0; SET lock_timeout = '5s'").await?;
    migrator().run_direct(None, connection, false).await?;
    connection.execute("RESET statement_timeout; RESET lock_timeout").await?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_file_is_a_migration() {
        let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/src/postgres/migrations");
        let files = std::fs::read_dir(folder).unwrap().count();
        assert_eq!(migrator().iter().count(), files, "a file in {folder} is not in the list");
    }
}
