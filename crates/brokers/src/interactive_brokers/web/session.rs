//! Signing on: the session, the account, the stream's name; and keeping all of it alive.

use std::time::Duration;

use atomik_domain::Environment;
use atomik_ports::broker::BrokerError;
use serde_json::{Value, json};
use tokio::time::Instant;

use super::gateway::Gateway;
use super::replies::{Accounts, SessionStatus, Tickle};
use super::settings::Trading;

/// How often a session that was just asked for is looked at.
const LOOKS: u32 = 5;
/// How long between two looks.
const BETWEEN_LOOKS: Duration = Duration::from_millis(400);
/// A session that is lost again within so long has more wrong with it than the age of its token.
const BETWEEN_LOSSES: Duration = Duration::from_secs(60);

/// A session that is signed on.
pub(super) struct SignedOn {
    /// The account to trade.
    pub account: String,
    /// What opens the stream.
    pub session: String,
}

/// Signs on.
///
/// # Errors
/// What the trader has to do.
pub(super) async fn sign_on(
    gateway: &Gateway,
    settings: &Trading,
    environment: Environment,
) -> Result<SignedOn, BrokerError> {
    let signed_on = open_session(gateway, settings, environment).await;
    // A token that was refused at once is none that became too old.
    if gateway.is_refused() { signed_on.map_err(|_| gateway.log_in()) } else { signed_on }
}

async fn open_session(
    gateway: &Gateway,
    settings: &Trading,
    environment: Environment,
) -> Result<SignedOn, BrokerError> {
    // Without a gateway nobody opened a trading session before, and nothing about one is answered until it is asked for.
    let mut status = if gateway.renews() { SessionStatus::default() } else { ask_status(gateway).await? };
    if !status.authenticated {
        let body = json!({"publish": true, "compete": settings.compete}).to_string();
        status =
            gateway.post("POST /iserver/auth/ssodh/init", "/iserver/auth/ssodh/init", Some(body)).await?;
    }
    for _ in 0..LOOKS {
        if status.authenticated && (settings.compete || !status.competing) {
            break;
        }
        tokio::time::sleep(BETWEEN_LOOKS).await;
        status = ask_status(gateway).await?;
    }
    check_status(gateway, &status, settings.compete)?;
    // The broker answers nothing about orders before this was asked.
    let accounts: Accounts = gateway.get("GET /iserver/accounts", "/iserver/accounts").await?;
    let account = choose(gateway, &accounts.accounts, settings.account.as_deref())?;
    check_environment(gateway, &account, environment)?;
    if accounts.selected_account.as_deref().is_some_and(|selected| selected != account) {
        let body = json!({"acctId": account}).to_string();
        let _: Value = gateway.post("POST /iserver/account", "/iserver/account", Some(body)).await?;
    }
    // And nothing about positions before this.
    let _: Value = gateway.get("GET /portfolio/accounts", "/portfolio/accounts").await?;
    let tickle = tickle(gateway).await?;
    let session = tickle.session.filter(|session| !session.is_empty());
    let session = session.ok_or_else(|| gateway.log_in())?;
    Ok(SignedOn { account, session })
}

async fn ask_status(gateway: &Gateway) -> Result<SessionStatus, BrokerError> {
    gateway.post("POST /iserver/auth/status", "/iserver/auth/status", None).await
}

/// Keeps the session alive and says how it stands.
pub(super) async fn tickle(gateway: &Gateway) -> Result<Tickle, BrokerError> {
    gateway.post("POST /tickle", "/tickle", None).await
}

fn check_status(gateway: &Gateway, status: &SessionStatus, compete: bool) -> Result<(), BrokerError> {
    if status.authenticated && (!status.competing || compete) {
        return Ok(());
    }
    if status.competing {
        return Err(BrokerError::Unauthorized(
            "The same user is signed in elsewhere (TWS, the mobile app, another gateway), and the broker allows one \
             session: sign out there, use a user of its own for this program, or set compete to take the session over."
                .to_owned(),
        ));
    }
    let said = [&status.fail, &status.message].into_iter().flatten().find(|text| !text.is_empty());
    match said {
        Some(text) if gateway.renews() => {
            Err(BrokerError::Unauthorized(format!("The broker opened no trading session: {text}.")))
        }
        None if gateway.renews() => Err(BrokerError::Unavailable("it opened no trading session".to_owned())),
        Some(text) => Err(BrokerError::Unauthorized(format!(
            "The gateway has no trading session ({text}): log in to it again with a browser, then connect again."
        ))),
        None => Err(gateway.log_in()),
    }
}

