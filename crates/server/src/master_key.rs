//! The master key: what everything secret is sealed with, and other keys are derived from.

use std::fs::{self, File};
use std::io::{ErrorKind, Write};
use std::path::{Path, PathBuf};

use anyhow::{Context, anyhow};
use atomik_storage::seal::Seal;
use hmac::{Hmac, Mac};
use secrecy::{ExposeSecret, SecretSlice, SecretString};
use sha2::Sha256;

use crate::config::{HexKey, Secrets};

/// Its file in the data directory, where the configuration names no other.
const FILE: &str = "master.key";
/// The purpose of the key that seals credentials. Changing it makes every sealed credential unreadable.
const SEALING_KEY: &str = "atomik sealing key 1";

/// The master key.
#[derive(Debug)]
pub struct MasterKey(HexKey);

impl MasterKey {
    /// Takes the key from the configuration, or reads its file, which is made on the first start.
    ///
    /// # Errors
    /// Where a named file cannot be read, or what is in it is no key.
    pub fn load(secrets: &Secrets, data_dir: &Path) -> anyhow::Result<Self> {
        if let Some(key) = &secrets.master_key {
            return Ok(Self(key.clone()));
        }
        if let Some(file) = &secrets.master_key_file {
            return read(file)?
                .map(Self)
                .ok_or_else(|| anyhow!("secrets.master_key_file: there is no file {}", file.display()));
        }
        let file = data_dir.join(FILE);
        match read(&file)? {
            Some(key) => Ok(Self(key)),
            None => make(&file)
                .map(Self)
                .with_context(|| format!("the master key {} cannot be made", file.display())),
        }
    }

    /// A key for one purpose. Knowing it tells nothing about the master key, or about the keys of other purposes.
    ///
    /// # Errors
    /// None that can happen: the key has the length that is asked for.
    pub fn derive(&self, purpose: &str) -> anyhow::Result<SecretSlice<u8>> {
        let mut mac = Hmac::<Sha256>::new_from_slice(self.0.expose()).context("the master key's length")?;
        mac.update(purpose.as_bytes());
        Ok(SecretSlice::from(mac.finalize().into_bytes().to_vec()))
    }
}

impl MasterKey {
    /// What seals credentials.
    ///
    /// # Errors
    /// None that can happen: the key has the length that is asked for.
    pub fn seal(&self) -> anyhow::Result<Seal> {
        Ok(Seal::new(self.derive(SEALING_KEY)?)?)
    }
}

/// Where a key is written before it is the master key.
fn next_file(file: &Path) -> PathBuf {
    PathBuf::from(format!("{}.next", file.display()))
}

/// A rotation of a key that lies in a file.
pub struct Rotation {
    file: PathBuf,
    /// The key that is in use.
    pub present: MasterKey,
    /// The key that will be.
    pub next: MasterKey,
}

impl Rotation {
    /// Makes the next key and keeps it beside the present one, durably, before anything is sealed with it.
    ///
    /// # Errors
    /// Where the key lies in no file, or a file cannot be read or written.
    pub fn begin(secrets: &Secrets, data_dir: &Path) -> anyhow::Result<Self> {
        if secrets.master_key.is_some() {
            return Err(anyhow!(
                "the master key comes from the configuration (secrets.master_key), where it cannot be replaced from here;                  put it into a file, name that with secrets.master_key_file, and rotate then"
            ));
        }
        let present = MasterKey::load(secrets, data_dir)?;
        let file = secrets.master_key_file.clone().unwrap_or_else(|| data_dir.join(FILE));
        let next = make(&next_file(&file))
            .with_context(|| format!("no key can be made beside {}", file.display()))?;
        Ok(Self { file, present, next: MasterKey(next) })
    }

    /// Puts the next key in the present one's place.
    ///
    /// # Errors
    /// Where the file cannot be replaced.
    pub fn finish(self) -> anyhow::Result<PathBuf> {
        take_place(&self.file)?;
        Ok(self.file)
    }

    /// Removes the next key: nothing was sealed with it.
    pub fn abandon(self) {
        let _ = fs::remove_file(next_file(&self.file));
    }
}

fn take_place(file: &Path) -> anyhow::Result<()> {
    fs::rename(next_file(file), file)
        .with_context(|| format!("the new master key cannot take the place of {}", file.display()))?;
    if let Some(dir) = file.parent() {
        File::open(dir)?.sync_all()?;
    }
    Ok(())
}

impl MasterKey {
    /// The key that opens what `sealed_with` names: the present one, or the next one of a rotation that was cut short after
    /// everything was sealed with it, which is finished here.
    ///
    /// # Errors
    /// As [`Self::load`].
    pub fn load_for(secrets: &Secrets, data_dir: &Path, sealed_with: Option<&str>) -> anyhow::Result<Self> {
        let present = Self::load(secrets, data_dir)?;
        let file = secrets.master_key_file.clone().unwrap_or_else(|| data_dir.join(FILE));
        if secrets.master_key.is_some()
            || sealed_with.is_none_or(|id| present.seal().is_ok_and(|seal| seal.key_id() == id))
        {
            return Ok(present);
        }
        let Some(next) = read(&next_file(&file))?.map(Self) else { return Ok(present) };
        if next.seal()?.key_id() != sealed_with.unwrap_or_default() {
            return Ok(present);
        }
        take_place(&file)?;
        tracing::info!(file = %file.display(), "finished a rotation of the master key that was cut short");
        Ok(next)
    }
}

