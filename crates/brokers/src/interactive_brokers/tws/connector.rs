//! What the catalogue shows, and how a connection is made and verified.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use atomik_domain::{
    BrokerAccount, BrokerId, Environment, ExecutionReport, Instrument, OrderType, TimeInForce,
};
use atomik_ports::broker::{
    Broker, BrokerDescription, BrokerError, Capabilities, ClientIdUniqueness, FieldError, FillReports,
    RateLimit,
};
use atomik_ports::{BrokerConnector, Clock, Credentials, Custody};
use ibapi::subscriptions::NoticeStream;
use ibapi::{Client, Error, RateLimiter};
use rust_decimal::Decimal;
use serde_json::Value;
use tokio::sync::mpsc;

use super::book::Book;
use super::broker::TwsBroker;
use super::orders;
use super::session::{Parts, Session};
use super::settings::{TwsSettings, fields};
use super::stream::{Listener, keep_alive};
use crate::settings::refused;
use crate::wire::UrlRules;
use crate::wire::WirePolicy;

/// TWS takes 50 messages a second of any kind. Orders get so many of them; the client holds the rest to the limit.
pub(super) const ORDERS_PER_SECOND: u32 = 30;
const MESSAGES_PER_SECOND: u32 = 45;
/// How long TWS may take to show an order in its lists that it has read from the socket.
const SETTLES_WITHIN: Duration = Duration::from_secs(10);

/// Connects accounts through TWS or IB Gateway.
pub struct TwsConnector {
    clock: Arc<dyn Clock>,
    urls: UrlRules,
    policy: WirePolicy,
}

impl TwsConnector {
    /// A connector. Other machines than this one may be named where `urls` allows addresses of one's own.
    #[must_use]
    pub fn new(clock: Arc<dyn Clock>, urls: UrlRules, policy: WirePolicy) -> Self {
        Self { clock, urls, policy }
    }

    async fn open(
        &self,
        settings: &TwsSettings,
        client_id: u32,
    ) -> Result<(Client, NoticeStream), BrokerError> {
        let address = settings.address();
        let connecting = Client::builder()
            .address(address.clone())
            .client_id(i32::try_from(client_id).unwrap_or(1))
            // What happened between two connections would be lost without a mark.
            .max_reconnect_attempts(0)
            .rate_limiter(RateLimiter::per_second(MESSAGES_PER_SECOND))
            .one_shot_timeout(self.policy.answer_timeout)
            .connect_with_notice_stream();
        let within = self.policy.connect_timeout + self.policy.answer_timeout;
        match tokio::time::timeout(within, connecting).await {
            Ok(Ok(opened)) => Ok(opened),
            Ok(Err(error)) => Err(not_opened(&error, &address, client_id)),
            Err(_) => Err(BrokerError::Unavailable(format!(
                "{address} takes connections, but does not answer as TWS or IB Gateway does."
            ))),
        }
    }
}

#[async_trait]
impl BrokerConnector for TwsConnector {
    fn description(&self) -> BrokerDescription {
        BrokerDescription {
            broker: BrokerId("interactive_brokers".to_owned()),
            name: "Interactive Brokers".to_owned(),
            environments: vec![Environment::Paper, Environment::Live],
            credential_fields: Vec::new(),
            setting_fields: fields(),
            capabilities: capabilities(),
        }
    }

    fn check_settings(&self, environment: Environment, settings: &Value) -> Result<Value, Vec<FieldError>> {
        TwsSettings::parse(environment, settings, self.urls).map(|settings| settings.to_json())
    }

    fn check_credentials(&self, _: Environment, _: &Credentials) -> Result<(), Vec<FieldError>> {
        Ok(())
    }

    async fn connect(
        &self,
        account: &BrokerAccount,
        _: &dyn Custody,
        reports: mpsc::Sender<ExecutionReport>,
    ) -> Result<Arc<dyn Broker>, BrokerError> {
        let settings = TwsSettings::parse(account.environment, &account.settings, self.urls);
        let settings = settings.map_err(|errors| refused(&errors))?;
        let client_id = settings.client_id.unwrap_or_else(|| derived_client_id(account.id.0));
        let (client, notices) = self.open(&settings, client_id).await?;
        let name = traded_account(&settings, account.environment, client.handshake_managed_accounts())?;
        let zone = client.time_zone();
        // Before anything is asked: TWS repeats no order event.
        let updates = client.order_update_stream().await;
        let updates = updates.map_err(|error| super::session::unavailable(&error))?;
        let (client, book) = (Arc::new(client), Arc::new(Book::new()));
        let (traded, trades) = mpsc::channel(1);
        let listener = Listener {
            updates,
            notices,
            book: Arc::clone(&book),
            reports,
            account: name.clone(),
            clock: Arc::clone(&self.clock),
            zone,
            traded,
        };
        let listening = tokio::spawn(listener.run()).abort_handle();
        let alive = tokio::spawn(keep_alive(Arc::downgrade(&client), Arc::clone(&book), self.policy));
        let session = Session::new(Parts {
            client,
            book,
            account: name,
            policy: self.policy,
            clock: Arc::clone(&self.clock),
            roll_days: settings.roll_days,
            tasks: vec![listening, alive.abort_handle()],
        });
        verify(&session).await?;
        Ok(Arc::new(TwsBroker {
            session,
            capabilities: capabilities(),
            clock: Arc::clone(&self.clock),
            zone,
            traded: tokio::sync::Mutex::new(trades),
        }))
    }

