//! The limiter on a real Redis, which is emptied, held still, killed and changed under it.

#![allow(clippy::unwrap_used, clippy::panic)] // clippy sees only #[test] functions as tests

#[path = "redis_server/mod.rs"]
mod redis_server;

use std::time::{Duration, Instant};

use atomik_domain::WebhookId;
use atomik_ports::RateLimiter;
use atomik_ports::rate::{LimiterAway, Rate, Token};
use atomik_storage::redis::Redis;
use redis_server::RedisServer;
use secrecy::SecretString;
use uuid::Uuid;

const INSTALLATION: Uuid = Uuid::from_u128(7);
const TEN_A_SECOND: Rate = Rate { interval_us: 100_000, burst: 10 };
/// As many at once, and none after it while a test runs.
const TEN_AT_ONCE: Rate = Rate { interval_us: 3_600_000_000, burst: 10 };
const HOOK: WebhookId = WebhookId(1);
const PATIENCE: Duration = Duration::from_secs(60);
/// Longer than one answer may take, on a machine that is busy with other tests.
const BOUND: Duration = Duration::from_secs(2);

async fn open(url: &SecretString) -> Redis {
    Redis::open(url, INSTALLATION).await.unwrap()
}

async fn up(server: &RedisServer) -> Redis {
    let limiter = open(&server.url()).await;
    limiter.state().unwrap();
    limiter
}

