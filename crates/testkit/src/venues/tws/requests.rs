//! What clients ask, in either form.

use super::protobuf::In;

/// A contract as a client describes it.
#[derive(Clone, Debug, Default)]
pub(super) struct ContractFields {
    pub con_id: i32,
    pub symbol: String,
    pub sec_type: String,
    pub last_day: String,
    pub exchange: String,
    pub currency: String,
    pub local_symbol: String,
    pub trading_class: String,
}

/// An order as a client describes it. Numbers are as they were written.
#[derive(Clone, Debug, Default)]
pub(super) struct OrderFields {
    pub action: String,
    pub qty: String,
    pub order_type: String,
    pub limit: String,
    pub stop: String,
    pub tif: String,
    pub account: String,
    pub order_ref: String,
    pub outside_rth: bool,
}

/// A request.
#[derive(Clone, Debug)]
pub(super) enum Request {
    StartApi {
        client_id: i32,
    },
    PlaceOrder {
        order_id: i32,
        contract: ContractFields,
        order: OrderFields,
    },
    CancelOrder {
        order_id: i32,
    },
    /// Of this client only, or of all.
    OpenOrders {
        all: bool,
    },
    CompletedOrders,
    Executions {
        id: i32,
        client_id: i32,
        account: String,
    },
    ContractData {
        id: i32,
        contract: ContractFields,
    },
    MatchingSymbols {
        id: i32,
        pattern: String,
    },
    Positions,
    AccountSummary {
        id: i32,
        tags: String,
    },
    AccountUpdates {
        account: String,
        is_on: bool,
    },
    AccountUpdatesMulti {
        id: i32,
    },
    NextId,
    ManagedAccounts,
    Time,
    /// A cancel of something, or what nobody here answers.
    Other(i32),
}

impl Request {
    /// Reads the text form.
    pub(super) fn of_text(payload: &[u8]) -> Option<Self> {
        let text = String::from_utf8_lossy(payload);
        let fields: Vec<&str> = text.split('\0').collect();
        let field = |place: usize| fields.get(place).copied().unwrap_or_default();
        let int = |place: usize| field(place).parse::<i32>().unwrap_or_default();
        let own = |place: usize| field(place).to_owned();
        let contract = |from: usize| ContractFields {
            con_id: int(from),
            symbol: own(from + 1),
            sec_type: own(from + 2),
            last_day: own(from + 3),
            exchange: own(from + 7),
            currency: own(from + 9),
            local_symbol: own(from + 10),
            trading_class: own(from + 11),
        };
        Some(match field(0).parse::<i32>().ok()? {
            3 => Self::PlaceOrder {
                order_id: int(1),
                contract: contract(2),
                order: OrderFields {
                    action: own(16),
                    qty: own(17),
                    order_type: own(18),
                    limit: own(19),
                    stop: own(20),
                    tif: own(21),
                    account: own(23),
                    order_ref: own(26),
                    outside_rth: field(33) == "1",
                },
            },
            4 => Self::CancelOrder { order_id: int(2) },
            5 => Self::OpenOrders { all: false },
            6 => Self::AccountUpdates { is_on: field(2) == "1", account: own(3) },
            7 => Self::Executions { id: int(2), client_id: int(3), account: own(4) },
            8 => Self::NextId,
            9 => Self::ContractData { id: int(2), contract: contract(3) },
            16 => Self::OpenOrders { all: true },
            17 => Self::ManagedAccounts,
            49 => Self::Time,
            61 => Self::Positions,
            62 => Self::AccountSummary { id: int(2), tags: own(4) },
            71 => Self::StartApi { client_id: int(2) },
            76 => Self::AccountUpdatesMulti { id: int(2) },
            81 => Self::MatchingSymbols { id: int(1), pattern: own(2) },
            99 => Self::CompletedOrders,
            other => Self::Other(other),
        })
    }

    /// Reads the protobuf form: the message's number with 200 taken off, and its body.
    pub(super) fn of_protobuf(number: i32, body: &[u8]) -> Option<Self> {
        let read = In::read(body)?;
        let contract = || {
            let told = read.message(2);
            ContractFields {
                con_id: told.int(1),
                symbol: told.text(2),
                sec_type: told.text(3),
                last_day: told.text(4),
                exchange: told.text(8),
                currency: told.text(10),
                local_symbol: told.text(11),
                trading_class: told.text(12),
            }
        };
        Some(match number {
            3 => {
                let order = read.message(3);
                Self::PlaceOrder {
                    order_id: read.int(1),
                    contract: contract(),
                    order: OrderFields {
                        action: order.text(5),
                        qty: order.text(6),
                        order_type: order.text(8),
                        limit: order.double(9),
                        stop: order.double(10),
                        tif: order.text(11),
                        account: order.text(12),
                        order_ref: order.text(28),
                        outside_rth: order.int(19) == 1,
                    },
                }
            }
            4 => Self::CancelOrder { order_id: read.int(1) },
            5 => Self::OpenOrders { all: false },
            6 => Self::AccountUpdates { is_on: read.int(1) == 1, account: read.text(2) },
            7 => {
                let filter = read.message(2);
                Self::Executions { id: read.int(1), client_id: filter.int(1), account: filter.text(2) }
            }
            8 => Self::NextId,
            9 => Self::ContractData { id: read.int(1), contract: contract() },
            16 => Self::OpenOrders { all: true },
            17 => Self::ManagedAccounts,
            49 => Self::Time,
            61 => Self::Positions,
            62 => Self::AccountSummary { id: read.int(1), tags: read.text(3) },
            71 => Self::StartApi { client_id: read.int(1) },
            76 => Self::AccountUpdatesMulti { id: read.int(1) },
            81 => Self::MatchingSymbols { id: read.int(1), pattern: read.text(2) },
            99 => Self::CompletedOrders,
            other => Self::Other(other),
        })
    }

    /// Its name, for what was asked.
    pub(super) const fn name(&self) -> &'static str {
        match self {
            Self::StartApi { .. } => "start",
            Self::PlaceOrder { .. } => "place",
            Self::CancelOrder { .. } => "cancel",
            Self::OpenOrders { all: true } => "all open orders",
            Self::OpenOrders { all: false } => "open orders",
            Self::CompletedOrders => "completed orders",
            Self::Executions { .. } => "executions",
            Self::ContractData { .. } => "contracts",
            Self::MatchingSymbols { .. } => "symbols",
            Self::Positions => "positions",
            Self::AccountSummary { .. } => "summary",
            Self::AccountUpdates { .. } | Self::AccountUpdatesMulti { .. } => "account",
            Self::NextId => "next id",
            Self::ManagedAccounts => "accounts",
            Self::Time => "time",
            Self::Other(64) => "cancel positions",
            Self::Other(_) => "other",
        }
    }
}
