//! What the documents say things look like.

use atomik_domain::{OrderStatus, OrderType, Side, TimeInForce};
use rust_decimal::Decimal;
use serde_json::{Value, json};

use super::super::exchange::{NewOrder, VenueEvent, VenueExecution, VenueOrder};
use super::algo::Algo;
use super::{COIN, FakeMarket, LOT, MIN_NOTIONAL, SYMBOL, State, TICK, now_ms};

pub(super) fn status_word(status: OrderStatus) -> &'static str {
    match status {
        OrderStatus::PartiallyFilled => "PARTIALLY_FILLED",
        OrderStatus::Filled => "FILLED",
        OrderStatus::Canceled => "CANCELED",
        OrderStatus::Rejected => "REJECTED",
        OrderStatus::Expired => "EXPIRED",
        _ => "NEW",
    }
}

/// A money field: eight places, as the venue writes it.
pub(super) fn eight(value: Decimal) -> String {
    format!("{value:.8}")
}

fn side(side: Side) -> &'static str {
    if side == Side::Buy { "BUY" } else { "SELL" }
}

fn time_in_force(asked: &NewOrder) -> &'static str {
    match asked.time_in_force {
        TimeInForce::Ioc => "IOC",
        TimeInForce::Fok => "FOK",
        _ => "GTC",
    }
}

fn kind(market: FakeMarket, asked: &NewOrder) -> &'static str {
    match (market, asked.order_type) {
        (_, OrderType::Market) => "MARKET",
        (_, OrderType::Limit) => "LIMIT",
        (FakeMarket::Spot, OrderType::Stop) => "STOP_LOSS",
        (FakeMarket::Spot, OrderType::StopLimit) => "STOP_LOSS_LIMIT",
        (FakeMarket::Usdm, OrderType::Stop) => "STOP_MARKET",
        (FakeMarket::Usdm, OrderType::StopLimit) => "STOP",
    }
}

fn cost(order: &VenueOrder) -> Decimal {
    order.executions.iter().map(|one| one.qty * one.price).sum()
}

impl State {
    /// An order as it is looked up.
    pub(super) fn order(&self, order: &VenueOrder) -> Value {
        let asked = &order.asked;
        let common = json!({
            "symbol": asked.symbol, "orderId": order.id, "clientOrderId": asked.client_order_id,
            "price": eight(asked.limit_price.unwrap_or_default()), "origQty": eight(asked.qty),
            "executedQty": eight(order.filled()), "status": self.status_word(order),
            "timeInForce": time_in_force(asked), "type": kind(self.setup.market, asked), "side": side(asked.side),
            "stopPrice": eight(asked.stop_price.unwrap_or_default()), "time": order.created_ms,
            "updateTime": order.updated_ms, "selfTradePreventionMode": "NONE",
        });
        let own = match self.setup.market {
            FakeMarket::Spot => json!({
                "orderListId": -1, "cummulativeQuoteQty": eight(cost(order)), "icebergQty": "0.00000000",
                "isWorking": true, "workingTime": order.created_ms, "origQuoteOrderQty": "0.00000000",
            }),
            FakeMarket::Usdm => json!({
                "avgPrice": eight(order.avg_price().unwrap_or_default()), "cumQuote": eight(cost(order)),
                "reduceOnly": asked.reduce_only, "closePosition": false, "positionSide": "BOTH",
                "workingType": "CONTRACT_PRICE", "priceProtect": false, "origType": kind(self.setup.market, asked),
                "priceMatch": "NONE", "goodTillDate": 0,
            }),
        };
        joined(common, own)
    }

    /// An order as it is answered when it was just placed.
    pub(super) fn placed(&self, order: &VenueOrder, wants_fills: bool) -> Value {
        let mut answer = self.order(order);
        let object = answer.as_object_mut().expect("an object");
        for name in ["time", "icebergQty", "isWorking"] {
            object.remove(name);
        }
        if self.setup.market == FakeMarket::Usdm {
            object.insert("cumQty".to_owned(), json!(eight(order.filled())));
            return answer;
        }
        for name in ["stopPrice", "updateTime"] {
            object.remove(name);
        }
        object.insert("transactTime".to_owned(), json!(order.updated_ms));
        if wants_fills {
            let fills = order.executions.iter().map(|one| self.fill(order, one));
            object.insert("fills".to_owned(), Value::Array(fills.collect()));
        }
        answer
    }

    fn fill(&self, order: &VenueOrder, one: &VenueExecution) -> Value {
        let (paid, asset) = self.commission_of(order.asked.side, one.qty, one.price, one.commission);
        json!({
            "price": eight(one.price), "qty": eight(one.qty), "commission": eight(paid), "commissionAsset": asset,
            "tradeId": one.id,
        })
    }

