//! The tables that both engines have.

/// What is copied between them, each with how it is read in the order of its key. Parents come before what refers to them.
/// `changes` and `meta`, which count and name the store they are in, are copied apart.
pub(super) const TABLES: [(&str, &str); 16] = [
    ("users", "id"),
    ("sessions", "id"),
    ("api_keys", "id"),
    ("webhooks", "id"),
    ("broker_accounts", "id"),
    ("sealed_credentials", "broker_account_id"),
    ("strategies", "id"),
    ("halts", "id"),
    ("signals", "id"),
    ("deliveries", "id"),
    ("repeat_keys", "webhook_id, key"),
    ("outcomes", "signal_id, strategy_id"),
    ("orders", "id"),
    ("fills", "id"),
    ("positions", "id"),
    ("equity", "broker_account_id, at"),
];
