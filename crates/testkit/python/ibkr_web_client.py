"""ibind, a client of the Web API that others wrote.

ibkr_web_client.py trade URL: trades against the fake gateway at the URL; ibkr_web_oauth_client.py by OAuth.
ibkr_web_client.py vectors: prints what ibind signs with the test keys, for crates/brokers/tests/ibkr_web/oauth_vectors.json.
"""

import base64
import json
import pathlib
import sys
import time
from unittest import mock

from Crypto.Hash import HMAC, SHA1
from ibind import IbkrClient
from ibind.client.ibkr_utils import OrderRequest
from ibind.oauth import oauth1a
from ibind.support.errors import ExternalBrokerError

KEYS = json.loads((pathlib.Path(__file__).parent / "../src/venues/ibkr_web/oauth_test_keys.json").read_text())


def wait(what, check):
    """Waits for a condition."""
    until = time.monotonic() + 20
    while not (found := check()):
        assert time.monotonic() < until, f"{what} did not come"
        time.sleep(0.05)
    return found


def by_gateway(url):
    return IbkrClient(
        url=f"{url}/v1/api/", account_id="DU1234567", cacert=False, timeout=5, max_retries=0,
        auto_register_shutdown=False,
    )


def config(url, **changes):
    """What ibind needs for OAuth, with the test keys."""
    keys = {**KEYS, **changes}
    names = ["consumer_key", "access_token", "access_token_secret", "signature_key", "encryption_key", "dh_prime"]
    return oauth1a.OAuth1aConfig(
        oauth_rest_url=f"{url}/v1/api/", init_oauth=True, init_brokerage_session=True, maintain_oauth=False,
        shutdown_oauth=False, **{name: keys[name] for name in names},
    )


def by_oauth(url, **changes):
    """Gets a live session token, proves that the venue has the same, and opens a trading session."""
    return IbkrClient(
        account_id="DU1234567", timeout=5, max_retries=0, auto_register_shutdown=False, use_oauth=True,
        oauth_config=config(url, **changes),
    )


def refused(url):
    """What the venue makes of keys that are not right."""
    for changes, word in [
        ({"consumer_key": "SOMEBODYS"}, "invalid consumer"),
        ({"access_token": "0" * 20}, "No access secret key found"),
        ({"signature_key": KEYS["encryption_key"]}, "invalid signature"),
    ]:
        try:
            by_oauth(url, **changes)
        except ExternalBrokerError as error:
            assert error.status_code == 401 and word in str(error), error
        else:
            raise AssertionError(f"taken: {word}")


def trade(client):
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


def exchanges():
    """Live session tokens as ibind computes them: of shared secrets whose first bit is set, is not, and that are short."""
    prime, secret = int(KEYS["dh_prime"], 16), KEYS["secret_in_the_open"]
    wanted = {
        "the first bit is set": lambda shared: shared >> 2047,
        "the first bit is not set": lambda shared: 2040 < shared.bit_length() < 2048,
        "the first byte is zero": lambda shared: shared.bit_length() < 2040,
        "the first byte is zero, and the next bit is set": lambda shared: shared.bit_length() == 2040,
    }
    found, mine = {}, "%064x" % int.from_bytes(b"an exponent of tests, no secret!", "big")
    theirs = 1 << 200
    while len(found) < len(wanted):
        theirs += 1
        response = pow(2, theirs, prime)
        shared = pow(response, int(mine, 16), prime)
        for what, check in wanted.items():
            if what not in found and check(shared):
                found[what] = response
    rows = []
    for what, response in found.items():
        token = oauth1a.calculate_live_session_token(KEYS["dh_prime"], mine, "%x" % response, secret)
        proof = HMAC.new(base64.b64decode(token), KEYS["consumer_key"].encode(), SHA1).hexdigest()
        assert oauth1a.validate_live_session_token(token, proof, KEYS["consumer_key"])
        rows.append({"what": what, "response": "%x" % response, "token": token, "signature": proof})
    return mine, rows


def vectors():
    url = "https://api.ibkr.com/v1/api"
    mine, rows = exchanges()
    challenge = oauth1a.generate_dh_challenge(KEYS["dh_prime"], mine)
    nonce, at = "Abc123Abc123Abc1", "1714489460"
    settings = config("https://api.ibkr.com")
    secret = oauth1a.calculate_live_session_token_prepend(
        KEYS["access_token_secret"], oauth1a.read_private_key(private_key_content=KEYS["encryption_key"])
    )
    with mock.patch.object(oauth1a, "generate_oauth_nonce", lambda: nonce), mock.patch.object(
        oauth1a, "generate_request_timestamp", lambda: at
    ):
        asked = oauth1a.generate_oauth_headers(
            settings, "POST", f"{url}/oauth/live_session_token",
            extra_headers={"diffie_hellman_challenge": challenge}, signature_method="RSA-SHA256", prepend=secret,
        )
        signed = []
        for row in rows:
            for method, path, query in [
                ("POST", "/tickle", {}),
                ("GET", "/iserver/account/trades", {"days": "7"}),
                ("GET", "/iserver/marketdata/snapshot", {"conids": "265598", "fields": "31"}),
                ("DELETE", "/iserver/account/DU1234567/order/1370000001", {"manualIndicator": "false"}),
            ]:
                header = oauth1a.generate_oauth_headers(
                    settings, method, f"{url}{path}", live_session_token=row["token"], request_params=query
                )
                full = f"{url}{path}" + "".join(
                    ("&" if i else "?") + f"{k}={v}" for i, (k, v) in enumerate(query.items())
                )
                signed.append({
                    "response": row["response"], "method": method, "url": full, "header": header["Authorization"],
                })
    print(json.dumps({
        "about": "Made by ibind 0.2.2 with the test keys of the fake venue: ibkr_web_client.py vectors.",
        "exponent": mine, "challenge": challenge, "secret": secret, "nonce": nonce, "timestamp": int(at),
        "asked": asked["Authorization"], "exchanges": rows, "signed": signed,
    }, indent=1))


if __name__ == "__main__":
    command, *argument = sys.argv[1:]
    if command == "vectors":
        vectors()
    else:
        assert command == "trade", command
        trade(by_gateway(*argument))
        print("ibind traded")
