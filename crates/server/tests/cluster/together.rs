//! Nodes that all live.

use std::io::{BufRead, BufReader, Write};
use std::net::TcpStream;
use std::sync::Barrier;
use std::time::{Duration, Instant};

use rstest::rstest;
use serde_json::json;

use crate::common::{PATIENCE, Server, body_of, status_of};
use crate::nodes::{Cluster, Load, Redis, addresses, eventually, post};

#[rstest]
#[case::without_redis(Redis::Without)]
#[case::with_redis(Redis::With)]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn alerts_to_all_nodes_trade_once_each(#[case] redis: Redis) {
    let cluster = Cluster::new(redis, 3, 3).await;
    tokio::task::block_in_place(|| {
        let nodes = cluster.three();
        // Three venues and the paper account.
        cluster.wait_for_spread(&nodes[2], &[1, 1, 2]);
        let addresses = addresses(&nodes);
        let load = Load::new(&cluster, &addresses);
        load.run(|load| load.wait_for_more(10));
        cluster.assert_all_filled(&nodes[1], load.accepted());
    });
}

#[rstest]
#[case::without_redis(Redis::Without)]
#[case::with_redis(Redis::With)]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn three_hundred_identical_alerts_over_all_nodes_trade_once(#[case] redis: Redis) {
    let cluster = Cluster::new(redis, 1, 1).await;
    tokio::task::block_in_place(|| {
        let nodes = cluster.three();
        cluster.wait_for_spread(&nodes[0], &[0, 1, 1]);
        let barrier = Barrier::new(300);
        let answers: Vec<_> = std::thread::scope(|scope| {
            let senders: Vec<_> = (0..300)
                .map(|number| {
                    let (barrier, cluster, node) = (&barrier, &cluster, &nodes[number % 3]);
                    scope.spawn(move || {
                        barrier.wait();
                        post(&node.address, &cluster.hooks[0].path, r#"{"action":"BUY","price":"100"}"#)
                    })
                })
                .collect();
            senders.into_iter().map(|sender| sender.join().unwrap().unwrap_or_default()).collect()
        });
        let accepted: Vec<_> = answers.iter().filter(|answer| status_of(answer) == 202).collect();
        let first: Vec<_> =
            accepted.iter().filter(|answer| !answer.contains("idempotent-replayed: true")).collect();
        assert_eq!(first.len(), 1, "one is the first");
        let body = body_of(first[0]);
        assert!(accepted.iter().all(|answer| body_of(answer) == body), "the others are answered what it was");
        // Ten a second in all; what the clock has let pass meanwhile beside.
        assert!((3..=30).contains(&accepted.len()), "{}", accepted.len());
        assert!(answers.iter().all(|answer| [202, 429].contains(&status_of(answer))));
        cluster.assert_all_filled(&nodes[0], 1);
    });
}

