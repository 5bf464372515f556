//! `atomik secrets`: a new master key.

use crate::cli::SecretsAction;
use crate::config::Config;
use crate::master_key::{MasterKey, Rotation};
use crate::{output, store};

/// Does what was asked.
///
/// # Errors
/// Sentences for the operator.
pub async fn secrets(config: &Config, action: SecretsAction) -> anyhow::Result<()> {
    match action {
        SecretsAction::Rotate => rotate(config).await,
    }
}

/// The order makes a kill harmless: the new key is on the disk before anything is sealed with it, everything is sealed with
/// it in one transaction, and only then it takes the old one's place. Where the last step is missing, the next start of the
/// server, or of this command, takes it.
async fn rotate(config: &Config) -> anyhow::Result<()> {
    let dir = &config.store.data_dir;
    let store = store::open_existing_alone(config).await?;
    // One that was cut short is finished first, so that its key is not overwritten.
    let sealed_with = store.sealed_with().await?;
    MasterKey::load_for(&config.secrets, dir, sealed_with.as_deref())?;
    let rotation = Rotation::begin(&config.secrets, dir)?;
    let rewrapped = store.rotate_seal(&rotation.present.seal()?, &rotation.next.seal()?).await;
    let count = match rewrapped {
        Ok(count) => count,
        Err(error) => {
            let unsure = store.sealed_with().await?;
            if unsure.as_deref() != Some(rotation.next.seal()?.key_id()) {
                rotation.abandon();
            }
            return Err(error.into());
        }
    };
    let file = rotation.finish()?;
    let accounts = if count == 1 { "broker account" } else { "broker accounts" };
    output::line(format_args!(
        "The master key in {} is a new one; it seals the credentials of {count} {accounts}.",
        file.display()
    ))?;
    output::line("Keep a copy of it in a safe place. Backups made before need the old one.")?;
    Ok(())
}
