//! Nodes, venues and a trader with many webhooks.

use std::collections::{BTreeMap, HashSet};
use std::process::Command;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use atomik_testkit::fault_proxy::FaultProxy;
use atomik_testkit::venues::alpaca::{self, AlpacaVenue};
use rust_decimal::Decimal;
use secrecy::ExposeSecret;
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::common::{PATIENCE, Quickstart, Server, body_of, decimal, quickstart, status_of};
use crate::database::{Database, OwnServer};
use crate::redis_server::RedisServer;

/// What nodes share: one database, one master key, and venues, each with one account of the trader's.
pub struct Cluster {
    pub dir: TempDir,
    pub url: String,
    pub redis: Option<RedisServer>,
    pub venues: Vec<AlpacaVenue>,
    /// What stands between the nodes and each venue.
    pub lines: Vec<FaultProxy>,
    pub made: Quickstart,
    pub hooks: Vec<Hook>,
    _database: Option<Database>,
}

/// Whether there is a Redis beside the database.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Redis {
    With,
    Without,
}

/// A webhook with one strategy.
pub struct Hook {
    pub id: i64,
    pub path: String,
    pub strategy: i64,
    /// Which venue it trades at.
    pub venue: usize,
}

/// Host and port of a URL.
fn authority(url: &str) -> &str {
    let rest = url.split_once("://").unwrap().1;
    rest.split('/').next().unwrap()
}

const KEY: &str = "5555555555555555555555555555555555555555555555555555555555555555";

impl Cluster {
    /// With so many venues, and so many webhooks that trade at each, on a database of its own.
    pub async fn new(redis: Redis, venues: usize, hooks: usize) -> Self {
        let database = Database::empty().await;
        let url = database.url().expose_secret().to_owned();
        Self::at(url, Some(database), redis, venues, hooks).await
    }

    /// The same on a server of its own.
    pub async fn on(server: &OwnServer, redis: Redis, venues: usize, hooks: usize) -> Self {
        Self::at(server.url().expose_secret().to_owned(), None, redis, venues, hooks).await
    }

    async fn at(url: String, database: Option<Database>, redis: Redis, venues: usize, hooks: usize) -> Self {
        let dir = TempDir::new().unwrap();
        let (mut started, mut lines) = (Vec::new(), Vec::new());
        for _ in 0..venues {
            let venue = AlpacaVenue::start().await;
            lines.push(FaultProxy::to(authority(&venue.base_url()).to_owned()).await.unwrap());
            started.push(venue);
        }
        let config = dir.path().join("atomik.toml");
        std::fs::write(&config, format!("[store]\npostgres_url = \"{url}\"\n")).unwrap();
        let data_dir = dir.path().join("setup");
        let made = tokio::task::block_in_place(|| {
            quickstart(&data_dir, "http://127.0.0.1:8080", &["--config", config.to_str().unwrap()])
        });
        let redis = (redis == Redis::With).then(RedisServer::start);
        let (venues, hooks_each) = (started, hooks);
        let mut cluster =
            Self { dir, url, redis, venues, lines, made, hooks: Vec::new(), _database: database };
        tokio::task::block_in_place(|| cluster.set_up(hooks_each));
        cluster
    }