fn choose(gateway: &Gateway, accounts: &[String], wanted: Option<&str>) -> Result<String, BrokerError> {
    // "All" is a view of several accounts, and no account.
    let listed: Vec<_> = accounts.iter().filter(|account| *account != "All").collect();
    let all = || listed.iter().map(|account| account.as_str()).collect::<Vec<_>>().join(", ");
    match (wanted, listed.as_slice()) {
        (Some(wanted), listed) if listed.iter().any(|account| account.eq_ignore_ascii_case(wanted)) => {
            Ok(wanted.to_owned())
        }
        (Some(wanted), _) => Err(BrokerError::Unauthorized(format!(
            "{} may not trade {wanted}; set account to one of: {}.",
            gateway.user(),
            all()
        ))),
        (None, [only]) => Ok((*only).clone()),
        (None, []) => Err(BrokerError::Unauthorized(format!("{} may trade no account.", gateway.user()))),
        (None, _) => Err(BrokerError::Unauthorized(format!(
            "{} has several accounts: set account to one of: {}.",
            gateway.user(),
            all()
        ))),
    }
}

/// Ids of paper accounts begin with a D: DU1234567, DF1234567.
fn check_environment(gateway: &Gateway, account: &str, environment: Environment) -> Result<(), BrokerError> {
    let (is_paper, come_as) = (account.starts_with('D'), gateway.come_as());
    match (is_paper, environment) {
        (true, Environment::Paper) | (false, Environment::Live) => Ok(()),
        (true, _) => Err(BrokerError::Unauthorized(format!(
            "{account} is a paper account, and this account is set to {environment}: link it as paper, or {come_as} \
             of the live account."
        ))),
        (false, _) => Err(BrokerError::Unauthorized(format!(
            "{account} is a live account with real money, and this account is set to {environment}: link it as live, \
             or {come_as} of the paper account."
        ))),
    }
}

/// Keeps the session alive until it is lost; the reason.
pub(super) async fn keep_alive(gateway: &Gateway, every: Duration) -> String {
    let mut failures = 0;
    let mut renewed: Option<Instant> = None;
    loop {
        let is_lost = tokio::select! {
            () = tokio::time::sleep(every) => false,
            () = gateway.wanted.notified() => false,
            () = gateway.lost.notified() => true,
        };
        if is_lost && !gateway.renews() {
            return "the broker says that the session is over".to_owned();
        }
        if is_lost {
            // Where a new token does not help, a new session has to.
            if renewed.is_some_and(|at| at.elapsed() < BETWEEN_LOSSES) {
                return "the broker refused one live session token after another".to_owned();
            }
            renewed = Some(Instant::now());
        } else if let Err(error) = gateway.renew_if_due().await {
            match error {
                BrokerError::Unauthorized(reason) if !gateway.can_sign() => return reason,
                // The present one is good for a while, and it is tried again with the next sign of life.
                error => tracing::warn!(%error, "no new live session token came"),
            }
        }
        match tickle(gateway).await {
            Ok(Tickle { iserver, .. }) => {
                failures = 0;
                let status = iserver
                    .auth_status
                    .unwrap_or(SessionStatus { authenticated: true, ..SessionStatus::default() });
                if !status.authenticated {
                    return "the trading session ended".to_owned();
                }
            }
            Err(BrokerError::Unauthorized(reason)) => return reason,
            // The session outlives a few of these; the stream tells sooner where the gateway is gone.
            Err(error) if failures >= 2 => return error.to_string(),
            Err(_) => failures += 1,
        }
    }
}
