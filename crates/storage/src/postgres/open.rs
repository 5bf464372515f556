//! Opening: the server and its settings, the locks, the schema.

use atomik_domain::UnixMicros;
use atomik_ports::cluster::GENERATION;
use secrecy::SecretString;
use sqlx::migrate::MigrateError;
use sqlx::postgres::PgConnection;
use sqlx::{Connection, Row};
use uuid::Uuid;

use super::cluster::Heart;
use super::connect::Connector;
use super::faults::sentence;
use super::recorder::{Recorder, SERVER_LOCK, TRIES, TRY_AGAIN, try_lock};
use super::work::Slots;
use super::{Access, OpenOptions, PostgresStore, import, migrate, partitions};

/// Held by a session that opens the store, so that none meets a schema that another is just making.
pub(super) const OPENING_LOCK: i64 = 280_587_225_859;
/// How often it is asked for: half a minute in all.
const OPENING_TRIES: u32 = 300;
/// The oldest PostgreSQL that will do, as it writes its version: 14.
const OLDEST_SERVER: i64 = 140_000;

/// Why a store could not be opened, for the operator's eyes. None of them holds a password.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// The URL names no database.
    #[error(
        "store.postgres_url cannot be used: {reason}; expected postgres://user:password@host:port/database"
    )]
    Url {
        /// What is wrong with it.
        reason: String,
    },
    /// Servers use it, or somebody who lets no server use it.
    #[error("the database {place} is in use: an atomik serves it, or works on it alone. Stop that one first")]
    InUse {
        /// The database.
        place: String,
    },
    /// A newer program wrote it.
    #[error(
        "the database {place} was written by a newer atomik (schema {found}, this program knows {known}). Use that version or \
         a later one"
    )]
    NewerSchema {
        /// The database.
        place: String,
        /// The schema found.
        found: i64,
        /// The newest schema this program knows.
        known: i64,
    },
    /// A server of an older version uses it, so its schema must stay as it is.
    #[error("an older atomik serves the database {place}. Restart that one with this version first")]
    OlderServer {
        /// The database.
        place: String,
    },
    /// A node of a version that is too far from this one's uses it.
    #[error(
        "node {name} serves the database {place} with atomik {version}, which cannot work beside this version ({ours}): nodes \
         work together with the version before theirs and the one after. Replace that node first, one version at a time"
    )]
    FarVersion {
        /// The database.
        place: String,
        /// The node.
        name: String,
        /// Its program's version.
        version: String,
        /// This program's version.
        ours: &'static str,
    },
    /// The server's settings do not let it keep what it acknowledges, or what we write.
    #[error("the database {place} will not do: {reason}")]
    Unfit {
        /// The database.
        place: String,
        /// What is wrong with it.
        reason: String,
    },
    /// A copy into it was begun and not finished.
    #[error(
        "the database {place} holds an unfinished copy of another store, and is not served. Drop it, make an empty one, and \
         copy again"
    )]
    Unfinished {
        /// The database.
        place: String,
    },
    /// Anything else.
    #[error("the database {place} cannot be opened: {reason}")]
    Failed {
        /// The database.
        place: String,
        /// Why not.
        reason: String,
    },
}

pub(super) async fn open(
    url: &SecretString,
    options: OpenOptions,
    at: UnixMicros,
) -> Result<PostgresStore, OpenError> {
    let store = random_store().map_err(|reason| OpenError::Url { reason })?;
    let connector = Connector::of(url, store).map_err(|reason| OpenError::Url { reason })?;
    let place = connector.place();
    let failed = |error: sqlx::Error| failed(&place, &error);
    let mut connection = connector.connect().await.map_err(failed)?;
    check_server(&mut connection, &place).await?;
    // Only one process opens at a time.
    lock_opening(&mut connection, &place).await?;
    let alone = take_server_lock(&mut connection, options.access, &place).await?;
    check_nodes(&mut connection, options.access, &place).await?;
    prepare_schema(&mut connection, &place, alone || options.access == Access::Together).await?;
    refuse_unfinished(&mut connection, &place).await?;
    let installation = installation(&mut connection, at).await.map_err(failed)?;
    match options.access {
        Access::Together if alone => share_server_lock(&mut connection).await.map_err(failed)?,
        Access::Exclusive | Access::Together | Access::Shared => {}
    }
    let recorder = if options.access == Access::Shared {
        if alone {
            unlock(&mut connection, SERVER_LOCK).await.map_err(failed)?;
        }
        unlock(&mut connection, OPENING_LOCK).await.map_err(failed)?;
        connection.close().await.map_err(failed)?;
        None
    } else {
        unlock(&mut connection, OPENING_LOCK).await.map_err(failed)?;
        Some(connection)
    };
    let store = PostgresStore {
        pool: connector.pool(options.max_connections),
        connector,
        recorder: Recorder::new(recorder),
        slots: Slots::default(),
        heart: Heart::default(),
        options,
        installation,
        seal: None,
    };
    if options.access != Access::Shared {
        partitions::make_ahead(&store, at)
            .await
            .map_err(|error| OpenError::Failed { place: place.clone(), reason: error.to_string() })?;
    }
    Ok(store)
}

