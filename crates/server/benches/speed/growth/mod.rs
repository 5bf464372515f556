//! What a signal costs as history grows: the same webhooks and strategies with few deliveries in the SQLite file, and with ten
//! million, in turns.

mod history;

use std::fs;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use atomik_storage::sqlite::DATABASE_FILE;
use sqlx::sqlite::SqliteConnectOptions;
use sqlx::{ConnectOptions, Connection as _};
use tempfile::TempDir;

use crate::SETTLE;
use crate::connection::Connection;
use crate::load::{self, Pace, Run};
use crate::receiver::{self, EACH, REFILL, describe};
use crate::report::{Line, QUANTILES, beside, mb, quantiles_of, rate};
use crate::server::{DATA_DIR, Server, fresh_dir};
use crate::store::{Credentials, Setup};
use crate::trading;

/// How many deliveries the large file holds.
const DELIVERIES: i64 = 10_000_000;
/// How many webhooks there are without strategies, and with one each.
const PLAIN: usize = 1_000;
const TRADING: usize = 500;
/// Over how many paper accounts the strategies are spread.
const ACCOUNTS: usize = 100;
/// Before the history is made, each plain webhook gets so many signals, the last of them twice within its window, and each
/// trading one so many: of five deliveries three are plain signals, one a repeat and one a signal that traded.
const PLAIN_BEFORE: usize = 3;
const TRADING_BEFORE: usize = 2;
/// How often each server is measured with each kind of signal, in turns.
const ROUNDS: usize = 7;
/// The paper broker's file.
const PAPER_FILE: &str = "paper.db";

/// Who the signals come from.
struct Senders {
    plain: Vec<Credentials>,
    trading: Vec<Credentials>,
    key: String,
}

/// A server on a file of some size, and what it did.
struct Measured {
    name: &'static str,
    server: Server,
    /// Its newest fill before the rounds; they are numbered from one.
    fills_before: usize,
    started_in: Duration,
    resident_kib: u64,
    plain: Done,
    trading: Done,
}

/// Rounds of one kind of signal.
#[derive(Default)]
struct Done {
    runs: Vec<Run>,
    /// Processor time of the server, in microseconds.
    used_us: u64,
}

pub async fn measure() -> Result<Vec<Line>> {
    let (small, large) = (fresh_dir()?, fresh_dir()?);
    println!("Preparing few deliveries, and {DELIVERIES} ...");
    let senders = prepare(&small).await?;
    copy_data(small.path(), large.path())?;
    let deliveries = history::make(large.path(), DELIVERIES).await?;
    let file = fs::metadata(large.path().join(DATA_DIR).join(DATABASE_FILE))?;

    let mut few = Measured::start("few deliveries", small.path(), &senders).await?;
    let mut many = Measured::start("many deliveries", large.path(), &senders).await?;
    let mut unique = 0;
    for round in 1..=ROUNDS {
        println!("Few deliveries and many, round {round} of {ROUNDS} ...");
        let plain = receiver::requests(&senders.plain, EACH, &mut unique);
        let signals = senders.trading.len() * EACH;
        let trading = trading::requests(&senders.trading, (round - 1) * signals..round * signals);
        tokio::time::sleep(REFILL).await;
        for sized in [&mut few, &mut many] {
            sized.plain_round(Arc::clone(&plain)).await?;
            sized.trading_round(Arc::clone(&trading), &senders.key).await?;
        }
    }
    let lines = lines(&few, &many, deliveries, file.len())?;
    for sized in [few, many] {
        sized.server.stop().await?;
    }
    Ok(lines)
}

/// Webhooks and strategies, and what the program itself writes of some of their signals.
async fn prepare(dir: &TempDir) -> Result<Senders> {
    let setup = Setup::open(dir.path()).await?;
    let plain = setup.create_webhooks(PLAIN).await?.into_iter().map(|(_, made)| made).collect();
    let trading = setup.create_strategies(TRADING, ACCOUNTS).await?;
    let senders = Senders { plain, trading, key: setup.create_api_key().await? };
    setup.close().await;

    let server = Server::start_atomik(dir.path()).await?;
    let mut unique = 0;
    let plain = receiver::requests(&senders.plain, PLAIN_BEFORE, &mut unique);
    let again = Arc::new(plain[plain.len() - PLAIN..].to_vec());
    let trading = trading::requests(&senders.trading, 0..TRADING * TRADING_BEFORE);
    for requests in [plain, again, Arc::clone(&trading)] {
        load::send_all(&[server.port], requests, Pace::AsFastAsPossible).await?;
    }
    trading::wait_for_fills(server.port, &senders.key, trading.len()).await?;
    server.stop().await?;
    let setup = Setup::open(dir.path()).await?;
    let timelines = setup.timelines().await?;
    setup.close().await;
    timelines.ensure_filled(trading.len())?;
    empty_log(dir.path()).await?;
    Ok(senders)
}

/// Takes what is in the log into the file, so that the file is all there is to copy.
async fn empty_log(dir: &Path) -> Result<()> {
    let file = dir.join(DATA_DIR).join(DATABASE_FILE);
    let mut connection = SqliteConnectOptions::new().filename(file).connect().await?;
    let emptied: (i64, i64, i64) =
        sqlx::query_as("PRAGMA wal_checkpoint(TRUNCATE)").fetch_one(&mut connection).await?;
    ensure!(emptied.0 == 0, "somebody else has the database open");
    connection.close().await.context("cannot close the database")
}

