//! The layers, and errors that name key, source, what is wrong and what is expected.

use std::ffi::OsString;
use std::path::{Path, PathBuf};

use figment::providers::{Format, Toml};
use figment::value::{Dict, Map, Value};
use figment::{Figment, Metadata, Profile, Provider};

use super::{Config, DEFAULT_FILE, keys};

/// What every variable of ours starts with.
const PREFIX: &str = "ATOMIK_";
/// Variables that are no settings: the file's name, and the crash tests' fail point.
const NOT_SETTINGS: [&str; 2] = ["ATOMIK_CONFIG", "ATOMIK_FAILPOINT"];

/// What the command line sets.
#[derive(Clone, Debug, Default)]
pub struct Flags {
    /// `--listen`.
    pub listen: Option<String>,
    /// `--data-dir`.
    pub data_dir: Option<PathBuf>,
}

/// Reads the configuration.
///
/// # Errors
/// One line a problem.
pub fn load(
    file: Option<&Path>,
    environment: impl IntoIterator<Item = (OsString, OsString)>,
    flags: &Flags,
) -> Result<Config, Vec<String>> {
    load_layers(file.map(read_file).transpose(), environment, flags)
}

/// The same, with the file's layer or what is wrong with it.
pub(super) fn load_layers(
    file: Result<Option<Layer>, String>,
    environment: impl IntoIterator<Item = (OsString, OsString)>,
    flags: &Flags,
) -> Result<Config, Vec<String>> {
    let mut problems = Vec::new();
    let file = file.unwrap_or_else(|problem| {
        problems.push(problem);
        None
    });
    let environment = environment_layer(environment, &mut problems);
    let layers: Vec<Layer> = file.into_iter().chain([environment, flags_layer(flags)]).collect();
    for layer in &layers {
        problems.extend(layer.unknown_keys());
    }
    if !problems.is_empty() {
        return Err(problems);
    }
    let base = Figment::from(Toml::string(DEFAULT_FILE));
    let figment = layers.into_iter().fold(base, Figment::merge);
    let config: Config =
        figment.extract().map_err(|error| error.into_iter().map(explain).collect::<Vec<_>>())?;
    let contradictions = config.contradictions();
    if contradictions.is_empty() { Ok(config) } else { Err(contradictions) }
}

/// Settings of one source.
pub(super) struct Layer {
    source: String,
    /// How the source spells a key.
    spell: fn(&str) -> String,
    settings: Dict,
}

impl Provider for Layer {
    fn metadata(&self) -> Metadata {
        Metadata::named(self.source.clone())
    }

    fn data(&self) -> Result<Map<Profile, Dict>, figment::Error> {
        Ok(Profile::Default.collect(self.settings.clone()))
    }
}

impl Layer {
    fn unknown_keys(&self) -> Vec<String> {
        let mut unknown = Vec::new();
        for (name, value) in &self.settings {
            match value {
                Value::Dict(_, keys) if !keys.is_empty() => {
                    unknown.extend(keys.keys().map(|key| format!("{name}.{key}")));
                }
                Value::Dict(..) if keys::is_section(name) => {}
                _ => unknown.push(name.clone()),
            }
        }
        unknown.retain(|key| !keys::exists(key));
        let explained = unknown.iter().map(|key| {
            let (spelled, nearest) = ((self.spell)(key), (self.spell)(keys::nearest(key)));
            format!("{spelled}: there is no such key; did you mean {nearest}? (from {})", self.source)
        });
        explained.collect()
    }
}

fn read_file(path: &Path) -> Result<Layer, String> {
    let text = std::fs::read_to_string(path)
        .map_err(|error| format!("the file {} cannot be read: {error}", path.display()))?;
    layer_of(path, &text)
}

