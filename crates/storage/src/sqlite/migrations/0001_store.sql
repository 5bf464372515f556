-- Times are microseconds since the Unix epoch, decimals are TEXT without trailing zeros, enums are their spelling in the
-- domain crate. What a user sets up is never removed, only marked, because history refers to it.

CREATE TABLE meta (
    key TEXT PRIMARY KEY,
    value TEXT NOT NULL
) STRICT, WITHOUT ROWID;

-- Written and emptied again by the readiness check, to see whether there is room.
CREATE TABLE probe (
    room BLOB NOT NULL
) STRICT;

CREATE TABLE users (
    id INTEGER PRIMARY KEY,
    email TEXT NOT NULL UNIQUE,
    password_hash TEXT NOT NULL,
    role TEXT NOT NULL,
    plan TEXT NOT NULL,
    subscription_status TEXT NOT NULL,
    subscription_since INTEGER NOT NULL,
    disabled INTEGER NOT NULL,
    created_at INTEGER NOT NULL
) STRICT;

CREATE TABLE sessions (
    id INTEGER PRIMARY KEY,
    user_id INTEGER NOT NULL REFERENCES users (id),
    token_hash BLOB NOT NULL UNIQUE,
    created_at INTEGER NOT NULL,
    last_used_at INTEGER NOT NULL,
    expires_at INTEGER NOT NULL,
    user_agent TEXT NOT NULL
) STRICT;
CREATE INDEX sessions_by_user ON sessions (user_id);
CREATE INDEX sessions_by_end ON sessions (expires_at);

CREATE TABLE api_keys (
    id INTEGER PRIMARY KEY,
    user_id INTEGER NOT NULL REFERENCES users (id),
    token_hash BLOB NOT NULL UNIQUE,
    name TEXT NOT NULL,
    created_at INTEGER NOT NULL,
    last_used_at INTEGER
) STRICT;
CREATE INDEX api_keys_by_user ON api_keys (user_id);

CREATE TABLE webhooks (
    id INTEGER PRIMARY KEY,
    user_id INTEGER NOT NULL REFERENCES users (id),
    name TEXT NOT NULL,
    description TEXT NOT NULL,
    token TEXT NOT NULL UNIQUE,
    secret_hash BLOB NOT NULL,
    previous_secret_hash BLOB,
    previous_secret_until INTEGER,
    require_secret INTEGER NOT NULL,
    allowed_ips TEXT NOT NULL,
    active INTEGER NOT NULL,
    dedupe_window_s INTEGER NOT NULL,
    created_at INTEGER NOT NULL,
    deleted INTEGER NOT NULL DEFAULT 0
) STRICT;
CREATE INDEX webhooks_by_user ON webhooks (user_id);

CREATE TABLE broker_accounts (
    id INTEGER PRIMARY KEY,
    user_id INTEGER NOT NULL REFERENCES users (id),
    broker TEXT NOT NULL,
    environment TEXT NOT NULL,
    label TEXT NOT NULL,
    settings TEXT NOT NULL,
    created_at INTEGER NOT NULL,
    deleted INTEGER NOT NULL DEFAULT 0
) STRICT;
CREATE INDEX broker_accounts_by_user ON broker_accounts (user_id);

CREATE TABLE strategies (
    id INTEGER PRIMARY KEY,
    user_id INTEGER NOT NULL REFERENCES users (id),
    name TEXT NOT NULL,
    webhook_id INTEGER NOT NULL REFERENCES webhooks (id),
    broker_account_id INTEGER NOT NULL REFERENCES broker_accounts (id),
    symbol TEXT NOT NULL,
    quantity TEXT NOT NULL,
    max_position TEXT NOT NULL,
    on_opposite_entry TEXT NOT NULL,
    bare_sell_opens_short INTEGER NOT NULL,
    max_signal_age_s INTEGER NOT NULL,
    active INTEGER NOT NULL,
    created_at INTEGER NOT NULL,
    deleted INTEGER NOT NULL DEFAULT 0
) STRICT;
CREATE INDEX strategies_by_user ON strategies (user_id);
CREATE INDEX strategies_by_webhook ON strategies (webhook_id);
CREATE INDEX strategies_by_account ON strategies (broker_account_id);

CREATE TABLE halts (
    id INTEGER PRIMARY KEY,
    scope TEXT NOT NULL,
    target_id INTEGER,
    mode TEXT NOT NULL,
    reason TEXT NOT NULL,
    user_id INTEGER REFERENCES users (id),
    created_at INTEGER NOT NULL,
    lifted_at INTEGER,
    lifted_by INTEGER REFERENCES users (id)
) STRICT;
CREATE INDEX halts_in_force ON halts (id) WHERE lifted_at IS NULL;

