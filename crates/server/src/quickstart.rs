//! `atomik quickstart`: everything that a first trade needs, in one step.

use std::time::Duration;

use anyhow::{Context, anyhow, bail};
use atomik_brokers::paper::PaperSettings;
use atomik_domain::ip_allowlist::IpAllowlist;
use atomik_domain::money::parse_decimal;
use atomik_domain::strategy::{Behavior, DEFAULT_MAX_SIGNAL_AGE_S, OnOppositeEntry};
use atomik_domain::tier::Limited;
use atomik_domain::{BrokerAccount, BrokerId, Environment, Qty, Symbol, UnixMicros, User, WebhookId};
use atomik_http::provisioning::{self, WebhookKeys};
use atomik_ports::directory::{NewBrokerAccount, NewStrategy, NewWebhook};
use atomik_ports::store::MAX_PAGE;
use atomik_ports::{Clock, Credentials, PageRequest, Store, StoreError, SystemClock};
use secrecy::{ExposeSecret, SecretString};

use crate::cli::QuickstartArgs;
use crate::config::{Config, PublicUrl};
use crate::user::{self, MadeUser};
use crate::{output, store};

/// Who the first user is where nobody says.
const DEFAULT_EMAIL: &str = "trader@localhost";
/// What the webhook, the strategy and the key are called.
const NAME: &str = "Quickstart";
/// The guide's repeat window, in seconds.
const DEDUPE_WINDOW_S: u32 = 1;
const PAPER: &str = "paper";
/// A running server follows the directory every 250 ms: what is printed must work by the time it is pasted.
const NOTICED: Duration = Duration::from_millis(300);

/// Makes everything and says how to use it.
///
/// # Errors
/// Sentences for the operator.
pub async fn quickstart(config: &Config, args: &QuickstartArgs) -> anyhow::Result<()> {
    let public_url = match &args.url {
        Some(url) => url.parse::<PublicUrl>().map_err(|problem| anyhow!("--url is {problem}"))?.to_string(),
        None => config.public_url(config.server.listen),
    };
    let symbol = Symbol::parse(&args.symbol)?;
    let quantity = parse_decimal(&args.quantity).map(Qty).filter(|quantity| *quantity > Qty::ZERO);
    let quantity = quantity.context("the quantity must be a plain number greater than 0")?;
    let store = store::open_or_make(config).await?;
    let owner = owner(&*store, args).await?;
    let made = make(&*store, &owner.user, symbol.clone(), quantity, SystemClock.now()).await?;
    tokio::time::sleep(NOTICED).await;
    let serve = output::command("serve", &config.store.data_dir);
    output::text(&instructions(&owner, &made, &symbol, quantity, &public_url, &serve))?;
    Ok(())
}

/// The user it is for: the first one is made, later ones must be there.
async fn owner(store: &dyn Store, args: &QuickstartArgs) -> anyhow::Result<MadeUser> {
    let email = args.email.as_deref().unwrap_or(DEFAULT_EMAIL);
    match store.user_by_email(&provisioning::email(email)?).await {
        Ok((user, _)) => return Ok(MadeUser { user, made_up: None }),
        Err(StoreError::NotFound) => {}
        Err(other) => return Err(other.into()),
    }
    let anybody = store.users(PageRequest { limit: 1, before: None }).await?;
    if !anybody.items.is_empty() {
        bail!(
            "there are users already, but no {email}; name one with --email (`atomik user list` lists them), or make \
             one with `atomik user add`"
        );
    }
    user::add(store, email, &args.password).await
}

/// What was made.
struct Made {
    keys: WebhookKeys,
    webhook_id: WebhookId,
    account: BrokerAccount,
    api_key: SecretString,
}

