//! Setting up and reading back: straight in the store, while no server runs on it.

use std::collections::{BTreeMap, HashMap};
use std::path::Path;
use std::sync::Arc;

use anyhow::{Result, anyhow, ensure};
use atomik_domain::ip_allowlist::IpAllowlist;
use atomik_domain::strategy::{Behavior, DEFAULT_MAX_SIGNAL_AGE_S};
use atomik_domain::{
    BrokerAccountId, BrokerId, Code, Environment, OnOppositeEntry, OutcomeStatus, Qty, Symbol, UnixMicros,
    UserId, WebhookId,
};
use atomik_ports::clock::{Clock, SystemClock};
use atomik_ports::directory::{NewBrokerAccount, NewStrategy, NewUser, NewWebhook, Registration};
use atomik_ports::history::{SignalRecord, TradeFilter};
use atomik_ports::store::{MAX_PAGE, PageRequest, Store};
use atomik_storage::sqlite::SqliteStore;
use rust_decimal::Decimal;
use serde_json::json;
use sha2::{Digest, Sha256};
use tokio::task::JoinSet;

use crate::server::DATA_DIR;

/// How many rows are made at once; the store commits them together.
const AT_ONCE: usize = 256;

/// What a sender needs to know of a webhook.
#[derive(Clone, Debug)]
pub struct Credentials {
    /// The unique part of the URL.
    pub token: String,
    /// The secret.
    pub secret: String,
}

/// A store that no server uses, and the one user in it.
pub struct Setup {
    store: Arc<dyn Store>,
    user_id: UserId,
}

/// When a signal came.
#[derive(Clone, Copy, Debug)]
pub struct Stamps {
    pub received_at: UnixMicros,
    pub stored_at: UnixMicros,
}

/// What became of all signals.
#[derive(Debug, Default)]
pub struct Timelines {
    /// Signals whose one outcome is that everything ordered filled.
    pub filled_signals: usize,
    /// Fills recorded.
    pub fills: usize,
    /// Of each signal that filled: when it was received, and how long after that its order's last fill came.
    pub receipt_to_fill_us: Vec<(UnixMicros, i64)>,
    /// How often each other outcome came up.
    pub other_outcomes: BTreeMap<(&'static str, Code), usize>,
}

impl Setup {
    /// Opens the store of a data directory, making it and the user where there are none.
    pub async fn open(dir: &Path) -> Result<Self> {
        let store: Arc<dyn Store> =
            Arc::new(SqliteStore::open(&dir.join(DATA_DIR), SystemClock.now()).await?);
        let email = "bench@localhost";
        let user_id = match store.user_by_email(email).await {
            Ok((user, _)) => user.id,
            Err(_) => {
                let user = NewUser {
                    email: email.to_owned(),
                    // No password has this hash: nobody logs in here.
                    password_hash: "none".to_owned(),
                    created_at: SystemClock.now(),
                };
                store.create_user(user, Registration::FirstUser).await?.id
            }
        };
        Ok(Self { store, user_id })
    }

    /// Makes webhooks with random tokens and secrets.
    pub async fn create_webhooks(&self, count: usize) -> Result<Vec<(WebhookId, Credentials)>> {
        let mut made = Vec::with_capacity(count);
        let mut tasks = JoinSet::new();
        for number in 0..count {
            let store = Arc::clone(&self.store);
            let credentials = Credentials { token: random_hex()?, secret: random_hex()? };
            let webhook = NewWebhook {
                user_id: self.user_id,
                name: format!("bench {number}"),
                description: String::new(),
                token: credentials.token.clone(),
                secret_hash: Sha256::digest(&credentials.secret).into(),
                require_secret: true,
                allowed_ips: IpAllowlist::default(),
                dedupe_window_s: 1,
                created_at: SystemClock.now(),
            };
            tasks.spawn(
                async move { anyhow::Ok((store.create_webhook(webhook, None).await?.id, credentials)) },
            );
            if tasks.len() == AT_ONCE || number + 1 == count {
                while let Some(task) = tasks.join_next().await {
                    made.push(task??);
                }
            }
        }
        Ok(made)
    }

