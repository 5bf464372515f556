//! The schema: which one is there, and bringing it up to date.

use std::cmp::Ordering;

use sqlx::migrate::{Migrate, MigrateError, Migration, MigrationType, Migrator};
use sqlx::postgres::PgConnection;
use sqlx::{Executor, SqlSafeStr};

use crate::paper::store::StoreFailure;

/// Where sqlx keeps which migrations have run.
const TABLE: &str = "paper._sqlx_migrations";
/// Held by a session that looks at the schema to bring it up to date. Any number that nobody else takes: "paper".
const SCHEMA_LOCK: i64 = 0x70_6170_6572;

/// All migrations, in their order.
fn migrator() -> Migrator {
    let steps = [(1, "venue", include_str!("migrations/0001_venue.sql"))];
    let migration = |(version, name, sql): (i64, &'static str, &'static str)| {
        Migration::new(version, name.into(), MigrationType::Simple, sql.into_sql_str(), false)
    };
    let mut migrator = Migrator::with_migrations(steps.map(migration).into());
    migrator.create_schema("paper");
    migrator.dangerous_set_table_name(TABLE);
    // Whoever runs it holds a lock of ours.
    migrator.set_locking(false);
    migrator
}

/// Brings the schema up to date. Nodes that open at the same moment do so one after the other.
pub(super) async fn prepare(connection: &mut PgConnection) -> Result<(), StoreFailure> {
    sqlx::query("SELECT pg_advisory_lock($1)").bind(SCHEMA_LOCK).execute(&mut *connection).await?;
    if look(connection).await? != Schema::Current {
        // A migration may take long over its rows, but waits only briefly for the locks of others: whoever comes after it
        // would wait with it.
        connection.execute("SET statement_timeout = 0; SET lock_timeout = '5s'").await?;
        migrator().run_direct(None, connection, false).await.map_err(failed)?;
        connection.execute("RESET statement_timeout; RESET lock_timeout").await?;
    }
    sqlx::query("SELECT pg_advisory_unlock($1)").bind(SCHEMA_LOCK).execute(connection).await?;
    Ok(())
}

/// How the schema stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Schema {
    Missing,
    /// A program of this version would bring it up to date first.
    Older,
    Current,
}

/// Looks at the schema.
///
/// # Errors
/// [`StoreFailure`] also where it is newer than what this program knows.
pub(super) async fn look(connection: &mut PgConnection) -> Result<Schema, StoreFailure> {
    let there: bool = sqlx::query_scalar("SELECT to_regclass($1) IS NOT NULL")
        .bind(TABLE)
        .fetch_one(&mut *connection)
        .await?;
    if !there {
        return Ok(Schema::Missing);
    }
    let applied = connection.list_applied_migrations(TABLE).await.map_err(failed)?;
    let found = applied.iter().map(|migration| migration.version).max().unwrap_or(0);
    let known = migrator().iter().map(|migration| migration.version).max().unwrap_or(0);
    match found.cmp(&known) {
        Ordering::Less => Ok(Schema::Older),
        Ordering::Equal => Ok(Schema::Current),
        Ordering::Greater => Err(StoreFailure::Unavailable(format!(
            "it was written by a newer atomik (schema {found}, this program knows {known}). Use that version or a later one"
        ))),
    }
}

fn failed(error: MigrateError) -> StoreFailure {
    StoreFailure::Unavailable(error.to_string())
}
