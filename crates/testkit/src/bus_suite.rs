//! What every bus does, on two ends of one.
#![allow(clippy::expect_used)] // a suite says what is wrong by panicking

use std::sync::Arc;
use std::time::Duration;

use atomik_ports::Bus;
use atomik_ports::bus::{Heard, MAX_MESSAGE};
use tokio::sync::mpsc;

const PATIENCE: Duration = Duration::from_secs(60);

/// Two nodes' ends of one bus.
pub type Ends = [Arc<dyn Bus>; 2];

/// What is heard next.
pub async fn next(ear: &mut mpsc::Receiver<Heard>) -> Heard {
    let heard = tokio::time::timeout(PATIENCE, ear.recv()).await;
    heard.expect("something is heard in time").expect("the bus goes on as long as it is listened to")
}

/// Listens, from when it is known that everything is heard.
pub async fn listening(bus: &Arc<dyn Bus>) -> mpsc::Receiver<Heard> {
    let mut ear = bus.listen();
    assert_eq!(next(&mut ear).await, Heard::Gap, "what came before was not heard");
    ear
}

/// Whatever one end says, both hear, in its order, up to the longest message.
pub async fn what_one_says_all_hear(ends: Ends) {
    let mut ears = [listening(&ends[0]).await, listening(&ends[1]).await];
    let longest = "ä".repeat(MAX_MESSAGE / 2);
    let messages = ["first", "second 'quoted' \"twice\"\n", longest.as_str(), "last"];
    for message in messages {
        ends[0].publish(message).await.expect("the bus is there");
    }
    for ear in &mut ears {
        for message in messages {
            assert_eq!(next(ear).await, Heard::Message(message.to_owned()));
        }
    }
}

/// A listener that does not take in what it hears loses some, and is told so before it hears more.
pub async fn who_does_not_listen_in_time_is_told(ends: Ends) {
    let mut ear = listening(&ends[1]).await;
    let mut taken_in_time = listening(&ends[1]).await;
    let published = 3_000;
    for n in 0..published {
        ends[0].publish(&n.to_string()).await.expect("the bus is there");
        assert_eq!(next(&mut taken_in_time).await, Heard::Message(n.to_string()));
    }
    let mut expected = 0;
    loop {
        match next(&mut ear).await {
            Heard::Message(message) => assert_eq!(message, expected.to_string()),
            Heard::Gap => break,
        }
        expected += 1;
    }
    assert!(expected < published, "{expected}");
    ends[0].publish("after it").await.expect("the bus is there");
    while next(&mut ear).await != Heard::Message("after it".to_owned()) {}
}
