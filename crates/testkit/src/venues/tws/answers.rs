//! What the fake says, in either form.

use rust_decimal::Decimal;

use super::listings::Listing;
use super::protobuf::Out;
use super::requests::OrderFields;

/// An order as it is told.
#[derive(Clone, Debug)]
pub(super) struct OrderRow {
    pub order_id: i32,
    pub client_id: i32,
    pub perm_id: i64,
    pub listing: Listing,
    pub asked: OrderFields,
    pub status: String,
    pub filled: Decimal,
    pub remaining: Decimal,
    pub avg_price: Decimal,
    pub last_price: Decimal,
    pub completed_time: String,
    pub completed_status: String,
}

/// An execution as it is told.
#[derive(Clone, Debug)]
pub(super) struct ExecutionRow {
    pub request_id: i32,
    pub order_id: i32,
    pub client_id: i32,
    pub perm_id: i64,
    pub listing: Listing,
    pub exec_id: String,
    pub time: String,
    pub account: String,
    pub is_buy: bool,
    pub shares: Decimal,
    pub price: Decimal,
    pub cum_qty: Decimal,
    pub avg_price: Decimal,
    pub order_ref: String,
}

/// Something to say.
#[derive(Clone, Debug)]
pub(super) enum Answer {
    NextValidId(i32),
    ManagedAccounts(String),
    Error { id: i32, code: i32, text: String },
    OpenOrder(OrderRow),
    OrderStatus(OrderRow),
    OpenOrderEnd,
    CompletedOrder(OrderRow),
    CompletedOrdersEnd,
    Execution(ExecutionRow),
    ExecutionsEnd(i32),
    Commission { exec_id: String, commission: Decimal },
    Position { account: String, listing: Listing, qty: Decimal, avg_cost: Decimal },
    PositionEnd,
    Summary { id: i32, account: String, tag: String, value: String },
    SummaryEnd(i32),
    Contract { id: i32, listing: Listing },
    ContractsEnd(i32),
    Symbols { id: i32, listings: Vec<Listing> },
    AccountEnd(String),
    AccountMultiEnd(i32),
    Time(i64),
}

fn plain(decimal: Decimal) -> String {
    decimal.normalize().to_string()
}

fn texts<const N: usize>(fields: [&str; N]) -> Vec<String> {
    fields.into_iter().map(str::to_owned).collect()
}

/// So many fields that are not set.
fn unset(count: usize) -> Vec<String> {
    vec![String::new(); count]
}

impl Listing {
    /// In eleven fields, as orders and positions carry it.
    fn fields(&self) -> Vec<String> {
        let mut fields = vec![self.con_id.to_string()];
        fields.extend(texts([
            &self.symbol,
            self.sec_type,
            &self.last_day,
            "0",
            "",
            self.multiplier,
            self.exchange,
        ]));
        fields.extend(texts(["USD", &self.local_symbol, &self.trading_class]));
        fields
    }

    fn message(&self) -> Out {
        Out::default()
            .int(1, self.con_id.into())
            .text(2, &self.symbol)
            .text(3, self.sec_type)
            .text(4, &self.last_day)
            .double(7, self.multiplier)
            .text(8, self.exchange)
            .text(9, self.primary)
            .text(10, "USD")
            .text(11, &self.local_symbol)
            .text(12, &self.trading_class)
    }

    fn month(&self) -> &str {
        self.last_day.get(..6).unwrap_or_default()
    }
}

impl OrderRow {
    fn message(&self) -> Out {
        let asked = &self.asked;
        Out::default()
            .int(1, self.client_id.into())
            .int(2, self.order_id.into())
            .int(3, self.perm_id)
            .text(5, &asked.action)
            .text(6, &asked.qty)
            .text(8, &asked.order_type)
            .double(9, &asked.limit)
            .double(10, &asked.stop)
            .text(11, &asked.tif)
            .text(12, &asked.account)
            .int(19, asked.outside_rth.into())
            .text(28, &asked.order_ref)
            .int(66, 1)
            .text(115, &plain(self.filled))
    }

    fn state(&self) -> Out {
        Out::default().text(1, &self.status).text(29, &self.completed_time).text(30, &self.completed_status)
    }

    /// The order's fields up to its reference.
    fn head(&self) -> Vec<String> {
        let asked = &self.asked;
        let mut fields = self.listing.fields();
        fields.extend(texts([
            &asked.action,
            &asked.qty,
            &asked.order_type,
            &asked.limit,
            &asked.stop,
            &asked.tif,
        ]));
        fields.extend(texts(["", &asked.account, "", "0", &asked.order_ref]));
        fields
    }

