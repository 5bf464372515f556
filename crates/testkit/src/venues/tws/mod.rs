//! A fake TWS: one login with one account, over the socket protocol.
//!
//! - `wire`: frames, the handshake, and the two forms of the protocol: NUL-separated text up to server version 200, and
//!   protobuf after. As TWS does, it speaks the newest version that both sides know;
//! - `protobuf`: as much of that encoding as is needed, by field numbers, from nobody's generated code;
//! - `requests`, `answers`: what is said, in either form;
//! - `desk`: what is done about it;
//! - `listings`: the contracts.
//!
//! There is no public specification of the socket protocol. The text form follows what `ib_async` writes and reads, the
//! protobuf form the field numbers of the vendor's published messages; clients of third parties trade against both.

mod answers;
mod asked;
mod desk;
mod listings;
mod protobuf;
mod requests;
mod wire;

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use rust_decimal::Decimal;
use tokio::net::TcpListener;
use tokio::sync::broadcast;

use super::exchange::{Exchange, Market, Unique};
use super::faults::{Fault, Script, StreamFault};
use listings::Listing;

/// A fake TWS. It ends when it is dropped.
pub struct Tws {
    address: SocketAddr,
    shared: Arc<Shared>,
}

struct Shared {
    account: String,
    exchange: Exchange,
    listings: Vec<Listing>,
    script: Script,
    control: broadcast::Sender<Control>,
    state: Mutex<State>,
    clock: fn() -> i64,
}

/// What a test does to every connection.
#[derive(Clone, Debug)]
enum Control {
    /// A message of the link.
    Say(i32, String),
    /// The connection breaks.
    Close,
    /// An execution is told again, corrected.
    Correct(u64),
    /// The whole venue ends.
    Stop,
}

#[derive(Default)]
struct State {
    /// By the exchange's number.
    orders: BTreeMap<u64, ApiOrder>,
    /// The highest order id of each client.
    highest: HashMap<i32, i32>,
    connected: BTreeSet<i32>,
    /// Orders about which nothing is said by itself.
    muted: BTreeSet<u64>,
    /// Orders whose status is another word than it is.
    words: HashMap<u64, String>,
    /// Orders that fill while their cancel is on the way.
    racing: BTreeSet<u64>,
    stream: Option<StreamFault>,
    /// The prices of executions that were corrected.
    corrected: HashMap<u64, Decimal>,
    /// Whether commissions are told.
    withholds_commissions: bool,
    read_only: bool,
    requests: Vec<String>,
}

/// An order, as the API knows it.
#[derive(Clone, Debug)]
struct ApiOrder {
    client_id: i32,
    order_id: i32,
    listing: Listing,
    asked: requests::OrderFields,
}

impl Tws {
    /// A TWS logged in to the paper account `DU1234567` with a million dollars, on a free port of 127.0.0.1. `clock` gives
    /// milliseconds since 1970.
    pub async fn start(clock: fn() -> i64) -> Self {
        Self::start_as("DU1234567", clock).await
    }

    /// The same with another account.
    ///
    /// # Panics
    /// Where no port is free.
    pub async fn start_as(account: &str, clock: fn() -> i64) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.expect("a free port");
        let address = listener.local_addr().expect("an address");
        let exchange = Exchange::new(Unique::Not, Decimal::from(1_000_000), clock);
        let listings = listings::all(clock());
        for listing in &listings {
            let market = Market {
                lot: listing.lot,
                commission: listing.commission,
                multiplier: listing.effective_multiplier(),
                ..Market::at(listing.price)
            };
            exchange.list(&listing.local_symbol, market);
        }
        let shared = Arc::new(Shared {
            account: account.to_owned(),
            exchange,
            listings,
            script: Script::default(),
            control: broadcast::Sender::new(64),
            state: Mutex::default(),
            clock,
        });
        tokio::spawn(desk::accept(listener, Arc::clone(&shared)));
        Self { address, shared }
    }

    /// Where it listens.
    #[must_use]
    pub const fn address(&self) -> SocketAddr {
        self.address
    }

    /// Its account.
    #[must_use]
    pub fn account(&self) -> &str {
        &self.shared.account
    }

    /// Its book.
    #[must_use]
    pub fn exchange(&self) -> &Exchange {
        &self.shared.exchange
    }

    /// The local symbols of a root's futures, the nearest first, with their last trading days as `20261218`.
    #[must_use]
    pub fn futures_of(&self, symbol: &str) -> Vec<(String, String)> {
        let of_root = self.shared.listings.iter().filter(|one| one.symbol == symbol && one.sec_type == "FUT");
        of_root.map(|one| (one.local_symbol.clone(), one.last_day.clone())).collect()
    }

    /// Lets this befall the next order.
    pub fn plan(&self, fault: Fault) {
        self.shared.script.plan(fault);
    }

    /// Lets this befall the stream from now on.
    pub fn disturb(&self, fault: StreamFault) {
        if fault == StreamFault::Gap {
            self.tell(Control::Close);
        } else {
            self.shared.lock().stream = Some(fault);
        }
    }

    /// Sends a message without an id to every connection, as those of the link are.
    pub fn say(&self, code: i32, text: &str) {
        self.tell(Control::Say(code, text.to_owned()));
    }

    /// Corrects the price of an order's first execution, and tells so.
    ///
    /// # Panics
    /// Where it has none.
    pub fn correct(&self, client_order_id: &str, price: Decimal) {
        let orders = self.shared.exchange.orders_of(client_order_id);
        let execution = orders.iter().flat_map(|order| &order.executions).next().expect("an execution");
        self.shared.lock().corrected.insert(execution.id, price);
        self.tell(Control::Correct(execution.id));
    }

    /// Keeps what executions cost to itself from now on.
    pub fn withhold_commissions(&self) {
        self.shared.lock().withholds_commissions = true;
    }

    /// Takes no orders by the API from now on, and shows none.
    pub fn be_read_only(&self) {
        self.shared.lock().read_only = true;
    }

    /// How many connections there are.
    #[must_use]
    pub fn connections(&self) -> usize {
        self.shared.lock().connected.len()
    }

    /// What was asked, in order: one name a request.
    #[must_use]
    pub fn requests(&self) -> Vec<String> {
        self.shared.lock().requests.clone()
    }

    /// The contract, type, time in force and outside-hours mark of the orders with a reference, as they came.
    #[must_use]
    pub fn orders_as_sent(&self, reference: &str) -> Vec<(String, String, String, bool)> {
        let state = self.shared.lock();
        let orders = state.orders.values().filter(|order| order.asked.order_ref == reference);
        orders
            .map(|order| {
                let asked = &order.asked;
                let (kind, tif) = (asked.order_type.clone(), asked.tif.clone());
                (order.listing.local_symbol.clone(), kind, tif, asked.outside_rth)
            })
            .collect()
    }

    fn tell(&self, control: Control) {
        // Nobody may be connected.
        let _ = self.shared.control.send(control);
    }
}

impl Drop for Tws {
    fn drop(&mut self) {
        self.tell(Control::Stop);
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
