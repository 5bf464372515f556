//! `atomik store`: from the data directory into a PostgreSQL database.

use anyhow::{Context, anyhow, bail};
use atomik_brokers::paper::{self, Moved};
use atomik_ports::{Clock, SystemClock};
use atomik_storage::postgres::{Compared, Import};

use crate::cli::{StoreAction, StoreTarget};
use crate::config::{Config, DatabaseUrl};
use crate::store::Opened;
use crate::{output, store};

/// Does what was asked.
///
/// # Errors
/// Sentences for the operator.
pub async fn store(config: &Config, action: StoreAction) -> anyhow::Result<()> {
    match action {
        StoreAction::Copy(target) => copy(config, &url(config, &target)?).await,
        StoreAction::Compare(target) => compare(config, &url(config, &target)?).await,
        StoreAction::Restored => restored(config).await,
    }
}

/// Which database. What is wrong with a URL is said without any of it, for it holds a password.
fn url(config: &Config, target: &StoreTarget) -> anyhow::Result<DatabaseUrl> {
    match &target.to {
        Some(text) => text.parse().map_err(|problem: String| anyhow!("--to: {problem}")),
        None => config.store.postgres_url.clone().context(
            "name the database with ATOMIK_STORE__POSTGRES_URL in the environment, with store.postgres_url, or with --to",
        ),
    }
}

async fn copy(config: &Config, url: &DatabaseUrl) -> anyhow::Result<()> {
    let source = store::open_embedded_alone(config).await?;
    let (dir, place) = (config.store.data_dir.display(), url.place());
    output::line(format_args!(
        "Copying {dir} into the database {place}. Nobody else can use either meanwhile."
    ))?;
    let mut import = Import::begin(&source, url.secret(), SystemClock.now()).await?;
    let compared = import.copy().await?;
    let paper = paper::move_books(&config.store.data_dir, url.secret()).await?;
    import.finish().await?;
    report(&compared, paper)?;
    output::line("Every row was copied and compared. The database can be served now; start servers with")?;
    output::line(
        "ATOMIK_STORE__POSTGRES_URL (or store.postgres_url) naming it, and with the same master key.",
    )?;
    output::line(format_args!(
        "{dir} is as it was. Put its atomik.db and paper.db away, so that nobody serves them beside the database."
    ))?;
    Ok(())
}

async fn compare(config: &Config, url: &DatabaseUrl) -> anyhow::Result<()> {
    let source = store::open_embedded_alone(config).await?;
    let mut import = Import::again(&source, url.secret(), SystemClock.now()).await?;
    let compared = import.compare().await?;
    import.close().await?;
    report(&compared, paper::compare_books(&config.store.data_dir, url.secret()).await?)?;
    output::line("Every row is the same on both sides.")?;
    Ok(())
}

async fn restored(config: &Config) -> anyhow::Result<()> {
    let Opened::Postgres(store) = store::open_existing_alone(config).await? else {
        bail!(
            "name the database with ATOMIK_STORE__POSTGRES_URL or store.postgres_url; a backup by `atomik backup` needs nothing"
        );
    };
    store.make_restorable(SystemClock.now()).await?;
    store.close().await;
    output::line(
        "The database is halted, and nothing that waited is sent. Serve it, compare the positions, adopt or flatten",
    )?;
    output::line("what differs, and then lift the halt: atomik halt list, atomik halt resume ID.")?;
    Ok(())
}

fn report(compared: &[Compared], paper: Option<Vec<Moved>>) -> anyhow::Result<()> {
    for Compared { table, rows } in compared {
        output::line(format_args!("  {table:<20} {rows:>12} rows"))?;
    }
    for (table, rows) in paper.unwrap_or_default() {
        output::line(format_args!("  {:<20} {rows:>12} rows", format!("paper.{table}")))?;
    }
    Ok(())
}
