-- The nodes that use the database, and which of them works on which account.

CREATE TABLE nodes (
    id BIGINT PRIMARY KEY,
    name TEXT NOT NULL,
    version TEXT NOT NULL,
    generation BIGINT NOT NULL,
    address TEXT NOT NULL,
    started_at BIGINT NOT NULL,
    alive_until TIMESTAMPTZ NOT NULL
) WITH (fillfactor = 50);

-- A row for each account. The epoch rises with every node that takes it; what a node records of an account is recorded only
-- while the row still says what the node was given.
CREATE TABLE leases (
    broker_account_id BIGINT PRIMARY KEY,
    node BIGINT,
    epoch BIGINT NOT NULL DEFAULT 0
) WITH (fillfactor = 50);
CREATE INDEX leases_by_node ON leases (node);

INSERT INTO leases (broker_account_id) SELECT id FROM broker_accounts;
CREATE FUNCTION lease_account() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO leases (broker_account_id) VALUES (NEW.id) ON CONFLICT DO NOTHING;
    RETURN NULL;
END
$$;
CREATE TRIGGER broker_accounts_leased AFTER INSERT ON broker_accounts
    FOR EACH ROW EXECUTE FUNCTION lease_account();

-- How accounts stand, shown by the node that works on each.
CREATE TABLE accounts_shown (
    broker_account_id BIGINT PRIMARY KEY,
    shown TEXT NOT NULL,
    shown_at TIMESTAMPTZ NOT NULL
) WITH (fillfactor = 50);
