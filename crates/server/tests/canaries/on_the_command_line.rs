//! What commands are given: arguments, environment, files, the standard input.

use std::io::Write;
use std::process::{Output, Stdio};

use tempfile::TempDir;

use crate::common::{atomik, command, stderr, stdout};
use crate::search::{Canaries, letters};

/// Runs it to its end, with variables and an input, and gives all that it said.
fn said_by(arguments: &[&str], environment: &[(&str, &str)], input: &str) -> (Output, String) {
    let mut child = command(arguments)
        .envs(environment.iter().copied())
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    // It may have ended before it reads.
    let _ = child.stdin.take().unwrap().write_all(input.as_bytes());
    let output = child.wait_with_output().unwrap();
    let said = stdout(&output) + &stderr(&output);
    (output, said)
}

#[test]
fn passwords_and_urls_that_commands_are_given_are_nowhere() {
    let mut canaries = Canaries::default();
    let dir = TempDir::new().unwrap();
    let data_dir = dir.path().to_str().unwrap();
    let password = canaries.with_letters("password");
    let secret = canaries.with_digits("webhook's secret");
    let input = format!("{password}\n");
    let url = format!("http://127.0.0.1:9/api/v1/webhooks/token?secret={secret}");
    let no_url = format!("http//127.0.0.1:9?secret={secret}");
    let other_url = format!("ftp://a:{secret}@127.0.0.1:9?secret={secret}");
    let payload = format!(r#"{{"action":"BUY","secret":"{secret}"}}"#);
    let runs: [(&[&str], &str, bool); 8] = [
        (&["user", "add", "a@example.com", "--password-stdin", "--data-dir", data_dir], &input, true),
        (&["user", "add", "a@example.com", "--password", &password, "--data-dir", data_dir], "", false),
        (&["user", "password", "a@example.com", "--password", &password, "--data-dir", data_dir], "", true),
        (&["user", "password", "b@example.com", "--password-stdin", "--data-dir", data_dir], &input, false),
        (&["send", &url, &payload], "", false),
        (&["send", &no_url, "-"], &payload, false),
        (&["send", &other_url, "{}"], "", false),
        (&["explain", "-"], &payload, true),
    ];
    for (arguments, input, succeeds) in runs {
        let (output, said) = said_by(arguments, &[], input);
        assert_eq!(output.status.success(), succeeds, "{arguments:?}: {said}");
        canaries.assert_absent(&arguments[..2].join(" "), said.as_bytes());
    }
    canaries.assert_absent_below(dir.path());
}

/// Values that hold a secret and are wrong in some way, or lead nowhere.
fn settings(secret: &str) -> Vec<(&'static str, String)> {
    let mut all = Vec::new();
    for url in [
        format!("postgres://user:{secret}@127.0.0.1:1/books"),
        format!("postgres://user:{secret}@127.0.0.1:1/books?sslmode={secret}"),
        format!("postgres://user:{secret}@127.0.0.1:{secret}/books"),
        format!("postgres://user:{secret}@[127.0.0.1/books"),
        format!("postgres://user:{secret}"),
        format!("postgres://user:p@ss/{secret}@127.0.0.1:1/books"),
        format!("postgres://user:{secret}#%zz@127.0.0.1:1/books"),
        format!("postgres://127.0.0.1:1/books?user=u&password={secret}&{secret}={secret}"),
        format!("mysql://user:{secret}@127.0.0.1/books"),
        format!("user:{secret}@127.0.0.1"),
        secret.to_owned(),
    ] {
        all.push(("postgres_url", url));
    }
    for url in [
        format!("redis://:{secret}@127.0.0.1:1"),
        format!("redis://:{secret}@127.0.0.1:{secret}"),
        format!("redis://user:{secret}@127.0.0.1:1/{secret}"),
        format!("http://:{secret}@127.0.0.1:1"),
        secret.to_owned(),
    ] {
        all.push(("redis_url", url));
    }
    all
}

#[test]
fn passwords_in_the_configuration_are_nowhere() {
    let mut canaries = Canaries::default();
    let secret = canaries.with_letters("database's password");
    let dir = TempDir::new().unwrap();
    let file = dir.path().join("given.toml");
    let elsewhere = TempDir::new().unwrap();
    let data_dir = elsewhere.path().to_str().unwrap();
    for (key, value) in settings(&secret) {
        let variable = format!("ATOMIK_STORE__{}", key.to_uppercase());
        for (name, value) in [(variable.as_str(), value.as_str()), (&format!("{variable}S"), &value)] {
            for arguments in
                [&["check-config"] as &[&str], &["user", "list"], &["serve", "--listen", "127.0.0.1:0"]]
            {
                let mut child = atomik();
                child.args(arguments).args(["--data-dir", data_dir]).env(name, value);
                let output = child.output().unwrap();
                assert!(
                    arguments[0] == "check-config" || !output.status.success(),
                    "{arguments:?} with {value}"
                );
                let said = stdout(&output) + &stderr(&output);
                canaries.assert_absent(&format!("{} with {name}={value}", arguments[0]), said.as_bytes());
            }
        }
        // Right, and broken in several ways.
        for text in [
            format!("[store]\n{key} = \"{value}\"\n"),
            format!("[store]\n{key} = \"{value}\n"),
            format!("[store]\n{key} = {value}\n"),
            format!("[store]\n{key} = \"{value}\" {value}\n"),
            format!("[store]\n{key} = [\"{value}\", 7]\n"),
            format!("[store]\n{key} = {{ url = \"{value}\" }}\n"),
            format!("[store]\n{key}s = \"{value}\"\n"),
            format!("[store.{key}]\nurl = \"{value}\"\n"),
            format!("{key} = \"{value}\"\n[store]\n{key} = \"{value}\"\n"),
            format!("[store]\n{key} = \"{value}\"\n{key} = \"{value}\"\n"),
        ] {
            std::fs::write(&file, &text).unwrap();
            let (_, said) = said_by(&["check-config", "--config", file.to_str().unwrap()], &[], "");
            canaries.assert_absent(&format!("check-config with {text}"), said.as_bytes());
        }
    }
    canaries.assert_absent_below(elsewhere.path());
}

#[test]
fn master_keys_that_are_none_are_nowhere() {
    let mut canaries = Canaries::default();
    let dir = TempDir::new().unwrap();
    let data_dir = dir.path().to_str().unwrap();
    let file = TempDir::new().unwrap();
    let path = file.path().join("key");
    for key in [letters(), format!("{}{}", "ab".repeat(20), letters()), "cd".repeat(31) + "c0c1c2"] {
        canaries.add("master key", &key);
        std::fs::write(&path, &key).unwrap();
        let toml = file.path().join("given.toml");
        std::fs::write(&toml, format!("[secrets]\nmaster_key = {key}\n")).unwrap();
        for (arguments, variable, value) in [
            (&["check-config"] as &[&str], "ATOMIK_SECRETS__MASTER_KEY", key.as_str()),
            (&["serve", "--listen", "127.0.0.1:0"], "ATOMIK_SECRETS__MASTER_KEY", &key),
            (
                &["serve", "--listen", "127.0.0.1:0"],
                "ATOMIK_SECRETS__MASTER_KEY_FILE",
                path.to_str().unwrap(),
            ),
            (&["serve", "--listen", "127.0.0.1:0"], "ATOMIK_SECRETS__MASTER_KEY_FILE", &key),
            (&["check-config"], "ATOMIK_CONFIG", toml.to_str().unwrap()),
        ] {
            let arguments = [arguments, &["--data-dir", data_dir]].concat();
            let (output, said) = said_by(&arguments, &[(variable, value)], "");
            assert!(!output.status.success(), "{arguments:?} with {variable}={value}");
            if value != key || variable.ends_with("KEY") {
                canaries.assert_absent(&format!("{} with {variable}={value}", arguments[0]), said.as_bytes());
            }
        }
    }
    canaries.assert_absent_below(dir.path());
}