    fn set_up(&mut self, hooks: usize) {
        let node = self.node("first");
        let mut made = Vec::new();
        for (number, (venue, line)) in self.venues.iter().zip(&self.lines).enumerate() {
            let through = |url: String| url.replace(authority(&url), &line.address());
            let account = json!({"broker": "alpaca", "environment": "paper", "label": format!("venue {number}"),
                "credentials": {"key_id": alpaca::KEY_ID, "secret_key": alpaca::SECRET_KEY},
                "settings": {"base_url": through(venue.base_url()), "stream_url": through(venue.stream_url())}});
            let account = self.post(&node, "/api/v1/broker-accounts", &account)["id"].as_i64().unwrap();
            self.wait_until_connected(&node, account);
            for hook in 0..hooks {
                let name = format!("hook {number}/{hook}");
                let webhook = self.post(&node, "/api/v1/webhooks", &json!({"name": name}));
                let strategy = json!({"name": name, "webhook_id": webhook["id"], "broker_account_id": account,
                    "symbol": "ACME", "quantity": "1", "max_position": "100000", "max_signal_age_s": 600, "active": true});
                let strategy = self.post(&node, "/api/v1/strategies", &strategy);
                let (token, secret) =
                    (webhook["token"].as_str().unwrap(), webhook["secret"].as_str().unwrap());
                made.push(Hook {
                    id: webhook["id"].as_i64().unwrap(),
                    path: format!("/api/v1/webhooks/{token}?secret={secret}"),
                    strategy: strategy["id"].as_i64().unwrap(),
                    venue: number,
                });
            }
        }
        self.hooks = made;
        assert!(node.terminate().success());
    }

    /// A node that has joined.
    pub fn node(&self, name: &str) -> Server {
        self.node_with(name, &[])
    }

    /// The same with further settings.
    pub fn node_with(&self, name: &str, further: &[(&str, &str)]) -> Server {
        let mut environment = vec![
            ("ATOMIK_STORE__POSTGRES_URL", self.url.as_str()),
            ("ATOMIK_SECRETS__MASTER_KEY", KEY),
            ("ATOMIK_BROKERS__ALLOW_CUSTOM_URLS", "true"),
        ];
        let redis = self.redis.as_ref().map(|redis| redis.url().expose_secret().to_owned());
        environment.extend(redis.as_deref().map(|url| ("ATOMIK_STORE__REDIS_URL", url)));
        environment.extend(further);
        Server::start_with(&self.dir.path().join(name), &environment)
    }

    /// Three nodes.
    pub fn three(&self) -> Vec<Server> {
        ["a", "b", "c"].map(|name| self.node(name)).into()
    }

    pub fn post(&self, node: &Server, path: &str, body: &Value) -> Value {
        let answer = self.ask(node, "POST", path, &body.to_string());
        assert!((200..300).contains(&status_of(&answer)), "{path}: {answer}");
        serde_json::from_str(body_of(&answer)).unwrap()
    }

    /// A request with the trader's key, and all that is answered.
    pub fn ask(&self, node: &Server, method: &str, path: &str, body: &str) -> String {
        node.exchange(format!(
            "{method} {path} HTTP/1.1\r\nhost: a\r\nconnection: close\r\nauthorization: Bearer {}\r\n\
             content-type: application/json\r\ncontent-length: {}\r\n\r\n{body}",
            self.made.key,
            body.len()
        ))
    }

    fn wait_until_connected(&self, node: &Server, account: i64) {
        let path = format!("/api/v1/broker-accounts/{account}");
        node.wait_for(&path, &self.made.key, |account| account["status"]["state"] == "ready");
    }

    /// How many accounts each living node works on, by its address; the one asked is first to know of a change.
    pub fn spread(&self, node: &Server) -> BTreeMap<String, u64> {
        let nodes = node.get("/api/v1/admin/nodes", &self.made.key);
        let living = nodes["items"].as_array().unwrap().iter().filter(|node| node["alive"] == true);
        living
            .map(|node| {
                (node["address"].as_str().unwrap().to_owned(), node["broker_accounts"].as_u64().unwrap())
            })
            .collect()
    }

    /// Waits until the accounts are spread in this way, in any order.
    pub fn wait_for_spread(&self, node: &Server, wanted: &[u64]) {
        let mut wanted = wanted.to_vec();
        wanted.sort_unstable();
        eventually("an even spread", || {
            let mut spread: Vec<_> = self.spread(node).into_values().collect();
            spread.sort_unstable();
            spread == wanted
        });
    }

