//! Broker accounts: one connection each, kept up, and the way from its reports to the lanes.

use std::collections::{BTreeSet, HashMap, VecDeque};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use atomik_domain::{BrokerAccount, BrokerAccountId, ClientOrderId, ExecutionReport, UserId};
use atomik_ports::Broker;
use atomik_ports::broker::BrokerError;
use atomik_ports::cluster::Lease;
use tokio::sync::{Notify, mpsc, watch};
use tokio::task::JoinSet;
use tokio::time::Instant;

use crate::engine::{AccountState, AccountStatus};
use crate::events::EventBody;
use crate::lane::Event;
use crate::lanes::{Difference, Lanes};
use crate::work::Work;

/// How long a connection may take.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(15);
/// The first pause between two attempts, and the longest.
const FIRST_PAUSE: Duration = Duration::from_millis(500);
const MAX_PAUSE: Duration = Duration::from_secs(30);
/// The pause after a venue refused the credentials: asking again and again with wrong ones locks logins.
const REFUSED_PAUSE: Duration = Duration::from_secs(900);
/// A connection that ends sooner than this was none: the next attempt waits as after a failed one.
const LASTING: Duration = Duration::from_secs(10);
/// How long an account may take to say what it holds.
const LOOK_TIMEOUT: Duration = Duration::from_secs(30);
/// How long the lanes of an account may take to settle after it was unlinked: longer than any answer is waited for.
const SETTLING: Duration = Duration::from_secs(60);
/// How many reports of one account may wait.
const REPORTS: usize = 1_024;
/// How many ended orders' reports still find their lane.
const ENDED_KEPT: usize = 256;

/// How an account is connected.
#[derive(Clone)]
pub enum Connection {
    /// Not (yet, or any more).
    Down,
    /// It is.
    Up(Arc<dyn Broker>),
    /// The account was unlinked: it never will be again.
    Unlinked,
    /// This node gives the account away: orders whose recording has begun still leave, over the connection there was, and
    /// nothing else is begun.
    Leaving(Option<Arc<dyn Broker>>),
    /// Another node works on the account now, and goes on from what is recorded.
    Lost,
}

impl Connection {
    /// Whether this node begins nothing on the account any more.
    #[must_use]
    pub fn is_gone(&self) -> bool {
        matches!(self, Self::Leaving(_) | Self::Lost)
    }
}

/// One account's connection, shared by its lanes.
pub struct Link {
    /// The account.
    pub id: BrokerAccountId,
    /// Whose it is.
    pub user_id: UserId,
    /// Under which lease its lanes work; `None` where accounts are not leased.
    pub lease: Option<Lease>,
    /// How many steps with orders are on their way, from before their record to the venue's answer.
    sending: AtomicUsize,
    /// The last of them has ended, or nothing is waited for any more.
    sent: Notify,
    /// Watched by the lanes, so that each knows the last word on it however busy it is.
    connection: watch::Sender<Connection>,
    status: Mutex<AccountStatus>,
    routes: Mutex<Routes>,
    /// Somebody wants the next attempt now.
    hurry: Notify,
    /// How many attempts have ended.
    attempts: watch::Sender<u64>,
}

/// Which lane an order belongs to.
#[derive(Default)]
struct Routes {
    lanes: HashMap<ClientOrderId, mpsc::WeakSender<Event>>,
    ended: VecDeque<ClientOrderId>,
}

impl Link {
    fn new(account: &BrokerAccount, lease: Option<Lease>) -> Self {
        let status = AccountStatus { state: AccountState::Connecting, detail: None, reconciled_at: None };
        Self {
            id: account.id,
            user_id: account.user_id,
            lease,
            sending: AtomicUsize::new(0),
            sent: Notify::new(),
            connection: watch::Sender::new(Connection::Down),
            status: Mutex::new(status),
            routes: Mutex::default(),
            hurry: Notify::new(),
            attempts: watch::Sender::new(0),
        }
    }

