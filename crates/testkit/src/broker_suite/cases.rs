//! The cases, one function each. What they check is in their names; why is beside the assertion.

use std::sync::Arc;

use atomik_domain::{
    Amount, ExecutionReport, Instrument, OrderRequest, OrderStatus, OrderType, Price, Qty, Side, SignedQty,
    TimeInForce,
};
use atomik_ports::Broker;
use atomik_ports::broker::{CancelOutcome, LookUp, SubmitOutcome};
use rust_decimal::Decimal;

use super::{
    Ability, DEADLINE, VenueFixture, Verdict, approved, limit_order, market_order, require, settled,
};

async fn accept(broker: &Arc<dyn Broker>, request: &OrderRequest) -> ExecutionReport {
    match broker.submit(approved(request.clone())).await {
        SubmitOutcome::Accepted(report) => report,
        other => panic!("the order was not accepted: {other:?}"),
    }
}

async fn fill(broker: &Arc<dyn Broker>, request: &OrderRequest) -> ExecutionReport {
    accept(broker, request).await;
    settled(broker, request, |report| report.status == OrderStatus::Filled).await
}

async fn instrument(venue: &impl VenueFixture) -> Instrument {
    venue.broker().instrument(&venue.symbol()).await.unwrap()
}

async fn lots(venue: &impl VenueFixture, count: i64) -> Qty {
    Qty(instrument(venue).await.lot_size.0 * Decimal::from(count))
}

/// The fixture's price, `percent` of it, on a tick.
pub(super) async fn scaled(venue: &impl VenueFixture, percent: i64) -> Price {
    let price = Price(venue.price().0 * Decimal::from(percent) / Decimal::ONE_HUNDRED);
    price.round_to_tick(instrument(venue).await.tick_size)
}

/// A market order of the suite's symbol.
pub(super) async fn market(venue: &impl VenueFixture, side: Side, count: i64) -> OrderRequest {
    market_order(venue.symbol(), side, lots(venue, count).await)
}

/// A limit order at a part of the price.
pub(super) async fn limit(venue: &impl VenueFixture, side: Side, count: i64, percent: i64) -> OrderRequest {
    limit_order(venue.symbol(), side, lots(venue, count).await, scaled(venue, percent).await)
}

fn total(report: &ExecutionReport) -> Qty {
    report.executions.iter().fold(Qty::ZERO, |sum, execution| sum + execution.last_qty)
}

async fn net(venue: &impl VenueFixture) -> SignedQty {
    venue.broker().net_position(&venue.symbol()).await.unwrap()
}

/// An order's whole way.
pub async fn a_market_order_is_accepted_and_fills(venue: impl VenueFixture) -> Verdict {
    let broker = venue.broker();
    let request = market(&venue, Side::Buy, 2).await;
    let report = fill(&broker, &request).await;
    assert_eq!(report.client_order_id, request.client_order_id);
    assert!(report.venue_order_id.is_some());
    assert_eq!(report.filled_qty, request.order_qty);
    assert_eq!(total(&report), request.order_qty);
    assert!(report.executions.iter().all(|execution| execution.last_price == venue.price()));
    if require(&venue, Ability::Commissions).is_err() {
        return Ok(());
    }
    let commission = report.executions.iter().fold(Amount::ZERO, |sum, execution| sum + execution.commission);
    assert_eq!(commission.0, venue.commission_per_unit().0 * request.order_qty.0);
    Ok(())
}

/// A refusal is a proof that nothing was taken, and says why.
pub async fn a_quantity_below_the_lot_is_rejected_with_a_reason(venue: impl VenueFixture) -> Verdict {
    let broker = venue.broker();
    let half = Qty(lots(&venue, 1).await.0 / Decimal::TWO);
    let request = market_order(venue.symbol(), Side::Buy, half);
    match broker.submit(approved(request)).await {
        SubmitOutcome::Rejected { reason } => assert!(reason.len() > 10, "no reason: {reason:?}"),
        other => panic!("half a lot was not rejected: {other:?}"),
    }
    assert!(net(&venue).await.is_zero());
    Ok(())
}

