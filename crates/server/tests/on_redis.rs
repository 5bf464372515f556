//! The program with a PostgreSQL database and a Redis, which goes away and comes back under it.
#![allow(missing_docs)]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)] // tests say what is wrong by panicking

mod common;
#[path = "../../storage/tests/database/mod.rs"]
mod database;
#[path = "../../storage/tests/redis_server/mod.rs"]
mod redis_server;

use std::path::PathBuf;
use std::time::{Duration, Instant};

use common::{PATIENCE, Quickstart, Server, body_of, quickstart, readiness, settled_and_equal, status_of};
use database::Database;
use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};
use redis_server::RedisServer;
use secrecy::ExposeSecret;
use serde_json::Value;
use tempfile::TempDir;

/// A database, a Redis and a data directory.
struct Place {
    dir: TempDir,
    database: Database,
    redis: RedisServer,
}

impl Place {
    async fn new() -> Self {
        let database = Database::empty().await;
        Self { dir: TempDir::new().unwrap(), database, redis: RedisServer::start() }
    }

    fn data_dir(&self) -> PathBuf {
        self.dir.path().join("data")
    }

    fn serve(&self, redis_url: &str, further: &[(&str, &str)]) -> Server {
        let database_url = self.database.url();
        let urls = [
            ("ATOMIK_STORE__POSTGRES_URL", database_url.expose_secret()),
            ("ATOMIK_STORE__REDIS_URL", redis_url),
        ];
        Server::start_with(&self.data_dir(), &[&urls, further].concat())
    }

    fn quickstart(&self, server: &Server) -> Quickstart {
        let file = self.dir.path().join("atomik.toml");
        let database_url = self.database.url();
        std::fs::write(&file, format!("[store]\npostgres_url = \"{}\"\n", database_url.expose_secret()))
            .unwrap();
        quickstart(&self.data_dir(), &server.url(), &["--config", file.to_str().unwrap()])
    }

    fn log(&self) -> String {
        std::fs::read_to_string(self.data_dir().join("server.log")).unwrap()
    }
}

/// Waits until `/readyz` is 200 and says this of Redis.
fn redis_is(server: &Server, word: &str) {
    let deadline = Instant::now() + PATIENCE;
    loop {
        let ready: Value = serde_json::from_str(&readiness(server, 200)).unwrap();
        if ready["redis"] == word {
            return;
        }
        assert!(Instant::now() < deadline, "{ready}");
        std::thread::sleep(Duration::from_millis(10));
    }
}

