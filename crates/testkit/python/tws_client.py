"""Trades against a fake TWS with two clients that are not ours: `ib_async`, which speaks the protocol's text form, and the
vendor's own client (package `ibapi-latest`), which speaks its protobuf form.

Usage: tws_client.py trade HOST:PORT
"""

import sys
import threading
import time
from decimal import Decimal

DEADLINE = 20


def expect(what, told, expected):
    if told != expected:
        raise SystemExit(f"{what}: {told!r}, expected {expected!r}")


def until(what, is_so):
    """Waits for a condition."""
    end = time.monotonic() + DEADLINE
    while not is_so():
        if time.monotonic() > end:
            raise SystemExit(f"never: {what}")
        time.sleep(0.01)


def trade_in_text(host, port):
    """Buys at market, rests and cancels, looks up, holds; by ib_async."""
    from ib_async import IB, LimitOrder, MarketOrder, StopOrder, Stock

    ib = IB()
    ib.connect(host, port, clientId=21, raiseSyncErrors=True)
    expect("accounts", ib.managedAccounts(), ["DU1234567"])
    share = Stock("AAPL", "SMART", "USD")
    expect("qualified", [one.conId for one in ib.qualifyContracts(share)], [265598])
    details = ib.reqContractDetails(share)[0]
    expect("tick", details.minTick, 0.01)

    def settled(trade, status):
        end = time.monotonic() + DEADLINE
        while trade.orderStatus.status != status:
            if time.monotonic() > end:
                raise SystemExit(f"never {status}: {trade}")
            ib.waitOnUpdate(timeout=0.1)

    bought = ib.placeOrder(share, MarketOrder("BUY", 2, tif="DAY", orderRef="text-1"))
    settled(bought, "Filled")
    fill = bought.fills[0]
    expect("fill", (fill.execution.shares, fill.execution.price, fill.execution.side), (2.0, 200.0, "BOT"))
    expect("cost", fill.commissionReport.commission, 0.7)
    resting = ib.placeOrder(share, LimitOrder("BUY", 1, 150.25, tif="GTC", orderRef="text-2"))
    settled(resting, "Submitted")
    open_orders = [(one.order.orderRef, one.order.lmtPrice) for one in ib.reqAllOpenOrders()]
    expect("open", open_orders, [("text-2", 150.25)])
    ib.cancelOrder(resting.order)
    settled(resting, "Cancelled")
    stop = ib.placeOrder(share, StopOrder("SELL", 2, 100, tif="GTC", orderRef="text-3"))
    settled(stop, "PreSubmitted")
    ib.cancelOrder(stop.order)
    settled(stop, "Cancelled")
    completed = {one.order.orderRef: one.orderStatus.status for one in ib.reqCompletedOrders(False)}
    expect("completed", completed, {"text-1": "Filled", "text-2": "Cancelled", "text-3": "Cancelled"})
    executions = [(one.execution.orderRef, one.execution.shares) for one in ib.reqExecutions()]
    expect("executions", executions, [("text-1", 2.0)])
    held = [(one.contract.symbol, one.position, one.avgCost) for one in ib.reqPositions()]
    expect("positions", held, [("AAPL", 2.0, 200.0)])
    summary = {one.tag: one.value for one in ib.accountSummary()}
    expect("cash", summary.get("TotalCashValue"), "999999.30")
    found = [one.contract.symbol for one in ib.reqMatchingSymbols("APPLE")]
    expect("found", found, ["AAPL"])
    refused = ib.placeOrder(share, MarketOrder("BUY", 0.5, tif="DAY"))
    end = time.monotonic() + DEADLINE
    while not any(entry.errorCode == 10243 for entry in refused.log):
        if time.monotonic() > end:
            raise SystemExit(f"not refused: {refused}")
        ib.waitOnUpdate(timeout=0.1)
    ib.disconnect()