/// However often an order is sent, it trades once.
pub async fn a_client_order_id_makes_one_order(venue: impl VenueFixture) -> Verdict {
    let broker = venue.broker();
    let request = market(&venue, Side::Buy, 1).await;
    let first = fill(&broker, &request).await;
    match broker.submit(approved(request.clone())).await {
        SubmitOutcome::Accepted(again) => assert_eq!(again.venue_order_id, first.venue_order_id),
        SubmitOutcome::Rejected { .. } => {}
        other => panic!("the second order was neither answered with the first nor rejected: {other:?}"),
    }
    let sends: Vec<_> = (0..8)
        .map(|_| {
            let (broker, request) = (Arc::clone(&broker), request.clone());
            tokio::spawn(async move { broker.submit(approved(request)).await })
        })
        .collect();
    for send in sends {
        send.await.unwrap();
    }
    assert_eq!(net(&venue).await, Side::Buy.signed(request.order_qty));
    let after = settled(&broker, &request, |_| true).await;
    assert_eq!(after, first, "the order changed by being sent again");
    Ok(())
}

/// What a look-up says is enough to fill the books.
pub async fn a_look_up_finds_an_order_with_its_executions(venue: impl VenueFixture) -> Verdict {
    let broker = venue.broker();
    let first = market(&venue, Side::Buy, 1).await;
    let second = market(&venue, Side::Sell, 1).await;
    let (first, second) = (fill(&broker, &first).await, fill(&broker, &second).await);
    assert_eq!((total(&first), total(&second)), (first.filled_qty, second.filled_qty));
    let ids = |report: &ExecutionReport| -> Vec<_> {
        report.executions.iter().map(|execution| execution.exec_id.clone()).collect()
    };
    assert!(ids(&first).iter().all(|id| !ids(&second).contains(id)), "two orders share an exec id");
    Ok(())
}

/// "Not found" is what makes it safe to send an order again.
pub async fn a_look_up_of_an_order_never_sent_finds_nothing(venue: impl VenueFixture) -> Verdict {
    let request = market(&venue, Side::Buy, 1).await;
    let found = venue.broker().look_up(&request.symbol, request.client_order_id).await;
    assert_eq!(found, LookUp::NotFound);
    Ok(())
}

/// A canceled order is over, and only once.
pub async fn a_working_order_is_canceled(venue: impl VenueFixture) -> Verdict {
    require(&venue, Ability::OrderType(OrderType::Limit))?;
    let broker = venue.broker();
    let request = limit(&venue, Side::Buy, 1, 50).await;
    let report = accept(&broker, &request).await;
    assert_eq!((report.status, report.filled_qty), (OrderStatus::Working, Qty::ZERO));
    let outcome = broker.cancel(&request.symbol, request.client_order_id).await;
    assert!(matches!(outcome, CancelOutcome::Done(_) | CancelOutcome::Requested), "{outcome:?}");
    let ended = settled(&broker, &request, |report| report.status.is_final()).await;
    assert_eq!((ended.status, ended.filled_qty), (OrderStatus::Canceled, Qty::ZERO));
    let again = broker.cancel(&request.symbol, request.client_order_id).await;
    assert_eq!(again, CancelOutcome::NotOpen);
    Ok(())
}

/// A cancel that comes too late says so.
pub async fn a_filled_order_is_not_open_to_a_cancel(venue: impl VenueFixture) -> Verdict {
    let broker = venue.broker();
    let request = market(&venue, Side::Buy, 1).await;
    let filled = fill(&broker, &request).await;
    let outcome = broker.cancel(&request.symbol, request.client_order_id).await;
    assert_eq!(outcome, CancelOutcome::NotOpen);
    assert_eq!(settled(&broker, &request, |_| true).await, filled);
    let never_sent = market(&venue, Side::Buy, 1).await;
    let outcome = broker.cancel(&never_sent.symbol, never_sent.client_order_id).await;
    assert_eq!(outcome, CancelOutcome::NotOpen);
    Ok(())
}