/// Sends different alerts until one is over the rate: not before the eleventh, and not much later than it could be.
fn flood(server: &Server, made: &Quickstart, name: &str) {
    let path = format!("{}?secret={}", made.path, made.secret);
    // What an earlier flood used up comes back.
    let deadline = Instant::now() + PATIENCE;
    std::thread::sleep(Duration::from_secs(1));
    let began = Instant::now();
    for accepted in 0_u32.. {
        let alert = format!(r#"{{"action":"BUY","price":"5000","id":"{name} {accepted}"}}"#);
        let answer = server.post(&path, "", &alert);
        if status_of(&answer) == 429 {
            assert!(accepted >= 10, "{accepted} {name}");
            assert!(answer.contains("retry-after: 1\r\n"), "{answer}");
            return;
        }
        assert_eq!(status_of(&answer), 202, "{answer}");
        let allowed = 10.0 + began.elapsed().as_secs_f64() * 10.0;
        assert!(f64::from(accepted + 1) <= allowed, "{accepted} {name} of {allowed}");
        assert!(Instant::now() < deadline, "the machine is too slow to send eleven a second");
    }
}

#[tokio::test]
async fn the_rate_is_counted_in_redis_and_holds_without_it() {
    let place = Place::new().await;
    let redis = &place.redis;
    let server = place.serve(redis.url().expose_secret(), &[]);
    let made = place.quickstart(&server);
    server.wait_for("/api/v1/webhooks", &made.key, |hooks| hooks["items"].as_array().unwrap().len() == 1);
    redis_is(&server, "ok");
    flood(&server, &made, "with Redis");
    assert_eq!(redis.say("KEYS atomik:*:rate:1"), "*1", "it was counted there");

    redis.control("kill");
    flood(&server, &made, "without Redis");
    redis_is(&server, "away");
    let metrics = server.exchange("GET /metrics HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n");
    assert!(body_of(&metrics).contains("atomik_redis_up 0\n"), "{metrics}");
    redis.control("start");
    redis_is(&server, "ok");
    flood(&server, &made, "with another Redis");

    redis.control("pause");
    flood(&server, &made, "while Redis is held still");
    redis_is(&server, "away");
    redis.control("resume");
    redis_is(&server, "ok");
    settled_and_equal(&server, &made.key);
    assert!(server.terminate().success());
    let log = place.log();
    let said = |words| log.matches(words).count();
    assert_eq!((said("Redis is away"), said("Redis is back")), (2, 2), "once each\n{log}");
}

#[tokio::test]
async fn a_wrong_password_is_said_once_and_alerts_are_taken_all_the_same() {
    let place = Place::new().await;
    place.redis.order("CONFIG SET requirepass right-canary");
    let server = place.serve(&format!("redis://:wrong-canary@{}", place.redis.address), &[]);
    let made = place.quickstart(&server);
    server.wait_for("/api/v1/webhooks", &made.key, |hooks| hooks["items"].as_array().unwrap().len() == 1);
    flood(&server, &made, "with a wrong password");
    redis_is(&server, "away");
    assert!(server.terminate().success());
    let log = place.log();
    assert_eq!(log.matches("refuses the user or the password").count(), 1, "{log}");
    assert!(!log.contains("canary"), "{log}");
}

/// Has Redis speak TLS too, with a certificate for 127.0.0.1; gives the URL and the file of the authority.
fn encrypt(place: &Place) -> (String, String) {
    let (authority_key, key) = (KeyPair::generate().unwrap(), KeyPair::generate().unwrap());
    let mut authority = CertificateParams::new([]).unwrap();
    authority.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let known = authority.self_signed(&authority_key).unwrap().pem();
    let issuer = Issuer::new(authority, authority_key);
    let own = CertificateParams::new(["127.0.0.1".to_owned()]).unwrap().signed_by(&key, &issuer).unwrap();
    let write = |name: &str, text: String| {
        let file = place.dir.path().join(name);
        std::fs::write(&file, text).unwrap();
        file.to_str().unwrap().to_owned()
    };
    let authority = write("authority.pem", known);
    let (certificate, key) = (write("own.pem", own.pem()), write("own.key", key.serialize_pem()));
    let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    place.redis.order(&format!(
        "CONFIG SET tls-auth-clients no tls-ca-cert-file {authority} tls-cert-file {certificate} \
         tls-key-file {key} tls-port {port}"
    ));
    (format!("rediss://127.0.0.1:{port}"), authority)
}

#[tokio::test]
async fn an_encrypted_connection_is_checked() {
    let place = Place::new().await;
    let (url, authority) = encrypt(&place);
    let server = place.serve(&url, &[("SSL_CERT_FILE", &authority)]);
    redis_is(&server, "ok");
    assert!(server.terminate().success());
    let server = place.serve(&url, &[]);
    redis_is(&server, "away");
    assert!(server.terminate().success());
    let log = place.log();
    assert!(log.contains("certificate"), "{log}");
}

const ALERT: &str = r#"{"action":"BUY","price":"5000"}"#;

/// Sets the window in which equal alerts are one, and waits until the program has it.
fn set_window(server: &Server, made: &Quickstart, window_s: u32) {
    let change = format!(r#"{{"dedupe_window_s":{window_s}}}"#);
    let answer = server.exchange(format!(
        "PATCH /api/v1/webhooks/1 HTTP/1.1\r\nhost: a\r\nconnection: close\r\nauthorization: Bearer {}\r\n\
         content-type: application/json\r\ncontent-length: {}\r\n\r\n{change}",
        made.key,
        change.len()
    ));
    assert_eq!(status_of(&answer), 200, "{answer}");
}

/// Sends the alert; gives the answer without what is every answer's own.
fn send(server: &Server, made: &Quickstart) -> String {
    let answer = server.post(&format!("{}?secret={}", made.path, made.secret), "", ALERT);
    assert_eq!(status_of(&answer), 202, "{answer}");
    let own = |line: &&str| line.starts_with("date:") || line.starts_with("x-request-id:");
    answer.split("\r\n").filter(|line| !own(line)).collect::<Vec<_>>().join("\r\n")
}

/// How many repeats Redis knew.
fn repeats_known(server: &Server) -> u32 {
    let metrics = server.exchange("GET /metrics HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n");
    let line = metrics.lines().find_map(|line| line.strip_prefix("atomik_redis_repeats_total "));
    line.unwrap_or_else(|| panic!("{metrics}")).parse().unwrap()
}

/// Where the alert is known, once it is.
fn known_under(redis: &RedisServer) -> String {
    let deadline = Instant::now() + PATIENCE;
    loop {
        if let Some(key) = redis.first_key("atomik:*:repeat:1:*") {
            return key;
        }
        assert!(Instant::now() < deadline, "it never came to be known");
        std::thread::sleep(Duration::from_millis(10));
    }
}

#[tokio::test]
async fn a_repeat_is_answered_the_same_by_redis_and_by_the_store() {
    let place = Place::new().await;
    let redis = &place.redis;
    let server = place.serve(redis.url().expose_secret(), &[]);
    let made = place.quickstart(&server);
    server.wait_for("/api/v1/webhooks", &made.key, |hooks| hooks["items"].as_array().unwrap().len() == 1);
    redis_is(&server, "ok");
    set_window(&server, &made, 60);
    let first = send(&server, &made);
    assert!(!first.contains("idempotent-replayed"), "{first}");
    known_under(redis);
    let by_redis = send(&server, &made);
    assert_eq!(repeats_known(&server), 1);
    assert!(by_redis.contains("idempotent-replayed: true\r\n"), "{by_redis}");
    assert_eq!(body_of(&by_redis), body_of(&first));

    redis.control("kill");
    assert_eq!(send(&server, &made), by_redis, "byte for byte");
    redis_is(&server, "away");
    assert_eq!(send(&server, &made), by_redis, "also where it is known to be away");
    redis.control("start");
    redis_is(&server, "ok");
    assert_eq!(send(&server, &made), by_redis, "an empty one knows nothing");
    assert_eq!(repeats_known(&server), 1);

    let log = server
        .wait_for("/api/v1/webhooks/1/logs", &made.key, |log| log["items"].as_array().unwrap().len() == 5);
    let mut rows = log["items"].as_array().unwrap().clone();
    for row in &mut rows {
        for own in ["id", "received_at", "duration_us"] {
            assert!(row.as_object_mut().unwrap().remove(own).is_some(), "{own} of {row}");
        }
    }
    let by_store = rows.remove(0);
    assert_eq!(by_store["code"], "replayed");
    rows.truncate(3);
    assert!(rows.iter().all(|row| *row == by_store), "{rows:?} {by_store}");
    assert_eq!(settled_and_equal(&server, &made.key).len(), 1, "it traded once");
    assert!(server.terminate().success());
}

#[tokio::test]
async fn what_is_kept_too_long_does_not_outlast_the_window() {
    let place = Place::new().await;
    let redis = &place.redis;
    let server = place.serve(redis.url().expose_secret(), &[]);
    let made = place.quickstart(&server);
    server.wait_for("/api/v1/webhooks", &made.key, |hooks| hooks["items"].as_array().unwrap().len() == 1);
    redis_is(&server, "ok");
    let window_s = 5;
    set_window(&server, &made, window_s);
    send(&server, &made);
    let answered = Instant::now();
    let key = known_under(redis);
    assert_eq!(redis.say(&format!("PEXPIRE {key} 3600000")), ":1");
    while answered.elapsed() < Duration::from_secs(window_s.into()) {
        std::thread::sleep(Duration::from_millis(10));
    }
    assert_eq!(redis.say(&format!("EXISTS {key}")), ":1");
    assert!(!send(&server, &made).contains("idempotent-replayed"), "the window is over");
    assert_eq!(settled_and_equal(&server, &made.key).len(), 2, "it traded again");
    set_window(&server, &made, 0);
    let known = repeats_known(&server);
    assert!(!send(&server, &made).contains("idempotent-replayed"), "it is switched off");
    assert_eq!(repeats_known(&server), known);
    assert!(server.terminate().success());
}
