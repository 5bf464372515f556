//! The rate where a limiter counts it over all nodes: asked in the rate's turn and for nobody else's requests, and not needed.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use atomik_domain::ip_allowlist::IpAllowlist;
use atomik_domain::{Code, WebhookId};
use atomik_engine::{Answer, EngineSettings, Inbound, Malformed};
use atomik_ports::RateLimiter;
use atomik_ports::directory::WebhookPatch;
use atomik_ports::rate::{Known, LimiterAway, Look, Rate, Token};
use secrecy::SecretString;

use crate::house::{House, verdict};

/// Answers as it is told, and notes what it was asked and what it was to remember.
pub(super) struct Told {
    answer: Mutex<Result<Token, LimiterAway>>,
    asked: AtomicUsize,
    looked: Mutex<Vec<Option<Look>>>,
    known: Mutex<Vec<Known>>,
}

impl Told {
    fn new(answer: Result<Token, LimiterAway>) -> Arc<Self> {
        let (looked, known) = (Mutex::default(), Mutex::default());
        Arc::new(Self { answer: Mutex::new(answer), asked: AtomicUsize::new(0), looked, known })
    }

    pub(super) fn tell(&self, answer: Result<Token, LimiterAway>) {
        *self.answer.lock().unwrap() = answer;
    }

    fn asked(&self) -> usize {
        self.asked.swap(0, Ordering::SeqCst)
    }

    /// What was looked for since this was last asked.
    pub(super) fn looked(&self) -> Vec<Option<Look>> {
        std::mem::take(&mut *self.looked.lock().unwrap())
    }

    /// What it was to remember since this was last asked.
    pub(super) fn known(&self) -> Vec<Known> {
        std::mem::take(&mut *self.known.lock().unwrap())
    }
}

#[async_trait]
impl RateLimiter for Told {
    async fn take(&self, _: WebhookId, rate: Rate, look: Option<Look>) -> Result<Token, LimiterAway> {
        assert_eq!(rate, Rate { interval_us: 100_000, burst: 10 });
        self.asked.fetch_add(1, Ordering::SeqCst);
        self.looked.lock().unwrap().push(look);
        self.answer.lock().unwrap().clone()
    }

    fn remember(&self, known: Known) {
        self.known.lock().unwrap().push(known);
    }

    fn state(&self) -> Result<(), LimiterAway> {
        self.answer.lock().unwrap().clone().map(|_| ())
    }
}

pub(super) const TAKEN: Token = Token::Taken { at: 0, first: None };

fn away() -> Result<Token, LimiterAway> {
    Err(LimiterAway("a test".to_owned()))
}

pub(super) async fn house(answer: Result<Token, LimiterAway>) -> (House, Arc<Told>) {
    house_with(EngineSettings::default(), answer).await
}

pub(super) async fn house_with(
    settings: EngineSettings,
    answer: Result<Token, LimiterAway>,
) -> (House, Arc<Told>) {
    let limiter = Told::new(answer);
    (House::limited(settings, Arc::clone(&limiter) as Arc<dyn RateLimiter>).await, limiter)
}

/// The codes of many different alerts, one after the other.
async fn codes(house: &House, count: usize) -> Vec<Code> {
    let mut codes = Vec::new();
    for n in 0..count {
        codes.push(verdict(&house.send(&format!(r#"{{"action":"BUY","quantity":"{n}"}}"#)).await).1);
    }
    codes
}

#[tokio::test]
async fn it_is_asked_in_the_rates_turn_alone() {
    let (house, limiter) = house(Ok(Token::In(1_500_000))).await;
    let good = || house.inbound(r#"{"action":"BUY"}"#);
    let elsewhere = Inbound { remote_ip: [192, 0, 2, 1].into(), ..good() };
    let guess = Inbound { secrets: vec![SecretString::from("guess")], ..good() };
    let allowed = WebhookPatch {
        allowed_ips: Some(IpAllowlist::parse("10.0.0.0/8").unwrap()),
        ..WebhookPatch::default()
    };
    house.patch(allowed).await;
    for (inbound, code) in [
        (Inbound { token: "nobody".to_owned(), ..good() }, Code::WebhookNotFound),
        (elsewhere, Code::IpNotAllowed),
        (guess, Code::InvalidSecret),
    ] {
        assert_eq!(verdict(&house.engine.receive(inbound).await).1, code);
        assert_eq!(limiter.asked(), 0, "{code:?} comes before the rate");
    }
    let malformed = Malformed { code: Code::MalformedJson, detail: "cut off".to_owned() };
    for inbound in [good(), house.inbound("no JSON"), Inbound { malformed: Some(malformed), ..good() }] {
        let answer = house.engine.receive(inbound).await;
        assert_eq!(verdict(&answer).1, Code::RateLimited, "the payload comes after the rate");
        assert_eq!(limiter.asked(), 1);
        let Answer::Refused { retry_after_s, .. } = answer else { panic!("{answer:?}") };
        assert_eq!(retry_after_s, Some(2));
    }
}

#[tokio::test]
async fn what_it_refuses_does_not_count_on_the_node() {
    let (house, limiter) = house(Ok(Token::In(1))).await;
    assert_eq!(codes(&house, 30).await, [Code::RateLimited; 30]);
    assert_eq!(limiter.asked(), 30);
    limiter.tell(Ok(TAKEN));
    assert_eq!(codes(&house, 10).await, [Code::Accepted; 10]);
}

#[tokio::test]
async fn a_flood_on_one_node_costs_it_few_questions() {
    let (house, limiter) = house(Ok(TAKEN)).await;
    let inbounds = (0..200).map(|n| house.inbound(&format!(r#"{{"action":"BUY","quantity":"{n}"}}"#)));
    let answers = house.at_once(inbounds.collect()).await;
    assert_eq!(answers.iter().filter(|answer| verdict(answer).0 == 202).count(), 10);
    assert_eq!(limiter.asked(), 10);
}

#[tokio::test]
async fn while_it_is_away_the_node_decides_and_stays_ready() {
    let (house, limiter) = house(Ok(TAKEN)).await;
    let redis = async || house.engine.readiness().await.redis.map(|state| state.is_ok());
    assert_eq!(redis().await, Some(true));
    limiter.tell(away());
    let inbounds = (0..30).map(|n| house.inbound(&format!(r#"{{"action":"BUY","quantity":"{n}"}}"#)));
    let answers = house.at_once(inbounds.collect()).await;
    assert_eq!(answers.iter().filter(|answer| verdict(answer).0 == 202).count(), 10);
    assert!(answers.iter().all(|answer| [202, 429].contains(&verdict(answer).0)));
    let readiness = house.engine.readiness().await;
    assert_eq!(readiness.redis, Some(Err("a test".to_owned())));
    assert!(readiness.is_ready(), "{readiness:?}");
    limiter.tell(Ok(TAKEN));
    assert_eq!(redis().await, Some(true));
    house.recover(Duration::from_secs(1)).await;
    limiter.asked();
    assert_eq!(verdict(&house.send(r#"{"action":"SELL"}"#).await).1, Code::Accepted);
    assert_eq!(limiter.asked(), 1);
}

#[tokio::test]
async fn without_a_limiter_nothing_is_said_of_one() {
    let house = House::new().await;
    assert_eq!(house.engine.readiness().await.redis, None);
}
