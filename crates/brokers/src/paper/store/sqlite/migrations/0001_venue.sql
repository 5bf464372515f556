-- The paper venue's own books. Decimals are text, times are microseconds since 1970, ids are the server's.

CREATE TABLE accounts (
    account_id       INTEGER NOT NULL PRIMARY KEY,
    starting_balance TEXT    NOT NULL,
    cash             TEXT    NOT NULL,
    last_sequence    INTEGER NOT NULL
) STRICT;

-- Orders are kept for good: a client order id is never taken twice.
CREATE TABLE orders (
    account_id      INTEGER NOT NULL,
    client_order_id BLOB    NOT NULL,
    sequence        INTEGER NOT NULL,
    symbol          TEXT    NOT NULL,
    side            TEXT    NOT NULL,
    order_type      TEXT    NOT NULL,
    time_in_force   TEXT    NOT NULL,
    order_qty       TEXT    NOT NULL,
    limit_price     TEXT,
    stop_price      TEXT,
    reduce_only     INTEGER NOT NULL,
    status          TEXT    NOT NULL,
    filled_qty      TEXT    NOT NULL,
    execution_count INTEGER NOT NULL,
    triggered       INTEGER NOT NULL,
    margin_per_unit TEXT    NOT NULL,
    reason          TEXT,
    accepted_at     INTEGER NOT NULL,
    expires_at      INTEGER,
    PRIMARY KEY (account_id, client_order_id)
) STRICT, WITHOUT ROWID;

-- What an account loads when it connects: its orders that may still trade.
CREATE INDEX resting_orders ON orders (account_id) WHERE status IN ('working', 'partially_filled');

CREATE TABLE executions (
    account_id      INTEGER NOT NULL,
    client_order_id BLOB    NOT NULL,
    number          INTEGER NOT NULL,
    last_qty        TEXT    NOT NULL,
    last_price      TEXT    NOT NULL,
    commission      TEXT    NOT NULL,
    price_source    TEXT    NOT NULL,
    traded_at       INTEGER NOT NULL,
    PRIMARY KEY (account_id, client_order_id, number)
) STRICT, WITHOUT ROWID;

CREATE TABLE holdings (
    account_id      INTEGER NOT NULL,
    symbol          TEXT    NOT NULL,
    net_qty         TEXT    NOT NULL,
    avg_price       TEXT    NOT NULL,
    realized_profit TEXT    NOT NULL,
    commission      TEXT    NOT NULL,
    anchor_price    TEXT,
    anchor_at       INTEGER,
    PRIMARY KEY (account_id, symbol)
) STRICT, WITHOUT ROWID;
