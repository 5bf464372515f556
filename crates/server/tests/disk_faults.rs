//! The whole program on a disk that fails: full, refusing to write, read-only. What was answered 202 is kept, what was
//! answered 503 never trades, and when the disk is well again so is the program, without a restart.
#![cfg(target_os = "linux")] // `prlimit` and `setpriv`
#![allow(missing_docs)]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)] // tests say what is wrong by panicking

mod common;

use std::collections::BTreeSet;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use atomik_storage::sqlite::DATABASE_FILE;
use common::{
    PATIENCE, Quickstart, Server, atomik_under, backend, body_of, quickstart, readiness, run,
    settled_and_equal, status_of, stderr,
};
use sqlx::sqlite::{SqliteConnectOptions, SqliteConnection};
use sqlx::{AssertSqlSafe, ConnectOptions};
use tempfile::TempDir;

/// Alerts that are told apart by their price, and those that were accepted.
struct Alerts {
    made: Quickstart,
    sent: u32,
    accepted: BTreeSet<String>,
}

impl Alerts {
    fn new(made: Quickstart) -> Self {
        Self { made, sent: 0, accepted: BTreeSet::new() }
    }

    /// Sends entries and exits in turn until one is answered like this; what comes before must be accepted or refused
    /// for the store's sake.
    fn send_until(&mut self, server: &Server, wanted: u16) {
        let path = format!("{}?secret={}", self.made.path, self.made.secret);
        let deadline = Instant::now() + PATIENCE;
        loop {
            self.sent += 1;
            let (action, price) = (["BUY", "SELL"][self.sent as usize % 2], (5_000 + self.sent).to_string());
            let answer = server.post(
                &path,
                "",
                &format!(r#"{{"action":"{action}","price":"{price}","id":"{price}"}}"#),
            );
            match status_of(&answer) {
                202 => assert!(self.accepted.insert(price)),
                503 => assert!(answer.contains(r#""code":"store_unavailable""#), "{answer}"),
                // Ten a second.
                429 => std::thread::sleep(Duration::from_millis(20)),
                _ => panic!("{answer}"),
            }
            if status_of(&answer) == wanted {
                return;
            }
            assert!(Instant::now() < deadline, "never answered {wanted}: {answer}");
        }
    }

    /// Starts anew on the directory: exactly what was accepted is there, each with one outcome, nothing else traded.
    fn check(self, data_dir: &Path) {
        let server = Server::start(data_dir);
        let signals = settled_and_equal(&server, &self.made.key);
        let prices: Vec<_> =
            signals.iter().map(|signal| signal["price"].as_str().unwrap().to_owned()).collect();
        assert_eq!(prices.len(), self.accepted.len());
        assert_eq!(prices.into_iter().collect::<BTreeSet<_>>(), self.accepted);
        assert!(signals.iter().all(|signal| signal["strategies"].as_array().unwrap().len() == 1));
        let fills = server.list("/api/v1/fills", &self.made.key);
        let traded: BTreeSet<_> = fills.iter().map(|fill| fill["signal_id"].as_i64().unwrap()).collect();
        assert!(traded.len() == fills.len() && !fills.is_empty(), "some signal traded twice: {fills:?}");
    }
}

fn assert_alive_but_not_ready(server: &Server) {
    let ready = readiness(server, 503);
    assert!(ready.contains(r#""store":"unavailable""#), "{ready}");
    let alive = server.exchange("GET /healthz HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n");
    assert_eq!(status_of(&alive), 200, "{alive}");
    assert!(body_of(&alive).contains("ok"));
}

/// Lets no file of the server grow beyond so many bytes: what is written there is an I/O error.
fn limit_files(server: &Server, bytes: &str) {
    let pid = server.pid().to_string();
    let limit = format!("--fsize={bytes}:");
    assert!(Command::new("prlimit").args(["--pid", &pid, &limit]).status().unwrap().success());
}

#[test]
fn a_disk_that_refuses_writes_is_503_until_it_takes_them_again() {
    if !backend::is_embedded("a disk that refuses our writes") {
        return;
    }
    let dir = TempDir::new().unwrap();
    // Without the trap, the system would kill whoever writes beyond the limit.
    let starter = ["sh", "-c", r#"trap "" XFSZ; exec "$0" "$@""#];
    let server = Server::start_under(&starter, dir.path(), &[]);
    let mut alerts = Alerts::new(quickstart(dir.path(), &server.url(), &[]));
    readiness(&server, 200);
    for _ in 0..3 {
        alerts.send_until(&server, 202);
        // At once: what was just accepted is on its way to the venue.
        limit_files(&server, "4096");
        alerts.send_until(&server, 503);
        assert_alive_but_not_ready(&server);
        alerts.send_until(&server, 503);
        limit_files(&server, "unlimited");
        readiness(&server, 200);
        alerts.send_until(&server, 202);
    }
    settled_and_equal(&server, &alerts.made.key);
    limit_files(&server, "4096");
    alerts.send_until(&server, 503);
    drop(server);
    alerts.check(dir.path());
}

/// The largest database of the test of a full one.
const MAX_SIZE: u64 = 1_024 * 1_024;

/// Something else's table in the database, which takes all the room that it may still grow by.
struct Ballast(SqliteConnection);

impl Ballast {
    async fn beside(data_dir: &Path) -> Self {
        let options = SqliteConnectOptions::new().filename(data_dir.join(DATABASE_FILE));
        let mut connection = options.connect().await.unwrap();
        let page_size: u64 = sqlx::query_scalar("PRAGMA page_size").fetch_one(&mut connection).await.unwrap();
        let limit = format!("PRAGMA max_page_count = {}", MAX_SIZE / page_size);
        sqlx::query(AssertSqlSafe(limit)).execute(&mut connection).await.unwrap();
        sqlx::query("CREATE TABLE ballast (bytes BLOB)").execute(&mut connection).await.unwrap();
        Self(connection)
    }

    async fn take_all(&mut self) {
        for bytes in [60_000, 6_000, 600, 60] {
            let one = "INSERT INTO ballast VALUES (zeroblob(?1))";
            let refused = loop {
                if let Err(error) = sqlx::query(one).bind(bytes).execute(&mut self.0).await {
                    break error;
                }
            };
            assert!(refused.to_string().contains("full"), "{refused}");
        }
    }

    async fn drop_it(&mut self) {
        sqlx::query("DELETE FROM ballast").execute(&mut self.0).await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_full_database_is_503_until_there_is_room_again() {
    if !backend::is_embedded("how large they may grow") {
        return;
    }
    let dir = TempDir::new().unwrap();
    let size = MAX_SIZE.to_string();
    let server = Server::start_with(dir.path(), &[("ATOMIK_STORE__MAX_SIZE", &size)]);
    let mut alerts = Alerts::new(quickstart(dir.path(), &server.url(), &[]));
    alerts.send_until(&server, 202);
    let mut ballast = Ballast::beside(dir.path()).await;
    for _ in 0..2 {
        ballast.take_all().await;
        // Pages that are begun may still take a few.
        alerts.send_until(&server, 503);
        assert_alive_but_not_ready(&server);
        alerts.send_until(&server, 503);
        ballast.drop_it().await;
        readiness(&server, 200);
        alerts.send_until(&server, 202);
        settled_and_equal(&server, &alerts.made.key);
    }
    ballast.take_all().await;
    alerts.send_until(&server, 503);
    drop((server, ballast));
    alerts.check(dir.path());
}

/// Makes these calls fail with this error from here on, as far as the server can see: all of them, or those on one file. `None`, and
/// said, where that cannot be done.
fn fail_calls(server: &Server, calls: &str, error: &str, file: Option<&Path>) -> Option<Child> {
    let inject = format!("inject={calls}:error={error}");
    let pid = server.pid().to_string();
    let mut strace = Command::new("strace");
    strace.args(["-f", "-o", "/dev/null", "-e", &format!("trace={calls}"), "-e", &inject, "-p", &pid]);
    if let Some(file) = file {
        strace.arg("-P").arg(file);
    }
    let mut strace = strace
        .stderr(Stdio::piped())
        .spawn()
        .inspect_err(|error| eprintln!("skipped: strace makes the disk fail, and cannot be run: {error}"))
        .ok()?;
    let mut said = BufReader::new(strace.stderr.take().unwrap()).lines().map_while(Result::ok);
    let attached = said.by_ref().find(|line| line.contains("attached") || line.contains("not permitted"));
    std::thread::spawn(move || said.for_each(drop));
    if attached.is_some_and(|line| line.contains("attached")) {
        return Some(strace);
    }
    eprintln!("skipped: strace makes the disk fail, and may not trace here");
    strace.wait().unwrap();
    None
}

/// Makes every flush of a file fail.
fn fail_flushes(server: &Server, file: &Path) -> Option<Child> {
    fail_calls(server, "fsync,fdatasync", "EIO", Some(file))
}

/// Lets the calls succeed again.
fn mend(mut strace: Child) {
    assert!(Command::new("kill").args(["-TERM", &strace.id().to_string()]).status().unwrap().success());
    strace.wait().unwrap();
}

/// Every write to the disk fails with this error, more than once, and the log says it in these words.
fn refuses_writes(error: &str, words: &str) {
    let dir = TempDir::new().unwrap();
    let server = Server::start(dir.path());
    let mut alerts = Alerts::new(quickstart(dir.path(), &server.url(), &[]));
    for _ in 0..2 {
        alerts.send_until(&server, 202);
        // At once: what was just accepted is on its way to the venue. Only SQLite writes at an offset.
        let Some(strace) = fail_calls(&server, "pwrite64", error, None) else { return };
        alerts.send_until(&server, 503);
        assert_alive_but_not_ready(&server);
        alerts.send_until(&server, 503);
        mend(strace);
        readiness(&server, 200);
        alerts.send_until(&server, 202);
        settled_and_equal(&server, &alerts.made.key);
    }
    let Some(mut strace) = fail_calls(&server, "pwrite64", error, None) else { return };
    alerts.send_until(&server, 503);
    drop(server);
    strace.wait().unwrap();
    let log = std::fs::read_to_string(dir.path().join("server.log")).unwrap();
    assert!(log.contains(words), "{error} is not named: {log}");
    alerts.check(dir.path());
}

#[test]
fn a_full_disk_is_503_until_there_is_room_and_the_log_says_so() {
    if !backend::is_embedded("a disk that is full") {
        return;
    }
    refuses_writes("ENOSPC", "the disk or the database is full");
}

#[test]
fn a_disk_that_became_read_only_is_503_until_it_is_not() {
    if !backend::is_embedded("a disk that became read-only") {
        return;
    }
    refuses_writes("EROFS", "the disk reported an error");
}

#[test]
fn a_disk_that_cannot_write_is_503_until_it_can_and_the_log_says_so() {
    if !backend::is_embedded("a disk that cannot write") {
        return;
    }
    refuses_writes("EIO", "the disk reported an error");
}

#[test]
fn what_the_disk_failed_to_flush_is_not_answered() {
    if !backend::is_embedded("a disk that does not flush") {
        return;
    }
    // The server itself writes once a second; whichever write fails first, nothing is written after it.
    let mut unanswered = 0;
    for _ in 0..20 {
        let dir = TempDir::new().unwrap();
        let mut server = Server::start(dir.path());
        let made = quickstart(dir.path(), &server.url(), &[]);
        let mut alerts = Alerts::new(made);
        alerts.send_until(&server, 202);
        settled_and_equal(&server, &alerts.made.key);
        let Some(mut strace) = fail_flushes(&server, &dir.path().join(format!("{DATABASE_FILE}-wal"))) else {
            return;
        };
        let mut sending = TcpStream::connect(&server.address).unwrap();
        let (path, body) = (&alerts.made.path, r#"{"action":"SELL","price":"4999"}"#);
        let request = format!(
            "POST {path}?secret={} HTTP/1.1\r\nhost: a\r\nconnection: close\r\ncontent-length: {}\r\n\r\n{body}",
            alerts.made.secret,
            body.len()
        );
        sending.write_all(request.as_bytes()).unwrap();
        assert_alive_but_not_ready(&server);
        server.kill();
        strace.wait().unwrap();
        let mut answer = String::new();
        let _ = sending.read_to_string(&mut answer); // what was killed may reset it
        drop(server);
        let server = Server::start(dir.path());
        let stored = settled_and_equal(&server, &alerts.made.key).len();
        match status_of(&answer) {
            // Nothing was promised.
            0 => unanswered += 1,
            503 => assert_eq!(stored, 1, "it never trades: {answer}"),
            _ => panic!("{answer}"),
        }
        if unanswered > 2 {
            return;
        }
    }
    panic!("{unanswered} of the alerts met a flush that failed");
}

#[test]
fn the_paper_broker_does_not_deny_what_its_disk_failed_to_flush() {
    if !backend::is_embedded("a disk that does not flush") {
        return;
    }
    let dir = TempDir::new().unwrap();
    let mut server = Server::start(dir.path());
    let mut alerts = Alerts::new(quickstart(dir.path(), &server.url(), &[]));
    // An exit, of nothing: the next is an entry.
    alerts.send_until(&server, 202);
    settled_and_equal(&server, &alerts.made.key);
    let Some(mut strace) = fail_flushes(&server, &dir.path().join("paper.db-wal")) else { return };
    alerts.send_until(&server, 202);
    let key = &alerts.made.key;
    server.wait_for("/api/v1/orders", key, |orders| orders["items"][0]["status"] == "unknown");
    // Asked again and again, the venue cannot tell.
    for _ in 0..100 {
        let orders = server.list("/api/v1/orders", key);
        assert_eq!(orders[0]["status"], "unknown", "{orders:?}");
        std::thread::sleep(Duration::from_millis(10));
    }
    server.kill();
    strace.wait().unwrap();
    drop(server);
    alerts.check(dir.path());
}

/// Where root may write whatever the permissions say, it gives that up first.
fn bound_by_permissions() -> &'static [&'static str] {
    let id = Command::new("id").arg("-u").output().unwrap();
    match id.stdout.as_slice() {
        b"0\n" => &["setpriv", "--bounding-set=-dac_override,-dac_read_search"],
        _ => &[],
    }
}

#[test]
fn a_directory_that_cannot_be_written_is_refused_with_a_sentence() {
    if !backend::is_embedded("a directory that cannot be written") {
        return;
    }
    let dir = TempDir::new().unwrap();
    quickstart(dir.path(), "http://127.0.0.1:8080", &[]);
    let before = std::fs::read(dir.path().join("atomik.db")).unwrap();
    let set_mode = |path: &Path, mode| {
        std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).unwrap();
    };
    for file in std::fs::read_dir(dir.path()).unwrap() {
        set_mode(&file.unwrap().path(), 0o400);
    }
    set_mode(dir.path(), 0o500);
    let data_dir = dir.path().to_str().unwrap();
    let refused = atomik_under(bound_by_permissions())
        .args(["serve", "--listen", "127.0.0.1:0", "--data-dir", data_dir])
        .output()
        .unwrap();
    set_mode(dir.path(), 0o700);
    assert_eq!(refused.status.code(), Some(1));
    let sentence = format!("the data directory {data_dir} cannot be written: ");
    assert!(stderr(&refused).contains(&sentence), "{}", stderr(&refused));
    assert_eq!(std::fs::read(dir.path().join("atomik.db")).unwrap(), before);
}

#[test]
fn a_file_where_the_directory_should_be_is_refused_with_a_sentence() {
    if !backend::is_embedded("a file in the directory's place") {
        return;
    }
    let dir = TempDir::new().unwrap();
    let file = dir.path().join("data");
    std::fs::write(&file, "something of somebody's").unwrap();
    let refused = run(&["serve", "--listen", "127.0.0.1:0", "--data-dir", file.to_str().unwrap()]);
    assert_eq!(refused.status.code(), Some(1));
    let sentence = format!("atomik: cannot create the data directory {}: File exists", file.display());
    assert!(stderr(&refused).starts_with(&sentence), "{}", stderr(&refused));
    assert_eq!(stderr(&refused).matches("File exists").count(), 1, "{}", stderr(&refused));
    assert_eq!(std::fs::read_to_string(&file).unwrap(), "something of somebody's");
}
