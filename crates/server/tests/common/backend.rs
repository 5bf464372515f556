//! What the program keeps its books in while a test runs it.
//!
//! `ATOMIK_TEST_BACKEND` says it: `embedded` (also where nothing is said), `postgres`, or `postgres+redis`. On the last two,
//! each data directory has a PostgreSQL database of its own, on the server that `scripts/with-postgres.sh` starts, and they
//! share the Redis of `scripts/with-redis.sh`. A directory with embedded books, as a backup is restored to, keeps them.

use std::env;
use std::path::Path;

use atomik_storage::sqlite::DATABASE_FILE;
use sha2::{Digest, Sha256};
use sqlx::postgres::{PgConnectOptions, PgConnection};
use sqlx::{AssertSqlSafe, ConnectOptions};

/// Begins the name of a database. The rest is made from the directory's.
const PREFIX: &str = "directory_";
/// Who makes and removes such databases, one at a time; any number will do.
const LOCK: i64 = 78;

#[derive(Clone, Copy, PartialEq, Eq)]
enum Backend {
    Embedded,
    Postgres,
    PostgresAndRedis,
}

fn backend() -> Backend {
    match env::var("ATOMIK_TEST_BACKEND").as_deref() {
        Err(_) | Ok("embedded") => Backend::Embedded,
        Ok("postgres") => Backend::Postgres,
        Ok("postgres+redis") => Backend::PostgresAndRedis,
        Ok(other) => panic!("ATOMIK_TEST_BACKEND is {other}, not embedded, postgres or postgres+redis"),
    }
}

/// Whether tests run on embedded books. Where they do not, says what it is about those that is not tested now.
pub fn is_embedded(tested: &str) -> bool {
    let is = backend() == Backend::Embedded;
    if !is {
        eprintln!("Only with embedded books: {tested}.");
    }
    is
}

/// Whether tests run on books that nodes share. Where they do not, says what it is about those that is not tested now.
pub fn is_shared(tested: &str) -> bool {
    let is = has_leases();
    if !is {
        eprintln!("Only with books that nodes share: {tested}.");
    }
    is
}

/// Whether a killed program's accounts stand still until its leases have run out.
pub fn has_leases() -> bool {
    backend() != Backend::Embedded
}

/// The variables that name the store of a data directory to the program.
pub fn variables(data_dir: &Path) -> Vec<(&'static str, String)> {
    let Some(url) = postgres_url(data_dir) else { return Vec::new() };
    let mut variables = vec![("ATOMIK_STORE__POSTGRES_URL", url)];
    if backend() == Backend::PostgresAndRedis {
        variables.push(("ATOMIK_STORE__REDIS_URL", server("ATOMIK_TEST_REDIS_URL", "with-redis.sh")));
    }
    variables
}

/// The database of a data directory, which is made when it is asked for first; `None` where the books are embedded.
pub fn postgres_url(data_dir: &Path) -> Option<String> {
    if backend() == Backend::Embedded || data_dir.join(DATABASE_FILE).exists() {
        return None;
    }
    let server = server("ATOMIK_TEST_POSTGRES_URL", "with-postgres.sh");
    std::fs::create_dir_all(data_dir).unwrap();
    let directory = data_dir.canonicalize().unwrap().to_str().unwrap().to_owned();
    let name = format!("{PREFIX}{}", &hex(&directory)[..32]);
    let url = format!("{}/{name}", server.rsplit_once('/').unwrap().0);
    // On a thread of its own, for tests have runtimes of theirs.
    let making = std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(make(&server, &name, &directory)).unwrap();
    });
    making.join().unwrap();
    Some(url)
}

fn server(variable: &str, script: &str) -> String {
    env::var(variable).unwrap_or_else(|_| {
        panic!("tests on this backend need a server: run them with scripts/{script} (it sets {variable})")
    })
}

fn hex(text: &str) -> String {
    Sha256::digest(text).iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Makes a directory's database where there is none, and removes those whose directories are gone: the test that had one is
/// over, whichever process it ran in.
async fn make(server: &str, name: &str, directory: &str) -> Result<(), sqlx::Error> {
    let mut server = server.parse::<PgConnectOptions>()?.connect().await?;
    // Held until the connection is closed.
    sqlx::query("SELECT pg_advisory_lock($1)").bind(LOCK).execute(&mut server).await?;
    let all = "SELECT datname::text, shobj_description(oid, 'pg_database') FROM pg_database \
               WHERE starts_with(datname, $1)";
    let all: Vec<(String, Option<String>)> = sqlx::query_as(all).bind(PREFIX).fetch_all(&mut server).await?;
    if !all.iter().any(|(there, _)| there == name) {
        execute(&mut server, format!("CREATE DATABASE {name} TEMPLATE template0")).await?;
        let directory = directory.replace('\'', "''");
        execute(&mut server, format!("COMMENT ON DATABASE {name} IS '{directory}'")).await?;
    }
    for (gone, _) in all.iter().filter(|(_, of)| of.as_ref().is_some_and(|of| !Path::new(of).exists())) {
        execute(&mut server, format!("DROP DATABASE {gone} WITH (FORCE)")).await?;
    }
    Ok(())
}

async fn execute(server: &mut PgConnection, sql: String) -> Result<(), sqlx::Error> {
    sqlx::raw_sql(AssertSqlSafe(sql)).execute(server).await.map(drop)
}
