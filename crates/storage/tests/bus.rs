//! Every bus, held to the suite, and the one over Redis while Redis comes and goes.

#![allow(clippy::unwrap_used, clippy::panic)] // clippy sees only #[test] functions as tests

mod database;
mod redis_server;

use std::sync::Arc;
use std::time::{Duration, Instant};

use atomik_ports::Bus;
use atomik_ports::bus::Heard;
use atomik_storage::redis::Redis;
use atomik_testkit::bus_suite;
use database::{Database, TOGETHER};
use redis_server::RedisServer;
use uuid::Uuid;

async fn end(server: &RedisServer) -> Arc<dyn Bus> {
    Arc::new(Redis::open(&server.url(), Uuid::from_u128(7)).await.unwrap())
}

macro_rules! on_each {
    ($($test:ident),* $(,)?) => {
        mod redis {
            $(#[tokio::test]
            async fn $test() {
                let server = super::RedisServer::start();
                super::bus_suite::$test([super::end(&server).await, super::end(&server).await]).await;
            })*
        }

        mod postgres {
            $(#[tokio::test]
            async fn $test() {
                let database = super::Database::new().await;
                let stores = [database.open(super::TOGETHER).await, database.open(super::TOGETHER).await];
                super::bus_suite::$test(stores.map(|store| std::sync::Arc::new(store.bus()) as _)).await;
            })*
        }
    };
}

on_each!(what_one_says_all_hear, who_does_not_listen_in_time_is_told);

#[tokio::test]
async fn installations_do_not_hear_each_other() {
    let server = RedisServer::start();
    let ours = end(&server).await;
    let theirs: Arc<dyn Bus> = Arc::new(Redis::open(&server.url(), Uuid::from_u128(8)).await.unwrap());
    let mut ear = bus_suite::listening(&ours).await;
    theirs.publish("theirs").await.unwrap();
    ours.publish("ours").await.unwrap();
    assert_eq!(ear.recv().await, Some(Heard::Message("ours".to_owned())));
}

/// Publishes until it is heard that something was lost, and then a message.
async fn heard_again(bus: &Arc<dyn Bus>, ear: &mut tokio::sync::mpsc::Receiver<Heard>) {
    let deadline = Instant::now() + Duration::from_secs(60);
    let mut gap = false;
    loop {
        let _ = bus.publish("again").await;
        match tokio::time::timeout(Duration::from_millis(20), ear.recv()).await {
            Ok(Some(Heard::Gap)) => gap = true,
            Ok(Some(Heard::Message(_))) if gap => return,
            Ok(None) => panic!("the bus has ended"),
            _ => {}
        }
        assert!(Instant::now() < deadline);
    }
}

#[tokio::test]
async fn after_redis_was_away_a_gap_is_told() {
    let server = RedisServer::start();
    let bus = end(&server).await;
    let mut ear = bus_suite::listening(&bus).await;
    server.control("kill");
    bus.publish("lost").await.unwrap_err();
    server.control("start");
    heard_again(&bus, &mut ear).await;
    server.control("pause");
    let began = Instant::now();
    bus.publish("on its way").await.unwrap_err();
    assert!(began.elapsed() < Duration::from_secs(2), "{:?}", began.elapsed());
    server.control("resume");
    while bus_suite::next(&mut ear).await != Heard::Message("on its way".to_owned()) {}
}