fn read(file: &Path) -> anyhow::Result<Option<HexKey>> {
    let text = match fs::read_to_string(file) {
        Ok(text) => SecretString::from(text),
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
        Err(error) => {
            return Err(error).with_context(|| format!("the master key {} cannot be read", file.display()));
        }
    };
    warn_of_others(file);
    let key = text.expose_secret().trim().parse().map_err(|problem| {
        anyhow!("the master key {} is {problem}; expected 64 hex digits and nothing else", file.display())
    })?;
    Ok(Some(key))
}

#[cfg(unix)]
fn warn_of_others(file: &Path) {
    use std::os::unix::fs::PermissionsExt;
    let mode = fs::metadata(file).map_or(0, |metadata| metadata.permissions().mode());
    if mode & 0o077 != 0 {
        tracing::warn!(
            file = %file.display(),
            mode = format!("{:o}", mode & 0o777),
            "others on this machine may read the master key; chmod 600 it"
        );
    }
}

#[cfg(not(unix))]
fn warn_of_others(_: &Path) {}

/// Written whole and synced under another name first: half a key would be worse than none.
fn make(file: &Path) -> anyhow::Result<HexKey> {
    let mut bytes = [0; 32];
    getrandom::fill(&mut bytes).map_err(|error| anyhow!("the system gives no randomness: {error}"))?;
    let unfinished = PathBuf::from(format!("{}.new", file.display()));
    // One left by a start that was cut short has sealed nothing yet.
    let _ = fs::remove_file(&unfinished);
    let mut options = File::options();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let mut written = options.open(&unfinished)?;
    writeln!(written, "{}", hex::encode(bytes))?;
    written.sync_all()?;
    fs::rename(&unfinished, file)?;
    if let Some(dir) = file.parent() {
        File::open(dir)?.sync_all()?;
    }
    tracing::info!(file = %file.display(), "made a master key; keep a copy of it in a safe place");
    Ok(HexKey::new(bytes))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn is_made_once_and_only_its_owner_may_read_it() {
        let dir = tempfile::tempdir().unwrap();
        let first = MasterKey::load(&Secrets::default(), dir.path()).unwrap();
        let again = MasterKey::load(&Secrets::default(), dir.path()).unwrap();
        assert_eq!(first.0.expose(), again.0.expose());
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt;
            let mode = fs::metadata(dir.path().join(FILE)).unwrap().permissions().mode();
            assert_eq!(mode & 0o777, 0o600);
        }
    }

    #[test]
    fn is_taken_from_the_configuration_or_from_a_named_file() {
        let dir = tempfile::tempdir().unwrap();
        let given = Secrets { master_key: Some("ab".repeat(32).parse().unwrap()), master_key_file: None };
        assert_eq!(MasterKey::load(&given, dir.path()).unwrap().0.expose(), [0xab; 32]);
        let file = dir.path().join("elsewhere");
        let named = Secrets { master_key: None, master_key_file: Some(file.clone()) };
        assert!(MasterKey::load(&named, dir.path()).unwrap_err().to_string().contains("there is no file"));
        fs::write(&file, "cd".repeat(32) + "\n").unwrap();
        assert_eq!(MasterKey::load(&named, dir.path()).unwrap().0.expose(), [0xcd; 32]);
        assert!(!dir.path().join(FILE).exists());
    }

    #[test]
    fn what_is_no_key_is_refused_and_left_alone() {
        let dir = tempfile::tempdir().unwrap();
        fs::write(dir.path().join(FILE), "hunter2").unwrap();
        let error = MasterKey::load(&Secrets::default(), dir.path()).unwrap_err().to_string();
        assert!(error.contains("64 hex digits") && !error.contains("hunter2"), "{error}");
        assert_eq!(fs::read_to_string(dir.path().join(FILE)).unwrap(), "hunter2");
    }

    #[test]
    fn a_rotation_that_was_cut_short_is_finished_where_everything_was_sealed_anew_and_else_forgotten() {
        let dir = tempfile::tempdir().unwrap();
        let secrets = Secrets::default();
        let rotation = Rotation::begin(&secrets, dir.path()).unwrap();
        let (old, new) = (rotation.present.seal().unwrap(), rotation.next.seal().unwrap());
        drop(rotation);
        let id_of = |sealed_with: Option<&str>| {
            MasterKey::load_for(&secrets, dir.path(), sealed_with)
                .unwrap()
                .seal()
                .unwrap()
                .key_id()
                .to_owned()
        };
        assert_eq!(id_of(None), old.key_id());
        assert_eq!(id_of(Some(old.key_id())), old.key_id());
        assert_eq!(id_of(Some("somebody else's")), old.key_id());
        assert_eq!(id_of(Some(new.key_id())), new.key_id());
        assert_eq!(id_of(None), new.key_id(), "it has taken the old one's place");
        assert!(!dir.path().join("master.key.next").exists());
    }

    #[test]
    fn a_key_from_the_configuration_is_not_rotated_from_here() {
        let dir = tempfile::tempdir().unwrap();
        let given = Secrets { master_key: Some("ab".repeat(32).parse().unwrap()), master_key_file: None };
        let error = Rotation::begin(&given, dir.path()).err().unwrap().to_string();
        assert!(error.contains("secrets.master_key_file"), "{error}");
    }

    #[test]
    fn every_purpose_has_its_own_key() {
        let key = MasterKey(HexKey::new([7; 32]));
        let derive = |purpose: &str| key.derive(purpose).unwrap().expose_secret().to_vec();
        assert_eq!(derive("session"), derive("session"));
        assert_ne!(derive("session"), derive("credentials"));
        assert_eq!(derive("session").len(), 32);
    }
}