    /// The answer to a cancel, which on spot has a name of its own.
    pub(super) fn canceled(&self, order: &VenueOrder) -> Value {
        if self.setup.market == FakeMarket::Usdm {
            return self.placed(order, false);
        }
        let mut answer = self.placed(order, false);
        answer["origClientOrderId"] = json!(order.asked.client_order_id);
        answer["clientOrderId"] = json!(format!("cancel-{}", order.id));
        answer.as_object_mut().expect("an object").remove("workingTime");
        answer
    }

    /// An execution in a list.
    pub(super) fn trade(&self, order: &VenueOrder, one: &VenueExecution) -> Value {
        let (paid, asset) = self.commission_of(order.asked.side, one.qty, one.price, one.commission);
        let buys = order.asked.side == Side::Buy;
        let common = json!({
            "symbol": order.asked.symbol, "id": one.id, "orderId": order.id, "price": eight(one.price),
            "qty": eight(one.qty), "quoteQty": eight(one.qty * one.price), "commission": eight(paid),
            "commissionAsset": asset, "time": one.at_ms,
        });
        let own = match self.setup.market {
            FakeMarket::Spot => {
                json!({"orderListId": -1, "isBuyer": buys, "isMaker": false, "isBestMatch": true})
            }
            FakeMarket::Usdm => json!({
                "buyer": buys, "maker": false, "side": side(order.asked.side), "positionSide": "BOTH",
                "realizedPnl": "0.00000000",
            }),
        };
        joined(common, own)
    }

    /// An event of an order.
    pub(super) fn event(&self, event: &VenueEvent) -> Value {
        let (order, asked) = (&event.order, &event.order.asked);
        let (qty, price, id) = match &event.execution {
            Some(one) => (one.qty, one.price, i64::try_from(one.id).expect("small")),
            None => (Decimal::ZERO, Decimal::ZERO, 0),
        };
        let paid = event.execution.as_ref();
        let paid = paid.map(|one| self.commission_of(asked.side, one.qty, one.price, one.commission));
        let word = self.status_word(order);
        let happened = match (&event.execution, order.status) {
            (Some(_), _) => "TRADE".to_owned(),
            (None, OrderStatus::Working) => "NEW".to_owned(),
            (None, status) => status_word(status).to_owned(),
        };
        let common = json!({
            "E": order.updated_ms, "s": asked.symbol, "S": side(asked.side), "o": kind(self.setup.market, asked),
            "f": time_in_force(asked), "q": eight(asked.qty), "p": eight(asked.limit_price.unwrap_or_default()),
            "x": happened, "X": word, "i": order.id, "l": eight(qty), "L": eight(price), "z": eight(order.filled()),
            "T": order.updated_ms, "n": eight(paid.map_or(Decimal::ZERO, |(paid, _)| paid)),
            "N": paid.map(|(_, asset)| asset), "m": false,
        });
        if self.setup.market == FakeMarket::Usdm {
            return futures_event(order, id, common);
        }
        let canceled = order.status == OrderStatus::Canceled;
        let (named, original) = if canceled {
            (format!("cancel-{}", order.id), asked.client_order_id.clone())
        } else {
            (asked.client_order_id.clone(), String::new())
        };
        let own = json!({
            "e": "executionReport", "c": named, "C": original, "P": eight(asked.stop_price.unwrap_or_default()),
            "F": "0.00000000", "g": -1, "r": "NONE", "t": if id == 0 { -1 } else { id }, "I": 8_641_984 + order.id,
            "w": !order.status.is_final(), "M": false, "O": order.created_ms, "Z": eight(cost(order)),
            "Y": eight(qty * price), "Q": "0.00000000", "W": order.created_ms, "V": "NONE",
        });
        json!({"subscriptionId": 0, "event": joined(common, own)})
    }