#[rstest]
#[case::without_redis(Redis::Without)]
#[case::with_redis(Redis::With)]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_changed_on_one_node_holds_on_all_within_a_second(#[case] redis: Redis) {
    let cluster = Cluster::new(redis, 1, 2).await;
    tokio::task::block_in_place(|| {
        let nodes = cluster.three();
        let hook = &cluster.hooks[0];
        let alert = |node: &Server, id: &str| {
            let alert = format!(r#"{{"action":"BUY","price":"100","id":"{id}"}}"#);
            status_of(&post(&node.address, &hook.path, &alert).unwrap_or_default())
        };
        eventually("the webhook everywhere", || nodes.iter().all(|node| alert(node, "first") == 202));
        // Allowed for the change itself and for the asking, on a machine that does other things.
        let soon = Duration::from_secs(3);
        let path = format!("/api/v1/webhooks/{}", hook.id);
        let paused = cluster.ask(&nodes[0], "PATCH", &path, r#"{"active":false}"#);
        assert_eq!(status_of(&paused), 200, "{paused}");
        let began = Instant::now();
        // A node that has not heard of it yet takes the alert.
        let mut taken = 1;
        eventually("the pause everywhere", || {
            let answers: Vec<_> = nodes.iter().map(|node| alert(node, "second")).collect();
            taken = if answers.contains(&202) { 2 } else { taken };
            answers.iter().all(|answer| *answer == 404)
        });
        assert!(began.elapsed() < soon);
        cluster.assert_all_filled(&nodes[0], taken);
        // A halt that is declared on one node denies on whichever works on the account.
        let halt = cluster.post(
            &nodes[1],
            "/api/v1/halts",
            &json!({"scope": "system", "mode": "all", "reason": "test"}),
        );
        let other = &cluster.hooks[1];
        std::thread::sleep(Duration::from_secs(1));
        let answer = post(&nodes[2].address, &other.path, r#"{"action":"BUY","price":"100"}"#).unwrap();
        assert_eq!(status_of(&answer), 202);
        let settled = nodes[0].wait_for("/api/v1/signals?limit=1", &cluster.made.key, |signals| {
            signals["items"][0]["status"] != "pending"
        });
        assert_eq!(settled["items"][0]["code"], "halted");
        let lifted = cluster.ask(&nodes[2], "DELETE", &format!("/api/v1/halts/{}", halt["id"]), "");
        assert!(status_of(&lifted) < 300, "{lifted}");
    });
}

#[rstest]
#[case::without_redis(Redis::Without)]
#[case::with_redis(Redis::With)]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_node_answers_for_every_account_and_shows_what_happens_everywhere(#[case] redis: Redis) {
    let cluster = Cluster::new(redis, 3, 1).await;
    tokio::task::block_in_place(|| {
        let nodes = cluster.three();
        cluster.wait_for_spread(&nodes[0], &[1, 1, 2]);
        let mut streams: Vec<_> = nodes.iter().map(|node| watch(node, &cluster.made.key)).collect();
        // Until now nobody watched, so nobody was told of what happens elsewhere: the streams say so.
        streams.iter_mut().for_each(|stream| wait_for_events(stream, "missed", 1));
        for (number, node) in nodes.iter().enumerate() {
            for venue in 0..3 {
                let account = venue + 2;
                node.wait_for(&format!("/api/v1/broker-accounts/{account}"), &cluster.made.key, |account| {
                    account["status"]["state"] == "ready"
                });
                let path = format!("/api/v1/broker-accounts/{account}/balance");
                let mut balance = String::new();
                eventually("an answer whoever is asked", || {
                    balance = cluster.ask(node, "GET", &path, "");
                    status_of(&balance) == 200
                });
                assert!(balance.contains("USD"), "node {number}, account {account}: {balance}");
            }
        }
        for hook in &cluster.hooks {
            let answer = post(&nodes[0].address, &hook.path, r#"{"action":"BUY","price":"100"}"#).unwrap();
            assert_eq!(status_of(&answer), 202, "{answer}");
        }
        cluster.assert_all_filled(&nodes[1], 3);
        for stream in &mut streams {
            wait_for_events(stream, "fill", 3);
        }
        // Whoever is asked, the exits leave.
        for venue in 0..3 {
            let flattened = cluster.post(
                &nodes[2],
                &format!("/api/v1/broker-accounts/{}/flatten", venue + 2),
                &json!({}),
            );
            assert_eq!(flattened["signals"].as_array().unwrap().len(), 1, "{flattened}");
        }
        eventually("flat venues", || (0..3).all(|venue| cluster.held(venue).is_zero()));
    });
}

fn watch(node: &Server, key: &str) -> BufReader<TcpStream> {
    let mut stream = TcpStream::connect(&node.address).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    let request = format!("GET /api/v1/events HTTP/1.1\r\nhost: a\r\nauthorization: Bearer {key}\r\n\r\n");
    stream.write_all(request.as_bytes()).unwrap();
    let mut stream = BufReader::new(stream);
    let mut line = String::new();
    stream.read_line(&mut line).unwrap();
    assert!(line.starts_with("HTTP/1.1 200"), "{line}");
    stream
}

fn wait_for_events(stream: &mut BufReader<TcpStream>, name: &str, mut count: usize) {
    while count > 0 {
        let mut line = String::new();
        assert!(stream.read_line(&mut line).unwrap() > 0, "the stream has ended");
        count -= usize::from(line.trim().strip_prefix("event: ") == Some(name));
    }
}

#[rstest]
#[case::without_redis(Redis::Without)]
#[case::with_redis(Redis::With)]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn accounts_are_spread_anew_when_nodes_join_and_leave_under_load(#[case] redis: Redis) {
    let cluster = Cluster::new(redis, 3, 2).await;
    tokio::task::block_in_place(|| {
        let first = cluster.node("a");
        cluster.wait_for_spread(&first, &[4]);
        let addresses = [first.address.clone()];
        let load = Load::new(&cluster, &addresses);
        load.run(|load| {
            load.wait_for_more(5);
            let second = cluster.node("b");
            cluster.wait_for_spread(&first, &[2, 2]);
            load.wait_for_more(5);
            let third = cluster.node("c");
            cluster.wait_for_spread(&second, &[1, 1, 2]);
            load.wait_for_more(5);
            assert!(third.terminate().success());
            assert!(second.terminate().success());
            cluster.wait_for_spread(&first, &[4]);
            load.wait_for_more(5);
        });
        cluster.assert_all_filled(&first, load.accepted());
    });
}
