//! A network that is late, slow, one way only, or not there: between a node and the database, Redis, or a broker.

use std::time::{Duration, Instant};

use atomik_testkit::fault_proxy::{FaultProxy, Network};
use rstest::rstest;

use crate::common::status_of;
use crate::nodes::{Cluster, Load, Redis, addresses, eventually, post};

/// The authority of a URL that has user and path.
fn target(url: &str) -> String {
    url.rsplit_once('@').unwrap().1.split('/').next().unwrap().to_owned()
}

#[rstest]
#[case::silent(Network::Blackhole)]
#[case::reset(Network::Reset)]
#[case::one_way(Network::HalfClosed)]
#[case::slow(Network::Dripping(8, Duration::from_millis(20)))]
#[case::late(Network::Delayed(Duration::from_millis(1_500)))]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_node_that_is_cut_from_the_database_is_replaced_and_comes_back(#[case] network: Network) {
    let cluster = Cluster::new(Redis::Without, 2, 2).await;
    let line = FaultProxy::to(target(&cluster.url)).await.unwrap();
    tokio::task::block_in_place(|| {
        let url = cluster.url.replace(&target(&cluster.url), &line.address());
        let mut nodes = vec![cluster.node("a"), cluster.node("b")];
        nodes.push(cluster.node_with("c", &[("ATOMIK_STORE__POSTGRES_URL", &url)]));
        cluster.wait_for_spread(&nodes[0], &[1, 1, 1]);
        let addresses = addresses(&nodes);
        let load = Load::new(&cluster, &addresses);
        load.run(|load| {
            load.wait_for_more(3);
            line.set(network);
            eventually("the others without it", || cluster.spread(&nodes[0]).len() == 2);
            // It says at once that it cannot store, and lets nobody wait. Where the database does answer, however slowly, what
            // has begun to commit waits for the truth.
            if !matches!(network, Network::Dripping(..) | Network::Delayed(_)) {
                let asked = Instant::now();
                let answer = post(&nodes[2].address, &cluster.hooks[0].path, r#"{"action":"SELL"}"#);
                let status = answer.map(|answer| status_of(&answer));
                assert_eq!(status, Some(503), "after {:?}", asked.elapsed());
            }
            load.wait_for_more(3);
            line.set(Network::Open);
            eventually("it among the others", || cluster.spread(&nodes[0]).len() == 3);
            load.wait_for_more(3);
        });
        cluster.assert_exact(&nodes[0], load.accepted());
    });
}

#[rstest]
#[case::silent(Network::Blackhole)]
#[case::reset(Network::Reset)]
#[case::slow(Network::Dripping(1, Duration::from_millis(50)))]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_node_that_is_cut_from_redis_does_what_it_did(#[case] network: Network) {
    let cluster = Cluster::new(Redis::With, 2, 2).await;
    let address = cluster.redis.as_ref().unwrap().address.clone();
    let line = FaultProxy::to(address).await.unwrap();
    tokio::task::block_in_place(|| {
        let url = format!("redis://{}", line.address());
        let mut nodes = vec![cluster.node("a"), cluster.node("b")];
        nodes.push(cluster.node_with("c", &[("ATOMIK_STORE__REDIS_URL", &url)]));
        cluster.wait_for_spread(&nodes[0], &[1, 1, 1]);
        let addresses = addresses(&nodes);
        let load = Load::new(&cluster, &addresses);
        load.run(|load| {
            load.wait_for_more(3);
            line.set(network);
            load.wait_for_more(3);
            line.set(Network::Open);
            load.wait_for_more(3);
        });
        cluster.assert_all_filled(&nodes[2], load.accepted());
    });
}

#[rstest]
#[case::silent(Network::Blackhole)]
#[case::reset(Network::Reset)]
#[case::one_way(Network::HalfClosed)]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_broker_that_cannot_be_reached_delays_its_own_orders_alone(#[case] network: Network) {
    let cluster = Cluster::new(Redis::Without, 2, 2).await;
    tokio::task::block_in_place(|| {
        let nodes = cluster.three();
        cluster.wait_for_spread(&nodes[0], &[1, 1, 1]);
        let addresses = addresses(&nodes);
        let load = Load::new(&cluster, &addresses);
        load.run(|load| {
            load.wait_for_more(2);
            cluster.lines[0].set(network);
            load.wait_for_more(2);
            let before = cluster.held(1);
            eventually("orders at the other broker", || cluster.held(1) > before);
            load.wait_for_more(2);
            cluster.lines[0].set(Network::Open);
            load.wait_for_more(2);
        });
        cluster.assert_exact(&nodes[0], load.accepted());
    });
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn redis_is_emptied_held_still_killed_and_started_under_load() {
    let cluster = Cluster::new(Redis::With, 2, 2).await;
    tokio::task::block_in_place(|| {
        let nodes = cluster.three();
        cluster.wait_for_spread(&nodes[0], &[1, 1, 1]);
        let redis = cluster.redis.as_ref().unwrap();
        let addresses = addresses(&nodes);
        let load = Load::new(&cluster, &addresses);
        load.run(|load| {
            load.wait_for_more(2);
            redis.order("FLUSHALL");
            load.wait_for_more(2);
            for action in ["pause", "resume", "kill", "start"] {
                redis.control(action);
                load.wait_for_more(2);
            }
        });
        cluster.assert_all_filled(&nodes[1], load.accepted());
    });
}
