//! The receiver on PostgreSQL and Redis: one node, two nodes, and a million webhooks.

mod cost;
mod database;
mod figures;

use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use tempfile::TempDir;

use crate::SETTLE;
use crate::floors::Floor;
use crate::load::{self, Pace, Run};
use crate::receiver::{EACH, REFILL, WEBHOOKS, describe, requests};
use crate::report::Line;
use crate::server::{Server, fresh_dir};
use crate::store::Credentials;
use cost::{Cost, Meter};
use database::Database;
use figures::Figures;

/// How a round is sent.
#[derive(Clone, Copy, Debug)]
struct How {
    connections: usize,
    pace: Pace,
}

/// How many connections send at once to a cluster: a balancer keeps more of them than a small machine's few senders. The
/// rounds beside these are over as many as everywhere else.
const CONNECTIONS: usize = 256;
const FAST: How = How { connections: CONNECTIONS, pace: Pace::AsFastAsPossible };
const OVER_FEW: How = How { connections: load::CONNECTIONS, ..FAST };
/// How often each installation is measured, in turns.
const ROUNDS: usize = 7;
/// How many webhooks are stored in the small and in the large installation.
const FEW: usize = 1_000;
const MANY: usize = 1_000_000;
/// A round with few webhooks is short, so there are more of them.
const SHORT_ROUNDS: usize = 15;
/// A number that shares no factor with a million: its multiples visit all webhooks, in no order.
const STRIDE: u64 = 618_033;
/// One signal at a time: a hundred a second, each of a webhook of its own.
const ALONE: usize = 500;
const ALONE_GAP: Duration = Duration::from_millis(10);
/// All nodes of an installation have one master key.
const MASTER_KEY: &str = "5555555555555555555555555555555555555555555555555555555555555555";

/// The two servers, as `scripts/with-postgres.sh` and `scripts/with-redis.sh` name them.
struct Servers {
    postgres: String,
    redis: String,
}

impl Servers {
    fn from_environment() -> Option<Self> {
        let named = |variable| std::env::var(variable).ok();
        Some(Self { postgres: named("ATOMIK_TEST_POSTGRES_URL")?, redis: named("ATOMIK_TEST_REDIS_URL")? })
    }
}

/// What the servers are, in one line; `None` where they are not there.
pub async fn facts() -> Result<Option<String>> {
    let Some(servers) = Servers::from_environment() else { return Ok(None) };
    let postgres = database::facts(&servers.postgres).await?;
    let redis = cost::redis_says(&servers.redis, "redis_version").await?;
    Ok(Some(format!("{postgres}; Redis {redis}")))
}

/// Nothing where the servers are not there.
pub async fn measure() -> Result<Vec<Line>> {
    let Some(servers) = Servers::from_environment() else {
        println!(
            "Cluster mode is left out: it needs scripts/with-postgres.sh and scripts/with-redis.sh around the command."
        );
        return Ok(Vec::new());
    };
    let mut figures = Figures::default();
    many_nodes(&servers, &mut figures).await?;
    many_webhooks(&servers, &mut figures).await?;
    figures.lines()
}

/// Nodes on a database of their own.
struct Installation {
    name: &'static str,
    database: Database,
    nodes: Vec<(Server, TempDir)>,
    /// How long the last node took to become ready.
    started_in: Duration,
}

impl Installation {
    async fn start(
        name: &'static str,
        urls: (&str, Option<&str>),
        webhooks: usize,
        nodes: usize,
    ) -> Result<Self> {
        println!("Preparing {webhooks} webhooks: {name} ...");
        let (postgres, redis) = urls;
        let database = Database::with_webhooks(postgres, webhooks).await?;
        let url = database.url()?;
        let mut variables =
            vec![("ATOMIK_STORE__POSTGRES_URL", url.as_str()), ("ATOMIK_SECRETS__MASTER_KEY", MASTER_KEY)];
        variables.extend(redis.map(|redis| ("ATOMIK_STORE__REDIS_URL", redis)));
        let mut made = Self { name, database, nodes: Vec::new(), started_in: Duration::ZERO };
        for _ in 0..nodes {
            let (dir, start) = (fresh_dir()?, Instant::now());
            let node = Server::start_atomik_with(dir.path(), &variables).await?;
            made.started_in = start.elapsed();
            made.nodes.push((node, dir));
        }
        tokio::time::sleep(SETTLE).await;
        Ok(made)
    }

    fn servers(&self) -> impl Iterator<Item = &Server> {
        self.nodes.iter().map(|(node, _)| node)
    }

    async fn send(&self, requests: Arc<Vec<Vec<u8>>>, how: How) -> Result<Run> {
        let ports: Vec<_> = self.servers().map(|node| node.port).collect();
        load::send_all_over(how.connections, &ports, requests, how.pace).await
    }

    /// Sends all, and adds what that cost.
    async fn round(
        &self,
        requests: Arc<Vec<Vec<u8>>>,
        how: How,
        meter: &mut Meter,
        cost: &mut Cost,
    ) -> Result<Run> {
        let before = meter.read(self.servers()).await?;
        let run = self.send(requests, how).await?;
        *cost += meter.read(self.servers()).await? - before;
        Ok(describe(self.name, run))
    }

