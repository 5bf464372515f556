//! What is done about requests, one connection after the handshake.

use std::sync::Arc;

use atomik_domain::{OrderStatus, Side};
use rust_decimal::Decimal;
use tokio::io::AsyncWriteExt;
use tokio::net::tcp::OwnedWriteHalf;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::broadcast::Receiver;
use tokio::sync::broadcast::error::RecvError;
use tokio::sync::mpsc;

use super::answers::{Answer, ExecutionRow, OrderRow};
use super::asked::new_order;
use super::listings::{Listing, clock_time};
use super::requests::{ContractFields, OrderFields, Request};
use super::wire::{self, Form};
use super::{ApiOrder, Control, Shared};
use crate::venues::exchange::{Refused, VenueEvent, VenueExecution, VenueOrder};
use crate::venues::faults::{Fault, StreamFault};

/// What an order's name for good is above its number.
const PERM_ID: i64 = 1_500_000_000;
/// How many requests of a connection may wait.
const WAITING: usize = 256;

/// Takes connections until the venue ends.
pub(super) async fn accept(listener: TcpListener, shared: Arc<Shared>) {
    let mut control = shared.control.subscribe();
    loop {
        tokio::select! {
            told = control.recv() => if matches!(told, Ok(Control::Stop) | Err(RecvError::Closed)) { return },
            accepted = listener.accept() => {
                let Ok((socket, _)) = accepted else { continue };
                let control = shared.control.subscribe();
                tokio::spawn(serve(socket, Arc::clone(&shared), control));
            }
        }
    }
}

async fn serve(mut socket: TcpStream, shared: Arc<Shared>, control: Receiver<Control>) {
    let now = clock_time((shared.clock)());
    let Some(form) = wire::greet(&mut socket, &now).await else { return };
    let events = shared.exchange.listen();
    let (mut reading, writing) = socket.into_split();
    let (sender, requests) = mpsc::channel(WAITING);
    let reader = tokio::spawn(async move {
        while let Some(frame) = wire::frame(&mut reading).await {
            if sender.send(frame).await.is_err() {
                return;
            }
        }
    });
    let mut desk = Desk { shared: Arc::clone(&shared), form, writing, events, client_id: None };
    desk.run(requests, control).await;
    reader.abort();
    if let Some(client_id) = desk.client_id {
        shared.lock().connected.remove(&client_id);
    }
}

/// The connection goes on, or ends.
type Going = Option<()>;

struct Desk {
    shared: Arc<Shared>,
    form: Form,
    writing: OwnedWriteHalf,
    events: Receiver<VenueEvent>,
    client_id: Option<i32>,
}

impl Desk {
    async fn run(&mut self, mut requests: mpsc::Receiver<Vec<u8>>, mut control: Receiver<Control>) {
        loop {
            let going = tokio::select! {
                told = control.recv() => match told {
                    Ok(Control::Say(code, text)) => self.error(-1, code, &text).await,
                    Ok(Control::Correct(id)) => self.correct(id).await,
                    _ => None,
                },
                event = self.events.recv() => match event {
                    Ok(event) => self.tell(&event).await,
                    Err(_) => None,
                },
                frame = requests.recv() => match frame.map(|frame| self.form.read(&frame)) {
                    Some(Some(request)) => self.answer(request).await,
                    _ => None,
                },
            };
            if going.is_none() {
                return;
            }
        }
    }

    async fn write(&mut self, bytes: &[u8]) -> Going {
        self.writing.write_all(bytes).await.ok()
    }

    async fn say(&mut self, answers: &[Answer]) -> Going {
        let bytes: Vec<u8> = answers.iter().flat_map(|answer| self.form.write(answer)).collect();
        self.write(&bytes).await
    }

    async fn error(&mut self, id: i32, code: i32, text: &str) -> Going {
        self.say(&[Answer::Error { id, code, text: text.to_owned() }]).await
    }