    fn open_fields(&self) -> Vec<String> {
        let mut fields = vec!["5".to_owned(), self.order_id.to_string()];
        fields.extend(self.head());
        fields.extend([self.client_id.to_string(), self.perm_id.to_string()]);
        // From the outside-hours mark to the financial adviser's, then from the model to the description of legs.
        fields.extend(unset(8 + 29 + 7));
        fields.extend(texts(["0", "0", "0"]));
        // The scale, the hedge, the clearing; no delta-neutral contract; no algorithm.
        fields.extend(unset(4 + 4));
        fields.extend(texts(["0", "", "0", "0", &self.status]));
        // Margins, commissions, a warning, two marks; no conditions; adjustments and what came later.
        fields.extend(unset(9 + 5 + 2));
        fields.push("0".to_owned());
        fields.extend(unset(16 + 3 + 5));
        fields
    }

    fn completed_fields(&self) -> Vec<String> {
        let mut fields = vec!["101".to_owned()];
        fields.extend(self.head());
        fields.push(self.perm_id.to_string());
        fields.extend(unset(7 + 23 + 5));
        fields.extend(texts(["0", "0", "0"]));
        fields.extend(unset(4 + 3));
        fields.extend(texts(["0", "", "0", &self.status]));
        fields.extend(unset(2));
        fields.push("0".to_owned());
        fields.extend(unset(6));
        fields.push(plain(self.filled));
        fields.extend(unset(6));
        fields.extend(texts([&self.completed_time, &self.completed_status]));
        fields.extend(unset(5));
        fields
    }

    fn status_fields(&self) -> Vec<String> {
        let mut fields = texts(["3"]);
        fields.extend([self.order_id.to_string(), self.status.clone(), plain(self.filled)]);
        fields.extend([plain(self.remaining), plain(self.avg_price), self.perm_id.to_string()]);
        fields.extend(["0".to_owned(), plain(self.last_price), self.client_id.to_string()]);
        fields.extend(texts(["", "0"]));
        fields
    }

    fn status_message(&self) -> Out {
        Out::default()
            .int(1, self.order_id.into())
            .text(2, &self.status)
            .text(3, &plain(self.filled))
            .text(4, &plain(self.remaining))
            .double(5, &plain(self.avg_price))
            .int(6, self.perm_id)
            .double(8, &plain(self.last_price))
            .int(9, self.client_id.into())
    }
}

impl ExecutionRow {
    fn side(&self) -> &'static str {
        if self.is_buy { "BOT" } else { "SLD" }
    }

    fn fields(&self) -> Vec<String> {
        let mut fields = vec!["11".to_owned(), self.request_id.to_string(), self.order_id.to_string()];
        fields.extend(self.listing.fields());
        fields.extend(texts([&self.exec_id, &self.time, &self.account, self.listing.exchange, self.side()]));
        fields.extend([
            plain(self.shares),
            plain(self.price),
            self.perm_id.to_string(),
            self.client_id.to_string(),
        ]);
        fields.extend(["0".to_owned(), plain(self.cum_qty), plain(self.avg_price), self.order_ref.clone()]);
        fields.extend(texts(["", "", "", "2", "0"]));
        fields
    }

    fn message(&self) -> Out {
        let execution = Out::default()
            .int(1, self.order_id.into())
            .text(2, &self.exec_id)
            .text(3, &self.time)
            .text(4, &self.account)
            .text(5, self.listing.exchange)
            .text(6, self.side())
            .text(7, &plain(self.shares))
            .double(8, &plain(self.price))
            .int(9, self.perm_id)
            .int(10, self.client_id.into())
            .text(12, &plain(self.cum_qty))
            .double(13, &plain(self.avg_price))
            .text(14, &self.order_ref);
        Out::default()
            .int(1, self.request_id.into())
            .message(2, &self.listing.message())
            .message(3, &execution)
    }
}

impl Answer {
    /// The text form.
    pub(super) fn fields(&self) -> Vec<String> {
        let number = |number: i32| number.to_string();
        match self {
            Self::NextValidId(id) => texts(["9", "1", &number(*id)]),
            Self::ManagedAccounts(list) => texts(["15", "1", list]),
            Self::Error { id, code, text } => texts(["4", "2", &number(*id), &number(*code), text, ""]),
            Self::OpenOrder(order) => order.open_fields(),
            Self::OrderStatus(order) => order.status_fields(),
            Self::OpenOrderEnd => texts(["53", "1"]),
            Self::CompletedOrder(order) => order.completed_fields(),
            Self::CompletedOrdersEnd => texts(["102"]),
            Self::Execution(execution) => execution.fields(),
            Self::ExecutionsEnd(id) => texts(["55", "1", &number(*id)]),
            Self::Commission { exec_id, commission } => {
                texts(["59", "1", exec_id, &plain(*commission), "USD", "", "", ""])
            }
            Self::Position { account, listing, qty, avg_cost } => {
                let mut fields = texts(["61", "3", account]);
                fields.extend(listing.fields());
                fields.extend([plain(*qty), plain(*avg_cost)]);
                fields
            }
            Self::PositionEnd => texts(["62", "1"]),
            Self::Summary { id, account, tag, value } => {
                texts(["63", "1", &number(*id), account, tag, value, "USD"])
            }
            Self::SummaryEnd(id) => texts(["64", "1", &number(*id)]),
            Self::Contract { id, listing } => contract_fields(*id, listing),
            Self::ContractsEnd(id) => texts(["52", "1", &number(*id)]),
            Self::Symbols { id, listings } => {
                let mut fields = vec!["79".to_owned(), id.to_string(), listings.len().to_string()];
                for listing in listings {
                    fields.push(listing.con_id.to_string());
                    fields.extend(texts([&listing.symbol, listing.sec_type, listing.primary, "USD", "0"]));
                    fields.extend(texts([listing.name, ""]));
                }
                fields
            }
            Self::AccountEnd(account) => texts(["54", "1", account]),
            Self::AccountMultiEnd(id) => texts(["74", "1", &number(*id)]),
            Self::Time(seconds) => texts(["49", "1", &seconds.to_string()]),
        }
    }

