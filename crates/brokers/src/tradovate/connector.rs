//! Making connections.

use std::collections::HashSet;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use atomik_domain::{
    BrokerAccount, BrokerId, Environment, ExecutionReport, Instrument, OrderType, TimeInForce,
};
use atomik_ports::broker::{
    Broker, BrokerDescription, BrokerError, Capabilities, ClientIdUniqueness, FieldError, FillReports,
    RateLimit,
};
use atomik_ports::{BrokerConnector, Clock, Credentials, Custody, CustodyError};
use rust_decimal::Decimal;
use serde_json::Value;
use tokio::sync::mpsc;

use super::broker::TradovateBroker;
use super::credentials::{self, Grant, Login};
use super::library::Library;
use super::orders::Fees;
use super::registry::Registry;
use super::replies::Account;
use super::session::{Parts, RequestLimits, Session};
use super::settings::{Settings, setting_fields};
use super::stream::{MAX_WAITING, Shared, UserStream};
use crate::settings::{field_error, refused};
use crate::wire::{UrlRules, Wire, WirePolicy};

/// How long an order that was sent may not yet show among the commands. The venue documents no delay, and writes a command
/// before it passes the order on: what counts is how long a request may be on its way. After ten seconds the adapter closes
/// the connection of a request without an answer; five more are for what was in the network then.
const SETTLE_WINDOW: Duration = Duration::from_secs(15);

/// Makes connections to Tradovate.
pub struct TradovateConnector {
    clock: Arc<dyn Clock>,
    urls: UrlRules,
    policy: WirePolicy,
    limits: RequestLimits,
    registry: Registry,
}

impl std::fmt::Debug for TradovateConnector {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("TradovateConnector").finish_non_exhaustive()
    }
}

impl TradovateConnector {
    /// A connector. Nothing is asked before somebody connects.
    #[must_use]
    pub fn new(clock: Arc<dyn Clock>, urls: UrlRules, policy: WirePolicy) -> Self {
        Self { clock, urls, policy, limits: RequestLimits::default(), registry: Registry::default() }
    }

    /// The same with other limits than the venue's, for a gateway that has others.
    #[must_use]
    pub fn with_request_limits(self, limits: RequestLimits) -> Self {
        Self { limits, ..self }
    }

    fn capabilities(&self) -> Capabilities {
        let limit =
            |of: &str, max, seconds| RateLimit { of: of.to_owned(), max, per: Duration::from_secs(seconds) };
        Capabilities {
            order_types: OrderType::ALL.to_vec(),
            times_in_force: TimeInForce::ALL.to_vec(),
            reduce_only: false,
            fractional_quantities: false,
            client_id_uniqueness: ClientIdUniqueness::Undocumented,
            look_up_by_client_id: false,
            settle_window: SETTLE_WINDOW,
            fill_reports: FillReports::Streamed,
            rate_limits: vec![
                limit("orders and cancels of one login", self.limits.orders_per_minute, 60),
                limit("questions of one login", self.limits.questions_per_minute, 60),
                limit("failed logins of one address", 5, 3_600),
                limit("renewals of one address", 15, 3_600),
            ],
            untold_coin_fee: Decimal::ZERO,
        }
    }

    /// The session of an account's login.
    fn session(
        &self,
        account: &BrokerAccount,
        settings: &Settings,
        login: Login,
    ) -> Result<([u8; 32], Arc<Session>), BrokerError> {
        let base = settings.base(account.environment)?;
        let key = login.digest(base.url().as_str(), &settings.app_id);
        // What an OAuth application was given may be good once: its session must outlive a connection.
        let keep = matches!(login, Login::OAuth { .. });
        let make = || {
            let parts = Parts {
                key,
                wire: Wire::new(self.policy)?.with_discretion(login.discretion()),
                base,
                login,
                app_id: settings.app_id.clone(),
                device_id: settings.device_id(account),
                redirect_uri: settings.redirect_uri.clone(),
                limits: self.limits,
                refusals: Arc::clone(&self.registry.refusals),
            };
            Ok(Session::new(parts, Arc::clone(&self.clock)))
        };
        Ok((key, self.registry.session(key, keep, make)?))
    }
}

#[async_trait]
impl BrokerConnector for TradovateConnector {
    fn description(&self) -> BrokerDescription {
        BrokerDescription {
            broker: BrokerId("tradovate".to_owned()),
            name: "Tradovate".to_owned(),
            environments: vec![Environment::Demo, Environment::Live],
            credential_fields: credentials::credential_fields(),
            setting_fields: setting_fields(),
            capabilities: self.capabilities(),
        }
    }

    fn check_settings(&self, environment: Environment, settings: &Value) -> Result<Value, Vec<FieldError>> {
        Settings::parse(environment, settings, self.urls).map(|settings| settings.to_json())
    }

    fn check_credentials(&self, _: Environment, given: &Credentials) -> Result<(), Vec<FieldError>> {
        credentials::read(given).map(|_| ())
    }