    async fn answer(&mut self, request: Request) -> Going {
        self.shared.lock().requests.push(request.name().to_owned());
        if let Request::StartApi { client_id } = request {
            return self.start(client_id).await;
        }
        let client_id = self.client_id?;
        let account = self.shared.account.clone();
        match request {
            Request::PlaceOrder { order_id, contract, order } => {
                self.place(client_id, order_id, &contract, order).await
            }
            Request::CancelOrder { order_id } => self.cancel(client_id, order_id).await,
            Request::OpenOrders { .. } if self.shared.lock().read_only => {
                let text = "Error validating request.-'bH' : cause - The API interface is currently in Read-Only mode.";
                self.error(-1, 321, text).await
            }
            Request::OpenOrders { all } => {
                let rows = self.shared.rows(|row| all || row.client_id == client_id, false);
                let told = rows
                    .into_iter()
                    .flat_map(|row| [Answer::OpenOrder(row.clone()), Answer::OrderStatus(row)]);
                let told: Vec<_> = told.chain([Answer::OpenOrderEnd]).collect();
                self.say(&told).await
            }
            Request::CompletedOrders => {
                let rows = self.shared.rows(|_| true, true).into_iter().map(Answer::CompletedOrder);
                let told: Vec<_> = rows.chain([Answer::CompletedOrdersEnd]).collect();
                self.say(&told).await
            }
            Request::Executions { id, client_id, account } => {
                let told = self.shared.executions(id, client_id, &account);
                self.say(&told).await
            }
            Request::ContractData { id, contract } => self.contracts(id, &contract).await,
            Request::MatchingSymbols { id, pattern } => {
                let listings = self.shared.matching(&pattern);
                self.say(&[Answer::Symbols { id, listings }]).await
            }
            Request::Positions => {
                let told = self.shared.positions();
                self.say(&told).await
            }
            Request::AccountSummary { id, tags } => {
                let told = self.shared.summary(id, &tags);
                self.say(&told).await
            }
            Request::AccountUpdates { account, is_on: true } => {
                self.say(&[Answer::AccountEnd(account)]).await
            }
            Request::AccountUpdates { .. } | Request::Other(_) | Request::StartApi { .. } => Some(()),
            Request::AccountUpdatesMulti { id } => self.say(&[Answer::AccountMultiEnd(id)]).await,
            Request::NextId => {
                let next = self.shared.next_id(client_id);
                self.say(&[Answer::NextValidId(next)]).await
            }
            Request::ManagedAccounts => self.say(&[Answer::ManagedAccounts(account)]).await,
            Request::Time => {
                let seconds = (self.shared.clock)() / 1_000;
                self.say(&[Answer::Time(seconds)]).await
            }
        }
    }

    async fn start(&mut self, client_id: i32) -> Going {
        if !self.shared.lock().connected.insert(client_id) {
            self.error(
                -1,
                326,
                "Unable to connect as the client id is already in use. Retry with a unique client id.",
            )
            .await?;
            return None;
        }
        self.client_id = Some(client_id);
        let next = self.shared.next_id(client_id);
        let account = self.shared.account.clone();
        self.say(&[
            Answer::ManagedAccounts(account),
            Answer::NextValidId(next),
            Answer::Error { id: -1, code: 2104, text: "Market data farm connection is OK:usfarm".to_owned() },
        ])
        .await
    }

    async fn contracts(&mut self, id: i32, asked: &ContractFields) -> Going {
        let meant = self.shared.listings.iter().filter(|listing| listing.is_meant(asked));
        let mut told: Vec<_> =
            meant.map(|listing| Answer::Contract { id, listing: listing.clone() }).collect();
        if told.is_empty() {
            return self.error(id, 200, "No security definition has been found for the request").await;
        }
        told.push(Answer::ContractsEnd(id));
        self.say(&told).await
    }

    async fn place(
        &mut self,
        client_id: i32,
        order_id: i32,
        contract: &ContractFields,
        order: OrderFields,
    ) -> Going {
        if self.shared.lock().read_only {
            let text =
                "Error validating request.-'bH' : cause - The API interface is currently in Read-Only mode.";
            return self.error(order_id, 321, text).await;
        }
        let fault = self.shared.script.next();
        match fault {
            Some(Fault::TimeoutThenAbsent) => return Some(()),
            Some(Fault::DroppedBefore) => return None,
            Some(Fault::ErrorInSuccess) => {
                let text =
                    "Order rejected - reason:The margin of this account does not suffice for this order.";
                return self.error(order_id, 201, text).await;
            }
            Some(Fault::Maintenance) => {
                return self
                    .error(-1, 1100, "Connectivity between IBKR and Trader Workstation has been lost.")
                    .await;
            }
            _ => {}
        }
        let id = match self.shared.take(client_id, order_id, contract, order, fault) {
            Ok(id) => id,
            Err((code, text)) => return self.error(order_id, code, &text).await,
        };
        match fault {
            Some(Fault::DroppedAfter) => {
                self.shared.exchange.work(id);
                return None;
            }
            Some(Fault::UnreadableSuccess) => {
                self.shared.exchange.work(id);
                let garbage = self.form.garbage();
                self.write(&garbage).await?;
            }
            Some(Fault::ServerErrorAfter) => {
                self.shared.exchange.work(id);
                self.error(order_id, 322, "Error processing request.-'bE' : cause - null").await?;
            }
            _ => self.shared.exchange.work(id),
        }
        self.tell_of_now().await
    }