pub(super) fn random_store() -> Result<i64, String> {
    let mut random = [0; 8];
    getrandom::fill(&mut random).map_err(|error| error.to_string())?;
    Ok(i64::from_be_bytes(random) & i64::MAX)
}

/// What a server must be to keep what it acknowledges, and all that we write.
pub(super) async fn check_server(connection: &mut PgConnection, place: &str) -> Result<(), OpenError> {
    let row = sqlx::query(
        "SELECT current_setting('server_version_num')::bigint, current_setting('server_version'), \
         current_setting('server_encoding'), current_setting('fsync'), current_setting('synchronous_commit'), \
         pg_is_in_recovery()",
    )
    .fetch_one(connection)
    .await
    .map_err(|error| failed(place, &error))?;
    let text = |index: usize| row.try_get::<String, _>(index).unwrap_or_default();
    let number: i64 = row.try_get(0).unwrap_or_default();
    let (version, encoding, fsync, synchronous) = (text(1), text(2), text(3), text(4));
    let reason = if number < OLDEST_SERVER {
        format!("it is PostgreSQL {version}, and 14 is the oldest that will do")
    } else if encoding != "UTF8" {
        format!("its encoding is {encoding}; make one with ENCODING 'UTF8'")
    } else if fsync != "on" {
        "fsync is off, so that a power cut loses what was acknowledged; turn it on".to_owned()
    } else if !matches!(synchronous.as_str(), "on" | "remote_apply") {
        format!(
            "synchronous_commit stays {synchronous}, so that a crash loses what was acknowledged; turn it on"
        )
    } else if row.try_get(5).unwrap_or(true) {
        "it is a standby, which cannot be written; name the primary".to_owned()
    } else {
        return Ok(());
    };
    Err(OpenError::Unfit { place: place.to_owned(), reason })
}

/// Asks for the lock again and again: a session that waits for it in the database would have a snapshot, and an index that is
/// built beside writers waits for all of those.
pub(super) async fn lock_opening(connection: &mut PgConnection, place: &str) -> Result<(), OpenError> {
    for _ in 0..OPENING_TRIES {
        if try_lock(connection, OPENING_LOCK).await.map_err(|error| failed(place, &error))? {
            return Ok(());
        }
        tokio::time::sleep(TRY_AGAIN).await;
    }
    Err(OpenError::Failed {
        place: place.to_owned(),
        reason: "another atomik is still opening it".to_owned(),
    })
}

/// Whether nobody else uses the database, and this session has the server's lock.
pub(super) async fn take_server_lock(
    connection: &mut PgConnection,
    access: Access,
    place: &str,
) -> Result<bool, OpenError> {
    let failed = |error: sqlx::Error| failed(place, &error);
    for _ in 0..TRIES {
        if try_lock(connection, SERVER_LOCK).await.map_err(failed)? {
            return Ok(true);
        }
        let beside = match access {
            Access::Exclusive => false,
            Access::Together => try_share(connection).await.map_err(failed)?,
            Access::Shared => true,
        };
        if beside {
            return Ok(false);
        }
        // The session of a server that was killed just now ends a moment after it.
        tokio::time::sleep(TRY_AGAIN).await;
    }
    Err(OpenError::InUse { place: place.to_owned() })
}

