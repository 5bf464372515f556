-- What accounts were worth, sampled by the engine. Whose an account is stands in its own row.
CREATE TABLE equity (
    broker_account_id INTEGER NOT NULL REFERENCES broker_accounts (id),
    at INTEGER NOT NULL,
    currency TEXT NOT NULL,
    cash TEXT NOT NULL,
    equity TEXT NOT NULL,
    simulated INTEGER NOT NULL,
    PRIMARY KEY (broker_account_id, at)
) STRICT, WITHOUT ROWID;