    /// Tells what happened up to now, in the order that the stream's fault wants.
    async fn tell_of_now(&mut self) -> Going {
        let mut told = Vec::new();
        while let Ok(event) = self.events.try_recv() {
            told.extend(self.shared.told(&event, self.client_id?));
        }
        let stream = self.shared.lock().stream;
        match stream {
            Some(StreamFault::Reordered) => {
                told.reverse();
                self.shared.lock().stream = None;
            }
            // Executions before the order that they belong to.
            Some(StreamFault::Early) => {
                told.sort_by_key(|answer| {
                    !matches!(answer, Answer::Execution(_) | Answer::Commission { .. })
                });
            }
            Some(StreamFault::Duplicated) => {
                told = told.into_iter().flat_map(|one| [one.clone(), one]).collect()
            }
            Some(StreamFault::Gap) | None => {}
        }
        self.say(&told).await
    }

    async fn tell(&mut self, event: &VenueEvent) -> Going {
        let Some(client_id) = self.client_id else { return Some(()) };
        let told = self.shared.told(event, client_id);
        self.say(&told).await
    }

    async fn cancel(&mut self, client_id: i32, order_id: i32) -> Going {
        let found = self.shared.find(client_id, order_id);
        let Some(id) = found else {
            let text = format!("OrderId {order_id} that needs to be cancelled is not found.");
            return self.error(order_id, 10_147, &text).await;
        };
        let racing = self.shared.lock().racing.remove(&id);
        if racing {
            self.shared.fill_now(id);
            self.tell_of_now().await?;
        }
        if self.shared.exchange.cancel(id).is_none() {
            let state = self.shared.exchange.order(id).map(|order| word(&order)).unwrap_or_default();
            let text = format!(
                "OrderId {order_id} that needs to be cancelled can not be cancelled, state: {state}."
            );
            return self.error(order_id, 10_148, &text).await;
        }
        self.tell_of_now().await
    }

    async fn correct(&mut self, id: u64) -> Going {
        let Some(client_id) = self.client_id else { return Some(()) };
        let rows = self.shared.execution_rows(-1, |row| row.client_id == client_id);
        let told: Vec<_> = rows
            .into_iter()
            .filter(|(execution, _)| execution.id == id)
            .map(|(_, row)| Answer::Execution(row))
            .collect();
        self.say(&told).await
    }
}

/// An order's status in TWS's words.
fn word(order: &VenueOrder) -> String {
    let word = match order.status {
        OrderStatus::Filled => "Filled",
        OrderStatus::Canceled | OrderStatus::Expired => "Cancelled",
        _ if order.asked.stop_price.is_some() && !order.triggered => "PreSubmitted",
        _ => "Submitted",
    };
    word.to_owned()
}

impl Shared {
    fn next_id(&self, client_id: i32) -> i32 {
        self.lock().highest.get(&client_id).copied().unwrap_or_default() + 1
    }

    fn find(&self, client_id: i32, order_id: i32) -> Option<u64> {
        let state = self.lock();
        let found =
            state.orders.iter().find(|(_, api)| (api.client_id, api.order_id) == (client_id, order_id));
        found.map(|(id, _)| *id)
    }

