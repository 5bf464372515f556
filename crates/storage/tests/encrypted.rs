//! Connections to the database that are encrypted, as the URL's `sslmode` says. The server's certificate is for 127.0.0.1, and
//! of an authority that nobody knows.

#![allow(clippy::unwrap_used, clippy::panic)] // clippy sees only #[test] functions as tests

mod database;

use atomik_ports::Operations;
use atomik_storage::postgres::PostgresStore;
use atomik_testkit::builders::START;
use database::{ALONE, OwnServer};
use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};
use secrecy::{ExposeSecret, SecretString};
use sqlx::postgres::{PgConnectOptions, PgConnection};
use sqlx::{AssertSqlSafe, ConnectOptions};

async fn connect(server: &OwnServer) -> PgConnection {
    let options: PgConnectOptions = server.url().expose_secret().parse().unwrap();
    options.connect().await.unwrap()
}

/// Gives the server a certificate, written by itself into its own folder, and gives that of its authority.
async fn encrypt(server: &OwnServer) -> String {
    let (authority_key, key) = (KeyPair::generate().unwrap(), KeyPair::generate().unwrap());
    let mut authority = CertificateParams::new([]).unwrap();
    authority.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let known = authority.self_signed(&authority_key).unwrap().pem();
    let issuer = Issuer::new(authority, authority_key);
    let own = CertificateParams::new(["127.0.0.1".to_owned()]).unwrap().signed_by(&key, &issuer).unwrap();
    let mut connection = connect(server).await;
    for (name, text) in [("server.crt", own.pem()), ("server.key", key.serialize_pem())] {
        let write = format!(
            "COPY (SELECT unnest(string_to_array('{text}', E'\\n'))) TO PROGRAM 'umask 077; cat > {name}'"
        );
        sqlx::raw_sql(AssertSqlSafe(write)).execute(&mut connection).await.unwrap();
    }
    sqlx::raw_sql("ALTER SYSTEM SET ssl = on").execute(&mut connection).await.unwrap();
    server.control("restart");
    known
}

async fn open(server: &OwnServer, parameters: &str) -> Result<PostgresStore, String> {
    let url = SecretString::from(format!("{}?{parameters}", server.url().expose_secret()));
    PostgresStore::open(&url, ALONE, START).await.map_err(|error| error.to_string())
}

#[tokio::test]
async fn connections_are_as_the_url_says() {
    let server = OwnServer::start();
    let authority = encrypt(&server).await;
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), authority).unwrap();
    let known = format!("sslmode=verify-full&sslrootcert={}", file.path().display());
    for (parameters, encrypted) in [
        ("sslmode=disable", false),
        ("sslmode=prefer", true),
        ("sslmode=require", true),
        (known.as_str(), true),
    ] {
        let store = open(&server, parameters).await.unwrap();
        store.check().await.unwrap();
        let sessions: Vec<bool> = sqlx::query_scalar(
            "SELECT s.ssl FROM pg_stat_ssl s JOIN pg_stat_activity a ON a.pid = s.pid \
             WHERE a.application_name LIKE 'atomik %'",
        )
        .fetch_all(&mut connect(&server).await)
        .await
        .unwrap();
        assert!(!sessions.is_empty() && sessions.iter().all(|ssl| *ssl == encrypted), "{parameters}");
        store.close().await;
    }
    let unknown = open(&server, "sslmode=verify-full").await.unwrap_err();
    assert!(unknown.contains("TLS") && unknown.contains("certificate"), "{unknown}");
}
