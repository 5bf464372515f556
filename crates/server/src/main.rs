//! The `atomik` program: configuration, wiring, telemetry, command line. The rules live elsewhere.

mod backup;
mod cli;
mod config;
mod descriptors;
mod explain;
mod halt;
mod listener;
mod master_key;
mod node;
mod output;
mod quickstart;
mod secrets;
mod send;
mod serve;
mod store;
mod store_copy;
mod telemetry;
mod user;

use std::io::Write;
use std::net::TcpListener;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::Context;
use clap::Parser;

use cli::{CheckConfigArgs, Cli, Command, ConfigArgs};
use config::{Config, Flags};

/// An alert is a few hundred small allocations on one thread, many of them freed on another. Its feature `override` gives it to
/// SQLite too.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// How long threads that still compute may delay the end of the process.
const LAST_WORK: Duration = Duration::from_millis(500);

fn main() -> ExitCode {
    let cli = Cli::parse();
    match run(cli) {
        Ok(code) => code,
        Err(error) => {
            // Nobody is left to tell where the standard error is closed.
            let _ = writeln!(std::io::stderr().lock(), "atomik: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(cli: Cli) -> anyhow::Result<ExitCode> {
    // Before there are threads: what names the sockets is taken out of the environment.
    let inherited = match &cli.command {
        Command::Serve(_) => listener::inherited()?,
        _ => None,
    };
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .context("the worker threads cannot be started")?;
    let result = runtime.block_on(perform(cli.command, inherited));
    runtime.shutdown_timeout(LAST_WORK);
    result
}

async fn perform(command: Command, inherited: Option<TcpListener>) -> anyhow::Result<ExitCode> {
    match command {
        Command::Serve(args) => {
            let listen = args.listen.clone();
            serve::serve(configuration(&args.config, listen)?, inherited).await?;
        }
        Command::Quickstart(args) => {
            quickstart::quickstart(&configuration(&args.config, None)?, &args).await?
        }
        Command::Send(args) => return send::send(&args).await,
        Command::Explain(args) => explain::explain(&args)?,
        Command::User(args) => user::user(&configuration(&args.config, None)?, args.action).await?,
        Command::Halt(args) => halt::halt(&configuration(&args.config, None)?, args.action).await?,
        Command::Secrets(args) => secrets::secrets(&configuration(&args.config, None)?, args.action).await?,
        Command::Store(args) => {
            store_copy::store(&configuration(&args.config, None)?, args.action).await?;
        }
        Command::CheckConfig(args) => check_config(&args)?,
        Command::Openapi => {
            let document = serde_json::to_string_pretty(&atomik_http::openapi::document())?;
            output::line(document)?;
        }
        Command::Backup(args) => backup::backup(&configuration(&args.config, None)?, &args.file).await?,
    }
    Ok(ExitCode::SUCCESS)
}

fn configuration(args: &ConfigArgs, listen: Option<String>) -> anyhow::Result<Config> {
    let flags = Flags { listen, data_dir: args.data_dir.clone() };
    config::load(args.config.as_deref(), std::env::vars_os(), &flags)
        .map_err(|problems| anyhow::anyhow!("the configuration cannot be used:\n  {}", problems.join("\n  ")))
}

fn check_config(args: &CheckConfigArgs) -> anyhow::Result<()> {
    if args.print_default {
        output::text(config::DEFAULT_FILE)?;
        return Ok(());
    }
    let config = configuration(&args.config, args.listen.clone())?;
    output::line("The configuration is fine.")?;
    for (name, value) in config.summary() {
        output::line(format_args!("  {name:<20} {value}"))?;
    }
    Ok(())
}