    /// Has a connection that is down tried at once, and waits for what comes of it, but no longer than a connection may
    /// take.
    pub async fn try_now(&self) {
        if self.broker().is_some() {
            return;
        }
        let mut attempts = self.attempts.subscribe();
        attempts.mark_unchanged();
        self.hurry.notify_one();
        // The sender lives as long as the link.
        let _ = tokio::time::timeout(CONNECT_TIMEOUT, attempts.changed()).await;
    }

    /// The connection, where there is one.
    #[must_use]
    pub fn broker(&self) -> Option<Arc<dyn Broker>> {
        match &*self.connection.borrow() {
            Connection::Up(broker) => Some(Arc::clone(broker)),
            Connection::Down | Connection::Unlinked | Connection::Leaving(_) | Connection::Lost => None,
        }
    }

    /// The connection for an order whose recording has begun: also while the account is given away.
    #[must_use]
    pub fn broker_for_begun(&self) -> Option<Arc<dyn Broker>> {
        match &*self.connection.borrow() {
            Connection::Up(broker) => Some(Arc::clone(broker)),
            Connection::Leaving(broker) => broker.clone(),
            Connection::Down | Connection::Unlinked | Connection::Lost => None,
        }
    }

    /// Another node works on the account now.
    pub fn lose(&self) {
        self.connection.send_if_modified(|known| {
            let is_news = !matches!(known, Connection::Unlinked | Connection::Lost);
            if is_news {
                *known = Connection::Lost;
            }
            is_news
        });
        self.sent.notify_waiters();
    }

    /// This node gives the account away: see [`Connection::Leaving`].
    pub fn give_away(&self) {
        self.connection.send_if_modified(|known| {
            let broker = match known {
                Connection::Up(broker) => Some(Arc::clone(broker)),
                Connection::Down => None,
                Connection::Unlinked | Connection::Leaving(_) | Connection::Lost => return false,
            };
            *known = Connection::Leaving(broker);
            true
        });
    }

    /// Whether another node works on the account now.
    #[must_use]
    pub fn is_lost(&self) -> bool {
        matches!(&*self.connection.borrow(), Connection::Lost)
    }

    /// Whether this node begins nothing on the account any more.
    #[must_use]
    pub fn is_gone(&self) -> bool {
        self.connection.borrow().is_gone()
    }

    /// An order is about to be recorded and sent: as long as what is given lives, no other node begins with an account that
    /// this one gives away. `None` where one may have begun.
    #[must_use]
    pub fn begin_sending(self: &Arc<Self>) -> Option<Sending> {
        // Counted first: whoever lets the account go looks at the count after it is gone.
        self.sending.fetch_add(1, Ordering::SeqCst);
        let sending = Sending(Arc::clone(self));
        (!self.is_gone()).then_some(sending)
    }

    /// How many steps with orders are on their way, from before their record to the venue's answer.
    #[must_use]
    pub fn sending(&self) -> usize {
        self.sending.load(Ordering::SeqCst)
    }

    /// Returns when no order is on its way any more, or another node works on the account.
    async fn all_sent(&self) {
        loop {
            let mut sent = std::pin::pin!(self.sent.notified());
            // Before looking, so that nothing ends unnoticed in between.
            sent.as_mut().enable();
            if self.sending() == 0 || self.is_lost() {
                return;
            }
            sent.await;
        }
    }

    /// How the account stands, given where its books differ.
    #[must_use]
    pub fn shown_status(&self, differing: &[Difference]) -> AccountStatus {
        let mut status = self.status();
        if status.state == AccountState::Ready && !differing.is_empty() {
            let symbols: Vec<_> = differing.iter().map(|difference| difference.symbol.as_str()).collect();
            status.state = AccountState::BooksDiffer;
            status.detail = Some(format!(
                "The broker's position differs from the strategies' in {}; entries there are denied.",
                symbols.join(", ")
            ));
        }
        status
    }