def trade_in_protobuf(host, port):
    """The same, by the vendor's client."""
    from ibapi.client import EClient
    from ibapi.contract import Contract
    from ibapi.execution import ExecutionFilter
    from ibapi.order import Order
    from ibapi.order_cancel import OrderCancel
    from ibapi.wrapper import EWrapper

    class App(EWrapper, EClient):
        def __init__(self):
            EClient.__init__(self, self)
            self.next_id = None
            self.accounts = ""
            self.statuses = {}
            self.errors = []
            self.rows = {}
            self.ended = set()
            self.fills = {}
            self.costs = {}

        def add(self, kind, row):
            self.rows.setdefault(kind, []).append(row)

        def nextValidId(self, orderId):
            self.next_id = orderId

        def managedAccounts(self, accountsList):
            self.accounts = accountsList

        def error(self, reqId, *rest):
            # A time comes before the code.
            self.errors.append((reqId, rest[1]))

        def orderStatus(self, orderId, status, filled, remaining, avgFillPrice, *rest):
            self.statuses[orderId] = (status, filled, remaining)

        def openOrder(self, orderId, contract, order, orderState):
            self.add("open", (order.orderRef, order.lmtPrice, orderState.status, contract.localSymbol))

        def openOrderEnd(self):
            self.ended.add("open")

        def completedOrder(self, contract, order, orderState):
            self.add("completed", (order.orderRef, orderState.status, order.filledQuantity))

        def completedOrdersEnd(self):
            self.ended.add("completed")

        def execDetails(self, reqId, contract, execution):
            if reqId != -1:
                self.add("executions", (execution.orderRef, execution.shares, execution.price, execution.side))
            self.fills[execution.execId] = execution

        def execDetailsEnd(self, reqId):
            self.ended.add("executions")

        def commissionAndFeesReport(self, report):
            self.costs[report.execId] = report.commissionAndFees

        def position(self, account, contract, position, avgCost):
            self.add("positions", (account, contract.localSymbol, position, avgCost))

        def positionEnd(self):
            self.ended.add("positions")

        def accountSummary(self, reqId, account, tag, value, currency):
            self.add("summary", (tag, value, currency))

        def accountSummaryEnd(self, reqId):
            self.ended.add("summary")

        def contractDetails(self, reqId, details):
            self.add("contracts", (details.contract.conId, details.contract.localSymbol, details.minTick))

        def contractDetailsEnd(self, reqId):
            self.ended.add("contracts")

        def symbolSamples(self, reqId, found):
            self.rows["symbols"] = [one.contract.symbol for one in found]
            self.ended.add("symbols")

        def currentTime(self, seconds):
            self.ended.add("time")

        def ask(self, kind, ask):
            self.ended.discard(kind)
            self.rows.pop(kind, None)
            ask()
            until(kind, lambda: kind in self.ended)
            return self.rows.get(kind, [])

    app = App()
    app.connect(host, port, 22)
    thread = threading.Thread(target=app.run, daemon=True)
    thread.start()
    until("next id", lambda: app.next_id is not None)
    expect("accounts", app.accounts, "DU1234567")
    expect("version", app.serverVersion(), 213)

    future = Contract()
    future.symbol, future.secType, future.exchange, future.currency = "ES", "FUT", "CME", "USD"
    contracts = app.ask("contracts", lambda: app.reqContractDetails(1, future))
    expect("tick", float(contracts[0][2]), 0.25)
    future.conId, local = contracts[0][0], contracts[0][1]

    def place(action, kind, qty, ref, limit=None, stop=None):
        order = Order()
        order.action, order.orderType, order.totalQuantity, order.tif = action, kind, Decimal(qty), "GTC"
        order.orderRef = ref
        if limit is not None:
            order.lmtPrice = limit
        if stop is not None:
            order.auxPrice = stop
        order_id = app.next_id
        app.next_id += 1
        app.placeOrder(order_id, future, order)
        return order_id

    def is_now(order_id, status):
        until(f"{order_id} {status}", lambda: app.statuses.get(order_id, ("",))[0] == status)

    bought = place("BUY", "MKT", 3, "proto-1")
    is_now(bought, "Filled")
    expect("filled", app.statuses[bought][1:], (Decimal(3), Decimal(0)))
    until("a fill", lambda: app.fills and app.costs)
    (exec_id, fill), = app.fills.items()
    expect("fill", (fill.shares, fill.price, fill.side, fill.orderRef), (Decimal(3), 5000.0, "BOT", "proto-1"))
    expect("cost", app.costs[exec_id], 6.75)
    resting = place("BUY", "LMT", 1, "proto-2", limit=4500.25)
    is_now(resting, "Submitted")
    stop = place("SELL", "STP", 3, "proto-3", stop=4000.0)
    is_now(stop, "PreSubmitted")
    opened = sorted(app.ask("open", app.reqAllOpenOrders))
    expect("open", [row[0] for row in opened], ["proto-2", "proto-3"])
    expect("limit", (opened[0][1], opened[0][2], opened[0][3]), (4500.25, "Submitted", local))
    for order_id in (resting, stop):
        app.cancelOrder(order_id, OrderCancel())
        is_now(order_id, "Cancelled")
    completed = {row[0]: row[1:] for row in app.ask("completed", lambda: app.reqCompletedOrders(False))}
    expect("completed", completed["proto-1"], ("Filled", Decimal(3)))
    expect("canceled", completed["proto-2"][0], "Cancelled")
    told = app.ask("executions", lambda: app.reqExecutions(2, ExecutionFilter()))
    expect("executions", [row for row in told if row[0] == "proto-1"], [("proto-1", Decimal(3), 5000.0, "BOT")])
    held = [row for row in app.ask("positions", app.reqPositions) if row[1] == local]
    expect("positions", held, [("DU1234567", local, Decimal(3), 250000.0)])
    summary = app.ask("summary", lambda: app.reqAccountSummary(3, "All", "TotalCashValue,NetLiquidation,BuyingPower"))
    expect("summary", sorted(row[0] for row in summary), ["BuyingPower", "NetLiquidation", "TotalCashValue"])
    expect("symbols", app.ask("symbols", lambda: app.reqMatchingSymbols(4, "APPLE")), ["AAPL"])
    app.ask("time", app.reqCurrentTime)
    app.next_id = bought
    place("BUY", "MKT", 1, "proto-4")
    until("a refused order id", lambda: (bought, 103) in app.errors)
    app.disconnect()
    thread.join(timeout=DEADLINE)


def main():
    if len(sys.argv) != 3 or sys.argv[1] != "trade":
        raise SystemExit(__doc__)
    host, port = sys.argv[2].rsplit(":", 1)
    trade_in_text(host, int(port))
    trade_in_protobuf(host, int(port))
    print("tws: ib_async and the vendor's client trade")


if __name__ == "__main__":
    main()