async fn make(
    store: &dyn Store,
    user: &User,
    symbol: Symbol,
    quantity: Qty,
    now: UnixMicros,
) -> anyhow::Result<Made> {
    let account = paper_account(store, user, now).await?;
    let keys = provisioning::webhook_keys()?;
    let webhook = NewWebhook {
        user_id: user.id,
        name: NAME.to_owned(),
        description: String::new(),
        token: keys.token.clone(),
        secret_hash: keys.secret_hash,
        require_secret: true,
        allowed_ips: IpAllowlist::default(),
        dedupe_window_s: DEDUPE_WINDOW_S,
        created_at: now,
    };
    let limit = user.plan.limit_of(Limited::Webhooks);
    let webhook =
        store.create_webhook(webhook, limit).await.map_err(|error| beyond(error, user, Limited::Webhooks))?;
    let strategy = NewStrategy {
        user_id: user.id,
        name: format!("{NAME} {symbol}"),
        webhook_id: webhook.id,
        broker_account_id: account.id,
        symbol,
        behavior: Behavior {
            quantity,
            max_position: quantity,
            on_opposite_entry: OnOppositeEntry::default(),
            bare_sell_opens_short: false,
            max_signal_age_s: DEFAULT_MAX_SIGNAL_AGE_S,
        },
        active: true,
        created_at: now,
    };
    let limit = user.plan.limit_of(Limited::Strategies);
    store.create_strategy(strategy, limit).await.map_err(|error| beyond(error, user, Limited::Strategies))?;
    let (api_key, hash) = provisioning::api_key()?;
    store.create_api_key(user.id, NAME.to_owned(), hash, now).await?;
    Ok(Made { keys, webhook_id: webhook.id, account, api_key })
}

/// The user's paper account; one is made where they have none.
async fn paper_account(store: &dyn Store, user: &User, now: UnixMicros) -> anyhow::Result<BrokerAccount> {
    let accounts = store.broker_accounts(user.id, PageRequest { limit: MAX_PAGE, before: None }).await?;
    if let Some(account) = accounts.items.into_iter().find(|account| account.broker.0 == PAPER) {
        return Ok(account);
    }
    let account = NewBrokerAccount {
        user_id: user.id,
        broker: BrokerId(PAPER.to_owned()),
        environment: Environment::Paper,
        label: "Paper".to_owned(),
        settings: PaperSettings::default().to_json(),
        credentials: Credentials::default(),
        created_at: now,
    };
    let limit = user.plan.limit_of(Limited::BrokerAccounts);
    store
        .create_broker_account(account, limit)
        .await
        .map_err(|error| beyond(error, user, Limited::BrokerAccounts))
}

fn beyond(error: StoreError, user: &User, thing: Limited) -> anyhow::Error {
    match error {
        StoreError::LimitReached { limit } => anyhow!(
            "{} is on the plan {}, which allows {limit} {}; `atomik user plan {} unlimited` raises it",
            user.email,
            user.plan,
            thing.noun(),
            user.email
        ),
        other => other.into(),
    }
}

fn instructions(
    owner: &MadeUser,
    made: &Made,
    symbol: &Symbol,
    quantity: Qty,
    public_url: &str,
    serve: &str,
) -> String {
    let url = provisioning::webhook_url(public_url, &made.keys.token);
    let (secret, key) = (made.keys.secret.expose_secret(), made.api_key.expose_secret());
    let email = &owner.user.email;
    let password = owner.made_up.as_ref().map_or_else(String::new, |password| {
        format!("  Password             {}\n", password.expose_secret())
    });
    let (webhook, account) = (made.webhook_id, &made.account.label);
    format!(
        "Ready: webhook {webhook} trades {quantity} {symbol} on the account \"{account}\". Secrets are shown only now.\n\
         \n\
         \x20 User                 {email}\n\
         {password}\
         \x20 Webhook URL          {url}?secret={secret}\n\
         \x20 API key              {key}\n\
         \n\
         Send an alert (the server must run: {serve}):\n\
         \n\
         \x20 curl -X POST '{url}?secret={secret}' -H 'Content-Type: application/json' -d '{{\"action\": \"BUY\"}}'\n\
         \n\
         See the fill:\n\
         \n\
         \x20 curl -H 'Authorization: Bearer {key}' {public_url}/api/v1/fills\n"
    )
}
