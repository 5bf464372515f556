//! What becomes of an order that is posted.

use atomik_domain::{OrderType, Side, TimeInForce};
use axum::response::Response;
use rust_decimal::Decimal;

use super::super::exchange::{NewOrder, Refused, VenueOrder};
use super::super::faults::{Fault, StreamFault};
use super::super::server::{hang_up, never};
use super::auth::{Given, Refusal};
use super::rest::{answer, plain, refuse, told};
use super::{FakeMarket, LOT, MIN_NOTIONAL, SYMBOL, State, TICK, json, locked};

/// What may befall an order on its way in.
const ON_THE_WAY: [Fault; 9] = [
    Fault::TimeoutThenFilled,
    Fault::TimeoutThenAbsent,
    Fault::DroppedBefore,
    Fault::DroppedAfter,
    Fault::ServerErrorAfter,
    Fault::UnreadableSuccess,
    Fault::RateLimited,
    Fault::TokenExpired,
    Fault::Maintenance,
];

impl State {
    /// `POST` of an order, or of a conditional one.
    pub(super) async fn post(&self, given: Result<Given, Refusal>, conditional: bool) -> Response {
        let given = match given {
            Ok(given) => given,
            Err(refusal) => return refuse(refusal),
        };
        let fault = self.script.next_of(&ON_THE_WAY);
        match fault {
            Some(Fault::TimeoutThenAbsent) => return never().await,
            Some(Fault::DroppedBefore) => return hang_up(),
            Some(Fault::RateLimited) => return told(429, -1003, "Too many requests.", Some("2")),
            Some(Fault::TokenExpired) => {
                return refuse((400, -1021, "Timestamp for this request is outside of the recvWindow."));
            }
            Some(Fault::Maintenance) => return told(503, 0, "Service Unavailable.", None),
            _ => {}
        }
        let taken = self.take(&given, conditional).await;
        match fault {
            Some(Fault::TimeoutThenFilled) => never().await,
            Some(Fault::DroppedAfter) => hang_up(),
            Some(Fault::ServerErrorAfter) => {
                told(504, -1007, "Timeout waiting for response from backend server.", None)
            }
            Some(Fault::UnreadableSuccess) => plain(200, "<html>gateway</html>"),
            _ => taken,
        }
    }

    async fn take(&self, given: &Given, conditional: bool) -> Response {
        let unknown = self.script.next_of(&[Fault::UnknownStatus]).is_some();
        let asked = match self.read(given, conditional) {
            Ok(asked) => asked,
            Err(refusal) => return refuse(refusal),
        };
        if conditional {
            return match self.take_algo(asked) {
                Ok(algo) => answer(&json::algo(&algo)),
                Err(refusal) => refuse(refusal),
            };
        }
        let before = self.told.load(std::sync::atomic::Ordering::SeqCst);
        match self.exchange.place(asked) {
            Ok(order) => {
                if unknown {
                    locked(&self.unknown).push(order.id);
                }
                self.tell_early(before, &order).await;
                answer(&self.placed(&order, given.get("newOrderRespType") == Some("FULL")))
            }
            Err(refused) => refuse(self.refusal(&refused)),
        }
    }

    /// Where events are to come before the answer, the answer waits for them.
    async fn tell_early(&self, before: u64, order: &VenueOrder) {
        use std::sync::atomic::Ordering::SeqCst;
        let events = 1 + u64::try_from(order.executions.len()).expect("few");
        if !self.is_disturbed(StreamFault::Early) || self.listening.load(SeqCst) == 0 {
            return;
        }
        let all_told = async {
            while self.told.load(SeqCst) < before + events {
                tokio::time::sleep(std::time::Duration::from_millis(1)).await;
            }
        };
        let deadline = std::time::Duration::from_secs(5);
        tokio::time::timeout(deadline, all_told).await.expect("the events are told");
    }

    fn refusal(&self, refused: &Refused) -> Refusal {
        match (refused, self.setup.market) {
            (Refused::Duplicate(_), FakeMarket::Spot) => (400, -2010, "Duplicate order sent."),
            (Refused::Duplicate(_), FakeMarket::Usdm) => (400, -4116, "ClientOrderId is duplicated."),
            (Refused::UnknownSymbol, _) => (400, -1121, "Invalid symbol."),
            (Refused::Quantity, FakeMarket::Spot) => (400, -1013, "Filter failure: LOT_SIZE"),
            (Refused::Quantity, FakeMarket::Usdm) => {
                (400, -1111, "Precision is over the maximum defined for this asset.")
            }
            (Refused::NothingToReduce, _) => (400, -2022, "ReduceOnly Order is rejected."),
        }
    }