/// The settings of a file with this text.
pub(super) fn layer_of(path: &Path, text: &str) -> Result<Layer, String> {
    let settings = Toml::string(text).data().map_err(|error| {
        format!("the file {} is not TOML: {}", path.display(), without_source(&error.to_string()))
    })?;
    let settings = settings.into_values().next().unwrap_or_default();
    Ok(Layer { source: format!("the file {}", path.display()), spell: str::to_owned, settings })
}

/// What is wrong and where, without the line itself: a secret may be on it.
fn without_source(problem: &str) -> String {
    let is_source = |line: &&str| {
        let before = line.split('|').next().filter(|before| before.len() < line.len());
        before.is_some_and(|before| before.trim().bytes().all(|byte| byte.is_ascii_digit()))
    };
    problem.lines().filter(|line| !is_source(line)).collect::<Vec<_>>().join(": ")
}

/// Variables are `ATOMIK_SECTION__KEY`. Empty ones count as not set, as compose files leave them.
fn environment_layer(
    environment: impl IntoIterator<Item = (OsString, OsString)>,
    problems: &mut Vec<String>,
) -> Layer {
    let mut settings = Dict::new();
    for (name, value) in environment {
        let Some(name) = name.to_str().filter(|name| name.starts_with(PREFIX)) else { continue };
        if NOT_SETTINGS.contains(&name) || value.is_empty() {
            continue;
        }
        let Some(value) = value.to_str() else {
            problems.push(format!("{name}: the value is not UTF-8 (from the environment)"));
            continue;
        };
        let key = name.trim_start_matches(PREFIX).to_ascii_lowercase();
        set(&mut settings, key.split_once("__"), &key, Value::from(value));
    }
    Layer { source: "the environment".to_owned(), spell: variable_of, settings }
}

fn variable_of(key: &str) -> String {
    format!("{PREFIX}{}", key.replace('.', "__").to_ascii_uppercase())
}

fn flags_layer(flags: &Flags) -> Layer {
    let mut settings = Dict::new();
    if let Some(listen) = &flags.listen {
        set(&mut settings, Some(("server", "listen")), "", Value::from(listen.as_str()));
    }
    if let Some(directory) = &flags.data_dir {
        set(
            &mut settings,
            Some(("store", "data_dir")),
            "",
            Value::from(directory.to_string_lossy().as_ref()),
        );
    }
    Layer { source: "the command line".to_owned(), spell: str::to_owned, settings }
}

fn set(settings: &mut Dict, path: Option<(&str, &str)>, whole: &str, value: Value) {
    let Some((section, key)) = path else {
        settings.insert(whole.to_owned(), value);
        return;
    };
    let section = settings.entry(section.to_owned()).or_insert_with(|| Value::from(Dict::new()));
    if let Value::Dict(_, keys) = section {
        keys.insert(key.to_owned(), value);
    }
}