    async fn search_instruments(&self, _: &str, _: usize) -> Result<Vec<Instrument>, BrokerError> {
        // TWS tells what it knows to a connection only.
        Ok(Vec::new())
    }
}

/// Asks for what trading needs, and takes up the orders that are open.
async fn verify(session: &Session) -> Result<(), BrokerError> {
    session.positions().await?;
    let open = session.open_orders().await?;
    let ours = session.client.client_id();
    for order in open.orders.iter().filter(|order| order.order.client_id == ours) {
        if let Some(id) = orders::reference(&order.order.order_ref) {
            let state = &order.order_state;
            session.book.order_told(
                id,
                order.order_id,
                order.order.perm_id,
                &state.status,
                &state.reject_reason,
            );
        }
    }
    session.book.hindrance().map_or(Ok(()), |why| Err(BrokerError::Unavailable(why)))
}

/// The account that is traded, among those of the login.
fn traded_account(
    settings: &TwsSettings,
    environment: Environment,
    managed: &[String],
) -> Result<String, BrokerError> {
    let managed: Vec<_> = managed.iter().map(|name| name.trim()).filter(|name| !name.is_empty()).collect();
    let listed = managed.join(", ");
    let name = match (&settings.account, managed.as_slice()) {
        (Some(wanted), managed) if managed.contains(&wanted.as_str()) => wanted.clone(),
        (Some(wanted), _) => {
            return Err(BrokerError::Unauthorized(format!(
                "The login at TWS has no account {wanted}; it has {listed}."
            )));
        }
        (None, [only]) => (*only).to_owned(),
        (None, []) => return Err(BrokerError::Unavailable("TWS names no account".to_owned())),
        (None, _) => {
            return Err(BrokerError::Unauthorized(format!(
                "The login at TWS has several accounts ({listed}); name one in the setting \"account\"."
            )));
        }
    };
    // Paper accounts are DU..., or DF... for advisers.
    let is_paper = name.starts_with('D');
    match (environment, is_paper) {
        (Environment::Live, true) => Err(BrokerError::Unauthorized(format!(
            "{name} is a paper account. Link it as paper, or connect to the gateway that is logged in to the live account \
             (IB Gateway: port 4001)."
        ))),
        (Environment::Live, false) | (Environment::Paper, true) => Ok(name),
        (_, false) => Err(BrokerError::Unauthorized(format!(
            "{name} is a live account: real money. Link it as live, or connect to the gateway that is logged in to the \
             paper account (IB Gateway: port 4002)."
        ))),
        (_, true) => Ok(name),
    }
}

/// A client id that stays the same for an account. 0 is the one that TWS gives manual orders to.
fn derived_client_id(account: i64) -> u32 {
    u32::try_from(account.rem_euclid(30_000)).unwrap_or_default() + 1
}

/// Why no connection came to be, in the trader's words.
fn not_opened(error: &Error, address: &str, client_id: u32) -> BrokerError {
    match error {
        Error::Io(error) => BrokerError::Unavailable(format!(
            "nothing answers at {address} ({error}). Is TWS or IB Gateway running and logged in, are socket clients \
             enabled in its API settings, and is this its port?"
        )),
        Error::ClientIdInUse { .. } => BrokerError::Unavailable(format!(
            "another program, or a connection that TWS has not yet given up, uses client id {client_id}. Wait a moment, or \
             set another client id."
        )),
        Error::ConnectionRejected(_) => BrokerError::Unauthorized(
            "TWS refused the connection: add this machine's address to the trusted ones in its API settings."
                .to_owned(),
        ),
        Error::ServerVersion(..) => BrokerError::Unavailable(
            "this TWS or IB Gateway is too old: install the present stable version.".to_owned(),
        ),
        error => BrokerError::Unavailable(format!("{address} does not answer as TWS does: {error}")),
    }
}

fn capabilities() -> Capabilities {
    Capabilities {
        order_types: OrderType::ALL.to_vec(),
        times_in_force: TimeInForce::ALL.to_vec(),
        reduce_only: false,
        // Of coins.
        fractional_quantities: true,
        // The reference is a remark to TWS: it takes the same one as often as it is sent.
        client_id_uniqueness: ClientIdUniqueness::Undocumented,
        look_up_by_client_id: false,
        settle_window: SETTLES_WITHIN,
        fill_reports: FillReports::Streamed,
        rate_limits: vec![
            RateLimit { of: "orders".to_owned(), max: ORDERS_PER_SECOND, per: Duration::from_secs(1) },
            RateLimit {
                of: "messages of one connection".to_owned(),
                max: MESSAGES_PER_SECOND,
                per: Duration::from_secs(1),
            },
        ],
        untold_coin_fee: Decimal::ZERO,
    }
}