    /// The protobuf form: the message's number, and its body.
    pub(super) fn message(&self) -> (i32, Out) {
        let new = Out::default;
        match self {
            Self::NextValidId(id) => (9, new().int(1, (*id).into())),
            Self::ManagedAccounts(list) => (15, new().text(1, list)),
            Self::Error { id, code, text } => {
                (4, new().int(1, (*id).into()).int(3, (*code).into()).text(4, text))
            }
            Self::OpenOrder(order) => {
                let whole = new().int(1, order.order_id.into()).message(2, &order.listing.message());
                (5, whole.message(3, &order.message()).message(4, &order.state()))
            }
            Self::OrderStatus(order) => (3, order.status_message()),
            Self::OpenOrderEnd => (53, new()),
            Self::CompletedOrder(order) => {
                let whole = new().message(1, &order.listing.message());
                (101, whole.message(2, &order.message()).message(3, &order.state()))
            }
            Self::CompletedOrdersEnd => (102, new()),
            Self::Execution(execution) => (11, execution.message()),
            Self::ExecutionsEnd(id) => (55, new().int(1, (*id).into())),
            Self::Commission { exec_id, commission } => {
                (59, new().text(1, exec_id).double(2, &plain(*commission)).text(3, "USD"))
            }
            Self::Position { account, listing, qty, avg_cost } => {
                let whole = new().text(1, account).message(2, &listing.message());
                (61, whole.text(3, &plain(*qty)).double(4, &plain(*avg_cost)))
            }
            Self::PositionEnd => (62, new()),
            Self::Summary { id, account, tag, value } => {
                let whole = new().int(1, (*id).into()).text(2, account);
                (63, whole.text(3, tag).text(4, value).text(5, "USD"))
            }
            Self::SummaryEnd(id) => (64, new().int(1, (*id).into())),
            Self::Contract { id, listing } => {
                let whole = new().int(1, (*id).into()).message(2, &listing.message());
                (10, whole.message(3, &details(listing)))
            }
            Self::ContractsEnd(id) => (52, new().int(1, (*id).into())),
            Self::Symbols { id, listings } => {
                let whole = new().int(1, (*id).into());
                let add =
                    |whole: Out, listing: &Listing| whole.message(2, &new().message(1, &listing.message()));
                (79, listings.iter().fold(whole, add))
            }
            Self::AccountEnd(account) => (54, new().text(1, account)),
            Self::AccountMultiEnd(id) => (74, new().int(1, (*id).into())),
            Self::Time(seconds) => (49, new().int(1, *seconds)),
        }
    }
}

fn details(listing: &Listing) -> Out {
    Out::default()
        .text(1, listing.name)
        .text(2, &plain(listing.min_tick))
        .text(3, "LMT,MKT,STP,STPLMT")
        .text(4, listing.exchange)
        .int(5, listing.magnifier.into())
        .text(7, listing.name)
        .text(8, listing.month())
        .text(24, &plain(listing.size_increment))
        .text(25, &plain(listing.size_increment))
}

fn contract_fields(id: i32, listing: &Listing) -> Vec<String> {
    let mut fields = vec!["10".to_owned(), id.to_string()];
    fields.extend(texts([
        &listing.symbol,
        listing.sec_type,
        &listing.last_day,
        "0",
        "",
        listing.exchange,
        "USD",
    ]));
    fields.extend(texts([&listing.local_symbol, listing.name, &listing.trading_class]));
    fields.extend([listing.con_id.to_string(), plain(listing.min_tick), listing.multiplier.to_owned()]);
    fields.extend(texts(["LMT,MKT,STP,STPLMT", listing.exchange]));
    fields.extend([listing.magnifier.to_string(), "0".to_owned(), listing.name.to_owned()]);
    fields.extend(texts([listing.primary, listing.month(), "", "", "", "UTC", "", "", "", "", "0"]));
    fields.extend(unset(6));
    fields.extend([
        plain(listing.size_increment),
        plain(listing.size_increment),
        plain(listing.size_increment),
    ]);
    fields
}