/// Waits until the limiter is there, or away.
async fn until(limiter: &Redis, is_there: bool) {
    let deadline = Instant::now() + PATIENCE;
    while limiter.state().is_ok() != is_there {
        assert!(Instant::now() < deadline, "{:?}", limiter.state());
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

/// The tokens that are taken of so many asked for one after the other.
async fn taken(limiter: &Redis, rate: Rate, of: usize) -> usize {
    let mut taken = 0;
    for _ in 0..of {
        taken += usize::from(limiter.take(HOOK, rate).await.unwrap() == Token::Taken);
    }
    taken
}

#[tokio::test]
async fn two_nodes_share_the_rate_of_a_webhook_and_of_no_other() {
    let server = RedisServer::start();
    let nodes = [up(&server).await, up(&server).await];
    let asked = (0..30).map(|n| nodes[n % 2].take(HOOK, TEN_AT_ONCE));
    let answers = futures::future::join_all(asked).await;
    let mut waits = Vec::new();
    for answer in answers {
        match answer.unwrap() {
            Token::Taken => {}
            Token::In(micros) => waits.push(micros),
        }
    }
    assert_eq!(waits.len(), 20, "exactly ten of thirty");
    let next_one = TEN_AT_ONCE.interval_us - 60_000_000..=TEN_AT_ONCE.interval_us;
    assert!(waits.iter().all(|micros| next_one.contains(micros)), "{waits:?}");
    assert_eq!(nodes[0].take(WebhookId(2), TEN_AT_ONCE).await, Ok(Token::Taken));
    let elsewhere = Redis::open(&server.url(), Uuid::from_u128(8)).await.unwrap();
    assert_eq!(
        elsewhere.take(HOOK, TEN_AT_ONCE).await,
        Ok(Token::Taken),
        "another installation counts for itself"
    );
}

#[tokio::test]
async fn who_asks_together_is_answered_each_for_its_own_webhook() {
    let server = RedisServer::start();
    let limiter = up(&server).await;
    assert_eq!(taken(&limiter, TEN_AT_ONCE, 10).await, 10);
    let full =
        (0..100).map(|n| limiter.take(if n % 2 == 0 { HOOK } else { WebhookId(100 + n) }, TEN_AT_ONCE));
    let before = calls(&server);
    let answers = futures::future::join_all(full).await;
    for (n, answer) in answers.into_iter().enumerate() {
        let is_taken = answer.unwrap() == Token::Taken;
        assert_eq!(is_taken, n % 2 == 1, "the {n}th");
    }
    // The link's own looks are among them.
    assert!(calls(&server) - before < 50, "they are asked for together");
}

/// How many scripts Redis has been asked to run.
fn calls(server: &RedisServer) -> u64 {
    let count = "string.match(redis.call('INFO', 'commandstats'), 'cmdstat_evalsha:calls=(%d+)')";
    let answer = server.say(&format!("EVAL \"return tonumber({count})\" 0"));
    answer.trim_start_matches(':').parse().unwrap()
}

#[tokio::test]
async fn what_is_taken_comes_back_at_the_rate_and_leaves_nothing_behind() {
    let server = RedisServer::start();
    let limiter = up(&server).await;
    let began = Instant::now();
    let deadline = began + PATIENCE;
    let mut taken = 0;
    while taken < 20 {
        match limiter.take(HOOK, TEN_A_SECOND).await.unwrap() {
            Token::Taken => taken += 1,
            Token::In(micros) => {
                assert!((1..=100_000).contains(&micros), "{micros}");
                tokio::time::sleep(Duration::from_micros(micros.unsigned_abs())).await;
            }
        }
        assert!(Instant::now() < deadline);
    }
    assert!(began.elapsed() >= Duration::from_secs(1), "ten at once, and ten more in a second");
    let key = format!("EXISTS atomik:{INSTALLATION}:rate:{HOOK}");
    assert_eq!(server.say(&key), ":1");
    while server.say(&key) == ":1" {
        assert!(Instant::now() < deadline, "a bucket that is full again is kept");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

#[tokio::test]
async fn emptied_it_goes_on_without_a_break() {
    let server = RedisServer::start();
    let limiter = up(&server).await;
    assert_eq!(taken(&limiter, TEN_AT_ONCE, 30).await, 10);
    server.order("FLUSHALL");
    server.order("SCRIPT FLUSH");
    assert_eq!(taken(&limiter, TEN_AT_ONCE, 30).await, 10, "what is gone counts as never taken");
    limiter.state().unwrap();
}

#[tokio::test]
async fn held_still_it_is_away_in_time_and_comes_back() {
    let server = RedisServer::start();
    let limiter = up(&server).await;
    // What was on its way is counted when it goes on.
    let other = WebhookId(2);
    server.control("pause");
    let began = Instant::now();
    let asked = (0..200).map(|_| limiter.take(other, TEN_A_SECOND));
    let answers = futures::future::join_all(asked).await;
    assert!(began.elapsed() < BOUND, "{:?}", began.elapsed());
    assert!(answers.iter().all(Result::is_err));
    let LimiterAway(why) = limiter.state().unwrap_err();
    assert!(why.contains("did not answer within 150 ms"), "{why}");
    let began = Instant::now();
    for _ in 0..200 {
        limiter.take(other, TEN_A_SECOND).await.unwrap_err();
    }
    assert!(began.elapsed() < BOUND, "each waits although it is known to be away: {:?}", began.elapsed());
    server.control("resume");
    until(&limiter, true).await;
    assert_eq!(taken(&limiter, TEN_AT_ONCE, 30).await, 10);
}

#[tokio::test]
async fn it_is_noticed_that_it_went_away_while_nobody_asked() {
    let server = RedisServer::start();
    let limiter = up(&server).await;
    server.control("pause");
    until(&limiter, false).await;
}

#[tokio::test]
async fn killed_it_is_away_and_started_again_it_is_back() {
    let server = RedisServer::start();
    let limiter = up(&server).await;
    server.control("kill");
    limiter.take(HOOK, TEN_A_SECOND).await.unwrap_err();
    let LimiterAway(why) = limiter.state().unwrap_err();
    assert!(why.contains(&server.address), "{why}");
    server.control("start");
    until(&limiter, true).await;
    assert_eq!(taken(&limiter, TEN_AT_ONCE, 30).await, 10, "the script is loaded again");
}

#[tokio::test]
async fn what_is_not_there_yet_is_away_and_comes() {
    let server = RedisServer::start();
    server.control("kill");
    let limiter = open(&server.url()).await;
    limiter.state().unwrap_err();
    server.control("start");
    until(&limiter, true).await;
}

#[tokio::test]
async fn a_wrong_password_is_said_and_not_shown() {
    let server = RedisServer::start();
    server.order("CONFIG SET requirepass right-canary");
    let with = |password: &str| SecretString::from(format!("redis://:{password}@{}", server.address));
    for url in [with("wrong-canary"), server.url()] {
        let LimiterAway(why) = open(&url).await.state().unwrap_err();
        assert!(why.contains("refuses the user or the password"), "{why}");
        assert!(why.contains(&server.address) && !why.contains("canary"), "{why}");
    }
    let limiter = open(&with("right-canary")).await;
    assert_eq!(taken(&limiter, TEN_AT_ONCE, 30).await, 10);
}

#[tokio::test]
async fn one_that_can_count_nothing_is_away() {
    let server = RedisServer::start();
    let limiter = up(&server).await;
    server.order("CONFIG SET maxmemory 1");
    limiter.take(HOOK, TEN_A_SECOND).await.unwrap_err();
    let refused = open(&server.url()).await;
    assert!(refused.state().is_err(), "it answers, and is still of no use");
    server.order("CONFIG SET maxmemory 0");
    until(&limiter, true).await;
}

#[tokio::test]
async fn a_clock_that_was_set_back_closes_no_bucket() {
    let server = RedisServer::start();
    let limiter = up(&server).await;
    server.order(&format!("SET atomik:{INSTALLATION}:rate:{HOOK} 9000000000000000"));
    let Token::In(micros) = limiter.take(HOOK, TEN_A_SECOND).await.unwrap() else { panic!("a full bucket") };
    assert_eq!(micros, TEN_A_SECOND.interval_us);
    let deadline = Instant::now() + PATIENCE;
    while limiter.take(HOOK, TEN_A_SECOND).await.unwrap() != Token::Taken {
        assert!(Instant::now() < deadline);
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

#[tokio::test]
async fn numbers_are_databases_apart() {
    let server = RedisServer::start();
    let limiter = open(&SecretString::from(format!("redis://{}/3", server.address))).await;
    assert_eq!(taken(&limiter, TEN_AT_ONCE, 30).await, 10);
    assert_eq!(taken(&up(&server).await, TEN_AT_ONCE, 30).await, 10);
}
