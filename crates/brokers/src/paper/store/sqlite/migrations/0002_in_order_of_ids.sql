-- Ids rise with the signals behind them: what is written together lies together, on one page instead of one an account.
CREATE TABLE orders_moved (
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
    PRIMARY KEY (client_order_id, account_id)
) STRICT, WITHOUT ROWID;
INSERT INTO orders_moved SELECT * FROM orders ORDER BY client_order_id, account_id;
DROP TABLE orders;
ALTER TABLE orders_moved RENAME TO orders;
CREATE INDEX resting_orders ON orders (account_id) WHERE status IN ('working', 'partially_filled');

CREATE TABLE executions_moved (
    account_id      INTEGER NOT NULL,
    client_order_id BLOB    NOT NULL,
    number          INTEGER NOT NULL,
    last_qty        TEXT    NOT NULL,
    last_price      TEXT    NOT NULL,
    commission      TEXT    NOT NULL,
    price_source    TEXT    NOT NULL,
    traded_at       INTEGER NOT NULL,
    PRIMARY KEY (client_order_id, account_id, number)
) STRICT, WITHOUT ROWID;
INSERT INTO executions_moved SELECT * FROM executions ORDER BY client_order_id, account_id, number;
DROP TABLE executions;
ALTER TABLE executions_moved RENAME TO executions;
