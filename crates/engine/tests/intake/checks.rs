//! token -> IP -> secret -> subscription -> rate -> payload -> repeat: each refusal beats the later ones.

use atomik_domain::ip_allowlist::IpAllowlist;
use atomik_domain::tier::Subscription;
use atomik_domain::webhook::PreviousSecret;
use atomik_domain::{Code, SubscriptionStatus, UnixMicros};
use atomik_engine::{Answer, Inbound, Malformed};
use atomik_ports::Directory;
use atomik_ports::directory::{UserPatch, WebhookPatch};
use atomik_testkit::builders::START;
use rstest::rstest;
use secrecy::SecretString;

use crate::house::{House, SECRET, SENDER, hash, verdict};

const STRANGER: std::net::IpAddr = std::net::IpAddr::V4(std::net::Ipv4Addr::new(203, 0, 113, 9));
const DAY_US: i64 = 86_400 * UnixMicros::SECOND;

fn secrets(secrets: &[&str]) -> Vec<SecretString> {
    secrets.iter().map(|secret| SecretString::from(*secret)).collect()
}

async fn subscribe(house: &House, status: SubscriptionStatus, since: UnixMicros) {
    let patch = UserPatch { subscription: Some(Subscription { status, since }), ..UserPatch::default() };
    house.store.update_user(house.tenant.user.id, patch).await.unwrap();
    house.engine.refresh().await.unwrap();
}

async fn activate(house: &House, active: bool) {
    house.patch(WebhookPatch { active: Some(active), ..WebhookPatch::default() }).await;
}