    /// The node that works on a venue's account.
    pub fn owner_of<'n>(&self, venue: usize, nodes: &'n [Server]) -> &'n Server {
        let account = i64::try_from(venue).unwrap() + 2; // the first is the paper account
        let owner = self.owner_address(account, &nodes[0]);
        nodes.iter().find(|node| node.url() == owner).unwrap()
    }

    fn owner_address(&self, account: i64, node: &Server) -> String {
        let nodes = node.get("/api/v1/admin/nodes", &self.made.key);
        let works_on = |node: &&Value| node["works_on"].as_array().unwrap().contains(&json!(account));
        let owner = nodes["items"].as_array().unwrap().iter().find(works_on);
        owner.unwrap_or_else(|| panic!("nobody works on {account}: {nodes}"))["address"]
            .as_str()
            .unwrap()
            .to_owned()
    }

    /// What a venue holds for the trader.
    pub fn held(&self, venue: usize) -> Decimal {
        self.venues[venue].exchange().held().get("ACME").map(|held| held.qty).unwrap_or_default()
    }

    /// The journals: each accepted alert is one signal, whose outcome is final; the venues hold what is said to be filled, and
    /// no order was made twice. Gives why some bought nothing.
    pub fn assert_exact(&self, node: &Server, accepted: usize) -> Vec<String> {
        let is_final = |signal: &Value| !["pending", "unknown"].contains(&signal["status"].as_str().unwrap());
        let mut signals = Vec::new();
        eventually("final outcomes", || {
            signals = node.list("/api/v1/signals", &self.made.key);
            signals.iter().all(is_final)
        });
        assert_eq!(signals.len(), accepted, "signals and accepted alerts");
        let (mut filled, mut unfilled) = (vec![0; self.venues.len()], Vec::new());
        for signal in signals {
            let hook = self.hooks.iter().find(|hook| hook.id == signal["webhook_id"]).unwrap();
            match signal["status"].as_str().unwrap() {
                "filled" => filled[hook.venue] += 1,
                _ => unfilled.push(signal["code"].as_str().unwrap().to_owned()),
            }
        }
        // An order was on its way when its node or its broker went: it never arrived, or nobody knew yet whether it had. Or the
        // database was so slow that the order had grown stale by the time it was recorded.
        // Or what the venue held was more than was recorded yet, and entries waited for the two to agree.
        let reasons = ["unknown_order_open", "broker_unreachable", "lane_overloaded", "books_differ"];
        assert!(unfilled.iter().all(|code| reasons.contains(&code.as_str())), "{unfilled:?}");
        for (venue, filled) in filled.into_iter().enumerate() {
            assert_eq!(self.held(venue), Decimal::from(filled), "what venue {venue} holds");
            let orders = self.venues[venue].exchange().orders();
            let ids: HashSet<_> = orders.iter().map(|order| order.asked.client_order_id.clone()).collect();
            assert_eq!(ids.len(), orders.len(), "an order was made twice");
            let hooks = self.hooks.iter().filter(|hook| hook.venue == venue);
            let recorded: Decimal = hooks
                .map(|hook| {
                    let strategy = node.get(&format!("/api/v1/strategies/{}", hook.strategy), &self.made.key);
                    decimal(&strategy["position"]["net_qty"])
                })
                .sum();
            assert_eq!(recorded, Decimal::from(filled), "our books of venue {venue}");
        }
        unfilled
    }

    /// The same where nothing hinders any alert from buying.
    pub fn assert_all_filled(&self, node: &Server, accepted: usize) {
        let unfilled = self.assert_exact(node, accepted);
        assert!(unfilled.is_empty(), "{unfilled:?}");
    }
}

pub fn addresses(nodes: &[Server]) -> Vec<String> {
    nodes.iter().map(|node| node.address.clone()).collect()
}

