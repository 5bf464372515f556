-- The paper venue's ids of executions rise, and others' have much in common with those of the same day: led by them, the index
-- grows at few places instead of one an account.
CREATE TABLE fills_moved (
    id INTEGER PRIMARY KEY,
    user_id INTEGER NOT NULL,
    broker_account_id INTEGER NOT NULL,
    strategy_id INTEGER NOT NULL,
    signal_id INTEGER NOT NULL,
    client_order_id BLOB NOT NULL,
    symbol TEXT NOT NULL,
    side TEXT NOT NULL,
    exec_id TEXT NOT NULL,
    last_qty TEXT NOT NULL,
    last_price TEXT NOT NULL,
    commission TEXT NOT NULL,
    price_source TEXT NOT NULL,
    traded_at INTEGER NOT NULL,
    realized_profit TEXT NOT NULL,
    recorded_at INTEGER NOT NULL,
    fee_qty TEXT NOT NULL DEFAULT '0',
    UNIQUE (exec_id, broker_account_id)
) STRICT;
INSERT INTO fills_moved (
    id, user_id, broker_account_id, strategy_id, signal_id, client_order_id, symbol, side, exec_id, last_qty, last_price,
    commission, price_source, traded_at, realized_profit, recorded_at, fee_qty
) SELECT
    id, user_id, broker_account_id, strategy_id, signal_id, client_order_id, symbol, side, exec_id, last_qty, last_price,
    commission, price_source, traded_at, realized_profit, recorded_at, fee_qty
FROM fills ORDER BY id;
DROP TABLE fills;
ALTER TABLE fills_moved RENAME TO fills;
CREATE INDEX fills_by_user ON fills (user_id);
CREATE INDEX fills_by_signal ON fills (signal_id);
