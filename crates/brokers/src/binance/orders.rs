//! An order as the venue's parameters.

use atomik_domain::{OrderRequest, OrderType, Side, TimeInForce};

use super::settings::Market;
use super::signing::Params;

/// Where an order goes, and as what.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Placement {
    /// The path it is posted to.
    pub path: &'static str,
    /// Its parameters, without timestamp and signature.
    pub params: Params,
    /// Whether the venue keeps it as a conditional order.
    pub conditional: bool,
}

/// The paths of a market's orders.
#[must_use]
pub const fn order_path(market: Market) -> &'static str {
    match market {
        Market::Spot => "/api/v3/order",
        Market::Usdm => "/fapi/v1/order",
    }
}

/// Where conditional futures orders live.
pub const ALGO_PATH: &str = "/fapi/v1/algoOrder";

/// Writes an order under a client order id.
///
/// # Errors
/// What Binance has no order for.
pub fn write(market: Market, request: &OrderRequest, id: &str) -> Result<Placement, String> {
    let side = match request.side {
        Side::Buy => "BUY",
        Side::Sell => "SELL",
    };
    let conditional =
        market == Market::Usdm && matches!(request.order_type, OrderType::Stop | OrderType::StopLimit);
    let kind = match (market, request.order_type) {
        (_, OrderType::Market) => "MARKET",
        (_, OrderType::Limit) => "LIMIT",
        (Market::Spot, OrderType::Stop) => "STOP_LOSS",
        (Market::Spot, OrderType::StopLimit) => "STOP_LOSS_LIMIT",
        (Market::Usdm, OrderType::Stop) => "STOP_MARKET",
        (Market::Usdm, OrderType::StopLimit) => "STOP",
    };
    let time_in_force = time_in_force(request)?;
    let id_name = if conditional { "clientAlgoId" } else { "newClientOrderId" };
    // The full answer of spot carries the executions; futures have none that does.
    let response = if market == Market::Spot { "FULL" } else { "RESULT" };
    let limit = price_of(request, OrderType::Limit, request.limit_price, "a limit")?;
    let stop = price_of(request, OrderType::Stop, request.stop_price, "a stop")?;
    let (stop_price, trigger_price) = if conditional { (None, stop) } else { (stop, None) };
    let reduce_only = (market == Market::Usdm && request.reduce_only).then_some("true");
    let params = Params::default()
        .with("symbol", &request.symbol)
        .with("side", side)
        .with(id_name, id)
        .with("newOrderRespType", response)
        .with("type", kind)
        .with("quantity", request.order_qty)
        .with_some("price", limit)
        .with_some("stopPrice", stop_price)
        .with_some("triggerPrice", trigger_price)
        .with_some("timeInForce", time_in_force)
        .with_some("reduceOnly", reduce_only)
        .with_some("algoType", conditional.then_some("CONDITIONAL"));
    let path = if conditional { ALGO_PATH } else { order_path(market) };
    Ok(Placement { path, params, conditional })
}

/// The price that an order type needs, where it needs it.
fn price_of(
    request: &OrderRequest,
    needs: OrderType,
    price: Option<atomik_domain::Price>,
    what: &str,
) -> Result<Option<atomik_domain::Price>, String> {
    if request.order_type != needs && request.order_type != OrderType::StopLimit {
        return Ok(None);
    }
    price.map(Some).ok_or_else(|| format!("a {} order needs {what} price", request.order_type))
}

/// Orders without a limit never rest, so how long they live is not said.
fn time_in_force(request: &OrderRequest) -> Result<Option<&'static str>, String> {
    let rests = matches!(request.order_type, OrderType::Limit | OrderType::StopLimit);
    match (request.time_in_force, rests) {
        (TimeInForce::Gtc, true) => Ok(Some("GTC")),
        (TimeInForce::Ioc, true) => Ok(Some("IOC")),
        (TimeInForce::Fok, true) => Ok(Some("FOK")),
        (TimeInForce::Day, true) => {
            Err("Binance trades around the clock and has no orders for a day; use gtc, ioc or fok".to_owned())
        }
        (TimeInForce::Fok, false) => Err("Binance has no market orders that fill all or nothing".to_owned()),
        (TimeInForce::Day | TimeInForce::Gtc | TimeInForce::Ioc, false) => Ok(None),
    }
}
