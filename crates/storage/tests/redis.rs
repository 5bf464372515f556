//! The limiter, and what it knows of repeats, on a real Redis, which is emptied, held still, killed and changed under it.

#![allow(clippy::unwrap_used, clippy::panic)] // clippy sees only #[test] functions as tests

#[path = "redis_server/mod.rs"]
mod redis_server;

use std::time::{Duration, Instant};

use atomik_domain::{SignalId, UnixMicros, WebhookId};
use atomik_ports::RateLimiter;
use atomik_ports::rate::{First, Known, LimiterAway, Look, Rate, Token};
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

fn is_taken(token: Token) -> bool {
    matches!(token, Token::Taken { .. })
}

/// The tokens that are taken of so many asked for one after the other.
async fn taken(limiter: &Redis, rate: Rate, of: usize) -> usize {
    let mut taken = 0;
    for _ in 0..of {
        taken += usize::from(is_taken(limiter.take(HOOK, rate, None).await.unwrap()));
    }
    taken
}

#[tokio::test]
async fn two_nodes_share_the_rate_of_a_webhook_and_of_no_other() {
    let server = RedisServer::start();
    let nodes = [up(&server).await, up(&server).await];
    let asked = (0..30).map(|n| nodes[n % 2].take(HOOK, TEN_AT_ONCE, None));
    let answers = futures::future::join_all(asked).await;
    let mut waits = Vec::new();
    for answer in answers {
        match answer.unwrap() {
            Token::Taken { .. } => {}
            Token::In(micros) => waits.push(micros),
        }
    }
    assert_eq!(waits.len(), 20, "exactly ten of thirty");
    let next_one = TEN_AT_ONCE.interval_us - 60_000_000..=TEN_AT_ONCE.interval_us;
    assert!(waits.iter().all(|micros| next_one.contains(micros)), "{waits:?}");
    assert!(is_taken(nodes[0].take(WebhookId(2), TEN_AT_ONCE, None).await.unwrap()));
    let elsewhere = Redis::open(&server.url(), Uuid::from_u128(8)).await.unwrap();
    let token = elsewhere.take(HOOK, TEN_AT_ONCE, None).await.unwrap();
    assert!(is_taken(token), "another installation counts for itself");
}

