//! `atomik backup`: the books and the paper broker's accounts, as of one moment.

use std::fs::{self, File};
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, anyhow};
use atomik_brokers::paper::{self, HeldVenue};
use atomik_ports::{Store, StoreError};
use atomik_storage::sqlite::DATABASE_FILE;

use crate::config::Config;
use crate::{output, store};

/// How long the paper broker is held for the copy of the books to begin.
const BEGINNING: Duration = Duration::from_secs(30);
const LOOK_AGAIN: Duration = Duration::from_millis(1);

/// Copies both into files that must not exist, while a server serves them.
///
/// Each copy is whole by itself, but they must also fit each other, and neither order of copying makes them. A venue newer
/// than the books knows orders they do not, and their next signals, numbered from where the books end, would be answered
/// with those. A venue older than the books lacks what they hold, and no exit would find it. So the venue is held still
/// from before its copy is made until the copy of the books has begun, which shows the books as of then: whatever the
/// venue's copy has done, the books have recorded as meant, because they record before they send. What they have not heard
/// yet, and what they were about to send, the next start asks the venue, as it does after a kill.
///
/// In a PostgreSQL database it is the same, though both are in one: the two copies are still two transactions. There the
/// venue is held on all nodes, and its copy is a file as of an embedded one, as the copy of the books is.
///
/// # Errors
/// Sentences for the operator. No file of this backup is left.
pub async fn backup(config: &Config, file: &Path) -> anyhow::Result<()> {
    let store = store::open_existing(config).await?;
    let held = match &config.store.postgres_url {
        Some(url) => HeldVenue::hold_in_postgres(url.secret()).await?,
        None => HeldVenue::hold(&config.store.data_dir).await?,
    };
    let Some(held) = held else {
        copy_books(&*store, file).await?;
        output::line(format_args!(
            "Backed up to {}. The paper broker has not run yet, so there is nothing of it to copy.",
            file.display()
        ))?;
        return Ok(());
    };
    let venue_file = beside(file);
    make_private(&venue_file).map_err(|error| match error.kind() {
        ErrorKind::AlreadyExists => exists(&venue_file),
        _ => anyhow!("no backup was made: {} cannot be written: {error}", venue_file.display()),
    })?;
    let copied = copy_both(&*store, file, held, &venue_file).await;
    if copied.is_err() {
        // What is there is half a backup. That it cannot be removed adds nothing to the error.
        let _ = fs::remove_file(&venue_file);
    }
    copied?;
    output::line(format_args!(
        "Backed up to {}, the paper accounts to {}.",
        file.display(),
        venue_file.display()
    ))?;
    Ok(())
}

async fn copy_both(
    store: &dyn Store,
    file: &Path,
    mut held: HeldVenue,
    venue_file: &Path,
) -> anyhow::Result<()> {
    held.copy(venue_file).await?;
    let let_go = async {
        tokio::time::timeout(BEGINNING, begun(file)).await.context("no backup was made: the disk is slow")?;
        anyhow::Ok(held.release().await?)
    };
    tokio::try_join!(copy_books(store, file), let_go)?;
    File::open(venue_file)?.sync_all().context("the copy of the paper accounts cannot be flushed")
}

async fn copy_books(store: &dyn Store, file: &Path) -> anyhow::Result<()> {
    store.backup(file).await.map_err(|error| match error {
        StoreError::Taken(_) => exists(file),
        StoreError::Unavailable(reason) => anyhow!("no backup was made: {reason}"),
        other => other.into(),
    })
}

/// Waits until the copy of the books shows which moment it is of: both stores begin to read before they write.
async fn begun(file: &Path) {
    while fs::metadata(file).map_or(0, |metadata| metadata.len()) == 0 {
        tokio::time::sleep(LOOK_AGAIN).await;
    }
}

/// Where the paper accounts go: `paper.db` beside `atomik.db`, so that both are a data directory; `monday.paper.db`
/// beside `monday.db`.
fn beside(books: &Path) -> PathBuf {
    let name = books.file_name().unwrap_or_default().to_string_lossy();
    if name == DATABASE_FILE {
        return books.with_file_name(paper::DATABASE_FILE);
    }
    let name = name.strip_suffix(".db").unwrap_or(&name);
    books.with_file_name(format!("{name}.{}", paper::DATABASE_FILE))
}

fn make_private(file: &Path) -> io::Result<File> {
    let mut options = File::options();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(file)
}

fn exists(file: &Path) -> anyhow::Error {
    anyhow!("{} exists already, and a backup overwrites nothing; name another file", file.display())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_paper_accounts_have_a_name_of_their_own_beside_the_books() {
        for (books, paper) in [
            ("/b/atomik.db", "/b/paper.db"),
            ("monday.db", "monday.paper.db"),
            ("/b/2026.03.20", "/b/2026.03.20.paper.db"),
        ] {
            assert_eq!(beside(Path::new(books)), Path::new(paper));
        }
    }
}
