//! The command line of the real binary.
#![allow(missing_docs)]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)] // tests say what is wrong by panicking

mod common;

use std::io::{BufRead, BufReader, PipeWriter};
use std::process::{Command, Stdio};

use common::{Server, atomik, backend, command, run, stderr, stdout};
use tempfile::TempDir;

#[test]
fn help_names_every_command() {
    let help = stdout(&run(&["--help"]));
    for command in [
        "serve",
        "quickstart",
        "send",
        "explain",
        "user",
        "halt",
        "store",
        "check-config",
        "openapi",
        "backup",
    ] {
        assert!(help.contains(&format!("\n  {command} ")), "{command} is missing:\n{help}");
        assert!(run(&[command, "--help"]).status.success());
    }
}

#[test]
fn a_reader_that_has_seen_enough_is_no_error() {
    let dir = TempDir::new().unwrap();
    let data_dir = dir.path().to_str().unwrap();
    let backup = dir.path().join("backup.db");
    for args in [
        &["--help"] as &[&str],
        &["openapi"],
        &["check-config", "--print-default"],
        &["explain", r#"{"action":"BUY"}"#],
        &["quickstart", "--data-dir", data_dir],
        &["user", "list", "--data-dir", data_dir],
        &["halt", "list", "--data-dir", data_dir],
        &["backup", backup.to_str().unwrap(), "--data-dir", data_dir],
    ] {
        let output = command(args).stdout(read_by_nobody()).output().unwrap();
        assert!(output.status.success() && output.stderr.is_empty(), "{args:?}: {}", stderr(&output));
    }
    assert!(backup.exists());
}

#[test]
fn a_server_whose_announcement_nobody_reads_serves() {
    let dir = TempDir::new().unwrap();
    let mut server =
        command(&["serve", "--listen", "127.0.0.1:0", "--data-dir", dir.path().to_str().unwrap()])
            .stdout(read_by_nobody())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
    let mut log = BufReader::new(server.stderr.take().unwrap()).lines();
    assert!(log.any(|line| line.unwrap().contains("serving")), "it ended at once");
    assert!(Command::new("kill").args(["-TERM", &server.id().to_string()]).status().unwrap().success());
    assert!(server.wait().unwrap().success());
}

/// A pipe whose other end is closed, as `head` leaves it.
fn read_by_nobody() -> PipeWriter {
    let (reader, writer) = std::io::pipe().unwrap();
    drop(reader);
    writer
}

#[test]
fn the_version_is_the_packages() {
    assert_eq!(stdout(&run(&["--version"])), format!("atomik {}\n", env!("CARGO_PKG_VERSION")));
}

#[test]
fn an_unknown_key_is_an_error_that_names_the_nearest() {
    let output = atomik().arg("check-config").env("ATOMIK_SERVER__LISEN", "x").output().unwrap();
    assert_eq!(output.status.code(), Some(1));
    assert!(stderr(&output).contains("did you mean ATOMIK_SERVER__LISTEN?"), "{}", stderr(&output));
    assert!(!stderr(&output).contains("panicked"));
}

#[test]
fn a_config_file_that_is_not_there_is_named() {
    let output = run(&["check-config", "--config", "/nowhere/atomik.toml"]);
    assert_eq!(output.status.code(), Some(1));
    assert!(stderr(&output).contains("/nowhere/atomik.toml cannot be read"), "{}", stderr(&output));
}

#[test]
fn check_config_prints_what_comes_of_it_and_no_secrets() {
    let key = "ab".repeat(32);
    let mut command = atomik();
    let output = command.arg("check-config").env("ATOMIK_SECRETS__MASTER_KEY", &key).output().unwrap();
    assert!(output.status.success());
    assert!(stdout(&output).contains("127.0.0.1:8080"));
    assert!(!stdout(&output).contains(&key));
}

#[test]
fn the_printed_default_file_can_be_used_as_it_is() {
    let dir = TempDir::new().unwrap();
    let file = dir.path().join("atomik.toml");
    std::fs::write(&file, run(&["check-config", "--print-default"]).stdout).unwrap();
    let output = run(&["check-config", "--config", file.to_str().unwrap()]);
    assert!(output.status.success(), "{}", stderr(&output));
}

#[test]
fn explain_says_what_a_payload_does() {
    let half = run(&["explain", r#"{"action":"SELL","comment":"EXIT_50"}"#, "--position", "7"]);
    assert_eq!(stdout(&half), "A strategy is long 7 and would sell 4 ES to exit 50 % of its position.\n");
    let short = run(&["explain", r#"{"action":"buy"}"#, "--position", "-2", "--symbol", "nq"]);
    assert_eq!(stdout(&short), "A strategy is short 2 and would buy 2 NQ to exit its whole position.\n");
    let no_lot = run(&["explain", r#"{"action":"BUY"}"#, "--lot-size", "0"]);
    assert!(stderr(&no_lot).contains("the lot size must be greater than 0"), "{}", stderr(&no_lot));
    let all_three = stdout(&run(&["explain", r#"{"action":"BUY"}"#]));
    assert_eq!(all_three.lines().count(), 3, "{all_three}");
}

#[test]
fn explain_refuses_what_the_server_would_refuse() {
    let output = run(&["explain", r#"{"action":"SELL","comment":"EXIT_0"}"#]);
    assert_eq!(output.status.code(), Some(1));
    assert!(stderr(&output).contains("422 invalid_exit"), "{}", stderr(&output));
}

#[test]
fn openapi_prints_the_document() {
    let output = run(&["openapi"]);
    let document: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    assert!(document["paths"].as_object().unwrap().contains_key("/api/v1/me"));
}

#[test]
fn a_second_server_on_one_data_directory_is_refused_with_a_sentence() {
    if !backend::is_embedded("a database is served by many at once") {
        return;
    }
    let dir = TempDir::new().unwrap();
    let first = Server::start(dir.path());
    let second = run(&["serve", "--listen", "127.0.0.1:0", "--data-dir", dir.path().to_str().unwrap()]);
    assert_eq!(second.status.code(), Some(1));
    assert!(stderr(&second).contains("another atomik serves it"), "{}", stderr(&second));
    assert!(!stderr(&second).contains("panicked") && !stderr(&second).contains("backtrace"));
    drop(first);
}

#[test]
fn a_taken_port_is_named() {
    let (one, other) = (TempDir::new().unwrap(), TempDir::new().unwrap());
    let first = Server::start(one.path());
    let second = run(&["serve", "--listen", &first.address, "--data-dir", other.path().to_str().unwrap()]);
    assert_eq!(second.status.code(), Some(1));
    let problem = format!("server.listen: cannot listen on {}", first.address);
    assert!(stderr(&second).contains(&problem), "{}", stderr(&second));
}

#[test]
fn users_are_made_changed_and_listed() {
    let dir = TempDir::new().unwrap();
    let user = |args: &[&str]| {
        let mut all = vec!["user", "--data-dir", dir.path().to_str().unwrap()];
        all.extend(args);
        run(&all)
    };
    let made = user(&["add", " First@Example.com "]);
    assert!(stdout(&made).contains("first@example.com (admin, plan unlimited)"), "{}", stderr(&made));
    let second = user(&["add", "second@example.com", "--password", "a good long password"]);
    assert!(stdout(&second).contains("(trader, plan free)") && !stdout(&second).contains("Password"));
    assert!(stderr(&user(&["add", "second@example.com"])).contains("exists"));
    assert!(stderr(&user(&["add", "x@example.com", "--password", "short"])).contains("at least 8"));
    assert!(user(&["plan", "second@example.com", "trader", "--status", "past_due"]).status.success());
    assert!(user(&["role", "second@example.com", "admin"]).status.success());
    assert!(user(&["disable", "second@example.com"]).status.success());
    let list = stdout(&user(&["list"]));
    let row = list.lines().find(|line| line.contains("second@example.com")).unwrap();
    let fields: Vec<_> = row.split_whitespace().skip(2).collect();
    assert_eq!(fields, ["admin", "trader", "past_due", "yes"]);
    assert!(user(&["enable", "second@example.com"]).status.success());
    assert!(stdout(&user(&["password", "second@example.com"])).contains("Password, shown only now: "));
    assert!(stderr(&user(&["disable", "nobody@example.com"])).contains("there is no user"));
    assert!(stderr(&user(&["plan", "second@example.com", "gold"])).contains("expected one of: free"));
}

#[test]
fn commands_that_need_a_store_do_not_make_one() {
    if !backend::is_embedded("a database is not made by us, and one that is not there is said elsewhere") {
        return;
    }
    let dir = TempDir::new().unwrap();
    let output = run(&["user", "list", "--data-dir", dir.path().to_str().unwrap()]);
    assert!(stderr(&output).contains("is no data directory of atomik"), "{}", stderr(&output));
    assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 0);
}

#[test]
fn send_never_shows_the_secret() {
    let output = run(&["send", "http://127.0.0.1:1/api/v1/webhooks/abc?secret=hunter2", "{}"]);
    assert_eq!(output.status.code(), Some(1));
    let said = stderr(&output) + &stdout(&output);
    assert!(said.contains("nothing was sent") && !said.contains("hunter2"), "{said}");
}

#[test]
fn a_new_master_key_takes_the_old_ones_place_once_the_server_is_stopped() {
    let dir = TempDir::new().unwrap();
    let data_dir = dir.path().to_str().unwrap();
    if backend::is_embedded("there is always a database to look for a key in") {
        let nothing = run(&["secrets", "rotate", "--data-dir", data_dir]);
        assert!(stderr(&nothing).contains("no data directory"), "{}", stderr(&nothing));
    }
    let server = Server::start(dir.path());
    let key = || std::fs::read_to_string(dir.path().join("master.key")).unwrap();
    let before = key();
    let busy = run(&["secrets", "rotate", "--data-dir", data_dir]);
    assert!(stderr(&busy).contains("is in use"), "{}", stderr(&busy));
    assert_eq!(key(), before);
    assert!(server.terminate().success());
    let rotated = run(&["secrets", "rotate", "--data-dir", data_dir]);
    assert!(stdout(&rotated).contains("The master key in"), "{}", stderr(&rotated));
    assert!(!stdout(&rotated).contains(key().trim()), "a key is printed");
    assert_ne!(key(), before);
    assert!(Server::start(dir.path()).terminate().success());
}