#[tokio::test]
async fn who_asks_together_is_answered_each_for_its_own_webhook() {
    let server = RedisServer::start();
    let limiter = up(&server).await;
    assert_eq!(taken(&limiter, TEN_AT_ONCE, 10).await, 10);
    let webhook = |n: i64| if n % 2 == 0 { HOOK } else { WebhookId(100 + n) };
    let full = (0..100).map(|n| limiter.take(webhook(n), TEN_AT_ONCE, None));
    let before = calls(&server);
    let answers = futures::future::join_all(full).await;
    for (n, answer) in answers.into_iter().enumerate() {
        assert_eq!(is_taken(answer.unwrap()), n % 2 == 1, "the {n}th");
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
        match limiter.take(HOOK, TEN_A_SECOND, None).await.unwrap() {
            Token::Taken { .. } => taken += 1,
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
    let asked = (0..200).map(|_| limiter.take(other, TEN_A_SECOND, None));
    let answers = futures::future::join_all(asked).await;
    assert!(began.elapsed() < BOUND, "{:?}", began.elapsed());
    assert!(answers.iter().all(Result::is_err));
    let LimiterAway(why) = limiter.state().unwrap_err();
    assert!(why.contains("did not answer within 150 ms"), "{why}");
    let began = Instant::now();
    for _ in 0..200 {
        limiter.take(other, TEN_A_SECOND, None).await.unwrap_err();
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
    limiter.take(HOOK, TEN_A_SECOND, None).await.unwrap_err();
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
    limiter.take(HOOK, TEN_A_SECOND, None).await.unwrap_err();
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
    let Token::In(micros) = limiter.take(HOOK, TEN_A_SECOND, None).await.unwrap() else {
        panic!("a full bucket")
    };
    assert_eq!(micros, TEN_A_SECOND.interval_us);
    let deadline = Instant::now() + PATIENCE;
    while !is_taken(limiter.take(HOOK, TEN_A_SECOND, None).await.unwrap()) {
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

/// More tokens than a test asks for.
const PLENTY: Rate = Rate { interval_us: 1, burst: 1_000_000 };
const BUY: [u8; 16] = [1; 16];
const SELL: [u8; 16] = [2; 16];
const FIRST: First = First { signal_id: SignalId(7), received_at: UnixMicros(1_700_000_000_123_456) };
const MINUTE: Duration = Duration::from_secs(60);
const MINUTE_US: i64 = 60_000_000;

/// What an alert repeats, and when that was looked.
async fn look(limiter: &Redis, webhook_id: WebhookId, look: Option<Look>) -> (i64, Option<First>) {
    match limiter.take(webhook_id, PLENTY, look).await.unwrap() {
        Token::Taken { at, first } => (at, first),
        none @ Token::In(_) => panic!("{none:?}"),
    }
}

async fn repeated(limiter: &Redis, fingerprint: [u8; 16], window_us: i64) -> Option<First> {
    look(limiter, HOOK, Some(Look { fingerprint, window_us })).await.1
}

/// Makes a signal known that is stored now.
async fn store(limiter: &Redis, fingerprint: [u8; 16], left: Duration) {
    let (at, _) = look(limiter, HOOK, None).await;
    limiter.remember(Known { webhook_id: HOOK, fingerprint, first: FIRST, at, left });
}

async fn until_known(limiter: &Redis, fingerprint: [u8; 16]) {
    let deadline = Instant::now() + PATIENCE;
    while repeated(limiter, fingerprint, MINUTE_US).await != Some(FIRST) {
        assert!(Instant::now() < deadline, "it never came to be known");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

/// Where a signal is known.
fn key_of(fingerprint: [u8; 16]) -> String {
    let hex: String = fingerprint.iter().map(|byte| format!("{byte:02x}")).collect();
    format!("atomik:{INSTALLATION}:repeat:{HOOK}:{hex}")
}

#[tokio::test]
async fn what_one_node_has_stored_all_know_and_nothing_else() {
    let server = RedisServer::start();
    let nodes = [up(&server).await, up(&server).await];
    assert_eq!(repeated(&nodes[1], BUY, MINUTE_US).await, None);
    store(&nodes[0], BUY, MINUTE).await;
    until_known(&nodes[1], BUY).await;
    assert_eq!(repeated(&nodes[1], SELL, MINUTE_US).await, None, "another fingerprint");
    let asked = Some(Look { fingerprint: BUY, window_us: MINUTE_US });
    assert_eq!(look(&nodes[1], WebhookId(2), asked).await.1, None, "another webhook");
    let elsewhere = Redis::open(&server.url(), Uuid::from_u128(8)).await.unwrap();
    assert_eq!(look(&elsewhere, HOOK, asked).await.1, None, "another installation");
    assert_eq!(look(&nodes[1], HOOK, None).await.1, None, "nobody looked");
    server.order("FLUSHALL");
    assert_eq!(repeated(&nodes[1], BUY, MINUTE_US).await, None);
}

#[tokio::test]
async fn a_repeat_takes_a_token_like_anything_else() {
    let server = RedisServer::start();
    let limiter = up(&server).await;
    store(&limiter, BUY, MINUTE).await;
    until_known(&limiter, BUY).await;
    let asked = Some(Look { fingerprint: BUY, window_us: MINUTE_US });
    let mut taken = 0;
    for _ in 0..30 {
        let token = limiter.take(HOOK, TEN_AT_ONCE, asked).await.unwrap();
        taken += usize::from(matches!(token, Token::Taken { first: Some(FIRST), .. }));
    }
    assert_eq!(taken, 10);
}

#[tokio::test]
async fn it_forgets_by_itself_when_the_window_ends() {
    let server = RedisServer::start();
    let limiter = up(&server).await;
    // They are told in this order.
    store(&limiter, [3; 16], Duration::ZERO).await;
    store(&limiter, BUY, Duration::from_millis(500)).await;
    store(&limiter, SELL, MINUTE).await;
    until_known(&limiter, SELL).await;
    assert_eq!(server.say(&format!("EXISTS {}", key_of([3; 16]))), ":0", "nothing was left of its window");
    let left: u64 = server.say(&format!("PTTL {}", key_of(SELL)))[1..].parse().unwrap();
    assert!((1..=60_000).contains(&left), "{left} ms");
    let deadline = Instant::now() + MINUTE / 2;
    while server.say(&format!("EXISTS {}", key_of(BUY))) == ":1" {
        assert!(Instant::now() < deadline, "it is kept");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

#[tokio::test]
async fn the_window_that_counts_is_the_present_one_however_late_it_was_told() {
    let server = RedisServer::start();
    let limiter = up(&server).await;
    let (at, _) = look(&limiter, HOOK, None).await;
    server.control("pause");
    limiter.remember(Known { webhook_id: HOOK, fingerprint: BUY, first: FIRST, at, left: MINUTE });
    until(&limiter, false).await;
    server.control("resume");
    until(&limiter, true).await;
    // Redis takes what was sent to it while it was held still.
    until_known(&limiter, BUY).await;
    // It was held still for longer than that.
    assert_eq!(repeated(&limiter, BUY, 100_000).await, None);
    assert_eq!(repeated(&limiter, BUY, 0).await, None);
}

#[tokio::test]
async fn what_cannot_be_read_is_not_believed() {
    let server = RedisServer::start();
    let limiter = up(&server).await;
    let key = key_of(BUY);
    let (at, _) = look(&limiter, HOOK, None).await;
    let received_at = FIRST.received_at.0;
    server.order(&format!("SET {key} \"{at} 7 {received_at}\""));
    assert_eq!(repeated(&limiter, BUY, MINUTE_US).await, Some(FIRST));
    let ahead = at + 3_600_000_000;
    for unreadable in [
        String::new(),
        "yes".to_owned(),
        format!("{at} 7"),
        format!("{at} 7 {received_at} 1"),
        format!("{at} 0 {received_at}"),
        format!("{at} -7 {received_at}"),
        format!("{at} 7 yesterday"),
        format!("{} 7 {received_at}", i64::MIN),
        format!("{ahead} 7 {received_at}"),
        r"\xff\x00".to_owned(),
    ] {
        server.order(&format!("SET {key} \"{unreadable}\""));
        assert_eq!(repeated(&limiter, BUY, MINUTE_US).await, None, "{unreadable:?}");
    }
    assert_eq!(server.say(&format!("DEL {key}")), ":1");
    assert_eq!(server.say(&format!("RPUSH {key} 1")), ":1");
    assert_eq!(repeated(&limiter, BUY, MINUTE_US).await, None, "no text at all");
    limiter.state().unwrap();
}

#[tokio::test]
async fn nobody_waits_for_telling_and_it_goes_on_afterwards() {
    let server = RedisServer::start();
    let limiter = up(&server).await;
    let (at, _) = look(&limiter, HOOK, None).await;
    server.control("kill");
    let began = Instant::now();
    for number in 0..100_000_u128 {
        let fingerprint = number.to_be_bytes();
        limiter.remember(Known { webhook_id: HOOK, fingerprint, first: FIRST, at, left: MINUTE });
    }
    assert!(began.elapsed() < BOUND, "{:?}", began.elapsed());
    until(&limiter, false).await;
    server.control("start");
    until(&limiter, true).await;
    store(&limiter, BUY, MINUTE).await;
    until_known(&limiter, BUY).await;
}