/// Waits for something.
pub fn eventually(what: &str, mut holds: impl FnMut() -> bool) {
    let deadline = Instant::now() + PATIENCE;
    while !holds() {
        assert!(Instant::now() < deadline, "{what} never came to be");
        std::thread::sleep(Duration::from_millis(10));
    }
}

/// Stops a process where it stands, or lets it go on.
pub fn signal(node: &Server, signal: &str) {
    assert!(Command::new("kill").args([signal, &node.pid().to_string()]).status().unwrap().success());
}

/// Sends alerts over nodes until told to end, each hook from a thread of its own, the nodes in turn. What was accepted is
/// counted by venue; an alert that was not answered is sent again under its id until it is, to whichever node answers.
pub struct Load<'a> {
    cluster: &'a Cluster,
    addresses: &'a [String],
    accepted: Vec<AtomicUsize>,
    enough: AtomicBool,
}

impl<'a> Load<'a> {
    pub fn new(cluster: &'a Cluster, addresses: &'a [String]) -> Self {
        let accepted = (0..cluster.venues.len()).map(|_| AtomicUsize::new(0)).collect();
        Self { cluster, addresses, accepted, enough: AtomicBool::new(false) }
    }

    /// Runs `during` beside the load.
    pub fn run(&self, during: impl FnOnce(&Self)) {
        std::thread::scope(|scope| {
            for hook in &self.cluster.hooks {
                scope.spawn(|| self.send(hook));
            }
            // Also where it panics the senders are to end.
            let outcome = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| during(self)));
            self.enough.store(true, Ordering::Relaxed);
            if let Err(panic) = outcome {
                std::panic::resume_unwind(panic);
            }
        });
    }

    fn send(&self, hook: &Hook) {
        let mut number = 0;
        let mut turn = usize::try_from(hook.id).unwrap();
        while !self.enough.load(Ordering::Relaxed) {
            number += 1;
            let alert = format!(r#"{{"action":"BUY","price":"100","id":"{number}"}}"#);
            let deadline = Instant::now() + PATIENCE;
            loop {
                turn += 1;
                let address = &self.addresses[turn % self.addresses.len()];
                let status = post(address, &hook.path, &alert).map_or(0, |answer| status_of(&answer));
                match status {
                    202 => break,
                    // No answer, no store, too fast, or a secret that this node has not heard of yet.
                    0 | 503 | 429 | 404 => std::thread::sleep(Duration::from_millis(25)),
                    other => panic!("{other}"),
                }
                assert!(Instant::now() < deadline, "an alert is never accepted: {status}");
            }
            self.accepted[hook.venue].fetch_add(1, Ordering::Relaxed);
            // As much as the venue takes: it counts requests.
            std::thread::sleep(Duration::from_millis(600));
        }
    }

    /// How many alerts were accepted.
    pub fn accepted(&self) -> usize {
        self.by_venue().into_iter().sum()
    }

    fn by_venue(&self) -> Vec<usize> {
        self.accepted.iter().map(|count| count.load(Ordering::Relaxed)).collect()
    }

    /// Waits until so many more were accepted for every venue.
    pub fn wait_for_more(&self, more: usize) {
        let before = self.by_venue();
        eventually("more accepted alerts", || {
            self.by_venue().iter().zip(&before).all(|(now, before)| *now >= before + more)
        });
    }
}

/// Posts, where there is somebody to post to.
pub fn post(address: &str, path: &str, body: &str) -> Option<String> {
    use std::io::{Read, Write};
    let mut stream = std::net::TcpStream::connect(address).ok()?;
    // Longer than the server takes for any answer; a node that stands still answers never.
    stream.set_read_timeout(Some(Duration::from_secs(3))).ok()?;
    let length = body.len();
    let request = format!(
        "POST {path} HTTP/1.1\r\nhost: a\r\nconnection: close\r\ncontent-length: {length}\r\n\r\n{body}"
    );
    stream.write_all(request.as_bytes()).ok()?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).ok()?;
    (!answer.is_empty()).then_some(answer)
}