/// Copies a server's data, but for the paper broker's own book: none of its accounts holds anything, and it begins anew.
fn copy_data(from: &Path, to: &Path) -> Result<()> {
    fs::create_dir(to.join(DATA_DIR))?;
    for entry in fs::read_dir(from.join(DATA_DIR))? {
        let entry = entry?;
        let name = entry.file_name();
        // Those of a connection that may be just closing. They hold nothing: see `empty_log`.
        if !name.to_string_lossy().ends_with("-wal") && !name.to_string_lossy().ends_with("-shm") {
            fs::copy(entry.path(), to.join(DATA_DIR).join(&name)).context("cannot copy the data")?;
        }
    }
    for dir in [from, to] {
        for ending in ["", "-wal", "-shm"] {
            let file = dir.join(DATA_DIR).join(format!("{PAPER_FILE}{ending}"));
            if file.exists() {
                fs::remove_file(file)?;
            }
        }
    }
    Ok(())
}

impl Measured {
    /// Starts it, and lets it warm up with one signal a webhook.
    async fn start(name: &'static str, dir: &Path, senders: &Senders) -> Result<Self> {
        let began = Instant::now();
        let server = Server::start_atomik(dir).await?;
        let started_in = began.elapsed();
        tokio::time::sleep(SETTLE).await;
        let resident_kib = server.resident_kib()?;
        println!("  {name}: ready after {started_in:.1?}, {}", mb(resident_kib));
        let mut connection = Connection::open(server.port).await?;
        let fills_before = trading::newest_fill(&mut connection, &senders.key).await?;
        let mut unique = u64::MAX / 2;
        let warm_up = receiver::requests(&senders.plain, 1, &mut unique);
        load::send_all(&[server.port], warm_up, Pace::AsFastAsPossible).await?;
        let (plain, trading) = (Done::default(), Done::default());
        Ok(Self { name, server, fills_before, started_in, resident_kib, plain, trading })
    }

    async fn plain_round(&mut self, requests: Arc<Vec<Vec<u8>>>) -> Result<()> {
        let used_us = self.server.used_us()?;
        let run = load::send_all(&[self.server.port], requests, Pace::AsFastAsPossible).await?;
        self.plain.used_us += self.server.used_us()? - used_us;
        self.plain.runs.push(describe(self.name, run));
        Ok(())
    }

    /// Until the last signal's fill is recorded.
    async fn trading_round(&mut self, requests: Arc<Vec<Vec<u8>>>, key: &str) -> Result<()> {
        let (used_us, began) = (self.server.used_us()?, Instant::now());
        let signals = requests.len();
        let run = load::send_all(&[self.server.port], requests, Pace::AsFastAsPossible).await?;
        let fills = self.fills_before + signals;
        trading::wait_for_fills(self.server.port, key, fills).await?;
        let run = Run { took: began.elapsed(), ..run };
        let mut connection = Connection::open(self.server.port).await?;
        let newest = trading::newest_fill(&mut connection, key).await?;
        ensure!(newest == fills, "the newest fill is {newest}, not {fills}: not every signal filled once");
        self.fills_before = fills;
        self.trading.used_us += self.server.used_us()? - used_us;
        self.trading.runs.push(describe(&format!("{}, to the last fill", self.name), run));
        Ok(())
    }
}

fn lines(few: &Measured, many: &Measured, deliveries: i64, bytes: u64) -> Result<Vec<Line>> {
    let name = format!("{:.0} million deliveries stored", deliveries as f64 / 1e6);
    let mut lines = Vec::new();
    for (kind, few, many) in
        [("signal", &few.plain, &many.plain), ("signal that trades", &few.trading, &many.trading)]
    {
        let ratio = beside(&few.runs, &many.runs)?;
        lines.extend([
            Line::plain(&format!("Few deliveries stored, a {kind}: throughput"), rate(&few.runs)?),
            Line::plain(&format!("{name}, a {kind}: throughput"), rate(&many.runs)?),
            Line::plain(
                &format!("Few deliveries stored, a {kind}: answer, {QUANTILES}"),
                quantiles_of(&few.runs)?,
            ),
            Line::plain(&format!("{name}, a {kind}: answer, {QUANTILES}"), quantiles_of(&many.runs)?),
            Line::plain(&format!("Time for the same, {name} beside few, a {kind}"), format!("{ratio:.2}")),
            Line::plain(
                &format!("Processor time, few / {name}, a {kind}"),
                format!("{:.0} us / {:.0} us", few.each_us()?, many.each_us()?),
            ),
        ]);
    }
    lines.extend([
        Line::plain(
            &format!("Start, few / {name}: until ready"),
            format!("{:.1} s / {:.1} s", few.started_in.as_secs_f64(), many.started_in.as_secs_f64()),
        ),
        Line::plain(
            &format!("Memory, few / {name}: after the start"),
            format!("{} / {}", mb(few.resident_kib), mb(many.resident_kib)),
        ),
        Line::plain(&format!("File, {name}"), format!("{:.1} GB", bytes as f64 / 1e9)),
    ]);
    Ok(lines)
}

impl Done {
    /// Processor time of one signal, in microseconds.
    fn each_us(&self) -> Result<f64> {
        let signals: usize = self.runs.iter().map(|run| run.requests).sum();
        ensure!(signals > 0, "nothing was measured");
        Ok(self.used_us as f64 / signals as f64)
    }
}
