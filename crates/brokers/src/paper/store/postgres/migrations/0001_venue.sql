-- The paper venue's own books, in a schema of their own. Decimals are text, times are microseconds since 1970, ids are the
-- server's; whole numbers are BIGINT, and what is compared sorts by its bytes.
--
-- Migrations expand: a program that knows only those before must go on working beside one that has run the next. What is no
-- longer used is removed one version later.

CREATE TABLE paper.accounts (
    account_id       BIGINT NOT NULL PRIMARY KEY,
    starting_balance TEXT   NOT NULL,
    cash             TEXT   NOT NULL,
    last_sequence    BIGINT NOT NULL,
    -- Rises whenever a node connects. Whoever writes anything of the account has the latest.
    session          BIGINT NOT NULL DEFAULT 0
) WITH (fillfactor = 50);

-- Orders are kept for good: a client order id is never taken twice.
CREATE TABLE paper.orders (
    account_id      BIGINT NOT NULL,
    client_order_id BYTEA  NOT NULL,
    sequence        BIGINT NOT NULL,
    symbol          TEXT   COLLATE "C" NOT NULL,
    side            TEXT   COLLATE "C" NOT NULL,
    order_type      TEXT   COLLATE "C" NOT NULL,
    time_in_force   TEXT   COLLATE "C" NOT NULL,
    order_qty       TEXT   NOT NULL,
    limit_price     TEXT,
    stop_price      TEXT,
    reduce_only     BOOLEAN NOT NULL,
    status          TEXT   COLLATE "C" NOT NULL,
    filled_qty      TEXT   NOT NULL,
    execution_count BIGINT NOT NULL,
    triggered       BOOLEAN NOT NULL,
    margin_per_unit TEXT   NOT NULL,
    reason          TEXT,
    accepted_at     BIGINT NOT NULL,
    expires_at      BIGINT,
    PRIMARY KEY (account_id, client_order_id)
);

-- What an account loads when it connects: its orders that may still trade.
CREATE INDEX resting_orders ON paper.orders (account_id) WHERE status IN ('working', 'partially_filled');

CREATE TABLE paper.executions (
    account_id      BIGINT NOT NULL,
    client_order_id BYTEA  NOT NULL,
    number          BIGINT NOT NULL,
    last_qty        TEXT   NOT NULL,
    last_price      TEXT   NOT NULL,
    commission      TEXT   NOT NULL,
    price_source    TEXT   COLLATE "C" NOT NULL,
    traded_at       BIGINT NOT NULL,
    PRIMARY KEY (account_id, client_order_id, number)
);

CREATE TABLE paper.holdings (
    account_id      BIGINT NOT NULL,
    symbol          TEXT   COLLATE "C" NOT NULL,
    net_qty         TEXT   NOT NULL,
    avg_price       TEXT   NOT NULL,
    realized_profit TEXT   NOT NULL,
    commission      TEXT   NOT NULL,
    anchor_price    TEXT,
    anchor_at       BIGINT,
    PRIMARY KEY (account_id, symbol)
) WITH (fillfactor = 50);