    /// The connection and its changes.
    #[must_use]
    pub fn watch(&self) -> watch::Receiver<Connection> {
        self.connection.subscribe()
    }

    fn set_connection(&self, connection: Connection) {
        self.connection.send_if_modified(|known| {
            let is_ours = matches!(known, Connection::Down | Connection::Up(_));
            if is_ours {
                *known = connection;
            }
            is_ours
        });
    }

    /// How the account stands.
    #[must_use]
    pub fn status(&self) -> AccountStatus {
        self.status_mut().clone()
    }

    fn status_mut(&self) -> MutexGuard<'_, AccountStatus> {
        self.status.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Sends reports on an order to a lane from now on.
    pub fn route(&self, id: ClientOrderId, lane: mpsc::WeakSender<Event>) {
        self.routes.lock().unwrap_or_else(PoisonError::into_inner).lanes.insert(id, lane);
    }

    /// An order has ended: after a while its reports need no way any more.
    pub fn route_ended(&self, id: ClientOrderId) {
        let mut routes = self.routes.lock().unwrap_or_else(PoisonError::into_inner);
        routes.ended.push_back(id);
        if routes.ended.len() > ENDED_KEPT
            && let Some(oldest) = routes.ended.pop_front()
        {
            routes.lanes.remove(&oldest);
        }
    }

    async fn deliver(&self, report: ExecutionReport) {
        let lane = {
            let routes = self.routes.lock().unwrap_or_else(PoisonError::into_inner);
            routes.lanes.get(&report.client_order_id).and_then(mpsc::WeakSender::upgrade)
        };
        if let Some(lane) = lane {
            // This sender keeps the lane; it is gone only where the program ends.
            let _ = lane.send(Event::Report(report)).await;
        }
    }
}

/// An order on its way: from before its record to the venue's answer.
pub struct Sending(Arc<Link>);

impl Drop for Sending {
    fn drop(&mut self) {
        if self.0.sending.fetch_sub(1, Ordering::SeqCst) == 1 {
            self.0.sent.notify_waiters();
        }
    }
}

struct Account {
    link: Arc<Link>,
    /// Changes with the account's settings; closed when the account is unlinked.
    settings: watch::Sender<Arc<BrokerAccount>>,
}

/// All accounts.
#[derive(Default)]
pub struct Accounts {
    accounts: Mutex<HashMap<BrokerAccountId, Account>>,
    /// When accounts were unlinked whose lanes may still be settling.
    unlinked: Mutex<HashMap<BrokerAccountId, Instant>>,
}

impl Accounts {
    /// An account's link.
    #[must_use]
    pub fn link(&self, id: BrokerAccountId) -> Option<Arc<Link>> {
        self.lock().get(&id).map(|account| Arc::clone(&account.link))
    }

    /// All links.
    #[must_use]
    pub fn links(&self) -> Vec<Arc<Link>> {
        self.lock().values().map(|account| Arc::clone(&account.link)).collect()
    }

    /// Lets an account go that another node has or will have, and gives its link, which it ends as it is told to.
    pub fn let_go(&self, id: BrokerAccountId, end: fn(&Link)) -> Option<Arc<Link>> {
        let account = self.lock().remove(&id)?;
        // Before the connection's keeper hears, from the settings that are dropped here, that there is nothing left to keep.
        end(&account.link);
        Some(account.link)
    }

    /// Whether an account was unlinked so long ago, as far as is known here, that nothing is left to settle there. Whoever
    /// has not seen it happen counts from the first time that this is asked.
    #[must_use]
    pub fn has_settled(&self, id: BrokerAccountId) -> bool {
        let mut unlinked = self.unlinked.lock().unwrap_or_else(PoisonError::into_inner);
        unlinked.entry(id).or_insert_with(Instant::now).elapsed() >= SETTLING
    }

    /// Nothing of an unlinked account is left to remember.
    pub fn forget(&self, id: BrokerAccountId) {
        self.unlinked.lock().unwrap_or_else(PoisonError::into_inner).remove(&id);
    }

