//! The command line.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};

/// Atomik turns alerts into broker orders: exactly once, in order, never more than the position allows.
///
/// First steps: `atomik serve` in one terminal, `atomik quickstart` in another.
#[derive(Debug, Parser)]
#[command(name = "atomik", version, propagate_version = true)]
pub struct Cli {
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// What there is to do.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Serve: receive alerts, trade, answer the API
    Serve(ServeArgs),
    /// Make a user, a paper account, a webhook and a strategy in one step, and say how to send the first alert
    ///
    /// Works beside a running server, which notices within a quarter of a second, and without one. Run again with the
    /// --email of an existing user, it makes another webhook and strategy for them.
    Quickstart(QuickstartArgs),
    /// Send an alert to a webhook URL and show the answer
    ///
    /// Ends with 0 where the answer is 2xx, else with 1.
    Send(SendArgs),
    /// Say what a payload would do to a strategy. Sends and trades nothing
    Explain(ExplainArgs),
    /// List, add and change users
    User(UserArgs),
    /// Stop trading, see what is stopped, and resume
    ///
    /// A running server obeys within a second.
    Halt(HaltArgs),
    /// Replace the master key
    Secrets(SecretsArgs),
    /// Move everything into a PostgreSQL database, and make one that was restored fit to be served
    Store(StoreArgs),
    /// Say whether the configuration can be used, and what comes of it
    CheckConfig(CheckConfigArgs),
    /// Print the API's OpenAPI document
    Openapi,
    /// Copy everything but the master key, while the server runs
    ///
    /// The books go to FILE, the paper broker's accounts beside it: to paper.db where FILE is named atomik.db, to
    /// monday.paper.db where it is named monday.db. Neither may exist. Both copies are of the same moment; keep them
    /// together.
    ///
    /// Of a PostgreSQL database (store.postgres_url) the copy is one for a data directory, too, and is made row by row; for a
    /// large one, PostgreSQL's own tools (pg_dump) are the better ones.
    ///
    /// To restore, put them into an empty directory as atomik.db and paper.db, with a copy of master.key beside them,
    /// and serve it: atomik serve --data-dir DIR. A restored system is halted: compare positions, then lift the halt.
    Backup(BackupArgs),
}

/// Where the configuration comes from.
#[derive(Debug, Args)]
pub struct ConfigArgs {
    /// Configuration file; `atomik check-config --print-default` prints one with every setting explained
    #[arg(long, value_name = "FILE", env = "ATOMIK_CONFIG", global = true)]
    pub config: Option<PathBuf>,
    /// Where everything is kept [default: ./data]
    #[arg(long, value_name = "DIR", global = true)]
    pub data_dir: Option<PathBuf>,
}

/// `serve`.
#[derive(Debug, Args)]
pub struct ServeArgs {
    #[command(flatten)]
    pub config: ConfigArgs,
    /// Address and port to listen on; port 0 takes a free one [default: 127.0.0.1:8080]
    #[arg(long, value_name = "ADDRESS:PORT")]
    pub listen: Option<String>,
}

/// `check-config`.
#[derive(Debug, Args)]
pub struct CheckConfigArgs {
    #[command(flatten)]
    pub config: ConfigArgs,
    /// Address and port to listen on
    #[arg(long, value_name = "ADDRESS:PORT")]
    pub listen: Option<String>,
    /// Print the default configuration, every setting explained
    #[arg(long)]
    pub print_default: bool,
}

/// How a password is given.
#[derive(Debug, Args)]
pub struct PasswordArgs {
    /// The password. Other users of this machine can see it while the command runs
    #[arg(long, conflicts_with = "password_stdin")]
    pub password: Option<String>,
    /// Read the password from the standard input: its first line
    #[arg(long)]
    pub password_stdin: bool,
}

/// `quickstart`.
#[derive(Debug, Args)]
pub struct QuickstartArgs {
    #[command(flatten)]
    pub config: ConfigArgs,
    /// Who: the first user is made, later ones must exist [default: trader@localhost]
    #[arg(long)]
    pub email: Option<String>,
    #[command(flatten)]
    pub password: PasswordArgs,
    /// What the strategy trades
    #[arg(long, default_value = "ES")]
    pub symbol: String,
    /// How much one entry trades
    #[arg(long, default_value = "1")]
    pub quantity: String,
    /// What the printed URLs begin with [default: as the configuration says, else http://127.0.0.1:8080]
    #[arg(long)]
    pub url: Option<String>,
}

/// `send`.
#[derive(Debug, Args)]
pub struct SendArgs {
    /// The webhook's URL, with its secret
    pub url: String,
    /// The payload, such as {"action": "BUY"}; @FILE reads a file, - the standard input
    pub payload: String,
    /// An id that makes sending again safe for 24 hours
    #[arg(long, value_name = "KEY")]
    pub idempotency_key: Option<String>,
}