#[tokio::test]
async fn each_refusal_beats_the_later_ones() {
    let house = House::new().await;
    let keyed = |body: &str| Inbound { idempotency_key: Some("once".to_owned()), ..house.inbound(body) };
    assert_eq!(verdict(&house.engine.receive(keyed(r#"{"action":"BUY"}"#)).await), (202, Code::Accepted));
    subscribe(&house, SubscriptionStatus::Suspended, START).await;
    activate(&house, false).await;
    // Everything is wrong with this one, and then one thing less at a time.
    let bad_key = || Malformed { code: Code::InvalidField, detail: "A bad key.".to_owned() };
    let wrong = || Inbound {
        token: "nobody".to_owned(),
        remote_ip: STRANGER,
        secrets: Vec::new(),
        malformed: Some(bad_key()),
        ..keyed("no json")
    };
    let known = || Inbound { token: house.inbound("").token, ..wrong() };
    let from_sender = || Inbound { remote_ip: SENDER, ..known() };
    let guessing = || Inbound { secrets: secrets(&["guess"]), ..from_sender() };
    let right = || Inbound { secrets: secrets(&[SECRET]), ..from_sender() };
    let readable = || Inbound { malformed: None, ..right() };

    assert_eq!(verdict(&house.engine.receive(wrong()).await), (404, Code::WebhookNotFound));
    assert_eq!(verdict(&house.engine.receive(known()).await), (404, Code::WebhookNotFound), "paused");
    activate(&house, true).await;
    assert_eq!(verdict(&house.engine.receive(known()).await), (403, Code::IpNotAllowed));
    assert_eq!(verdict(&house.engine.receive(from_sender()).await), (401, Code::SecretRequired));
    assert_eq!(verdict(&house.engine.receive(guessing()).await), (401, Code::InvalidSecret));
    assert_eq!(verdict(&house.engine.receive(right()).await), (403, Code::SubscriptionInactive));
    subscribe(&house, SubscriptionStatus::Active, START).await;
    house.recover(std::time::Duration::from_secs(2)).await;
    let answers = house.at_once((0..11).map(|_| right()).collect()).await;
    let verdicts: Vec<_> = answers.iter().map(verdict).collect();
    assert_eq!(verdicts[..10], [(422, Code::InvalidField); 10]);
    assert_eq!(verdicts[10], (429, Code::RateLimited));
    assert!(matches!(answers[10], Answer::Refused { retry_after_s: Some(1), .. }));
    house.recover(std::time::Duration::from_secs(2)).await;
    assert_eq!(verdict(&house.engine.receive(readable()).await), (422, Code::MalformedJson));
    let other = house.engine.receive(keyed(r#"{"action":"SELL"}"#)).await;
    assert_eq!(verdict(&other), (422, Code::IdReused), "once everything else is right");
    assert_eq!(house.signals().await.len(), 1);
}

#[rstest]
#[case::none(&[], "", 401, Code::SecretRequired)]
#[case::in_query_or_header(&[SECRET], "", 202, Code::Accepted)]
#[case::in_both(&[SECRET, SECRET], "", 202, Code::Accepted)]
#[case::wrong(&["guess"], "", 401, Code::InvalidSecret)]
#[case::empty(&[""], "", 401, Code::InvalidSecret)]
#[case::in_other_case(&["0123456789ABCDEF0123456789ABCDEF0123456789ABCDEF0123456789ABCDEF"], "", 401, Code::InvalidSecret)]
#[case::right_then_wrong(&[SECRET, "guess"], "", 401, Code::InvalidSecret)]
#[case::wrong_then_right(&["guess", SECRET], "", 401, Code::InvalidSecret)]
#[case::in_the_body(&[], SECRET, 202, Code::Accepted)]
#[case::wrong_in_the_body(&[], "guess", 401, Code::InvalidSecret)]
#[case::wrong_in_the_query_right_in_the_body(&["guess"], SECRET, 401, Code::InvalidSecret)]
#[tokio::test]
async fn every_secret_given_must_be_right(
    #[case] given: &[&str],
    #[case] in_body: &str,
    #[case] status: u16,
    #[case] code: Code,
) {
    let house = House::new().await;
    let body = match in_body {
        "" => r#"{"action":"BUY"}"#.to_owned(),
        secret => format!(r#"{{"action":"BUY","secret":"{secret}"}}"#),
    };
    let inbound = Inbound { secrets: secrets(given), ..house.inbound(&body) };
    assert_eq!(verdict(&house.engine.receive(inbound).await), (status, code));
}

#[tokio::test]
async fn without_a_required_secret_none_is_asked_for() {
    let house = House::new().await;
    house.patch(WebhookPatch { require_secret: Some(false), ..WebhookPatch::default() }).await;
    let inbound = Inbound { secrets: Vec::new(), ..house.inbound(r#"{"action":"BUY"}"#) };
    assert_eq!(verdict(&house.engine.receive(inbound).await), (202, Code::Accepted));
}

#[tokio::test]
async fn the_old_secret_works_until_its_overlap_is_over() {
    let house = House::new().await;
    let valid_until = START.plus_seconds(60);
    let previous = PreviousSecret { hash: hash(SECRET), valid_until };
    house
        .patch(WebhookPatch { secret: Some((hash("new"), Some(previous))), ..WebhookPatch::default() })
        .await;
    let with = |secret: &str, body: &str| Inbound { secrets: secrets(&[secret]), ..house.inbound(body) };
    let buy = r#"{"action":"BUY"}"#;
    assert_eq!(verdict(&house.engine.receive(with("new", buy)).await), (202, Code::Accepted));
    house.clock.pass_us(60 * UnixMicros::SECOND - 1);
    assert_eq!(verdict(&house.engine.receive(with(SECRET, buy)).await), (202, Code::Accepted));
    house.clock.pass_us(1);
    let late = r#"{"action":"SELL"}"#;
    assert_eq!(verdict(&house.engine.receive(with(SECRET, late)).await), (401, Code::InvalidSecret));
    assert_eq!(verdict(&house.engine.receive(with("new", late)).await), (202, Code::Accepted));
}

#[tokio::test]
async fn only_listed_addresses_may_send() {
    let house = House::new().await;
    let allowed_ips = IpAllowlist::parse("52.89.214.238, 10.0.0.0/8, 2001:db8::/32").unwrap();
    house.patch(WebhookPatch { allowed_ips: Some(allowed_ips), ..WebhookPatch::default() }).await;
    for (ip, allowed) in [
        ("52.89.214.238", true),
        ("52.89.214.239", false),
        ("10.255.0.1", true),
        ("11.0.0.1", false),
        ("2001:db8::7", true),
        ("2001:db9::7", false),
        ("::ffff:10.1.2.3", true),
        ("::ffff:11.1.2.3", false),
    ] {
        let remote_ip = ip.parse().unwrap();
        let inbound = Inbound { remote_ip, ..house.inbound("[]") };
        let expected = if allowed { (422, Code::MalformedJson) } else { (403, Code::IpNotAllowed) };
        assert_eq!(verdict(&house.engine.receive(inbound).await), expected, "{ip}");
    }
    house.patch(WebhookPatch { allowed_ips: Some(IpAllowlist::default()), ..WebhookPatch::default() }).await;
    let anybody = Inbound { remote_ip: STRANGER, ..house.inbound("[]") };
    assert_eq!(verdict(&house.engine.receive(anybody).await), (422, Code::MalformedJson));
}

#[rstest]
#[case(SubscriptionStatus::Active, 0, true)]
#[case(SubscriptionStatus::Trialing, 0, true)]
#[case::in_grace(SubscriptionStatus::PastDue, 7 * DAY_US - 1, true)]
#[case::after_grace(SubscriptionStatus::PastDue, 7 * DAY_US, false)]
#[case(SubscriptionStatus::Suspended, 0, false)]
#[case(SubscriptionStatus::Canceled, 0, false)]
#[tokio::test]
async fn a_subscription_that_is_not_good_trades_nothing(
    #[case] status: SubscriptionStatus,
    #[case] since_us: i64,
    #[case] works: bool,
) {
    let house = House::new().await;
    subscribe(&house, status, START.plus(-since_us)).await;
    let answer = house.send(r#"{"action":"BUY"}"#).await;
    let expected = if works { (202, Code::Accepted) } else { (403, Code::SubscriptionInactive) };
    assert_eq!(verdict(&answer), expected);
    assert_eq!(house.signals().await.len(), usize::from(works));
}

#[rstest]
#[case("", Code::MalformedJson)]
#[case(r#"{"action":"BUY","action":"SELL"}"#, Code::MalformedJson)]
#[case(r#"{"comment":"ENTRY"}"#, Code::InvalidAction)]
#[case(r#"{"action":"HOLD"}"#, Code::InvalidAction)]
#[case(r#"{"action":"SELL","comment":"EXIT_0"}"#, Code::InvalidExit)]
#[case(r#"{"action":"SELL","comment":"EXIT_500"}"#, Code::InvalidExit)]
#[tokio::test]
async fn a_payload_that_is_wrong_is_refused_with_a_reason(#[case] body: &str, #[case] code: Code) {
    let house = House::new().await;
    assert_eq!(verdict(&house.send(body).await), (422, code));
    assert!(house.signals().await.is_empty());
}

#[tokio::test]
async fn a_deleted_webhook_is_not_found() {
    let house = House::new().await;
    let webhook = &house.tenant.webhook;
    house.store.delete_webhook(webhook.user_id, webhook.id).await.unwrap();
    house.engine.refresh().await.unwrap();
    assert_eq!(verdict(&house.send(r#"{"action":"BUY"}"#).await), (404, Code::WebhookNotFound));
}

#[tokio::test]
async fn a_webhook_without_an_active_strategy_accepts_and_trades_nothing() {
    let house = House::new().await;
    let strategy = &house.tenant.strategy;
    house.store.delete_strategy(strategy.user_id, strategy.id).await.unwrap();
    house.engine.refresh().await.unwrap();
    assert_eq!(verdict(&house.send(r#"{"action":"BUY"}"#).await), (202, Code::Accepted));
    let signals = house.signals().await;
    assert_eq!(signals.len(), 1);
    assert!(signals[0].outcomes.is_empty(), "what the API shows as no_active_strategy");
}

#[tokio::test]
async fn an_engine_that_stops_takes_nothing_in() {
    let house = House::new().await;
    house.engine.stop(std::time::Duration::from_millis(1)).await;
    assert_eq!(verdict(&house.send(r#"{"action":"BUY"}"#).await), (503, Code::Overloaded));
    assert!(house.signals().await.is_empty());
}
