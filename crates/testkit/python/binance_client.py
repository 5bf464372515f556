"""python-binance trades against the fake Binance; ccxt reads what Binance was recorded to say.

    binance_client.py trade "http://127.0.0.1:SPOT http://127.0.0.1:USDM"
    binance_client.py read KIND FILE ...   prints ccxt's reading of recorded replies: the numbers of each item, as text
"""

import json
import sys
from decimal import Decimal

from binance.client import Client
from binance.exceptions import BinanceAPIException


def client(spot, usdm):
    made = Client("fake-api-key", "fake-secret-key", ping=False)
    made.API_URL = spot + "/api"
    made.FUTURES_URL = usdm + "/fapi"
    return made


def refused(code, call, **arguments):
    try:
        call(**arguments)
    except BinanceAPIException as error:
        assert error.code == code, error
        return
    raise AssertionError("it was not refused")


def trade_spot(api):
    bought = api.create_order(
        symbol="BTCUSDT", side="BUY", type="MARKET", quantity="0.02", newClientOrderId="spot-1", newOrderRespType="FULL"
    )
    assert bought["status"] == "FILLED" and Decimal(bought["executedQty"]) == Decimal("0.02"), bought
    assert sum(Decimal(fill["qty"]) for fill in bought["fills"]) == Decimal("0.02"), bought
    found = api.get_order(symbol="BTCUSDT", origClientOrderId="spot-1")
    assert found["orderId"] == bought["orderId"], found
    trades = api.get_my_trades(symbol="BTCUSDT", orderId=bought["orderId"])
    assert [trade["id"] for trade in trades] == [fill["tradeId"] for fill in bought["fills"]], trades
    limit = dict(symbol="BTCUSDT", side="BUY", type="LIMIT", timeInForce="GTC", quantity="0.01", price="40000")
    rests = api.create_order(newClientOrderId="spot-2", **limit)
    assert rests["status"] == "NEW", rests
    refused(-2010, api.create_order, newClientOrderId="spot-2", **limit)
    canceled = api.cancel_order(symbol="BTCUSDT", origClientOrderId="spot-2")
    assert canceled["status"] == "CANCELED" and canceled["origClientOrderId"] == "spot-2", canceled
    refused(-2011, api.cancel_order, symbol="BTCUSDT", origClientOrderId="spot-2")
    refused(-2013, api.get_order, symbol="BTCUSDT", origClientOrderId="never")
    refused(-1013, api.create_order, symbol="BTCUSDT", side="BUY", type="MARKET", quantity="0.0205")
    assert Decimal(api.get_asset_balance(asset="BTC")["free"]) == Decimal("0.02")
    assert api.get_symbol_info("BTCUSDT")["quoteAsset"] == "USDT"


def trade_usdm(api):
    bought = api.futures_create_order(
        symbol="BTCUSDT", side="BUY", type="MARKET", quantity="0.02", newClientOrderId="usdm-1", newOrderRespType="RESULT"
    )
    assert bought["status"] == "FILLED" and Decimal(bought["executedQty"]) == Decimal("0.02"), bought
    found = api.futures_get_order(symbol="BTCUSDT", origClientOrderId="usdm-1")
    assert found["orderId"] == bought["orderId"], found
    trades = api.futures_account_trades(symbol="BTCUSDT", orderId=bought["orderId"])
    assert sum(Decimal(trade["qty"]) for trade in trades) == Decimal("0.02"), trades
    rests = api.futures_create_order(
        symbol="BTCUSDT", side="BUY", type="LIMIT", timeInForce="GTC", quantity="0.01", price="40000",
        newClientOrderId="usdm-2",
    )
    assert rests["status"] == "NEW", rests
    assert api.futures_cancel_order(symbol="BTCUSDT", origClientOrderId="usdm-2")["status"] == "CANCELED"
    # The client sends conditional orders to their own place by itself.
    stop = api.futures_create_order(
        symbol="BTCUSDT", side="SELL", type="STOP_MARKET", quantity="0.02", triggerPrice="45000", reduceOnly="true",
        clientAlgoId="usdm-3",
    )
    assert stop["algoStatus"] == "NEW" and stop["clientAlgoId"] == "usdm-3", stop
    assert api.futures_get_algo_order(clientAlgoId="usdm-3")["algoId"] == stop["algoId"]
    api.futures_cancel_algo_order(clientAlgoId="usdm-3")
    assert api.futures_get_algo_order(clientAlgoId="usdm-3")["algoStatus"] == "CANCELED"
    held = api.futures_position_information(symbol="BTCUSDT")
    assert [Decimal(one["positionAmt"]) for one in held] == [Decimal("0.02")], held
    sold = api.futures_create_order(symbol="BTCUSDT", side="SELL", type="MARKET", quantity="0.05", reduceOnly="true")
    assert Decimal(sold["origQty"]) == Decimal("0.02"), sold
    money = {one["asset"]: Decimal(one["balance"]) for one in api.futures_account_balance()}
    assert money["USDT"] == Decimal("1000000"), money


def read(kind, path):
    import ccxt

    reader = ccxt.binance()
    # Numbers stay the text that was written.
    reader.number = str
    with open(path, encoding="utf-8") as file:
        written = json.load(file)
    if kind == "account":
        balance = reader.parse_balance_custom(written, "spot", None)
        return [{"asset": one["asset"], "free": balance[one["asset"]]["free"], "locked": balance[one["asset"]]["used"]}
                for one in written["balances"]]
    printed = []
    for item in written if isinstance(written, list) else [written]:
        if kind == "order":
            order = reader.parse_order(item)
            numbers = {"origQty": order["amount"], "executedQty": order["filled"], "price": order["price"]}
            if numbers["price"] is not None and order["type"] == "market":
                # It fills an average price in where there is no limit.
                del numbers["price"]
        else:
            trade = reader.parse_trade(item)
            fee = trade["fee"]
            numbers = {"qty": trade["amount"], "price": trade["price"], "commission": fee["cost"],
                       "commissionAsset": fee["currency"]}
        printed.append({name: str(value) for name, value in numbers.items() if value is not None})
    return printed


if __name__ == "__main__":
    if sys.argv[1] == "trade":
        spot_url, usdm_url = sys.argv[2].split()
        trade_spot(client(spot_url, usdm_url))
        trade_usdm(client(spot_url, usdm_url))
        print("python-binance traded spot and USD-M futures")
    else:
        wanted = sys.argv[2:]
        print(json.dumps([read(kind, path) for kind, path in zip(wanted[::2], wanted[1::2])]))