    /// Takes an account in, takes its new settings in, or (`None`) lets it go. One that another node works on is left to it.
    pub fn set(
        &self,
        work: &Arc<Work>,
        lanes: &Arc<Lanes>,
        id: BrokerAccountId,
        account: Option<Arc<BrokerAccount>>,
    ) {
        let mut accounts = self.lock();
        match (account, accounts.get(&id)) {
            (None, _) => {
                let unlinked = accounts.remove(&id);
                drop(accounts);
                if let Some(account) = unlinked {
                    let mut unlinked = self.unlinked.lock().unwrap_or_else(PoisonError::into_inner);
                    unlinked.insert(id, Instant::now());
                    drop(unlinked);
                    account.link.set_connection(Connection::Unlinked);
                    lanes.unlink(id);
                }
            }
            (Some(account), Some(known)) => {
                known.settings.send_if_modified(|settings| {
                    let changed = settings.settings != account.settings
                        || settings.credentials_set_at != account.credentials_set_at;
                    *settings = account;
                    changed
                });
            }
            (Some(account), None) => {
                let Ok(lease) = work.lease_or_all(id) else { return };
                let link = Arc::new(Link::new(&account, lease));
                let (settings, watched) = watch::channel(account);
                accounts.insert(id, Account { link: Arc::clone(&link), settings });
                tokio::spawn(keep_up(Arc::clone(work), Arc::clone(lanes), link, watched));
            }
        }
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<BrokerAccountId, Account>> {
        self.accounts.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Keeps one account connected until it is unlinked or the program stops.
async fn keep_up(
    work: Arc<Work>,
    lanes: Arc<Lanes>,
    link: Arc<Link>,
    mut settings: watch::Receiver<Arc<BrokerAccount>>,
) {
    let mut pause = FIRST_PAUSE;
    let mut connection = link.watch();
    loop {
        // A node that may have lost the account does not throw out whoever works on it now.
        while !work.may_send() && !link.is_gone() {
            tokio::select! {
                () = tokio::time::sleep(FIRST_PAUSE) => {}
                () = work.stopped() => return,
            }
        }
        let account = Arc::clone(&settings.borrow_and_update());
        let (reports, mut reports_in) = mpsc::channel(REPORTS);
        let connected = tokio::select! {
            connected = connect(&work, &account, reports) => connected,
            _ = connection.wait_for(Connection::is_gone) => return,
        };
        let began = Instant::now();
        let wait = match connected {
            Ok(broker) => {
                set_state(&work, &link, AccountState::Ready, None);
                link.set_connection(Connection::Up(broker));
                link.attempts.send_modify(|attempts| *attempts += 1);
                let ended = pump(&work, &lanes, &link, &mut reports_in, &mut settings).await;
                link.set_connection(Connection::Down);
                if ended {
                    return outlast_orders(&link, reports_in).await;
                }
                if began.elapsed() >= LASTING {
                    pause = FIRST_PAUSE;
                    continue;
                }
                pause
            }
            Err(error) => {
                let refused = matches!(error, BrokerError::Unauthorized(_));
                let detail = error.to_string();
                tracing::warn!(account = %link.id, detail, "a broker account is not connected");
                set_state(&work, &link, AccountState::Disconnected, Some(detail));
                link.attempts.send_modify(|attempts| *attempts += 1);
                if refused { REFUSED_PAUSE } else { pause }
            }
        };
        tokio::select! {
            () = tokio::time::sleep(wait) => pause = (pause * 2).min(MAX_PAUSE),
            () = link.hurry.notified() => {}
            changed = settings.changed() => if changed.is_err() { return },
            () = work.stopped() => return,
        }
    }
}

async fn connect(
    work: &Work,
    account: &BrokerAccount,
    reports: mpsc::Sender<ExecutionReport>,
) -> Result<Arc<dyn Broker>, BrokerError> {
    let Some(connector) = work.connectors.get(&account.broker) else {
        let detail = format!("This version knows no broker called {}.", account.broker);
        return Err(BrokerError::Unavailable(detail));
    };
    let connecting = connector.connect(account, &*work.store, reports);
    match tokio::time::timeout(CONNECT_TIMEOUT, connecting).await {
        Ok(connected) => connected,
        Err(_) => {
            let detail = format!("it did not answer within {} s", CONNECT_TIMEOUT.as_secs());
            Err(BrokerError::Unavailable(detail))
        }
    }
}

/// Keeps a connection until the orders that leave over it are answered: whoever serves it ends when nobody takes reports.
async fn outlast_orders(link: &Link, mut reports: mpsc::Receiver<ExecutionReport>) {
    let taking = async { while reports.recv().await.is_some() {} };
    tokio::select! {
        () = taking => {}
        () = link.all_sent() => {}
    }
}

/// Hands reports on and has the books compared in between. Returns whether the account is done with for good.
async fn pump(
    work: &Work,
    lanes: &Arc<Lanes>,
    link: &Link,
    reports: &mut mpsc::Receiver<ExecutionReport>,
    settings: &mut watch::Receiver<Arc<BrokerAccount>>,
) -> bool {
    let mut compare = tokio::time::interval(work.settings.reconcile_interval);
    compare.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    // Ends with the connection.
    let mut look = JoinSet::new();
    loop {
        tokio::select! {
            report = reports.recv() => match report {
                Some(report) => link.deliver(report).await,
                None => {
                    set_state(work, link, AccountState::Connecting, Some("The connection ended.".to_owned()));
                    return false;
                }
            },
            _ = compare.tick() => {
                if let Some(at) = lanes.compared_at(link.id) {
                    link.status_mut().reconciled_at = Some(at);
                }
                // A lane that has no room for it is busy, and is asked the next time.
                let _ = lanes.tell(link.id, || Event::CompareBooks);
                while look.try_join_next().is_some() {}
                if let (Some(broker), true) = (link.broker(), look.is_empty()) {
                    look.spawn(open_where_held(Arc::clone(lanes), link.id, broker));
                }
            }
            changed = settings.changed() => return changed.is_err(),
            () = work.stopped() => return true,
        }
    }
}

/// Lanes compare books, and a strategy without a signal so far has none: one is opened where the account holds its symbol,
/// and for all of them where it holds something that none of them names. Venues have other names than those that were asked
/// for: the contract that a root (`ES`, `ES1!`) stands for, `BTC/USD` for `BTCUSD`. A lane that finds its books equal rests.
async fn open_where_held(lanes: Arc<Lanes>, account: BrokerAccountId, broker: Arc<dyn Broker>) {
    // Whoever could not be asked is asked at the next comparison.
    let Ok(Ok(positions)) = tokio::time::timeout(LOOK_TIMEOUT, broker.positions()).await else { return };
    let held: BTreeSet<_> = positions
        .into_iter()
        .filter(|position| !position.net_qty.is_zero())
        .map(|position| position.symbol)
        .collect();
    let strategies = lanes.work().registry.strategies_on(account);
    let named: BTreeSet<_> = strategies.iter().map(|strategy| &strategy.symbol).collect();
    let any_other_name = held.iter().any(|symbol| !named.contains(symbol));
    for strategy in strategies.iter().filter(|strategy| strategy.active) {
        if any_other_name || held.contains(&strategy.symbol) {
            lanes.open_for(strategy);
        }
    }
}

fn set_state(work: &Work, link: &Link, state: AccountState, detail: Option<String>) {
    let changed = {
        let mut status = link.status_mut();
        let changed = status.state != state || status.detail != detail;
        status.state = state;
        status.detail = detail;
        changed
    };
    if changed {
        work.events.publish(
            link.user_id,
            work.clock.now(),
            EventBody::Account { broker_account_id: link.id },
        );
    }
}