fn explain(error: figment::Error) -> String {
    let key = error.path.join(".");
    let source = error.metadata.as_ref().map_or("the defaults", |metadata| metadata.name.as_ref());
    let problem = match error.kind.to_string() {
        // Words say by themselves which ones there are.
        problem if problem.starts_with("expected ") => problem,
        problem => format!("{problem}; expected {}", keys::expectation(&key)),
    };
    format!("{key}: {problem} (from {source})")
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;
    use std::io::Write;

    fn with(file: Option<&str>, environment: &[(&str, &str)], flags: &Flags) -> Result<Config, Vec<String>> {
        let stored = file.map(|text| {
            let mut stored = tempfile::NamedTempFile::new().unwrap();
            stored.write_all(text.as_bytes()).unwrap();
            stored
        });
        let environment = environment.iter().map(|(name, value)| (name.into(), value.into()));
        load(stored.as_ref().map(tempfile::NamedTempFile::path), environment, flags)
    }

    fn problem(file: Option<&str>, environment: &[(&str, &str)]) -> String {
        with(file, environment, &Flags::default()).unwrap_err().join("\n")
    }

    #[test]
    fn the_defaults_are_the_contracts() {
        let config = with(None, &[], &Flags::default()).unwrap();
        assert_eq!(config.server.listen.to_string(), "127.0.0.1:8080");
        assert_eq!(config.store.data_dir, Path::new("./data"));
        assert_eq!(config.auth.registration.as_str(), "first_user");
        assert_eq!(config.public_url(config.server.listen), "http://127.0.0.1:8080");
        assert!(!config.brokers.allow_custom_urls);
        assert!(config.secrets.master_key.is_none());
    }

    #[test]
    fn flags_go_over_environment_over_file_over_defaults() {
        let file = Some("[server]\nlisten = \"127.0.0.1:1\"\nmax_connections = 7\n[log]\nlevel = \"warn\"");
        let environment = [("ATOMIK_SERVER__LISTEN", "127.0.0.1:2"), ("ATOMIK_LOG__LEVEL", "debug")];
        let flags = Flags { listen: Some("127.0.0.1:3".to_owned()), data_dir: Some("elsewhere".into()) };
        let config = with(file, &environment, &flags).unwrap();
        assert_eq!(config.server.listen.port(), 3);
        assert_eq!(config.log.level.as_str(), "debug");
        assert_eq!(config.server.max_connections.get(), 7);
        assert_eq!(config.store.data_dir, Path::new("elsewhere"));
    }

    #[test]
    fn lists_may_be_lists_or_text() {
        let in_file = with(
            Some("[server]\ntrusted_proxies = [\"10.0.0.1\", \"192.0.2.0/24\"]"),
            &[],
            &Flags::default(),
        );
        let in_environment =
            with(None, &[("ATOMIK_SERVER__TRUSTED_PROXIES", "10.0.0.1, 192.0.2.0/24")], &Flags::default());
        let proxies = in_file.unwrap().server.trusted_proxies;
        assert_eq!(proxies.0.len(), 2);
        assert_eq!(proxies, in_environment.unwrap().server.trusted_proxies);
    }

    #[test]
    fn unknown_keys_name_the_nearest() {
        let in_file = problem(Some("[store]\ndata_dri = \"x\"\n[servr]\nlisten = \"y\"\n"), &[]);
        assert!(in_file.contains("store.data_dri: there is no such key; did you mean store.data_dir?"));
        assert!(in_file.contains("servr.listen: there is no such key; did you mean server.listen?"));
        assert!(in_file.contains("(from the file "));
        let in_environment = problem(None, &[("ATOMIK_LISTEN", "x"), ("ATOMIK_STORE__DATADIR", "y")]);
        assert!(
            in_environment
                .contains("ATOMIK_LISTEN: there is no such key; did you mean ATOMIK_SERVER__LISTEN?")
        );
        assert!(in_environment.contains("did you mean ATOMIK_STORE__DATA_DIR? (from the environment)"));
        assert!(problem(Some("[nonsense]"), &[]).contains("nonsense: there is no such key"));
    }

    #[test]
    fn what_is_no_setting_is_left_alone() {
        let environment = [("ATOMIK_FAILPOINT", "x"), ("ATOMIK_CONFIG", "y"), ("PATH", "z")];
        assert!(with(None, &environment, &Flags::default()).is_ok());
        assert!(with(None, &[("ATOMIK_STORE__POSTGRES_URL", "")], &Flags::default()).is_ok());
    }

    #[test]
    fn wrong_values_say_what_is_expected_and_where_they_are() {
        let listen = problem(None, &[("ATOMIK_SERVER__LISTEN", "8080")]);
        assert!(listen.starts_with("server.listen: "), "{listen}");
        assert!(listen.contains("expected an address and a port such as 127.0.0.1:8080"), "{listen}");
        assert!(listen.ends_with("(from the environment)"), "{listen}");
        let zero = problem(Some("[trading]\nmax_orders_per_minute = 0"), &[]);
        assert!(zero.contains("trading.max_orders_per_minute") && zero.contains("from 1 on"), "{zero}");
        assert!(problem(Some("[server"), &[]).contains("is not TOML"));
    }

    #[test]
    fn secrets_never_show_in_errors() {
        let key = problem(None, &[("ATOMIK_SECRETS__MASTER_KEY", "deadbeef")]);
        assert!(key.contains("64 hex digits") && !key.contains("deadbeef"), "{key}");
        let number = problem(Some("[secrets]\nmaster_key = 123456789"), &[]);
        assert!(number.contains("64 hex digits") && !number.contains("123456789"), "{number}");
        let url = problem(None, &[("ATOMIK_STORE__POSTGRES_URL", "mysql://user:hunter2@db")]);
        assert!(url.contains("postgres://user:password@host") && !url.contains("hunter2"), "{url}");
        let unescaped = [("ATOMIK_STORE__POSTGRES_URL", "postgres://user:p@ss/hunter2@db/books")];
        let url = problem(None, &unescaped);
        assert!(url.contains("%40") && !url.contains("hunter2"), "{url}");
        let url = problem(None, &[("ATOMIK_STORE__REDIS_URL", "http://user:hunter2@cache")]);
        assert!(url.contains("redis://:password@host:port") && !url.contains("hunter2"), "{url}");
        let urls = [
            ("ATOMIK_STORE__POSTGRES_URL", "postgres://trader:hunter2@db.example:5433/books"),
            ("ATOMIK_STORE__REDIS_URL", "rediss://:hunter2@cache.example:6380/2"),
        ];
        let config = with(None, &urls, &Flags::default()).unwrap();
        let shown = format!("{config:?} {:?}", config.summary());
        assert!(shown.contains("books at db.example:5433") && !shown.contains("hunter2"), "{shown}");
        assert!(shown.contains("cache.example:6380/2"), "{shown}");
    }

    #[test]
    fn a_file_that_is_no_toml_is_not_quoted() {
        for line in [
            "postgres_url = \"postgres://u:hunter2@h",
            "redis_url = hunter2",
            "[hunter2 = 7",
            "a = \"hunter2\" 7",
        ] {
            let text = problem(Some(&format!("[store]\n{line}\n")), &[]);
            assert!(text.contains("line 2") && !text.contains("hunter2"), "{text}");
        }
    }

    #[test]
    fn redis_alone_is_refused() {
        let alone = problem(None, &[("ATOMIK_STORE__REDIS_URL", "redis://:hunter2@cache")]);
        assert!(alone.starts_with("store.redis_url: Redis serves cluster mode"), "{alone}");
        assert!(!alone.contains("hunter2"), "{alone}");
    }

    #[test]
    fn keys_that_are_all_digits_are_still_text() {
        let digits = "1".repeat(64);
        assert!(with(None, &[("ATOMIK_SECRETS__MASTER_KEY", &digits)], &Flags::default()).is_ok());
    }

    #[test]
    fn two_master_keys_are_one_too_many() {
        let key = "ab".repeat(32);
        let both = [("ATOMIK_SECRETS__MASTER_KEY", key.as_str()), ("ATOMIK_SECRETS__MASTER_KEY_FILE", "x")];
        assert!(problem(None, &both).contains("not both"));
    }

    #[test]
    fn the_default_file_documents_every_key() {
        let mut documented = BTreeSet::new();
        let mut section = "";
        for line in DEFAULT_FILE.lines() {
            if let Some(name) = line.strip_prefix('[').and_then(|line| line.strip_suffix(']')) {
                section = name;
            } else if let Some((key, _)) = line.trim_start_matches("# ").split_once(" = ")
                && key.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_')
            {
                documented.insert(format!("{section}.{key}"));
            }
        }
        let known: BTreeSet<_> = keys::KEYS.iter().map(|(key, _)| (*key).to_owned()).collect();
        assert_eq!(documented, known);
    }
}