    async fn connect(
        &self,
        account: &BrokerAccount,
        custody: &dyn Custody,
        reports: mpsc::Sender<ExecutionReport>,
    ) -> Result<Arc<dyn Broker>, BrokerError> {
        let settings = Settings::parse(account.environment, &account.settings, self.urls)
            .map_err(|errors| refused(&errors))?;
        let login = opened(custody, account, &settings).await?;
        let (key, session) = self.session(account, &settings, login)?;
        if let Err(error) = session.token().await {
            if matches!(error, BrokerError::Unauthorized(_)) {
                self.registry.forget(&key);
            }
            return Err(error);
        }
        let accounts: Vec<Account> = session.get("/account/list").await?;
        let chosen = choose(&accounts, settings.account.as_deref(), account.environment)?;
        let url = settings.stream(account.environment)?;
        let (stream, tracker) = UserStream::open(url.url(), &session, chosen.id, &self.policy).await?;
        let shared = Shared {
            session,
            clock: Arc::clone(&self.clock),
            tracker: Arc::new(Mutex::new(tracker)),
            fees: Arc::new(Fees::default()),
            account_id: chosen.id,
        };
        let (touched, due) = mpsc::channel(MAX_WAITING);
        let task = tokio::spawn(stream.run(shared.clone(), (touched.clone(), due), reports));
        Ok(Arc::new(TradovateBroker {
            shared,
            library: Library::default(),
            account_name: chosen.name,
            roll_days: settings.roll_days,
            capabilities: self.capabilities(),
            touched,
            sent: Mutex::new(HashSet::new()),
            task,
        }))
    }

    /// The venue shows its contracts to its customers only.
    async fn search_instruments(&self, _: &str, _: usize) -> Result<Vec<Instrument>, BrokerError> {
        Ok(Vec::new())
    }
}

async fn opened(
    custody: &dyn Custody,
    account: &BrokerAccount,
    settings: &Settings,
) -> Result<Login, BrokerError> {
    let given = custody.credentials(account.id).await.map_err(|error| match error {
        CustodyError::Sealed => BrokerError::Unauthorized(format!("{error}. Store them again.")),
        CustodyError::Store(error) => BrokerError::Unavailable(error.to_string()),
    })?;
    let login = credentials::read(&given);
    let login = login.map_err(|errors| BrokerError::Unauthorized(format!("{}.", refused(&errors))))?;
    let by_code = matches!(login, Login::OAuth { grant: Grant::Code(_), .. });
    if by_code && settings.redirect_uri.is_none() {
        let problem = "is needed with an authorization code: the address that the code was issued for";
        return Err(refused(&[field_error("settings.redirect_uri", problem)]));
    }
    Ok(login)
}

/// The account that is meant.
fn choose(
    accounts: &[Account],
    wanted: Option<&str>,
    environment: Environment,
) -> Result<Account, BrokerError> {
    let active: Vec<_> = accounts.iter().filter(|account| account.active).collect();
    let names = active.iter().map(|account| account.name.as_str()).collect::<Vec<_>>().join(", ");
    let refused = |sentence: String| Err(BrokerError::Unauthorized(sentence));
    let Some(wanted) = wanted else {
        return match active[..] {
            [one] => Ok(one.clone()),
            [] => refused(format!(
                "This login has no active account in Tradovate's {environment} environment. Check that the account \
                 should not be linked in the other one."
            )),
            _ => refused(format!("This login has several accounts: set \"account\" to one of {names}.")),
        };
    };
    let is_wanted =
        |account: &&Account| account.name.eq_ignore_ascii_case(wanted) || account.id.to_string() == wanted;
    match accounts.iter().find(is_wanted) {
        Some(account) if account.active => Ok(account.clone()),
        Some(_) => refused(format!("Tradovate says that the account {wanted} is not active.")),
        None => refused(format!(
            "This login has no account {wanted} in Tradovate's {environment} environment; it has: {}.",
            if names.is_empty() { "none" } else { &names }
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn account(id: i64, name: &str, active: bool) -> Account {
        Account { id, name: name.to_owned(), active }
    }

    #[test]
    fn the_account_is_the_one_that_is_named_or_the_only_active_one() {
        let choose = |accounts: &[Account], wanted| choose(accounts, wanted, Environment::Live);
        let one = [account(1, "DEMO1", true), account(2, "DEMO2", false)];
        assert_eq!(choose(&one, None).unwrap().id, 1);
        let two = [account(1, "DEMO1", true), account(2, "DEMO2", true)];
        assert_eq!(choose(&two, Some("demo2")).unwrap().id, 2);
        assert_eq!(choose(&two, Some("1")).unwrap().id, 1);
        for (accounts, wanted, said) in [
            (&two[..], None, "DEMO1, DEMO2"),
            (&[][..], None, "live"),
            (&one[..], Some("DEMO2"), "not active"),
            (&one[..], Some("DEMO9"), "it has: DEMO1"),
        ] {
            let Err(BrokerError::Unauthorized(sentence)) = choose(accounts, wanted) else { panic!("{said}") };
            assert!(sentence.contains(said) && sentence.ends_with('.'), "{sentence}");
        }
    }
}
