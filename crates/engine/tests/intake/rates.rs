//! Ten requests a second, ten at once; strangers do not use them up.

use std::time::Duration;

use atomik_domain::Code;
use atomik_engine::Inbound;
use secrecy::SecretString;

use crate::house::{House, verdict};

fn distinct(house: &House, count: usize) -> Vec<Inbound> {
    (0..count).map(|n| house.inbound(&format!(r#"{{"action":"BUY","quantity":"{n}"}}"#))).collect()
}

#[tokio::test]
async fn of_a_hundred_distinct_alerts_at_once_ten_are_accepted() {
    let house = House::new().await;
    let answers = house.at_once(distinct(&house, 100)).await;
    let verdicts: Vec<_> = answers.iter().map(verdict).collect();
    assert_eq!(verdicts[..10], [(202, Code::Accepted); 10]);
    assert_eq!(verdicts[10..], [(429, Code::RateLimited); 90]);
    assert_eq!(house.signals().await.len(), 10);
}

#[tokio::test]
async fn one_more_comes_every_tenth_of_a_second() {
    let house = House::new().await;
    house.at_once(distinct(&house, 10)).await;
    house.recover(Duration::from_secs(60)).await;
    let answers = house.at_once(distinct(&house, 20)).await;
    let accepted = answers.iter().filter(|answer| verdict(answer).0 == 202).count();
    assert_eq!(accepted, 10, "an hour of rest makes no burst of more than ten");
}

#[tokio::test]
async fn wrong_secrets_do_not_use_up_the_owners_rate() {
    let house = House::new().await;
    let guess = || Inbound { secrets: vec![SecretString::from("guess")], ..house.inbound("{}") };
    let mut inbounds: Vec<_> = (0..50).map(|_| guess()).collect();
    inbounds.extend(distinct(&house, 10));
    let answers = house.at_once(inbounds).await;
    let verdicts: Vec<_> = answers.iter().map(verdict).collect();
    assert_eq!(verdicts[..50], [(401, Code::InvalidSecret); 50]);
    assert_eq!(verdicts[50..], [(202, Code::Accepted); 10]);
}

#[tokio::test]
async fn each_webhook_has_a_rate_of_its_own() {
    let house = House::new().await;
    let mut other = atomik_testkit::builders::new_webhook(house.tenant.user.id, "other");
    other.secret_hash = crate::house::hash(crate::house::SECRET);
    atomik_ports::Directory::create_webhook(house.store.as_ref(), other, None).await.unwrap();
    house.engine.refresh().await.unwrap();
    let mut inbounds = distinct(&house, 11);
    inbounds.extend(
        distinct(&house, 10).into_iter().map(|inbound| Inbound { token: "other".to_owned(), ..inbound }),
    );
    let answers = house.at_once(inbounds).await;
    assert_eq!(verdict(&answers[10]), (429, Code::RateLimited));
    assert!(answers[11..].iter().all(|answer| verdict(answer).0 == 202));
}