-- What changed of the tables above, for every process that keeps them in memory. Fed by triggers, so that no writer can
-- forget it. AUTOINCREMENT: a number is never used twice, not even after the row is gone.
CREATE TABLE changes (
    seq INTEGER PRIMARY KEY AUTOINCREMENT,
    kind TEXT NOT NULL,
    id INTEGER NOT NULL
) STRICT;
CREATE TRIGGER users_made AFTER INSERT ON users
BEGIN INSERT INTO changes (kind, id) VALUES ('user', new.id); END;
CREATE TRIGGER users_changed AFTER UPDATE ON users
BEGIN INSERT INTO changes (kind, id) VALUES ('user', new.id); END;
CREATE TRIGGER webhooks_made AFTER INSERT ON webhooks
BEGIN INSERT INTO changes (kind, id) VALUES ('webhook', new.id); END;
CREATE TRIGGER webhooks_changed AFTER UPDATE ON webhooks
BEGIN INSERT INTO changes (kind, id) VALUES ('webhook', new.id); END;
CREATE TRIGGER broker_accounts_made AFTER INSERT ON broker_accounts
BEGIN INSERT INTO changes (kind, id) VALUES ('broker_account', new.id); END;
CREATE TRIGGER broker_accounts_changed AFTER UPDATE ON broker_accounts
BEGIN INSERT INTO changes (kind, id) VALUES ('broker_account', new.id); END;
CREATE TRIGGER strategies_made AFTER INSERT ON strategies
BEGIN INSERT INTO changes (kind, id) VALUES ('strategy', new.id); END;
CREATE TRIGGER strategies_changed AFTER UPDATE ON strategies
BEGIN INSERT INTO changes (kind, id) VALUES ('strategy', new.id); END;
CREATE TRIGGER halts_made AFTER INSERT ON halts
BEGIN INSERT INTO changes (kind, id) VALUES ('halt', new.id); END;
CREATE TRIGGER halts_changed AFTER UPDATE ON halts
BEGIN INSERT INTO changes (kind, id) VALUES ('halt', new.id); END;

-- The journal. Its tables carry no foreign keys: their parents are never removed, and a check a row would cost the hot
-- path. Each index here is paid for with every signal, and every page it touches is written twice (log, then database),
-- so there are only those without which a read would scan.

-- A signal IS the accepted delivery: one row serves both, and they share one sequence of ids with `deliveries`.
CREATE TABLE signals (
    id INTEGER PRIMARY KEY,
    user_id INTEGER NOT NULL,
    webhook_id INTEGER NOT NULL,
    source TEXT NOT NULL,
    received_at INTEGER NOT NULL,
    stored_at INTEGER NOT NULL,
    action TEXT NOT NULL,
    comment TEXT,
    price TEXT,
    quantity TEXT,
    symbol TEXT,
    notes TEXT,
    remote_ip TEXT,
    payload TEXT NOT NULL
) STRICT;
CREATE INDEX signals_by_webhook ON signals (webhook_id);

-- Deliveries that became no signal: refused ones and repeats.
CREATE TABLE deliveries (
    id INTEGER PRIMARY KEY,
    webhook_id INTEGER NOT NULL,
    received_at INTEGER NOT NULL,
    duration_us INTEGER NOT NULL,
    remote_ip TEXT,
    status INTEGER NOT NULL,
    code TEXT NOT NULL,
    detail TEXT,
    payload TEXT,
    signal_id INTEGER,
    suppressed INTEGER NOT NULL
) STRICT;
CREATE INDEX deliveries_by_webhook ON deliveries (webhook_id);

-- How a repeat is recognized. The key's first byte is its kind, so a window's and an explicit id's never meet. When the
-- first one was received and stored stands in its signal.
CREATE TABLE repeat_keys (
    webhook_id INTEGER NOT NULL,
    key BLOB NOT NULL,
    signal_id INTEGER NOT NULL,
    forget_at INTEGER NOT NULL,
    body BLOB,
    PRIMARY KEY (webhook_id, key)
) STRICT, WITHOUT ROWID;

CREATE TABLE outcomes (
    signal_id INTEGER NOT NULL,
    strategy_id INTEGER NOT NULL,
    status TEXT NOT NULL,
    code TEXT NOT NULL,
    detail TEXT NOT NULL,
    planned_at INTEGER,
    settled_at INTEGER,
    PRIMARY KEY (signal_id, strategy_id)
) STRICT, WITHOUT ROWID;
CREATE INDEX outcomes_open ON outcomes (signal_id) WHERE status IN ('pending', 'unknown');

CREATE TABLE orders (
    id INTEGER PRIMARY KEY,
    client_order_id BLOB NOT NULL UNIQUE,
    user_id INTEGER NOT NULL,
    signal_id INTEGER NOT NULL,
    strategy_id INTEGER NOT NULL,
    leg INTEGER NOT NULL,
    broker_account_id INTEGER NOT NULL,
    symbol TEXT NOT NULL,
    side TEXT NOT NULL,
    order_type TEXT NOT NULL,
    time_in_force TEXT NOT NULL,
    order_qty TEXT NOT NULL,
    limit_price TEXT,
    stop_price TEXT,
    reduce_only INTEGER NOT NULL,
    reference_price TEXT,
    venue_order_id TEXT,
    status TEXT NOT NULL,
    filled_qty TEXT NOT NULL,
    avg_price TEXT,
    reason TEXT,
    planned_at INTEGER NOT NULL,
    sent_at INTEGER,
    acknowledged_at INTEGER,
    filled_at INTEGER,
    updated_at INTEGER NOT NULL,
    UNIQUE (signal_id, strategy_id, leg)
) STRICT;
CREATE INDEX orders_by_user ON orders (user_id);
CREATE INDEX orders_open ON orders (strategy_id)
    WHERE status IN ('pending', 'working', 'partially_filled', 'unknown');

CREATE TABLE fills (
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
    UNIQUE (broker_account_id, exec_id)
) STRICT;
CREATE INDEX fills_by_user ON fills (user_id);
CREATE INDEX fills_by_signal ON fills (signal_id);

CREATE TABLE positions (
    id INTEGER PRIMARY KEY,
    user_id INTEGER NOT NULL,
    strategy_id INTEGER NOT NULL,
    broker_account_id INTEGER NOT NULL,
    symbol TEXT NOT NULL,
    net_qty TEXT NOT NULL,
    avg_price TEXT NOT NULL,
    realized_profit TEXT NOT NULL,
    commission TEXT NOT NULL,
    updated_at INTEGER NOT NULL,
    UNIQUE (strategy_id, symbol)
) STRICT;
CREATE INDEX positions_by_user ON positions (user_id);