    /// Takes an order, which rests then.
    fn take(
        &self,
        client_id: i32,
        order_id: i32,
        contract: &ContractFields,
        asked: OrderFields,
        fault: Option<Fault>,
    ) -> Result<u64, (i32, String)> {
        if order_id < self.next_id(client_id) {
            return Err((103, "Duplicate order id".to_owned()));
        }
        self.lock().highest.insert(client_id, order_id);
        let mut meant = self.listings.iter().filter(|listing| listing.is_meant(contract));
        let none = || (200, "No security definition has been found for the request".to_owned());
        let listing = meant.next().ok_or_else(none)?.clone();
        if meant.next().is_some() {
            let text = "The contract description specified is ambiguous; it matches several contracts.";
            return Err((200, text.to_owned()));
        }
        if asked.account != self.account && !asked.account.is_empty() {
            return Err((321, "Error validating request.-'bG' : cause - Invalid account code".to_owned()));
        }
        let order = new_order(&listing, &asked)?;
        let asked = OrderFields { account: self.account.clone(), ..asked };
        let taken = self.exchange.rest(order).map_err(|refused| match refused {
            Refused::Quantity if listing.sec_type == "STK" => (
                10_243,
                "Fractional-sized order cannot be placed via API. Please use the desktop version.".to_owned(),
            ),
            Refused::Quantity => (355, "Order size does not conform to market rule".to_owned()),
            other => (201, format!("Order rejected - reason:{other:?}")),
        })?;
        let mut state = self.lock();
        let mutes = [
            Fault::TimeoutThenFilled,
            Fault::ServerErrorAfter,
            Fault::UnreadableSuccess,
            Fault::DroppedAfter,
        ];
        if fault.is_some_and(|fault| mutes.contains(&fault)) {
            state.muted.insert(taken.id);
        }
        if fault == Some(Fault::UnknownStatus) {
            state.words.insert(taken.id, "Suspended".to_owned());
        }
        if fault == Some(Fault::FillsBeforeCancel) {
            state.racing.insert(taken.id);
        }
        state.orders.insert(taken.id, ApiOrder { client_id, order_id, listing, asked });
        Ok(taken.id)
    }

    /// Fills a resting order at its limit.
    fn fill_now(&self, id: u64) {
        let Some(order) = self.exchange.order(id) else { return };
        let symbol = order.asked.symbol.clone();
        let Some(price) = self.exchange.market(&symbol).map(|market| market.price) else { return };
        self.exchange.move_price(&symbol, order.asked.limit_price.unwrap_or(price));
        self.exchange.move_price(&symbol, price);
    }

    fn row(&self, order: &VenueOrder) -> Option<OrderRow> {
        let state = self.lock();
        let api = state.orders.get(&order.id)?.clone();
        let status = state.words.get(&order.id).cloned().unwrap_or_else(|| word(order));
        let completed_status = match order.status {
            OrderStatus::Filled => format!("Filled Size: {}", order.filled().normalize()),
            OrderStatus::Canceled => "Cancelled by Trader".to_owned(),
            OrderStatus::Expired => "Cancelled".to_owned(),
            _ => String::new(),
        };
        Some(OrderRow {
            order_id: api.order_id,
            client_id: api.client_id,
            perm_id: perm_id(order.id),
            listing: api.listing,
            asked: api.asked,
            status,
            filled: order.filled(),
            remaining: order.leaves(),
            avg_price: order.avg_price().unwrap_or_default(),
            last_price: order.executions.last().map(|execution| execution.price).unwrap_or_default(),
            completed_time: clock_time(order.updated_ms),
            completed_status,
        })
    }

    /// Open orders, or completed ones. An order whose status is another word is open for as long as it has it.
    fn rows(&self, wanted: impl Fn(&OrderRow) -> bool, completed: bool) -> Vec<OrderRow> {
        let orders = self.exchange.orders();
        let is_there = |order: &&VenueOrder| {
            (order.status.is_final() && !self.lock().words.contains_key(&order.id)) == completed
        };
        let rows = orders.iter().filter(is_there).filter_map(|order| self.row(order));
        rows.filter(wanted).collect()
    }

    fn execution_row(
        &self,
        request_id: i32,
        order: &VenueOrder,
        execution: &VenueExecution,
    ) -> Option<ExecutionRow> {
        let state = self.lock();
        let api = state.orders.get(&order.id)?;
        let corrected = state.corrected.get(&execution.id);
        let revision = if corrected.is_some() { 2 } else { 1 };
        let before = order.executions.iter().take_while(|one| one.id <= execution.id);
        Some(ExecutionRow {
            request_id,
            order_id: api.order_id,
            client_id: api.client_id,
            perm_id: perm_id(order.id),
            listing: api.listing.clone(),
            exec_id: format!("0000e0d5.{:08x}.01.{revision:02}", execution.id),
            time: clock_time(execution.at_ms),
            account: self.account.clone(),
            is_buy: order.asked.side == Side::Buy,
            shares: execution.qty,
            price: corrected.copied().unwrap_or(execution.price),
            cum_qty: before.map(|one| one.qty).sum(),
            avg_price: order.avg_price().unwrap_or_default(),
            order_ref: api.asked.order_ref.clone(),
        })
    }