    async fn end(self) -> Result<()> {
        for (node, _dir) in self.nodes {
            node.stop().await?;
        }
        self.database.remove().await
    }
}

/// One node without Redis, one with it, two with it, in turns with the empty handler.
async fn many_nodes(servers: &Servers, figures: &mut Figures) -> Result<()> {
    let (alone, both) = ((&*servers.postgres, None), (&*servers.postgres, Some(&*servers.redis)));
    let postgres = Installation::start("PostgreSQL", alone, WEBHOOKS, 1).await?;
    let one = Installation::start("PostgreSQL and Redis", both, WEBHOOKS, 1).await?;
    let two = Installation::start("PostgreSQL and Redis, two nodes", both, WEBHOOKS, 2).await?;
    let place = fresh_dir()?;
    let empty = Server::start_floor(Floor::EmptyHandler, place.path()).await?;
    let mut meter = Meter::new(&servers.postgres, &servers.redis).await?;
    let credentials = Database::credentials(0..u64::try_from(WEBHOOKS)?);

    let mut unique = 0;
    let warm_up = requests(&credentials, 1, &mut unique);
    empty_handler(&empty, Arc::clone(&warm_up), FAST).await?;
    for installation in [&postgres, &one, &two] {
        installation.send(Arc::clone(&warm_up), FAST).await?;
    }
    for round in 1..=ROUNDS {
        println!("Cluster mode and empty handler, round {round} of {ROUNDS} ...");
        let requests = requests(&credentials, EACH, &mut unique);
        tokio::time::sleep(REFILL).await;
        figures.empty_handler.push(empty_handler(&empty, Arc::clone(&requests), FAST).await?);
        let run = postgres.round(Arc::clone(&requests), FAST, &mut meter, &mut figures.postgres_cost).await?;
        figures.postgres.push(run);
        let run = one.round(Arc::clone(&requests), FAST, &mut meter, &mut figures.one_cost).await?;
        figures.one.push(run);
        figures.two.push(two.round(Arc::clone(&requests), FAST, &mut meter, &mut figures.two_cost).await?);
        let run = empty_handler(&empty, Arc::clone(&requests), OVER_FEW).await?;
        figures.empty_over_few.push(run);
        let run = one.round(requests, OVER_FEW, &mut meter, &mut figures.one_over_few_cost).await?;
        figures.one_over_few.push(run);
    }

    println!("One signal at a time ...");
    tokio::time::sleep(REFILL).await;
    let requests = requests(&credentials[..ALONE], 1, &mut unique);
    let how = How { pace: Pace::Every(ALONE_GAP), ..OVER_FEW };
    figures.alone.push(one.round(requests, how, &mut meter, &mut figures.alone_cost).await?);
    for installation in [postgres, one, two] {
        installation.end().await?;
    }
    Ok(())
}

async fn empty_handler(server: &Server, requests: Arc<Vec<Vec<u8>>>, how: How) -> Result<Run> {
    let run = load::send_all_over(how.connections, &[server.port], requests, how.pace).await?;
    Ok(describe("empty handler", run))
}

/// The same signals with few webhooks stored, and with many, spread over all of them.
async fn many_webhooks(servers: &Servers, figures: &mut Figures) -> Result<()> {
    let urls = (&*servers.postgres, Some(&*servers.redis));
    let few = Installation::start("few webhooks", urls, FEW, 1).await?;
    let many = Installation::start("many webhooks", urls, MANY, 1).await?;
    let mut meter = Meter::new(&servers.postgres, &servers.redis).await?;
    let loaded = many.servers().next().context("no node was started")?;
    (figures.many_kib, figures.many_started_in) = (loaded.resident_kib()?, many.started_in);

    let (mut unique, mut visited) = (0, 0);
    let few_credentials = Database::credentials(0..u64::try_from(FEW)?);
    let mut scattered = || -> Result<Vec<Credentials>> {
        let numbers = visited..visited + u64::try_from(FEW * EACH)?;
        visited = numbers.end;
        let many = u64::try_from(MANY)?;
        Ok(Database::credentials(numbers.map(|number| number * STRIDE % many)))
    };
    few.send(requests(&few_credentials, EACH, &mut unique), FAST).await?;
    many.send(requests(&scattered()?, 1, &mut unique), FAST).await?;
    for round in 1..=SHORT_ROUNDS {
        println!("{FEW} and {MANY} webhooks, round {round} of {SHORT_ROUNDS} ...");
        let requests_few = requests(&few_credentials, EACH, &mut unique);
        let requests_many = requests(&scattered()?, 1, &mut unique);
        tokio::time::sleep(REFILL).await;
        figures.few.push(few.round(requests_few, FAST, &mut meter, &mut figures.few_cost).await?);
        figures.many.push(many.round(requests_many, FAST, &mut meter, &mut figures.many_cost).await?);
    }
    let loaded = many.servers().next().context("no node was started")?;
    figures.many_peak_kib = loaded.peak_kib()?;
    for installation in [few, many] {
        installation.end().await?;
    }
    Ok(())
}