/// Whether the server's lock is shared by this session now, with others that record together.
pub(super) async fn try_share(connection: &mut PgConnection) -> Result<bool, sqlx::Error> {
    sqlx::query_scalar("SELECT pg_try_advisory_lock_shared($1)").bind(SERVER_LOCK).fetch_one(connection).await
}

async fn share_server_lock(connection: &mut PgConnection) -> Result<(), sqlx::Error> {
    try_share(connection).await?;
    unlock(connection, SERVER_LOCK).await
}

pub(super) async fn unlock(connection: &mut PgConnection, lock: i64) -> Result<(), sqlx::Error> {
    sqlx::query("SELECT pg_advisory_unlock($1)").bind(lock).execute(connection).await.map(drop)
}

/// Makes sure that all nodes that live can work beside one of this version.
async fn check_nodes(connection: &mut PgConnection, access: Access, place: &str) -> Result<(), OpenError> {
    if access != Access::Together {
        return Ok(());
    }
    let failed = |error: sqlx::Error| failed(place, &error);
    let there: bool = sqlx::query_scalar("SELECT to_regclass('nodes') IS NOT NULL")
        .fetch_one(&mut *connection)
        .await
        .map_err(failed)?;
    if !there {
        return Ok(());
    }
    let far = "SELECT name, version FROM nodes WHERE alive_until > clock_timestamp() AND abs(generation - $1) > 1 LIMIT 1";
    let far: Option<(String, String)> =
        sqlx::query_as(far).bind(GENERATION).fetch_optional(connection).await.map_err(failed)?;
    match far {
        None => Ok(()),
        Some((name, version)) => {
            let ours = env!("CARGO_PKG_VERSION");
            Err(OpenError::FarVersion { place: place.to_owned(), name, version, ours })
        }
    }
}

/// Brings the schema up to date where that is this one's to do: alone, or beside nodes that go on working with what is added.
/// Elsewhere makes sure that it is.
pub(super) async fn prepare_schema(
    connection: &mut PgConnection,
    place: &str,
    may_migrate: bool,
) -> Result<(), OpenError> {
    let known = migrate::newest_known();
    let found = migrate::newest_applied(connection).await.map_err(|error| failed_migration(place, error))?;
    if found > known {
        return Err(OpenError::NewerSchema { place: place.to_owned(), found, known });
    }
    if found == known {
        return Ok(());
    }
    if !may_migrate {
        return Err(OpenError::OlderServer { place: place.to_owned() });
    }
    migrate::migrate(connection).await.map_err(|error| failed_migration(place, error))
}

/// A copy that was cut off must not be taken for all there is.
pub(super) async fn refuse_unfinished(connection: &mut PgConnection, place: &str) -> Result<(), OpenError> {
    let unfinished = import::is_unfinished(connection).await.map_err(|error| failed(place, &error))?;
    if unfinished { Err(OpenError::Unfinished { place: place.to_owned() }) } else { Ok(()) }
}

/// What tells this installation from others: read, or made once.
async fn installation(connection: &mut PgConnection, at: UnixMicros) -> Result<Uuid, sqlx::Error> {
    let mut random = [0; 16];
    getrandom::fill(&mut random).map_err(|error| sqlx::Error::Protocol(error.to_string()))?;
    let proposal = uuid::Builder::from_random_bytes(random).into_uuid();
    sqlx::query(
        "INSERT INTO meta (key, value) VALUES ('installation', $1), ('created_at', $2) ON CONFLICT DO NOTHING",
    )
    .bind(proposal.to_string())
    .bind(at.0.to_string())
    .execute(&mut *connection)
    .await?;
    let text: String =
        sqlx::query_scalar("SELECT value FROM meta WHERE key = 'installation'").fetch_one(connection).await?;
    text.parse().map_err(|error: uuid::Error| sqlx::Error::Decode(error.into()))
}

pub(super) fn failed(place: &str, error: &sqlx::Error) -> OpenError {
    let reason = sentence(error).into_owned();
    OpenError::Failed { place: place.to_owned(), reason }
}

fn failed_migration(place: &str, error: MigrateError) -> OpenError {
    match error {
        MigrateError::Execute(error) | MigrateError::ExecuteMigration(error, _) => failed(place, &error),
        other => OpenError::Failed { place: place.to_owned(), reason: other.to_string() },
    }
}
