//! Memory and the time of a start, by how many webhooks there are.

use std::time::Instant;

use anyhow::Result;

use crate::SETTLE;
use crate::report::{Line, mb};
use crate::server::{Server, fresh_dir};
use crate::sqlite_file::make_webhooks;

/// How many webhooks there are, and what a server may have resident then, in MB.
const STEPS: [(usize, Option<(u64, &str)>); 4] =
    [(0, Some((60, "< 60 MB"))), (100, None), (10_000, Some((150, "< 150 MB"))), (100_000, None)];

pub async fn measure() -> Result<Vec<Line>> {
    let mut lines = Vec::new();
    for (webhooks, limit) in STEPS {
        println!("Memory and start with {webhooks} webhooks ...");
        let dir = fresh_dir()?;
        make_webhooks(dir.path(), webhooks).await?;
        let began = Instant::now();
        let server = Server::start_atomik(dir.path()).await?;
        let started_in = began.elapsed();
        tokio::time::sleep(SETTLE).await;
        let resident_kib = server.resident_kib()?;
        server.stop().await?;
        println!("  {}, ready after {started_in:.0?}", mb(resident_kib));

        let what = format!("Memory, {webhooks} webhooks");
        lines.push(match limit {
            Some((limit_mb, target)) => {
                let met = resident_kib * 1_024 < limit_mb * 1_000_000;
                Line::against(&what, mb(resident_kib), target, met)
            }
            None => Line::plain(&what, mb(resident_kib)),
        });
        lines.push(Line::plain(
            &format!("Start, {webhooks} webhooks: until ready"),
            format!("{} ms", started_in.as_millis()),
        ));
    }
    Ok(lines)
}
