"""ibind, a client of the Web API that others wrote.

ibkr_web_client.py trade URL: trades against the fake gateway at the URL.
"""

import sys
import time

from ibind import IbkrClient
from ibind.client.ibkr_utils import OrderRequest
from ibind.support.errors import ExternalBrokerError


def wait(what, check):
    """Waits for a condition."""
    until = time.monotonic() + 20
    while not (found := check()):
        assert time.monotonic() < until, f"{what} did not come"
        time.sleep(0.05)
    return found


def main(url):
    client = IbkrClient(
        url=f"{url}/v1/api/", account_id="DU1234567", cacert=False, timeout=5, max_retries=0,
        auto_register_shutdown=False,
    )
    assert client.authentication_status().data["authenticated"]
    assert client.tickle().data["session"]
    assert client.receive_brokerage_accounts().data["accounts"] == ["DU1234567"]
    assert client.portfolio_accounts().data[0]["accountId"] == "DU1234567"

    conid = client.stock_conid_by_symbol("AAPL").data["AAPL"]
    assert conid == 265598, conid
    future = client.security_future_by_symbol("ES").data["ES"][0]["conid"]
    assert future == 495512563, future

    def order(name, conid, order_type, **more):
        request = OrderRequest(
            conid=conid, side="BUY", quantity=2, order_type=order_type, acct_id="DU1234567", coid=name,
            manual_indicator=False, **more,
        )
        answers = {"exceeds the price percentage limit": True}
        return client.place_order(request, answers).data

    placed = order("market-1", future, "MKT")
    wait("the fill", lambda: client.order_status(placed["order_id"]).data["order_status"] == "Filled")
    trades = wait("the trade", lambda: [t for t in client.trades(days="1").data if t["order_ref"] == "market-1"])
    assert (trades[0]["size"], trades[0]["price"], trades[0]["commission"]) == (2, "5000", "4.5"), trades

    resting = order("limit-1", conid, "LMT", price=50.0, tif="DAY")
    client.live_orders(force=True)
    rows = [row for row in client.live_orders().data["orders"] if row["order_ref"] == "limit-1"]
    assert rows and rows[0]["status"] == "Submitted", rows
    assert client.cancel_order(resting["order_id"]).data["msg"] == "Request was submitted"
    wait("the end", lambda: client.order_status(resting["order_id"]).data["order_status"] == "Cancelled")

    try:
        order("market-1", future, "MKT")
    except ExternalBrokerError as error:
        assert "already registered" in str(error), error
    else:
        raise AssertionError("an id was taken twice")

    client.invalidate_backend_portfolio_cache()
    positions = client.positions().data
    assert [(p["conid"], p["position"], p["avgPrice"]) for p in positions] == [(future, 2, 5000)], positions
    assert client.portfolio_summary().data["netliquidation"]["currency"] == "USD"
    print("ibind traded")


if __name__ == "__main__":
    command, argument = sys.argv[1:]
    assert command == "trade", command
    main(argument)