/// What filled before a cancel stays filled.
pub async fn a_partly_filled_order_keeps_its_fill_when_canceled(mut venue: impl VenueFixture) -> Verdict {
    require(&venue, Ability::OrderType(OrderType::Limit))?;
    require(&venue, Ability::PartialFills)?;
    let one = lots(&venue, 1).await;
    let price = venue.price();
    let request = limit(&venue, Side::Buy, 3, 100).await;
    // Venues of our own take the alert's price for a tick; the others do not look at it.
    let request = OrderRequest { reference_price: Some(price), ..request };
    venue.thin_out(one).await;
    let broker = venue.broker();
    accept(&broker, &request).await;
    let partly = settled(&broker, &request, |report| !report.filled_qty.is_zero()).await;
    assert_eq!((partly.status, partly.filled_qty), (OrderStatus::PartiallyFilled, one));
    broker.cancel(&request.symbol, request.client_order_id).await;
    let ended = settled(&broker, &request, |report| report.status.is_final()).await;
    assert_eq!((ended.status, ended.filled_qty, total(&ended)), (OrderStatus::Canceled, one, one));
    assert_eq!(net(&venue).await, Side::Buy.signed(one));
    Ok(())
}

/// The venue's positions are the sum of its trades, with their sign.
pub async fn positions_follow_trades(venue: impl VenueFixture) -> Verdict {
    let broker = venue.broker();
    assert!(broker.positions().await.unwrap().is_empty());
    let steps =
        [(Side::Buy, 2, 2), (Side::Sell, 1, 1), (Side::Sell, 1, 0), (Side::Sell, 2, -2), (Side::Buy, 2, 0)];
    for (side, count, net_lots) in steps {
        if net_lots < 0 {
            require(&venue, Ability::Shorts)?;
        }
        fill(&broker, &market(&venue, side, count).await).await;
        let expected = SignedQty(lots(&venue, net_lots).await.0);
        assert_eq!(net(&venue).await, expected);
        let mut held = broker.positions().await.unwrap();
        held.retain(|position| !position.net_qty.is_zero());
        let held: Vec<_> =
            held.iter().map(|held| (held.symbol.clone(), held.net_qty, held.avg_price)).collect();
        let expected = (!expected.is_zero()).then(|| (venue.symbol(), expected, venue.price()));
        assert_eq!(held, Vec::from_iter(expected));
    }
    Ok(())
}

/// An exit that comes too late, or is too large, opens nothing the other way.
pub async fn a_reduce_only_order_never_flips(venue: impl VenueFixture) -> Verdict {
    require(&venue, Ability::ReduceOnly)?;
    let broker = venue.broker();
    fill(&broker, &market(&venue, Side::Buy, 2).await).await;
    let too_large = OrderRequest { reduce_only: true, ..market(&venue, Side::Sell, 5).await };
    if let SubmitOutcome::Accepted(_) = broker.submit(approved(too_large.clone())).await {
        let ended = settled(&broker, &too_large, |report| report.status.is_final()).await;
        assert!(ended.filled_qty <= lots(&venue, 2).await);
    }
    assert!(!net(&venue).await.is_short());
    let rest = net(&venue).await;
    if !rest.is_zero() {
        fill(&broker, &market_order(venue.symbol(), Side::Sell, rest.abs())).await;
    }
    let too_late = OrderRequest { reduce_only: true, ..market(&venue, Side::Sell, 1).await };
    if let SubmitOutcome::Accepted(_) = broker.submit(approved(too_late.clone())).await {
        let ended = settled(&broker, &too_late, |report| report.status.is_final()).await;
        assert!(ended.filled_qty.is_zero());
    }
    assert!(net(&venue).await.is_zero());
    Ok(())
}

/// An exit says what it is. A venue that cannot hold an order to that takes it all the same: how much may be sold was
/// decided before.
pub async fn an_exit_is_taken_by_every_venue(venue: impl VenueFixture) -> Verdict {
    let broker = venue.broker();
    fill(&broker, &market(&venue, Side::Buy, 2).await).await;
    let exit = OrderRequest { reduce_only: true, ..market(&venue, Side::Sell, 2).await };
    let exited = fill(&broker, &exit).await;
    assert_eq!(exited.filled_qty, exit.order_qty);
    assert!(net(&venue).await.is_zero());
    Ok(())
}

