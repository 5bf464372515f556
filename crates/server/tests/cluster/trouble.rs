//! Nodes that die, sleep, or lose the database.

use std::time::{Duration, Instant};

use rstest::rstest;

use crate::database::OwnServer;
use crate::nodes::{Cluster, Load, Redis, addresses, eventually, signal};

#[rstest]
#[case::without_redis(Redis::Without)]
#[case::with_redis(Redis::With)]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_node_that_is_killed_is_replaced_within_ten_seconds(#[case] redis: Redis) {
    let cluster = Cluster::new(redis, 3, 2).await;
    tokio::task::block_in_place(|| {
        let mut nodes = cluster.three();
        cluster.wait_for_spread(&nodes[0], &[1, 1, 2]);
        let addresses = addresses(&nodes);
        let load = Load::new(&cluster, &addresses);
        load.run(|load| {
            load.wait_for_more(5);
            nodes[2].kill();
            let died = Instant::now();
            cluster.wait_for_spread(&nodes[0], &[2, 2]);
            assert!(died.elapsed() < Duration::from_secs(10), "taken over after {:?}", died.elapsed());
            load.wait_for_more(5);
        });
        cluster.assert_exact(&nodes[1], load.accepted());
    });
}

#[rstest]
#[case::without_redis(Redis::Without)]
#[case::with_redis(Redis::With)]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_node_that_slept_past_its_leases_sends_nothing_when_it_wakes(#[case] redis: Redis) {
    let cluster = Cluster::new(redis, 2, 2).await;
    tokio::task::block_in_place(|| {
        let nodes = cluster.three();
        cluster.wait_for_spread(&nodes[0], &[1, 1, 1]);
        let addresses = addresses(&nodes);
        let load = Load::new(&cluster, &addresses);
        load.run(|load| {
            for venue in 0..2 {
                load.wait_for_more(3);
                let owner = cluster.owner_of(venue, &nodes);
                let other = nodes.iter().find(|node| node.address != owner.address).unwrap();
                signal(owner, "-STOP");
                eventually("a takeover", || cluster.spread(other).len() == 2);
                load.wait_for_more(3);
                signal(owner, "-CONT");
                eventually("the sleeper among the others", || cluster.spread(other).len() == 3);
            }
            load.wait_for_more(3);
        });
        cluster.assert_exact(&nodes[0], load.accepted());
    });
}

#[rstest]
#[case::without_redis(Redis::Without)]
#[case::with_redis(Redis::With)]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_database_is_stopped_and_started_in_the_middle_of_everything(#[case] redis: Redis) {
    let server = OwnServer::start();
    let cluster = Cluster::on(&server, redis, 2, 2).await;
    tokio::task::block_in_place(|| {
        let nodes = cluster.three();
        cluster.wait_for_spread(&nodes[0], &[1, 1, 1]);
        let addresses = addresses(&nodes);
        let load = Load::new(&cluster, &addresses);
        load.run(|load| {
            load.wait_for_more(3);
            server.control("-m immediate restart");
            load.wait_for_more(3);
            server.control("-m immediate stop");
            // Longer than any lease is good.
            std::thread::sleep(Duration::from_secs(6));
            server.control("start");
            load.wait_for_more(3);
        });
        cluster.assert_exact(&nodes[0], load.accepted());
    });
}
