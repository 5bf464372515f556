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

/// Says it until the bus has taken it, and whether it had to be said again: a machine that is held up makes a bus that answers late
/// look lost for a moment, and what was taken after all is then heard twice.
async fn publish(bus: &Arc<dyn Bus>, message: &str) -> bool {
    let publishing = async {
        let mut again = false;
        while bus.publish(message).await.is_err() {
            again = true;
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        again
    };
    tokio::time::timeout(PATIENCE, publishing).await.expect("the bus is there")
}

/// What is heard after the last words, which may come again where they were said again.
async fn next_after(ear: &mut mpsc::Receiver<Heard>, (last, again): &(String, bool)) -> Heard {
    loop {
        let heard = next(ear).await;
        if !again || heard != Heard::Message(last.clone()) {
            return heard;
        }
    }
}

/// Whatever one end says, both hear, in its order, up to the longest message.
pub async fn what_one_says_all_hear(ends: Ends) {
    let mut ears = [listening(&ends[0]).await, listening(&ends[1]).await];
    let longest = "ä".repeat(MAX_MESSAGE / 2);
    let messages = ["first", "second 'quoted' \"twice\"\n", longest.as_str(), "last"];
    let mut said = vec![(String::new(), false)];
    for message in messages {
        said.push((message.to_owned(), publish(&ends[0], message).await));
    }
    for ear in &mut ears {
        for (last, message) in said.iter().zip(messages) {
            assert_eq!(next_after(ear, last).await, Heard::Message(message.to_owned()));
        }
    }
}

/// A listener that does not take in what it hears loses some, and is told so before it hears more.
pub async fn who_does_not_listen_in_time_is_told(ends: Ends) {
    let mut ear = listening(&ends[1]).await;
    let mut taken_in_time = listening(&ends[1]).await;
    let published = 3_000;
    let mut said = vec![(String::new(), false)];
    for n in 0..published {
        let message = n.to_string();
        let again = publish(&ends[0], &message).await;
        assert_eq!(next_after(&mut taken_in_time, &said[n]).await, Heard::Message(message.clone()));
        said.push((message, again));
    }
    let mut expected = 0;
    while let Heard::Message(message) = next_after(&mut ear, &said[expected]).await {
        assert_eq!(message, expected.to_string());
        expected += 1;
    }
    assert!(expected < published, "{expected}");
    publish(&ends[0], "after it").await;
    while next(&mut ear).await != Heard::Message("after it".to_owned()) {}
}