/// The venue's memory is longer than a connection.
pub async fn a_restart_keeps_orders_and_positions(mut venue: impl VenueFixture) -> Verdict {
    let broker = venue.broker();
    let filled = market(&venue, Side::Buy, 2).await;
    let report = fill(&broker, &filled).await;
    let takes_limits = require(&venue, Ability::OrderType(OrderType::Limit)).is_ok();
    let resting = limit(&venue, Side::Buy, 1, 50).await;
    if takes_limits {
        accept(&broker, &resting).await;
    }
    let balance = broker.balance().await.unwrap();
    drop(broker);
    venue.restart().await;
    let broker = venue.broker();
    assert_eq!(settled(&broker, &filled, |_| true).await, report);
    assert_eq!(net(&venue).await, Side::Buy.signed(filled.order_qty));
    let after = broker.balance().await.unwrap();
    assert_eq!((after.cash, after.buying_power), (balance.cash, balance.buying_power));
    if takes_limits {
        assert_eq!(settled(&broker, &resting, |_| true).await.status, OrderStatus::Working);
        broker.cancel(&resting.symbol, resting.client_order_id).await;
        settled(&broker, &resting, |report| report.status == OrderStatus::Canceled).await;
    }
    Ok(())
}

/// Immediate or cancel.
pub async fn an_ioc_order_never_rests(venue: impl VenueFixture) -> Verdict {
    require(&venue, Ability::OrderType(OrderType::Limit))?;
    require(&venue, Ability::TimeInForce(TimeInForce::Ioc))?;
    let broker = venue.broker();
    let away = OrderRequest { time_in_force: TimeInForce::Ioc, ..limit(&venue, Side::Buy, 1, 50).await };
    accept(&broker, &away).await;
    let ended = settled(&broker, &away, |report| report.status.is_final()).await;
    assert!(matches!(ended.status, OrderStatus::Canceled | OrderStatus::Expired), "{ended:?}");
    assert!(ended.filled_qty.is_zero());
    let at_market =
        OrderRequest { time_in_force: TimeInForce::Ioc, ..limit(&venue, Side::Buy, 1, 101).await };
    fill(&broker, &at_market).await;
    Ok(())
}

/// Fill or kill.
pub async fn a_fok_order_fills_all_or_nothing(mut venue: impl VenueFixture) -> Verdict {
    require(&venue, Ability::OrderType(OrderType::Limit))?;
    require(&venue, Ability::TimeInForce(TimeInForce::Fok))?;
    let broker = venue.broker();
    let at_market =
        OrderRequest { time_in_force: TimeInForce::Fok, ..limit(&venue, Side::Buy, 2, 101).await };
    fill(&broker, &at_market).await;
    let away = OrderRequest { time_in_force: TimeInForce::Fok, ..limit(&venue, Side::Buy, 2, 50).await };
    accept(&broker, &away).await;
    let ended = settled(&broker, &away, |report| report.status.is_final()).await;
    assert!(ended.filled_qty.is_zero() && ended.status != OrderStatus::Filled, "{ended:?}");
    require(&venue, Ability::PartialFills)?;
    let price = venue.price();
    let too_large = OrderRequest {
        time_in_force: TimeInForce::Fok,
        reference_price: Some(price),
        ..limit(&venue, Side::Buy, 3, 100).await
    };
    venue.thin_out(lots(&venue, 1).await).await;
    let broker = venue.broker();
    accept(&broker, &too_large).await;
    let ended = settled(&broker, &too_large, |report| report.status.is_final()).await;
    assert!(ended.filled_qty.is_zero(), "a part of a fill-or-kill order filled: {ended:?}");
    Ok(())
}

