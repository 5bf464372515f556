//! A PostgreSQL database for each test, on the server that `scripts/with-postgres.sh` starts.
#![allow(dead_code)] // every test binary uses its own part of this

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use atomik_storage::postgres::{Access, OpenOptions, PostgresStore, WindowClock};
use atomik_testkit::builders::START;
use secrecy::SecretString;
use sqlx::postgres::{PgConnectOptions, PgConnection};
use sqlx::{AssertSqlSafe, ConnectOptions};

const VARIABLE: &str = "ATOMIK_TEST_POSTGRES_URL";
/// Serializes making the template; any number will do.
const TEMPLATE_LOCK: i64 = 77;
const TEMPLATE: &str = "atomik_template";

/// The options of a store whose time the test sets, and that lets others record beside it.
pub const TOGETHER: OpenOptions =
    OpenOptions { access: Access::Together, window_clock: WindowClock::Caller, max_connections: 8 };

/// The same, alone.
pub const ALONE: OpenOptions = OpenOptions { access: Access::Exclusive, ..TOGETHER };

/// The URL of the server's own database.
pub fn server_url() -> String {
    std::env::var(VARIABLE).unwrap_or_else(|_| {
        panic!("these tests need a PostgreSQL server: run them with scripts/with-postgres.sh (it sets {VARIABLE})")
    })
}

/// A database of one test's own. Removed when dropped.
pub struct Database {
    name: String,
}

impl Database {
    /// One with the schema and nothing in it.
    pub async fn new() -> Self {
        make_template().await;
        let database = Self::unnamed();
        execute(&format!("CREATE DATABASE {} TEMPLATE {TEMPLATE}", database.name)).await;
        database
    }

    /// One without anything.
    pub async fn empty() -> Self {
        let database = Self::unnamed();
        execute(&format!("CREATE DATABASE {} TEMPLATE template0", database.name)).await;
        database
    }

    fn unnamed() -> Self {
        static NUMBER: AtomicU64 = AtomicU64::new(0);
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        Self { name: format!("test_{}_{number}", std::process::id()) }
    }

    /// Its URL.
    pub fn url(&self) -> SecretString {
        self.url_with("")
    }

    /// Its URL, with parameters: `?sslmode=require`.
    pub fn url_with(&self, parameters: &str) -> SecretString {
        let server = server_url();
        let base = server.rsplit_once('/').unwrap().0;
        SecretString::from(format!("{base}/{}{parameters}", self.name))
    }

    /// Its URL through something that listens elsewhere.
    pub fn url_at(&self, address: &str) -> SecretString {
        SecretString::from(format!("postgres://atomik@{address}/{}", self.name))
    }

    /// Opens a store in it.
    pub async fn open(&self, options: OpenOptions) -> PostgresStore {
        PostgresStore::open(&self.url(), options, START).await.unwrap()
    }

    /// A connection beside all stores.
    pub async fn raw(&self) -> PgConnection {
        use secrecy::ExposeSecret;
        let options: PgConnectOptions = self.url().expose_secret().parse().unwrap();
        options.connect().await.unwrap()
    }

    /// Runs a statement beside all stores.
    pub async fn execute(&self, sql: &str) {
        sqlx::raw_sql(AssertSqlSafe(sql)).execute(&mut self.raw().await).await.unwrap();
    }
}

impl Drop for Database {
    fn drop(&mut self) {
        let sql = format!("DROP DATABASE IF EXISTS {} WITH (FORCE)", self.name);
        // On a thread of its own: dropping cannot wait, and the test's own threads may be no more.
        let dropping = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            runtime.block_on(async {
                if let Ok(mut server) = server().await {
                    let _ = sqlx::raw_sql(AssertSqlSafe(sql)).execute(&mut server).await;
                }
            });
        });
        let _ = dropping.join();
    }
}

async fn server() -> Result<PgConnection, sqlx::Error> {
    let options: PgConnectOptions = server_url().parse()?;
    options.connect().await
}

async fn execute(sql: &str) {
    let mut server = server().await.unwrap();
    sqlx::raw_sql(AssertSqlSafe(sql)).execute(&mut server).await.unwrap();
}

/// Makes the database that others are copied from, once a server.
async fn make_template() {
    let mut server = server().await.unwrap();
    sqlx::query("SELECT pg_advisory_lock($1)").bind(TEMPLATE_LOCK).execute(&mut server).await.unwrap();
    let is_there = "SELECT EXISTS (SELECT 1 FROM pg_database WHERE datname = $1 AND datistemplate)";
    let there: bool = sqlx::query_scalar(is_there).bind(TEMPLATE).fetch_one(&mut server).await.unwrap();
    if there {
        return;
    }
    execute(&format!("DROP DATABASE IF EXISTS {TEMPLATE}")).await;
    execute(&format!("CREATE DATABASE {TEMPLATE} TEMPLATE template0")).await;
    let template = std::mem::ManuallyDrop::new(Database { name: TEMPLATE.to_owned() });
    let store = template.open(ALONE).await;
    store.close().await;
    // Which installation it is, each makes for itself.
    template.execute("DELETE FROM meta").await;
    let sessions = "SELECT count(*) FROM pg_stat_activity WHERE datname = $1";
    while sqlx::query_scalar::<_, i64>(sessions).bind(TEMPLATE).fetch_one(&mut server).await.unwrap() > 0 {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    execute(&format!("ALTER DATABASE {TEMPLATE} IS_TEMPLATE true")).await;
}

/// A PostgreSQL server of one test's own, which others are not to be restarted with.
pub struct OwnServer {
    script: Child,
    url: String,
    control: String,
}

impl OwnServer {
    /// Starts it.
    pub fn start() -> Self {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
        let mut script = Command::new(root.join("scripts/with-postgres.sh"))
            .args([
                "bash",
                "-c",
                "echo \"$ATOMIK_TEST_POSTGRES_URL\"; echo \"$ATOMIK_TEST_POSTGRES_CTL\"; read -r _",
            ])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(script.stdout.take().unwrap()).lines();
        let mut line = || lines.next().unwrap_or_else(|| panic!("the server did not start")).unwrap();
        let (url, control) = (line(), line());
        Self { script, url, control }
    }

    /// The URL of its database.
    pub fn url(&self) -> SecretString {
        SecretString::from(self.url.as_str())
    }

    /// Does something with it: `-m immediate restart`.
    pub fn control(&self, action: &str) {
        let command = format!("cd / && {} {action}", self.control);
        let done = Command::new("bash").args(["-c", &command]).stdout(Stdio::null()).status().unwrap();
        assert!(done.success(), "{action}");
    }
}

impl Drop for OwnServer {
    fn drop(&mut self) {
        drop(self.script.stdin.take()); // ends the script, which stops the server
        let _ = self.script.wait();
    }
}
