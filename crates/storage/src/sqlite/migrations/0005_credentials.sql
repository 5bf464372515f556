-- What broker accounts are reached with, sealed: a key of its own for each account, which the master key wraps. `key_id`
-- names the master key without telling it. An account that is unlinked loses its row.
CREATE TABLE sealed_credentials (
    broker_account_id INTEGER PRIMARY KEY REFERENCES broker_accounts (id),
    key_id TEXT NOT NULL,
    wrapped_key BLOB NOT NULL,
    sealed BLOB NOT NULL
) STRICT;

-- Changes with the credentials, so that whoever follows the accounts connects anew.
ALTER TABLE broker_accounts ADD COLUMN credentials_set_at INTEGER;