/// `explain`.
#[derive(Debug, Args)]
pub struct ExplainArgs {
    /// The payload, such as {"action": "SELL", "comment": "EXIT_50"}; @FILE reads a file, - the standard input
    pub payload: String,
    /// The strategy's position: 2 is long, -2 is short, 0 is flat. All three are shown where it is not given
    #[arg(long, value_name = "N", allow_hyphen_values = true)]
    pub position: Option<String>,
    /// How much one entry of the strategy trades
    #[arg(long, value_name = "Q", default_value = "1")]
    pub quantity: String,
    /// The strategy's largest position [default: its quantity]
    #[arg(long, value_name = "Q")]
    pub max_position: Option<String>,
    /// What an ENTRY against a position does: exit, or reverse
    #[arg(long, value_name = "WHAT", default_value = "exit")]
    pub on_opposite_entry: String,
    /// A SELL without comment opens a short where the strategy is flat
    #[arg(long)]
    pub bare_sell_opens_short: bool,
    /// What the strategy trades
    #[arg(long, default_value = "ES")]
    pub symbol: String,
    /// Quantities are multiples of this
    #[arg(long, value_name = "Q", default_value = "1")]
    pub lot_size: String,
}

/// `user`.
#[derive(Debug, Args)]
pub struct UserArgs {
    #[command(flatten)]
    pub config: ConfigArgs,
    #[command(subcommand)]
    pub action: UserAction,
}

/// What to do with users.
#[derive(Debug, Subcommand)]
pub enum UserAction {
    /// List all users
    List,
    /// Add a user. Without a password option one is made up and printed
    Add {
        /// The email address they log in with
        email: String,
        #[command(flatten)]
        password: PasswordArgs,
    },
    /// Set a user's password and end their sessions. Without a password option one is made up and printed
    Password {
        /// Who
        email: String,
        #[command(flatten)]
        password: PasswordArgs,
    },
    /// Shut a user out: no log-in, no API, no alerts
    Disable {
        /// Who
        email: String,
    },
    /// Let a user in again
    Enable {
        /// Who
        email: String,
    },
    /// Set a user's plan: free, starter, trader or unlimited
    Plan {
        /// Who
        email: String,
        /// Which plan
        plan: String,
        /// And their subscription: active, trialing, past_due, suspended or canceled
        #[arg(long)]
        status: Option<String>,
    },
    /// Set a user's role: trader or admin
    Role {
        /// Who
        email: String,
        /// Which role
        role: String,
    },
}

/// `halt`.
#[derive(Debug, Args)]
pub struct HaltArgs {
    #[command(flatten)]
    pub config: ConfigArgs,
    #[command(subcommand)]
    pub action: HaltAction,
}

/// What to do with halts.
#[derive(Debug, Subcommand)]
pub enum HaltAction {
    /// List the halts in force
    List,
    /// Stop trading: of everything, of one broker account, or of one strategy
    Declare {
        /// system, account or strategy
        scope: String,
        /// Which account or strategy
        id: Option<i64>,
        /// entries: positions may still be closed; all: nothing is sent at all
        #[arg(long, default_value = "entries")]
        mode: String,
        /// Why, for whoever finds it later
        #[arg(long)]
        reason: String,
    },
    /// Lift a halt
    Resume {
        /// Its id, from `atomik halt list`
        id: i64,
    },
}

/// `secrets`.
#[derive(Debug, Args)]
pub struct SecretsArgs {
    #[command(flatten)]
    pub config: ConfigArgs,
    #[command(subcommand)]
    pub action: SecretsAction,
}

/// What to do with secrets.
#[derive(Debug, Subcommand)]
pub enum SecretsAction {
    /// Make a new master key and seal everything with it
    ///
    /// The server must be stopped. The new key takes the old one's place in its file; backups made before need the old
    /// one, so keep a copy of it as long as you keep them. Sessions stay; open forms must be loaded again.
    Rotate,
}

/// `store`.
#[derive(Debug, Args)]
pub struct StoreArgs {
    #[command(flatten)]
    pub config: ConfigArgs,
    #[command(subcommand)]
    pub action: StoreAction,
}

/// What to do with stores.
#[derive(Debug, Subcommand)]
pub enum StoreAction {
    /// Copy the data directory's store into an empty PostgreSQL database, and compare the two row by row
    ///
    /// The server must be stopped. The data directory stays as it is: once the database is served, nobody may serve the
    /// directory's store again, so put its atomik.db away. The master key stays what it is, and every node needs it.
    ///
    /// A copy that was cut off, or that differs, is not served; drop the database and begin again with an empty one.
    Copy(StoreTarget),
    /// Compare a copy with the data directory's store once more, before the first server serves it
    Compare(StoreTarget),
    /// Halt a database that PostgreSQL's own tools restored, and let it replay nothing
    ///
    /// Before the first server serves it; no server may use it. Signals that waited become `restored`, and everything is halted
    /// until a person has compared the positions and lifts the halt. What `atomik backup` makes is so already.
    Restored,
}

/// Which database.
#[derive(Debug, Args)]
pub struct StoreTarget {
    /// The database: postgres://user:password@host:port/database [default: store.postgres_url of the configuration]
    ///
    /// Other users of this machine can see it while the command runs. ATOMIK_STORE__POSTGRES_URL in the environment, or
    /// store.postgres_url in the configuration file, keeps the password to yourself.
    #[arg(long, value_name = "URL")]
    pub to: Option<String>,
}

/// `backup`.
#[derive(Debug, Args)]
pub struct BackupArgs {
    #[command(flatten)]
    pub config: ConfigArgs,
    /// Where the books go
    pub file: PathBuf,
}