    /// Makes webhooks with one strategy each, spread over paper accounts, each strategy on a symbol of its own.
    pub async fn create_strategies(&self, count: usize, accounts: usize) -> Result<Vec<Credentials>> {
        let mut account_ids = Vec::with_capacity(accounts);
        for number in 0..accounts {
            account_ids.push(self.create_account(number).await?);
        }
        let webhooks = self.create_webhooks(count).await?;
        let mut credentials = Vec::with_capacity(count);
        let mut tasks = JoinSet::new();
        let owners = account_ids.iter().cycle();
        for (number, ((webhook_id, made), account_id)) in webhooks.into_iter().zip(owners).enumerate() {
            let store = Arc::clone(&self.store);
            let strategy = NewStrategy {
                user_id: self.user_id,
                name: format!("bench {number}"),
                webhook_id,
                broker_account_id: *account_id,
                symbol: Symbol::parse(&format!("BENCH{number}"))?,
                behavior: Behavior {
                    quantity: Qty(Decimal::ONE),
                    max_position: Qty(Decimal::ONE),
                    on_opposite_entry: OnOppositeEntry::Exit,
                    bare_sell_opens_short: false,
                    max_signal_age_s: DEFAULT_MAX_SIGNAL_AGE_S,
                },
                active: true,
                created_at: SystemClock.now(),
            };
            tasks.spawn(async move { store.create_strategy(strategy, None).await });
            credentials.push(made);
            if tasks.len() == AT_ONCE || number + 1 == count {
                while let Some(task) = tasks.join_next().await {
                    task??;
                }
            }
        }
        Ok(credentials)
    }

    async fn create_account(&self, number: usize) -> Result<BrokerAccountId> {
        let account = NewBrokerAccount {
            user_id: self.user_id,
            broker: BrokerId("paper".to_owned()),
            environment: Environment::Paper,
            label: format!("bench {number}"),
            settings: json!({}),
            credentials: atomik_ports::Credentials::default(),
            created_at: SystemClock.now(),
        };
        Ok(self.store.create_broker_account(account, None).await?.id)
    }

    /// Makes an API key of the user.
    pub async fn create_api_key(&self) -> Result<String> {
        let key = format!("atk_{}", random_hex()?);
        let hash = Sha256::digest(&key).into();
        self.store.create_api_key(self.user_id, "bench".to_owned(), hash, SystemClock.now()).await?;
        Ok(key)
    }

    /// Reads what became of every signal.
    pub async fn timelines(&self) -> Result<Timelines> {
        let mut timelines = Timelines::default();
        self.each_signal(|record| timelines.add(record)).await?;
        Ok(timelines)
    }

    /// The signal behind each order, by the order's name.
    pub async fn signals_of_orders(&self) -> Result<HashMap<String, Stamps>> {
        let mut stamps = HashMap::new();
        self.each_signal(|record| {
            let signal = &record.signal;
            let of_signal = Stamps { received_at: signal.received_at, stored_at: signal.stored_at };
            let orders = record.orders.iter().map(|order| order.request.client_order_id.to_string());
            stamps.extend(orders.map(|name| (name, of_signal)));
        })
        .await?;
        Ok(stamps)
    }

    async fn each_signal(&self, mut see: impl FnMut(&SignalRecord)) -> Result<()> {
        let mut page = PageRequest { limit: MAX_PAGE, before: None };
        loop {
            let signals = self.store.signals(self.user_id, &TradeFilter::default(), page).await?;
            signals.items.iter().for_each(&mut see);
            match signals.next {
                Some(next) => page.before = Some(next),
                None => return Ok(()),
            }
        }
    }

    /// Lets go of the store, so that a server can have it.
    pub async fn close(self) {
        drop(self.store);
    }
}

impl Timelines {
    /// Fails unless so many signals were stored, and every one of them filled.
    pub fn ensure_filled(&self, signals: usize) -> Result<()> {
        ensure!(
            self.filled_signals == signals && self.fills == signals && self.other_outcomes.is_empty(),
            "{} of {signals} signals filled, with {} fills; the others: {:?}",
            self.filled_signals,
            self.fills,
            self.other_outcomes
        );
        Ok(())
    }

    fn add(&mut self, record: &SignalRecord) {
        for outcome in &record.outcomes {
            if outcome.status == OutcomeStatus::Filled {
                self.filled_signals += 1;
            } else {
                *self.other_outcomes.entry((outcome.status.as_str(), outcome.code)).or_default() += 1;
            }
        }
        self.fills += record.fills.len();
        let filled_at = record.orders.iter().filter_map(|order| order.filled_at).max();
        if let Some(filled_at) = filled_at {
            let received_at = record.signal.received_at;
            self.receipt_to_fill_us.push((received_at, filled_at.micros_since(received_at)));
        }
    }
}

fn random_hex() -> Result<String> {
    let mut bytes = [0; 32];
    getrandom::fill(&mut bytes).map_err(|error| anyhow!("no randomness: {error}"))?;
    Ok(hex::encode(bytes))
}
