//! `atomik halt`: stopping and resuming without the API. A running server sees the change in its store.

use std::path::Path;

use anyhow::{Context, bail};
use atomik_domain::{HaltId, HaltMode, HaltScope};
use atomik_ports::directory::NewHalt;
use atomik_ports::{Clock, Store, StoreError, SystemClock};

use crate::cli::HaltAction;
use crate::config::Config;
use crate::{output, store};

/// The longest reason, in characters.
const MAX_REASON: usize = 500;

/// Does what was asked of halts.
///
/// # Errors
/// Sentences for the operator.
pub async fn halt(config: &Config, action: HaltAction) -> anyhow::Result<()> {
    let store = store::open_existing(config).await?;
    match action {
        HaltAction::List => list(&*store).await,
        HaltAction::Declare { scope, id, mode, reason } => {
            declare(&*store, &scope, id, &mode, &reason, &config.store.data_dir).await
        }
        HaltAction::Resume { id } => resume(&*store, id).await,
    }
}

async fn list(store: &dyn Store) -> anyhow::Result<()> {
    let halts = store.halts().await?;
    if halts.is_empty() {
        output::line("No halt is in force.")?;
    }
    for halt in halts {
        output::line(format_args!(
            "{:>5}  {:<20} {:<8} since {}  {}",
            halt.id,
            written(halt.scope),
            halt.mode.as_str(),
            halt.created_at.to_rfc3339(),
            halt.reason
        ))?;
    }
    Ok(())
}

async fn declare(
    store: &dyn Store,
    scope: &str,
    id: Option<i64>,
    mode: &str,
    reason: &str,
    data_dir: &Path,
) -> anyhow::Result<()> {
    let Some(scope) = HaltScope::parse(scope, id) else {
        bail!(
            "expected system, account ID or strategy ID, such as: atomik halt declare account 1 --reason ..."
        );
    };
    let mode: HaltMode = mode.parse().context("the mode")?;
    let reason = reason.trim();
    if reason.is_empty() || reason.chars().count() > MAX_REASON {
        bail!("the reason must have 1 to {MAX_REASON} characters");
    }
    check_target(store, scope).await?;
    let halt =
        NewHalt { scope, mode, reason: reason.to_owned(), user_id: None, created_at: SystemClock.now() };
    let halt = store.create_halt(halt).await?;
    let what = match mode {
        HaltMode::Entries => "nothing is opened any more; positions may still be closed",
        HaltMode::All => "nothing is sent any more, not even exits",
    };
    output::line(format_args!("Halt {} on {}: {what}.", halt.id, written(scope)))?;
    let resume = output::command(&format!("halt resume {}", halt.id), data_dir);
    output::line(format_args!("Lift it with: {resume}"))?;
    Ok(())
}

/// A halt on what does not exist would stop nothing, and nobody would notice.
async fn check_target(store: &dyn Store, scope: HaltScope) -> anyhow::Result<()> {
    let snapshot = store.snapshot().await?;
    let exists = match scope {
        HaltScope::System => true,
        HaltScope::Account(id) => snapshot.broker_accounts.iter().any(|account| account.id == id),
        HaltScope::Strategy(id) => snapshot.strategies.iter().any(|strategy| strategy.id == id),
    };
    if exists { Ok(()) } else { bail!("there is no {}", written(scope)) }
}

async fn resume(store: &dyn Store, id: i64) -> anyhow::Result<()> {
    match store.lift_halt(HaltId(id), None, SystemClock.now()).await {
        Ok(()) => Ok(output::line(format_args!("Halt {id} is lifted."))?),
        Err(StoreError::NotFound) => bail!("no halt {id} is in force; see `atomik halt list`"),
        Err(other) => Err(other.into()),
    }
}

fn written(scope: HaltScope) -> String {
    scope.target_id().map_or_else(|| scope.as_str().to_owned(), |id| format!("{} {id}", scope.as_str()))
}
