"""ibind without a gateway, by OAuth with the test keys.

ibkr_web_oauth_client.py trade URL: trades against the fake of the broker's own servers at the URL.
"""

import sys

from ibkr_web_client import by_oauth, refused, trade

if __name__ == "__main__":
    command, url = sys.argv[1:]
    assert command == "trade", command
    refused(url)
    trade(by_oauth(url))
    print("ibind traded by OAuth")