    fn execution_rows(
        &self,
        request_id: i32,
        wanted: impl Fn(&ExecutionRow) -> bool,
    ) -> Vec<(VenueExecution, ExecutionRow)> {
        let mut rows = Vec::new();
        for order in self.exchange.orders() {
            for execution in &order.executions {
                if let Some(row) = self.execution_row(request_id, &order, execution).filter(|row| wanted(row))
                {
                    rows.push((execution.clone(), row));
                }
            }
        }
        rows
    }

    fn executions(&self, id: i32, client_id: i32, account: &str) -> Vec<Answer> {
        let rows = self.execution_rows(id, |row| {
            (client_id == 0 || row.client_id == client_id) && (account.is_empty() || row.account == account)
        });
        let withheld = self.lock().withholds_commissions;
        let told = rows.into_iter().flat_map(|(execution, row)| {
            let exec_id = row.exec_id.clone();
            let commission =
                (!withheld).then_some(Answer::Commission { exec_id, commission: execution.commission });
            [Some(Answer::Execution(row)), commission].into_iter().flatten()
        });
        told.chain([Answer::ExecutionsEnd(id)]).collect()
    }

    fn matching(&self, pattern: &str) -> Vec<Listing> {
        let pattern = pattern.to_ascii_uppercase();
        let fits = |listing: &&Listing| {
            listing.sec_type == "STK"
                && (listing.symbol.starts_with(&pattern)
                    || listing.name.to_ascii_uppercase().contains(&pattern))
        };
        self.listings.iter().filter(fits).cloned().collect()
    }

    fn positions(&self) -> Vec<Answer> {
        let held = self.exchange.held();
        let told = held.into_iter().filter_map(|(symbol, held)| {
            let listing = self.listings.iter().find(|listing| listing.local_symbol == symbol)?.clone();
            // What one contract cost: the quoted price times what a point of it is worth.
            let avg_cost = held.avg_price * listing.effective_multiplier();
            Some(Answer::Position { account: self.account.clone(), listing, qty: held.qty, avg_cost })
        });
        told.chain([Answer::PositionEnd]).collect()
    }

    fn summary(&self, id: i32, tags: &str) -> Vec<Answer> {
        let (cash, unrealized) = (self.exchange.cash(), self.exchange.unrealized());
        let told = tags.split(',').filter_map(|tag| {
            let value = match tag {
                "TotalCashValue" => cash,
                "NetLiquidation" => cash + unrealized,
                "BuyingPower" => cash * Decimal::from(4),
                _ => return None,
            };
            let value = format!("{value:.2}");
            Some(Answer::Summary { id, account: self.account.clone(), tag: tag.to_owned(), value })
        });
        told.chain([Answer::SummaryEnd(id)]).collect()
    }

    /// What is told about an event, to the client whose order it is.
    fn told(&self, event: &VenueEvent, client_id: i32) -> Vec<Answer> {
        let Some(row) = self.row(&event.order).filter(|row| row.client_id == client_id) else {
            return Vec::new();
        };
        if self.lock().muted.contains(&event.order.id) {
            return Vec::new();
        }
        let mut told = Vec::new();
        if let Some(execution) = &event.execution
            && let Some(executed) = self.execution_row(-1, &event.order, execution)
        {
            let exec_id = executed.exec_id.clone();
            told.push(Answer::Execution(executed));
            told.push(Answer::OpenOrder(row.clone()));
            told.push(Answer::OrderStatus(row));
            if !self.lock().withholds_commissions {
                told.push(Answer::Commission { exec_id, commission: execution.commission });
            }
            return told;
        }
        let is_over = row.status == "Cancelled";
        let (id, reason) = (row.order_id, event.order.reason.clone().unwrap_or_default());
        told.push(Answer::OpenOrder(row.clone()));
        told.push(Answer::OrderStatus(row));
        if is_over {
            told.push(Answer::Error { id, code: 202, text: format!("Order Canceled - reason:{reason}") });
        }
        told
    }
}

fn perm_id(id: u64) -> i64 {
    PERM_ID + i64::try_from(id).unwrap_or_default()
}