    /// The answer to who asks for the symbols.
    pub(super) fn exchange_info(&self) -> Value {
        let lot = |kind: &str| json!({"filterType": kind, "minQty": eight(LOT), "maxQty": "9000.00000000", "stepSize": eight(LOT)});
        let price = json!({"filterType": "PRICE_FILTER", "minPrice": "0.01", "maxPrice": "1000000.00", "tickSize": TICK});
        let least = eight(MIN_NOTIONAL);
        let symbol = match self.setup.market {
            FakeMarket::Spot => json!({
                "symbol": SYMBOL, "status": "TRADING", "baseAsset": COIN, "baseAssetPrecision": 8,
                "quoteAsset": "USDT", "quotePrecision": 8, "quoteAssetPrecision": 8,
                "orderTypes": ["LIMIT", "LIMIT_MAKER", "MARKET", "STOP_LOSS", "STOP_LOSS_LIMIT"],
                "isSpotTradingAllowed": true, "permissions": [], "permissionSets": [["SPOT"]],
                "filters": [price, lot("LOT_SIZE"),
                    {"filterType": "MARKET_LOT_SIZE", "minQty": "0.00000000", "maxQty": "120.00000000",
                     "stepSize": "0.00000000"},
                    {"filterType": "NOTIONAL", "minNotional": least, "applyMinToMarket": true,
                     "maxNotional": "9000000.00000000", "applyMaxToMarket": false, "avgPriceMins": 5}],
            }),
            FakeMarket::Usdm => json!({
                "symbol": SYMBOL, "pair": SYMBOL, "contractType": "PERPETUAL", "status": "TRADING",
                "baseAsset": COIN, "quoteAsset": "USDT", "marginAsset": "USDT", "pricePrecision": 2,
                "quantityPrecision": 3, "timeInForce": ["GTC", "IOC", "FOK", "GTX"],
                "orderTypes": ["LIMIT", "MARKET", "STOP", "STOP_MARKET"],
                "filters": [price, lot("LOT_SIZE"), lot("MARKET_LOT_SIZE"),
                    {"filterType": "MIN_NOTIONAL", "notional": least}],
            }),
        };
        json!({
            "timezone": "UTC", "serverTime": now_ms(), "rateLimits": [], "exchangeFilters": [], "symbols": [symbol],
        })
    }
}

fn futures_event(order: &VenueOrder, trade_id: i64, common: Value) -> Value {
    let asked = &order.asked;
    let own = json!({
        "c": asked.client_order_id, "ap": eight(order.avg_price().unwrap_or_default()), "sp": "0", "t": trade_id,
        "b": "0", "a": "0", "R": asked.reduce_only, "wt": "CONTRACT_PRICE", "ot": kind(FakeMarket::Usdm, asked),
        "ps": "BOTH", "cp": false, "rp": "0", "pP": false, "si": 0, "ss": 0, "V": "NONE", "pm": "NONE", "gtd": 0,
    });
    let mut details = joined(common, own);
    details.as_object_mut().expect("an object").remove("E");
    if details["N"].is_null() {
        // Without a commission the two are left out.
        let object = details.as_object_mut().expect("an object");
        object.remove("N");
        object.remove("n");
    }
    json!({"e": "ORDER_TRADE_UPDATE", "E": order.updated_ms, "T": order.updated_ms, "o": details})
}

/// A conditional order as it is looked up.
pub(super) fn algo(algo: &Algo) -> Value {
    let asked = &algo.asked;
    json!({
        "algoId": algo.id, "clientAlgoId": asked.client_order_id, "algoType": "CONDITIONAL",
        "orderType": kind(FakeMarket::Usdm, asked), "symbol": asked.symbol, "side": side(asked.side),
        "positionSide": "BOTH", "timeInForce": time_in_force(asked), "quantity": asked.qty.to_string(),
        "algoStatus": algo.status, "actualOrderId": algo.order_id.map_or(String::new(), |id| id.to_string()),
        "actualPrice": "0.00000", "triggerPrice": asked.stop_price.unwrap_or_default().to_string(),
        "price": asked.limit_price.unwrap_or_default().to_string(), "icebergQuantity": null,
        "selfTradePreventionMode": "EXPIRE_MAKER", "workingType": "CONTRACT_PRICE", "priceMatch": "NONE",
        "closePosition": false, "priceProtect": false, "reduceOnly": asked.reduce_only,
        "createTime": algo.created_ms, "updateTime": now_ms(), "triggerTime": 0, "goodTillDate": 0,
    })
}

/// A conditional order's event.
pub(super) fn algo_event(algo: &Algo) -> Value {
    let asked = &algo.asked;
    json!({
        "e": "ALGO_UPDATE", "T": now_ms(), "E": now_ms(), "o": {
            "caid": asked.client_order_id, "aid": algo.id, "at": "CONDITIONAL", "o": kind(FakeMarket::Usdm, asked),
            "s": asked.symbol, "S": side(asked.side), "ps": "BOTH", "f": time_in_force(asked),
            "q": asked.qty.to_string(), "X": algo.status,
            "ai": algo.order_id.map_or(String::new(), |id| id.to_string()), "ap": "0.00000", "aq": "0.00000",
            "act": "0", "tp": asked.stop_price.unwrap_or_default().to_string(),
            "p": asked.limit_price.unwrap_or_default().to_string(), "V": "EXPIRE_MAKER", "wt": "CONTRACT_PRICE",
            "pm": "NONE", "cp": false, "pP": false, "R": asked.reduce_only, "tt": 0, "gtd": 0,
            "rm": "Reduce Only reject",
        },
    })
}

fn joined(mut one: Value, other: Value) -> Value {
    let (Some(object), Value::Object(more)) = (one.as_object_mut(), other) else { return one };
    object.extend(more);
    one
}
