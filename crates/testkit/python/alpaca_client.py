"""Alpaca's own Python client (alpaca-py) against the fake venue.

    alpaca_client.py trade URL          trades against a venue that runs there
    alpaca_client.py read KIND FILE ...   prints its reading of recorded replies: the numbers of each item, as text
"""

import json
import sys
import threading
import time
import uuid
from decimal import Decimal

from alpaca.common.exceptions import APIError
from alpaca.trading import models
from alpaca.trading.client import TradingClient
from alpaca.trading.enums import OrderSide, OrderStatus, TimeInForce
from alpaca.trading.requests import LimitOrderRequest, MarketOrderRequest
from alpaca.trading.stream import TradingStream

KEY_ID = "PKTESTKEYOFTHEVENUE1"
SECRET_KEY = "secretOfTheVenue0123456789abcdefABCDEF42"


def wait_for(what, condition):
    deadline = time.monotonic() + 20
    while time.monotonic() < deadline:
        found = condition()
        if found:
            return found
        time.sleep(0.02)
    raise AssertionError(f"not in time: {what}")


def listen(url, heard):
    stream = TradingStream(KEY_ID, SECRET_KEY, url_override=url.replace("http", "ws", 1) + "/stream")

    async def note(update):
        heard.append(update)

    stream.subscribe_trade_updates(note)
    threading.Thread(target=stream.run, daemon=True).start()


def trade(url):
    client = TradingClient(KEY_ID, SECRET_KEY, url_override=url)
    assert client.get_account().status == "ACTIVE"
    assert client.get_asset("NIBBLE").fractionable
    heard = []
    listen(url, heard)
    # The stream's subscription is proven by an order of its own.
    def probe():
        client.submit_order(MarketOrderRequest(symbol="PENY", qty=1, side=OrderSide.BUY, time_in_force=TimeInForce.DAY))
        time.sleep(0.1)
        return heard
    wait_for("the stream", probe)

    name = uuid.uuid4().hex
    market = MarketOrderRequest(
        symbol="NIBBLE", qty=2.5, side=OrderSide.BUY, time_in_force=TimeInForce.DAY, client_order_id=name
    )
    client.submit_order(market)
    filled = wait_for("the fill", lambda: client.get_order_by_client_id(name).status == OrderStatus.FILLED)
    assert filled
    order = client.get_order_by_client_id(name)
    assert (order.filled_qty, order.filled_avg_price) == ("2.5", "50"), order
    try:
        client.submit_order(market)
        raise AssertionError("a client order id was taken twice")
    except APIError as error:
        assert error.status_code == 422 and error.code == 40010001, error
    update = wait_for(
        "the fill's update",
        lambda: next((one for one in heard if one.event == "fill" and one.order.client_order_id == name), None),
    )
    assert (update.qty, update.price, update.position_qty) == (2.5, 50.0, 2.5), update

    fills = client.get("/account/activities/FILL", {"order_id": str(order.id)})
    assert [fill["qty"] for fill in fills] == ["2.5"], fills

    position = client.get_open_position("NIBBLE")
    assert (position.qty, position.avg_entry_price) == ("2.5", "50"), position

    limit = LimitOrderRequest(
        symbol="ACME", qty=3, side=OrderSide.BUY, time_in_force=TimeInForce.GTC, limit_price=90, client_order_id=uuid.uuid4().hex
    )
    resting = client.submit_order(limit)
    assert len(client.get_orders()) == 1
    client.cancel_order_by_id(resting.id)
    assert client.get_order_by_id(resting.id).status == OrderStatus.CANCELED
    wait_for("the cancel's update", lambda: any(one.event == "canceled" and one.order.id == resting.id for one in heard))

    coin = MarketOrderRequest(symbol="BTC/USD", qty=0.25, side=OrderSide.BUY, time_in_force=TimeInForce.GTC)
    client.submit_order(coin)
    held = wait_for("the coins", lambda: [one for one in client.get_all_positions() if one.symbol == "BTCUSD"])
    # A quarter of a hundredth was kept as the fee.
    assert held[0].qty == "0.249375", held
    client.close_position("NIBBLE")
    wait_for("a closed position", lambda: all(one.symbol != "NIBBLE" for one in client.get_all_positions()))

    wrong = TradingClient(KEY_ID, "wrong", url_override=url)
    try:
        wrong.get_account()
        raise AssertionError("wrong keys were taken")
    except APIError as error:
        assert error.status_code == 401, error
    print("alpaca-py traded")


KINDS = {
    "account": models.TradeAccount,
    "asset": models.Asset,
    "order": models.Order,
    "position": models.Position,
    "fill": models.TradeActivity if hasattr(models, "TradeActivity") else None,
}


def read(kind, path):
    with open(path, encoding="utf-8") as file:
        written = json.load(file)
    items = written if isinstance(written, list) else [written]
    model = KINDS[kind]
    if model is None:
        from alpaca.broker.models import TradeActivity as model
    printed = []
    for item in items:
        fields = model(**item).model_dump()
        numbers = {}
        for name, value in fields.items():
            if isinstance(value, bool) or not isinstance(value, (str, int, float)):
                continue
            try:
                float(value)
            except ValueError:
                continue
            # A float's shortest text is the number that was written.
            numbers[name] = format(Decimal(repr(value)), "f") if isinstance(value, float) else str(value)
        printed.append(numbers)
    return printed


if __name__ == "__main__":
    if sys.argv[1] == "trade":
        trade(sys.argv[2])
    else:
        wanted = sys.argv[2:]
        print(json.dumps([read(kind, path) for kind, path in zip(wanted[::2], wanted[1::2])]))