/// A resting order fills without being asked, and the stream says so.
pub async fn a_limit_order_fills_when_the_price_comes_to_it(mut venue: impl VenueFixture) -> Verdict {
    require(&venue, Ability::OrderType(OrderType::Limit))?;
    require(&venue, Ability::MovingPrices)?;
    let request = limit(&venue, Side::Buy, 1, 90).await;
    let below = scaled(&venue, 89).await;
    accept(&venue.broker(), &request).await;
    venue.move_price(below).await;
    let listen = async {
        loop {
            let report = venue.next_report().await.expect("the connection lives");
            if report.client_order_id == request.client_order_id && report.status == OrderStatus::Filled {
                return report;
            }
        }
    };
    let report = tokio::time::timeout(DEADLINE, listen).await.expect("a report of the fill");
    assert_eq!(report.filled_qty, request.order_qty);
    assert!(report.executions.iter().all(|execution| Some(execution.last_price) <= request.limit_price));
    Ok(())
}

/// A stop order does nothing until its stop trades, and then fills at the market.
pub async fn a_stop_order_waits_for_its_stop(mut venue: impl VenueFixture) -> Verdict {
    require(&venue, Ability::OrderType(OrderType::Stop))?;
    require(&venue, Ability::MovingPrices)?;
    let request = OrderRequest {
        order_type: OrderType::Stop,
        stop_price: Some(scaled(&venue, 110).await),
        ..market(&venue, Side::Buy, 1).await
    };
    let (short_of_it, past_it) = (scaled(&venue, 109).await, scaled(&venue, 111).await);
    accept(&venue.broker(), &request).await;
    venue.move_price(short_of_it).await;
    assert_eq!(settled(&venue.broker(), &request, |_| true).await.status, OrderStatus::Working);
    venue.move_price(past_it).await;
    let filled = settled(&venue.broker(), &request, |report| report.status == OrderStatus::Filled).await;
    assert!(filled.executions.iter().all(|execution| execution.last_price >= past_it));
    Ok(())
}

/// A stop-limit order that the price jumped over rests at its limit.
pub async fn a_stop_limit_order_is_bound_by_its_limit(mut venue: impl VenueFixture) -> Verdict {
    require(&venue, Ability::OrderType(OrderType::StopLimit))?;
    require(&venue, Ability::MovingPrices)?;
    let request = OrderRequest {
        order_type: OrderType::StopLimit,
        stop_price: Some(scaled(&venue, 110).await),
        ..limit(&venue, Side::Buy, 1, 111).await
    };
    let (over_both, back_within) = (scaled(&venue, 115).await, scaled(&venue, 105).await);
    accept(&venue.broker(), &request).await;
    venue.move_price(over_both).await;
    assert_eq!(settled(&venue.broker(), &request, |_| true).await.status, OrderStatus::Working);
    venue.move_price(back_within).await;
    let filled = settled(&venue.broker(), &request, |report| report.status == OrderStatus::Filled).await;
    assert!(filled.executions.iter().all(|execution| Some(execution.last_price) <= request.limit_price));
    Ok(())
}

/// Money is exact: what a round trip earns, less what it costs.
pub async fn the_balance_moves_by_profit_and_commission(mut venue: impl VenueFixture) -> Verdict {
    require(&venue, Ability::MovingPrices)?;
    let instrument = instrument(&venue).await;
    let (bought_at, sold_at) = (venue.price(), scaled(&venue, 110).await);
    let before = venue.broker().balance().await.unwrap();
    let buy = market(&venue, Side::Buy, 2).await;
    fill(&venue.broker(), &buy).await;
    let one_way = Amount(venue.commission_per_unit().0 * buy.order_qty.0);
    let open = venue.broker().balance().await.unwrap();
    assert_eq!(open.cash, before.cash - one_way);
    assert_eq!(open.equity, open.cash, "nothing is won or lost at the price it was bought at");
    venue.move_price(sold_at).await;
    let profit = instrument.value_of(sold_at - bought_at, buy.order_qty);
    assert_eq!(venue.broker().balance().await.unwrap().equity, open.equity + profit);
    let sell = market(&venue, Side::Sell, 2).await;
    fill(&venue.broker(), &sell).await;
    let after = venue.broker().balance().await.unwrap();
    assert_eq!(after.cash, before.cash + profit - one_way - one_way);
    assert_eq!(after.equity, after.cash);
    Ok(())
}