    fn read(&self, given: &Given, conditional: bool) -> Result<NewOrder, Refusal> {
        const MISSING: Refusal =
            (400, -1102, "A mandatory parameter was not sent, was empty/null, or malformed.");
        let text = |name: &str| given.get(name).ok_or(MISSING);
        let number = |name: &str| -> Result<Option<Decimal>, Refusal> {
            given.get(name).map(|text| text.parse().map_err(|_| MISSING)).transpose()
        };
        if !self.setup.may_trade {
            return Err((401, -2015, "Invalid API-key, IP, or permissions for action."));
        }
        let (stop_name, id_name) =
            if conditional { ("triggerPrice", "clientAlgoId") } else { ("stopPrice", "newClientOrderId") };
        if conditional && text("algoType")? != "CONDITIONAL" {
            return Err(MISSING);
        }
        let kind = text("type")?;
        let order_type = match (self.setup.market, kind) {
            (_, "MARKET") if !conditional => OrderType::Market,
            (_, "LIMIT") if !conditional => OrderType::Limit,
            (FakeMarket::Spot, "STOP_LOSS") => OrderType::Stop,
            (FakeMarket::Spot, "STOP_LOSS_LIMIT") => OrderType::StopLimit,
            (FakeMarket::Usdm, "STOP_MARKET") if conditional => OrderType::Stop,
            (FakeMarket::Usdm, "STOP") if conditional => OrderType::StopLimit,
            (FakeMarket::Usdm, "STOP" | "STOP_MARKET") => {
                return Err((
                    400,
                    -4120,
                    "Order type not supported for this endpoint. Please use the Algo Order API.",
                ));
            }
            _ => return Err((400, -1116, "Invalid orderType.")),
        };
        let rests = matches!(order_type, OrderType::Limit | OrderType::StopLimit);
        let stops = matches!(order_type, OrderType::Stop | OrderType::StopLimit);
        let time_in_force = match given.get("timeInForce") {
            Some(_) if !rests && self.setup.market == FakeMarket::Spot => {
                return Err((400, -1106, "Parameter 'timeInForce' sent when not required."));
            }
            None if rests => return Err(MISSING),
            Some("IOC") => TimeInForce::Ioc,
            Some("FOK") => TimeInForce::Fok,
            Some("GTC") | None => TimeInForce::Gtc,
            Some(_) => return Err((400, -1115, "Invalid timeInForce.")),
        };
        let asked = NewOrder {
            client_order_id: given.get(id_name).unwrap_or_default().to_owned(),
            symbol: text("symbol")?.to_owned(),
            side: match text("side")? {
                "BUY" => Side::Buy,
                "SELL" => Side::Sell,
                _ => return Err((400, -1117, "Invalid side.")),
            },
            order_type,
            time_in_force,
            qty: number("quantity")?.ok_or(MISSING)?,
            limit_price: if rests { Some(number("price")?.ok_or(MISSING)?) } else { None },
            stop_price: if stops { Some(number(stop_name)?.ok_or(MISSING)?) } else { None },
            reduce_only: match (given.get("reduceOnly"), self.setup.market) {
                (Some(_), FakeMarket::Spot) => {
                    return Err((400, -1104, "Not all sent parameters were read."));
                }
                (given, _) => given == Some("true"),
            },
        };
        self.check_filters(&asked)?;
        Ok(asked)
    }

    /// The symbol's filters and, on spot, what the account owns.
    fn check_filters(&self, asked: &NewOrder) -> Result<(), Refusal> {
        if asked.symbol != SYMBOL {
            return Err((400, -1121, "Invalid symbol."));
        }
        let spot = self.setup.market == FakeMarket::Spot;
        if asked.qty <= Decimal::ZERO || !(asked.qty % LOT).is_zero() {
            return Err(self.refusal(&Refused::Quantity));
        }
        let prices = [asked.limit_price, asked.stop_price];
        if prices.into_iter().flatten().any(|price| price <= Decimal::ZERO || !(price % TICK).is_zero()) {
            return Err(if spot {
                (400, -1013, "Filter failure: PRICE_FILTER")
            } else {
                (400, -4014, "Price not increased by tick size.")
            });
        }
        let price = asked.limit_price.unwrap_or_else(|| self.price());
        if price * asked.qty < MIN_NOTIONAL && !asked.reduce_only {
            return Err(if spot {
                (400, -1013, "Filter failure: NOTIONAL")
            } else {
                (400, -4164, "Order's notional must be no smaller than 5 (unless you choose reduce only).")
            });
        }
        let [(_, coins, _), (_, money, _)] = self.owned();
        let enough = match asked.side {
            Side::Buy => money >= price * asked.qty,
            Side::Sell => coins >= asked.qty,
        };
        if spot && !enough {
            return Err((400, -2010, "Account has insufficient balance for requested action."));
        }
        Ok(())
    }
}
